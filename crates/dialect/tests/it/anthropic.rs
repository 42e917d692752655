//! What only the messages API asks for: its limits, its grammar, its error bodies.

use dialect::Dialect;
use dialect::chat::{
    Delta, Effort, Finish, FinishReason, Message, Opaque, Part, PartKind, PartStart, Reasoning,
    ReasoningRequest, Request, Role, Start, StreamEvent, Tool, ToolCall, ToolCallKind, ToolChoice,
    ToolKind, ToolResult, Usage,
};
use dialect::codec::{
    ClientCodec, Edits, EncoderOptions, End, EventEncoder, ModelEntry, ServerCodec,
};
use dialect::json::Json;
use dialect::loss::{LossKind, Losses};
use dialect::needs::{Need, Needs};
use serde_json::{Value, json};

use crate::laws::{Stream, events, failure, fold, target};

const OURS: Dialect = Dialect::AnthropicMessages;

fn server() -> &'static dyn ServerCodec {
    OURS.server()
}

fn client() -> &'static dyn ClientCodec {
    OURS.client()
}

/// A request of another dialect as it is written here, and what it loses.
fn written(request: &Request) -> (Value, Losses) {
    let mut losses = Losses::default();
    let out = client().encode_request(request, &target("m"), &mut losses);
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

fn call(id: &str, arguments: &str) -> Part {
    PartKind::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        kind: ToolCallKind::Function,
    })
    .into()
}

fn result(id: &str, text: &str) -> Message {
    let result = ToolResult {
        call_id: id.into(),
        is_error: None,
        parts: vec![Part::text(text)],
        bare: true,
    };
    Message::new(Role::Tool, vec![PartKind::ToolResult(result).into()])
}

fn function() -> Tool {
    Tool {
        kind: ToolKind::Function {
            name: "f".into(),
            description: None,
            parameters: None,
            strict: None,
        },
        cache: None,
        extra: dialect::chat::Extra::default(),
    }
}

fn lost<'a>(losses: &'a Losses, path: &str) -> Option<&'a dialect::loss::Loss> {
    losses.as_slice().iter().find(|loss| loss.path == path)
}

#[test]
fn the_head_names_what_is_missing_or_stands_twice() {
    let cases = [
        (
            r#"{"model": "", "messages": [], "max_tokens": 1}"#,
            "model: a model is needed (byte 10)",
        ),
        (
            r#"{"model": "m", "max_tokens": 1}"#,
            "messages: field required",
        ),
        (
            r#"{"model": "m", "messages": []}"#,
            "max_tokens: field required",
        ),
        (
            r#"{"model": "m", "messages": [], "max_tokens": 1, "model": "n"}"#,
            "model: this member stands here twice",
        ),
        (
            r#"{"model": "m", "messages": {}, "max_tokens": 1}"#,
            "messages: an array was expected",
        ),
    ];
    for (body, message) in cases {
        let error = server().head(body.as_bytes()).unwrap_err().to_string();
        let (message, _) = message.split_once(" (byte").unwrap_or((message, ""));
        assert!(error.starts_with(message), "{body}: {error}");
    }
}

