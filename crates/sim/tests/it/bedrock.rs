//! The `bedrock-converse` dialect and Anthropic's bodies in AWS's and Google's
//! clouds: framing, signatures, errors, and what each refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sim::{Script, Sim};

use crate::answers::{message_text, with};
use crate::aws::{Frame, frames, misfit, shapes};
use crate::client::{Got, ask_at, get, post, send};
use crate::{scripted, started};

fn ask(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 1000}})
}

fn tools() -> Value {
    let schema =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let spec = |name: &str| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
    json!({"toolConfig": {"tools": [spec("weather"), spec("time")]}})
}

fn messages(text: &str) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1000, "messages": [{"role": "user", "content": text}]})
}

async fn converse(sim: &Sim, body: &Value) -> Got {
    ask_at(sim, "/model/echo/converse", body).await
}

async fn stream(sim: &Sim, body: &Value) -> Vec<Frame> {
    let got = ask_at(sim, "/model/echo/converse-stream", body).await;
    assert_eq!(
        got.header("content-type"),
        Some("application/vnd.amazon.eventstream")
    );
    frames(&got.body)
}

fn joined(frames: &[Frame], pointer: &str) -> String {
    let each = frames.iter().filter(|f| f.kind == "contentBlockDelta");
    each.filter_map(|f| f.json().pointer(pointer)?.as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn text_is_echoed_whole_and_framed() {
    let sim = started(Script::default()).await;
    let got = converse(&sim, &ask("héllo 世界")).await;
    assert_eq!(got.header("x-amzn-requestid").unwrap().len(), 36);
    let whole = got.json();
    assert_eq!(
        whole["output"]["message"]["content"],
        json!([{"text": "héllo 世界"}])
    );
    assert_eq!(whole["stopReason"], "end_turn");
    let frames = stream(&sim, &ask("héllo 世界")).await;
    let kinds: Vec<&str> = frames.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata"
        ]
    );
    assert_eq!(joined(&frames, "/delta/text"), "héllo 世界");
    assert_eq!(frames[5].json()["usage"], whole["usage"]);
}

#[tokio::test]
async fn models_are_named_by_their_path_and_input_is_told_without_the_cache() {
    let sim = started(Script::default()).await;
    let path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A0%3Ainference-profile%2Fecho/converse";
    let usage = ask_at(&sim, path, &ask("CACHED and more words"))
        .await
        .json()["usage"]
        .clone();
    let call = &sim.bill().calls[0];
    assert_eq!(
        call.model,
        "arn:aws:bedrock:us-east-1:0:inference-profile/echo"
    );
    assert_eq!(usage["inputTokens"], call.input_tokens);
    assert_eq!(usage["cacheReadInputTokens"], call.cached_tokens);
    assert_eq!(
        usage["totalTokens"],
        call.input_tokens + call.cached_tokens + call.output_tokens
    );
    assert_eq!(
        get(&sim, "/inference-profiles").await.json()["inferenceProfileSummaries"][0]["inferenceProfileId"],
        "echo"
    );
}

