//! What is answered when nothing is scripted.

use serde_json::{Value, json};
use sim::Script;

use crate::client::{ANTHROPIC, BEARER, chat, get, messages, post, send};
use crate::started;

pub(crate) fn ask(text: &str) -> Value {
    json!({"model": "echo", "max_tokens": 1000, "messages": [{"role": "user", "content": text}]})
}

pub(crate) fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// All text that a chat stream carries for one choice.
pub(crate) fn chat_text(events: &[Value], index: u64, field: &str) -> String {
    let choices = events.iter().flat_map(|e| e["choices"].as_array().unwrap());
    let own = choices.filter(|c| c["index"] == index);
    own.filter_map(|c| c["delta"][field].as_str()).collect()
}

/// All deltas of one kind that a Messages stream carries.
pub(crate) fn message_text(events: &[Value], field: &str) -> String {
    events
        .iter()
        .filter_map(|e| e["delta"][field].as_str())
        .collect()
}

#[tokio::test]
async fn chat_echoes_whole_and_streamed() {
    let sim = started(Script::default()).await;
    let whole = chat(&sim, &ask("héllo 世界 \"quoted\"\n🙂")).await;
    assert_eq!((whole.status, whole.whole), (200, true));
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert!(whole.header("x-request-id").unwrap().starts_with("req_"));
    let body = whole.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(
        body["choices"][0]["message"]["content"],
        "héllo 世界 \"quoted\"\n🙂"
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");

    let streamed = with(
        ask("héllo 世界 🙂"),
        &json!({"stream": true, "stream_options": {"include_usage": true}}),
    );
    let got = chat(&sim, &streamed).await;
    assert_eq!(
        got.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert!(got.text().ends_with("data: [DONE]\n\n"));
    let events = got.events();
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    assert_eq!(chat_text(&events, 0, "content"), "héllo 世界 🙂");
    let finish = &events[events.len() - 2];
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(finish["usage"], Value::Null);
    let usage = &events[events.len() - 1];
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(
        usage["usage"]["completion_tokens"],
        "héllo 世界 🙂".len().div_ceil(4)
    );
}

#[tokio::test]
async fn messages_echo_whole_and_streamed() {
    let sim = started(Script::default()).await;
    let whole = messages(&sim, &ask("grüß 世界")).await;
    assert_eq!(whole.status, 200);
    assert!(whole.header("request-id").unwrap().starts_with("req_"));
    let body = whole.json();
    assert_eq!(
        body["content"],
        json!([{"type": "text", "text": "grüß 世界"}])
    );
    assert_eq!(body["stop_reason"], "end_turn");

    let got = messages(&sim, &with(ask("grüß 世界"), &json!({"stream": true}))).await;
    let text = got.text();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("event: "))
        .collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let events = got.events();
    assert!(events.iter().zip(&names).all(|(e, n)| e["type"] == *n));
    assert_eq!(message_text(&events, "text"), "grüß 世界");
    assert_eq!(
        events[6]["usage"]["output_tokens"],
        "grüß 世界".len().div_ceil(4)
    );
}

#[tokio::test]
async fn refuses_what_the_provider_refuses() {
    let sim = started(Script::default()).await;
    let path = "/v1/chat/completions";
    let cases = [
        (
            path,
            BEARER,
            "{",
            400,
            "/error/type",
            "invalid_request_error",
        ),
        (
            path,
            BEARER,
            r#"{"model":"m"}"#,
            400,
            "/error/param",
            "messages",
        ),
        (
            path,
            "",
            r#"{"model":"m","messages":[]}"#,
            401,
            "/error/code",
            "invalid_api_key",
        ),
        (
            "/v1/messages",
            ANTHROPIC,
            r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#,
            400,
            "/error/message",
            "max_tokens: Field required",
        ),
        (
            "/v1/messages",
            "x-api-key: k\r\n",
            "{}",
            400,
            "/error/message",
            "anthropic-version: header is required",
        ),
        (
            "/v1/messages",
            "anthropic-version: 1\r\n",
            "{}",
            401,
            "/error/type",
            "authentication_error",
        ),
        (
            "/v1/nothing",
            BEARER,
            "{}",
            404,
            "/error/type",
            "invalid_request_error",
        ),
    ];
    for (path, headers, body, status, pointer, want) in cases {
        let got = send(&sim, &post(path, headers, body)).await;
        assert_eq!(got.status, status, "{path} {body}");
        assert_eq!(got.json().pointer(pointer).unwrap(), want, "{path} {body}");
    }
    assert_eq!(sim.bill().calls, []);
}

#[tokio::test]
async fn lists_models_in_both_forms() {
    let sim = started(Script::default()).await;
    assert_eq!(get(&sim, "/v1/models").await.json()["object"], "list");
    assert_eq!(get(&sim, "/models/echo").await.json()["id"], "echo");
    let head =
        format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{ANTHROPIC}\r\n");
    assert_eq!(send(&sim, &head).await.json()["has_more"], false);
}

#[tokio::test]
async fn refuses_what_only_the_real_provider_would() {
    let sim = started(Script::default()).await;
    for (more, part) in [
        (
            json!({"stream_options": {"include_usage": true}}),
            "only allowed when 'stream'",
        ),
        (json!({"tool_choice": "auto"}), "only allowed when 'tools'"),
        (
            json!({"messages": [{"role": "bot", "content": "a"}]}),
            "Invalid value: 'bot'",
        ),
        (json!({"n": 0}), "'n' must be"),
    ] {
        let got = chat(&sim, &with(ask("a"), &more)).await;
        let message = got.json()["error"]["message"].to_string();
        assert!(got.status == 400 && message.contains(part), "{message}");
    }
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let trailing =
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}]);
    for (more, part) in [
        (json!({"max_tokens": 0}), "max_tokens: Input"),
        (
            user(json!("")),
            "messages.0: all messages must have non-empty content",
        ),
        (
            user(json!([{"type": "text", "text": ""}])),
            "text content blocks must be non-empty",
        ),
        (
            user(json!([{"type": "image_url"}])),
            "messages.0.content.0: Input tag 'image_url'",
        ),
        (
            json!({"messages": [{"role": "system", "content": "a"}]}),
            "Unexpected role",
        ),
        (json!({"messages": trailing}), "trailing whitespace"),
        (
            json!({"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "tool_choice": {"type": "any"}}),
            "Thinking may not",
        ),
    ] {
        let got = messages(&sim, &with(ask("a"), &more)).await;
        let message = got.json()["error"]["message"].to_string();
        assert!(got.status == 400 && message.contains(part), "{message}");
    }
}