#[test]
fn the_head_sees_what_a_target_must_be_able_to_do() {
    let head = |members: &str| {
        let body = format!(r#"{{"model": "m", "messages": [], "max_tokens": 9{members}}}"#);
        server().head(body.as_bytes()).unwrap()
    };
    assert_eq!(head("").needs, Needs::default());
    assert_eq!(head(r#", "tools": []"#).needs, Needs::default());
    let needs = [
        (r#", "tools": [{"name": "f"}]"#, Need::Tools),
        (
            r#", "tools": [{"type": "bash_20250124", "name": "bash"}]"#,
            Need::Tools,
        ),
        (
            r#", "tools": [{"name": "s", "type": "web_search_20250305"}]"#,
            Need::HostedTools,
        ),
        (
            r#", "mcp_servers": [{"type": "url", "url": "x"}]"#,
            Need::HostedTools,
        ),
        (
            r#", "thinking": {"budget_tokens": 9, "type": "enabled"}"#,
            Need::Reasoning,
        ),
        (
            r#", "output_config": {"format": {"type": "json_schema"}}"#,
            Need::JsonSchema,
        ),
        (
            r#", "output_format": {"type": "json_schema"}"#,
            Need::JsonSchema,
        ),
    ];
    for (members, need) in needs {
        assert_eq!(
            head(members).needs,
            Needs::default().with(need),
            "{members}"
        );
    }
    let off = head(r#", "thinking": {"type": "disabled"}, "stream": true"#);
    assert_eq!(
        (off.needs, off.stream, off.stream_usage),
        (Needs::default(), true, true)
    );
}

#[test]
fn edits_touch_the_model_and_lower_the_output_limit() {
    let body = br#" {"max_tokens": 100, "messages": [], "model" : "a/b" }"#;
    let head = server().head(body).unwrap();
    let edit = |most| {
        let edits = Edits {
            model: "real \"name\"",
            force_usage: true,
            max_output_tokens: most,
        };
        let out = server().patch(&head, &edits).apply(&body.to_vec().into());
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        edit(Some(40)),
        r#" {"max_tokens": 40, "messages": [], "model" : "real \"name\"" }"#
    );
    assert_eq!(edit(Some(400)), edit(None));
}

#[test]
fn words_for_effort_become_budgets_below_the_output_limit() {
    let budget = |effort, max| {
        let mut request = foreign(vec![user("Think")]);
        request.max_output_tokens = max;
        request.reasoning = Some(ReasoningRequest {
            effort: Some(effort),
            ..ReasoningRequest::default()
        });
        let (out, losses) = written(&request);
        let loss = lost(&losses, "reasoning_effort").map(|loss| loss.kind);
        (
            out["thinking"]["budget_tokens"].as_u64(),
            out["max_tokens"].as_u64(),
            loss,
        )
    };
    let near = Some(LossKind::Approximated);
    assert_eq!(
        budget(Effort::High, Some(20_000)),
        (Some(16_384), Some(20_000), near)
    );
    assert_eq!(
        budget(Effort::High, Some(4000)),
        (Some(2000), Some(4000), near)
    );
    assert_eq!(
        budget(Effort::Low, Some(1025)),
        (Some(1024), Some(1025), near)
    );
    assert_eq!(
        budget(Effort::Low, Some(1024)),
        (None, Some(1024), Some(LossKind::Dropped))
    );
    assert_eq!(budget(Effort::Medium, None), (Some(2048), Some(4096), near));
    assert_eq!(budget(Effort::None, None), (None, Some(4096), None));
}

#[test]
fn thinking_gives_way_to_what_the_api_forbids_beside_it() {
    let thinking = |change: fn(&mut Request)| {
        let mut request = foreign(vec![user("Think")]);
        request.max_output_tokens = Some(9000);
        request.tools = vec![function()];
        request.reasoning = Some(ReasoningRequest {
            budget_tokens: Some(2000),
            ..ReasoningRequest::default()
        });
        change(&mut request);
        let (out, losses) = written(&request);
        (out, losses)
    };
    let on = json!({"type": "enabled", "budget_tokens": 2000});
    let (out, losses) = thinking(|request| {
        request.sampling.temperature = Some(Json::parse("0.2").unwrap());
        request.sampling.top_k = Some(Json::parse("5").unwrap());
    });
    assert_eq!(
        (&out["thinking"], &out["temperature"], &out["top_k"]),
        (&on, &Value::Null, &Value::Null)
    );
    assert!(lost(&losses, "temperature").is_some() && lost(&losses, "top_k").is_some());

    let (out, losses) = thinking(|request| request.tool_choice = Some(ToolChoice::Required));
    assert_eq!(
        (&out["thinking"], &out["tool_choice"]["type"]),
        (&Value::Null, &json!("any"))
    );
    assert!(!lost(&losses, "reasoning.max_tokens").unwrap().functional);

    let turn = |signature: Option<Opaque>| {
        let reasoning = Reasoning {
            text: "so".into(),
            summary: false,
            opaque: signature,
        };
        let reasoning = PartKind::Reasoning(reasoning).into();
        Message::new(Role::Assistant, vec![call("a", "{}"), reasoning])
    };
    let mut request = foreign(vec![user("Go"), turn(None), result("a", "1")]);
    request.max_output_tokens = Some(9000);
    request.reasoning = Some(ReasoningRequest {
        enabled: Some(true),
        ..ReasoningRequest::default()
    });
    let (out, losses) = written(&request);
    assert_eq!(out["thinking"], Value::Null);
    assert!(lost(&losses, "reasoning").is_some());
    request.messages[1] = turn(Some(Opaque {
        origin: OURS,
        kind: "signature".into(),
        value: Json::parse("\"sig\"").unwrap(),
    }));
    let (out, _) = written(&request);
    assert_eq!(out["thinking"]["type"], "enabled");
    let first = json!({"type": "thinking", "thinking": "so", "signature": "sig"});
    assert_eq!(out["messages"][1]["content"][0], first);
}

#[test]
fn one_of_temperature_and_top_p_is_sent_and_never_above_one() {
    let mut request = foreign(vec![user("Hi")]);
    request.sampling.temperature = Some(Json::parse("1.7").unwrap());
    request.sampling.top_p = Some(Json::parse("0.5").unwrap());
    let (out, losses) = written(&request);
    assert_eq!(
        (&out["temperature"], &out["top_p"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        lost(&losses, "temperature").unwrap().kind,
        LossKind::Approximated
    );
    assert!(lost(&losses, "top_p").is_some());
}

#[test]
fn results_and_what_the_user_says_next_are_one_turn_results_first() {
    let calls = Message::new(Role::Assistant, vec![call("a.1", "{}"), call("a_1", "")]);
    let request = foreign(vec![
        user("Go"),
        calls,
        result("a.1", "one"),
        Message::new(Role::System, vec![Part::text("Be kind.")]),
        result("a_1", ""),
        user("Next"),
    ]);
    let (out, losses) = written(&request);
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "Go"}]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "a_2e1", "name": "f", "input": {}},
            {"type": "tool_use", "id": "a_1", "name": "f", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a_2e1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "a_1"},
            {"type": "text", "text": "Next"},
        ]},
    ]);
    assert_eq!(out["messages"], expected);
    assert_eq!(out["system"], json!([{"type": "text", "text": "Be kind."}]));
    assert_eq!(lost(&losses, "messages[3]").unwrap().kind, LossKind::Moved);
    let ids = ["messages[1].tool_calls[0].id", "messages[2].tool_call_id"];
    assert!(ids.iter().all(|path| lost(&losses, path).is_some()));
}