#[tokio::test]
async fn calls_and_signed_thoughts_come_back_checked() {
    let sim = started(Script::default()).await;
    let thinking = json!({"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}});
    let body = with(with(ask("USE_TOOLS 2 SAY_FIRST"), &tools()), &thinking);
    let whole = converse(&sim, &body).await.json();
    assert_eq!(whole["stopReason"], "tool_use");
    let content = whole["output"]["message"]["content"].clone();
    let kinds: Vec<&String> = content
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b.as_object().unwrap().keys().next().unwrap())
        .collect();
    assert_eq!(kinds, ["reasoningContent", "text", "toolUse", "toolUse"]);
    let frames = stream(&sim, &body).await;
    let thoughts = &content[0]["reasoningContent"]["reasoningText"];
    assert_eq!(
        joined(&frames, "/delta/reasoningContent/text"),
        thoughts["text"].as_str().unwrap()
    );
    assert_eq!(
        joined(&frames, "/delta/reasoningContent/signature"),
        thoughts["signature"].as_str().unwrap()
    );
    assert_eq!(
        frames
            .iter()
            .filter(|f| f.kind == "contentBlockStart")
            .count(),
        2
    );

    let result = |i: usize| json!({"toolResult": {"toolUseId": content[i]["toolUse"]["toolUseId"], "content": [{"json": {"sky": "blue"}}]}});
    let next = |content: &Value, results: Value| {
        let turns = json!([body["messages"][0], {"role": "assistant", "content": content}, {"role": "user", "content": results}]);
        with(body.clone(), &json!({"messages": turns}))
    };
    let told = converse(&sim, &next(&content, json!([result(2), result(3)])))
        .await
        .json();
    assert!(told.to_string().contains("blue"), "{told}");
    let got = converse(&sim, &next(&content, json!([result(2)]))).await;
    assert!(
        got.status == 400
            && got
                .text()
                .contains("Expected toolResult blocks at messages.2.content")
    );
    let mut forged = content.clone();
    forged[0]["reasoningContent"]["reasoningText"]["signature"] = json!("forged");
    let got = converse(&sim, &next(&forged, json!([result(2), result(3)]))).await;
    assert!(
        got.text()
            .contains("Invalid `signature` in `thinking` block")
    );
}

/// Signed by AWS's own library for Python.
const SIGNED: &str = "content-type: application/json\r\nx-amz-security-token: tok  en\r\nX-Amz-Date: 20260102T030405Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=c67b72aaecf70e3aeadbad5e01191a0a1ca4fa4ab50ef7e75c0e610a975d1b9c\r\n";

fn signed(path: &str, text: &str) -> String {
    let body =
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"text\":\"{text}\"}}]}}]}}");
    let len = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {len}\r\n{SIGNED}\r\n{body}"
    )
}

#[tokio::test]
async fn signatures_are_checked_where_the_secret_is_known() {
    let path = "/model/us.echo-v1%3A0/converse";
    let aws = |secret: &str| json!({"aws": {"AKIDEXAMPLE": secret}});
    let sim = scripted(&aws("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")).await;
    let got = send(&sim, &signed(path, "signed")).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let fails = |got: Got, kind: &str| {
        assert_eq!(got.status, 403);
        assert!(
            got.header("x-amzn-errortype").unwrap().starts_with(kind),
            "{}",
            got.head
        );
    };
    fails(
        send(&sim, &signed(path, "SIGNED")).await,
        "InvalidSignatureException",
    );
    fails(
        send(&sim, &signed("/model/us.echo-v1:0/converse", "signed")).await,
        "InvalidSignatureException",
    );
    let elsewhere =
        signed(path, "signed").replace("/us-east-1/bedrock/", "/us-east-1/bedrock-runtime/");
    let got = send(&sim, &elsewhere).await;
    assert!(
        got.text().contains("correct service: 'bedrock'"),
        "{}",
        got.text()
    );
    let hostless = signed(path, "signed").replace("content-type;host;", "content-type;");
    assert!(
        send(&sim, &hostless)
            .await
            .text()
            .contains("must be a 'SignedHeader'")
    );
    let other = scripted(&aws("another")).await;
    fails(
        send(&other, &signed(path, "signed")).await,
        "InvalidSignatureException",
    );
    let unknown = scripted(&json!({"aws": {"AKIDOTHER": "s"}})).await;
    fails(
        send(&unknown, &signed(path, "signed")).await,
        "UnrecognizedClientException",
    );
    let open = started(Script::default()).await;
    assert_eq!(
        send(&open, &signed(path, "not what was signed"))
            .await
            .status,
        200
    );
    fails(
        send(&open, &post(path, "", &ask("a").to_string())).await,
        "MissingAuthenticationTokenException",
    );
}

