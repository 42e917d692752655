//! Prices that an operator gives: they go before those of the price book.

use std::collections::BTreeMap;

use policy::money::Nanos;
use policy::price::{Given, PriceRow, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check;
use super::error::Invalid;
use super::file::FileObjects;
use super::object::{Kind, NoState, Object, Plain, Spec};
use super::rows::Facts;
use super::values::{Moment, Usd};

/// What is said of a price: US dollars for a million tokens; of images and requests, for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSpec {
    /// `provider/model`
    pub target: String,
    /// Input that no cache held.
    #[serde(default)]
    pub input: Option<Usd>,
    /// Input read from a cache.
    #[serde(default)]
    pub cache_read: Option<Usd>,
    /// Input written to a cache for five minutes.
    #[serde(default)]
    pub cache_write: Option<Usd>,
    /// Input written to a cache for an hour.
    #[serde(default)]
    pub cache_write_1h: Option<Usd>,
    /// Output.
    #[serde(default)]
    pub output: Option<Usd>,
    /// Reasoning; as output when absent.
    #[serde(default)]
    pub reasoning: Option<Usd>,
    /// Sound that is heard.
    #[serde(default)]
    pub audio_in: Option<Usd>,
    /// Sound that is spoken.
    #[serde(default)]
    pub audio_out: Option<Usd>,
    /// One image.
    #[serde(default)]
    pub image: Option<Usd>,
    /// One request.
    #[serde(default)]
    pub request: Option<Usd>,
    /// From when it holds; always when absent.
    #[serde(default)]
    pub from: Option<Moment>,
    /// Until when it holds; for ever when absent.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Other prices for requests with more input, ascending.
    #[serde(default)]
    pub above_tokens: Vec<StepRates>,
}

/// Prices of a request whose input is longer than `n` tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRates {
    /// Tokens of input.
    #[schemars(range(min = 1))]
    pub n: u32,
    /// Input that no cache held.
    #[serde(default)]
    pub input: Option<Usd>,
    /// Input read from a cache.
    #[serde(default)]
    pub cache_read: Option<Usd>,
    /// Input written to a cache for five minutes.
    #[serde(default)]
    pub cache_write: Option<Usd>,
    /// Input written to a cache for an hour.
    #[serde(default)]
    pub cache_write_1h: Option<Usd>,
    /// Output.
    #[serde(default)]
    pub output: Option<Usd>,
    /// Reasoning; as output when absent.
    #[serde(default)]
    pub reasoning: Option<Usd>,
}

/// Steps of one price.
const STEPS: usize = 8;
/// The most that a price may be: beyond it somebody mistook the unit.
const MOST_NANOS: i64 = 1_000_000_000_000_000;

impl PriceSpec {
    fn rates(&self) -> [(&'static str, Option<Usd>); 10] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("cache_write_1h", self.cache_write_1h),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("audio_in", self.audio_in),
            ("audio_out", self.audio_out),
            ("image", self.image),
            ("request", self.request),
        ]
    }

    /// The row of the price book that it is.
    ///
    /// # Errors
    /// The field that cannot be.
    pub fn row(&self) -> Result<PriceRow, Invalid> {
        let wrong = || Invalid::new("target", "is written `provider/model`");
        let (provider, model) = self.target.split_once('/').ok_or_else(wrong)?;
        if provider.is_empty() || model.is_empty() {
            return Err(wrong());
        }
        let mut above = Vec::with_capacity(self.above_tokens.len());
        for step in &self.above_tokens {
            above.push((u64::from(step.n), given(&step.rates())));
        }
        let given = Given {
            provider,
            model,
            rates: given(&self.rates()),
            from_ms: self.from.map(|at| at.0),
            until_ms: self.until.map(|at| at.0),
            above,
            ..Given::default()
        };
        PriceRow::from_per_million(&given).map_err(|why| {
            let field = match &why {
                Unfit::Empty | Unfit::Discount(_) => "input",
                Unfit::Unknown(field) => field,
                Unfit::Negative(field) | Unfit::TooFine(field) => field,
                Unfit::Steps(_) => "above_tokens",
            };
            Invalid::new(field, why.to_string())
        })
    }
}

impl StepRates {
    fn rates(&self) -> [(&'static str, Option<Usd>); 6] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("cache_write_1h", self.cache_write_1h),
            ("output", self.output),
            ("reasoning", self.reasoning),
        ]
    }
}

impl Spec for PriceSpec {
    const KIND: Kind = Kind::Price;
    const FILTERS: &'static [&'static str] = &["target"];
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::text("target", &self.target)?;
        for (field, rate) in self.rates() {
            possible(field, rate)?;
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return Err(Invalid::new("until", "is not after `from`"));
        }
        if self.above_tokens.len() > STEPS {
            let message = format!("has more than {STEPS} steps");
            return Err(Invalid::new("above_tokens", message));
        }
        for (at, step) in self.above_tokens.iter().enumerate() {
            for (name, rate) in step.rates() {
                possible(&format!("above_tokens[{at}].{name}"), rate)?;
            }
        }
        self.row().map(drop)
    }

    fn state(_: &Facts) -> NoState {
        NoState {}
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.prices
    }
}

impl Plain for PriceSpec {}

/// The rates that are there.
fn given(rates: &[(&'static str, Option<Usd>)]) -> BTreeMap<&'static str, Nanos> {
    let there = rates.iter();
    there
        .filter_map(|(name, rate)| rate.map(|rate| (*name, rate.0)))
        .collect()
}

fn possible(field: &str, rate: Option<Usd>) -> Result<(), Invalid> {
    if rate.is_some_and(|rate| rate.0.0 > MOST_NANOS) {
        let message = "is more than 1000000 USD; tokens are priced by the million";
        return Err(Invalid::new(field, message));
    }
    Ok(())
}
