//! Prices that an operator gives: they go before those of the price book.

use std::collections::BTreeMap;

use policy::money::Nanos;
use policy::price::{Given, Kind as Rate, PriceRow, Rates, Tier, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check;
use super::error::Invalid;
use super::file::FileObjects;
use super::object::{Kind, NoState, Object, Plain, Spec};
use super::rows::Facts;
use super::values::{Moment, Percent, Usd};

/// A type with the rates of a price beside its own fields.
macro_rules! with_rates {
    ($(#[$of_type:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of_type])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
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
            /// Images that are seen.
            #[serde(default)]
            pub image_in: Option<Usd>,
            /// Images that are made, where they are counted in tokens.
            #[serde(default)]
            pub image_out: Option<Usd>,
            /// One image made.
            #[serde(default)]
            pub image: Option<Usd>,
            /// Characters that are spoken.
            #[serde(default)]
            pub character: Option<Usd>,
            /// One second of sound that is heard.
            #[serde(default)]
            pub second: Option<Usd>,
            /// One request.
            #[serde(default)]
            pub request: Option<Usd>,
        }

        impl $name {
            fn rates(&self) -> [(Rate, Option<Usd>); 14] {
                [
                    (Rate::Input, self.input),
                    (Rate::CacheRead, self.cache_read),
                    (Rate::CacheWrite, self.cache_write),
                    (Rate::CacheWrite1h, self.cache_write_1h),
                    (Rate::Output, self.output),
                    (Rate::Reasoning, self.reasoning),
                    (Rate::AudioIn, self.audio_in),
                    (Rate::AudioOut, self.audio_out),
                    (Rate::ImageIn, self.image_in),
                    (Rate::ImageOut, self.image_out),
                    (Rate::Image, self.image),
                    (Rate::Character, self.character),
                    (Rate::Second, self.second),
                    (Rate::Request, self.request),
                ]
            }

            /// The same with those rates.
            fn with(mut self, rates: &Rates) -> Self {
                let usd = |kind| usd(kind, rates.get(kind)?);
                self.input = usd(Rate::Input);
                self.cache_read = usd(Rate::CacheRead);
                self.cache_write = usd(Rate::CacheWrite);
                self.cache_write_1h = usd(Rate::CacheWrite1h);
                self.output = usd(Rate::Output);
                self.reasoning = usd(Rate::Reasoning);
                self.audio_in = usd(Rate::AudioIn);
                self.audio_out = usd(Rate::AudioOut);
                self.image_in = usd(Rate::ImageIn);
                self.image_out = usd(Rate::ImageOut);
                self.image = usd(Rate::Image);
                self.character = usd(Rate::Character);
                self.second = usd(Rate::Second);
                self.request = usd(Rate::Request);
                self
            }
        }
    };
}

with_rates! {
    /// What is said of a price: US dollars for a million tokens, characters or seconds; of images and requests, for one.
    PriceSpec {
        /// `provider/model`
        target: String,
        /// From when it holds; always when absent.
        #[serde(default)]
        from: Option<Moment>,
        /// Until when it holds; for ever when absent.
        #[serde(default)]
        until: Option<Moment>,
        /// Other prices for requests with more input, ascending.
        #[serde(default)]
        above_tokens: Vec<StepRates>,
        /// Other prices for other tiers of service.
        #[serde(default)]
        tier: Option<TierRates>,
        /// What is taken off every rate of this price, such as `15%`.
        #[serde(default)]
        discount: Option<Percent>,
    }
}

with_rates! {
    /// Prices of a request whose input is longer than `n` tokens.
    StepRates {
        /// Tokens of input.
        #[schemars(range(min = 1))]
        n: u32,
    }
}

with_rates! {
    /// Prices in one tier of service; what is absent is as without the tier.
    RatesSpec {}
}

/// Other prices for other tiers of service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TierRates {
    /// Batches, answered within a day.
    pub batch: Option<RatesSpec>,
    /// Flexible processing: cheaper and slower.
    pub flex: Option<RatesSpec>,
    /// Priority processing: dearer and faster.
    pub priority: Option<RatesSpec>,
    /// Fast modes: dearer and faster.
    pub fast: Option<RatesSpec>,
}

/// Steps of one price.
const STEPS: usize = 8;
/// The most that a price may be: beyond it somebody mistook the unit.
const MOST_NANOS: i64 = 1_000_000_000_000_000;

