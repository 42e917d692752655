//! What is particular to Google's dialect: the path, both forms of a stream, calls
//! without ids, signatures, refused prompts.

use bytes::Bytes;
use dialect::Dialect;
use dialect::chat::{FinishReason, PartKind, Response, StreamEvent, ToolChoice};
use dialect::codec::{Broken, EncoderOptions, End, EventDecoder};
use dialect::frame::json_array::Framer;
use dialect::frame::sse::MAX_EVENT;
use dialect::loss::Losses;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::laws::{events, failure, fold, target};
use crate::recordings;

const GEMINI: Dialect = Dialect::Gemini;

fn answer(body: &Value) -> Response {
    let client = GEMINI.client();
    client.decode_response(body.to_string().as_bytes()).unwrap()
}

fn asked(dialect: Dialect, body: &Value) -> dialect::chat::Request {
    let server = dialect.server();
    server.decode_request(body.to_string().as_bytes()).unwrap()
}

fn sent(to: Dialect, request: &dialect::chat::Request) -> Value {
    let out = to
        .client()
        .encode_request(request, &target("m"), &mut Losses::default());
    serde_json::from_slice(&out).unwrap()
}

/// Reads a stream that is one array, as the road would.
fn read_array(chunks: &[&[u8]], end: End) -> (Vec<StreamEvent>, Result<(), Broken>) {
    let (mut framer, mut decoder) = (Framer::new(MAX_EVENT), GEMINI.client().decoder(1));
    let mut events = Vec::new();
    let result = feed(&mut framer, &mut *decoder, chunks, &mut events);
    let result = result.and_then(|()| {
        if let (End::Clean, Some(raw)) = (end, framer.finish())
            && let Some(frame) = raw.frame()?
        {
            decoder.push(&frame, &mut events)?;
        }
        decoder.finish(end, &mut events)
    });
    (events, result)
}

fn feed(
    framer: &mut Framer,
    decoder: &mut dyn EventDecoder,
    chunks: &[&[u8]],
    events: &mut Vec<StreamEvent>,
) -> Result<(), Broken> {
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(raw) = framer.next_frame()? {
            if let Some(frame) = raw.frame()? {
                decoder.push(&frame, events)?;
            }
        }
    }
    Ok(())
}

/// Streams as one array: those recorded, and one written by hand.
fn arrays() -> Vec<String> {
    let hand = r#" [{"candidates":[{"content":{"parts":[{"text":"a ] } , \" \\"}]}}]}
        ,{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}]
        "#;
    let recorded = recordings::arrays();
    let recorded = recorded.map(|array| String::from_utf8(array.response.clone()).unwrap());
    recorded.chain([hand.to_owned()]).collect()
}

