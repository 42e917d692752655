//! The budget of retries: what fails altogether is not tried much more often than it is asked.

use std::time::Duration;

use policy::retries::{RetryBudget, RetryRules};
use proptest::prelude::*;

const RULES: RetryRules = RetryRules {
    ratio_percent: 20,
    floor: 10,
};

/// Tries of so many requests a second, each of which fails and wants three more.
fn tries(rate: u64, seconds: u64) -> (u64, u64) {
    let budget = RetryBudget::default();
    let requests = rate * seconds;
    let mut tries = 0;
    for n in 0..requests {
        let now = Duration::from_secs_f64(n as f64 / rate as f64);
        budget.earn(now);
        tries += 1;
        for _ in 0..3 {
            tries += u64::from(budget.take(now, &RULES));
        }
    }
    (requests, tries)
}

#[test]
fn a_few_further_tries_are_always_allowed() {
    let budget = RetryBudget::default();
    for second in 1..5 {
        let now = Duration::from_secs(second);
        let taken = (0..100).filter(|_| budget.take(now, &RULES)).count();
        assert_eq!(taken, 10);
    }
}

#[test]
fn a_clock_that_stands_still_or_goes_back_gives_no_more() {
    let budget = RetryBudget::default();
    let taken = |ms| {
        (0..100)
            .filter(|_| budget.take(Duration::from_millis(ms), &RULES))
            .count()
    };
    assert_eq!(taken(1_000), 10);
    assert_eq!(taken(1_000), 0);
    assert_eq!(taken(900), 0);
}

proptest! {
    #[test]
    fn when_everything_fails_there_are_few_more_tries_than_requests(rate in 50_u64..400, seconds in 5_u64..20) {
        let (requests, tries) = tries(rate, seconds);
        // What the first second may have on top stays.
        prop_assert!(tries as f64 <= requests as f64 * 1.2 + 10.0, "{tries} of {requests}");
    }

    #[test]
    fn below_that_the_floor_holds(rate in 1_u64..50, seconds in 5_u64..20) {
        let (requests, tries) = tries(rate, seconds);
        prop_assert!(tries <= requests + 10 * (seconds + 1));
    }
}
