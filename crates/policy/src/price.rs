//! What a request costs: dated rates, the cost of a usage, the most it can cost.
//!
//! Rates are whole pico-dollars (10⁻¹² USD) a token, costs whole nano-dollars (10⁻⁹ USD),
//! rounded up once a request. A price that nobody knows is never nothing: what it leaves
//! out is flagged. Nothing here knows the time or the configuration: both are arguments.

mod book;
mod data;
mod given;
pub(crate) mod names;
mod rates;
mod work;

use std::sync::Arc;

use dialect::chat::{Apart, Usage};

pub use book::{PriceBook, Stored};
pub use data::{DataError, HEADER_FORMAT, Header, Line, Notice, Source};
pub use given::{Given, Unfit};
pub use names::{is_dated, without_region};
pub use rates::{Kind, Rates, Schedule, Step, Tier};

use crate::bound::Ceiling;
use crate::money::Nanos;

/// What one model costs at one provider, for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRow {
    /// Its version: where it is from and a hash of all it says. The same for the same
    /// content, another as soon as a rate differs.
    pub id: Arc<str>,
    /// The catalogue's provider; of a price of the configuration, the provider's name there.
    pub provider: Arc<str>,
    /// The model in the provider's words.
    pub model: Arc<str>,
    /// From when it holds, in milliseconds since 1970; since ever when absent.
    pub from_ms: Option<i64>,
    /// Until when it holds, exclusively, in milliseconds since 1970; for ever when absent.
    pub until_ms: Option<i64>,
    /// Rates of the standard tier, of requests whose input is short.
    pub rates: Rates,
    /// Rates of requests with longer input, ascending; each is complete.
    pub above: Vec<Step>,
    /// Rates of other tiers; each is complete.
    pub tiers: Vec<(Tier, Schedule)>,
    /// What the provider takes off, in hundredths of a per cent; at most 10,000.
    pub discount_basis_points: u32,
    /// The least that a request costs.
    pub minimum: Nanos,
    /// Who said so.
    pub source: Source,
    /// The longest input that the model takes, in tokens.
    pub max_input_tokens: Option<u64>,
    /// The longest output that it gives, in tokens.
    pub max_output_tokens: Option<u64>,
}

/// What a usage costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The cost of what has a known rate, rounded up.
    pub nanos: Nanos,
    /// Whether tokens were used whose rate is unknown: the true cost is not `nanos`.
    pub unpriced: bool,
    /// Whether the true cost is larger than any amount there is.
    pub saturated: bool,
}

const INPUT: [Kind; 6] = [
    Kind::Input,
    Kind::CacheRead,
    Kind::CacheWrite,
    Kind::CacheWrite1h,
    Kind::AudioIn,
    Kind::ImageIn,
];
const OUTPUT: [Kind; 4] = [
    Kind::Output,
    Kind::Reasoning,
    Kind::AudioOut,
    Kind::ImageOut,
];
const TEXT_INPUT: [Kind; 4] = [
    Kind::Input,
    Kind::CacheRead,
    Kind::CacheWrite,
    Kind::CacheWrite1h,
];
const TEXT_OUTPUT: [Kind; 2] = [Kind::Output, Kind::Reasoning];

impl PriceRow {
    /// Whether it holds at that moment, in milliseconds since 1970.
    #[must_use]
    pub fn holds(&self, at_ms: i64) -> bool {
        self.from_ms.is_none_or(|from| from <= at_ms)
            && self.until_ms.is_none_or(|until| at_ms < until)
    }

    /// What a usage costs that was served in that tier with so many requests: usually one,
    /// and none where the request itself is not charged again.
    ///
    /// A cheaper tier that the row does not know costs the standard rates; a dearer one is
    /// [`Cost::unpriced`].
    #[must_use]
    pub fn cost(&self, usage: &Usage, tier: Option<Tier>, requests: u64) -> Cost {
        let input_tokens = usage.total_input();
        let own = tier.and_then(|tier| self.tiers.iter().find(|(name, _)| *name == tier));
        let rates = match own {
            Some((_, schedule)) => *schedule.at(input_tokens),
            None => self.standard_at(input_tokens),
        };
        let apart = other_measures(usage, &rates);
        let counts = [
            (Kind::Input, usage.input),
            (Kind::CacheRead, usage.cache_read),
            (Kind::CacheWrite, usage.cache_write),
            (Kind::CacheWrite1h, usage.cache_write_1h),
            (Kind::AudioIn, usage.audio_in),
            (Kind::Output, usage.output),
            (Kind::Reasoning, usage.reasoning),
            (Kind::AudioOut, usage.audio_out),
            (Kind::ImageIn, usage.apart.image_in),
            (Kind::ImageOut, usage.apart.image_out),
            (Kind::Image, apart.images),
            (Kind::Character, apart.characters),
            (Kind::Second, apart.seconds),
            // Where searches are counted, each is charged as a request.
            (Kind::Request, requests.max(usage.apart.searches)),
        ];
        let mut sum = Sum::default();
        for (kind, count) in counts {
            sum.add(count, rates.charged(kind));
        }
        let used = counts.iter().any(|(_, count)| *count > 0);
        let dearer = own.is_none() && tier.is_some_and(|tier| !tier.is_cheaper());
        let (nanos, saturated) = sum.nanos(self.discount_basis_points);
        Cost {
            nanos: if used { nanos.max(self.minimum) } else { nanos },
            unpriced: sum.unpriced || (dearer && used),
            saturated,
        }
    }

