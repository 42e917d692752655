//! Many threads on one limit, with an observer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use policy::accounts::{Accounts, Actual, Billed, LimitSet};
use policy::limit::{Each, Limit, Period, Resource};

use crate::limits::{ask, caller, limit};

const AMOUNT: i64 = 1_000;

/// A small generator of numbers, so that a run is the same each time for each thread.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn no_observer_sees_a_hard_limit_exceeded_and_at_the_end_nothing_is_held() {
    let each = Limit {
        each: Some(Each::User),
        ..limit("each", Resource::Money, AMOUNT / 2, Period::Minute)
    };
    let all = limit("all", Resource::Money, AMOUNT, Period::Minute);
    let open = limit("open", Resource::Concurrent, 5, Period::Total);
    let set = LimitSet::new(vec![all, each, open]);
    let accounts = Accounts::new();
    let over = AtomicBool::new(false);
    let rounds = if std::env::var_os("BONDGATE_LONG").is_some() {
        500_000
    } else {
        10_000
    };
    thread::scope(|scope| {
        let workers = (1..=6usize).map(|n| {
            let (accounts, set) = (&accounts, &set);
            scope.spawn(move || work(accounts, set, n, rounds))
        });
        let workers: Vec<_> = workers.collect();
        let observer = scope.spawn(|| {
            let mut seen = 0u64;
            while !over.load(Ordering::Relaxed) {
                for balance in accounts.balances(&set) {
                    let used = balance.settled + balance.held;
                    assert!(used <= balance.amount, "{balance:?}");
                    seen += 1;
                }
                accounts.sweep(i64::try_from(seen % 50).unwrap() * 1_000);
            }
        });
        let taken: u64 = workers.into_iter().map(|w| w.join().unwrap()).sum();
        over.store(true, Ordering::Relaxed);
        observer.join().unwrap();
        assert!(taken > 0, "no request ever fitted");
    });
    for balance in accounts.balances(&set) {
        assert_eq!(balance.held, 0, "{balance:?}");
    }
}

fn work(accounts: &Accounts, set: &LimitSet, n: usize, rounds: u64) -> u64 {
    let mut seed = 0x9E37_79B9_7F4A_7C15 ^ u64::try_from(n).unwrap();
    let mut taken = 0;
    for round in 0..rounds {
        let who = caller(usize::try_from(next(&mut seed) % 3).unwrap());
        let asked = i64::try_from(next(&mut seed) % 60).unwrap();
        let at_ms = i64::try_from(round * 7_919 % 600_000).unwrap();
        let amounts = [(Resource::Money, asked), (Resource::Concurrent, 1)];
        let Ok(hold) = accounts.take(set, &ask(&who, at_ms, &amounts)) else {
            continue;
        };
        taken += 1;
        if next(&mut seed).is_multiple_of(4) {
            let _ = hold.extend(&[(Resource::Money, 5)]);
        }
        if next(&mut seed).is_multiple_of(3) {
            continue;
        }
        assert!(hold.dispatch());
        let billed = Billed {
            provider: "openai",
            money: asked / 2,
            tokens: 0,
            requests: 1,
        };
        assert!(hold.settle(&Actual::Billed(&[billed])).is_some());
    }
    taken
}
