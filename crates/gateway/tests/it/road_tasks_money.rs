//! Money of tasks beside chat: held by what bounds each, entered to the nano-dollar.

use std::sync::Arc;

use dialect::task::Task;
use policy::limit::WhenUnbounded;
use policy::price::PriceRow;
use serde_json::json;

use crate::asking::Ask;
use crate::harness::{Road, faulty, model, sim, snapshot, until};
use crate::money::{
    assert_budget_refusal, at_once, at_rest, balances, budget, price, priced, spent,
};
use crate::road_tasks::{CHAT, Case, SOUND, cases, form, served};

/// Enough for anything here.
const PLENTY: i64 = 100_000_000_000;

fn road(
    target: Arc<policy::model::Target>,
    amount: i64,
    rates: impl FnOnce(&mut PriceRow),
) -> Road {
    let mut row = price(&target);
    rates(&mut row);
    let mut own = budget("all", amount);
    own.when_unbounded = WhenUnbounded::Refuse;
    Road::start(priced(
        snapshot(vec![model(vec![target])]),
        vec![row],
        vec![own],
    ))
}

#[tokio::test]
async fn what_its_provider_counts_is_entered_as_its_provider_bills_it() {
    for Case { task, ask } in cases() {
        if task == Task::Speech || task == Task::Rerank {
            continue;
        }
        let sim = sim().await;
        let road = road(served(ask.dialect, &sim), PLENTY, |row| {
            row.max_input_tokens = Some(100_000);
            row.max_output_tokens = Some(10_000);
        });
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{task:?}: {}", got.text());
        at_rest(&road).await;
        let record = road.settled_record().await;
        // What is judged, and what is translated, is told no usage.
        let counted = !matches!(task, Task::Moderate | Task::Translate);
        assert_eq!(!record.flags.estimated, counted, "{task:?}");
        if counted {
            let bill = sim.bill().total_nanos;
            assert_eq!(record.cost.0 as u64, bill, "{task:?}");
            assert!(bill > 0, "{task:?}");
        }
        assert_eq!(spent(&road, "all"), record.cost.0);
        assert!(!record.flags.overrun, "{task:?}");
        let held = road.ledger.recorder.dispatched_records()[0].held;
        assert!(record.cost <= held, "{task:?}: {} of {held}", record.cost);
    }
}

#[tokio::test]
async fn what_is_counted_beside_tokens_costs_its_own_rate() {
    let speech = cases().remove(5).ask.with("input", json!("grüße"));
    let image = cases().remove(3).ask.with("response_format", json!("url"));
    let rerank = cases().remove(11).ask;
    let documents: Vec<String> = (0..250).map(|n| format!("document {n}")).collect();
    let searches = rerank.clone().with("documents", json!(documents));
    let rates = |row: &mut PriceRow| {
        row.rates = policy::price::Rates {
            character: Some(15_000_000),
            image: Some(40_000_000_000),
            request: None,
            ..row.rates
        };
    };
    for (ask, nanos) in [(speech, 5 * 15_000), (image, 2 * 40_000_000)] {
        let sim = sim().await;
        let road = road(served(CHAT, &sim), PLENTY, rates);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
        let record = road.settled_record().await;
        assert_eq!(record.cost.0, nanos, "{:?}", record.usage);
        assert!(!record.flags.estimated && !record.flags.unpriced);
    }
    for (ask, held_searches) in [(rerank, 1), (searches, 3)] {
        let sim = sim().await;
        let road = road(served(ask.dialect, &sim), PLENTY, |row| {
            row.rates = policy::price::Rates {
                request: Some(2_000_000_000),
                ..policy::price::Rates::default()
            };
        });
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let held = road.ledger.recorder.dispatched_records()[0].held;
        assert_eq!(held.0, held_searches * 2_000_000);
        assert_eq!(road.settled_record().await.cost.0, 2_000_000);
    }
}