#[tokio::test]
async fn exceptions_come_as_errors_and_inside_streams() {
    for (status, kind) in [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ] {
        let sim = scripted(&json!({"rules": [{"do": {"status": {"status": status}}}]})).await;
        let got = converse(&sim, &ask("a")).await;
        assert_eq!(got.status, status);
        assert!(got.header("x-amzn-errortype").unwrap().starts_with(kind));
        assert!(got.json()["message"].is_string());
    }
    let sim = scripted(&json!({"rules": [{"do": {"error_event": {"after_events": 2}}}]})).await;
    for path in [
        "/model/echo/converse-stream",
        "/model/echo/invoke-with-response-stream",
    ] {
        let text = "one two three";
        let body = if path.ends_with("converse-stream") {
            ask(text)
        } else {
            messages(text)
        };
        let got = frames(&ask_at(&sim, path, &body).await.body);
        let last = got.last().unwrap();
        assert_eq!(
            (got.len(), last.message_type.as_str(), last.kind.as_str()),
            (3, "exception", "modelStreamErrorException")
        );
    }
    let sim = scripted(&json!({"rules": [{"do": {"bad_json": {"at_event": 1}}}]})).await;
    let got = stream(&sim, &ask("one two three")).await;
    assert!(serde_json::from_slice::<Value>(&got[1].payload).is_err());
}

#[tokio::test]
async fn wrong_requests_get_awss_words() {
    let sim = started(Script::default()).await;
    let turns = |turns: Value| with(ask("a"), &json!({"messages": turns}));
    let user = json!({"role": "user", "content": [{"text": "a"}]});
    for (body, part) in [
        (turns(json!([])), "Value at 'messages'"),
        (
            turns(json!([{"role": "assistant", "content": [{"text": "a"}]}])),
            "must start with a user message",
        ),
        (turns(json!([user, user])), "must alternate"),
        (
            turns(json!([{"role": "user", "content": []}])),
            "messages.0 is empty",
        ),
        (
            turns(json!([{"role": "user", "content": [{"text": ""}]}])),
            "is blank",
        ),
        (
            turns(json!([{"role": "user", "content": [{"type": "text"}]}])),
            "must set one of the following keys",
        ),
        (
            turns(
                json!([user, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]}]),
            ),
            "toolConfig field must be defined",
        ),
    ] {
        let got = converse(&sim, &body).await;
        assert!(
            got.status == 400 && got.text().contains(part),
            "{}",
            got.text()
        );
    }
}

#[tokio::test]
async fn tokens_are_counted_for_both_kinds_of_body() {
    let sim = started(Script::default()).await;
    let path = "/model/echo/count-tokens";
    let counted = ask_at(&sim, path, &json!({"input": {"converse": ask("count me")}})).await;
    assert_eq!(counted.json(), json!({"inputTokens": 2}));
    let body = STANDARD.encode(messages("count me").to_string());
    let counted = ask_at(
        &sim,
        path,
        &json!({"input": {"invokeModel": {"body": body}}}),
    )
    .await;
    assert_eq!(counted.json(), json!({"inputTokens": 2}));
    assert_eq!(ask_at(&sim, path, &json!({"input": {}})).await.status, 400);
}

#[tokio::test]
async fn anthropics_bodies_are_invoked_on_bedrock() {
    let sim = started(Script::default()).await;
    let whole = ask_at(&sim, "/model/echo/invoke", &messages("héllo 世界"))
        .await
        .json();
    assert_eq!(
        (&whole["type"], &whole["content"][0]["text"]),
        (&json!("message"), &json!("héllo 世界"))
    );
    let got = ask_at(
        &sim,
        "/model/echo/invoke-with-response-stream",
        &messages("héllo 世界"),
    )
    .await;
    let events: Vec<Value> = frames(&got.body)
        .iter()
        .map(|f| {
            assert_eq!(f.kind, "chunk");
            serde_json::from_slice(
                &STANDARD
                    .decode(f.json()["bytes"].as_str().unwrap())
                    .unwrap(),
            )
            .unwrap()
        })
        .collect();
    assert_eq!(message_text(&events, "text"), "héllo 世界");
    let last = events.last().unwrap();
    assert_eq!(
        last["amazon-bedrock-invocationMetrics"]["outputTokenCount"],
        whole["usage"]["output_tokens"]
    );
    assert_eq!(sim.bill().calls[1].dialect, "anthropic-messages");
    for more in [
        json!({"anthropic_version": null}),
        json!({"model": "m"}),
        json!({"stream": true}),
    ] {
        assert_eq!(
            ask_at(&sim, "/model/echo/invoke", &with(messages("a"), &more))
                .await
                .status,
            400
        );
    }
}

