//! Settlement: what is written before anything is sent, and what every billed call leaves behind.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dialect::Dialect;
use gateway::Timings;
use serde_json::json;

use crate::asking::{Ask, assert_error};
use crate::harness::{
    PAIRS, Road, WRITTEN, echo, faulty, model, provider, scripted, sim, snapshot, target,
};

#[tokio::test]
async fn nothing_is_sent_that_cannot_be_recorded() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        road.ledger.refuse(true);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_error(client, &got, 503, "storage_unavailable");
            assert!(!got.header("retry-after").is_empty());
        }
        assert!(sim.seen().is_empty());
        assert!(road.ledger.settled().is_empty());
        road.ledger.refuse(false);
        assert_eq!(Ask::new(client, "hi").send(&road).await.said(), "hi");
    }
}

#[tokio::test]
async fn a_request_is_on_record_before_its_provider_hears_of_it() {
    let chat = Dialect::OpenaiChat;
    let silent = faulty(json!("stall_before")).await;
    let road = Road::to(vec![echo("p", chat, &silent)]);
    let line = Ask::new(chat, "hi").open(&road).await;
    silent.arrived(1).await;
    assert_eq!(road.ledger.dispatched().len(), 1);
    assert!(road.ledger.settled().is_empty());
    drop(line);
    assert_eq!(road.outcome().await, "client_gone");
}

#[tokio::test]
async fn every_call_that_is_billed_belongs_to_a_request_that_is_settled() {
    let faults = json!([
        { "do": { "cut": { "at_fraction": 0.5 } }, "when": { "text": "cut" } },
        { "do": { "cut": { "after_events": 1 } }, "when": { "text": "early" } },
        { "do": { "hang_up": {} }, "when": { "text": "hang" } },
        { "do": { "status": { "status": 503 } }, "when": { "text": "busy" } },
        { "do": { "status": { "status": 400 } }, "when": { "text": "wrong" } },
        { "do": { "bad_json": { "at_event": 3 } }, "when": { "text": "json" } },
        { "do": { "error_event": { "after_events": 4 } }, "when": { "text": "error" } },
    ]);
    let kinds = [
        "fine", "cut", "early", "hang", "busy", "wrong", "json", "error",
    ];
    for (client, served) in PAIRS {
        let bad = scripted(json!({ "rules": faults })).await;
        let good = sim().await;
        let road = Road::to(vec![
            target(provider("a", served, bad.addr()), "talker"),
            target(provider("b", served, good.addr()), "talker"),
        ]);
        let mut asked = 0;
        for kind in kinds {
            for stream in [false, true] {
                let billed = bad.bill().call_count + good.bill().call_count;
                let got = Ask::either(client, stream, kind).send(&road).await;
                asked += 1;
                let settled = road.settled(asked).await.pop().unwrap();
                let calls = bad.bill().call_count + good.bill().call_count - billed;
                let case = format!("{client:?} {served:?} {kind} {stream} {}", got.text());
                assert!(calls <= 2, "{calls} calls: {case}");
                assert_eq!(settled.id.as_str(), got.header("x-bondgate-request-id"));
                if settled.complete {
                    assert_eq!(calls, 1, "{case}");
                    let last = [bad.bill().calls, good.bill().calls].concat();
                    let last = last.into_iter().max_by_key(|call| call.at).unwrap();
                    assert_eq!(settled.output_tokens, last.output_tokens, "{case}");
                }
            }
        }
        assert_eq!(road.ledger.dispatched().len(), asked);
        road.at_rest().await;
    }
}

#[tokio::test]
async fn a_request_that_no_target_can_carry_leaves_no_record() {
    let messages = Dialect::AnthropicMessages;
    let sim = sim().await;
    let road = Road::to(vec![echo("p", messages, &sim)]);
    let ask = Ask::new(Dialect::OpenaiChat, "hi").with("n", json!(2));
    assert_eq!(ask.send(&road).await.status, 400);
    assert!(road.ledger.dispatched().is_empty());
    assert!(road.ledger.settled().is_empty());
}

#[tokio::test]
async fn a_model_without_a_target_is_an_error_of_the_gateway() {
    let road = Road::start(snapshot(vec![model(Vec::new())]));
    for client in WRITTEN {
        let got = Ask::new(client, "hi").send(&road).await;
        assert_error(client, &got, 503, "no_target");
        assert_eq!(got.facts()["fault"], "gateway");
    }
    assert!(road.ledger.dispatched().is_empty());
}

#[tokio::test]
async fn a_request_in_flight_keeps_the_configuration_that_it_began_with() {
    let chat = Dialect::OpenaiChat;
    let slow = faulty(json!({ "slow": { "delay_ms": 300 } })).await;
    let road = Road::tuned(
        snapshot(vec![model(vec![echo("p", chat, &slow)])]),
        64 << 20,
        Timings::default(),
    );
    let line = Ask::new(chat, "hi").open(&road).await;
    slow.arrived(1).await;
    let none: &ArcSwap<_> = &road.shared.snapshot;
    none.store(Arc::new(snapshot(Vec::new())));
    let got = line.rest().await;
    assert_eq!(got.said(), "hi");
    let got = Ask::new(chat, "hi").send(&road).await;
    assert_error(chat, &got, 404, "model_not_found");
}
