//! Prices that the file gives: read, checked and kept; nothing is charged by them here.
//!
//! A price is for a million tokens, of images and requests for one; absent is not zero.

use std::collections::BTreeMap;

use policy::money::Nanos;

use crate::config::Price;
use crate::config::file::{AboveFile, PriceFile, RatesFile, TierFile};
use crate::config::problem::Problem;
use crate::config::units::{Percent, Usd};
use crate::config::values::At;

type Rates = BTreeMap<&'static str, Nanos>;

/// Resolves all prices.
pub fn resolve(files: &[At<PriceFile>], problems: &mut Vec<Problem>) -> Vec<Price> {
    files
        .iter()
        .filter_map(|file| price(file, problems))
        .collect()
}

fn price(written: &At<PriceFile>, problems: &mut Vec<Problem>) -> Option<Price> {
    let file = &written.value;
    let rates = named(file.rates());
    if rates.is_empty() && written.whole {
        let mend = "add `input` and `output`, such as `0.15 USD`";
        problems.push(Problem::at(written.place, "a price without any rate", mend));
    }
    let (from_ms, until_ms) = (file.from.as_ref(), file.until.as_ref());
    if let (Some(from), Some(until)) = (from_ms, until_ms)
        && from.value.ms >= until.value.ms
    {
        let what = "`until` is not after `from`: the price never holds";
        problems.push(Problem::at(until.place, what, "swap or correct them"));
    }
    let above = above(file.above_tokens.as_deref().unwrap_or_default(), problems);
    let Some(target) = &file.target else {
        if written.whole {
            let mend = "add `target: provider/model`";
            problems.push(Problem::at(written.place, "a price without `target`", mend));
        }
        return None;
    };
    if !target
        .value
        .split_once('/')
        .is_some_and(|(p, m)| !p.is_empty() && !m.is_empty())
    {
        let what = format!("{} is no target", target.shown());
        problems.push(Problem::at(target.place, what, "write `provider/model`"));
    }
    Some(Price {
        tiers: tiers(file.tier.as_ref(), problems),
        discount_basis_points: discount(file.discount.as_ref(), problems),
        target: target.value.clone(),
        rates,
        from_ms: from_ms.map(|from| from.value.ms),
        until_ms: until_ms.map(|until| until.value.ms),
        above,
    })
}

fn above(written: &[At<AboveFile>], problems: &mut Vec<Problem>) -> Vec<(u64, Rates)> {
    let mut steps: Vec<(u64, Rates)> = Vec::new();
    for step in written {
        let file = &step.value;
        let Some(n) = file.n.map(u64::from) else {
            if step.whole {
                let mend = "add `n`, the tokens of input above which it holds";
                problems.push(Problem::at(step.place, "a step without `n`", mend));
            }
            continue;
        };
        if steps.last().is_some_and(|(before, _)| *before >= n) {
            let mend = "list the steps from the smallest `n` to the largest";
            problems.push(Problem::at(
                step.place,
                format!("the step above {n} comes too late"),
                mend,
            ));
        }
        let own = named(file.rates());
        steps.push((n, own));
    }
    steps
}

fn tiers(
    written: Option<&At<TierFile>>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'static str, Rates> {
    let mut tiers = BTreeMap::new();
    let Some(At { value: file, .. }) = written else {
        return tiers;
    };
    let all: [(&str, &Option<At<RatesFile>>); 3] = [
        ("batch", &file.batch),
        ("flex", &file.flex),
        ("priority", &file.priority),
    ];
    for (name, tier) in all {
        let Some(tier) = tier else {
            continue;
        };
        let rates = named(tier.value.rates());
        if rates.is_empty() && tier.whole {
            let what = format!("the tier `{name}` has no rate");
            let mend = "add what differs in it, such as `input`";
            problems.push(Problem::at(tier.place, what, mend));
        }
        tiers.insert(name, rates);
    }
    tiers
}

fn discount(written: Option<&At<Percent>>, problems: &mut Vec<Problem>) -> u32 {
    let Some(written) = written else {
        return 0;
    };
    let Percent { basis_points } = written.value;
    if !(1..=10_000).contains(&basis_points) {
        let what = "a discount is more than 0% and at most 100%";
        let mend = "leave it out, or correct it";
        problems.push(Problem::at(written.place, what, mend));
    }
    basis_points
}

fn named<const N: usize>(rates: [(&'static str, Option<Usd>); N]) -> Rates {
    rates
        .into_iter()
        .filter_map(|(name, rate)| Some((name, rate?.0)))
        .collect()
}
