//! What only Cohere's chat asks for: its plan, its two sets of counts, its one event for
//! every end, its error bodies.

use dialect::Dialect;
use dialect::chat::{
    Delta, Finish, FinishReason, PartKind, PartStart, Request, StreamEvent, ToolCallKind,
    ToolChoice, ToolKind, Usage,
};
use dialect::codec::{ClientCodec, Edits, EncoderOptions, End, ModelEntry, ServerCodec};
use dialect::loss::{LossKind, Losses};
use dialect::needs::{Need, Needs};
use serde_json::{Value, json};

use crate::laws::{Stream, events, failure, fold, has_terminator, target};

const OURS: Dialect = Dialect::Cohere;

fn server() -> &'static dyn ServerCodec {
    OURS.server()
}

fn client() -> &'static dyn ClientCodec {
    OURS.client()
}

fn decoded(request: &Value) -> Request {
    let text = request.to_string();
    server().decode_request(text.as_bytes()).unwrap()
}

/// A chat request as it is written here, and what it loses.
fn from_chat(request: &Value) -> (Value, Losses) {
    let text = request.to_string();
    let hub = Dialect::OpenaiChat.server().decode_request(text.as_bytes());
    let mut losses = Losses::default();
    let out = client().encode_request(&hub.unwrap(), &target("m"), &mut losses);
    (serde_json::from_slice(&out).unwrap(), losses)
}

fn lost<'a>(losses: &'a Losses, path: &str) -> Option<&'a dialect::loss::Loss> {
    losses.as_slice().iter().find(|loss| loss.path == path)
}

fn stream(datas: &[&str]) -> Vec<u8> {
    let frames = datas.iter().map(|data| format!("data: {data}\n\n"));
    frames.collect::<String>().into_bytes()
}

const START: &str = r#"{"type":"message-start","id":"a","delta":{"message":{"role":"assistant"}}}"#;
const TEXT: &str = r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#;
const HI: &str =
    r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hi"}}}}"#;
const TEXT_END: &str = r#"{"type":"content-end","index":0}"#;
const CALL: &str = r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"f","arguments":""}}}}}"#;
const CALL_END: &str = r#"{"type":"tool-call-end","index":0}"#;
const END: &str = r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#;

