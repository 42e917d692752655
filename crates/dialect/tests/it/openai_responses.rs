//! What is peculiar to OpenAI's responses: their choreography of events, their ends,
//! reasoning that travels, and what a provider keeps.

use dialect::Dialect;
use dialect::chat::StreamEvent;
use dialect::codec::EncoderOptions;
use dialect::loss::Losses;
use dialect::needs::Need;
use serde_json::{Value, json};

use crate::corpus::{Sample, streams};
use crate::laws::{events, failure, fold, target};

const OWN: Dialect = Dialect::OpenaiResponses;

/// The data of each event that a stream amounts to for a client of responses.
fn told(origin: Dialect, stream: &str) -> Vec<Value> {
    let told = events(origin, 1, stream.as_bytes()).unwrap();
    let mut writer = OWN.server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    told.iter().for_each(|event| writer.push(event, &mut out));
    data(&out)
}

fn data(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    let mut name = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(event) = line.strip_prefix("event: ") {
            name = event;
        } else if let Some(data) = line.strip_prefix("data: ") {
            let value: Value = serde_json::from_str(data).unwrap();
            assert_eq!(value["type"], name);
            found.push(value);
        }
    }
    found
}

fn fixture(name: &str) -> &'static str {
    let sample = streams().iter().find(|sample| sample.id == name);
    &sample.unwrap().text
}

/// What an accumulator keeps while it reads: each event must fit what came before.
#[test]
fn a_client_that_builds_the_answer_from_events_gets_the_whole_one() {
    let mut looked_at = 0;
    for sample in streams() {
        if events(sample.dialect, sample.candidates, sample.text.as_bytes()).is_err()
            || sample.candidates > 1
        {
            continue;
        }
        looked_at += 1;
        let told = told(sample.dialect, &sample.text);
        let mut output: Vec<Value> = Vec::new();
        for (number, event) in told.iter().enumerate() {
            assert_eq!(event["sequence_number"], number as u64, "{}", sample.id);
            build(&mut output, event, &sample.id);
        }
        let last = &told.last().unwrap()["response"];
        assert_eq!(last["output"], Value::Array(output), "{}", sample.id);
        assert!(["completed", "incomplete"].contains(&last["status"].as_str().unwrap()));
    }
    assert!(looked_at > 20);
}

fn build(output: &mut Vec<Value>, event: &Value, id: &str) {
    let kind = event["type"].as_str().unwrap();
    let Some(index) = event["output_index"].as_u64() else {
        return;
    };
    let index = index as usize;
    if kind == "response.output_item.added" {
        assert_eq!(index, output.len(), "{id}");
        output.push(event["item"].clone());
        return;
    }
    let item = &mut output[index];
    if kind == "response.output_item.done" {
        assert_eq!(item["id"], event["item"]["id"], "{id}");
        // What came in steps is what stands there in the end.
        let kinds = ["message", "function_call", "custom_tool_call"];
        if kinds.contains(&item["type"].as_str().unwrap()) {
            for member in ["arguments", "input", "content"] {
                assert_eq!(item[member], event["item"][member], "{id}");
            }
        }
        *item = event["item"].clone();
        return;
    }
    assert_eq!(item["id"], event["item_id"], "{id}");
    let place = event["content_index"].as_u64().unwrap_or_default() as usize;
    match kind {
        "response.content_part.added" => {
            let content = item["content"].as_array_mut().unwrap();
            assert_eq!(place, content.len(), "{id}");
            content.push(event["part"].clone());
        }
        "response.content_part.done" => {
            assert_eq!(
                item["content"][place]["text"], event["part"]["text"],
                "{id}"
            );
            item["content"][place] = event["part"].clone();
        }
        "response.output_text.delta" => grow(&mut item["content"][place]["text"], event),
        "response.refusal.delta" => grow(&mut item["content"][place]["refusal"], event),
        "response.output_text.done" => {
            assert_eq!(item["content"][place]["text"], event["text"], "{id}");
        }
        "response.function_call_arguments.delta" => grow(&mut item["arguments"], event),
        "response.function_call_arguments.done" => {
            assert_eq!(item["arguments"], event["arguments"], "{id}");
        }
        "response.custom_tool_call_input.delta" => grow(&mut item["input"], event),
        _ => {}
    }
}

