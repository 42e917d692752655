//! What a request is told by the accounts, and what stands in them after it.

use std::sync::Arc;

use policy::accounts::{
    Accounts, Actual, BUCKETS_MAX, Balance, Billed, ExtendError, Hold, LimitSet, Refusal,
    RefusalKind, State,
};
use policy::caller::Attribution;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope};
use policy::window::Window;

use crate::limits::{ask, caller, limit};

const DAY_MS: i64 = 24 * 3_600_000;

fn money(accounts: &Accounts, set: &LimitSet, at_ms: i64, amount: i64) -> Result<Hold, Refusal> {
    let who = caller(1);
    accounts.take(set, &ask(&who, at_ms, &[(Resource::Money, amount)]))
}

fn spend(hold: &Hold, money: i64) {
    assert!(hold.dispatch());
    let billed = [Billed {
        provider: "openai",
        money,
        tokens: 0,
        requests: 1,
    }];
    assert!(hold.settle(&Actual::Billed(&billed)).is_some());
}

fn budget(amount: i64) -> LimitSet {
    LimitSet::new(vec![limit("budget", Resource::Money, amount, Period::Day)])
}

fn figures(accounts: &Accounts, set: &LimitSet, name: &str) -> (i64, i64) {
    let balances = accounts.balances(set);
    let mine = balances
        .iter()
        .filter(|balance| &*balance.limit.name == name);
    mine.fold((0, 0), |(settled, held), one| {
        (settled + one.settled, held + one.held)
    })
}

#[test]
fn a_refusal_says_whether_to_wait_for_others_for_the_window_or_not_at_all() {
    let (accounts, set) = (Accounts::new(), budget(10));
    assert_eq!(
        money(&accounts, &set, 0, 11).unwrap_err().kind,
        RefusalKind::NeverFits
    );
    let open = money(&accounts, &set, 0, 6).unwrap();
    let refusal = money(&accounts, &set, 0, 5).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Held);
    assert_eq!((refusal.settled, refusal.held, refusal.asked), (0, 6, 5));
    assert_eq!(refusal.resets_ms, Some(DAY_MS));
    spend(&open, 6);
    assert_eq!(
        money(&accounts, &set, 0, 5).unwrap_err().kind,
        RefusalKind::Settled
    );
    assert!(money(&accounts, &set, 0, 4).is_ok());
}

#[test]
fn of_several_refusals_the_one_is_told_for_which_a_retry_helps_least() {
    let accounts = Accounts::new();
    let set = LimitSet::new(vec![
        limit("a", Resource::Money, 10, Period::Day),
        limit("b", Resource::Money, 4, Period::Day),
    ]);
    let _open = money(&accounts, &set, 0, 4).unwrap();
    let refusal = money(&accounts, &set, 0, 7).unwrap_err();
    assert_eq!(
        (&*refusal.limit.name, refusal.kind),
        ("b", RefusalKind::NeverFits)
    );
}

#[test]
fn a_refused_request_leaves_nothing_held_anywhere() {
    let accounts = Accounts::new();
    let set = LimitSet::new(vec![
        limit("a", Resource::Requests, 10, Period::Day),
        limit("b", Resource::Concurrent, 10, Period::Day),
        limit("c", Resource::Money, 1, Period::Day),
    ]);
    let who = caller(1);
    let amounts = [
        (Resource::Requests, 1),
        (Resource::Concurrent, 1),
        (Resource::Money, 2),
    ];
    assert!(accounts.take(&set, &ask(&who, 0, &amounts)).is_err());
    for balance in accounts.balances(&set) {
        assert_eq!((balance.settled, balance.held), (0, 0), "{balance:?}");
    }
}

#[test]
fn concurrency_is_freed_at_the_end_and_a_request_stays_counted() {
    let accounts = Accounts::new();
    let set = LimitSet::new(vec![
        limit("open", Resource::Concurrent, 1, Period::Total),
        limit("rate", Resource::Requests, 3, Period::Minute),
    ]);
    let who = caller(1);
    let amounts = [(Resource::Requests, 1), (Resource::Concurrent, 1)];
    let take = |at_ms| accounts.take(&set, &ask(&who, at_ms, &amounts));
    let first = take(0).unwrap();
    let refusal = take(0).unwrap_err();
    assert_eq!(
        (&*refusal.limit.name, refusal.kind),
        ("open", RefusalKind::Held)
    );
    spend(&first, 0);
    assert!(take(0).unwrap().release().is_some());
    drop(take(0).unwrap());
    let refusal = take(0).unwrap_err();
    assert_eq!(
        (&*refusal.limit.name, refusal.kind),
        ("rate", RefusalKind::Settled)
    );
    assert!(take(60_000).is_ok(), "the next window is a new one");
}

