//! What only chat completions ask for: heads and edits, calls side by side, tool
//! messages, details of reasoning, error bodies of many providers.

use bytes::Bytes;
use dialect::Dialect;
use dialect::chat::{
    Delta, Extra, Media, MediaSource, Message, Opaque, Part, PartKind, PartStart, Reasoning,
    ReasoningRequest, Request, Role, StreamEvent, Tool, ToolKind, ToolResult,
};
use dialect::codec::{ClientCodec, Edits, EncoderOptions, End, ServerCodec};
use dialect::json::Json;
use dialect::loss::{Fidelity, LossKind, Losses};
use dialect::needs::Need;
use serde_json::{Value, json};

use crate::laws::{Stream, events, failure, fold, target};

const OURS: Dialect = Dialect::OpenaiChat;

fn server() -> &'static dyn ServerCodec {
    OURS.server()
}

fn client() -> &'static dyn ClientCodec {
    OURS.client()
}

fn stream(chunks: &[Value]) -> String {
    let mut text: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    text.push_str("data: [DONE]\n\n");
    text
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what stands in a test is read more easily without `&`"
)]
fn chunk(delta: Value, finish: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"index": index, "function": {"arguments": arguments}});
    if !id.is_empty() {
        call["id"] = json!(id);
        call["type"] = json!("function");
        call["function"]["name"] = json!(name);
    }
    json!({"tool_calls": [call]})
}

/// Names and arguments of the calls that a stream of one choice amounts to.
fn calls(text: &str) -> Vec<(String, String, String)> {
    let events = events(OURS, 1, text.as_bytes()).unwrap();
    let response = fold(OURS, &events).into_response();
    let parts = response.candidates.into_iter().flat_map(|c| c.parts);
    parts
        .filter_map(|part| match part.kind {
            PartKind::ToolCall(call) => Some((call.id, call.name, call.arguments)),
            _ => None,
        })
        .collect()
}