fn grow(text: &mut Value, event: &Value) {
    let grown = format!(
        "{}{}",
        text.as_str().unwrap(),
        event["delta"].as_str().unwrap()
    );
    *text = Value::String(grown);
}

#[test]
fn signed_reasoning_of_another_dialect_returns_to_it_unchanged() {
    let origin = Dialect::AnthropicMessages;
    let told = told(
        origin,
        fixture("anthropic-messages/reasoning-over-two-turns"),
    );
    let output = told.last().unwrap()["response"]["output"]
        .as_array()
        .unwrap();
    let sealed = output
        .iter()
        .filter(|item| item["type"] == "reasoning")
        .count();
    assert_eq!(sealed, 2);
    let input: Vec<Value> = [json!({"role": "user", "content": "Go"})]
        .into_iter()
        .chain(output.iter().cloned())
        .collect();
    let body = json!({"model": "m", "input": input}).to_string();
    let hub = OWN.server().decode_request(body.as_bytes()).unwrap();
    let out = origin
        .client()
        .encode_request(&hub, &target("m"), &mut Losses::default());
    let out: Value = serde_json::from_slice(&out).unwrap();
    let turn = out["messages"][1]["content"].as_array().unwrap();
    assert_eq!(
        turn[..2],
        [
            json!({"type": "thinking", "thinking": "I think", "signature": "c2lnLTM="}),
            json!({"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}),
        ]
    );
    // A provider of responses could not open it, so it is left out and named.
    let mut losses = Losses::default();
    let out = OWN.client().encode_request(&hub, &target("m"), &mut losses);
    assert!(!String::from_utf8(out).unwrap().contains("c2lnLTM"));
    assert_eq!(losses.as_slice()[0].path, "input[1]");
}

#[test]
fn encrypted_reasoning_travels_through_chat_and_back() {
    let stream = fixture("openai-responses/reasoning-over-two-turns");
    let told = events(OWN, 1, stream.as_bytes()).unwrap();
    let chat = Dialect::OpenaiChat;
    let mut writer = chat.server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    told.iter().for_each(|event| writer.push(event, &mut out));
    let answer = fold(chat, &events(chat, 1, &out).unwrap()).into_response();
    let whole = chat
        .server()
        .encode_response(&answer, &mut Losses::default());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let message = &whole["choices"][0]["message"];
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Go"}, message]});
    let hub = chat
        .server()
        .decode_request(body.to_string().as_bytes())
        .unwrap();
    let out = OWN
        .client()
        .encode_request(&hub, &target("m"), &mut Losses::default());
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        out["input"][1],
        json!({
            "type": "reasoning",
            "id": "rs_1",
            "summary": [
                {"type": "summary_text", "text": "I need the weather."},
                {"type": "summary_text", "text": "So I ask the tool."},
            ],
            "encrypted_content": "gAAAAABsecret==",
        })
    );
}

#[test]
fn what_a_provider_keeps_or_puts_off_is_a_need() {
    let needs = |more: &str| {
        let body = format!(r#"{{"model":"m","input":[]{more}}}"#);
        let needs = OWN.server().head(body.as_bytes()).unwrap().needs;
        (needs.has(Need::ServerState), needs.has(Need::Background))
    };
    assert_eq!(needs(""), (false, false));
    assert_eq!(
        needs(r#","previous_response_id":null,"background":false"#),
        (false, false)
    );
    assert_eq!(needs(r#","previous_response_id":"resp_1""#), (true, false));
    assert_eq!(needs(r#","conversation":{"id":"conv_1"}"#), (true, false));
    assert_eq!(needs(r#","prompt":{"id":"pmpt_1"}"#), (true, false));
    assert_eq!(needs(r#","background":true"#), (false, true));
    // Nobody who hangs up ends it, streamed or not.
    assert_eq!(needs(r#","background":true,"stream":true"#), (false, true));
}

/// Whether that item of the input needs what the provider keeps.
fn is_kept(item: &str) -> bool {
    let body = format!(r#"{{"model":"m","input":["hi",{item}]}}"#);
    let head = OWN.server().head(body.as_bytes());
    head.unwrap().needs.has(Need::ServerState)
}

#[test]
fn an_item_that_names_an_id_and_holds_nothing_needs_what_the_provider_keeps() {
    for item in [
        r#"{"type":"item_reference","id":"msg_1"}"#,
        r#"{"type":"item\u005freference","id":"msg_1"}"#,
        r#"{"type":"item_reference","id":"msg_1","content":"x","role":"user"}"#,
        r#"{"id":"msg_1"}"#,
        r#"{"\u0069d":"msg_1"}"#,
        r#"{"type":null,"id":"msg_1"}"#,
        r#"{"id":"msg_1","content":"x"}"#,
        r#"{"id":"msg_1","type":"message","role":"assistant","content":[]}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[]}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"x"}]}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":null,"content":[]}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":""}"#,
        r#"{"type":"image_generation_call","id":"ig_1"}"#,
        r#"{"type":"image_generation_call","id":"ig_1","result":null}"#,
        r#"{"type":"function_call","id":"fc_1","call_id":"c","name":"f"}"#,
        r#"{"type":"of_tomorrow","id":"x_1","content":"x"}"#,
    ] {
        assert!(is_kept(item), "{item}");
    }
}

#[test]
fn an_item_that_comes_back_whole_needs_nothing_kept() {
    for item in [
        r#"{"role":"user","content":"\"item_reference\""}"#,
        r#"{"role":"user","content":"item_reference"}"#,
        r#"{"id":"msg_1","role":"user","content":"x"}"#,
        r#"{"id":null,"role":"user","content":""}"#,
        r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"x"}]}"#,
        r#"{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":""}"#,
        r#"{"type":"function_call_output","id":"fo_1","call_id":"c","output":""}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"gAAAA"}"#,
        r#"{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"x"}]}"#,
        r#"{"type":"image_generation_call","id":"ig_1","result":"iVBOR"}"#,
        r#"{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search"}}"#,
    ] {
        assert!(!is_kept(item), "{item}");
    }
}

#[test]
fn an_item_with_an_id_that_says_a_member_twice_is_refused() {
    let twice = r#"{"model":"m","input":[{"id":"rs_1","type":"reasoning","encrypted_content":"x","encrypted_content":null}]}"#;
    let error = OWN.server().head(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

#[test]
fn a_request_without_input_needs_what_the_provider_keeps() {
    for (body, good) in [
        (r#"{"model":"m"}"#, false),
        (r#"{"model":"m","previous_response_id":null}"#, false),
        (r#"{"model":"m","previous_response_id":"resp_1"}"#, true),
        (r#"{"model":"m","prompt":{"id":"pmpt_1"}}"#, true),
        (r#"{"model":"m","input":7}"#, false),
    ] {
        assert_eq!(OWN.server().head(body.as_bytes()).is_ok(), good, "{body}");
        assert_eq!(
            OWN.server().decode_request(body.as_bytes()).is_ok(),
            good,
            "{body}"
        );
    }
}

const CREATED: &str = r#"{"type":"response.created","response":{"id":"r","model":"m","status":"in_progress","output":[]}}"#;
const CALL: &str = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}"#;
const CALLED: &str = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#;
const COMPLETED: &str =
    r#"{"type":"response.completed","response":{"id":"r","status":"completed"}}"#;

fn read(frames: &[&str]) -> Result<Vec<StreamEvent>, dialect::codec::Broken> {
    let stream: String = frames
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    events(OWN, 1, stream.as_bytes())
}

#[test]
fn a_stream_that_gives_no_proof_is_broken() {
    assert!(read(&[CREATED, CALL, CALLED, COMPLETED]).is_ok());
    assert!(read(&[CREATED, CALL, CALLED, COMPLETED, "[DONE]"]).is_ok());
    let broken: [&[&str]; 14] = [
        &[CREATED, CALL, CALLED],
        &[CREATED, CALL, CALLED, "[DONE]"],
        &[CREATED, CALL, COMPLETED],
        &[CALL, CALLED, COMPLETED],
        &[CREATED, CREATED, COMPLETED],
        &[CREATED, CALLED, COMPLETED],
        &[CREATED, CALL, CALL, CALLED, COMPLETED],
        &[CREATED, CALL, CALLED, COMPLETED, COMPLETED],
        &[
            CREATED,
            r#"{"type":"response.completed","response":{"status":"incomplete"}}"#,
        ],
        &[
            CREATED,
            r#"{"type":"response.completed","response":{"status":"in_progress"}}"#,
        ],
        &[
            CREATED,
            r#"{"type":"response.completed","response":{"status":"completed","error":{"message":"no"}}}"#,
        ],
        &[CREATED, r#"{"type":"response.completed"}"#],
        &[
            CREATED,
            r#"{"type":"response.cancelled","response":{"status":"cancelled"}}"#,
        ],
        &[CREATED, r#"{"response":{"status":"completed"}}"#],
    ];
    for frames in broken {
        assert!(read(frames).is_err(), "{frames:?}");
    }
}

#[test]
fn items_without_numbers_are_told_apart_by_their_ids() {
    let item = |event: &str, item: Value| {
        json!({"type": format!("response.output_item.{event}"), "item": item}).to_string()
    };
    let about = |id: &str, event: &str, mut more: Value| {
        more["type"] = json!(format!("response.{event}"));
        more["item_id"] = json!(id);
        more.to_string()
    };
    let message = json!({"type": "message", "id": "m", "role": "assistant", "content": []});
    let call = |arguments: &str| json!({"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": arguments});
    let text = json!({"type": "output_text", "text": "Hi"});
    let said = [
        item("added", message.clone()),
        about(
            "m",
            "content_part.added",
            json!({"part": {"type": "output_text", "text": ""}}),
        ),
        about("m", "output_text.delta", json!({"delta": "H"})),
        item("added", call("")),
        about(
            "f",
            "function_call_arguments.delta",
            json!({"delta": "{\"a\":"}),
        ),
        about("m", "output_text.delta", json!({"delta": "i"})),
        about("m", "output_text.done", json!({"text": "Hi"})),
        about("m", "content_part.done", json!({"part": text})),
        about("f", "function_call_arguments.delta", json!({"delta": "1}"})),
        item(
            "done",
            json!({"type": "message", "id": "m", "role": "assistant", "content": [text]}),
        ),
        item("done", call("{\"a\":1}")),
    ];
    let all = |said: &[String]| {
        let said = said.iter().map(String::as_str);
        let frames: Vec<_> = [CREATED]
            .into_iter()
            .chain(said)
            .chain([COMPLETED])
            .collect();
        read(&frames)
    };
    let answer = fold(OWN, &all(&said).unwrap()).into_response();
    let parts = format!("{:?}", answer.candidates[0].parts);
    let (words, arguments) = (parts.find("Hi"), parts.find(r#"{\"a\":1}"#));
    assert!(words.is_some() && words < arguments, "{parts}");
    for at in [0, 1, 3, 9, 10] {
        let mut less = said.to_vec();
        less.remove(at);
        assert!(all(&less).is_err(), "without {}", said[at]);
    }
    // Without ids too it is clear only while nothing else is open.
    let nameless = said.clone().map(|event| {
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event.as_object_mut().unwrap().remove("item_id");
        if let Some(item) = event.get_mut("item") {
            item.as_object_mut().unwrap().remove("id");
        }
        event.to_string()
    });
    assert!(all(&nameless).is_err());
    let order = [0, 1, 2, 5, 6, 7, 9, 3, 4, 8, 10].map(|at| nameless[at].clone());
    assert!(all(&order).is_ok());
}

#[test]
fn steps_that_contradict_the_whole_break_the_stream() {
    let delta =
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}"#;
    let whole = |arguments: &str| {
        let item =
            json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments});
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}).to_string()
    };
    let arguments = |last: &str| read(&[CREATED, CALL, delta, last, COMPLETED]);
    assert!(arguments(&whole(r#"{"a":1}"#)).is_ok());
    assert!(arguments(&whole("{}")).is_err());
    assert!(arguments(&whole(r#"{"a":1}}"#)).is_err());
    // What was not said in steps is told from the whole.
    let told = read(&[CREATED, CALL, &whole(r#"{"a":2}"#), COMPLETED]).unwrap();
    let answer = fold(OWN, &told).into_response();
    assert!(format!("{:?}", answer.candidates[0].parts).contains(r#"{\"a\":2}"#));
}

#[test]
fn an_answer_told_only_by_its_end_is_told_all_the_same() {
    let end = r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}}"#;
    let end = end.replace('\n', " ");
    let told = read(&[CREATED, &end]).unwrap();
    let parts = fold(OWN, &told).into_response().candidates.remove(0).parts;
    assert_eq!(parts.len(), 2);
}

#[test]
fn failures_are_read_from_their_events() {
    for frame in [
        r#"{"type":"error","code":"rate_limit_exceeded","message":"Slow down","param":null,"sequence_number":2}"#,
        r#"{"type":"error","sequence_number":2,"error":{"type":"requests","code":"rate_limit_exceeded","message":"Slow down","param":null}}"#,
        r#"{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}}}"#,
    ] {
        let stream = format!("data: {CREATED}\n\ndata: {frame}\n\n");
        let mut reader = crate::laws::Stream::new(OWN, 1);
        reader.push(stream.as_bytes()).unwrap();
        let Some(StreamEvent::Error(error)) = reader.events.last() else {
            panic!("no error in {frame}");
        };
        assert_eq!(error.code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(error.message, "Slow down");
        assert!(reader.finish(dialect::codec::End::Clean).1.is_err());
    }
}

#[test]
fn a_failure_is_told_by_an_error_and_a_failed_answer() {
    let told = read(&[CREATED, CALL]).unwrap_err();
    assert!(told.why.contains("before the answer's end"));
    let mut writer = OWN.server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    let mut reader = crate::laws::Stream::new(OWN, 1);
    reader
        .push(format!("data: {CREATED}\n\n").as_bytes())
        .unwrap();
    reader
        .events
        .iter()
        .for_each(|event| writer.push(event, &mut out));
    writer.fail(&failure(), &mut out);
    let told = data(&out);
    let [.., error, failed] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["bondgate"]["code"], "provider_failed");
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(failed["response"]["error"]["code"], "provider_failed");
}

#[test]
fn events_that_are_not_known_are_passed_over_and_named() {
    let mut decoder = OWN.client().decoder(1);
    let mut told = Vec::new();
    for data in [
        CREATED,
        r#"{"type":"response.dreams.delta","delta":"zzz"}"#,
        r#"{"type":"response.web_search_call.searching","output_index":0}"#,
        r#"{"type":"response.in_progress","response":{},"mood":"glad"}"#,
    ] {
        let frame = dialect::frame::Frame {
            event: "".into(),
            data: data.into(),
        };
        decoder.push(&frame, &mut told).unwrap();
    }
    let names = ["event.response.dreams.delta", "response.in_progress.mood"];
    assert_eq!(decoder.unknown_fields(), names);
}

#[test]
fn a_request_of_another_dialect_leaves_nothing_at_the_provider() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"low","metadata":{"a":"b"},"prompt_cache_key":"k","service_tier":"flex"}"#;
    let hub = Dialect::OpenaiChat
        .server()
        .decode_request(body.as_bytes())
        .unwrap();
    let mut losses = Losses::default();
    let out = OWN.client().encode_request(&hub, &target("m"), &mut losses);
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out["store"], false);
    assert_eq!(out["include"], json!(["reasoning.encrypted_content"]));
    // What both of the maker's dialects have goes on.
    assert_eq!(out["metadata"], json!({"a": "b"}));
    assert_eq!(out["prompt_cache_key"], "k");
    assert_eq!(out["service_tier"], "flex");
    assert_eq!(losses.as_slice(), []);
}

#[test]
fn the_tier_that_the_end_of_a_stream_tells_is_the_answers() {
    let hello = |sample: &&Sample| sample.id == "openai-responses/hello";
    let sample = streams().iter().find(hello).unwrap();
    assert!(sample.text.contains(r#""service_tier": "auto""#));
    let told = events(OWN, 1, &sample.bytes).unwrap();
    let answer = fold(OWN, &told).into_response();
    assert_eq!(answer.service_tier.as_deref(), Some("default"));
}
