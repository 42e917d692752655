//! What the client sends in each dialect, of an exact size.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{Ask, KEY, Shape, Wire};

/// Bytes of each message that a conversation begins with.
const TURN_BYTES: usize = 2048;

const SYSTEM: &str = "You are a careful assistant. Answer in two sentences.";

/// The whole HTTP request, with these headers added.
pub(super) fn http(ask: &Ask, headers: &str) -> Bytes {
    let body = sized(ask);
    let path = path(ask);
    let key = match ask.wire {
        Wire::Messages => format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n"),
        Wire::Gemini => format!("x-goog-api-key: {KEY}\r\n"),
        Wire::Chat | Wire::Responses | Wire::Converse | Wire::Cohere => {
            format!("authorization: Bearer {KEY}\r\n")
        }
    };
    let head = "host: 127.0.0.1\r\ncontent-type: application/json\r\naccept: */*\r\n";
    let length = body.len();
    Bytes::from(format!(
        "POST {path} HTTP/1.1\r\n{head}{key}{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

fn path(ask: &Ask) -> String {
    let model = ask.model;
    match (ask.wire, is_stream(ask)) {
        (Wire::Chat, _) => "/v1/chat/completions".to_owned(),
        (Wire::Messages, _) => "/v1/messages".to_owned(),
        (Wire::Responses, _) => "/v1/responses".to_owned(),
        (Wire::Cohere, _) => "/v2/chat".to_owned(),
        (Wire::Gemini, false) => format!("/v1beta/models/{model}:generateContent"),
        (Wire::Gemini, true) => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        (Wire::Converse, false) => format!("/model/{model}/converse"),
        (Wire::Converse, true) => format!("/model/{model}/converse-stream"),
    }
}

fn is_stream(ask: &Ask) -> bool {
    matches!(ask.shape, Shape::Stream { .. })
}

fn sized(ask: &Ask) -> String {
    let bare = body(ask, "").len();
    body(ask, &filler(ask.size.saturating_sub(bare)))
}

fn body(ask: &Ask, filler: &str) -> String {
    let model = ask.model;
    let turns = turns(ask, filler);
    let stream = if is_stream(ask) {
        r#","stream":true"#
    } else {
        ""
    };
    match ask.wire {
        Wire::Chat => {
            let usage = if is_stream(ask) {
                r#","stream_options":{"include_usage":true}"#
            } else {
                ""
            };
            format!(
                r#"{{"model":"{model}","messages":[{{"role":"system","content":"{SYSTEM}"}},{turns}],"max_tokens":1024{stream}{usage}}}"#
            )
        }
        Wire::Messages => format!(
            r#"{{"model":"{model}","max_tokens":1024,"system":"{SYSTEM}","messages":[{turns}]{stream}}}"#
        ),
        Wire::Responses => format!(
            r#"{{"model":"{model}","instructions":"{SYSTEM}","input":[{turns}],"max_output_tokens":1024,"store":false{stream}}}"#
        ),
        Wire::Gemini => format!(
            r#"{{"systemInstruction":{{"parts":[{{"text":"{SYSTEM}"}}]}},"contents":[{turns}],"generationConfig":{{"maxOutputTokens":1024}}}}"#
        ),
        Wire::Converse => format!(
            r#"{{"system":[{{"text":"{SYSTEM}"}}],"messages":[{turns}],"inferenceConfig":{{"maxTokens":1024}}}}"#
        ),
        Wire::Cohere => format!(
            r#"{{"model":"{model}","messages":[{{"role":"system","content":"{SYSTEM}"}},{turns}],"max_tokens":1024{stream}}}"#
        ),
    }
}

/// The conversation: what was said before in turn, at last the user with the marker.
fn turns(ask: &Ask, last: &str) -> String {
    let mut text = String::new();
    let earlier = filler(TURN_BYTES);
    for _ in 0..ask.turns / 2 {
        turn(&mut text, ask.wire, false, &earlier);
        turn(&mut text, ask.wire, true, &earlier);
    }
    turn(
        &mut text,
        ask.wire,
        false,
        r#"What does \"idempotent\" mean?"#,
    );
    let answer = r"Doing it twice is doing it once.\nNothing more.";
    turn(&mut text, ask.wire, true, answer);
    turn(
        &mut text,
        ask.wire,
        false,
        &format!("{}{last}", marker(ask)),
    );
    text
}

fn turn(out: &mut String, wire: Wire, is_answer: bool, text: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    let role = match (wire, is_answer) {
        (_, false) => "user",
        (Wire::Gemini, true) => "model",
        (_, true) => "assistant",
    };
    // Writing to a text does not fail.
    let _ = match wire {
        Wire::Chat | Wire::Messages | Wire::Responses | Wire::Cohere => {
            write!(out, r#"{{"role":"{role}","content":"{text}"}}"#)
        }
        Wire::Gemini => write!(out, r#"{{"role":"{role}","parts":[{{"text":"{text}"}}]}}"#),
        Wire::Converse => write!(
            out,
            r#"{{"role":"{role}","content":[{{"text":"{text}"}}]}}"#
        ),
    };
}

/// Steers the upstream; survives any translation, being text.
fn marker(ask: &Ask) -> String {
    let Ask { delay_ms, id, .. } = ask;
    match ask.shape {
        Shape::Stream { chunks, gap_ms } => {
            format!("[[chunks={chunks}&gap_ms={gap_ms}&delay_ms={delay_ms}&id={id}]] ")
        }
        Shape::Whole if *delay_ms > 0 => format!("[[delay_ms={delay_ms}&id={id}]] "),
        Shape::Whole => String::new(),
    }
}

/// JSON string content of exactly this many bytes, with escapes and letters
/// beyond ASCII in it.
fn filler(bytes: usize) -> String {
    let sentence = r#"Voilà un \"texte\" plus long,\n with a tab\t, 漢字 and a \u00e9; "#;
    let mut text = sentence.repeat(bytes / sentence.len());
    text.push_str(&"x".repeat(bytes - text.len()));
    text
}
