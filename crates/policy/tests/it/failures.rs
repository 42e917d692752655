//! What providers' refusals mean: by their published forms, and by every one that was recorded.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use dialect::Dialect;
use dialect::failure::ProviderError;
use flate2::read::GzDecoder;
use policy::failure::table::{Meaning, Phase, ROWS, Signs, classify};
use policy::failure::{AttemptFailure, Next};
use serde_json::Value;

use AttemptFailure::{
    Ambiguous, BadRequest, ContentPolicy, ContextWindow, Credential, Exhausted, MidStream,
    ModelGone, Overloaded, RateLimited,
};

/// A refusal with that status and body, by whoever is at that row and speaks that dialect.
fn read(provider: &str, dialect: Dialect, (status, body): (u16, &str)) -> Meaning {
    let error = dialect.client().decode_failure(body.as_bytes());
    classify(&Signs {
        provider,
        dialect: dialect.name(),
        phase: Phase::Head(status),
        error: &error,
        word: None,
        is_final: false,
    })
}

fn coded(phase: Phase, code: &str) -> AttemptFailure {
    let error = ProviderError {
        code: Some(code.to_owned()),
        ..ProviderError::default()
    };
    let signs = Signs {
        provider: "",
        dialect: "openai-chat",
        phase,
        error: &error,
        word: None,
        is_final: false,
    };
    classify(&signs).kind
}

#[test]
fn a_used_up_quota_is_not_a_rate_limit() {
    let head = Phase::Head(429);
    for code in [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    ] {
        assert_eq!(coded(head, code), Exhausted, "{code}");
    }
    assert_eq!(coded(head, "rate_limit_exceeded"), RateLimited);
    assert_eq!(coded(head, ""), RateLimited);
}

#[test]
fn words_of_the_clouds_say_more_than_their_status() {
    for (status, code, means) in [
        (400, "API_KEY_INVALID", Credential),
        (400, "ExpiredTokenException", Credential),
        (429, "ModelNotReadyException", Overloaded),
        (500, "throttlingException", RateLimited),
        (500, "modelTimeoutException", Ambiguous),
    ] {
        assert_eq!(coded(Phase::Head(status), code), means);
    }
}

#[test]
fn an_unknown_refusal_is_final() {
    assert_eq!(coded(Phase::Head(418), "teapot").next(), Next::Nothing);
    assert_eq!(coded(Phase::Head(302), "").next(), Next::Nothing);
}

#[test]
fn an_answer_that_may_have_been_billed_says_so() {
    for status in [408, 502, 504] {
        assert!(coded(Phase::Head(status), "").may_be_billed());
    }
    assert!(!coded(Phase::Head(503), "").may_be_billed());
    assert!(coded(Phase::Answer, "").may_be_billed());
    assert!(coded(Phase::Answer, "overloaded_error").may_be_billed());
}

#[test]
fn a_type_that_a_header_tells_is_read() {
    let error = ProviderError::default();
    let signs = |word| Signs {
        provider: "bedrock",
        dialect: "bedrock-converse",
        phase: Phase::Head(400),
        error: &error,
        word,
        is_final: false,
    };
    assert_eq!(
        classify(&signs(Some("ThrottlingException"))).kind,
        RateLimited
    );
    assert_eq!(
        classify(&signs(Some("ServiceQuotaExceededException"))).kind,
        Exhausted
    );
    assert_eq!(classify(&signs(None)).kind, BadRequest);
}

#[test]
fn a_limit_that_no_retry_helps_is_used_up() {
    let error = ProviderError::default();
    let signs = |status| Signs {
        provider: "",
        dialect: "",
        phase: Phase::Head(status),
        error: &error,
        word: None,
        is_final: true,
    };
    assert_eq!(classify(&signs(429)).kind, Exhausted);
    assert_eq!(classify(&signs(401)).kind, Credential);
}

const CHAT: Dialect = Dialect::OpenaiChat;
const MESSAGES: Dialect = Dialect::AnthropicMessages;
const GEMINI: Dialect = Dialect::Gemini;