#[tokio::test]
async fn vectors_are_invoked_and_counted_in_a_header() {
    let sim = started(Script::default()).await;
    let titan = json!({"inputText": "some words", "dimensions": 256});
    let got = ask_at(&sim, "/model/amazon.titan-embed-text-v2%3A0/invoke", &titan).await;
    assert_eq!(got.header("x-amzn-bedrock-input-token-count"), Some("3"));
    assert_eq!(got.json()["inputTextTokenCount"], 3);
    assert_eq!(got.json()["embedding"].as_array().unwrap().len(), 256);
    let cohere = json!({"texts": ["some words", "b"], "input_type": "search_query"});
    let got = ask_at(&sim, "/model/cohere.embed-english-v3/invoke", &cohere).await;
    assert_eq!(got.header("x-amzn-bedrock-input-token-count"), Some("4"));
    assert_eq!(got.json()["embeddings"].as_array().unwrap().len(), 2);
    let call = &sim.bill().calls[1];
    assert_eq!(
        (call.operation, call.dialect, call.input_tokens),
        ("embed", "bedrock-converse", 4)
    );
    let whole = ask_at(&sim, "/model/echo/invoke", &messages("one two")).await;
    assert_eq!(whole.header("x-amzn-bedrock-output-token-count"), Some("2"));
}

#[tokio::test]
async fn anthropics_bodies_are_predicted_on_vertex() {
    let sim = started(Script::default()).await;
    let base = "/v1/projects/p/locations/l/publishers/anthropic/models";
    let body = with(
        messages("héllo 世界"),
        &json!({"anthropic_version": "vertex-2023-10-16"}),
    );
    let whole = ask_at(&sim, &format!("{base}/echo:rawPredict"), &body)
        .await
        .json();
    assert_eq!(
        (&whole["model"], &whole["content"][0]["text"]),
        (&json!("echo"), &json!("héllo 世界"))
    );
    let streamed = with(body.clone(), &json!({"stream": true}));
    let got = ask_at(&sim, &format!("{base}/echo:streamRawPredict"), &streamed).await;
    assert_eq!(message_text(&got.events(), "text"), "héllo 世界");
    let counting = with(body.clone(), &json!({"model": "echo"}));
    let counted = ask_at(&sim, &format!("{base}/count-tokens:rawPredict"), &counting).await;
    assert!(counted.json()["input_tokens"].is_u64());
    let got = ask_at(&sim, &format!("{base}/echo:rawPredict"), &messages("a")).await;
    assert_eq!((got.status, &got.json()["type"]), (400, &json!("error")));
    let sim = scripted(&json!({"rules": [{"do": {"status": {"status": 429}}}]})).await;
    let got = ask_at(&sim, &format!("{base}/echo:rawPredict"), &body).await;
    assert_eq!(got.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    let got = send(
        &sim,
        &post(&format!("{base}/echo:rawPredict"), "", &body.to_string()),
    )
    .await;
    assert_eq!(
        (got.status, got.json()["error"]["code"].clone()),
        (401, json!(401))
    );
}

#[tokio::test]
async fn answers_fit_the_service_model() {
    let Some(shapes) = shapes() else { return };
    let sim = started(Script::default()).await;
    for (text, more) in [
        ("hello CACHED", json!({})),
        (
            "hello",
            json!({"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}),
        ),
        ("USE_TOOLS 2 SAY_FIRST", tools()),
        ("REFUSE", json!({})),
    ] {
        let body = with(ask(text), &more);
        let whole = converse(&sim, &body).await.json();
        assert_eq!(misfit(&shapes, "ConverseResponse", &whole), None);
        for frame in stream(&sim, &body).await {
            let event = json!({frame.kind.clone(): frame.json()});
            assert_eq!(
                misfit(&shapes, "ConverseStreamOutput", &event),
                None,
                "{event}"
            );
        }
    }
}
