//! Answers that nobody counted to their end: the client left, the provider broke, its usage is missing
//! or cannot be. There is an entry all the same, it is flagged, nothing stays held, and what is charged
//! is never less than what the provider bills.

use dialect::Dialect;
use policy::limit::WhenUnbounded;
use policy::money::Nanos;
use policy::snapshot::Ceilings;
use serde_json::{Value, json};
use store::record::State;

use crate::asking::{Ask, assert_failure_event};
use crate::harness::{
    PAIRS, Road, WRITTEN, faulty, model, provider, scripted, sim, soon, target, until,
};
use crate::money::{OUTPUT_NANOS, at_rest, budget, house, price, priced, road, spent};
use crate::road_time::Deaf;

const CHAT: Dialect = Dialect::OpenaiChat;
const ROOM: i64 = 1_000_000_000;

/// Clients leave a provider that does this and bills a cancelled answer in that way.
async fn left(fault: Value, cancelled: &str, streams: &[bool], events: u64) {
    for (client, served) in PAIRS {
        for stream in streams {
            let script = json!({ "rules": [{ "do": fault }], "bill_cancelled": cancelled });
            let still = scripted(script).await;
            let talker = target(provider("p", served, still.addr()), "talker");
            let road = road(vec![talker], vec![budget("all", ROOM)]);
            let ask = Ask::either(client, *stream, "[[chunks=60&bytes=9]]");
            let line = ask.with("max_tokens", json!(300)).open(&road).await;
            soon(still.sent(1, events)).await;
            if *stream && events > 5 {
                drop(line.until_body().await);
            } else {
                drop(line);
            }
            soon(still.ended(1)).await;
            let record = road.settled_record().await;
            let case = format!("{client:?} {served:?} {stream} {cancelled} {events} {record:?}");
            assert_eq!(record.outcome, "client_gone", "{case}");
            assert_eq!(record.state, State::Settled, "{case}");
            assert!(record.flags.estimated, "{case}");
            at_rest(&road).await;
            let (charged, bill) = (spent(&road, "all") as u64, still.bill().total_nanos);
            assert!(charged >= bill, "{charged} {bill} {case}");
            assert_eq!(charged, record.cost.0 as u64, "{case}");
            assert!(!record.flags.overrun, "{case}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_charged_no_less_than_its_provider_bills() {
    for cancelled in ["generated", "full"] {
        left(json!("stall_before"), cancelled, &[false, true], 0).await;
        let begun = json!({ "stall_inside": { "after_events": 1 } });
        left(begun, cancelled, &[true], 1).await;
        let half = json!({ "stall_inside": { "after_events": 20 } });
        left(half, cancelled, &[true], 20).await;
        let slow = json!({ "drip": { "bytes": 1, "ms": 50 } });
        left(slow, cancelled, &[false], 0).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_anything_was_sent_is_charged_nothing() {
    for (client, served) in PAIRS {
        let deaf = Deaf::new();
        let away = target(provider("p", served, deaf.address), "talker");
        let road = road(vec![away], vec![budget("all", ROOM)]);
        let line = Ask::stream(client, "hi").open(&road).await;
        until("it is dispatched", || !road.ledger.dispatched().is_empty()).await;
        drop(line);
        let record = road.settled_record().await;
        assert_eq!((record.state, record.cost), (State::Released, Nanos::ZERO));
        at_rest(&road).await;
        assert_eq!(spent(&road, "all"), 0);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_is_charged_no_less_than_its_provider_bills() {
    let faults = [
        json!({ "cut": { "at_fraction": 0.5 } }),
        json!({ "cut": { "after_events": 1 } }),
        json!({ "cut": { "at_fraction": 0.99, "by": "rst" } }),
        json!({ "hang_up": {} }),
        json!({ "error_event": { "after_events": 6 } }),
        json!({ "bad_json": { "at_event": 5 } }),
        json!({ "empty": {} }),
    ];
    for (client, served) in PAIRS {
        for fault in &faults {
            for stream in [false, true] {
                let bad = faulty(fault.clone()).await;
                let talker = target(provider("p", served, bad.addr()), "talker");
                let road = road(vec![talker], vec![budget("all", ROOM)]);
                let ask = Ask::either(client, stream, "hi").with("max_tokens", json!(300));
                let got = ask.send(&road).await;
                let record = road.settled_record().await;
                let case = format!("{client:?} {served:?} {fault} {stream} {}", got.text());
                at_rest(&road).await;
                let (charged, bill) = (spent(&road, "all") as u64, bad.bill().total_nanos);
                assert!(charged >= bill, "{charged} {bill} {case}");
                assert_eq!(charged, record.cost.0 as u64, "{case}");
                let whole = record.outcome == "answered";
                assert!(whole || record.flags.estimated || charged == bill, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn usage_that_is_missing_or_beyond_belief_leaves_an_entry_that_says_so() {
    for (client, served) in PAIRS {
        for tell in ["missing", "absurd"] {
            for stream in [false, true] {
                let liar = faulty(json!({ "usage": { "tell": tell } })).await;
                let talker = target(provider("p", served, liar.addr()), "talker");
                let road = road(vec![talker], vec![budget("all", ROOM)]);
                let ask = Ask::either(client, stream, "hi").with("max_tokens", json!(300));
                let got = ask.send(&road).await;
                let record = road.settled_record().await;
                let case = format!(
                    "{client:?} {served:?} {tell} {stream} {} {record:?}",
                    got.text()
                );
                assert!(record.flags.estimated, "{case}");
                at_rest(&road).await;
                let held = road.ledger.recorder.dispatched_records()[0].held.0;
                let (charged, bill) = (spent(&road, "all"), liar.bill().total_nanos);
                assert!(
                    charged as u64 >= bill && charged <= held,
                    "{charged} {held} {case}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_a_hard_budget_what_was_metered_is_charged() {
    let still = faulty(json!({ "stall_inside": { "after_events": 20 } })).await;
    let talker = target(provider("p", CHAT, still.addr()), "talker");
    let mut soft = budget("soft", ROOM);
    soft.hard = false;
    let road = road(vec![talker], vec![soft]);
    let ask = Ask::stream(CHAT, "[[chunks=60&bytes=9]]").with("max_tokens", json!(5000));
    let line = ask.open(&road).await;
    soon(still.sent(1, 20)).await;
    drop(line.until_body().await);
    let record = road.settled_record().await;
    assert!(record.flags.estimated);
    let most = 5000 * OUTPUT_NANOS as i64;
    assert!(record.cost.0 < most / 5, "{}", record.cost);
    at_rest(&road).await;
    assert_eq!(spent(&road, "soft"), record.cost.0);
}

/// A request whose output has no bound, so that only the operator's ceiling is held.
fn unbounded(served: Dialect, sim: &sim::Sim, amount: i64, ceiling: i64) -> Road {
    let talker = target(provider("p", served, sim.addr()), "talker");
    let mut own = budget("all", amount);
    own.when_unbounded = WhenUnbounded::Refuse;
    let mut house = house(vec![model(vec![talker])], vec![own]);
    house.ceilings = Ceilings {
        house: Some(Nanos(ceiling)),
        ..Ceilings::default()
    };
    Road::start(house)
}

#[tokio::test]
async fn a_stream_that_outgrows_its_ceiling_holds_more_as_it_goes() {
    let sim = sim().await;
    let road = unbounded(CHAT, &sim, ROOM, 200_000);
    let ask = Ask::stream(CHAT, "[[chunks=200&bytes=30&gap_ms=1]]");
    let got = ask.send(&road).await;
    assert!(got.text().contains("[DONE]"), "{}", got.text());
    let record = road.settled_record().await;
    assert_eq!(record.outcome, "answered");
    assert_eq!(record.cost.0 as u64, sim.bill().total_nanos);
    let extended = road.ledger.recorder.extended_records();
    assert!(extended.len() > 2, "{extended:?}");
    let held: i64 = extended.iter().map(|one| one.more.0).sum();
    assert!(held + 200_000 >= record.cost.0, "{held} {}", record.cost);
    for one in &extended {
        assert_eq!(one.holds.len(), 1);
        assert_eq!(one.holds[0].amount, one.more.0);
    }
    assert!(!record.flags.overrun && !record.flags.estimated);
    at_rest(&road).await;
    assert_eq!(spent(&road, "all"), record.cost.0);
}

#[tokio::test]
async fn a_stream_for_which_no_more_can_be_held_is_cut_and_says_why() {
    for client in WRITTEN {
        let sim = sim().await;
        let road = unbounded(client, &sim, 1_000_000, 200_000);
        let mut ask = Ask::stream(client, "[[chunks=400&bytes=30&gap_ms=2]]");
        if client != CHAT {
            // Messages always limit their output; a file that the provider keeps has no bound.
            let source = json!({ "type": "file", "file_id": "file_1" });
            let text = json!({ "type": "text", "text": "[[chunks=400&bytes=30&gap_ms=2]]" });
            let content = json!([{ "type": "document", "source": source }, text]);
            let message = json!({ "role": "user", "content": content });
            ask = ask
                .with("messages", json!([message]))
                .with("max_tokens", json!(100_000));
        }
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_failure_event(client, &got);
        assert_eq!(got.code(), "budget_exceeded");
        assert_eq!(got.facts()["budget"], "all");
        let record = road.settled_record().await;
        assert_eq!(record.outcome, "broken");
        assert!(
            record.flags.estimated && !record.flags.overrun,
            "{record:?}"
        );
        at_rest(&road).await;
        assert_eq!(spent(&road, "all"), record.cost.0);
        // Nothing was said that was not held.
        assert!(record.cost.0 <= 1_000_000, "{}", record.cost);
        assert!(record.cost.0 >= 900_000, "{}", record.cost);
    }
}

#[tokio::test]
async fn a_request_with_a_bound_is_never_extended() {
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    let rows = vec![price(&talker)];
    let house = priced(
        crate::harness::snapshot(vec![model(vec![talker])]),
        rows,
        vec![budget("all", ROOM)],
    );
    let road = Road::start(house);
    let ask = Ask::stream(CHAT, "[[words=500]]").with("max_tokens", json!(2000));
    assert_eq!(ask.send(&road).await.status, 200);
    assert_eq!(road.settled_record().await.outcome, "answered");
    assert!(road.ledger.recorder.extended_records().is_empty());
}
