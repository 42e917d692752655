//! Answers that do not cross as they are: calls that are no calls, and what a translation loses of an answer.

use dialect::Dialect;
use dialect::loss::Fidelity;
use policy::model::Recovery;
use serde_json::{Value, json};

use crate::asking::{Ask, Got, assert_error, assert_failure_event, has_terminator};
use crate::harness::{Road, echo, model, provider, sim, target};
use crate::puppet::Puppet;

const CHAT: Dialect = Dialect::OpenaiChat;
const MESSAGES: Dialect = Dialect::AnthropicMessages;
const CLIENTS: [Dialect; 2] = [CHAT, MESSAGES];

/// A whole answer of chat.
fn answer(choices: &Value) -> String {
    json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "echo", "choices": choices }).to_string()
}

/// A choice that calls a tool with those arguments.
fn call(arguments: &str, finish: &str) -> Value {
    let function = json!({ "name": "take", "arguments": arguments });
    let call = json!({ "id": "call_1", "type": "function", "function": function });
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    json!({ "index": 0, "message": message, "finish_reason": finish })
}

fn says(text: &str, index: u64) -> Value {
    let message = json!({ "role": "assistant", "content": text });
    json!({ "index": index, "message": message, "finish_reason": "stop" })
}

/// A stream of chat of those deltas.
fn stream(deltas: &[Value], finish: &str) -> String {
    let chunk = |delta: &Value, finish: &Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "echo", "choices": [choice] });
        format!("data: {chunk}\n\n")
    };
    let said: String = deltas
        .iter()
        .map(|delta| chunk(delta, &Value::Null))
        .collect();
    format!(
        "{said}{}data: [DONE]\n\n",
        chunk(&json!({}), &json!(finish))
    )
}

/// A delta of the `index`th call: its beginning, or more of its arguments.
fn step(index: u64, begins: bool, arguments: &str) -> Value {
    let mut call = json!({ "index": index, "function": { "arguments": arguments } });
    if begins {
        call["id"] = json!(format!("call_{index}"));
        call["type"] = json!("function");
        call["function"]["name"] = json!("take");
    }
    json!({ "tool_calls": [call] })
}

async fn whole(body: &str) -> Puppet {
    Puppet::answering(200, "application/json", body.as_bytes()).await
}

async fn streaming(body: &str) -> Puppet {
    Puppet::answering(200, "text/event-stream", body.as_bytes()).await
}

/// A road to that puppet alone, without recovery.
fn road(puppet: &Puppet, fidelity: Fidelity) -> Road {
    let mut own = model(vec![target(provider("a", CHAT, puppet.address), "echo")]);
    own.recovery = Recovery::Off;
    own.fidelity = fidelity;
    Road::with(own)
}

/// What a road to that puppet makes of a request.
async fn ask(puppet: &Puppet, fidelity: Fidelity, ask: Ask) -> (Got, String) {
    let road = road(puppet, fidelity);
    let got = ask.send(&road).await;
    (got, road.outcome().await)
}

/// Asserts that a stream failed: by its status, or by an event where something had gone out.
fn assert_fails(client: Dialect, (got, outcome): (&Got, &str), status: u16, code: &str) {
    if got.status == 200 {
        assert_failure_event(client, got);
        assert_eq!((got.code().as_str(), outcome), (code, "broken"));
    } else {
        assert_error(client, got, status, code);
        assert_eq!(outcome, code);
    }
}

const NO_JSON: [&str; 4] = ["{\"note\": \"ha", "{'note': 1}", "{} {}", "note"];