#[test]
fn a_hold_resolves_once_and_a_dropped_one_resolves_itself() {
    let (accounts, set) = (Accounts::new(), budget(10));
    let hold = money(&accounts, &set, 0, 4).unwrap();
    assert!(hold.settle(&Actual::Presumed).is_none(), "nothing was sent");
    assert!(hold.dispatch() && !hold.dispatch());
    assert!(hold.settle(&Actual::Presumed).is_some());
    assert!(hold.settle(&Actual::Presumed).is_none() && hold.release().is_none());
    assert_eq!(hold.state(), State::Settled);
    let more = hold.extend(&[(Resource::Money, 1)]);
    assert!(matches!(more, Err(ExtendError::Resolved)));
    drop(money(&accounts, &set, 0, 2).unwrap());
    assert_eq!(figures(&accounts, &set, "budget"), (4, 0));
    let sent = money(&accounts, &set, 0, 3).unwrap();
    assert!(sent.dispatch());
    drop(sent);
    assert_eq!(
        figures(&accounts, &set, "budget"),
        (7, 0),
        "it may be billed"
    );
}

#[test]
fn an_extension_is_held_of_all_accounts_or_of_none() {
    let accounts = Accounts::new();
    let set = LimitSet::new(vec![
        limit("a", Resource::Money, 100, Period::Day),
        limit("b", Resource::Money, 10, Period::Day),
    ]);
    let hold = money(&accounts, &set, 0, 4).unwrap();
    let other = money(&accounts, &set, 0, 1).unwrap();
    let why = |more| match hold.extend(&[(Resource::Money, more)]) {
        Err(ExtendError::Refused(refusal)) => Some((refusal.kind, refusal.held)),
        Err(ExtendError::Resolved) | Ok(()) => None,
    };
    assert_eq!(why(7), Some((RefusalKind::NeverFits, 1)));
    assert_eq!(why(6), Some((RefusalKind::Held, 1)));
    assert_eq!(figures(&accounts, &set, "a"), (0, 5));
    spend(&other, 1);
    assert_eq!(why(6), Some((RefusalKind::Settled, 0)));
    assert!(hold.extend(&[(Resource::Money, 5)]).is_ok());
    let held: Vec<i64> = hold.held().map(|share| share.amount).collect();
    assert_eq!(held, [9, 9]);
}

#[test]
fn what_was_billed_beyond_the_hold_is_recorded_in_full() {
    let (accounts, set) = (Accounts::new(), budget(10));
    let hold = money(&accounts, &set, 0, 8).unwrap();
    assert!(hold.dispatch());
    let billed = Billed {
        provider: "openai",
        money: 13,
        tokens: 0,
        requests: 1,
    };
    let settlement = hold.settle(&Actual::Billed(&[billed])).unwrap();
    assert_eq!(settlement.charged[0].amount, 13);
    assert_eq!(settlement.overrun.len(), 1);
    assert_eq!(figures(&accounts, &set, "budget"), (13, 0));
    assert_eq!(
        money(&accounts, &set, 0, 1).unwrap_err().kind,
        RefusalKind::Settled
    );
    assert!(
        money(&accounts, &set, 0, 0).is_ok(),
        "what costs nothing goes on"
    );
}

