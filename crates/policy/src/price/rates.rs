//! Rates: what one token of each kind costs, and how that changes with the length of the
//! input and with the service tier.
//!
//! Whole numbers only. A rate that is absent is unknown, never nothing.

use serde::{Deserialize, Serialize};

/// What a rate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Input that no cache served.
    Input,
    /// Input read from a cache.
    CacheRead,
    /// Input written to a cache, short-lived.
    CacheWrite,
    /// Input written to a cache for an hour.
    CacheWrite1h,
    /// Output.
    Output,
    /// Reasoning.
    Reasoning,
    /// Input that is sound.
    AudioIn,
    /// Output that is sound.
    AudioOut,
    /// Input that is images.
    ImageIn,
    /// Output that is images.
    ImageOut,
    /// One image made.
    Image,
    /// One character spoken.
    Character,
    /// One second of sound heard.
    Second,
    /// One request.
    Request,
}

impl Kind {
    /// All of them, in the order of the configuration's reference.
    pub const ALL: [Kind; 14] = [
        Kind::Input,
        Kind::CacheRead,
        Kind::CacheWrite,
        Kind::CacheWrite1h,
        Kind::Output,
        Kind::Reasoning,
        Kind::AudioIn,
        Kind::AudioOut,
        Kind::ImageIn,
        Kind::ImageOut,
        Kind::Image,
        Kind::Character,
        Kind::Second,
        Kind::Request,
    ];

    /// Its name in configurations and in the price data.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::CacheRead => "cache_read",
            Kind::CacheWrite => "cache_write",
            Kind::CacheWrite1h => "cache_write_1h",
            Kind::Output => "output",
            Kind::Reasoning => "reasoning",
            Kind::AudioIn => "audio_in",
            Kind::AudioOut => "audio_out",
            Kind::ImageIn => "image_in",
            Kind::ImageOut => "image_out",
            Kind::Image => "image",
            Kind::Character => "character",
            Kind::Second => "second",
            Kind::Request => "request",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether its rate is given for one of a thing and not for a million.
    #[must_use]
    pub fn is_each(self) -> bool {
        matches!(self, Kind::Image | Kind::Request)
    }
}

/// Rates in pico-dollars (10⁻¹² USD): for one token, or for one of what is not counted in tokens.
///
/// A dollar for a million tokens is 1,000,000 pico-dollars for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Input that no cache served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Input read from a cache; as `input` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to a cache, short-lived; as `input` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Input written to a cache for an hour; as `cache_write`, then as `input` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Reasoning; as `output` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Input that is sound; as `input` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_in: Option<u64>,
    /// Output that is sound; as `output` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_out: Option<u64>,
    /// Input that is images; as `input` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_in: Option<u64>,
    /// Output that is images; as `output` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_out: Option<u64>,
    /// One image made; by tokens when absent and those are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<u64>,
    /// One character spoken; by tokens when absent and those are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character: Option<u64>,
    /// One second of sound heard; by tokens when absent and those are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<u64>,
    /// One request; nothing when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
}

impl Rates {
    /// The rate of that kind as it was given.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Input => self.input,
            Kind::CacheRead => self.cache_read,
            Kind::CacheWrite => self.cache_write,
            Kind::CacheWrite1h => self.cache_write_1h,
            Kind::Output => self.output,
            Kind::Reasoning => self.reasoning,
            Kind::AudioIn => self.audio_in,
            Kind::AudioOut => self.audio_out,
            Kind::ImageIn => self.image_in,
            Kind::ImageOut => self.image_out,
            Kind::Image => self.image,
            Kind::Character => self.character,
            Kind::Second => self.second,
            Kind::Request => self.request,
        }
    }

    /// Gives a kind its rate.
    pub fn set(&mut self, kind: Kind, pico: Option<u64>) {
        let place = match kind {
            Kind::Input => &mut self.input,
            Kind::CacheRead => &mut self.cache_read,
            Kind::CacheWrite => &mut self.cache_write,
            Kind::CacheWrite1h => &mut self.cache_write_1h,
            Kind::Output => &mut self.output,
            Kind::Reasoning => &mut self.reasoning,
            Kind::AudioIn => &mut self.audio_in,
            Kind::AudioOut => &mut self.audio_out,
            Kind::ImageIn => &mut self.image_in,
            Kind::ImageOut => &mut self.image_out,
            Kind::Image => &mut self.image,
            Kind::Character => &mut self.character,
            Kind::Second => &mut self.second,
            Kind::Request => &mut self.request,
        };
        *place = pico;
    }

    /// Whether no rate is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These rates, and those of `base` where one is absent.
    #[must_use]
    pub fn over(&self, base: &Rates) -> Rates {
        let mut both = *base;
        for kind in Kind::ALL {
            if let Some(pico) = self.get(kind) {
                both.set(kind, Some(pico));
            }
        }
        both
    }

    /// What a token of that kind is charged: its own rate, or that of the kind it is one of.
    #[must_use]
    pub fn charged(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::CacheRead | Kind::CacheWrite | Kind::AudioIn | Kind::ImageIn => {
                self.get(kind).or(self.input)
            }
            Kind::CacheWrite1h => self.cache_write_1h.or(self.cache_write).or(self.input),
            Kind::Reasoning | Kind::AudioOut | Kind::ImageOut => self.get(kind).or(self.output),
            Kind::Request => self.request.or(Some(0)),
            Kind::Input | Kind::Output | Kind::Image | Kind::Character | Kind::Second => {
                self.get(kind)
            }
        }
    }

    /// The dearest of those kinds; none where one of them is unknown.
    pub(super) fn dearest(&self, kinds: &[Kind]) -> Option<u64> {
        kinds.iter().try_fold(0, |most: u64, kind| {
            self.charged(*kind).map(|rate| rate.max(most))
        })
    }
}