fn why(text: &str) -> String {
    events(OURS, 1, text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_head_names_the_member_that_stands_twice() {
    for member in [
        r#""model":"a""#,
        r#""stream":true"#,
        r#""messages":[]"#,
        r#""max_tokens":1"#,
        r#""max_completion_tokens":1"#,
        r#""n":1"#,
        r#""stream_options":{}"#,
    ] {
        let name = member.split('"').nth(1).unwrap();
        let body = format!(r#"{{"model":"a","messages":[],{member},{member}}}"#);
        let error = server().head(body.as_bytes()).unwrap_err();
        assert_eq!(error.path, name);
        assert!(error.message.contains("twice"), "{error}");
    }
    let hidden = r#"{"model":"a","mod\u0065l":"b","messages":[]}"#;
    assert_eq!(server().head(hidden.as_bytes()).unwrap_err().path, "model");
}

#[test]
fn a_head_says_where_it_is_wrong() {
    for (body, path) in [
        (r#"{"model":"a"}"#, "messages"),
        (r#"{"model":"","messages":[]}"#, "model"),
        (r#"{"model":7,"messages":[]}"#, "model"),
        (r#"{"model":"a","messages":{}}"#, "messages"),
        (r#"{"model":"a","messages":[],"stream":"yes"}"#, "stream"),
        (
            r#"{"model":"a","messages":[],"max_tokens":-1}"#,
            "max_tokens",
        ),
        (r#"{"model":"a","messages":[],"n":0}"#, "n"),
        (r#"{"model":"a","messages":[],"n":129}"#, "n"),
        (
            r#"{"model":"a","messages":[],"stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage",
        ),
    ] {
        assert_eq!(server().head(body.as_bytes()).unwrap_err().path, path);
    }
    assert!(server().head(br#"{"model":"a","messages":[]} x"#).is_err());
    assert!(server().head(b"[]").is_err());
}

#[test]
fn a_head_says_what_a_request_needs() {
    let body = br#"{"model":"a","messages":[],"tools":[{"type":"function"}],"n":2,
        "response_format":{"type":"json_schema"},"logprobs":true,"reasoning_effort":"low"}"#;
    let needs: Vec<Need> = server().head(body).unwrap().needs.iter().collect();
    assert_eq!(
        needs,
        [
            Need::Tools,
            Need::JsonSchema,
            Need::Reasoning,
            Need::Logprobs,
            Need::Candidates
        ]
    );
    for hosted in [
        r#""tools":[{"type":"browser_search"}]"#,
        r#""web_search_options":{}"#,
    ] {
        let body = format!(r#"{{"model":"a","messages":[],{hosted}}}"#);
        let needs = server().head(body.as_bytes()).unwrap().needs;
        assert!(needs.iter().eq([Need::HostedTools]), "{hosted}");
    }
    let none = br#"{"model":"a","messages":[],"tools":[],"n":1,"logprobs":false,
        "response_format":{"type":"text"},"reasoning_effort":"none"}"#;
    assert_eq!(server().head(none).unwrap().needs.iter().count(), 0);
}

#[test]
fn usage_is_switched_on_wherever_its_switch_stands() {
    let edits = Edits {
        model: "a",
        force_usage: true,
        max_output_tokens: None,
    };
    for (before, after) in [
        ("", r#""stream_options":{"include_usage":true},"#),
        (
            r#""stream_options":null,"#,
            r#""stream_options":{"include_usage":true},"#,
        ),
        (
            r#""stream_options":{ },"#,
            r#""stream_options":{"include_usage":true },"#,
        ),
        (
            r#""stream_options":{"include_usage":false},"#,
            r#""stream_options":{"include_usage":true},"#,
        ),
        (
            r#""stream_options":{"x":1},"#,
            r#""stream_options":{"include_usage":true,"x":1},"#,
        ),
        (
            r#""stream_options":{"x":1,"include_usage":null},"#,
            r#""stream_options":{"x":1,"include_usage":true},"#,
        ),
    ] {
        let rest = r#""model":"a","stream":true,"messages":[]}"#;
        let body = Bytes::from(format!("{{{before}{rest}"));
        let head = server().head(&body).unwrap();
        let patched = server().patch(&head, &edits).apply(&body);
        assert_eq!(patched, format!("{{{after}{rest}"), "{before}");
    }
    let whole = Bytes::from_static(br#"{"model":"a","messages":[]}"#);
    let head = server().head(&whole).unwrap();
    assert!(server().patch(&head, &edits).is_empty());
}

#[test]
fn a_limit_on_output_is_only_ever_lowered() {
    let edits = Edits {
        model: "b",
        force_usage: false,
        max_output_tokens: Some(10),
    };
    for (before, after) in [
        ("", r#""max_completion_tokens":10,"#),
        (r#""max_tokens":99,"#, r#""max_tokens":10,"#),
        (r#""max_tokens":9,"#, r#""max_tokens":9,"#),
        (
            r#""max_completion_tokens":null,"#,
            r#""max_completion_tokens":10,"#,
        ),
        (
            r#""max_completion_tokens":50,"max_tokens":99,"#,
            r#""max_completion_tokens":10,"max_tokens":10,"#,
        ),
        (
            r#""max_tokens":99,"max_completion_tokens":5,"#,
            r#""max_tokens":10,"max_completion_tokens":5,"#,
        ),
        (
            r#""max_completion_tokens":99,"max_tokens":null,"#,
            r#""max_completion_tokens":10,"max_tokens":null,"#,
        ),
    ] {
        let body = Bytes::from(format!(r#"{{{before}"messages":[],"model":"a"}}"#));
        let head = server().head(&body).unwrap();
        let patched = server().patch(&head, &edits).apply(&body);
        assert_eq!(
            patched,
            format!(r#"{{{after}"messages":[],"model":"b"}}"#),
            "{before}"
        );
    }
}

#[test]
fn calls_that_stream_side_by_side_are_told_apart() {
    let text = stream(&[
        chunk(call(0, "a", "f", ""), Value::Null),
        chunk(call(1, "b", "g", ""), Value::Null),
        chunk(call(0, "", "", r#"{"x":"#), Value::Null),
        chunk(call(1, "", "", r#"{"y":2}"#), Value::Null),
        chunk(call(0, "", "", "1}"), Value::Null),
        chunk(json!({}), json!("tool_calls")),
    ]);
    assert_eq!(
        calls(&text),
        [
            ("a".into(), "f".into(), r#"{"x":1}"#.into()),
            ("b".into(), "g".into(), r#"{"y":2}"#.into())
        ]
    );
}

#[test]
fn whole_calls_without_an_index_or_an_id_are_kept_apart() {
    let whole = |name: &str| json!({"function": {"name": name, "arguments": "{}"}});
    let both = json!({"tool_calls": [whole("f"), whole("g")]});
    let text = stream(&[chunk(both, json!("tool_calls"))]);
    assert_eq!(
        calls(&text),
        [
            ("call_0".into(), "f".into(), "{}".into()),
            ("call_1".into(), "g".into(), "{}".into())
        ]
    );
    let same = stream(&[
        chunk(call(0, "a", "f", "{}"), Value::Null),
        chunk(call(0, "b", "g", "{}"), json!("tool_calls")),
    ]);
    assert_eq!(calls(&same).len(), 2);
}

#[test]
fn a_call_whose_arguments_are_not_whole_is_no_call() {
    let short = |finish: &str| {
        stream(&[
            chunk(call(0, "a", "f", r#"{"command":"rm -r"#), Value::Null),
            chunk(json!({}), json!(finish)),
        ])
    };
    assert!(why(&short("tool_calls")).contains("arguments"));
    assert!(why(&short("stop")).contains("arguments"));
    // An answer that says it was cut short deceives nobody.
    assert_eq!(calls(&short("length")).len(), 1);
    let joined = stream(&[
        chunk(call(0, "a", "f", r#"{"command":"rm"}"#), Value::Null),
        chunk(call(0, "", "", r#"{"command":"ls"}"#), Value::Null),
        chunk(json!({}), json!("tool_calls")),
    ]);
    assert!(why(&joined).contains("arguments"));
}

#[test]
fn the_grammar_of_a_stream_is_kept() {
    let hello = chunk(json!({"content": "Hello"}), Value::Null);
    let stop = chunk(json!({}), json!("stop"));
    let more = stream(&[hello.clone(), stop.clone(), hello.clone()]);
    assert!(why(&more).contains("finish_reason"));
    let twice = stream(&[hello.clone(), stop.clone(), stop.clone()]);
    assert!(events(OURS, 1, twice.as_bytes()).is_ok());
    let nameless = stream(&[chunk(json!({"tool_calls": [{"index": 0}]}), json!("stop"))]);
    assert!(why(&nameless).contains("name"));
    assert!(why(&stream(std::slice::from_ref(&hello))).contains("[DONE]"));
    let after = format!(
        "{}data: {hello}\n\n",
        stream(&[hello.clone(), stop.clone()])
    );
    assert!(why(&after).contains("after the end"));
    let one_of_two = stream(&[hello, stop]);
    assert!(events(OURS, 2, one_of_two.as_bytes()).is_err());
}

#[test]
fn without_a_terminator_only_a_clean_end_is_an_end() {
    let text = stream(&[chunk(json!({"content": "Hi"}), json!("stop"))]);
    let open = text.replace("data: [DONE]\n\n", "");
    for (end, whole) in [(End::Clean, true), (End::Cut, false)] {
        let mut reader = Stream::new(OURS, 1);
        reader.push(open.as_bytes()).unwrap();
        let (events, result) = reader.finish(end);
        assert_eq!(result.is_ok(), whole);
        assert_eq!(events.contains(&StreamEvent::End), whole);
    }
}

#[test]
fn an_error_in_a_stream_is_told_and_ends_it() {
    let half = chunk(json!({"content": "Hi"}), Value::Null);
    let error = json!({"error": {"message": "Out of memory", "type": "server_error", "code": 500}});
    for data in [
        format!("data: {error}\n\n"),
        format!("event: error\ndata: {error}\n\n"),
        "data: {\"object\":\"error\",\"message\":\"Out of memory\",\"code\":500}\n\n".to_owned(),
    ] {
        let mut reader = Stream::new(OURS, 1);
        reader
            .push(format!("data: {half}\n\n{data}").as_bytes())
            .unwrap();
        let (events, result) = reader.finish(End::Clean);
        assert!(result.is_err());
        let Some(StreamEvent::Error(said)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(said.message, "Out of memory");
        assert_eq!(said.code.as_deref(), Some("500"));
    }
}

#[test]
fn usage_is_taken_apart_and_absurd_numbers_saturate() {
    let counts = |usage: Value| {
        let answer = json!({"id": "c", "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]});
        let response = client()
            .decode_response(answer.to_string().as_bytes())
            .unwrap();
        let u = response.usage.unwrap();
        [
            u.input,
            u.cache_read,
            u.cache_write,
            u.audio_in,
            u.output,
            u.reasoning,
            u.audio_out,
        ]
    };
    let openai = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5}});
    assert_eq!(counts(openai), [30, 60, 0, 10, 25, 20, 5]);
    let deepseek = json!({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11,
        "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6});
    assert_eq!(counts(deepseek), [6, 4, 0, 0, 1, 0, 0]);
    let beside = json!({"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241,
        "completion_tokens_details": {"reasoning_tokens": 228}});
    assert_eq!(counts(beside), [12, 0, 0, 0, 1, 228, 0]);
    let absurd = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 9, "audio_tokens": 9},
        "completion_tokens_details": {"reasoning_tokens": 9}});
    assert_eq!(counts(absurd), [0, 5, 0, 0, 0, 2, 0]);
    let nonsense = json!({"prompt_tokens": -5, "completion_tokens": "2", "total_tokens": 1.5});
    assert_eq!(counts(nonsense), [0; 7]);
}

/// A request of another dialect as it is written here, and what it loses.
fn written(request: &Request) -> (Value, Losses) {
    let mut losses = Losses::default();
    let out = client().encode_request(request, &target("m"), &mut losses);
    (serde_json::from_slice(&out).unwrap(), losses)
}

fn foreign(messages: Vec<Message>) -> Request {
    let mut request = Request::new(Dialect::AnthropicMessages, "claude");
    request.messages = messages;
    request
}

fn image() -> Part {
    PartKind::Image(Media {
        media_type: Some("image/png".into()),
        source: MediaSource::Base64("iVBO".into()),
        name: None,
        detail: None,
    })
    .into()
}

fn tool_result(id: &str, parts: Vec<Part>) -> Part {
    PartKind::ToolResult(ToolResult {
        call_id: id.into(),
        is_error: None,
        parts,
        bare: false,
    })
    .into()
}

#[test]
fn results_in_a_user_turn_become_tool_messages_and_come_first() {
    let (out, losses) = written(&foreign(vec![Message::new(
        Role::User,
        vec![
            Part::text("And now?"),
            tool_result("a", vec![Part::text("sunny"), image()]),
            tool_result("b", vec![]),
        ],
    )]));
    assert_eq!(
        out["messages"],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "text", "text": "And now?"},
            ]},
        ])
    );
    let [moved] = losses.as_slice() else {
        panic!("{losses:?}");
    };
    assert_eq!(moved.path, "messages[0].content[1].content[1]");
    assert_eq!((moved.kind, moved.functional), (LossKind::Moved, false));
}

#[test]
fn what_chat_completions_cannot_say_is_named() {
    let mut request = foreign(vec![Message::new(
        Role::User,
        vec![
            PartKind::Document(Media {
                media_type: None,
                source: MediaSource::Url("https://a/b.pdf".into()),
                name: None,
                detail: None,
            })
            .into(),
        ],
    )]);
    request.tools.push(Tool {
        kind: ToolKind::Hosted {
            kind: "search".into(),
            raw: Json::parse(r#"{"type":"search"}"#).unwrap(),
        },
        cache: None,
        extra: Extra::default(),
    });
    request.stop = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
    request.sampling.top_k = Some(Json::parse("5").unwrap());
    request.reasoning = Some(ReasoningRequest {
        budget_tokens: Some(9000),
        ..ReasoningRequest::default()
    });
    request
        .extra
        .push("container", Json::parse("null").unwrap());
    request
        .extra
        .push("betas", Json::parse(r#"["b"]"#).unwrap());
    let (out, losses) = written(&request);
    assert_eq!(out["stop"], json!(["a", "b", "c", "d"]));
    assert_eq!(out["reasoning_effort"], "medium");
    assert!(out.get("tools").is_none());
    let refused: Vec<&str> = Fidelity::Report
        .refused(losses.as_slice())
        .iter()
        .map(|loss| loss.path.as_str())
        .collect();
    let expected = ["messages[0].content[0]", "tools[0]", "stop_sequences"];
    assert_eq!(refused, expected);
    let told: Vec<&str> = losses
        .as_slice()
        .iter()
        .filter(|loss| !loss.functional)
        .map(|loss| loss.path.as_str())
        .collect();
    assert_eq!(told, ["top_k", "thinking.budget_tokens", "betas"]);
}

fn sealed() -> Opaque {
    Opaque {
        origin: Dialect::AnthropicMessages,
        kind: "signature".into(),
        value: Json::string("EqQB"),
    }
}

#[test]
fn a_signature_of_another_dialect_comes_back_from_a_streamed_turn() {
    let mut writer = server().encoder(EncoderOptions::default());
    let mut out = Vec::new();
    let candidate = 0;
    let text = |part, words: &str| StreamEvent::Delta {
        candidate,
        part,
        delta: Delta::Text(words.into()),
    };
    for event in [
        StreamEvent::Start(Box::default()),
        StreamEvent::PartStart {
            candidate,
            part: 0,
            start: PartStart::Reasoning,
        },
        text(0, "Let me "),
        text(0, "think"),
        StreamEvent::Delta {
            candidate,
            part: 0,
            delta: Delta::Opaque(Box::new(sealed())),
        },
        StreamEvent::PartEnd { candidate, part: 0 },
    ] {
        writer.push(&event, &mut out);
    }
    let out = String::from_utf8(out).unwrap();
    let details: Vec<Value> = out
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["reasoning_details"]
                .as_array()
                .cloned()
        })
        .flatten()
        .collect();
    assert_eq!(
        details,
        [
            json!({"type": "reasoning.text", "text": "Let me think", "signature": "EqQB",
            "format": "anthropic-messages", "index": 0})
        ]
    );
    let next = json!({"model": "m", "messages": [
        {"role": "assistant", "content": "Done", "reasoning_details": details}]});
    let request = server()
        .decode_request(next.to_string().as_bytes())
        .unwrap();
    let PartKind::Reasoning(reasoning) = &request.messages[0].parts[0].kind else {
        panic!("{request:?}");
    };
    assert_eq!(
        *reasoning,
        Reasoning {
            text: "Let me think".into(),
            summary: false,
            opaque: Some(sealed()),
        }
    );
}

#[test]
fn a_failure_in_a_stream_has_no_terminator_behind_it() {
    let mut out = Vec::new();
    server()
        .encoder(EncoderOptions::default())
        .fail(&failure(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let data = text
        .strip_prefix("data: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    let body: Value = serde_json::from_str(data).unwrap();
    assert_eq!(body["error"]["code"], failure().code);
    assert_eq!(body["error"]["bondgate"]["code"], failure().code);
    assert!(!text.contains("[DONE]"));
}

#[test]
fn errors_of_many_providers_are_understood() {
    for (body, code, kind, message) in [
        (
            r#"{"error":{"message":"No","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
            Some("model_not_found"),
            Some("invalid_request_error"),
            "No",
        ),
        (
            r#"{"error":{"code":"DeploymentNotFound","message":"No"}}"#,
            Some("DeploymentNotFound"),
            None,
            "No",
        ),
        (
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            Some("503"),
            Some("unavailable_error"),
            "Loading model",
        ),
        (
            r#"{"object":"error","message":"Bad","type":"invalid_request_prompt","param":null,"code":"1800"}"#,
            Some("1800"),
            Some("invalid_request_prompt"),
            "Bad",
        ),
        (
            r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"slow"}},"user_id":"u"}"#,
            Some("429"),
            None,
            "Provider returned error",
        ),
        (
            r#"[{"error":{"code":400,"message":"Bad","status":"X"}}]"#,
            Some("400"),
            None,
            "Bad",
        ),
        (r#"{"detail":"Not Found"}"#, None, None, "Not Found"),
        (
            r#"{"error":"model 'x' not found"}"#,
            None,
            None,
            "model 'x' not found",
        ),
        (
            "upstream connect error",
            None,
            None,
            "upstream connect error",
        ),
        ("", None, None, ""),
    ] {
        let error = client().decode_failure(body.as_bytes());
        assert_eq!(error.code.as_deref(), code, "{body}");
        assert_eq!(error.kind.as_deref(), kind, "{body}");
        assert_eq!(error.message, message, "{body}");
    }
    let page = "<html>".repeat(1000);
    let short = client().decode_failure(page.as_bytes()).message;
    assert_eq!(short.chars().count(), 301);
    assert!(!client().decode_failure(b"\xff\xfe").message.is_empty());
}
