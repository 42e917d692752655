//! Laws of prices, for rows and usages of all kinds.

use dialect::chat::Usage;
use policy::money::Nanos;
use policy::price::{Cost, Given, Kind, PriceRow, Tier};
use proptest::prelude::*;

/// Up to a thousand dollars for a million tokens, in nano-dollars.
fn money() -> impl Strategy<Value = Nanos> {
    prop_oneof![Just(0), 0..2_000_i64, 0..1_000_000_000_i64].prop_map(|n| Nanos(n * 1_000))
}

fn kinds() -> impl Strategy<Value = Vec<(&'static str, Nanos)>> {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    prop::collection::vec((prop::sample::select(names), money()), 0..8)
}

fn rows() -> impl Strategy<Value = PriceRow> {
    let steps = prop::collection::btree_map(0..3_000_u64, kinds(), 0..3);
    let tiers = prop::sample::subsequence(Tier::ALL.to_vec(), 0..=4);
    let tiers = tiers.prop_flat_map(|tiers| {
        tiers
            .into_iter()
            .map(|tier| kinds().prop_map(move |own| (tier, own)))
            .collect::<Vec<_>>()
    });
    let whole = (
        money(),
        money(),
        kinds(),
        steps,
        tiers,
        0..=10_000_u32,
        money(),
    );
    whole.prop_map(
        |(input, output, more, above, tiers, discount_basis_points, minimum)| {
            let mut rates: std::collections::BTreeMap<_, _> = more.into_iter().collect();
            rates.insert("input", input);
            rates.insert("output", output);
            PriceRow::from_per_million(&Given {
                rates,
                above: above
                    .into_iter()
                    .map(|(n, own)| (n, own.into_iter().collect()))
                    .collect(),
                tiers: tiers
                    .into_iter()
                    .map(|(tier, own)| (tier, own.into_iter().collect()))
                    .collect(),
                discount_basis_points,
                minimum,
                ..Given::default()
            })
            .unwrap()
        },
    )
}

fn count() -> BoxedStrategy<u64> {
    prop_oneof![20 => 0..2_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)].boxed()
}

fn small() -> BoxedStrategy<u64> {
    (0..2_000_u64).boxed()
}

fn usages(count: BoxedStrategy<u64>) -> impl Strategy<Value = Usage> {
    let input = (
        count.clone(),
        count.clone(),
        count.clone(),
        count.clone(),
        count.clone(),
    );
    let output = (count.clone(), count.clone(), count);
    (input, output).prop_map(
        |((input, cache_read, cache_write, cache_write_1h, audio_in), out)| {
            let (output, reasoning, audio_out) = out;
            Usage {
                input,
                cache_read,
                cache_write,
                cache_write_1h,
                audio_in,
                output,
                reasoning,
                audio_out,
                ..Usage::default()
            }
        },
    )
}

fn tier() -> impl Strategy<Value = Option<Tier>> {
    prop::option::of(prop::sample::select(Tier::ALL.to_vec()))
}

fn fields(usage: &mut Usage) -> [&mut u64; 8] {
    [
        &mut usage.input,
        &mut usage.cache_read,
        &mut usage.cache_write,
        &mut usage.cache_write_1h,
        &mut usage.audio_in,
        &mut usage.output,
        &mut usage.reasoning,
        &mut usage.audio_out,
    ]
}

/// Total tokens of input and output, which need not fit.
fn totals(usage: &Usage) -> (u128, u128) {
    let sum = |counts: &[u64]| counts.iter().map(|n| u128::from(*n)).sum();
    (
        sum(&[
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_1h,
            usage.audio_in,
        ]),
        sum(&[usage.output, usage.reasoning, usage.audio_out]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_cost_exceeds_the_ceiling(
        row in rows(), usage in usages(count()), tier in tier(),
        requests in 0..=1_u64, more in (0..50_u64, 0..50_u64),
    ) {
        let (input, output) = totals(&usage);
        let bound = |n: u128, more: u64| u64::try_from(n + u128::from(more)).unwrap_or(u64::MAX);
        prop_assume!(input <= u128::from(u64::MAX) && output <= u128::from(u64::MAX));
        let ceiling = row.ceiling(bound(input, more.0), bound(output, more.1)).unwrap();
        let cost = row.cost(&usage, tier, requests);
        prop_assert!(cost.nanos <= ceiling, "{} > {ceiling}", cost.nanos);
        if usage.audio_in == 0 && usage.audio_out == 0 {
            let ceiling = row.text_ceiling(bound(input, more.0), bound(output, more.1)).unwrap();
            prop_assert!(cost.nanos <= ceiling, "text: {} > {ceiling}", cost.nanos);
        }
    }

    #[test]
    fn a_larger_bound_has_no_smaller_ceiling(
        row in rows(), input in count(), output in count(), more in (small(), small()),
    ) {
        let larger = row.ceiling(input.saturating_add(more.0), output.saturating_add(more.1));
        prop_assert!(row.ceiling(input, output) <= larger);
    }

    #[test]
    fn within_a_step_more_tokens_cost_no_less(
        mut row in rows(), mut usage in usages(count()), tier in tier(),
        which in 0..8_usize, more in count(),
    ) {
        row.above.clear();
        row.tiers.iter_mut().for_each(|(_, schedule)| schedule.above.clear());
        let before = row.cost(&usage, tier, 1);
        let field = fields(&mut usage).into_iter().nth(which).unwrap();
        *field = field.saturating_add(more);
        prop_assert!(row.cost(&usage, tier, 1).nanos >= before.nanos);
    }

    #[test]
    fn each_token_is_charged_in_one_kind_only(row in rows(), usage in usages(small())) {
        let mut row = row;
        row.above.clear();
        (row.discount_basis_points, row.minimum) = (0, Nanos::ZERO);
        let whole = row.cost(&usage, None, 0);
        let mut parts = 0;
        for which in 0..8 {
            let mut usage = usage.clone();
            for (at, field) in fields(&mut usage).into_iter().enumerate() {
                if at != which {
                    *field = 0;
                }
            }
            parts += row.cost(&usage, None, 0).nanos.0;
        }
        // Each part is rounded up by less than a nano-dollar.
        prop_assert!((parts - 8..=parts).contains(&whole.nanos.0), "{} of {parts}", whole.nanos);
    }

    #[test]
    fn nothing_overflows(row in rows(), usage in usages(count()), tier in tier(), n in count()) {
        let Cost { nanos, saturated, .. } = row.cost(&usage, tier, n);
        prop_assert!(nanos >= Nanos::ZERO);
        prop_assert!(!saturated || nanos == Nanos(i64::MAX));
    }

    #[test]
    fn a_row_is_named_by_what_it_says(one in money(), other in money()) {
        let row = |input| PriceRow::from_per_million(&Given {
            rates: [("input", input)].into(),
            ..Given::default()
        }).unwrap();
        prop_assert_eq!(row(one).id == row(other).id, one == other);
    }
}
