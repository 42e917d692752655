//! The order among targets, and what a house pays for when everything fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use policy::balance::Circumstances;
use policy::failure::AttemptFailure;
use policy::health::{BreakerRules, Health, Standing};
use policy::model::{Balance, Model, Target};
use policy::plan::plan;
use policy::retries::{RetryBudget, RetryRules};
use proptest::prelude::*;

use crate::health::{failed, rules, target};

const NOW: Duration = Duration::from_secs(100);

fn weighing(name: &str, weight: u32, priority: u32) -> Arc<Target> {
    let mut target = target(name, Vec::new());
    (target.weight, target.priority) = (weight, priority);
    Arc::new(target)
}

fn model(balance: Balance, targets: Vec<Arc<Target>>) -> Arc<Model> {
    Arc::new(Model {
        balance,
        targets,
        ..Model::default()
    })
}

fn names(
    model: &Arc<Model>,
    known: &Circumstances<'_>,
    mut draw: impl FnMut(u64) -> u64,
) -> Vec<String> {
    let plan = plan(model, known, &mut draw);
    plan.steps
        .iter()
        .map(|step| step.target.name().to_string())
        .collect()
}

/// A target has answered after so long, and has so many requests under way.
fn measured(health: &Health, target: &Target, took_ms: u64) {
    let mut ticket = health.begin(target, None, NOW).unwrap();
    health.answered(&mut ticket, (NOW, Duration::from_millis(took_ms)), &rules());
}

fn balances() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::Ordered),
        Just(Balance::Weighted),
        Just(Balance::LeastLatency),
        Just(Balance::LeastBusy),
        Just(Balance::Cheapest),
    ]
}

proptest! {
    #[test]
    fn every_target_stands_once_by_priority_or_is_excluded(
        balance in balances(),
        given in proptest::collection::vec((0_u32..4, 1_u32..4, any::<bool>()), 1..8),
        draws in proptest::collection::vec(any::<u64>(), 64),
        sticky in any::<Option<u64>>(),
        home in any::<Option<u32>>(),
    ) {
        let health = Health::default();
        let targets: Vec<_> = given.iter().enumerate()
            .map(|(n, (weight, priority, _))| weighing(&format!("t{n}"), *weight, *priority))
            .collect();
        for (target, (_, _, is_down)) in targets.iter().zip(&given) {
            for _ in 0..if *is_down { 3 } else { 0 } {
                let mut ticket = health.begin(target, None, NOW).unwrap();
                health.failed(&mut ticket, (NOW, &failed(AttemptFailure::Overloaded)), &rules());
            }
        }
        let cost = |target: &Target| (target.weight != 2).then_some(i64::from(target.weight));
        let known = Circumstances { health: Some(&health), now: NOW, sticky, home, cost: &cost };
        let mut at = 0;
        let mut draw = |below: u64| { at += 1; draws[at % draws.len()] % below.max(1) };
        let plan = plan(&model(balance, targets), &known, &mut draw);
        let priorities: Vec<u32> = plan.steps.iter().map(|step| step.target.priority).collect();
        prop_assert!(priorities.is_sorted());
        let down = given.iter().filter(|(_, _, is_down)| *is_down).count();
        prop_assert_eq!(plan.excluded.len(), down);
        let mut all: Vec<_> = plan.steps.iter().map(|step| step.target.name().clone())
            .chain(plan.excluded.iter().map(|one| one.target.name().clone())).collect();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), given.len());
        prop_assert_eq!(plan.soonest().is_some(), down > 0);
    }

    #[test]
    fn of_two_the_slower_is_never_first(a in 1_u64..5_000, b in 1_u64..5_000, draw in any::<u64>()) {
        let health = Health::default();
        let (one, two) = (weighing("a", 1, 1), weighing("b", 1, 1));
        measured(&health, &one, a);
        measured(&health, &two, b);
        let known = Circumstances { health: Some(&health), now: NOW, ..Circumstances::default() };
        let order = names(&model(Balance::LeastLatency, vec![one, two]), &known, |below| draw % below);
        let first = if a < b { "a/m" } else { "b/m" };
        prop_assert!(a == b || order[0] == first);
    }

    #[test]
    fn of_many_the_slowest_is_never_first(
        took in proptest::collection::btree_set(1_u64..100_000, 3..8),
        draws in proptest::collection::vec(any::<u64>(), 4),
    ) {
        let health = Health::default();
        let mut targets = Vec::new();
        for ms in &took {
            let target = weighing(&ms.to_string(), 1, 1);
            measured(&health, &target, *ms);
            targets.push(target);
        }
        let known = Circumstances { health: Some(&health), now: NOW, ..Circumstances::default() };
        let mut at = 0;
        let order = names(&model(Balance::LeastLatency, targets), &known, |below| { at += 1; draws[at % 4] % below });
        prop_assert_ne!(&order[0], &format!("{}/m", took.last().unwrap()));
        let rest: Vec<u64> = order[1..].iter().map(|name| name.trim_end_matches("/m").parse().unwrap()).collect();
        prop_assert!(rest.is_sorted());
    }

    #[test]
    fn whoever_keeps_to_a_target_moves_only_to_one_that_grew(who in any::<u64>(), weights in [1_u32..50, 1_u32..50, 1_u32..50], grown in 0_usize..3) {
        let order = |weights: [u32; 3]| {
            let targets = ["a", "b", "c"].into_iter().zip(weights);
            let targets = targets.map(|(name, weight)| weighing(name, weight, 1)).collect();
            let known = Circumstances { sticky: Some(who), ..Circumstances::default() };
            names(&model(Balance::Weighted, targets), &known, |_| 0)
        };
        let before = order(weights);
        let mut after = weights;
        after[grown] += 7;
        let after = order(after);
        let grown = ["a/m", "b/m", "c/m"][grown];
        prop_assert!(after[0] == before[0] || after[0] == grown);
    }
}