#[test]
fn a_providers_account_is_charged_with_its_own_part_only() {
    let accounts = Accounts::new();
    let of = |provider: &str, resource| Limit {
        scope: Scope::Provider(provider.into()),
        ..limit(
            &format!("{provider} {resource}"),
            resource,
            100,
            Period::Day,
        )
    };
    let set = LimitSet::new(vec![
        limit("all", Resource::Money, 100, Period::Day),
        of("openai", Resource::Money),
        of("openai", Resource::Requests),
        of("anthropic", Resource::Money),
        of("anthropic", Resource::Requests),
        of("gemini", Resource::Money),
    ]);
    let who = caller(1);
    let amounts = [(Resource::Money, 10), (Resource::Requests, 1)];
    let hold = accounts.take(&set, &ask(&who, 0, &amounts)).unwrap();
    assert_eq!(hold.held().len(), 5, "no provider of the plan is `gemini`");
    assert!(hold.dispatch());
    let part = |provider, money, requests| Billed {
        provider,
        money,
        tokens: 0,
        requests,
    };
    let billed = [part("openai", 1, 2), part("gemini", 4, 1)];
    hold.settle(&Actual::Billed(&billed)).unwrap();
    let settled = |name: &str| figures(&accounts, &set, name);
    assert_eq!(settled("all"), (5, 0));
    assert_eq!(settled("openai money"), (1, 0));
    assert_eq!(settled("openai requests"), (2, 0));
    assert_eq!(settled("anthropic money"), (0, 0));
    assert_eq!(settled("anthropic requests"), (0, 0));
}

#[test]
fn limits_that_only_report_or_alert_count_and_never_refuse() {
    let accounts = Accounts::new();
    let reported = Limit {
        mode: Mode::Report,
        ..limit("reported", Resource::Money, 5, Period::Day)
    };
    let soft = Limit {
        hard: false,
        ..limit("soft", Resource::Money, 20, Period::Day)
    };
    let set = LimitSet::new(vec![reported, soft]);
    let hold = money(&accounts, &set, 0, 12).unwrap();
    let would: Vec<_> = hold
        .would_refuse()
        .iter()
        .map(|r| (&*r.limit.name, r.kind))
        .collect();
    assert_eq!(would, [("reported", RefusalKind::NeverFits)]);
    let second = money(&accounts, &set, 0, 12).unwrap();
    let would: Vec<_> = second
        .would_refuse()
        .iter()
        .map(|r| (&*r.limit.name, r.kind))
        .collect();
    assert_eq!(would[1], ("soft", RefusalKind::Held));
    assert_eq!(figures(&accounts, &set, "reported"), (0, 24));
}

#[test]
fn only_the_limits_of_a_callers_own_names_count_it() {
    let scoped = |name: &str, scope: &str| Limit {
        scope: scope.parse().unwrap(),
        ..limit(name, Resource::Money, 10, Period::Day)
    };
    let mut limits: Vec<Limit> = (0..1000)
        .map(|n| scoped(&format!("team {n}"), &format!("team:team{n}")))
        .collect();
    for kind in ["organisation", "key", "user"] {
        limits.push(scoped(kind, &format!("{kind}:{kind}7")));
        limits.push(scoped(&format!("other {kind}"), &format!("{kind}:nobody")));
    }
    limits.push(scoped("tag", "tag:app=app7"));
    limits.push(scoped("other tag", "tag:app=app8"));
    limits.push(scoped("model", "model:fast"));
    limits.push(scoped("other model", "model:slow"));
    limits.push(scoped("provider", "provider:openai"));
    limits.push(scoped("other provider", "provider:groq"));
    limits.push(scoped("all", "everything"));
    let set = LimitSet::new(limits);
    let who = caller(7);
    let applying = set.applying(&ask(&who, 0, &[]));
    let names: Vec<&str> = applying.iter().map(|limit| &*limit.name).collect();
    let expected = [
        "all",
        "key",
        "model",
        "organisation",
        "provider",
        "tag",
        "team 7",
        "user",
    ];
    assert_eq!(names, expected);
    assert_eq!(set.get("team 999").map(|limit| limit.amount), Some(10));
}

#[test]
fn each_value_has_a_bucket_and_a_request_without_one_is_not_counted() {
    let accounts = Accounts::new();
    let each = Limit {
        each: Some(Each::User),
        ..limit("each", Resource::Money, 10, Period::Day)
    };
    let set = LimitSet::new(vec![each]);
    let take = |who: &Attribution| accounts.take(&set, &ask(who, 0, &[(Resource::Money, 10)]));
    let (one, two) = (take(&caller(1)).unwrap(), take(&caller(2)).unwrap());
    assert_eq!(&*take(&caller(2)).unwrap_err().bucket, "user2");
    let nobody = Attribution::default();
    assert_eq!(take(&nobody).unwrap().held().len(), 0);
    drop((one, two));
}

