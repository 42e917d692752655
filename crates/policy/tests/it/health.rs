//! Breakers, credentials and latencies: what is tried, what is left alone, and for how long.

use std::sync::Arc;
use std::time::Duration;

use dialect::Dialect;
use policy::failure::AttemptFailure;
use policy::health::{
    Breaker, BreakerRules, Cause, Change, End, Failed, Found, Gate, Health, Latency, Standing,
};
use policy::model::Target;
use policy::origin::{Origin, Scheme};
use policy::provider::{Auth, Paths, Provider, Quirks};
use policy::secret::{ProviderKey, Secret};
use proptest::prelude::*;

const BAD: End = End::Bad { retry_after: None };

pub(crate) fn rules() -> BreakerRules {
    BreakerRules {
        failures: 3,
        ratio_percent: 50,
        minimum: 10,
        window: Duration::from_secs(10),
        open: Duration::from_secs(1),
        open_max: Duration::from_secs(8),
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn origin() -> Origin {
    Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".to_owned(),
        port: 1,
    }
}

fn key(name: &str, secret: &str) -> Arc<ProviderKey> {
    let secret = Secret::new(secret.to_owned());
    Arc::new(ProviderKey::new(name.to_owned(), secret, origin()))
}

pub(crate) fn target(name: &str, keys: Vec<Arc<ProviderKey>>) -> Target {
    let provider = Provider {
        name: name.to_owned(),
        origin: origin(),
        base_path: String::new(),
        dialect: Dialect::OpenaiChat,
        auth: Auth::Bearer,
        keys,
        quirks: Quirks::default(),
        headers: Vec::new(),
        catalogue_id: "",
        residency: None,
        region: None,
        paths: Paths::default(),
    };
    Target::new(Arc::new(provider), "m".to_owned())
}

pub(crate) fn failed(kind: AttemptFailure) -> Failed {
    Failed {
        kind,
        at_target: false,
        retry_after: None,
        took: ms(1),
    }
}

fn try_and_fail(health: &Health, target: &Target, now: Duration, how: &Failed) -> Found {
    let key = target.provider.keys.first().map(|key| &**key);
    let mut ticket = health.begin(target, key, now).unwrap();
    health.failed(&mut ticket, (now, how), &rules())
}

#[test]
fn failures_in_a_row_open_a_breaker_and_one_probe_closes_it() {
    let mut breaker = Breaker::default();
    for n in 0..3 {
        assert_eq!(breaker.enter(s(0)), Gate::Closed);
        let change = breaker.end((s(0), false), BAD, &rules());
        assert_eq!(change.is_some(), n == 2);
    }
    assert_eq!(breaker.enter(ms(999)), Gate::Open { until: s(1) });
    assert_eq!(breaker.enter(s(1)), Gate::Probe);
    assert_eq!(breaker.enter(s(1)), Gate::Open { until: s(1) });
    assert_eq!(
        breaker.end((s(1), true), End::Good, &rules()),
        Some(Change::Closed)
    );
    assert_eq!(breaker.enter(s(1)), Gate::Closed);
}

#[test]
fn a_success_between_them_begins_the_row_anew() {
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        breaker.end((s(0), false), BAD, &rules());
        breaker.end((s(0), false), BAD, &rules());
        for _ in 0..8 {
            breaker.end((s(0), false), End::Good, &rules());
        }
    }
    assert_eq!(breaker.gate(s(0)), Gate::Closed);
}

#[test]
fn a_share_of_failures_opens_it_too_but_not_one_of_long_ago() {
    let half = |breaker: &mut Breaker, now| {
        for n in 0..10 {
            let end = if n % 2 == 0 { End::Good } else { BAD };
            breaker.end((now, false), end, &rules());
        }
    };
    let mut breaker = Breaker::default();
    half(&mut breaker, s(0));
    assert!(matches!(breaker.gate(s(0)), Gate::Open { .. }));

    let mut breaker = Breaker::default();
    for n in 0..10 {
        let end = if n % 2 == 0 { End::Good } else { BAD };
        breaker.end((s(20 * n), false), end, &rules());
    }
    assert_eq!(breaker.gate(s(200)), Gate::Closed);
}

#[test]
fn probes_that_fail_are_further_and_further_apart() {
    let mut breaker = Breaker::default();
    for _ in 0..3 {
        breaker.end((s(0), false), BAD, &rules());
    }
    let mut now = s(1);
    for open in [2, 4, 8, 8, 8] {
        assert_eq!(breaker.enter(now), Gate::Probe);
        let change = breaker.end((now, true), BAD, &rules());
        now += s(open);
        assert_eq!(change, Some(Change::Opened { until: now }));
    }
}