#[tokio::test]
async fn what_nothing_bounds_is_refused_under_a_hard_budget_and_says_why() {
    let sim = sim().await;
    let road = road(served(CHAT, &sim), PLENTY, |_| {});
    let transcribe = form(
        "/v1/audio/transcriptions",
        &[("model", "m")],
        ("file", "audio/mpeg", SOUND),
    );
    for (ask, task) in [
        (cases().remove(3).ask, "`image`"),
        (cases().remove(5).ask, "`speech`"),
        (transcribe, "`transcribe`"),
    ] {
        let got = ask.send(&road).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (403, "unbounded_request")
        );
        assert!(got.message().contains(task), "{}", got.message());
    }
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn a_hard_budget_is_kept_under_a_hundred_embeddings_at_once() {
    let sim = sim().await;
    let input = "[[delay_ms=200]] ".repeat(8);
    let ask = cases().remove(0).ask.with("input", json!([input, "b"]));
    let one = {
        let road = road(served(CHAT, &sim), PLENTY, |_| {});
        assert_eq!(ask.send(&road).await.status, 200);
        road.ledger.recorder.dispatched_records()[0].held.0
    };
    let before = sim.bill();
    let road = Arc::new(road(served(CHAT, &sim), one * 10, |_| {}));
    let asked = tokio::spawn({
        let (road, ask) = (Arc::clone(&road), ask.clone());
        async move { at_once(&road, 100, &ask).await }
    });
    while !asked.is_finished() {
        for one in balances(&road) {
            assert!(one.settled + one.held <= one.amount, "{one:?}");
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let got = asked.await.unwrap();
    let served = got.iter().filter(|got| got.status == 200).count();
    assert!((10..100).contains(&served), "{served}");
    for refused in got.iter().filter(|got| got.status != 200) {
        assert_budget_refusal(refused, "all");
    }
    at_rest(&road).await;
    let bill = sim.bill();
    assert_eq!(bill.call_count - before.call_count, served as u64);
    assert_eq!(
        bill.total_nanos - before.total_nanos,
        spent(&road, "all") as u64
    );
}

#[tokio::test]
async fn images_that_are_cut_after_the_first_are_charged_what_was_held() {
    let whole = json!({ "stream": true, "model": "m", "prompt": "a boat", "n": 2 });
    let ask = cases().remove(3).ask.raw(whole.to_string());
    let cut = json!({ "cut": { "after_events": 1 } });
    let sim = faulty(cut).await;
    let road = road(served(CHAT, &sim), PLENTY, |row| {
        row.max_output_tokens = Some(10_000);
    });
    ask.send(&road).await;
    at_rest(&road).await;
    let record = road.settled_record().await;
    assert_ne!(record.outcome, "answered");
    let held = road.ledger.recorder.dispatched_records()[0].held;
    assert!(record.cost >= held, "{} of {held}", record.cost);
    assert!(record.flags.estimated);
    assert!(sim.bill().total_nanos as i64 <= record.cost.0);
}

#[tokio::test]
async fn speech_whose_client_has_gone_is_settled_and_no_more_is_asked_for() {
    let sim = sim().await;
    let text = format!("[[gap_ms=20]] {}", "hello ".repeat(400));
    let ask: Ask = cases().remove(5).ask.with("input", json!(text));
    let road = road(served(CHAT, &sim), PLENTY, |row| {
        row.rates.character = Some(15_000_000);
    });
    let line = ask.open(&road).await.until_body().await;
    line.reset();
    assert_eq!(road.outcome().await, "client_gone");
    at_rest(&road).await;
    let record = road.settled_record().await;
    // The words are charged as they were given, however many of them were heard.
    assert_eq!(record.cost.0, text.chars().count() as i64 * 15_000);
    assert_eq!(spent(&road, "all"), record.cost.0);
    let cut = || {
        sim.bill()
            .calls
            .iter()
            .all(|call| call.cut.as_deref() == Some("client"))
    };
    until("the provider was let go", cut).await;
}
