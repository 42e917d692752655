//! A request never costs more than its bound, and a budget is used to its end.

use std::cell::Cell;

use policy::accounts::{Accounts, Actual, Affordable, Billed, Hold, LimitSet, RefusalKind};
use policy::bound::{
    Bound, BoundError, CLAMP_TOKENS_MIN, Ceiling, Demand, Fit, IMAGE_TOKENS, ITEM_TOKENS,
    REQUEST_TOKENS, bound, fit,
};
use policy::limit::{Period, Resource};
use proptest::prelude::*;

use crate::limits::{ask, caller, limit};

/// Nano-dollars a token of input and output, and a maximum of output.
#[derive(Clone, Copy, Debug)]
struct Rate(i64, i64, Option<u64>);

impl Ceiling for Rate {
    fn input_tokens_max(&self) -> Option<u64> {
        Some(200_000)
    }

    fn output_tokens_max(&self) -> Option<u64> {
        self.2
    }

    fn cost_nanos(&self, input_tokens: u64, output_tokens: u64) -> Option<i64> {
        let cost = |tokens, rate| i64::try_from(tokens).unwrap().checked_mul(rate);
        (self.0 >= 0).then(|| {
            let input = cost(input_tokens, self.0).unwrap();
            input
                .checked_add(cost(output_tokens, self.1).unwrap())
                .unwrap()
        })
    }
}

fn left(remainder: i64, share: i64) -> Affordable {
    Affordable {
        remainder,
        share,
        unclampable: None,
    }
}

#[test]
fn the_bound_is_the_worst_of_every_target() {
    let demand = Demand {
        bytes: 100,
        items: 2,
        images: 1,
        candidates: 3,
        max_tokens: Some(50),
        ..Demand::default()
    };
    let input = REQUEST_TOKENS + 100 + 2 * ITEM_TOKENS + IMAGE_TOKENS;
    let found = bound(&demand, &[Rate(1, 4, None), Rate(2, 1, None)]).unwrap();
    let nanos = i64::try_from(input).unwrap() * 2 + 150;
    let (output_tokens, nanos) = (Some(150), Some(nanos));
    assert_eq!(
        found,
        Bound {
            input_tokens: input,
            output_tokens,
            nanos
        }
    );
    let large = Demand {
        documents: 1,
        ..demand
    };
    assert_eq!(
        bound(&large, &[Rate(1, 1, None)]).unwrap().input_tokens,
        200_000
    );
}

#[test]
fn what_has_no_bound_or_no_price_is_an_error() {
    let demand = Demand::default();
    let endless = bound(&demand, &[Rate(1, 1, Some(9)), Rate(1, 1, None)]).unwrap();
    assert_eq!((endless.output_tokens, endless.nanos), (None, None));
    let unpriced = bound(&demand, &[Rate(1, 1, None), Rate(-1, 1, None)]);
    assert_eq!(unpriced, Err(BoundError::Unpriced { target: 1 }));
    let stored = Demand {
        unbounded: Some("a stored conversation"),
        ..demand.clone()
    };
    let error = bound(&stored, &[Rate(1, 1, None)]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("a stored conversation can cost")
    );
    let refusing = Affordable {
        unclampable: Some(5),
        ..left(5, 5)
    };
    assert_eq!(
        fit(&demand, &[Rate(1, 1, None)], refusing),
        Err(BoundError::Output)
    );
}

#[test]
fn an_output_is_clamped_where_it_has_no_limit_or_does_not_fit() {
    let targets = [Rate(0, 2, Some(10_000))];
    let stated = Demand {
        max_tokens: Some(5_000),
        ..Demand::default()
    };
    let open = Demand::default();
    let whole = |nanos| Ok(Fit::Whole { nanos });
    let clamped = |max_tokens, nanos| Ok(Fit::Clamped { max_tokens, nanos });
    assert_eq!(fit(&stated, &targets, left(10_000, 2_500)), whole(10_000));
    assert_eq!(
        fit(&stated, &targets, left(9_999, 2_499)),
        clamped(1_249, 2_498)
    );
    assert_eq!(fit(&open, &targets, left(20_000, 20_000)), whole(20_000));
    assert_eq!(
        fit(&open, &targets, left(20_000, 5_000)),
        clamped(2_500, 5_000)
    );
    assert_eq!(
        fit(&open, &[Rate(0, 2, None)], left(20_000, 5_000)),
        clamped(2_500, 5_000)
    );
    let least = i64::try_from(CLAMP_TOKENS_MIN).unwrap() * 2;
    assert_eq!(
        fit(&open, &targets, left(7, 7)),
        clamped(CLAMP_TOKENS_MIN, least)
    );
    let refusing = Affordable {
        unclampable: Some(50),
        ..left(50, 50)
    };
    assert_eq!(fit(&stated, &targets, refusing), whole(10_000));
}