#[test]
fn a_bucket_beyond_the_bound_is_refused_until_empty_ones_are_swept() {
    let accounts = Accounts::new();
    let each = Limit {
        each: Some(Each::User),
        ..limit("each", Resource::Money, 10, Period::Day)
    };
    let soft = Limit {
        hard: false,
        ..each.clone()
    };
    let set = LimitSet::new(vec![each]);
    let take = |set: &LimitSet, n: usize| {
        let who = Attribution {
            user: Some(format!("{n}").into()),
            ..Attribution::default()
        };
        accounts.take(set, &ask(&who, 0, &[(Resource::Money, 1)]))
    };
    for n in 0..BUCKETS_MAX {
        drop(take(&set, n).unwrap());
    }
    let open = take(&set, 0).unwrap();
    assert_eq!(
        take(&set, BUCKETS_MAX).unwrap_err().kind,
        RefusalKind::TooManyBuckets
    );
    let hold = take(&LimitSet::new(vec![soft]), BUCKETS_MAX).unwrap();
    assert_eq!(hold.would_refuse()[0].kind, RefusalKind::TooManyBuckets);
    assert_eq!(accounts.sweep(1), BUCKETS_MAX - 1, "one is held");
    assert!(take(&set, BUCKETS_MAX).is_ok());
    assert_eq!(figures(&accounts, &set, "each"), (0, 1));
    drop(open);
}

#[test]
fn a_clock_that_goes_back_finds_what_was_spent() {
    let (accounts, set) = (Accounts::new(), budget(10));
    let noon = 20_000 * DAY_MS + DAY_MS / 2;
    spend(&money(&accounts, &set, noon, 9).unwrap(), 9);
    spend(&money(&accounts, &set, noon + DAY_MS, 8).unwrap(), 8);
    // Back in the first window, then in the second again: neither is fresh.
    for _ in 0..2 {
        accounts.sweep(noon + DAY_MS);
        let first = money(&accounts, &set, noon, 2).unwrap_err();
        assert_eq!((first.settled, first.kind), (9, RefusalKind::Settled));
        let second = money(&accounts, &set, noon + DAY_MS, 3).unwrap_err();
        assert_eq!((second.settled, second.kind), (8, RefusalKind::Settled));
    }
}

#[test]
fn a_window_that_was_swept_away_is_not_spent_twice() {
    const MINUTE_MS: i64 = 60_000;
    for each in [None, Some(Each::Key)] {
        let set = LimitSet::new(vec![Limit {
            each,
            ..limit("budget", Resource::Money, 10, Period::Minute)
        }]);
        let accounts = Accounts::new();
        spend(&money(&accounts, &set, 0, 10).unwrap(), 10);
        assert!(money(&accounts, &set, 0, 1).is_err());
        spend(&money(&accounts, &set, 5 * MINUTE_MS, 1).unwrap(), 1);
        accounts.sweep(5 * MINUTE_MS);
        // It came in the first minute; its body took five.
        let late = money(&accounts, &set, 0, 10).unwrap();
        assert_eq!(late.held().next().unwrap().window_ms, MINUTE_MS);
        spend(&late, 10);
        assert!(money(&accounts, &set, 0, 1).is_err());
        accounts.sweep(6 * MINUTE_MS);
        assert_eq!(
            money(&accounts, &set, 0, 1)
                .unwrap()
                .held()
                .next()
                .unwrap()
                .window_ms,
            2 * MINUTE_MS
        );
    }
}

#[test]
fn a_late_settlement_lands_in_the_window_that_it_was_taken_of() {
    let (accounts, set) = (Accounts::new(), budget(10));
    let late = money(&accounts, &set, 0, 9).unwrap();
    let open = money(&accounts, &set, DAY_MS, 10).unwrap();
    accounts.sweep(10 * DAY_MS);
    spend(&late, 7);
    let figures: Vec<_> = accounts
        .balances(&set)
        .iter()
        .map(|balance| (balance.window.start_ms, balance.settled, balance.held))
        .collect();
    assert_eq!(figures, [(0, 7, 0), (DAY_MS, 0, 10)]);
    drop(open);
    accounts.sweep(10 * DAY_MS);
    let left = accounts.balances(&set);
    assert_eq!((left.len(), left[0].window.start_ms), (1, DAY_MS));
}

#[test]
fn a_run_is_known_for_a_day_after_its_last_request() {
    let accounts = Accounts::new();
    let run = Limit {
        each: Some(Each::Run),
        ..limit("run", Resource::Money, 10, Period::Run)
    };
    let set = LimitSet::new(vec![run]);
    let at = 20_000 * DAY_MS;
    spend(&money(&accounts, &set, at, 9).unwrap(), 9);
    accounts.sweep(at + DAY_MS - 1);
    assert!(money(&accounts, &set, at + DAY_MS, 2).is_err());
    accounts.sweep(at + DAY_MS);
    assert!(money(&accounts, &set, at + DAY_MS, 2).is_ok());
}

