//! What only Converse has: its path, its exceptions, its rules for what others send.

use dialect::Dialect;
use dialect::chat::{
    Effort, Media, MediaSource, Message, Part, PartKind, ReasoningRequest, Request, Role,
    StreamEvent, ToolCall, ToolCallKind, ToolChoice, ToolResult,
};
use dialect::codec::{ClientCodec, Edits, EncoderOptions, End, ServerCodec};
use dialect::frame::Framing;
use dialect::frame::event_stream::MAX_MESSAGE;
use dialect::loss::{Loss, Losses};
use serde_json::{Value, json};

use crate::event_stream::{from_sse, to_sse};
use crate::laws::{Stream, events, failure, fold, target};

const OURS: Dialect = Dialect::BedrockConverse;

fn server() -> &'static dyn ServerCodec {
    OURS.server()
}

fn client() -> &'static dyn ClientCodec {
    OURS.client()
}

/// A request of another dialect as it is written here for that model, and what it loses.
fn written(request: &Request, model: &str) -> (Value, Losses) {
    let mut losses = Losses::default();
    let out = client().encode_request(request, &target(model), &mut losses);
    (serde_json::from_slice(&out).unwrap(), losses)
}

fn foreign(messages: Vec<Message>) -> Request {
    let mut request = Request::new(Dialect::OpenaiChat, "m");
    request.messages = messages;
    request
}

fn user(text: &str) -> Message {
    Message::new(Role::User, vec![Part::text(text)])
}

fn call(id: &str) -> Message {
    let call = PartKind::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: "{}".into(),
        kind: ToolCallKind::Function,
    });
    Message::new(Role::Assistant, vec![call.into()])
}

fn result(id: &str) -> Message {
    let result = ToolResult {
        call_id: id.into(),
        is_error: None,
        parts: vec![Part::text("done")],
        bare: true,
    };
    Message::new(Role::Tool, vec![PartKind::ToolResult(result).into()])
}

fn lost<'a>(losses: &'a Losses, path: &str) -> Option<&'a Loss> {
    losses.as_slice().iter().find(|loss| loss.path == path)
}

#[test]
fn the_path_names_model_and_form_whatever_letters_the_model_has() {
    let path = |model, stream| client().chat_path(model, stream).into_owned();
    assert_eq!(
        path("us.amazon.nova-2-lite-v1:0", false),
        "/model/us.amazon.nova-2-lite-v1%3A0/converse"
    );
    assert_eq!(
        path(
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/a b",
            true
        ),
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Fa%20b/converse-stream"
    );
}