#[test]
fn the_path_names_the_model_and_the_form() {
    let path = |model, stream| GEMINI.client().chat_path(model, stream);
    assert_eq!(
        path("gemini-2.5-flash", false),
        "/models/gemini-2.5-flash:generateContent"
    );
    assert_eq!(
        path("models/gemini-2.5-flash", true),
        "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    );
    assert_eq!(
        path("a/b:c é?", false),
        "/models/a%2Fb%3Ac%20%C3%A9%3F:generateContent"
    );
}

#[test]
fn an_array_says_what_its_elements_say_as_events() {
    for text in arrays() {
        let (told, result) = read_array(&[text.as_bytes()], End::Clean);
        result.unwrap();
        let elements: Vec<Value> = serde_json::from_str(&text).unwrap();
        let sse: String = elements.iter().map(|e| format!("data: {e}\n\n")).collect();
        let mut other = events(GEMINI, 1, sse.as_bytes()).unwrap();
        let plain = |list: &[StreamEvent]| {
            let response = fold(GEMINI, list).into_response();
            let parts = response.candidates.iter().flat_map(|c| &c.parts);
            parts.map(|part| format!("{:?}", part.kind)).count()
        };
        assert_eq!(plain(&told), plain(&other));
        assert_eq!(told.last(), other.pop().as_ref());
    }
}

#[test]
fn an_array_cut_anywhere_is_no_success_and_split_anywhere_the_same() {
    for text in arrays() {
        let text = text.trim_end();
        let whole = read_array(&[text.as_bytes()], End::Clean);
        let step = (text.len() / 400).max(1);
        for at in (0..text.len()).step_by(step).chain([text.len() - 1]) {
            let (left, right) = text.as_bytes().split_at(at);
            for end in [End::Clean, End::Cut] {
                let (told, result) = read_array(&[left], end);
                assert!(result.is_err(), "cut at {at} of {text}");
                assert!(!told.contains(&StreamEvent::End), "cut at {at} of {text}");
            }
            assert_eq!(read_array(&[left, right], End::Clean), whole, "{at}");
        }
    }
}

#[test]
fn the_pieces_of_an_array_are_its_bytes() {
    for text in arrays() {
        let mut framer = Framer::new(MAX_EVENT);
        let mut out = Vec::new();
        for byte in text.as_bytes() {
            framer.push(Bytes::copy_from_slice(&[*byte]));
            while let Some(raw) = framer.next_frame().unwrap() {
                out.extend_from_slice(raw.bytes());
            }
        }
        assert_eq!(String::from_utf8_lossy(&out), text.trim_end());
        assert!(framer.finish().is_none());
    }
}

#[test]
fn a_piece_of_an_array_that_is_too_large_fails_for_good() {
    let mut framer = Framer::new(8);
    framer.push(Bytes::from_static(b"[{\"a\":1111111"));
    assert!(framer.next_frame().is_err());
    framer.push(Bytes::from_static(b"}]"));
    assert!(framer.next_frame().is_err());
    assert_eq!(framer.buffered(), 0);
}

#[test]
fn what_is_no_array_or_goes_on_behind_it_is_broken() {
    const GOOD: &str = r#"[{"candidates":[{"content":{},"finishReason":"STOP"}]}]"#;
    assert!(read_array(&[GOOD.as_bytes()], End::Clean).1.is_ok());
    for bad in [
        format!("{GOOD}x"),
        format!("x{GOOD}"),
        GOOD.replace("}]}]", "}]},1]"),
        GOOD.replace("[{\"c", "[1,{\"c"),
        GOOD.replace("[{\"c", "[,{\"c"),
        GOOD.replace("}]}]", "}]}{}]"),
        GOOD.replace("}]}]", "}]}[{}]"),
        "[]".to_owned(),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(
            read_array(&[bad.as_bytes()], End::Clean).1.is_err(),
            "{bad}"
        );
    }
}

#[test]
fn an_array_is_written_for_who_asked_for_one() {
    let stream = b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\"finishReason\":\"STOP\"}]}\n\n";
    let told = events(GEMINI, 1, stream).unwrap();
    let options = EncoderOptions {
        json_array: true,
        ..EncoderOptions::default()
    };
    let mut writer = GEMINI.server().encoder(options);
    let mut out = Vec::new();
    for event in &told {
        writer.push(event, &mut out);
        out.extend_from_slice(writer.keep_alive());
    }
    let (again, result) = read_array(&[&out], End::Clean);
    result.unwrap();
    assert_eq!(again.last(), Some(&StreamEvent::End));

    let mut writer = GEMINI.server().encoder(options);
    let mut out = Vec::new();
    writer.fail(&failure(), &mut out);
    let told: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(told[0]["error"]["status"], "UNAVAILABLE");
    assert_eq!(told[0]["bondgate"]["code"], "provider_failed");
}

#[test]
fn an_end_without_a_start_adds_no_chunk() {
    let mut writer = GEMINI.server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    writer.push(&StreamEvent::End, &mut out);
    assert_eq!(out, b"", "nothing but the last chunk marks the end");
}

#[test]
fn a_refused_prompt_is_a_complete_answer() {
    let body = json!({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"});
    let hub = answer(&body);
    let finish = hub.candidates[0].finish.as_ref().unwrap();
    assert_eq!(finish.reason, FinishReason::ContentFilter);
    let out = GEMINI
        .server()
        .encode_response(&hub, &mut Losses::default());
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), body);
    let chat = Dialect::OpenaiChat.server();
    let out = chat.encode_response(&hub, &mut Losses::default());
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out["choices"][0]["finish_reason"], "content_filter");
}