#[test]
fn the_head_names_what_is_missing_or_stands_twice() {
    let cases = [
        (
            r#"{"model": "", "messages": []}"#,
            "model: a model is needed",
        ),
        (r#"{"model": "m"}"#, "messages: field required"),
        (
            r#"{"model": "m", "messages": [], "stream": true, "stream": false}"#,
            "stream: this member stands here twice",
        ),
        (
            r#"{"model": "m", "messages": [], "max_tokens": -1}"#,
            "max_tokens: a whole number of 0 or more was expected",
        ),
    ];
    for (body, message) in cases {
        let error = server().head(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{body}: {error}");
    }
}

#[test]
fn the_head_sees_what_a_target_must_be_able_to_do() {
    let needs = |members: &str| {
        let body = format!(r#"{{"model": "m", "messages": []{members}}}"#);
        let head = server().head(body.as_bytes()).unwrap();
        assert_eq!(
            head.needs,
            Needs::of(&server().decode_request(body.as_bytes()).unwrap())
        );
        head.needs
    };
    assert_eq!(needs(""), Needs::default());
    assert_eq!(
        needs(r#", "thinking": {"type": "disabled"}"#),
        Needs::default()
    );
    let cases = [
        (
            r#", "tools": [{"type": "function", "function": {"name": "f"}}]"#,
            Need::Tools,
        ),
        (r#", "thinking": {"type": "enabled"}"#, Need::Reasoning),
        (r#", "logprobs": true"#, Need::Logprobs),
        (
            r#", "response_format": {"type": "json_object"}"#,
            Need::Json,
        ),
        (
            r#", "response_format": {"json_schema": {}, "type": "json_object"}"#,
            Need::JsonSchema,
        ),
    ];
    for (members, need) in cases {
        assert_eq!(needs(members), Needs::default().with(need), "{members}");
    }
}

#[test]
fn edits_touch_the_model_and_bound_the_output() {
    let edit = |body: &str| {
        let head = server().head(body.as_bytes()).unwrap();
        let edits = Edits {
            model: "real",
            force_usage: true,
            max_output_tokens: Some(40),
        };
        let out = server()
            .patch(&head, &edits)
            .apply(&body.as_bytes().to_vec().into());
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        edit(r#"{"model":"a","max_tokens":100,"messages":[]}"#),
        r#"{"model":"real","max_tokens":40,"messages":[]}"#
    );
    assert_eq!(
        edit(r#"{"model":"a","messages":[],"stream":true}"#),
        r#"{"max_tokens":40,"model":"real","messages":[],"stream":true}"#
    );
}

#[test]
fn an_unknown_role_and_a_message_without_one_are_refused_with_their_place() {
    for (message, expected) in [
        (
            json!({"role": "robot", "content": "Hi"}),
            "messages[1].role: ",
        ),
        (json!({"content": "Hi"}), "messages[1].role: field required"),
        (
            json!({"role": "tool", "content": "Hi"}),
            "messages[1].tool_call_id: field required",
        ),
        (
            json!({"role": "user", "content": 7}),
            "messages[1].content: ",
        ),
    ] {
        let request =
            json!({"model": "m", "messages": [{"role": "user", "content": "Go"}, message]});
        let error = server().decode_request(request.to_string().as_bytes());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn strictness_is_of_all_tools() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let request =
        decoded(&json!({"model": "m", "messages": [], "tools": tools, "strict_tools": true}));
    let strict = request.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function { strict, .. } => *strict,
        ToolKind::Hosted { .. } => None,
    });
    assert_eq!(strict.collect::<Vec<_>>(), [Some(true)]);
}

#[test]
fn the_one_tool_that_must_be_called_is_sent_alone() {
    let function = |name: &str| json!({"type": "function", "function": {"name": name}});
    let request = |choice: &str| {
        from_chat(&json!({
            "model": "m",
            "messages": [{"role": "user", "content": "Go"}],
            "tools": [function("a"), function("b")],
            "tool_choice": function(choice),
        }))
    };
    let (out, losses) = request("b");
    assert_eq!(out["tool_choice"], "REQUIRED");
    assert_eq!(out["tools"].as_array().unwrap().len(), 1);
    assert_eq!(out["tools"][0]["function"]["name"], "b");
    assert_eq!(
        lost(&losses, "tools[0]").unwrap().kind,
        LossKind::Approximated
    );
    assert!(losses.as_slice().iter().all(|loss| !loss.functional));
    // One that is not there cannot be asked for.
    let (out, losses) = request("c");
    assert_eq!(out["tools"].as_array().unwrap().len(), 2);
    assert!(out.get("tool_choice").is_none());
    assert!(lost(&losses, "tool_choice").unwrap().functional);
}

#[test]
fn numbers_out_of_range_become_the_nearest_and_are_named() {
    let (out, losses) = from_chat(&json!({
        "model": "m", "messages": [], "top_p": 1, "top_k": 900,
        "presence_penalty": -2, "frequency_penalty": 1.5, "temperature": 1.7,
    }));
    assert_eq!((&out["p"], &out["k"]), (&json!(0.99), &json!(500)));
    assert_eq!(out["presence_penalty"], 0);
    assert_eq!(out["frequency_penalty"], 1);
    assert_eq!(out["temperature"], 1.7);
    let named = ["top_p", "top_k", "frequency_penalty", "presence_penalty"];
    let paths = losses.as_slice().iter().map(|loss| loss.path.as_str());
    assert_eq!(paths.collect::<Vec<_>>(), named);
}

#[test]
fn a_plan_survives_a_client_of_another_dialect() {
    let answer = json!({
        "id": "a",
        "message": {"role": "assistant", "tool_plan": "I will ask.", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        "finish_reason": "TOOL_CALL",
    });
    let hub = client()
        .decode_response(answer.to_string().as_bytes())
        .unwrap();
    let chat = Dialect::OpenaiChat;
    let told = chat.server().encode_response(&hub, &mut Losses::default());
    let told: Value = serde_json::from_slice(&told).unwrap();
    // The client sends the message back as it got it.
    let mut messages = vec![told["choices"][0]["message"].clone()];
    messages.push(json!({"role": "tool", "tool_call_id": "c", "content": "18"}));
    let (out, losses) = from_chat(&json!({"model": "m", "messages": messages}));
    assert_eq!(out["messages"][0]["tool_plan"], "I will ask.");
    assert_eq!(out["messages"][0]["tool_calls"][0]["id"], "c");
    assert!(out["messages"][0].get("content").is_none());
    assert_eq!(losses.as_slice(), []);
}

#[test]
fn what_is_billed_is_what_counts() {
    let usage = |usage: Value| {
        let answer = json!({"id": "a", "message": {"content": []}, "finish_reason": "COMPLETE", "usage": usage});
        let body = answer.to_string();
        let counted = client()
            .decode_response(body.as_bytes())
            .unwrap()
            .usage
            .unwrap();
        let weighed = client()
            .weigh_response(body.as_bytes())
            .unwrap()
            .usage
            .unwrap();
        assert_eq!(counted, weighed);
        Usage {
            raw: None,
            ..counted
        }
    };
    let billed = usage(json!({
        "billed_units": {"input_tokens": 67, "output_tokens": 66},
        "tokens": {"input_tokens": 510, "output_tokens": 99, "reasoning_tokens": 29},
        "cached_tokens": 144,
    }));
    let expected = Usage {
        input: 67,
        output: 37,
        reasoning: 29,
        ..Usage::default()
    };
    assert_eq!(billed, expected);
    let floats = usage(json!({"billed_units": {"input_tokens": 67.0, "output_tokens": 66.0}}));
    assert_eq!((floats.input, floats.output), (67, 66));
    // A deployment of one's own bills nothing.
    let own =
        usage(json!({"tokens": {"input_tokens": 10, "output_tokens": 3}, "cached_tokens": 4}));
    assert_eq!((own.input, own.cache_read, own.output), (6, 4, 3));
    let absurd =
        usage(json!({"tokens": {"input_tokens": 1, "reasoning_tokens": 9}, "cached_tokens": 4}));
    assert_eq!(
        (absurd.input, absurd.cache_read, absurd.reasoning),
        (0, 1, 0)
    );
}

#[test]
fn a_stream_that_gives_no_proof_is_broken() {
    let good = [START, TEXT, HI, TEXT_END, END];
    assert!(events(OURS, 1, &stream(&good)).is_ok());
    assert!(events(OURS, 1, &stream(&[&good[..], &["[DONE]"]].concat())).is_ok());
    let broken: [&[&str]; 14] = [
        &[START, TEXT, HI, TEXT_END],
        &[START, TEXT, HI, TEXT_END, "[DONE]"],
        &[TEXT, HI, TEXT_END, END],
        &[START, START, END],
        &[START, TEXT, HI, END],
        &[START, TEXT, TEXT, TEXT_END, END],
        &[START, HI, END],
        &[START, CALL, END],
        &[START, TEXT_END, END],
        &[START, r#"{"type":"novelty"}"#, END],
        &[START, r#"{"type":"message-end","delta":{}}"#],
        &[
            START,
            r#"{"type":"message-end","delta":{"finish_reason":""}}"#,
        ],
        &[
            START,
            r#"{"type":"message-end","delta":{"finish_reason":7}}"#,
        ],
        &[START, END, END],
    ];
    for datas in broken {
        assert!(events(OURS, 1, &stream(datas)).is_err(), "{datas:?}");
    }
}

#[test]
fn arguments_that_are_no_json_break_a_stream() {
    let delta = |words: &str| {
        let function = json!({"function": {"arguments": words}});
        json!({"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": function}}}).to_string()
    };
    let read = |words: &str| {
        events(
            OURS,
            1,
            &stream(&[START, CALL, &delta(words), CALL_END, END]),
        )
    };
    assert!(read("{\"a\":1}").is_ok());
    assert!(read("{\"a\":").is_err());
    // The whole answer says `{}` where the stream says nothing.
    let told = events(OURS, 1, &stream(&[START, CALL, CALL_END, END])).unwrap();
    let answer = fold(OURS, &told).into_response();
    let part = &answer.candidates[0].parts[0];
    assert!(matches!(&part.kind, PartKind::ToolCall(call) if call.arguments == "{}"));
}

#[test]
fn an_end_that_tells_of_a_failure_is_one() {
    for reason in ["ERROR", "TIMEOUT"] {
        let end = json!({"type": "message-end", "delta": {"finish_reason": reason, "error": "out of luck"}});
        let mut reader = Stream::new(OURS, 1);
        reader.push(&stream(&[START, &end.to_string()])).unwrap();
        let (events, result) = reader.finish(End::Clean);
        assert!(result.is_err());
        let Some(StreamEvent::Error(error)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(
            (error.code.as_deref(), error.message.as_str()),
            (Some(reason), "out of luck")
        );
    }
    // An error body in place of an event.
    let mut reader = Stream::new(OURS, 1);
    reader
        .push(&stream(&[START, r#"{"message":"too many"}"#]))
        .unwrap();
    assert!(matches!(reader.events.last(), Some(StreamEvent::Error(e)) if e.message == "too many"));
}

#[test]
fn a_failure_of_ours_is_the_dialects_own_end_and_no_success() {
    let mut writer = server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    writer.push(&StreamEvent::Start(Box::default()), &mut out);
    writer.fail(&failure(), &mut out);
    writer.push(&StreamEvent::End, &mut out);
    assert!(!has_terminator(OURS, &out));
    let text = String::from_utf8(out.clone()).unwrap();
    let last = text.trim_end().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["delta"]["finish_reason"], "ERROR");
    assert_eq!(last["delta"]["error"], "the provider's answer broke off");
    assert_eq!(last["bondgate"]["code"], "provider_failed");
    assert!(!text.contains("[DONE]"));
    // Read back, it is a failure.
    let mut reader = Stream::new(OURS, 1);
    reader.push(&out).unwrap();
    assert!(reader.finish(End::Clean).1.is_err());
}

#[test]
fn free_text_arguments_become_one_member_of_an_object() {
    let mut writer = server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    let part = |delta: &str| StreamEvent::Delta {
        candidate: 0,
        part: 0,
        delta: Delta::Arguments(delta.to_owned()),
    };
    let start = PartStart::ToolCall {
        id: "c".into(),
        name: "shell".into(),
        kind: ToolCallKind::Custom,
    };
    let finish = Finish {
        reason: FinishReason::ToolCalls,
        raw: "tool_calls".into(),
        stop_sequence: None,
        service_tier: None,
    };
    for event in [
        StreamEvent::Start(Box::default()),
        StreamEvent::PartStart {
            candidate: 0,
            part: 0,
            start,
        },
        part("ls \"a"),
        part("\" \\ 😀"),
        StreamEvent::PartEnd {
            candidate: 0,
            part: 0,
        },
        StreamEvent::Finish {
            candidate: 0,
            finish,
            extra: Box::default(),
        },
        StreamEvent::End,
    ] {
        writer.push(&event, &mut out);
    }
    let told = events(OURS, 1, &out).unwrap();
    let answer = fold(OURS, &told).into_response();
    let part = &answer.candidates[0].parts[0];
    let PartKind::ToolCall(call) = &part.kind else {
        panic!("{part:?}");
    };
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
    assert_eq!(arguments, json!({"input": "ls \"a\" \\ 😀"}));
    assert!(lost(writer.losses(), "tool_calls").unwrap().functional);
}

#[test]
fn errors_are_read_whatever_they_look_like() {
    let read = |body: &str| client().decode_failure(body.as_bytes());
    let error = read(r#"{"id":"x","message":"invalid api token"}"#);
    assert_eq!(
        (error.code, error.message.as_str()),
        (None, "invalid api token")
    );
    let error = read(r#"{"error":{"code":429,"message":"slow down"}}"#);
    assert_eq!(
        (error.code.as_deref(), error.message.as_str()),
        (Some("429"), "slow down")
    );
    assert_eq!(read("<html>\n bad gateway").message, "<html> bad gateway");
    assert_eq!(read("").message, "the provider gave no reason");
    assert!(client().decode_failure(b"\xff").raw.is_none());
}

#[test]
fn errors_are_written_as_the_dialect_does() {
    let body: Value = serde_json::from_slice(&server().encode_failure(&failure())).unwrap();
    assert_eq!(body["message"], "the provider's answer broke off");
    assert_eq!(body["id"], failure().details.request_id);
    assert_eq!(body["bondgate"]["code"], "provider_failed");
}

#[test]
fn models_are_listed_by_name() {
    let model = ModelEntry {
        id: "command-a",
        description: None,
        owner: "cohere",
    };
    let list: Value = serde_json::from_slice(&server().encode_models(&[model])).unwrap();
    assert_eq!(list["models"][0]["name"], "command-a");
    assert_eq!(list["models"][0]["endpoints"], json!(["chat"]));
    let one: Value = serde_json::from_slice(&server().encode_model(&model)).unwrap();
    assert_eq!(one, list["models"][0]);
}

#[test]
fn a_choice_of_its_own_is_kept_and_lost_elsewhere() {
    let request = decoded(&json!({"model": "m", "messages": [], "tool_choice": "SOMETIMES"}));
    assert!(matches!(request.tool_choice, Some(ToolChoice::Other(_))));
}