impl PriceSpec {
    /// What would have to be said for that row, every rate in full.
    #[must_use]
    pub fn of(row: &PriceRow) -> Self {
        let steps = row.above.iter().map(|step| {
            let n = u32::try_from(step.n).unwrap_or(u32::MAX);
            let own = StepRates {
                n,
                ..StepRates::default()
            };
            own.with(&step.rates)
        });
        let mut tier = TierRates::default();
        for (name, schedule) in &row.tiers {
            *tier.place(*name) = Some(RatesSpec::default().with(&schedule.rates));
        }
        let discount = Percent {
            basis_points: row.discount_basis_points,
        };
        let own = Self {
            target: format!("{}/{}", row.provider, row.model),
            from: row.from_ms.map(Moment),
            until: row.until_ms.map(Moment),
            above_tokens: steps.collect(),
            tier: (!row.tiers.is_empty()).then_some(tier),
            discount: (discount.basis_points > 0).then_some(discount),
            ..Self::default()
        };
        own.with(&row.rates)
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
        let tiers = self.tier.iter().flat_map(TierRates::given);
        let given = Given {
            provider,
            model,
            rates: given(&self.rates()),
            from_ms: self.from.map(|at| at.0),
            until_ms: self.until.map(|at| at.0),
            above,
            tiers: tiers
                .map(|(tier, own)| (tier, given(&own.rates())))
                .collect(),
            discount_basis_points: self.discount.map_or(0, |off| off.basis_points),
            minimum: Nanos::ZERO,
        };
        PriceRow::from_per_million(&given).map_err(|why| {
            let field = match &why {
                Unfit::Empty => "input",
                Unfit::Discount(_) => "discount",
                Unfit::Unknown(field) => field,
                Unfit::Negative(field) | Unfit::TooFine(field) => field,
                Unfit::Steps(_) => "above_tokens",
            };
            Invalid::new(field, why.to_string())
        })
    }

    fn validate_tiers(&self) -> Result<(), Invalid> {
        for (tier, own) in self.tier.iter().flat_map(TierRates::given) {
            let field = format!("tier.{}", tier.name());
            possible(&format!("{field}."), &own.rates())?;
            if own.rates().iter().all(|(_, rate)| rate.is_none()) {
                let message = "has no rate: add what differs in it, such as `input`";
                return Err(Invalid::new(field, message));
            }
        }
        Ok(())
    }
}

impl TierRates {
    fn given(&self) -> impl Iterator<Item = (Tier, &RatesSpec)> {
        let all = [
            (Tier::Batch, &self.batch),
            (Tier::Flex, &self.flex),
            (Tier::Priority, &self.priority),
            (Tier::Fast, &self.fast),
        ];
        all.into_iter()
            .filter_map(|(tier, own)| Some((tier, own.as_ref()?)))
    }

    fn place(&mut self, tier: Tier) -> &mut Option<RatesSpec> {
        match tier {
            Tier::Batch => &mut self.batch,
            Tier::Flex => &mut self.flex,
            Tier::Priority => &mut self.priority,
            Tier::Fast => &mut self.fast,
        }
    }
}

impl Spec for PriceSpec {
    const KIND: Kind = Kind::Price;
    const FILTERS: &'static [&'static str] = &["target"];
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::text("target", &self.target)?;
        possible("", &self.rates())?;
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
            possible(&format!("above_tokens[{at}]."), &step.rates())?;
        }
        self.validate_tiers()?;
        if let Some(off) = self.discount
            && !(1..=10_000).contains(&off.basis_points)
        {
            let message =
                "is more than 0% and at most 100%; leave it out where nothing is taken off";
            return Err(Invalid::new("discount", message));
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
fn given(rates: &[(Rate, Option<Usd>)]) -> BTreeMap<&'static str, Nanos> {
    let there = rates.iter();
    there
        .filter_map(|(kind, rate)| rate.map(|rate| (kind.name(), rate.0)))
        .collect()
}

/// Dollars for a million tokens, or for one of a thing, from pico-dollars for one.
fn usd(kind: Rate, pico: u64) -> Option<Usd> {
    let pico = i64::try_from(pico).ok()?;
    let nanos = if kind.is_each() {
        pico / 1_000
    } else {
        pico.checked_mul(1_000)?
    };
    Some(Usd(Nanos(nanos)))
}

/// Whether rates are in the range and as fine as they can be; `within` is the path that they
/// stand at, with its point.
fn possible(within: &str, rates: &[(Rate, Option<Usd>)]) -> Result<(), Invalid> {
    for (kind, rate) in rates {
        let Some(Usd(Nanos(nanos))) = rate else {
            continue;
        };
        let message = if *nanos > MOST_NANOS {
            "is more than 1000000 USD; tokens are priced by the million"
        } else if !kind.is_each() && nanos % 1_000 != 0 {
            "has more than six decimal places of a dollar for a million tokens"
        } else {
            continue;
        };
        return Err(Invalid::new(format!("{within}{}", kind.name()), message));
    }
    Ok(())
}