#[test]
fn a_limit_keeps_its_figures_over_a_change_of_its_amount() {
    let accounts = Accounts::new();
    spend(&money(&accounts, &budget(10), 0, 9).unwrap(), 9);
    assert!(money(&accounts, &budget(10), 0, 2).is_err());
    assert!(money(&accounts, &budget(11), 0, 2).is_ok());
    let less = money(&accounts, &budget(5), 0, 1).unwrap_err();
    assert_eq!((less.settled, less.kind), (9, RefusalKind::Settled));
}

#[test]
fn what_is_left_is_told_of_the_tightest_account() {
    let accounts = Accounts::new();
    let team = Limit {
        scope: Scope::Team("team1".into()),
        ..limit("team", Resource::Money, 40, Period::Month)
    };
    let rate = limit("rate", Resource::Requests, 7, Period::Minute);
    let set = LimitSet::new(vec![
        team,
        rate,
        limit("all", Resource::Money, 100, Period::Day),
    ]);
    let who = caller(1);
    let amounts = [(Resource::Money, 20), (Resource::Requests, 1)];
    let ask = ask(&who, 5, &amounts);
    let before = accounts.affordable(&set, &ask).unwrap();
    assert_eq!((before.remainder, before.share), (40, 40));
    let _open = accounts.take(&set, &ask).unwrap();
    let beside = accounts.affordable(&set, &ask).unwrap();
    assert_eq!(
        (beside.remainder, beside.share, beside.unclampable),
        (20, 5, None)
    );
    let requests = accounts.tightest(&set, &ask, Resource::Requests).unwrap();
    assert_eq!((requests.remaining, requests.reset_ms), (6, Some(60_000)));
    assert!(accounts.tightest(&set, &ask, Resource::Tokens).is_none());
}

#[test]
fn alert_steps_are_told_once_a_window() {
    let accounts = Accounts::new();
    let alerting = Limit {
        alert_at_percent: vec![50, 80, 100],
        ..limit("budget", Resource::Money, 10, Period::Day)
    };
    let set = LimitSet::new(vec![alerting]);
    let steps = |at_ms, amount| {
        let hold = money(&accounts, &set, at_ms, amount).unwrap();
        hold.dispatch();
        let settlement = hold.settle(&Actual::Presumed).unwrap();
        settlement
            .alerts
            .iter()
            .map(|alert| alert.percent)
            .collect::<Vec<_>>()
    };
    assert_eq!(steps(0, 4), [0u8; 0]);
    assert_eq!(steps(0, 4), [50, 80]);
    assert_eq!(steps(0, 1), [0u8; 0]);
    assert_eq!(steps(0, 1), [100]);
    assert_eq!(steps(DAY_MS, 5), [50]);
}

#[test]
fn a_restart_finds_what_the_ledger_has_and_the_audit_finds_what_differs() {
    let limit = Arc::new(Limit {
        alert_at_percent: vec![50],
        ..limit("budget", Resource::Money, 10, Period::Day)
    });
    let set = LimitSet::new(vec![Limit::clone(&limit)]);
    let day = |n: i64| Window {
        start_ms: n * DAY_MS,
        end_ms: Some((n + 1) * DAY_MS),
    };
    let balance = |window, settled, held| Balance {
        limit: Arc::clone(&limit),
        bucket: "".into(),
        window,
        amount: 10,
        settled,
        held,
    };
    let accounts = Accounts::new();
    let known = balance(day(1), 6, 0);
    assert!(accounts.restore(&known) && accounts.restore(&balance(day(2), 2, 0)));
    let odd = Window {
        start_ms: DAY_MS + 1,
        end_ms: None,
    };
    assert!(!accounts.restore(&balance(odd, 1, 0)));
    let hold = money(&accounts, &set, DAY_MS, 3).unwrap();
    let held = balance(day(1), 6, 3);
    assert!(
        accounts
            .audit(&set, &[held, balance(day(2), 2, 0)], DAY_MS)
            .is_empty()
    );
    assert!(hold.dispatch());
    assert!(
        hold.settle(&Actual::Presumed).unwrap().alerts.is_empty(),
        "told before"
    );
    let drifts = accounts.audit(&set, &[known, balance(day(3), 1, 0)], DAY_MS);
    let mut found: Vec<_> = drifts
        .iter()
        .map(|d| {
            (
                d.account.window.start_ms / DAY_MS,
                d.account.settled,
                d.ledger_settled,
            )
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(1, 9, 6), (2, 2, 0), (3, 0, 1)]);
}