#[test]
fn arguments_that_are_no_object_are_never_passed_off_as_some() {
    for arguments in ["[1]", "{\"a\":", "text", "{} {}"] {
        let turn = Message::new(Role::Assistant, vec![call("a", arguments)]);
        let (_, losses) = written(&foreign(vec![user("Go"), turn]));
        let loss = lost(&losses, "messages[1].tool_calls[0].function.arguments").unwrap();
        assert!(loss.functional, "{arguments}");
    }
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"cache_read_input_tokens":7,"output_tokens":1}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HI: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const STOP: &str = r#"{"type":"content_block_stop","index":0}"#;
const DELTA: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"cache_creation_input_tokens":50,"output_tokens":40,"output_tokens_details":{"thinking_tokens":15}}}"#;
const END: &str = r#"{"type":"message_stop"}"#;
const CALL: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#;

/// Events as bytes, named after their data's type where it has one.
fn stream(datas: &[&str]) -> Vec<u8> {
    let mut out = String::new();
    for data in datas {
        if let Ok(value) = serde_json::from_str::<Value>(data)
            && let Some(kind) = value["type"].as_str()
        {
            out += &format!("event: {kind}\n");
        }
        out += &format!("data: {data}\n\n");
    }
    out.into_bytes()
}

fn arguments(partial: &str) -> String {
    json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": partial}})
    .to_string()
}

