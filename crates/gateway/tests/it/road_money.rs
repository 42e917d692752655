//! Hard budgets under load: whatever happens at once, the provider's own bill never exceeds one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dialect::Dialect;
use gateway::{Timings, WallClock};
use policy::limit::{Period, Resource, WhenUnbounded};
use serde_json::json;

use crate::asking::Ask;
use crate::harness::{PAIRS, Road, model, provider, scripted, sim, soon, target, until};
use crate::money::{
    CACHED_NANOS, INPUT_NANOS, OUTPUT_NANOS, assert_budget_refusal, at_once, at_rest, balances,
    budget, house, limit, road, spent,
};

const CHAT: Dialect = Dialect::OpenaiChat;

#[tokio::test]
async fn a_budget_worth_ten_requests_serves_no_more_under_five_hundred() {
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    // The bound of one: its bytes, what a provider may add, and its output.
    let ask = Ask::new(CHAT, "[[delay_ms=400]]").with("max_tokens", json!(200));
    let input = policy::bound::REQUEST_TOKENS + ask.body.len() as u64;
    let bound = i64::try_from(input * INPUT_NANOS + 200 * OUTPUT_NANOS).unwrap();
    let mut own = budget("ten", bound * 10);
    own.when_unbounded = WhenUnbounded::Refuse;
    let road = Arc::new(road(vec![talker], vec![own]));
    let asked = tokio::spawn({
        let (road, ask) = (Arc::clone(&road), ask.clone());
        async move { at_once(&road, 500, &ask).await }
    });
    while !asked.is_finished() {
        for one in balances(&road) {
            assert!(one.settled + one.held <= one.amount, "{one:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let got = asked.await.unwrap();
    let served = got.iter().filter(|got| got.status == 200).count();
    assert!(served >= 10, "{served}");
    for refused in got.iter().filter(|got| got.status != 200) {
        assert_budget_refusal(refused, "ten");
    }
    assert!(served < 500, "nobody was refused");
    at_rest(&road).await;
    let bill = sim.bill();
    assert_eq!(bill.call_count, served as u64);
    assert!(bill.total_nanos <= (bound * 10) as u64);
    assert_eq!(bill.total_nanos, spent(&road, "ten") as u64);
    assert_eq!(road.ledger.refused().len(), 500 - served);
}

#[tokio::test]
async fn fifty_callers_spend_a_budget_before_anybody_is_told_not_to_come_back() {
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    let limit = 100_000_000;
    let road = Arc::new(road(vec![talker], vec![budget("all", limit)]));
    let first = Arc::new(AtomicI64::new(-1));
    let callers = (0..50).map(|n| {
        let (road, first) = (Arc::clone(&road), Arc::clone(&first));
        tokio::spawn(async move {
            // No limit of its own: it is clamped to what is left.
            let ask = Ask::either(CHAT, n % 2 == 0, "[[words=300]]");
            loop {
                let got = ask.send(&road).await;
                if got.status == 200 {
                    continue;
                }
                assert_budget_refusal(&got, "all");
                if got.header("x-should-retry") == "false" {
                    let spent = spent(&road, "all");
                    let _ = first.compare_exchange(-1, spent, Ordering::SeqCst, Ordering::SeqCst);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        soon(caller).await.unwrap();
    }
    at_rest(&road).await;
    let first = first.load(Ordering::SeqCst);
    assert!(first * 100 >= limit * 95, "{first} of {limit}");
    let bill = sim.bill().total_nanos;
    assert!(bill <= limit as u64, "{bill}");
    assert_eq!(bill, spent(&road, "all") as u64);
}

#[tokio::test]
async fn an_answer_costs_what_its_provider_bills() {
    for (client, served) in PAIRS {
        for stream in [false, true] {
            let sim = sim().await;
            let talker = target(provider("p", served, sim.addr()), "talker");
            let road = road(vec![talker], vec![budget("all", 1_000_000_000)]);
            let got = Ask::either(client, stream, "hi, CACHED").send(&road).await;
            assert_eq!(got.status, 200, "{}", got.text());
            at_rest(&road).await;
            let record = road.ledger.closed().remove(0);
            let call = sim.bill().calls.remove(0);
            let independent = call.input_tokens * INPUT_NANOS
                + call.cached_tokens * CACHED_NANOS
                + call.output_tokens * OUTPUT_NANOS;
            assert_eq!(call.cost_nanos, independent);
            assert_eq!(
                record.cost.0 as u64, independent,
                "{client:?} {served:?} {stream}"
            );
            assert_eq!(spent(&road, "all") as u64, independent);
            assert!(call.cached_tokens > 0);
            let charged: Vec<i64> = record.charges.iter().map(|one| one.amount).collect();
            assert_eq!(charged, [record.cost.0]);
            assert_eq!(&*record.price_id, "tests:1");
            let flags = record.flags;
            assert!(
                !flags.estimated && !flags.unpriced && !flags.overrun,
                "{flags:?}"
            );
            assert_eq!(&*record.served_model, "talker");
        }
    }
}

#[tokio::test]
async fn a_retry_that_may_be_billed_is_held_and_charged_too() {
    let ambiguous = scripted(json!({ "rules": [{ "do": "hang_up" }] })).await;
    for (client, served) in PAIRS {
        let good = sim().await;
        let targets = || {
            vec![
                target(provider("a", served, ambiguous.addr()), "talker"),
                target(provider("b", served, good.addr()), "talker"),
            ]
        };
        let ask = Ask::new(client, "hi").with("max_tokens", json!(500));
        let road = road(targets(), vec![budget("all", 1_000_000_000)]);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let record = road.settled_record().await;
        let extended = road.ledger.recorder.extended_records();
        let dispatched = road.ledger.recorder.dispatched_records();
        assert_eq!(extended.len(), 1);
        assert_eq!(extended[0].more, dispatched[0].held);
        assert_eq!(record.attempts.len(), 2);
        // The first came to nobody knows what: it is charged what was held for it.
        assert_eq!(record.attempts[0].cost, dispatched[0].held);
        let good_bill = good.bill().total_nanos;
        assert_eq!(record.attempts[1].cost.0 as u64, good_bill);
        assert_eq!(record.cost.0, dispatched[0].held.0 + good_bill as i64);
        assert!(record.flags.estimated);
        at_rest(&road).await;
        assert_eq!(spent(&road, "all"), record.cost.0);

        // Where only one attempt can be paid for, there is no other.
        let once = dispatched[0].held.0 * 3 / 2;
        let road = crate::money::road(targets(), vec![budget("one", once)]);
        let got = ask.send(&road).await;
        assert_eq!((got.status, got.code().as_str()), (502, "provider_failed"));
        assert!(
            got.message().contains("cannot be paid for"),
            "{}",
            got.message()
        );
        assert_eq!(good.bill().total_nanos, good_bill);
        at_rest(&road).await;
        assert_eq!(spent(&road, "one"), dispatched[0].held.0);
    }
}

#[tokio::test]
async fn a_drain_settles_two_hundred_streams_whether_they_end_or_are_cut() {
    for patience in [Duration::from_secs(20), Duration::from_millis(50)] {
        let sim = sim().await;
        let talker = target(provider("p", CHAT, sim.addr()), "talker");
        let road = Arc::new(road(vec![talker], vec![budget("all", 100_000_000_000)]));
        let ask =
            Ask::stream(CHAT, "[[chunks=40&bytes=8&gap_ms=25]]").with("max_tokens", json!(400));
        let asked = tokio::spawn({
            let (road, ask) = (Arc::clone(&road), ask.clone());
            async move { at_once(&road, 200, &ask).await }
        });
        soon(sim.arrived(200)).await;
        let whole = soon(road.drain().finish(patience)).await;
        let got = soon(asked).await.unwrap();
        assert_eq!(whole, got.iter().all(|got| got.whole), "{patience:?}");
        assert_eq!(whole, patience > Duration::from_secs(1));
        until("all are settled", || road.ledger.closed().len() == 200).await;
        at_rest(&road).await;
        let bill = sim.bill().total_nanos;
        let charged = spent(&road, "all") as u64;
        assert!(bill <= charged, "{bill} {charged}");
        if whole {
            assert_eq!(bill, charged);
        }
        assert_eq!(road.ledger.recorder.open(), 0);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_gives_no_budget_twice() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    let mut own = budget("daily", 5_000_000);
    own.period = Period::Day;
    let mut rate = limit("rate", Resource::Requests, 40);
    rate.period = Period::Day;
    let now = Arc::new(AtomicI64::new(20_000 * DAY + 1));
    let clock = WallClock::new({
        let now = Arc::clone(&now);
        move || now.load(Ordering::SeqCst)
    });
    let house = house(vec![model(vec![talker])], vec![own, rate]);
    let road = Road::clocked(house, (64 << 20, Timings::default()), clock);
    let ask = Ask::new(CHAT, "[[words=100]]").with("max_tokens", json!(1000));
    let drained = || async {
        let mut served = 0;
        loop {
            let got = ask.send(&road).await;
            if got.status != 200 {
                assert_eq!(got.header("x-should-retry"), "false", "{}", got.text());
                return served;
            }
            served += 1;
        }
    };
    assert!(drained().await > 0);
    let first_day = sim.bill().total_nanos;
    assert!(first_day <= 5_000_000);
    // Another day has a budget of its own; the one before is spent when the clock goes back.
    now.fetch_add(DAY, Ordering::SeqCst);
    assert!(drained().await > 0);
    let both = sim.bill().total_nanos;
    now.fetch_sub(DAY, Ordering::SeqCst);
    assert_eq!(drained().await, 0);
    now.fetch_add(DAY, Ordering::SeqCst);
    road.shared.accounts.sweep(now.load(Ordering::SeqCst));
    assert_eq!(drained().await, 0);
    now.fetch_sub(1, Ordering::SeqCst);
    assert_eq!(drained().await, 0);
    assert_eq!(sim.bill().total_nanos, both);
    assert!(both <= 10_000_000);
    at_rest(&road).await;
}