#[test]
fn calls_without_ids_get_the_same_ones_whole_or_streamed() {
    let call = |city| json!({"functionCall": {"name": "look", "args": {"city": city}}});
    for id in [json!("r-1"), Value::Null] {
        let body = json!({
            "candidates": [{"content": {"parts": [call("Paris"), call("Rome")]}, "finishReason": "STOP"}],
            "responseId": id,
        });
        let ids = |response: &Response| {
            let parts = response.candidates[0].parts.clone().into_iter();
            let calls = parts.filter_map(|part| match part.kind {
                PartKind::ToolCall(call) => Some(call.id),
                _ => None,
            });
            calls.collect::<Vec<_>>()
        };
        let whole = ids(&answer(&body));
        let told = events(GEMINI, 1, format!("data: {body}\n\n").as_bytes()).unwrap();
        let streamed = ids(&fold(GEMINI, &told).into_response());
        assert_eq!(whole, streamed);
        assert!(whole.len() == 2 && whole[0] != whole[1], "{whole:?}");
    }
}

#[test]
fn results_without_ids_find_their_calls_by_name_and_order() {
    let call = |name: &str, n: u64| json!({"functionCall": {"name": name, "args": {"n": n}}});
    let result = |name: &str, text: &str| json!({"functionResponse": {"name": name, "response": {"output": text}}});
    let hub = asked(
        GEMINI,
        &json!({"contents": [
            {"role": "user", "parts": [{"text": "Go"}]},
            {"role": "model", "parts": [call("a", 1), call("b", 2), call("a", 3)]},
            {"role": "user", "parts": [result("b", "two"), result("a", "one"), result("a", "three")]},
        ]}),
    );
    let chat = sent(Dialect::OpenaiChat, &hub);
    let messages = chat["messages"].as_array().unwrap();
    let calls = messages[1]["tool_calls"].as_array().unwrap();
    for (answer, call) in [(&messages[2], 1), (&messages[3], 0), (&messages[4], 2)] {
        assert_eq!(answer["tool_call_id"], calls[call]["id"]);
    }
}

/// A chat client asks, Google calls a tool and signs that, and the client sends it back.
#[test]
fn a_signature_survives_a_tool_loop_of_a_chat_client() {
    let hub = answer(&json!({
        "candidates": [{"content": {"parts": [
            {"text": "Let me look."},
            {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "look", "args": {"n": 2}}},
        ]}, "finishReason": "STOP"}],
        "responseId": "r",
    }));
    let server = Dialect::OpenaiChat.server();
    let out = server.encode_response(&hub, &mut Losses::default());
    let out: Value = serde_json::from_slice(&out).unwrap();
    let said = &out["choices"][0]["message"];
    let results = said["tool_calls"].as_array().unwrap().iter();
    let results =
        results.map(|c| json!({"role": "tool", "tool_call_id": c["id"], "content": "18"}));
    let mut messages = vec![json!({"role": "user", "content": "Go"}), said.clone()];
    messages.extend(results);
    let back = asked(
        Dialect::OpenaiChat,
        &json!({"model": "m", "messages": messages}),
    );
    let contents = &sent(GEMINI, &back)["contents"];
    let parts = &contents[1]["parts"];
    assert_eq!(parts[0], json!({"text": "Let me look."}));
    assert_eq!(parts[1]["thoughtSignature"], "c2ln");
    assert_eq!(parts[2].get("thoughtSignature"), None);
    let results = contents[2]["parts"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1]["functionResponse"]["name"], "look");
}

#[test]
fn another_makers_signature_survives_a_loop_of_a_client_of_google() {
    let body = br#"{"id":"a","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"Hm","signature":"c2ln"},{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}"#;
    let hub = Dialect::AnthropicMessages.client().decode_response(body);
    let out = GEMINI
        .server()
        .encode_response(&hub.unwrap(), &mut Losses::default());
    let out: Value = serde_json::from_slice(&out).unwrap();
    let said = out["candidates"][0]["content"].clone();
    let user = json!({"role": "user", "parts": [{"text": "Go"}]});
    let back = asked(GEMINI, &json!({"contents": [user, said, user]}));
    let sent_back = sent(Dialect::AnthropicMessages, &back);
    let thought = &sent_back["messages"][1]["content"][0];
    assert_eq!(thought["thinking"], "Hm");
    assert_eq!(thought["signature"], "c2ln");
    // To Google itself it means nothing.
    let google = sent(GEMINI, &back);
    assert_eq!(
        google["contents"][1]["parts"][0].get("thoughtSignature"),
        None
    );
}