#[test]
fn whatever_breaks_the_grammar_breaks_the_stream() {
    let half = arguments(r#"{"cmd": "rm -rf /tmp"#);
    let skipped = TEXT.replace(":0,", ":1,");
    let cases: [(&[&str], &str); 16] = [
        (&[TEXT], "does not begin with message_start"),
        (&[START, START], "started twice"),
        (&[START, HI], "not open"),
        (&[START, STOP], "not open"),
        (&[START, TEXT, TEXT], "another index"),
        (&[START, &skipped], "another index"),
        (&[START, TEXT, HI, DELTA], "inside a block"),
        (&[START, TEXT, HI, STOP, END], "without a stop_reason"),
        (&[START, TEXT, HI, END], "inside a block"),
        (&[START, DELTA, TEXT], "after the reason to stop"),
        (
            &[START, DELTA, END, r#"{"type":"ping"}"#],
            "after message_stop",
        ),
        (&[START, CALL, HI], "another kind"),
        (&[START, CALL, &half, STOP], "no JSON"),
        (
            &[
                START,
                TEXT,
                r#"{"type":"content_block_delta","index":0,"delta":{"ty"#,
            ],
            "does not parse",
        ),
        (&[START, "[DONE]"], "does not parse"),
        (&[START, TEXT, HI, STOP, DELTA], "before message_stop"),
    ];
    for (datas, why) in cases {
        let error = events(OURS, 1, &stream(datas)).unwrap_err();
        assert!(error.to_string().contains(why), "{datas:?}: {error}");
    }
    let misnamed = b"event: ping\ndata: {\"type\": \"message_stop\"}\n\n";
    let error = events(OURS, 1, misnamed).unwrap_err();
    assert!(error.to_string().contains("another name"), "{error}");
}

/// An event with its index behind its other members.
fn index_last(data: &str, index: u64) -> String {
    let data = data.replace("\"index\":0,", "");
    format!("{},\"index\":{index}}}", data.strip_suffix('}').unwrap())
}

#[test]
fn blocks_that_are_open_at_once_are_told_apart_by_their_index() {
    let (one, two) = (arguments(r#"{"a":1}"#), arguments(r#"{"b":2}"#));
    let of = |data: &str| index_last(data, 1);
    let (began, grew, ended) = (of(CALL), of(&two), of(STOP));
    let begun = [START, CALL, &began, &grew, &one];
    let whole = [&begun[..], &[STOP, &ended, DELTA, END]].concat();
    let told = fold(OURS, &events(OURS, 1, &stream(&whole)).unwrap()).into_response();
    let said = format!("{:?}", told.candidates[0].parts);
    let (first, second) = (said.find(r#"{\"a\":1}"#), said.find(r#"{\"b\":2}"#));
    assert!(first.is_some() && first < second, "{said}");
    for (end, why) in [
        (vec![STOP, DELTA, END], "inside a block"),
        (vec![&ended, DELTA, END], "inside a block"),
        (vec![STOP, &ended, &ended], "not open"),
        (vec![STOP, &one], "not open"),
        (vec![STOP, &ended], "before message_stop"),
    ] {
        let cut = [&begun[..], &end].concat();
        let error = events(OURS, 1, &stream(&cut)).unwrap_err();
        assert!(error.to_string().contains(why), "{end:?}: {error}");
    }
}

#[test]
fn names_of_events_may_be_missing_and_new_kinds_are_passed_over() {
    let data = [START, r#"{"type":"novelty","x":[1]}"#, DELTA, END];
    let unnamed: String = data
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    let mut reader = Stream::new(OURS, 1);
    reader.push(unnamed.as_bytes()).unwrap();
    let unknown = reader.decoder.unknown_fields();
    assert_eq!(unknown, ["novelty.x", "event.novelty"]);
    let (events, end) = reader.finish(End::Cut);
    assert_eq!(end, Ok(()));
    assert_eq!(events.last(), Some(&StreamEvent::End));
}

#[test]
fn an_error_in_the_stream_is_the_providers_failure_and_no_end_follows() {
    let said = [
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        r#"{"type":"novelty","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    ];
    for data in said {
        let mut reader = Stream::new(OURS, 1);
        reader.push(&stream(&[START, data])).unwrap();
        let Some(StreamEvent::Error(error)) = reader.events.last() else {
            panic!("{:?}", reader.events);
        };
        assert_eq!(error.code.as_deref(), Some("overloaded_error"));
        assert_eq!(error.message, "Overloaded");
        assert!(reader.clone().finish(End::Clean).1.is_err());
        assert!(reader.push(&stream(&[END])).is_err());
    }
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let empty = arguments("");
    let bytes = stream(&[START, CALL, &empty, STOP, DELTA, END]);
    let whole = fold(OURS, &events(OURS, 1, &bytes).unwrap()).into_response();
    assert_eq!(
        whole.candidates[0].parts,
        [Part::from(PartKind::ToolCall(ToolCall {
            id: "t".into(),
            name: "f".into(),
            arguments: "{}".into(),
            kind: ToolCallKind::Function,
        }))]
    );
}

#[test]
fn blocks_of_this_dialect_alone_are_put_together() {
    let hosted = CALL.replace("tool_use", "server_tool_use");
    let (left, right) = (arguments(r#"{"query": "#), arguments(r#""x"}"#));
    let room = r#"{"type":"content_block_start","index":1,"content_block":{"type":"compaction","content":null}}"#;
    let more = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":1,"delta":{{"type":"compaction_delta","content":"{text}"}}}}"#
        )
    };
    let (one, two) = (more("So "), more("far"));
    let stop = STOP.replace(":0", ":1");
    let bytes = stream(&[
        START, &hosted, &left, &right, STOP, room, &one, &two, &stop, DELTA, END,
    ]);
    let whole = fold(OURS, &events(OURS, 1, &bytes).unwrap()).into_response();
    let blocks: Vec<Value> = whole.candidates[0]
        .parts
        .iter()
        .map(|part| match &part.kind {
            PartKind::Opaque(opaque) => serde_json::from_str(opaque.value.text()).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        json!({"type": "server_tool_use", "id": "t", "name": "f", "input": {"query": "x"}}),
        json!({"type": "compaction", "content": "So far"}),
    ];
    assert_eq!(blocks, expected);
}

#[test]
fn counts_are_disjoint_and_the_last_ones_hold() {
    let bytes = stream(&[START, DELTA, END]);
    let usage = fold(OURS, &events(OURS, 1, &bytes).unwrap())
        .into_response()
        .usage
        .unwrap();
    let expected = Usage {
        input: 10,
        cache_read: 7,
        cache_write: 20,
        cache_write_1h: 30,
        output: 25,
        reasoning: 15,
        raw: usage.raw.clone(),
        ..Usage::default()
    };
    assert_eq!(usage, expected);

    let body = json!({"type": "message", "id": "i", "model": "m", "role": "assistant", "content": [],
        "stop_reason": "end_turn", "usage": {"input_tokens": 612, "output_tokens": 2819, "iterations": [
            {"type": "compaction", "input_tokens": 60_385, "output_tokens": 522, "cache_read_input_tokens": 5},
            {"type": "message", "input_tokens": 612, "output_tokens": 2819}]}});
    let usage = client()
        .decode_response(body.to_string().as_bytes())
        .unwrap()
        .usage
        .unwrap();
    assert_eq!(
        (usage.total_input(), usage.total_output()),
        (612 + 60_390, 2819 + 522)
    );
}

#[test]
fn an_answer_that_does_not_say_why_it_ended_is_broken() {
    let whole = |change: fn(&mut Value)| {
        let mut body = json!({"type": "message", "id": "i", "model": "m", "role": "assistant",
            "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}});
        change(&mut body);
        client().decode_response(body.to_string().as_bytes())
    };
    assert!(whole(|_| {}).is_ok());
    assert!(whole(|body| body["stop_reason"] = Value::Null).is_err());
    assert!(whole(|body| drop(body.as_object_mut().unwrap().remove("stop_reason"))).is_err());
    assert!(whole(|body| drop(body.as_object_mut().unwrap().remove("content"))).is_err());
    let error = whole(|body| {
        *body = json!({"type": "error", "error": {"type": "api_error", "message": "Oh"}})
    });
    assert!(error.unwrap_err().to_string().contains("Oh"));
}

/// Events of an answer with two calls, of which the second begins before the first ends.
fn interleaved(filler: &str) -> Vec<StreamEvent> {
    let start = |part, id: &str| StreamEvent::PartStart {
        candidate: 0,
        part,
        start: PartStart::ToolCall {
            id: id.into(),
            name: "f".into(),
            kind: ToolCallKind::Function,
        },
    };
    let delta = |part, text: &str| StreamEvent::Delta {
        candidate: 0,
        part,
        delta: Delta::Arguments(text.into()),
    };
    let finish = Finish {
        reason: FinishReason::ToolCalls,
        raw: "tool_calls".into(),
        stop_sequence: None,
        service_tier: None,
    };
    vec![
        StreamEvent::Start(Box::<Start>::default()),
        start(0, "a"),
        start(1, "b"),
        delta(1, "{\"x\":\""),
        delta(0, "{"),
        delta(1, filler),
        delta(0, "}"),
        delta(1, "\"}"),
        StreamEvent::PartEnd {
            candidate: 0,
            part: 1,
        },
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
    ]
}

fn encoder() -> Box<dyn EventEncoder> {
    server().encoder(EncoderOptions::default())
}

#[test]
fn parts_that_interleave_come_out_one_after_the_other() {
    let mut writer = encoder();
    let mut out = Vec::new();
    interleaved("y")
        .iter()
        .for_each(|event| writer.push(event, &mut out));
    let whole = fold(OURS, &events(OURS, 1, &out).unwrap()).into_response();
    let said: Vec<_> = whole.candidates[0]
        .parts
        .iter()
        .map(|part| match &part.kind {
            PartKind::ToolCall(call) => (call.id.as_str(), call.arguments.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, [("a", "{}"), ("b", r#"{"x":"y"}"#)]);
    assert_eq!(whole.candidates[0].finish.as_ref().unwrap().raw, "tool_use");
}

#[test]
fn too_much_that_interleaves_ends_in_a_failure_and_never_in_a_shorter_call() {
    let mut writer = encoder();
    let mut out = Vec::new();
    let filler = "y".repeat(1 << 20);
    interleaved(&filler)
        .iter()
        .for_each(|event| writer.push(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("event: error") && !text.contains("message_stop"));
    assert!(
        writer
            .losses()
            .as_slice()
            .iter()
            .any(|loss| loss.functional)
    );
}

#[test]
fn the_end_is_written_for_the_hubs_end_alone() {
    let all = interleaved("y");
    for cut in 0..all.len() {
        let mut writer = encoder();
        let mut out = Vec::new();
        all[..cut]
            .iter()
            .for_each(|event| writer.push(event, &mut out));
        assert!(
            !String::from_utf8_lossy(&out).contains("message_stop"),
            "{cut}"
        );
        writer.fail(&failure(), &mut out);
        let failed = out.len();
        all.iter().for_each(|event| writer.push(event, &mut out));
        writer.fail(&failure(), &mut out);
        assert_eq!(out.len(), failed);
        assert!(String::from_utf8_lossy(&out).contains("event: error\ndata: {\"type\":\"error\""));
    }
    let mut writer = encoder();
    let mut out = Vec::new();
    writer.push(&StreamEvent::End, &mut out);
    assert!(out.is_empty(), "an end without a reason is none");
}

#[test]
fn error_bodies_are_read_whatever_they_look_like() {
    let read = |body: &[u8]| {
        let error = client().decode_failure(body);
        (
            error.code.unwrap_or_default(),
            error.kind.unwrap_or_default(),
            error.message,
        )
    };
    let cases: [(&[u8], [&str; 3]); 8] = [
        (
            br#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow"}}"#,
            ["rate_limit_error", "", "Slow"],
        ),
        (
            br#"{"error":{"message":"No","type":"invalid_request_error","code":"quota"}}"#,
            ["quota", "invalid_request_error", "No"],
        ),
        (br#"{"error":"No"}"#, ["", "", "No"]),
        (br#"{"message":"No","code":503}"#, ["503", "", "No"]),
        (br#"{"detail":"No"}"#, ["", "", "No"]),
        (
            b"<html>\n <b>Bad gateway</b></html>",
            ["", "", "<html> <b>Bad gateway</b></html>"],
        ),
        (b"\xff", ["", "", "\u{fffd}"]),
        (b"", ["", "", "the provider gave no reason"]),
    ];
    for (body, [code, kind, message]) in cases {
        let expected = (code.to_owned(), kind.to_owned(), message.to_owned());
        assert_eq!(read(body), expected, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(read("é".repeat(5000).as_bytes()).2.chars().count(), 301);
}

#[test]
fn errors_have_the_type_of_their_status() {
    let kinds = [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ];
    for (status, kind) in kinds {
        let mut failure = failure();
        failure.status = status;
        let body: Value = serde_json::from_slice(&server().encode_failure(&failure)).unwrap();
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!(kind))
        );
        assert_eq!(body["request_id"], failure.details.request_id);
        assert_eq!(body["bondgate"]["code"], failure.code);
    }
}

#[test]
fn the_list_of_models_has_its_first_and_last() {
    let entry = |id| ModelEntry {
        id,
        description: None,
        owner: "bondgate",
    };
    let list = |models: &[ModelEntry<'_>]| -> Value {
        serde_json::from_slice(&server().encode_models(models)).unwrap()
    };
    let two = list(&[entry("a"), entry("b/c")]);
    assert_eq!(
        (&two["first_id"], &two["last_id"]),
        (&json!("a"), &json!("b/c"))
    );
    assert_eq!(
        two["data"][1],
        json!({
            "type": "model",
            "id": "b/c",
            "display_name": "b/c",
            "created_at": "1970-01-01T00:00:00Z",
            "lifecycle": "active",
        })
    );
    assert_eq!(list(&[])["first_id"], Value::Null);
}