#[test]
fn a_provider_may_say_how_long_within_bounds() {
    for (told, open) in [(5, 5), (0, 1), (100_000, 8)] {
        let mut breaker = Breaker::default();
        let end = End::Bad {
            retry_after: Some(s(told)),
        };
        for _ in 0..3 {
            breaker.end((s(0), false), end, &rules());
        }
        assert_eq!(breaker.gate(s(0)), Gate::Open { until: s(open) });
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Enter,
    End(usize, bool),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u64..3_000).prop_map(Step::Wait),
        Just(Step::Enter),
        (any::<usize>(), any::<bool>()).prop_map(|(at, good)| Step::End(at, good)),
        any::<usize>().prop_map(Step::Drop),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn there_is_never_more_than_one_probe_and_always_another_in_the_end(steps in steps()) {
        let health = Health::default();
        let target = target("a", Vec::new());
        let mut now = Duration::ZERO;
        let mut open = Vec::new();
        for step in steps {
            match step {
                Step::Wait(wait) => now += ms(wait),
                Step::Enter => open.extend(health.begin(&target, None, now).ok()),
                Step::End(at, good) if !open.is_empty() => {
                    let at = at % open.len();
                    let mut ticket = open.swap_remove(at);
                    if good {
                        health.answered(&mut ticket, (now, ms(1)), &rules());
                    } else {
                        health.failed(&mut ticket, (now, &failed(AttemptFailure::Overloaded)), &rules());
                    }
                }
                Step::Drop(at) if !open.is_empty() => {
                    let at = at % open.len();
                    open.swap_remove(at);
                }
                Step::End(..) | Step::Drop(_) => {}
            }
            prop_assert!(open.iter().filter(|ticket| ticket.is_probe()).count() <= 1);
            prop_assert_eq!(health.busy(&target) as usize, open.len());
        }
        open.clear();
        let later = now + rules().open_max;
        prop_assert!(health.begin(&target, None, later).is_ok());
    }

    #[test]
    fn what_is_slow_counts_at_once_and_fades(slow in 10_u64..10_000, quick in 1_u64..10) {
        let mut latency = Latency::default();
        latency.observe(s(0), ms(quick));
        latency.observe(s(1), ms(slow));
        prop_assert!(latency.faded(s(1)) >= ms(slow).as_secs_f64());
        latency.observe(s(2), ms(quick));
        prop_assert!(latency.faded(s(2)) <= ms(slow).as_secs_f64());
        prop_assert!(latency.faded(s(2)) >= ms(quick).as_secs_f64() * 0.99);
        prop_assert!(latency.faded(s(300)) < ms(1).as_secs_f64());
    }
}

#[test]
fn a_target_that_fails_at_once_is_not_held_to_be_quick() {
    let health = Health::default();
    let target = target("a", Vec::new());
    let mut ticket = health.begin(&target, None, s(0)).unwrap();
    health.answered(&mut ticket, (s(0), ms(500)), &rules());
    drop(ticket);
    let before = health.load(&target, s(0));
    try_and_fail(&health, &target, s(0), &failed(AttemptFailure::NotSent));
    assert!(health.load(&target, s(0)) >= before);
}

#[test]
fn a_failure_speaks_against_a_target_for_a_moment_only() {
    let health = Health::default();
    let target = target("a", Vec::new());
    try_and_fail(&health, &target, s(0), &failed(AttemptFailure::Overloaded));
    assert_eq!(health.standing(&target, s(9)), Standing::Failing);
    assert_eq!(health.standing(&target, s(10)), Standing::Well);
    let mut ticket = health.begin(&target, None, s(1)).unwrap();
    health.answered(&mut ticket, (s(1), ms(1)), &rules());
    assert_eq!(health.standing(&target, s(1)), Standing::Well);
}

#[test]
fn a_refused_request_says_nothing_against_its_target() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    for _ in 0..50 {
        for kind in [
            AttemptFailure::BadRequest,
            AttemptFailure::ContextWindow,
            AttemptFailure::ContentPolicy,
        ] {
            try_and_fail(&health, &target, s(0), &failed(kind));
        }
    }
    assert_eq!(health.standing(&target, s(0)), Standing::Well);
}

#[test]
fn a_credential_is_put_aside_after_three_refusals_and_probed_by_one() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    let refused = failed(AttemptFailure::Credential);
    for n in 0..3 {
        let found = try_and_fail(&health, &target, s(0), &refused);
        assert_eq!(
            found.closed.map(|closed| closed.cause),
            (n == 2).then_some(Cause::Quarantined)
        );
    }
    let Standing::Closed(closed) = health.standing(&target, s(1)) else {
        panic!("it is still shown");
    };
    assert_eq!((closed.cause, closed.until), (Cause::Quarantined, s(300)));
    let key = Arc::clone(&target.provider.keys[0]);
    assert_eq!(health.check(&key, &target, s(300)), Ok(()));
    let mut ticket = health.begin(&target, Some(&key), s(300)).unwrap();
    assert!(health.check(&key, &target, s(301)).is_err());
    assert!(health.begin(&target, Some(&key), s(301)).is_err());
    health.answered(&mut ticket, (s(302), ms(1)), &rules());
    assert_eq!(health.check(&key, &target, s(302)), Ok(()));
}