/// Rates of a request with more than `n` tokens of input, for all of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Tokens of input, however they were served.
    pub n: u64,
    /// Its rates.
    pub rates: Rates,
}

/// A service tier that has rates of its own; the standard tier has the row's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Within a day.
    Batch,
    /// When there is room.
    Flex,
    /// Before others.
    Priority,
    /// Faster, for more money.
    Fast,
}

impl Tier {
    /// All of them.
    pub const ALL: [Tier; 4] = [Tier::Batch, Tier::Flex, Tier::Priority, Tier::Fast];

    /// Its name in configurations, in the price data and in providers' answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tier::Batch => "batch",
            Tier::Flex => "flex",
            Tier::Priority => "priority",
            Tier::Fast => "fast",
        }
    }

    /// The tier that a provider's answer names (`service_tier`); none for the standard one,
    /// whatever it is called.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// Whether it is only ever sold for less than the standard tier.
    #[must_use]
    pub fn is_cheaper(self) -> bool {
        match self {
            Tier::Batch | Tier::Flex => true,
            Tier::Priority | Tier::Fast => false,
        }
    }
}

/// Rates by the length of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Rates of short inputs.
    pub rates: Rates,
    /// Rates of longer ones, ascending by length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Step>,
}

impl Schedule {
    /// The rates of a request with so many tokens of input.
    #[must_use]
    pub fn at(&self, input_tokens: u64) -> &Rates {
        let reached = self.above.iter().take_while(|step| step.n < input_tokens);
        reached.last().map_or(&self.rates, |step| &step.rates)
    }

    /// All rates that a request with at most so many tokens of input may be charged.
    pub(super) fn up_to(&self, input_tokens: u64) -> impl Iterator<Item = &Rates> {
        let reached = self
            .above
            .iter()
            .take_while(move |step| step.n < input_tokens);
        std::iter::once(&self.rates).chain(reached.map(|step| &step.rates))
    }

    /// The same with every step complete: what a step leaves out is as before it.
    pub(super) fn complete(&self) -> Schedule {
        let mut above: Vec<Step> = Vec::with_capacity(self.above.len());
        for step in &self.above {
            let before = above.last().map_or(self.rates, |step| step.rates);
            above.push(Step {
                n: step.n,
                rates: step.rates.over(&before),
            });
        }
        Schedule {
            rates: self.rates,
            above,
        }
    }

    /// These rates where they say something, those of `base` elsewhere; both complete
    /// or this one not yet.
    pub(super) fn over(&self, base: &Schedule) -> Schedule {
        let mut lengths: Vec<u64> = self.above.iter().map(|step| step.n).collect();
        lengths.extend(base.above.iter().map(|step| step.n));
        lengths.sort_unstable();
        lengths.dedup();
        let own = self.complete();
        let above = lengths.into_iter().map(|n| {
            let longer = n.saturating_add(1);
            let rates = own.at(longer).over(base.at(longer));
            Step { n, rates }
        });
        Schedule {
            rates: self.rates.over(&base.rates),
            above: above.collect(),
        }
    }
}