    /// The most that one request with at most so many tokens can cost, whichever tier serves
    /// it and whatever its tokens turn out to be; none where a rate that it may need is
    /// unknown. An amount too large is [`i64::MAX`] nano-dollars.
    ///
    /// Never below [`cost`](Self::cost) of such a usage with one request.
    #[must_use]
    pub fn ceiling(&self, input_tokens: u64, output_tokens: u64) -> Option<Nanos> {
        self.most(&INPUT, input_tokens, &OUTPUT, output_tokens)
    }

    /// [`ceiling`](Self::ceiling) of a request that can neither hear nor speak.
    #[must_use]
    pub fn text_ceiling(&self, input_tokens: u64, output_tokens: u64) -> Option<Nanos> {
        self.most(&TEXT_INPUT, input_tokens, &TEXT_OUTPUT, output_tokens)
    }

    fn most(&self, input: &[Kind], n_in: u64, output: &[Kind], n_out: u64) -> Option<Nanos> {
        let standard = Schedule {
            rates: self.rates,
            above: self.above.clone(),
        };
        let mut most = Nanos::ZERO;
        let tiers = self.tiers.iter().map(|(_, schedule)| schedule);
        for rates in std::iter::once(&standard)
            .chain(tiers)
            .flat_map(|schedule| schedule.up_to(n_in))
        {
            let mut sum = Sum::default();
            sum.add(n_in, rates.dearest(input));
            sum.add(n_out, rates.dearest(output));
            sum.add(1, rates.charged(Kind::Request));
            if sum.unpriced {
                return None;
            }
            most = most.max(sum.nanos(self.discount_basis_points).0);
        }
        Some(most.max(self.minimum))
    }

    fn standard_at(&self, input_tokens: u64) -> Rates {
        let reached = self.above.iter().take_while(|step| step.n < input_tokens);
        reached.last().map_or(self.rates, |step| step.rates)
    }
}

/// What is counted beside tokens, but for what tokens count already and what has no rate of its own: it
/// is the same work by another measure.
fn other_measures(usage: &Usage, rates: &Rates) -> Apart {
    let heard = usage.total_input() > 0;
    let made = usage.total_output() > 0;
    let beside = |count: u64, kind, by_tokens: bool| {
        let counts = !by_tokens || rates.get(kind).is_some();
        if counts { count } else { 0 }
    };
    Apart {
        images: beside(usage.apart.images, Kind::Image, made),
        characters: beside(usage.apart.characters, Kind::Character, heard),
        seconds: beside(usage.apart.seconds, Kind::Second, heard),
        ..usage.apart
    }
}

impl Ceiling for PriceRow {
    fn input_tokens_max(&self) -> Option<u64> {
        self.max_input_tokens
    }

    fn output_tokens_max(&self) -> Option<u64> {
        self.max_output_tokens
    }

    fn cost_nanos(&self, input_tokens: u64, output_tokens: u64) -> Option<i64> {
        self.ceiling(input_tokens, output_tokens)
            .map(|nanos| nanos.0)
    }
}

/// Pico-dollars that are added up without rounding.
#[derive(Default)]
struct Sum {
    pico: u128,
    unpriced: bool,
    saturated: bool,
}

impl Sum {
    fn add(&mut self, count: u64, rate: Option<u64>) {
        if count == 0 {
            return;
        }
        let Some(rate) = rate else {
            self.unpriced = true;
            return;
        };
        // A product of two u64 fits; only the sum may not.
        let cost = u128::from(count) * u128::from(rate);
        match self.pico.checked_add(cost) {
            Some(pico) => self.pico = pico,
            None => self.saturate(),
        }
    }

    fn saturate(&mut self) {
        self.pico = u128::MAX;
        self.saturated = true;
    }

    /// Nano-dollars after the discount, rounded up, and whether they are too many.
    fn nanos(&self, discount_basis_points: u32) -> (Nanos, bool) {
        const WHOLE: u128 = 10_000;
        const PICO_A_NANO: u128 = 1_000;
        let kept = WHOLE.saturating_sub(u128::from(discount_basis_points));
        let charged = self.pico.checked_mul(kept);
        let nanos = charged.map(|pico| pico.div_ceil(WHOLE * PICO_A_NANO));
        let fits = nanos.and_then(|nanos| i64::try_from(nanos).ok());
        match fits.filter(|_| !self.saturated) {
            Some(nanos) => (Nanos(nanos), false),
            None => (Nanos(i64::MAX), true),
        }
    }
}
