//! Reasoning that is taken from an answer and put back into the request that follows it.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::Arc;

use dialect::Dialect;
use dialect::chat::{
    Candidate, Delta, Message, Opaque, Part, PartKind, PartStart, Reasoning, Request, Response,
    Role, StreamEvent, ToolCall, ToolCallKind, ToolResult,
};
use dialect::json::Json;
use dialect::loss::Losses;
use dialect::reasoning::{Collector, Known, Signed, put_back, told};
use serde_json::{Value, json};

use crate::laws::target;

const ROOM: usize = 1 << 20;
const ORIGIN: Dialect = Dialect::AnthropicMessages;

fn thought(text: &str, signed: bool) -> Part {
    PartKind::Reasoning(Reasoning {
        text: text.to_owned(),
        summary: false,
        opaque: signed.then(|| Opaque {
            origin: ORIGIN,
            kind: "signature".to_owned(),
            value: Json::string(&format!("signature of {text}")),
        }),
    })
    .into()
}

fn call(id: &str) -> Part {
    PartKind::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "take".to_owned(),
        arguments: "{}".to_owned(),
        kind: ToolCallKind::Function,
    })
    .into()
}

fn result(id: &str, text: &str) -> Message {
    let result = ToolResult {
        call_id: id.to_owned(),
        is_error: None,
        parts: vec![Part::text(text)],
        bare: true,
    };
    Message::new(Role::Tool, vec![PartKind::ToolResult(result).into()])
}

fn user(text: &str) -> Message {
    Message::new(Role::User, vec![Part::text(text)])
}

fn request(messages: Vec<Message>) -> Request {
    let mut request = Request::new(Dialect::OpenaiChat, "m");
    request.messages = messages;
    request
}

fn answer(parts: &[Part]) -> Response {
    let mut response = Response::new(ORIGIN);
    let mut candidate = Candidate::new(0);
    candidate.parts = parts.to_vec();
    response.candidates.push(candidate);
    response
}

/// The events of an answer, its reasoning in two pieces.
fn events(parts: &[Part]) -> Vec<StreamEvent> {
    let mut events = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let part_number = n as u64;
        let start = if let PartKind::ToolCall(call) = &part.kind {
            PartStart::ToolCall {
                id: call.id.clone(),
                name: call.name.clone(),
                kind: call.kind,
            }
        } else if matches!(part.kind, PartKind::Reasoning(_)) {
            PartStart::Reasoning
        } else {
            PartStart::Text
        };
        events.push(StreamEvent::PartStart {
            candidate: 0,
            part: part_number,
            start,
        });
        let mut grow = |delta| {
            events.push(StreamEvent::Delta {
                candidate: 0,
                part: part_number,
                delta,
            });
        };
        if let PartKind::Reasoning(reasoning) = &part.kind {
            let (first, second) = reasoning.text.split_at(reasoning.text.len() / 2);
            grow(Delta::Text(first.to_owned()));
            grow(Delta::Text(second.to_owned()));
            if let Some(opaque) = &reasoning.opaque {
                grow(Delta::Opaque(Box::new(opaque.clone())));
            }
        }
        events.push(StreamEvent::PartEnd {
            candidate: 0,
            part: part_number,
        });
    }
    events.push(StreamEvent::End);
    events
}

fn collected(parts: &[Part], most: usize, plain: bool) -> Vec<Signed> {
    let mut whole = Collector::new(most);
    whole.take(&answer(parts));
    let mut streamed = Collector::new(most);
    events(parts).iter().for_each(|event| streamed.push(event));
    let whole = whole.into_signed(plain);
    assert_eq!(whole, streamed.into_signed(plain), "whole and streamed");
    whole
}

/// A conversation in which the client dropped all reasoning of that answer, after it was put back.
fn put(parts: &[Part], said: Vec<Part>, plain: bool) -> Option<Vec<PartKind>> {
    let kept: HashMap<String, Arc<Signed>> = collected(parts, ROOM, plain)
        .into_iter()
        .map(|signed| (signed.call.clone(), Arc::new(signed)))
        .collect();
    let messages = vec![user("hi"), Message::new(Role::Assistant, said)];
    let back = put_back(&request(messages), &RandomState::new(), &mut |call, _| {
        kept.get(call).cloned().map_or(Known::Nothing, Known::Here)
    })?;
    let parts = back.messages[1].parts.iter();
    Some(parts.map(|part| part.kind.clone()).collect())
}

fn kinds(parts: &[Part]) -> Vec<PartKind> {
    parts.iter().map(|part| part.kind.clone()).collect()
}

fn without_reasoning(parts: &[Part]) -> Vec<Part> {
    let mut parts = parts.to_vec();
    parts.retain(|part| !matches!(part.kind, PartKind::Reasoning(_)));
    parts
}

#[test]
fn reasoning_comes_back_where_it_stood() {
    let answers = [
        vec![thought("a", true), call("1")],
        vec![thought("a", true), Part::text("t"), call("1")],
        vec![Part::text("t"), thought("a", true), call("1")],
        vec![
            thought("a", true),
            thought("b", true),
            Part::text("t"),
            thought("c", true),
            call("1"),
            thought("d", true),
            call("2"),
            call("3"),
            thought("e", true),
        ],
    ];
    for parts in answers {
        let said = without_reasoning(&parts);
        assert_eq!(put(&parts, said, false), Some(kinds(&parts)));
    }
}