/// What providers publish of their refusals: who, in which dialect, with which status and body, and
/// what it means.
const PUBLISHED: &[(&str, Dialect, u16, &str, AttemptFailure)] = &[
    (
        "openai",
        CHAT,
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        Exhausted,
    ),
    (
        "openai",
        CHAT,
        503,
        r#"{"error":{"message":"Slow down","type":"server_error","code":"slow_down"}}"#,
        Overloaded,
    ),
    (
        "openai",
        CHAT,
        400,
        r#"{"error":{"message":"flagged","type":"invalid_request_error","code":"invalid_prompt"}}"#,
        ContentPolicy,
    ),
    (
        "azure",
        CHAT,
        400,
        r#"{"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ContentPolicy,
    ),
    (
        "azure",
        CHAT,
        400,
        r#"{"error":{"message":"filtered","code":"400","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ContentPolicy,
    ),
    (
        "anthropic",
        MESSAGES,
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        Overloaded,
    ),
    (
        "anthropic",
        MESSAGES,
        402,
        r#"{"type":"error","error":{"type":"billing_error","message":"billing"}}"#,
        Exhausted,
    ),
    (
        "anthropic",
        MESSAGES,
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}"#,
        Exhausted,
    ),
    (
        "anthropic",
        MESSAGES,
        429,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"limit","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
        Exhausted,
    ),
    (
        "anthropic",
        MESSAGES,
        429,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"limit"}}"#,
        RateLimited,
    ),
    (
        "openrouter",
        CHAT,
        402,
        r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
        Exhausted,
    ),
    (
        "openrouter",
        CHAT,
        403,
        r#"{"error":{"code":403,"message":"moderated","metadata":{"reasons":["violence"],"flagged_input":"…","provider_name":"x"}}}"#,
        ContentPolicy,
    ),
    (
        "openrouter",
        CHAT,
        403,
        r#"{"error":{"code":403,"message":"no"}}"#,
        Credential,
    ),
    (
        "groq",
        CHAT,
        413,
        r#"{"error":{"message":"Request too large for model","type":"tokens","code":"rate_limit_exceeded"}}"#,
        ContextWindow,
    ),
    (
        "groq",
        CHAT,
        498,
        r#"{"error":{"message":"capacity"}}"#,
        Overloaded,
    ),
    (
        "mistral",
        CHAT,
        429,
        r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","param":null,"code":"3505"}"#,
        Overloaded,
    ),
    (
        "cohere",
        Dialect::Cohere,
        402,
        r#"{"message":"billing"}"#,
        Exhausted,
    ),
    (
        "cohere",
        Dialect::Cohere,
        498,
        r#"{"message":"blocked"}"#,
        ContentPolicy,
    ),
    (
        "scaleway",
        CHAT,
        429,
        r#"{"error":{"code":"insufficient_quota","message":"INSUFFICIENT QUOTA"}}"#,
        RateLimited,
    ),
    (
        "",
        CHAT,
        429,
        r#"{"error":{"code":"insufficient_quota","message":"no"}}"#,
        Exhausted,
    ),
    (
        "gemini",
        GEMINI,
        503,
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
        Overloaded,
    ),
];

#[test]
fn what_providers_publish_is_understood() {
    for (provider, dialect, status, body, means) in PUBLISHED {
        let read = read(provider, *dialect, (*status, body));
        assert_eq!(read.kind, *means, "{provider} {body}");
    }
}

#[test]
fn a_quota_of_a_day_is_used_up_for_its_model_and_one_of_a_minute_is_not() {
    let quota = |id: &str| {
        let violations = format!(r#"[{{"quotaMetric":"m","quotaId":"{id}"}}]"#);
        let body = format!(
            r#"{{"error":{{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
            {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":{violations}}},
            {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}}]}}}}"#
        );
        read("gemini", GEMINI, (429, &body))
    };
    let minute = quota("GenerateRequestsPerMinutePerProjectPerModel");
    assert_eq!(minute.kind, RateLimited);
    let day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert_eq!((day.kind, day.at_target), (Exhausted, true));
}

#[test]
fn what_a_request_names_itself_is_told_from_its_model_and_its_credential() {
    let vague = |provider, dialect, status, body: &str| {
        let read = read(provider, dialect, (status, body));
        (read.kind, read.vague)
    };
    let google = |code: u16, status: &str, message: &str| {
        let body =
            format!(r#"{{"error":{{"code":{code},"message":"{message}","status":"{status}"}}}}"#);
        vague("gemini", GEMINI, code, &body)
    };
    let no_file = "You do not have permission to access the File none or it may not exist.";
    assert_eq!(
        google(403, "PERMISSION_DENIED", no_file),
        (Credential, true)
    );
    let no_model = "models/none is not found for API version v1beta";
    assert_eq!(google(404, "NOT_FOUND", no_model), (ModelGone, false));
    let anthropic = |message: &str| {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"not_found_error","message":"{message}"}}}}"#
        );
        vague("anthropic", MESSAGES, 404, &body)
    };
    assert_eq!(anthropic("model: claude-none"), (ModelGone, false));
    assert_eq!(anthropic("File not found: model: x"), (ModelGone, true));
    let engine = r#"{"error":{"message":"The model `m` does not exist.","type":"NotFoundError"}}"#;
    assert_eq!(vague("", CHAT, 404, engine), (ModelGone, false));
    assert_eq!(vague("", CHAT, 404, ""), (ModelGone, true));
    assert_eq!(vague("", CHAT, 401, ""), (Credential, false));
}

