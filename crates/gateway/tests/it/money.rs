//! Budgets, prices and what is left of them, for the tests of money on the road.
//!
//! Prices are those of the simulated provider, given as an operator would give them; the oracle is
//! its own bill, which shares no code with the gateway.

use std::sync::Arc;

use jiff::tz::TimeZone;
use policy::accounts::{Balance, LimitSet};
use policy::limit::{Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::model::{Model, Target};
use policy::money::Nanos;
use policy::price::{PriceBook, PriceRow, Rates, Source};
use policy::snapshot::Snapshot;

use crate::asking::{Ask, Got};
use crate::harness::{Road, model, snapshot, until};

/// What the simulated provider asks for a token, in nano-dollars.
pub(crate) const INPUT_NANOS: u64 = 1_000;
pub(crate) const CACHED_NANOS: u64 = 100;
pub(crate) const OUTPUT_NANOS: u64 = 2_000;

/// The price of the simulated provider for that target.
pub(crate) fn price(target: &Target) -> PriceRow {
    PriceRow {
        id: "tests:1".into(),
        provider: target.provider.name.as_str().into(),
        model: target.model.as_str().into(),
        from_ms: None,
        until_ms: None,
        rates: Rates {
            input: Some(INPUT_NANOS * 1_000),
            cache_read: Some(CACHED_NANOS * 1_000),
            output: Some(OUTPUT_NANOS * 1_000),
            ..Rates::default()
        },
        above: Vec::new(),
        tiers: Vec::new(),
        discount_basis_points: 0,
        minimum: Nanos::ZERO,
        source: Source::Configuration,
        max_input_tokens: None,
        max_output_tokens: None,
    }
}

/// A hard limit on everything that never resets.
pub(crate) fn limit(name: &str, resource: Resource, amount: i64) -> Limit {
    Limit {
        name: name.into(),
        scope: Scope::Everything,
        each: None,
        resource,
        amount,
        period: Period::Total,
        time_zone: TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: Vec::new(),
    }
}

/// A hard budget on everything.
pub(crate) fn budget(name: &str, amount: i64) -> Limit {
    limit(name, Resource::Money, amount)
}

/// A configuration with these models, all targets priced, and these limits.
pub(crate) fn house(models: Vec<Model>, limits: Vec<Limit>) -> Snapshot {
    let targets = models.iter().flat_map(|model| &model.targets);
    let rows = targets.map(|target| price(target)).collect();
    priced(snapshot(models), rows, limits)
}

/// A configuration with these prices and limits.
pub(crate) fn priced(mut house: Snapshot, rows: Vec<PriceRow>, limits: Vec<Limit>) -> Snapshot {
    house.prices = Some(Arc::new(PriceBook::built_in().unwrap().with(rows)));
    house.limits = LimitSet::new(limits);
    house
}

/// A gateway with these targets and limits.
pub(crate) fn road(targets: Vec<Arc<Target>>, limits: Vec<Limit>) -> Road {
    Road::start(house(vec![model(targets)], limits))
}

/// What stands on the accounts.
pub(crate) fn balances(road: &Road) -> Vec<Balance> {
    let snapshot = road.shared.snapshot.load_full();
    road.shared.accounts.balances(&snapshot.limits)
}

/// What is settled of the one account of a limit.
pub(crate) fn spent(road: &Road, name: &str) -> i64 {
    let mine = |one: &Balance| &*one.limit.name == name;
    balances(road)
        .into_iter()
        .find(mine)
        .map_or(0, |one| one.settled)
}

/// Waits until nothing is held, and says that no account is over its limit.
pub(crate) async fn at_rest(road: &Road) {
    let nothing = || balances(road).iter().all(|one| one.held == 0);
    until("nothing is held", nothing).await;
    for one in balances(road) {
        let over = one.limit.refuses() && one.settled > one.amount;
        assert!(!over, "over the limit: {one:?}");
    }
}

/// Sends so many of it at once, each over a connection of its own.
pub(crate) async fn at_once(road: &Arc<Road>, count: usize, ask: &Ask) -> Vec<Got> {
    let asks = (0..count).map(|_| {
        let (road, ask) = (Arc::clone(road), ask.clone());
        tokio::spawn(async move { ask.send(&road).await })
    });
    let asks: Vec<_> = asks.collect();
    let mut all = Vec::with_capacity(count);
    for ask in asks {
        all.push(ask.await.unwrap());
    }
    all
}

/// Asserts that a refusal by a budget tells what stands in the way, and whether to come back.
pub(crate) fn assert_budget_refusal(got: &Got, name: &str) {
    assert_eq!(
        (got.status, got.code().as_str()),
        (429, "budget_exceeded"),
        "{}",
        got.text()
    );
    let facts = got.facts();
    assert_eq!(facts["budget"], name);
    for fact in ["limit", "spent", "held", "asked"] {
        assert!(facts[fact].is_string(), "{facts}");
    }
    let number = |fact: &str| facts[fact].as_str().unwrap().parse::<Nanos>().unwrap().0;
    let (limit, asked) = (number("limit"), number("asked"));
    let only_held = number("spent") + asked <= limit;
    if only_held {
        assert!(number("held") > 0, "{facts}");
        assert!(!got.header("retry-after").is_empty());
        assert_eq!(got.header("x-should-retry"), "");
    } else {
        assert_eq!(got.header("retry-after"), "");
        assert_eq!(got.header("x-should-retry"), "false");
        assert!(
            facts
                .get("retry_after_ms")
                .is_none_or(serde_json::Value::is_null)
        );
    }
}
