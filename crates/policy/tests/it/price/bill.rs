//! What a usage costs, by hand-made rows.

use dialect::chat::Usage;
use dialect::task::{Task, Work};
use policy::money::Nanos;
use policy::price::{Given, PriceRow, Tier, Unfit};

use super::{given, usage, usd};

#[test]
fn a_price_for_a_million_is_charged_to_the_last_place() {
    let row = given(&[("input", "0.15"), ("output", "0.6")]);
    assert_eq!(row.rates.input, Some(150_000));
    let cost = row.cost(&usage(1_000_000, 0), None, 1);
    assert_eq!(cost.nanos, usd("0.15"));
    // 7 × 150,000 + 3 × 600,000 pico-dollars.
    assert_eq!(row.cost(&usage(7, 3), None, 1).nanos, Nanos(2_850));
    assert!(!cost.unpriced && !cost.saturated);
}

#[test]
fn a_request_is_rounded_up_once() {
    let row = given(&[("input", "0.0001"), ("output", "0.0001")]);
    // 100 pico-dollars a token: one of each is a fifth of a nano-dollar.
    assert_eq!(row.cost(&usage(1, 1), None, 1).nanos, Nanos(1));
    assert_eq!(row.cost(&usage(5, 5), None, 1).nanos, Nanos(1));
    assert_eq!(row.cost(&usage(6, 5), None, 1).nanos, Nanos(2));
    assert_eq!(row.cost(&usage(0, 0), None, 0).nanos, Nanos(0));
}

#[test]
fn tokens_without_a_rate_are_unpriced_and_never_nothing_in_silence() {
    let row = given(&[("input", "1")]);
    let cost = row.cost(&usage(10, 1), None, 1);
    assert!(cost.unpriced);
    assert_eq!(cost.nanos, Nanos(10_000));
    assert!(!row.cost(&usage(10, 0), None, 1).unpriced);
    assert_eq!(row.ceiling(10, 1), None);
    assert_eq!(row.ceiling(10, 0), Some(Nanos(10_000)));
    let output = given(&[("output", "1")]);
    assert!(output.cost(&usage(1, 0), None, 1).unpriced);
}

#[test]
fn a_price_of_nothing_is_a_price() {
    let row = given(&[("input", "0"), ("output", "0")]);
    let cost = row.cost(&usage(1_000, 1_000), None, 1);
    assert_eq!((cost.nanos, cost.unpriced), (Nanos(0), false));
    assert_eq!(row.ceiling(1_000, 1_000), Some(Nanos(0)));
}

#[test]
fn kinds_without_a_rate_of_their_own_are_charged_as_what_they_are_one_of() {
    let row = given(&[("input", "3"), ("output", "15"), ("cache_write", "4")]);
    let one = |set: fn(&mut Usage)| {
        let mut usage = Usage::default();
        set(&mut usage);
        row.cost(&usage, None, 0).nanos
    };
    assert_eq!(one(|u| u.cache_read = 1), Nanos(3_000));
    assert_eq!(one(|u| u.cache_write = 1), Nanos(4_000));
    assert_eq!(one(|u| u.cache_write_1h = 1), Nanos(4_000));
    assert_eq!(one(|u| u.audio_in = 1), Nanos(3_000));
    assert_eq!(one(|u| u.reasoning = 1), Nanos(15_000));
    assert_eq!(one(|u| u.audio_out = 1), Nanos(15_000));
}

#[test]
fn above_a_length_the_whole_request_costs_more_however_its_input_was_served() {
    let row = PriceRow::from_per_million(&Given {
        rates: [("input", usd("1")), ("output", usd("4"))].into(),
        above: vec![(200, [("input", usd("2"))].into())],
        ..Given::default()
    })
    .unwrap();
    assert_eq!(row.cost(&usage(200, 1), None, 1).nanos, Nanos(204_000));
    assert_eq!(row.cost(&usage(201, 1), None, 1).nanos, Nanos(406_000));
    let cached = Usage {
        cache_read: 150,
        ..usage(51, 0)
    };
    assert_eq!(row.cost(&cached, None, 1).nanos, Nanos(402_000));
    // Output keeps its rate, and a hold covers the step as soon as it can be reached.
    assert_eq!(row.ceiling(200, 0), Some(Nanos(200_000)));
    assert_eq!(row.ceiling(201, 0), Some(Nanos(402_000)));
}