proptest! {
    #[test]
    fn a_clamped_request_costs_what_its_share_affords_and_no_more_would_fit(
        share in 0i64..10_000_000, rates in proptest::collection::vec((0i64..5, 1i64..50), 1..4),
        bytes in 0u64..5_000, candidates in 1u64..4,
    ) {
        let targets: Vec<Rate> = rates.iter().map(|(i, o)| Rate(*i, *o, None)).collect();
        let demand = Demand { bytes, candidates, ..Demand::default() };
        let Ok(Fit::Clamped { max_tokens, nanos }) = fit(&demand, &targets, left(share, share)) else {
            return Err(TestCaseError::fail("its output has no bound"));
        };
        let of = |max_tokens| {
            let demand = Demand { max_tokens: Some(max_tokens), ..demand.clone() };
            bound(&demand, &targets).unwrap().nanos.unwrap()
        };
        prop_assert_eq!(nanos, of(max_tokens));
        prop_assert!(nanos <= share || max_tokens == CLAMP_TOKENS_MIN);
        prop_assert!(of(max_tokens + 1) > share || max_tokens == 1 << 20);
    }
}

/// Fifty callers, each with one request at a time, spend a budget; what was
/// settled when the first of them was told that it is spent, in per mille.
fn drain(amount: i64, output_of: impl Fn() -> u64) -> i64 {
    let accounts = Accounts::new();
    let set = LimitSet::new(vec![limit("budget", Resource::Money, amount, Period::Day)]);
    let who = caller(1);
    let targets = [Rate(3, 15_000, Some(64_000))];
    let mut open: Vec<(Hold, i64)> = Vec::new();
    let mut settled = 0;
    for turn in 0..1_000_000usize {
        // A request comes in while fewer than fifty are under way, else one of them ends.
        let demand = Demand {
            bytes: 2_000,
            items: 3,
            ..Demand::default()
        };
        let asked = ask(&who, 0, &[]);
        let affordable = accounts.affordable(&set, &asked).unwrap();
        let (nanos, max_tokens) = match fit(&demand, &targets, affordable) {
            Ok(Fit::Whole { nanos }) => (nanos, 64_000),
            Ok(Fit::Clamped { nanos, max_tokens }) => (nanos, max_tokens),
            Err(error) => panic!("{error}"),
        };
        let amounts = [(Resource::Money, nanos)];
        let taken = match open.len() {
            50 => None,
            _ => Some(accounts.take(&set, &ask(&who, 0, &amounts))),
        };
        match taken {
            Some(Ok(hold)) => {
                assert!(hold.dispatch());
                let cost = targets[0]
                    .cost_nanos(900, output_of().min(max_tokens))
                    .unwrap();
                open.push((hold, cost));
            }
            Some(Err(refusal)) if refusal.kind == RefusalKind::Settled => {
                assert_eq!(refusal.settled, settled);
                return settled * 1000 / amount;
            }
            Some(Err(_)) | None => {
                let (hold, money) = open.swap_remove(turn * 7 % open.len());
                let billed = Billed {
                    provider: "openai",
                    money,
                    tokens: 0,
                    requests: 1,
                };
                assert!(hold.settle(&Actual::Billed(&[billed])).is_some());
                settled += money;
            }
        }
    }
    panic!("the budget never ended");
}

#[test]
fn fifty_callers_spend_nearly_all_of_a_budget_before_one_is_told_that_it_is_spent() {
    for (amount, output) in [
        (1_000_000_000, 300),
        (1_000_000_000, 2_000),
        (200_000_000, 800),
    ] {
        let seed = Cell::new(7u64);
        let random = || {
            seed.set(
                seed.get()
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
            (seed.get() >> 33) % (2 * output)
        };
        let spent = drain(amount, random);
        assert!(spent >= 950, "{spent} per mille of {amount}");
    }
}
