//! What a translation loses: refused, reported or permitted, and always named.

use dialect::Dialect;
use dialect::loss::Fidelity;
use serde_json::{Value, json};

use crate::asking::{Ask, assert_error};
use crate::harness::{Road, echo, model, sim};

const CHAT: Dialect = Dialect::OpenaiChat;
const MESSAGES: Dialect = Dialect::AnthropicMessages;

/// A request of chat with a field that messages cannot carry and that only tunes the answer.
fn tuning() -> Ask {
    Ask::new(CHAT, "hi").with("frequency_penalty", json!(0.5))
}

/// A request of chat with a field that messages cannot carry and that changes what the answer is.
fn functional() -> Ask {
    Ask::new(CHAT, "hi").with("n", json!(2))
}

#[tokio::test]
async fn what_only_tunes_is_left_out_and_reported() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", MESSAGES, &sim)]);
    for stream in [false, true] {
        let got = tuning().with("stream", json!(stream)).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let loss = got.header("x-bondgate-loss");
        assert!(loss.contains("frequency_penalty dropped"), "{loss}");
    }
    let sent: Value = serde_json::from_slice(&sim.seen()[0].body).unwrap();
    assert!(sent.get("frequency_penalty").is_none(), "{sent}");
}

#[tokio::test]
async fn what_changes_the_answer_is_refused_with_the_fields() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", MESSAGES, &sim)]);
    let got = functional().send(&road).await;
    assert_error(CHAT, &got, 400, "cannot_translate");
    assert_eq!(got.facts()["fields"][0]["path"], "n", "{}", got.text());
    assert_eq!(got.json()["error"]["param"], "n");
    assert!(got.message().contains("p/echo"), "{}", got.text());
    assert!(sim.seen().is_empty());
    assert!(road.ledger.dispatched().is_empty());
}

#[tokio::test]
async fn a_client_may_ask_for_more_or_less_fidelity() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", MESSAGES, &sim)]);
    let strict = tuning().header("x-bondgate-fidelity", "strict");
    let got = strict.send(&road).await;
    assert_error(CHAT, &got, 400, "cannot_translate");
    let named = got.facts()["fields"].to_string();
    assert!(named.contains("frequency_penalty"), "{}", got.text());
    let got = functional()
        .header("x-bondgate-fidelity", "permit")
        .send(&road)
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(got.header("x-bondgate-loss").contains("n dropped"));
}

#[tokio::test]
async fn a_model_has_a_fidelity_of_its_own() {
    let sim = sim().await;
    for (fidelity, tuned, changed) in [
        (Fidelity::Strict, 400, 400),
        (Fidelity::Report, 200, 400),
        (Fidelity::Permit, 200, 200),
    ] {
        let mut own = model(vec![echo("p", MESSAGES, &sim)]);
        own.fidelity = fidelity;
        let road = Road::with(own);
        assert_eq!(tuning().send(&road).await.status, tuned, "{fidelity:?}");
        assert_eq!(
            functional().send(&road).await.status,
            changed,
            "{fidelity:?}"
        );
    }
}

#[tokio::test]
async fn in_its_own_dialect_nothing_is_lost_however_strict() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", CHAT, &sim)]);
    for ask in [tuning(), functional()] {
        let ask = ask.header("x-bondgate-fidelity", "strict");
        let got = ask.with("stream", json!(false)).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("x-bondgate-loss"), "");
    }
}

#[tokio::test]
async fn a_target_that_cannot_carry_a_request_is_passed_over() {
    let (first, second) = (sim().await, sim().await);
    let road = Road::to(vec![echo("a", MESSAGES, &first), echo("b", CHAT, &second)]);
    let got = functional().send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("x-bondgate-target"), "b/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "1");
    assert_eq!(got.header("x-bondgate-loss"), "");
    assert!(first.seen().is_empty());
}

#[tokio::test]
async fn losses_stand_among_the_details_of_a_stream() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", MESSAGES, &sim)]);
    let ask = tuning().with("stream", json!(true));
    let got = ask.header("x-bondgate-details", "1").send(&road).await;
    let events = got.events();
    let details = events.iter().find(|e| e["bondgate"].is_object());
    let loss = details.unwrap()["bondgate"]["loss"].to_string();
    assert!(loss.contains("frequency_penalty"), "{}", got.text());
}

#[tokio::test]
async fn what_one_dialect_demands_is_supplied_and_no_loss() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", MESSAGES, &sim)]);
    let strict = Ask::new(CHAT, "hi").header("x-bondgate-fidelity", "strict");
    let got = strict.send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let sent: Value = serde_json::from_slice(&sim.seen()[0].body).unwrap();
    assert_eq!(sent["max_tokens"], 4096);
    assert_eq!(sent["model"], "echo");
}
