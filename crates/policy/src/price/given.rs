//! Prices as a configuration gives them: money for a million tokens, of images and
//! requests for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::{Kind, PriceRow, Rates, Schedule, Source, Step, Tier, data};
use crate::money::Nanos;

/// A price as it is given; rates by the names of [`Kind`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given<'a> {
    /// The provider's name in the configuration.
    pub provider: &'a str,
    /// The model in the provider's words.
    pub model: &'a str,
    /// Rates of the standard tier.
    pub rates: BTreeMap<&'a str, Nanos>,
    /// From when it holds, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Until when it holds, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Rates of requests with more than so many tokens of input, ascending.
    pub above: Vec<(u64, BTreeMap<&'a str, Nanos>)>,
    /// Rates of other tiers; what one leaves out is as in the standard tier.
    pub tiers: Vec<(Tier, BTreeMap<&'a str, Nanos>)>,
    /// What is taken off, in hundredths of a per cent; at most 10,000.
    pub discount_basis_points: u32,
    /// The least that a request costs.
    pub minimum: Nanos,
}

/// A price that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// No rate is given.
    #[error("a price without any rate; add `input` and `output`")]
    Empty,
    /// A kind that has no price.
    #[error(
        "`{0}` has no price; the kinds are input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, image_in, image_out, image, character, second and request"
    )]
    Unknown(String),
    /// Below zero.
    #[error("`{0}` is below zero")]
    Negative(&'static str),
    /// A rate that is no whole number of pico-dollars a token.
    #[error("`{0}` has more than six decimal places of a dollar for a million tokens")]
    TooFine(&'static str),
    /// Steps out of order.
    #[error("{0}; list the steps from the smallest to the largest")]
    Steps(String),
    /// More than all is taken off.
    #[error("a discount of {0} hundredths of a per cent; at most 10000 can be taken off")]
    Discount(u32),
}

impl PriceRow {
    /// The row of a price that a configuration gives.
    ///
    /// # Errors
    /// [`Unfit`]: there is no rate, an unknown kind, an amount that is negative or finer
    /// than a pico-dollar a token, steps out of order, a discount above all of it.
    pub fn from_per_million(given: &Given<'_>) -> Result<PriceRow, Unfit> {
        let standard = Schedule {
            rates: rates(&given.rates)?,
            above: steps(&given.above)?,
        }
        .complete();
        if standard.rates.is_empty() {
            return Err(Unfit::Empty);
        }
        if given.discount_basis_points > 10_000 {
            return Err(Unfit::Discount(given.discount_basis_points));
        }
        if given.minimum < Nanos::ZERO {
            return Err(Unfit::Negative("minimum"));
        }
        let mut tiers = Vec::with_capacity(given.tiers.len());
        for (tier, own) in &given.tiers {
            let own = Schedule {
                rates: rates(own)?,
                above: Vec::new(),
            };
            tiers.push((*tier, own.over(&standard)));
        }
        Ok(PriceRow {
            id: data::id(Source::Configuration, &format!("{given:?}")),
            provider: Arc::from(given.provider),
            model: Arc::from(given.model),
            from_ms: given.from_ms,
            until_ms: given.until_ms,
            rates: standard.rates,
            above: standard.above,
            tiers,
            discount_basis_points: given.discount_basis_points,
            minimum: given.minimum,
            source: Source::Configuration,
            max_input_tokens: None,
            max_output_tokens: None,
        })
    }
}

fn steps(given: &[(u64, BTreeMap<&str, Nanos>)]) -> Result<Vec<Step>, Unfit> {
    let mut steps = Vec::with_capacity(given.len());
    for (n, own) in given {
        let (n, rates) = (*n, rates(own)?);
        steps.push(Step { n, rates });
    }
    data::ascending(&steps).map_err(Unfit::Steps)?;
    Ok(steps)
}

fn rates(given: &BTreeMap<&str, Nanos>) -> Result<Rates, Unfit> {
    let mut rates = Rates::default();
    for (name, nanos) in given {
        let kind = Kind::by_name(name).ok_or_else(|| Unfit::Unknown((*name).to_owned()))?;
        rates.set(kind, Some(pico(kind, *nanos)?));
    }
    Ok(rates)
}

/// Nano-dollars for a million are thousandths of a pico-dollar for one.
fn pico(kind: Kind, nanos: Nanos) -> Result<u64, Unfit> {
    let nanos = u64::try_from(nanos.0).map_err(|_| Unfit::Negative(kind.name()))?;
    if kind.is_each() {
        return Ok(nanos.saturating_mul(1_000));
    }
    if !nanos.is_multiple_of(1_000) {
        return Err(Unfit::TooFine(kind.name()));
    }
    Ok(nanos / 1_000)
}