#[test]
fn what_the_ledger_knows_is_taken_over_once_however_often_it_is_told() {
    let set = budget(10);
    let accounts = Accounts::new();
    let limit = set.get("budget").unwrap();
    let told = |settled| Balance {
        limit: Arc::clone(limit),
        bucket: "".into(),
        window: limit.window(0),
        amount: 10,
        settled,
        held: 0,
    };
    assert!(accounts.restore(&told(4)) && accounts.restore(&told(4)));
    assert_eq!(figures(&accounts, &set, "budget"), (4, 0));
    // The ledger is behind: what it does not know yet is not counted again when it does.
    spend(&money(&accounts, &set, 0, 3).unwrap(), 3);
    assert!(accounts.restore(&told(4)) && accounts.restore(&told(7)));
    let hold = money(&accounts, &set, 0, 3).unwrap();
    assert_eq!(figures(&accounts, &set, "budget"), (7, 3));
    assert_eq!(money(&accounts, &set, 0, 1).unwrap_err().settled, 7);
    drop(hold);
    // It was spent while the limit was not in force.
    assert!(accounts.restore(&told(9)));
    assert_eq!(figures(&accounts, &set, "budget"), (9, 0));
}

#[test]
fn amounts_beyond_all_sums_lose_nothing_that_others_spent() {
    let soft = LimitSet::new(vec![Limit {
        hard: false,
        ..limit("budget", Resource::Money, 10, Period::Day)
    }]);
    let accounts = Accounts::new();
    spend(&money(&accounts, &soft, 0, 8).unwrap(), 8);
    let mine = money(&accounts, &soft, 0, 1).unwrap();
    let absurd: Vec<Hold> = (0..20)
        .map(|_| money(&accounts, &soft, 0, i64::MAX).unwrap())
        .collect();
    assert!(absurd[0].extend(&[(Resource::Money, i64::MAX)]).is_ok());
    absurd.iter().for_each(|hold| spend(hold, 0));
    assert_eq!(figures(&accounts, &soft, "budget"), (8, 1));
    // From now on it refuses.
    let hard = budget(10);
    assert_eq!(money(&accounts, &hard, 0, 2).unwrap_err().settled, 8);
    assert!(money(&accounts, &hard, 0, 1).is_ok());
    drop(mine);
}

#[test]
fn the_largest_limit_is_not_passed_by_an_overflow() {
    let set = budget(i64::MAX);
    let accounts = Accounts::new();
    let first = money(&accounts, &set, 0, i64::MAX - 1).unwrap();
    assert!(money(&accounts, &set, 0, 2).is_err());
    assert!(first.release().is_some());
    assert_eq!(figures(&accounts, &set, "budget"), (0, 0));
}

#[test]
fn a_request_is_counted_in_its_own_bucket_of_each_limit() {
    let set = LimitSet::new(vec![
        limit("all", Resource::Money, 1, Period::Day),
        limit("calls", Resource::Requests, 1, Period::Day),
        Limit {
            each: Some(Each::Key),
            ..limit("key", Resource::Money, 1, Period::Day)
        },
        Limit {
            each: Some(Each::Run),
            ..limit("run", Resource::Money, 1, Period::Run)
        },
    ]);
    let who = caller(1);
    let asked = ask(&who, 0, &[]);
    let counting = set.counting(&asked, Resource::Money);
    let counting: Vec<(&str, &str)> = counting
        .map(|(limit, bucket)| (&*limit.name, bucket))
        .collect();
    assert_eq!(counting, [("all", ""), ("key", "key1"), ("run", "run1")]);
    let nobody = Attribution::default();
    let asked = ask(&nobody, 0, &[]);
    let counting = set.counting(&asked, Resource::Money);
    let names: Vec<&str> = counting.map(|(limit, _)| &*limit.name).collect();
    assert_eq!(
        names,
        ["all", "key"],
        "a request without a run has no bucket"
    );
}