#[test]
fn what_the_client_says_of_it_gives_way_to_what_its_maker_said() {
    let parts = [thought("as it was", true), call("1")];
    let said = vec![thought("as the client tells it", false), call("1")];
    assert_eq!(put(&parts, said, false), Some(kinds(&parts)));
}

#[test]
fn what_nothing_signs_is_kept_only_where_it_is_wanted() {
    let parts = [thought("plain", false), call("1")];
    let said = without_reasoning(&parts);
    assert_eq!(put(&parts, said.clone(), false), None);
    assert_eq!(put(&parts, said, true), Some(kinds(&parts)));
}

#[test]
fn an_answer_without_calls_or_without_reasoning_keeps_nothing() {
    assert_eq!(collected(&[thought("a", true)], ROOM, true), []);
    assert_eq!(collected(&[Part::text("t"), call("1")], ROOM, true), []);
}

#[test]
fn of_an_answer_with_more_reasoning_than_the_bound_nothing_is_kept() {
    let parts = [thought(&"a".repeat(5000), true), call("1")];
    assert_eq!(collected(&parts, ROOM, false).len(), 1);
    assert_eq!(collected(&parts, 5000, false), []);
}

#[test]
fn what_another_made_loses_its_signature_and_nothing_else() {
    let said = vec![thought("theirs", true), call("1")];
    let messages = vec![user("hi"), Message::new(Role::Assistant, said)];
    let back = put_back(&request(messages), &RandomState::new(), &mut |_, _| {
        Known::Elsewhere
    });
    let back = back.unwrap();
    let expected = [thought("theirs", false), call("1")];
    assert_eq!(kinds(&back.messages[1].parts), kinds(&expected));
}

#[test]
fn what_another_made_loses_its_signature_behind_its_calls_too() {
    let theirs = |signed| {
        vec![
            call("1"),
            thought("between", signed),
            call("unknown"),
            thought("behind", signed),
        ]
    };
    let messages = vec![user("hi"), Message::new(Role::Assistant, theirs(true))];
    let back = put_back(
        &request(messages),
        &RandomState::new(),
        &mut |call, _| match call {
            "1" => Known::Elsewhere,
            _ => Known::Nothing,
        },
    );
    let back = back.unwrap();
    assert_eq!(kinds(&back.messages[1].parts), kinds(&theirs(false)));
}

#[test]
fn a_call_is_asked_for_by_what_was_said_before_it() {
    let hash = RandomState::new();
    let turn = |id: &str| Message::new(Role::Assistant, vec![call(id)]);
    let messages = vec![
        Message::new(Role::System, vec![Part::text("it is noon")]),
        user("hi"),
        turn("1"),
        result("1", "done"),
        turn("2"),
    ];
    let first = told(&messages[..2], &hash);
    let second = told(&messages[..4], &hash);
    assert_ne!(first, second);
    let mut asked = Vec::new();
    let mut later = messages;
    later[0].parts = vec![Part::text("it is one")];
    let back = put_back(&request(later), &hash, &mut |call, told| {
        asked.push((call.to_owned(), told));
        Known::Nothing
    });
    assert_eq!(back, None);
    assert_eq!(asked, [("1".to_owned(), first), ("2".to_owned(), second)]);
}

#[test]
fn paths_of_losses_stay_those_of_the_clients_own_document() {
    let parts = [thought("a", true), Part::text("t"), call("1")];
    let said = without_reasoning(&parts);
    let messages = vec![user("hi"), Message::new(Role::Assistant, said)];
    let asked = request(messages);
    let kept = Arc::new(collected(&parts, ROOM, false).remove(0));
    let back = put_back(&asked, &RandomState::new(), &mut |_, _| {
        Known::Here(Arc::clone(&kept))
    });
    let (before, after) = (asked.places(), back.unwrap().places());
    assert_eq!(before[1].part(0), after[1].part(1));
    assert_eq!(before[1].part(1), after[1].part(2));
    assert_eq!(after[1].part(0), "messages[1]");
}

#[test]
fn signed_reasoning_comes_home_through_a_client_of_another_dialect() {
    let thoughts = json!([
        {"type": "thinking", "thinking": "so", "signature": "sig"},
        {"type": "redacted_thinking", "data": "blob"},
    ]);
    let mut content = thoughts.as_array().unwrap().clone();
    content.push(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}));
    let answer = json!({"type": "message", "id": "i", "model": "m", "role": "assistant",
        "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let claude = ORIGIN.client();
    let answer = claude
        .decode_response(answer.to_string().as_bytes())
        .unwrap();
    let chat = Dialect::OpenaiChat.server();
    let mut losses = Losses::default();
    let seen: Value = serde_json::from_slice(&chat.encode_response(&answer, &mut losses)).unwrap();
    let turns = json!({"model": "m", "messages": [
        {"role": "user", "content": "Go"},
        seen["choices"][0]["message"],
        {"role": "tool", "tool_call_id": "t", "content": "1"},
    ]});
    let request = chat.decode_request(turns.to_string().as_bytes()).unwrap();
    let out = claude.encode_request(&request, &target("m"), &mut losses);
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out["messages"][1]["content"], Value::Array(content));
}