#[test]
fn arguments_in_pieces_are_told_when_they_are_whole() {
    let chunk = |call: Value, end: Value| {
        let body = json!({"candidates": [{"content": {"parts": [{"functionCall": call}]}, "finishReason": end}]});
        format!("data: {body}\n\n")
    };
    let first = chunk(json!({"name": "f", "willContinue": true}), Value::Null);
    let piece = json!({"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x"}], "willContinue": true});
    let piece = chunk(piece, Value::Null);
    let last = chunk(json!({}), json!("STOP"));
    let told = events(
        GEMINI,
        1,
        [&*first, &piece, &piece, &last].concat().as_bytes(),
    )
    .unwrap();
    let response = fold(GEMINI, &told).into_response();
    let PartKind::ToolCall(call) = &response.candidates[0].parts[0].kind else {
        panic!("{response:?}");
    };
    assert_eq!(call.arguments, r#"{"a":[{"b":"xx"}]}"#);
    let short = "data: {\"candidates\":[{\"content\":{},\"finishReason\":\"STOP\"}]}\n\n";
    assert!(events(GEMINI, 1, [&*first, &piece, short].concat().as_bytes()).is_err());
    for path in ["a", "$.a[7]", "$[", "$['a", "$.a.b"] {
        let wrong = json!({"partialArgs": [{"jsonPath": path, "stringValue": "x"}]});
        let wrong = [&*first, &piece, &chunk(wrong, json!("STOP"))].concat();
        assert!(events(GEMINI, 1, wrong.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn an_error_is_read_in_each_form() {
    let client = GEMINI.client();
    let error =
        json!({"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}});
    for body in [error.clone(), json!([error])] {
        let read = client.decode_failure(body.to_string().as_bytes());
        assert_eq!(read.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(read.message, "Slow down");
    }
    let detailed = json!({"error": {"code": 400, "message": "Bad key", "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}, {"fieldViolations": [{"field": "contents"}]}]}});
    let read = client.decode_failure(detailed.to_string().as_bytes());
    assert_eq!(read.code.as_deref(), Some("API_KEY_INVALID"));
    assert_eq!(read.kind.as_deref(), Some("INVALID_ARGUMENT"));
    assert_eq!(read.param.as_deref(), Some("contents"));
    assert_eq!(client.decode_failure(b"<html>").message, "<html>");
}

#[test]
fn a_member_in_both_its_cases_is_refused() {
    let server = GEMINI.server();
    for body in [
        r#"{"contents":[],"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}"#,
        r#"{"contents":[],"generationConfig":{},"generation_config":{}}"#,
    ] {
        assert!(server.head(body.as_bytes()).is_err(), "{body}");
        assert!(server.decode_request(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn calls_that_are_validated_are_the_models_choice_and_what_is_lost_is_named() {
    let asks = json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
    });
    let request = asked(GEMINI, &asks);
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    assert_eq!(sent(GEMINI, &request), asks);
    for to in Dialect::ALL.into_iter().filter(|to| *to != GEMINI) {
        let mut losses = Losses::default();
        let client = to.client();
        client.encode_request(&request, &target("m"), &mut losses);
        let lost: Vec<_> = losses
            .as_slice()
            .iter()
            .map(|loss| (loss.path.as_str(), loss.functional))
            .collect();
        assert_eq!(
            lost,
            [("toolConfig.functionCallingConfig.mode", false)],
            "{to:?}"
        );
    }
}

#[test]
fn a_bound_is_put_where_it_belongs() {
    let server = GEMINI.server();
    let edits = dialect::codec::Edits {
        model: "m",
        force_usage: true,
        max_output_tokens: Some(5),
    };
    for (body, expected) in [
        (
            r#"{"contents":[]}"#,
            r#"{"generationConfig":{"maxOutputTokens":5},"contents":[]}"#,
        ),
        (
            r#"{"contents":[],"generationConfig":{}}"#,
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":5}}"#,
        ),
        (
            r#"{"contents":[],"generation_config":{"topK":1}}"#,
            r#"{"contents":[],"generation_config":{"maxOutputTokens":5,"topK":1}}"#,
        ),
        (
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":9}}"#,
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":5}}"#,
        ),
        (
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":3}}"#,
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":3}}"#,
        ),
    ] {
        let head = server.head(body.as_bytes()).unwrap();
        let out = server.patch(&head, &edits).apply(&Bytes::from(body));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_in_an_array_are_no_panic(bytes in "[\\[\\]{},\":a1\\\\ ]{0,60}", at in 0usize..60) {
        let (left, right) = bytes.as_bytes().split_at(at.min(bytes.len()));
        let split = read_array(&[left, right], End::Clean);
        prop_assert_eq!(split, read_array(&[bytes.as_bytes()], End::Clean));
    }
}