#[test]
fn no_row_is_hidden_by_those_before_it() {
    for (at, row) in ROWS.iter().enumerate() {
        let said = format!("{row:?}");
        let same = ROWS
            .iter()
            .skip(at + 1)
            .find(|other| format!("{other:?}") == said);
        assert!(same.is_none(), "{said} stands twice");
    }
}

/// What the recorded refusals mean, but for those of the request itself.
const RECORDED: &[(&str, AttemptFailure)] = &[
    ("anthropic-messages-010", Credential),
    ("anthropic-messages-013", ContextWindow),
    ("azure-chat-008", RateLimited),
    ("azure-chat-013", ModelGone),
    ("bedrock-converse-002", Credential),
    ("bedrock-converse-008", ContextWindow),
    ("cohere-chat-native-003", Credential),
    ("gemini-generateContent-003", Credential),
    ("groq-chat-001", ModelGone),
    ("ollama-chat-001", Credential),
    ("openai-chat-003", Credential),
    ("openai-responses-004", Credential),
    ("openai-responses-008", ContextWindow),
    ("openrouter-chat-006", ContextWindow),
    ("perplexity-chat-001", Credential),
    ("vertex-generateContent-008", ContextWindow),
    ("xai-responses-001", Credential),
    ("bulk-02104", RateLimited),
    ("bulk-02836", ModelGone),
    ("bulk-03541", Credential),
    ("bulk-03741", ModelGone),
    ("bulk-04250", RateLimited),
];

#[test]
fn every_recorded_refusal_means_what_it_says() {
    let refusals = refusals();
    if refusals.is_empty() {
        eprintln!("SKIPPED: no recordings at ../shared/recordings to classify");
        return;
    }
    let known: BTreeMap<&str, AttemptFailure> = RECORDED.iter().copied().collect();
    let mut seen = 0;
    for refusal in &refusals {
        let id = refusal["id"].as_str().unwrap();
        let means = meaning(refusal);
        // Of many only the first is listed; their likes mean the same.
        match known.get(id) {
            Some(expected) => {
                assert_eq!(means, *expected, "{refusal}");
                seen += 1;
            }
            None => {
                let status = refusal["status"].as_u64().unwrap();
                let expected = match status {
                    401 => Credential,
                    404 => ModelGone,
                    _ => means,
                };
                assert_eq!(means, expected, "{refusal}");
                assert_ne!(means, MidStream);
            }
        }
    }
    assert_eq!(seen, RECORDED.len());
}

fn meaning(refusal: &Value) -> AttemptFailure {
    let provider = refusal["provider"].as_str().unwrap();
    let dialect = dialect_of(refusal).unwrap();
    let status = u16::try_from(refusal["status"].as_u64().unwrap()).unwrap();
    let body = refusal["response_body"].as_str().unwrap_or_default();
    let error = dialect.client().decode_failure(body.as_bytes());
    let typed = refusal["response_headers"]["x-amzn-errortype"].as_str();
    classify(&Signs {
        provider,
        dialect: dialect.name(),
        phase: Phase::Head(status),
        error: &error,
        word: typed.map(|word| word.split(':').next().unwrap_or(word)),
        is_final: refusal["response_headers"]["x-should-retry"] == "false",
    })
    .kind
}

fn dialect_of(line: &Value) -> Option<Dialect> {
    Some(match (line["api"].as_str()?, line["provider"].as_str()?) {
        ("chat", _) => Dialect::OpenaiChat,
        ("responses", _) => Dialect::OpenaiResponses,
        ("messages", "anthropic") => Dialect::AnthropicMessages,
        ("generateContent", _) => Dialect::Gemini,
        ("converse", _) => Dialect::BedrockConverse,
        ("chat-native", "cohere") => Dialect::Cohere,
        _ => return None,
    })
}

/// The recorded refusals of dialects that are spoken.
fn refusals() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let text = match path.extension().and_then(|end| end.to_str()) {
            Some("jsonl") => fs::read_to_string(&path).unwrap(),
            Some("gz") => {
                let mut text = String::new();
                let packed = fs::read(&path).unwrap();
                GzDecoder::new(&packed[..])
                    .read_to_string(&mut text)
                    .unwrap();
                text
            }
            _ => continue,
        };
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        found.extend(lines.filter(|line| {
            line["status"].as_u64().is_some_and(|status| status >= 400)
                && dialect_of(line).is_some()
        }));
    }
    found
}