#[test]
fn those_who_keep_to_a_target_are_spread_by_weight() {
    let targets = vec![
        weighing("a", 9, 1),
        weighing("b", 1, 1),
        weighing("none", 0, 1),
    ];
    let model = model(Balance::Weighted, targets);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for who in 0..10_000_u64 {
        let sticky = Some(who.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let known = Circumstances {
            sticky,
            ..Circumstances::default()
        };
        *counts
            .entry(names(&model, &known, |_| 0).remove(0))
            .or_default() += 1;
    }
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!((850..1_150).contains(&counts["b/m"]), "{counts:?}");
}

#[test]
fn the_idlest_for_its_weight_is_first() {
    let health = Health::default();
    let (small, large) = (weighing("small", 1, 1), weighing("large", 4, 1));
    let _under_way: Vec<_> = [&small, &large, &large]
        .map(|target| health.begin(target, None, NOW).unwrap())
        .into();
    let known = Circumstances {
        health: Some(&health),
        now: NOW,
        ..Circumstances::default()
    };
    let order = names(
        &model(Balance::LeastBusy, vec![small, large]),
        &known,
        |_| 0,
    );
    assert_eq!(order, ["large/m", "small/m"]);
}

#[test]
fn the_cheapest_is_first_and_one_without_a_price_last() {
    let targets = ["unknown", "dear", "cheap"].map(|name| weighing(name, 1, 1));
    let cost = |target: &Target| match &**target.name() {
        "dear/m" => Some(9),
        "cheap/m" => Some(1),
        _ => None,
    };
    let known = Circumstances {
        cost: &cost,
        ..Circumstances::default()
    };
    let order = names(&model(Balance::Cheapest, targets.to_vec()), &known, |_| 0);
    assert_eq!(order, ["cheap/m", "dear/m", "unknown/m"]);
}

#[test]
fn a_target_that_was_never_measured_gets_one_request_at_a_time_at_first() {
    let health = Health::default();
    let (known_one, fresh) = (weighing("known", 1, 1), weighing("fresh", 1, 1));
    measured(&health, &known_one, 50);
    let known = Circumstances {
        health: Some(&health),
        now: NOW,
        ..Circumstances::default()
    };
    let model = model(Balance::LeastLatency, vec![known_one, Arc::clone(&fresh)]);
    assert_eq!(names(&model, &known, |_| 0)[0], "fresh/m");
    let _under_way = health.begin(&fresh, None, NOW).unwrap();
    assert_eq!(names(&model, &known, |_| 0)[0], "known/m");
}

/// A house whose every try fails: requests at that rate, and the tries that were made.
fn total_failure(rate: u32, seconds: u32, targets: usize) -> (u32, u32) {
    let (health, budget) = (Health::default(), RetryBudget::default());
    let (rules, breaker) = (RetryRules::default(), BreakerRules::default());
    let targets: Vec<_> = (0..targets)
        .map(|n| weighing(&format!("t{n}"), 1, 1))
        .collect();
    let model = model(Balance::Weighted, targets);
    let (mut tries, requests) = (0, rate * seconds);
    for n in 0..requests {
        let now = Duration::from_secs_f64(f64::from(n) / f64::from(rate));
        let known = Circumstances {
            health: Some(&health),
            now,
            ..Circumstances::default()
        };
        budget.earn(now);
        let steps = plan(&model, &known, &mut |_| 0).steps;
        for (at, step) in steps.iter().enumerate() {
            let is_free = at == 0 || health.standing(&step.target, now) == Standing::Well;
            if !is_free && !budget.take(now, &rules) {
                continue;
            }
            let Ok(mut ticket) = health.begin(&step.target, None, now) else {
                continue;
            };
            tries += 1;
            health.failed(
                &mut ticket,
                (now, &failed(AttemptFailure::Overloaded)),
                &breaker,
            );
        }
    }
    (requests, tries)
}

proptest! {
    #[test]
    fn a_total_failure_is_not_made_worse(rate in 50_u32..300, seconds in 5_u32..30, targets in 1_usize..6) {
        let (requests, tries) = total_failure(rate, seconds, targets);
        prop_assert!(f64::from(tries) <= f64::from(requests) * 1.2, "{tries} of {requests}");
    }
}
