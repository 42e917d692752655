//! Prices that the file gives: read, checked and kept; nothing is charged by them here.
//!
//! A price is for a million tokens, of images and requests for one; absent is not zero.

use std::collections::BTreeMap;

use policy::money::Nanos;
use policy::price::{Given, PriceRow, Tier};

use crate::config::file::{AboveFile, PriceFile, TierFile};
use crate::config::problem::Problem;
use crate::config::units::{Percent, Usd};
use crate::config::values::At;

type Rates = BTreeMap<&'static str, Nanos>;

/// Resolves all prices.
pub fn resolve(files: &[At<PriceFile>], problems: &mut Vec<Problem>) -> Vec<PriceRow> {
    files
        .iter()
        .filter_map(|file| price(file, problems))
        .collect()
}

fn price(written: &At<PriceFile>, problems: &mut Vec<Problem>) -> Option<PriceRow> {
    let before = problems.len();
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
    let tiers = tiers(file.tier.as_ref(), problems);
    let discount = discount(file.discount.as_ref(), problems);
    let (provider, model) = target(written, problems)?;
    let given = Given {
        provider,
        model,
        rates,
        from_ms: from_ms.map(|from| from.value.ms),
        until_ms: until_ms.map(|until| until.value.ms),
        above,
        tiers,
        discount_basis_points: discount,
        minimum: Nanos::ZERO,
    };
    let row = PriceRow::from_per_million(&given);
    if let Err(unfit) = &row
        && problems.len() == before
        && written.whole
    {
        let mend = "give what the provider's price list says";
        problems.push(Problem::at(written.place, unfit.to_string(), mend));
    }
    row.ok()
}

fn target<'f>(
    written: &'f At<PriceFile>,
    problems: &mut Vec<Problem>,
) -> Option<(&'f str, &'f str)> {
    let Some(target) = &written.value.target else {
        if written.whole {
            let mend = "add `target: provider/model`";
            problems.push(Problem::at(written.place, "a price without `target`", mend));
        }
        return None;
    };
    let parts = target.value.split_once('/');
    let parts = parts.filter(|(provider, model)| !provider.is_empty() && !model.is_empty());
    if parts.is_none() {
        let what = format!("{} is no target", target.shown());
        problems.push(Problem::at(target.place, what, "write `provider/model`"));
    }
    parts
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

fn tiers(written: Option<&At<TierFile>>, problems: &mut Vec<Problem>) -> Vec<(Tier, Rates)> {
    let Some(At { value: file, .. }) = written else {
        return Vec::new();
    };
    let of = |tier| match tier {
        Tier::Batch => &file.batch,
        Tier::Flex => &file.flex,
        Tier::Priority => &file.priority,
        Tier::Fast => &file.fast,
    };
    let mut tiers = Vec::new();
    for tier in Tier::ALL {
        let Some(own) = of(tier) else {
            continue;
        };
        let rates = named(own.value.rates());
        if rates.is_empty() && own.whole {
            let what = format!("the tier `{}` has no rate", tier.name());
            let mend = "add what differs in it, such as `input`";
            problems.push(Problem::at(own.place, what, mend));
        }
        tiers.push((tier, rates));
    }
    tiers
}

/// In basis points.
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