#[test]
fn an_answer_between_refusals_takes_them_back() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    for _ in 0..5 {
        for _ in 0..2 {
            try_and_fail(&health, &target, s(0), &failed(AttemptFailure::Credential));
        }
        let mut ticket = health
            .begin(&target, Some(&target.provider.keys[0]), s(0))
            .unwrap();
        health.answered(&mut ticket, (s(0), ms(1)), &rules());
    }
    assert_eq!(health.standing(&target, s(0)), Standing::Well);
}

#[test]
fn a_used_up_credential_rests_everywhere_and_a_limited_one_at_its_target() {
    let health = Health::default();
    let shared = key("k", "1");
    let (a, b) = (
        target("a", vec![Arc::clone(&shared)]),
        target("b", vec![shared]),
    );
    let limited = Failed {
        retry_after: Some(s(30)),
        ..failed(AttemptFailure::RateLimited)
    };
    try_and_fail(&health, &a, s(0), &limited);
    assert!(
        matches!(health.standing(&a, s(29)), Standing::Closed(closed) if closed.cause == Cause::RateLimited)
    );
    assert_eq!(health.standing(&b, s(0)), Standing::Well);
    assert_eq!(health.standing(&a, s(30)), Standing::Well);

    try_and_fail(&health, &b, s(40), &failed(AttemptFailure::Exhausted));
    for target in [&a, &b] {
        assert!(
            matches!(health.standing(target, s(41)), Standing::Closed(closed) if closed.cause == Cause::Exhausted)
        );
    }
    assert_eq!(health.standing(&a, s(40 + 300)), Standing::Well);
}

#[test]
fn an_answer_that_was_under_way_does_not_fill_a_used_up_credential() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    let mut early = health
        .begin(&target, Some(&target.provider.keys[0]), s(0))
        .unwrap();
    try_and_fail(&health, &target, s(1), &failed(AttemptFailure::Exhausted));
    health.answered(&mut early, (s(2), s(2)), &rules());
    assert!(matches!(
        health.standing(&target, s(3)),
        Standing::Closed(_)
    ));
}

#[test]
fn absurd_times_are_bounded() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    let absurd = Failed {
        retry_after: Some(Duration::MAX),
        ..failed(AttemptFailure::RateLimited)
    };
    try_and_fail(&health, &target, s(0), &absurd);
    assert_eq!(health.standing(&target, s(3_600)), Standing::Well);
}

#[test]
fn another_credential_of_the_same_provider_goes_on() {
    let health = Health::default();
    let target = target("a", vec![key("k-1", "1"), key("k-2", "2")]);
    try_and_fail(&health, &target, s(0), &failed(AttemptFailure::Exhausted));
    assert_eq!(health.standing(&target, s(0)), Standing::Well);
    assert!(
        health
            .check(&target.provider.keys[0], &target, s(0))
            .is_err()
    );
    assert!(
        health
            .check(&target.provider.keys[1], &target, s(0))
            .is_ok()
    );
}

#[test]
fn what_is_known_stays_over_a_reload_but_not_of_a_secret_that_changed() {
    let health = Health::default();
    let before = target("a", vec![key("k", "old")]);
    try_and_fail(&health, &before, s(0), &failed(AttemptFailure::Exhausted));
    let same = target("a", vec![key("k", "old")]);
    assert!(matches!(health.standing(&same, s(0)), Standing::Closed(_)));
    let mended = target("a", vec![key("k", "new")]);
    assert_eq!(health.standing(&mended, s(0)), Standing::Well);
    for _ in 0..3 {
        try_and_fail(&health, &mended, s(0), &failed(AttemptFailure::Overloaded));
    }
    let again = target("a", vec![key("k", "newer")]);
    assert!(
        matches!(health.standing(&again, s(0)), Standing::Closed(closed) if closed.cause == Cause::Breaker)
    );
}

#[test]
fn an_emptied_limit_is_not_tried_until_it_is_renewed() {
    let health = Health::default();
    let target = target("a", vec![key("k", "1")]);
    let mut ticket = health
        .begin(&target, Some(&target.provider.keys[0]), s(0))
        .unwrap();
    health.answered(&mut ticket, (s(0), ms(1)), &rules());
    health.emptied(&ticket, s(0), s(6));
    assert!(
        matches!(health.standing(&target, s(5)), Standing::Closed(closed) if closed.cause == Cause::RateLimited)
    );
    assert_eq!(health.standing(&target, s(6)), Standing::Well);
}

#[test]
fn an_answer_that_breaks_is_one_try_that_failed() {
    let (health, target) = (Health::default(), target("a", Vec::new()));
    let rules = BreakerRules {
        minimum: 4,
        failures: 100,
        ..rules()
    };
    let broken = failed(AttemptFailure::MidStream);
    for n in 1..=4 {
        let mut ticket = health.begin(&target, None, s(1)).unwrap();
        health.answered(&mut ticket, (s(1), ms(1)), &rules);
        let found = health.failed(&mut ticket, (s(1), &broken), &rules);
        assert_eq!(found.change.is_some(), n == 4, "after {n}");
    }
}