#[tokio::test]
async fn a_whole_answer_whose_arguments_are_no_json_is_made_again() {
    for arguments in NO_JSON {
        let puppet = whole(&answer(&json!([call(arguments, "tool_calls")]))).await;
        let good = sim().await;
        for client in CLIENTS {
            let bad = target(provider("a", CHAT, puppet.address), "echo");
            let road = Road::to(vec![bad, echo("b", CHAT, &good)]);
            let got = Ask::new(client, "hi").tool().send(&road).await;
            assert_eq!(got.status, 200, "{client:?} {arguments} {}", got.text());
            assert_eq!(got.header("x-bondgate-target"), "b/echo");
            assert_eq!(got.header("x-bondgate-attempts"), "2");
            road.at_rest().await;
        }
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_are_a_failure_whatever_the_fidelity() {
    for arguments in NO_JSON {
        let body = answer(&json!([says("hi", 1), call(arguments, "tool_calls")]));
        let puppet = whole(&body).await;
        for client in CLIENTS {
            let request = Ask::new(client, "hi").tool();
            let (got, outcome) = ask(&puppet, Fidelity::Permit, request).await;
            assert_error(client, &got, 502, "provider_failed");
            assert_eq!(got.facts()["failures"][0]["kind"], "mid_stream");
            assert_eq!(outcome, "provider_failed");
        }
        let body = stream(
            &[step(0, true, ""), step(0, false, arguments)],
            "tool_calls",
        );
        let puppet = streaming(&body).await;
        for client in CLIENTS {
            let request = Ask::stream(client, "hi").tool();
            let (got, outcome) = ask(&puppet, Fidelity::Permit, request).await;
            assert_fails(client, (&got, &outcome), 502, "provider_failed");
        }
    }
}

#[tokio::test]
async fn an_answer_that_says_it_was_cut_short_may_hold_half_of_a_call() {
    let body = answer(&json!([call(NO_JSON[0], "length")]));
    let puppet = whole(&body).await;
    let (got, outcome) = ask(&puppet, Fidelity::Report, Ask::new(CHAT, "hi").tool()).await;
    assert_eq!((got.status, got.text()), (200, body));
    assert_eq!(outcome, "answered");
    // A message has no place for half a call.
    let request = Ask::new(MESSAGES, "hi").tool();
    let (got, _) = ask(&puppet, Fidelity::Report, request.clone()).await;
    assert_error(MESSAGES, &got, 400, "cannot_translate");
    let (got, _) = ask(&puppet, Fidelity::Permit, request).await;
    assert_eq!(got.json()["stop_reason"], "max_tokens", "{}", got.text());
    let loss = got.header("x-bondgate-loss");
    assert!(loss.contains("arguments dropped"), "{loss}");
}

#[tokio::test]
async fn calls_without_arguments_and_of_any_json_pass() {
    for arguments in ["", " ", "{}", "{\"note\": \"\\u00e9\"}"] {
        let puppet = whole(&answer(&json!([call(arguments, "tool_calls")]))).await;
        for client in CLIENTS {
            let request = Ask::new(client, "hi").tool();
            let (got, _) = ask(&puppet, Fidelity::Strict, request).await;
            assert_eq!(got.status, 200, "{client:?} {arguments:?} {}", got.text());
        }
    }
}

#[tokio::test]
async fn what_a_whole_answer_loses_is_held_to_the_fidelity() {
    let functional = whole(&answer(&json!([says("hi", 0), says("ho", 1)]))).await;
    let mut tuning: Value = serde_json::from_str(&answer(&json!([says("hi", 0)]))).unwrap();
    tuning["vendor_says"] = json!(true);
    let tuning = whole(&tuning.to_string()).await;
    for (fidelity, changed, tuned) in [
        (Fidelity::Strict, 400, 400),
        (Fidelity::Report, 400, 200),
        (Fidelity::Permit, 200, 200),
    ] {
        for (puppet, status, path) in [
            (&functional, changed, "choices[1]"),
            (&tuning, tuned, "vendor_says"),
        ] {
            let (got, outcome) = ask(puppet, fidelity, Ask::new(MESSAGES, "hi")).await;
            if status == 200 {
                assert_eq!(
                    (got.status, outcome.as_str()),
                    (200, "answered"),
                    "{}",
                    got.text()
                );
                assert!(got.header("x-bondgate-loss").contains(path), "{fidelity:?}");
            } else {
                assert_error(MESSAGES, &got, status, "cannot_translate");
                let named = got.facts()["fields"].to_string();
                assert!(named.contains(path), "{named}");
                assert_eq!(got.header("x-should-retry"), "false");
                assert_eq!(outcome, "cannot_translate");
            }
            // In its own dialect an answer loses nothing.
            let (got, _) = ask(puppet, fidelity, Ask::new(CHAT, "hi")).await;
            assert_eq!(got.status, 200);
        }
    }
}

#[tokio::test]
async fn a_loss_that_is_not_allowed_is_not_asked_for_again() {
    let puppet = whole(&answer(&json!([says("hi", 0), says("ho", 1)]))).await;
    let good = sim().await;
    let first = target(provider("a", CHAT, puppet.address), "echo");
    let road = Road::to(vec![first, echo("b", MESSAGES, &good)]);
    let got = Ask::new(MESSAGES, "hi").send(&road).await;
    assert_error(MESSAGES, &got, 400, "cannot_translate");
    assert_eq!(puppet.requests().len(), 1);
    assert!(good.seen().is_empty());
}

#[tokio::test]
async fn fields_of_a_stream_that_nobody_has_a_word_for_are_lost_by_name() {
    let said = json!({ "content": "hi" });
    let odd = json!({ "content": "ho", "vendor_says": 1 });
    let puppet = streaming(&stream(&[said, odd], "stop")).await;
    let request = Ask::stream(MESSAGES, "hi").header("x-bondgate-details", "1");
    for fidelity in [Fidelity::Report, Fidelity::Permit] {
        let (got, outcome) = ask(&puppet, fidelity, request.clone()).await;
        assert!(has_terminator(&got.body), "{}", got.text());
        assert!(got.text().contains("choices[].delta.vendor_says dropped"));
        assert_eq!(outcome, "answered");
    }
    let (got, outcome) = ask(&puppet, Fidelity::Strict, request).await;
    assert_fails(MESSAGES, (&got, &outcome), 400, "cannot_translate");
    // In its own dialect it is passed on.
    let (got, _) = ask(&puppet, Fidelity::Strict, Ask::stream(CHAT, "hi")).await;
    assert!(got.text().contains("vendor_says") && has_terminator(&got.body));
}

#[tokio::test]
async fn a_stream_that_the_clients_dialect_cannot_carry_to_its_end_is_broken() {
    // Two calls side by side, of which messages must hold one back whole.
    let piece = "x".repeat(64 * 1024);
    let mut deltas = vec![step(0, true, "{\"a\": \""), step(1, true, "{\"b\": \"")];
    deltas.extend((0..20).map(|_| step(1, false, &piece)));
    deltas.extend([step(1, false, "\"}"), step(0, false, "\"}")]);
    let puppet = streaming(&stream(&deltas, "tool_calls")).await;
    for fidelity in [Fidelity::Strict, Fidelity::Report, Fidelity::Permit] {
        let request = Ask::stream(MESSAGES, "hi").tool();
        let (got, outcome) = ask(&puppet, fidelity, request).await;
        assert_failure_event(MESSAGES, &got);
        assert_eq!(outcome, "broken", "{fidelity:?}");
    }
    let (got, outcome) = ask(&puppet, Fidelity::Strict, Ask::stream(CHAT, "hi").tool()).await;
    assert!(has_terminator(&got.body));
    assert_eq!(outcome, "answered");
}