#[test]
fn an_exception_in_the_stream_is_the_providers_failure_and_no_end_follows() {
    let stream = from_sse(concat!(
        "event: messageStart\ndata: {\"role\":\"assistant\"}\n\n",
        "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}\n\n",
        "event: exception:throttlingException\ndata: {\"message\":\"Too many tokens\"}\n\n",
    ));
    let mut reader = Stream::new(OURS, 1);
    reader.push(&stream).unwrap();
    let (events, result) = reader.finish(End::Clean);
    assert!(result.is_err());
    let Some(StreamEvent::Error(error)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(error.code.as_deref(), Some("throttlingException"));
    assert_eq!(error.message, "Too many tokens");
    assert!(!events.contains(&StreamEvent::End));
}

#[test]
fn the_tier_that_the_end_of_a_stream_tells_is_the_answers() {
    let told = events(
        OURS,
        1,
        &from_sse(concat!(
            "event: messageStart\ndata: {\"role\":\"assistant\"}\n\n",
            "event: messageStop\ndata: {\"stopReason\":\"end_turn\"}\n\n",
            "event: metadata\ndata: {\"usage\":{\"inputTokens\":1,\"outputTokens\":1,\"totalTokens\":2},",
            "\"metrics\":{\"latencyMs\":1},\"serviceTier\":{\"type\":\"flex\"}}\n\n",
        )),
    );
    let told = told.unwrap();
    let answer = fold(OURS, &told).into_response();
    assert_eq!(answer.service_tier.as_deref(), Some("flex"));
    let mut writer = OURS.server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    told.iter().for_each(|event| writer.push(event, &mut out));
    assert!(to_sse(&out).contains(r#""serviceTier":{"type":"flex"}"#));
}

#[test]
fn a_limit_among_the_fields_for_the_model_bounds_the_answer() {
    let limited = |limits: &str| {
        let body = format!(r#"{{"messages":[],{limits}}}"#);
        let head = OURS.server().head(body.as_bytes()).unwrap();
        let edits = Edits {
            model: "m",
            force_usage: false,
            max_output_tokens: Some(10),
        };
        let lowered = OURS.server().patch(&head, &edits).apply(&body.into());
        let lowered: Value = serde_json::from_slice(&lowered).unwrap();
        (head.max_output_tokens, lowered)
    };
    let (most, lowered) = limited(r#""additionalModelRequestFields":{"top_k":5,"max_tokens":64}"#);
    assert_eq!(most, Some(64));
    let fields = &lowered["additionalModelRequestFields"];
    assert_eq!(*fields, json!({"top_k": 5, "max_tokens": 10}));

    let (most, lowered) = limited(
        r#""additionalModelRequestFields":{"max_tokens":64},"inferenceConfig":{"maxTokens":20}"#,
    );
    assert_eq!(most, Some(64));
    assert_eq!(lowered["inferenceConfig"]["maxTokens"], 10);
    assert_eq!(lowered["additionalModelRequestFields"]["max_tokens"], 10);
}

#[test]
fn a_stream_that_ends_without_its_proof_or_breaks_its_grammar_is_broken() {
    const START: &str = "event: messageStart\ndata: {\"role\":\"assistant\"}\n\n";
    const TEXT: &str =
        "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}\n\n";
    const CLOSE: &str = "event: contentBlockStop\ndata: {\"contentBlockIndex\":0}\n\n";
    const STOP: &str = "event: messageStop\ndata: {\"stopReason\":\"end_turn\"}\n\n";
    let read = |pieces: &[&str]| events(OURS, 1, &from_sse(&pieces.concat()));
    assert!(read(&[START, TEXT, CLOSE, STOP]).is_ok());
    let malformed = STOP.replace("end_turn", "malformed_tool_use");
    let unsaid = STOP.replace("end_turn", "");
    let twice = TEXT.replace(
        "\"text\":\"Hi\"",
        "\"text\":\"Hi\",\"toolUse\":{\"input\":\"\"}",
    );
    let call = "event: contentBlockStart\ndata: {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\"}}}\n\n";
    let half = "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{\"input\":\"{\\\"a\\\":\"}}}\n\n";
    for broken in [
        &[START, TEXT, CLOSE][..],
        &[START, TEXT, STOP],
        &[TEXT, CLOSE, STOP],
        &[START, START, TEXT, CLOSE, STOP],
        &[START, TEXT, CLOSE, CLOSE, STOP],
        &[START, TEXT, CLOSE, TEXT, CLOSE, STOP],
        &[START, TEXT, CLOSE, STOP, STOP],
        &[START, TEXT, CLOSE, STOP, TEXT],
        &[START, TEXT, CLOSE, &malformed],
        &[START, TEXT, CLOSE, &unsaid],
        &[START, &twice, CLOSE, STOP],
        &[START, half, CLOSE, STOP],
        &[START, call, half, CLOSE, STOP],
        &[START, call, TEXT, CLOSE, STOP],
    ] {
        assert!(read(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn an_answer_that_the_provider_calls_malformed_is_broken() {
    let answer = |reason: &str| {
        json!({"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
            "stopReason": reason, "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})
        .to_string()
    };
    for reason in ["malformed_model_output", "malformed_tool_use", ""] {
        let body = answer(reason);
        assert!(
            client().decode_response(body.as_bytes()).is_err(),
            "{reason}"
        );
        assert!(
            client().weigh_response(body.as_bytes()).is_err(),
            "{reason}"
        );
    }
    assert!(
        client()
            .decode_response(answer("end_turn").as_bytes())
            .is_ok()
    );
}

#[test]
fn tokens_of_a_cache_stand_beside_the_input() {
    let body = json!({"output": {"message": {"role": "assistant", "content": []}},
        "stopReason": "end_turn", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 37,
        "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}]}});
    let usage = client().decode_response(body.to_string().as_bytes());
    let usage = usage.unwrap().usage.unwrap();
    let counts = (
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_1h,
    );
    assert_eq!(counts, (3, 10, 5, 15));
    assert_eq!((usage.total_input(), usage.total_output()), (33, 4));
}

#[test]
fn a_limit_goes_where_it_belongs_whatever_stands_there() {
    let edit = |body: &str, most| {
        let head = server().head(body.as_bytes()).unwrap();
        let edits = Edits {
            model: "m",
            force_usage: true,
            max_output_tokens: Some(most),
        };
        let out = server().patch(&head, &edits).apply(&body.to_owned().into());
        String::from_utf8(out.to_vec()).unwrap()
    };
    for (body, edited) in [
        ("{}", r#"{"inferenceConfig":{"maxTokens":9}}"#),
        (r#"{"a":1}"#, r#"{"inferenceConfig":{"maxTokens":9},"a":1}"#),
        (
            r#"{"inferenceConfig":null}"#,
            r#"{"inferenceConfig":{"maxTokens":9}}"#,
        ),
        (
            r#"{"inferenceConfig":{}}"#,
            r#"{"inferenceConfig":{"maxTokens":9}}"#,
        ),
        (
            r#"{"inferenceConfig":{"topP":1}}"#,
            r#"{"inferenceConfig":{"maxTokens":9,"topP":1}}"#,
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":null}}"#,
            r#"{"inferenceConfig":{"maxTokens":9}}"#,
        ),
        (
            r#"{"inferenceConfig":{"maxTokens": 10}}"#,
            r#"{"inferenceConfig":{"maxTokens": 9}}"#,
        ),
        (
            r#"{"inferenceConfig":{"maxTokens": 8}}"#,
            r#"{"inferenceConfig":{"maxTokens": 8}}"#,
        ),
    ] {
        assert_eq!(edit(body, 9), edited);
    }
    let twice = r#"{"inferenceConfig":{"maxTokens":1,"maxTokens":2}}"#;
    assert!(server().head(twice.as_bytes()).is_err());
}

#[test]
fn turns_of_one_side_are_one_turn_and_results_come_first() {
    let request = foreign(vec![
        user("Go"),
        call("a"),
        result("a"),
        user("And?"),
        user("Now?"),
    ]);
    let (out, losses) = written(&request, "m");
    let roles: Vec<_> = out["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["role"])
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let last = &out["messages"][2]["content"];
    assert!(last[0]["toolResult"].is_object());
    assert_eq!(
        (&last[1]["text"], &last[2]["text"]),
        (&json!("And?"), &json!("Now?"))
    );
    // The API wants to know the tools of past calls.
    let spec = &out["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(spec["name"], "f");
    assert!(lost(&losses, "tools").is_some_and(|loss| !loss.functional));
}

#[test]
fn sides_alternate_where_nothing_is_left_of_a_turn() {
    let film = PartKind::Video(Media {
        media_type: None,
        name: None,
        detail: None,
        source: MediaSource::File("file-1".to_owned()),
    });
    let silent = Message::new(Role::Assistant, vec![film.into()]);
    let request = foreign(vec![user("One"), silent, user("Two"), user("")]);
    let (out, losses) = written(&request, "m");
    assert_eq!(
        out["messages"],
        json!([{"role": "user", "content": [{"text": "One"}, {"text": "Two"}]}])
    );
    assert!(lost(&losses, "messages[1].content[0]").unwrap().functional);
    assert!(lost(&losses, "messages[1]").unwrap().functional);
    assert!(lost(&losses, "messages[3]").is_none());
}

#[test]
fn ids_that_the_api_refuses_are_rewritten_alike_wherever_they_stand() {
    let long = "x".repeat(90);
    for id in ["a b", long.as_str(), "é"] {
        let (out, _) = written(&foreign(vec![user("Go"), call(id), result(id)]), "m");
        let called = out["messages"][1]["content"][0]["toolUse"]["toolUseId"]
            .as_str()
            .unwrap();
        let answered = &out["messages"][2]["content"][0]["toolResult"]["toolUseId"];
        assert_eq!(answered, called);
        assert!(called.len() <= 64);
        assert!(
            called
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
        );
    }
}

#[test]
fn documents_have_names_of_their_own_in_letters_that_the_api_takes() {
    let document = |name: Option<&str>| {
        Part::from(PartKind::Document(Media {
            media_type: Some("application/pdf".into()),
            source: MediaSource::Base64("JVBERi0=".into()),
            name: name.map(str::to_owned),
            detail: None,
        }))
    };
    let parts = vec![
        document(Some("my  paper.pdf")),
        document(None),
        document(None),
    ];
    let (out, losses) = written(&foreign(vec![Message::new(Role::User, parts)]), "m");
    let content = out["messages"][0]["content"].as_array().unwrap();
    let names: Vec<_> = content
        .iter()
        .map(|block| &block["document"]["name"])
        .collect();
    assert_eq!(names, ["my paper-pdf", "document", "document (2)"]);
    assert!(lost(&losses, "messages[0].content[0]").is_some());
}

#[test]
fn reasoning_is_asked_for_in_the_words_of_the_models_family() {
    let mut request = foreign(vec![user("Think")]);
    request.max_output_tokens = Some(20_000);
    request.reasoning = Some(ReasoningRequest {
        effort: Some(Effort::High),
        ..ReasoningRequest::default()
    });
    let fields = |request: &Request, model| {
        let (out, losses) = written(request, model);
        let loss = lost(&losses, "reasoning_effort").is_some();
        (out["additionalModelRequestFields"].clone(), loss)
    };
    let claude = json!({"thinking": {"type": "enabled", "budget_tokens": 16384}});
    assert_eq!(
        fields(&request, "us.anthropic.claude-sonnet-4-5"),
        (claude, true)
    );
    let nova = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
    assert_eq!(fields(&request, "amazon.nova-2-lite-v1:0"), (nova, false));
    let open = json!({"reasoning_effort": "high"});
    assert_eq!(fields(&request, "openai.gpt-oss-120b-1:0"), (open, false));
    assert_eq!(fields(&request, "mistral.large"), (Value::Null, true));
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(fields(&request, "anthropic.claude-3"), (Value::Null, true));
}

#[test]
fn a_failure_has_the_exception_and_the_header_of_its_status() {
    for (status, kind, exception) in [
        (400, "ValidationException", "validationException"),
        (429, "ThrottlingException", "throttlingException"),
        (
            503,
            "ServiceUnavailableException",
            "serviceUnavailableException",
        ),
        (502, "InternalServerException", "internalServerException"),
    ] {
        let mut failure = failure();
        failure.status = status;
        assert_eq!(
            server().failure_headers(&failure),
            [("x-amzn-errortype", kind)]
        );
        let mut writer = server().encoder(EncoderOptions::default());
        let mut out = Vec::new();
        writer.fail(&failure, &mut out);
        writer.push(&StreamEvent::End, &mut out);
        let told = to_sse(&out);
        assert!(
            told.starts_with(&format!("event: exception:{exception}\n")),
            "{told}"
        );
        assert_eq!(told.matches("event: ").count(), 1);
    }
    assert_eq!(server().stream_framing(), Framing::EventStream);
    assert!(
        server()
            .encoder(EncoderOptions::default())
            .keep_alive()
            .is_empty()
    );
    assert_eq!(client().framing().framer(MAX_MESSAGE).buffered(), 0);
}

#[test]
fn error_bodies_are_read_whatever_they_look_like() {
    for (body, code, message) in [
        (r#"{"message":"no"}"#, None, "no"),
        (r#"{"Message":"no"}"#, None, "no"),
        (
            r#"{"__type":"com.amazon#ThrottlingException","message":"no"}"#,
            Some("ThrottlingException"),
            "no",
        ),
        (r#"{"error":{"message":"no","type":"x"}}"#, Some("x"), "no"),
        ("<html>  Bad\n gateway", None, "<html> Bad gateway"),
        ("", None, "the provider gave no reason"),
    ] {
        let error = client().decode_failure(body.as_bytes());
        assert_eq!(
            (error.code.as_deref(), error.message.as_str()),
            (code, message),
            "{body}"
        );
    }
}
