//! What is one conversation, and where it was answered.

use policy::affinity::{Affinity, conversation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::health::target;

fn of(body: &Value) -> policy::affinity::Conversation {
    conversation(body.to_string().as_bytes(), 1).unwrap()
}

fn chat(user: &str, more: &[Value]) -> Value {
    let mut messages = vec![
        json!({ "role": "system", "content": "Be brief." }),
        json!({ "role": "user", "content": user }),
    ];
    messages.extend_from_slice(more);
    json!({ "model": "m", "messages": messages, "temperature": 1 })
}

fn turn(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

#[test]
fn every_turn_of_a_conversation_has_its_number_and_others_have_not() {
    let first = of(&chat("hi", &[]));
    let third = of(&chat(
        "hi",
        &[turn("assistant", "yes?"), turn("user", "go on")],
    ));
    assert_eq!(first.number, third.number);
    assert!(!first.goes_on && third.goes_on);
    assert_ne!(first.number, of(&chat("hello", &[])).number);
    let other = conversation(chat("hi", &[]).to_string().as_bytes(), 2).unwrap();
    assert_ne!(first.number, other.number);
}

#[test]
fn marks_for_caches_do_not_count() {
    let body = |mark: Value, more: bool| {
        let mut text = json!({ "type": "text", "text": "hi" });
        if !mark.is_null() {
            text["cache_control"] = mark;
        }
        let mut messages = vec![json!({ "role": "user", "content": [text] })];
        if more {
            messages.push(turn("assistant", "yes?"));
        }
        json!({ "system": [{ "type": "text", "text": "s" }], "messages": messages })
    };
    let marked = of(&body(json!({ "type": "ephemeral" }), false));
    let later = of(&body(Value::Null, true));
    assert_eq!(marked.number, later.number);
}

#[test]
fn the_other_forms_of_turns_are_read_too() {
    let google = |more: &[Value]| {
        let mut contents = vec![json!({ "role": "user", "parts": [{ "text": "hi" }] })];
        contents.extend_from_slice(more);
        json!({ "systemInstruction": { "parts": [{ "text": "s" }] }, "contents": contents })
    };
    let answer = json!({ "role": "model", "parts": [{ "text": "yes?" }] });
    assert_eq!(of(&google(&[])).number, of(&google(&[answer])).number);

    let responses = |more: &[Value]| {
        let mut input = vec![turn("user", "hi")];
        input.extend_from_slice(more);
        json!({ "instructions": "s", "input": input })
    };
    let later = of(&responses(&[turn("assistant", "yes?")]));
    assert_eq!(of(&responses(&[])).number, later.number);
    assert!(!of(&json!({ "input": "hi" })).goes_on);
}

#[test]
fn what_has_no_turn_of_a_user_is_no_conversation() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"messages":[]}"#,
        r#"{"messages":[{"role":"system"}]}"#,
        r#"{"messages":7}"#,
    ] {
        assert_eq!(conversation(body.as_bytes(), 1), None, "{body}");
    }
}

#[test]
fn turns_that_return_are_counted() {
    let affinity = Affinity::default();
    let (a, b) = (target("a", Vec::new()), target("b", Vec::new()));
    let first = of(&chat("hi", &[]));
    assert_eq!(affinity.home(first), None);
    affinity.answered(first, None, &a);
    assert_eq!(affinity.home(first), Some(a.tag()));
    affinity.answered(first, affinity.home(first), &a);
    affinity.answered(first, affinity.home(first), &b);
    assert_eq!(affinity.home(first), Some(b.tag()));
    assert_eq!(affinity.turns(), (2, 1));
    assert_eq!(affinity.home(of(&chat("hello", &[]))), None);
}

proptest! {
    #[test]
    fn anything_may_be_asked_for_its_conversation(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = conversation(&body, 1);
    }

    #[test]
    fn a_number_depends_on_nothing_behind_the_first_turn(user in ".{0,30}", tail in ".{0,30}") {
        let alone = of(&chat(&user, &[]));
        let longer = of(&chat(&user, &[turn("assistant", &tail), turn("user", &tail)]));
        prop_assert_eq!(alone.number, longer.number);
    }
}