#[test]
fn a_tier_has_its_own_rates_and_an_unknown_one_is_no_bargain() {
    let row = PriceRow::from_per_million(&Given {
        rates: [("input", usd("2")), ("output", usd("8"))].into(),
        tiers: vec![
            (Tier::Batch, [("input", usd("1"))].into()),
            (Tier::Priority, [("output", usd("16"))].into()),
        ],
        ..Given::default()
    })
    .unwrap();
    let cost = |tier| row.cost(&usage(1, 1), tier, 1);
    assert_eq!(cost(None).nanos, Nanos(10_000));
    assert_eq!(cost(Some(Tier::Batch)).nanos, Nanos(9_000));
    assert_eq!(cost(Some(Tier::Priority)).nanos, Nanos(18_000));
    assert_eq!(cost(Some(Tier::Flex)), cost(None));
    assert!(cost(Some(Tier::Fast)).unpriced);
    assert_eq!(row.ceiling(1, 1), Some(Nanos(18_000)));
    assert_eq!(Tier::by_name("on_demand"), None);
    assert_eq!(Tier::by_name("flex"), Some(Tier::Flex));
}

#[test]
fn requests_discount_and_minimum_are_charged() {
    let row = PriceRow::from_per_million(&Given {
        rates: [
            ("input", usd("1")),
            ("output", usd("1")),
            ("request", usd("0.005")),
        ]
        .into(),
        discount_basis_points: 2_500,
        minimum: usd("0.004"),
        ..Given::default()
    })
    .unwrap();
    assert_eq!(row.cost(&usage(0, 0), None, 1).nanos, usd("0.004"));
    assert_eq!(row.cost(&usage(0, 0), None, 2).nanos, usd("0.0075"));
    assert_eq!(row.cost(&usage(0, 0), None, 0).nanos, Nanos(0));
    assert_eq!(row.cost(&usage(1_000_000, 0), None, 0).nanos, usd("0.75"));
    assert_eq!(row.ceiling(0, 0), Some(usd("0.004")));
}

#[test]
fn sound_is_left_out_of_the_ceiling_of_a_request_that_has_none() {
    let row = given(&[
        ("input", "1"),
        ("output", "1"),
        ("audio_in", "40"),
        ("audio_out", "80"),
    ]);
    assert_eq!(row.ceiling(1, 1), Some(Nanos(120_000)));
    assert_eq!(row.text_ceiling(1, 1), Some(Nanos(2_000)));
}

#[test]
fn a_picture_that_is_edited_is_held_as_one_however_many_bytes_it_has() {
    let row = given(&[("input", "1"), ("image", "40000")]);
    let edit = |picture_bytes| Work {
        task: Task::ImageEdit,
        pictures: 1,
        images: 1,
        picture_bytes,
        ..Work::default()
    };
    let small = row.ceiling_of(&edit(0), 500);
    assert!(small.is_some());
    assert_eq!(row.ceiling_of(&edit(20_000_000), 20_000_500), small);
    assert_ne!(row.ceiling_of(&edit(0), 1_000), small);
}

#[test]
fn absurd_counts_are_the_largest_amount_and_say_so() {
    let row = given(&[("input", "9000000000"), ("output", "9000000000")]);
    let all = Usage {
        input: u64::MAX,
        cache_read: u64::MAX,
        cache_write: u64::MAX,
        cache_write_1h: u64::MAX,
        audio_in: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        audio_out: u64::MAX,
        ..Usage::default()
    };
    let cost = row.cost(&all, Some(Tier::Batch), u64::MAX);
    assert_eq!((cost.nanos, cost.saturated), (Nanos(i64::MAX), true));
    assert_eq!(row.ceiling(u64::MAX, u64::MAX), Some(Nanos(i64::MAX)));
    let cheap = given(&[("input", "0.000001"), ("output", "0")]);
    let cost = cheap.cost(&usage(u64::MAX, u64::MAX), None, 1);
    assert_eq!(
        (cost.nanos, cost.saturated),
        (Nanos(18_446_744_073_709_552), false)
    );
}

#[test]
fn a_price_that_cannot_be_is_refused_with_the_reason() {
    let refused = |name: &'static str, nanos: i64| {
        let rates = [(name, Nanos(nanos))].into();
        PriceRow::from_per_million(&Given {
            rates,
            ..Given::default()
        })
        .unwrap_err()
    };
    assert_eq!(refused("input", 1), Unfit::TooFine("input"));
    assert_eq!(refused("input", -1_000), Unfit::Negative("input"));
    assert_eq!(refused("video", 1_000), Unfit::Unknown("video".to_owned()));
    let none = PriceRow::from_per_million(&Given::default());
    assert_eq!(none.unwrap_err(), Unfit::Empty);
    let steps = PriceRow::from_per_million(&Given {
        rates: [("input", usd("1"))].into(),
        above: vec![(9, [].into()), (9, [].into())],
        ..Given::default()
    });
    assert!(matches!(steps, Err(Unfit::Steps(_))));
    let discount = PriceRow::from_per_million(&Given {
        rates: [("input", usd("1"))].into(),
        discount_basis_points: 10_001,
        ..Given::default()
    });
    assert_eq!(discount.unwrap_err(), Unfit::Discount(10_001));
}
