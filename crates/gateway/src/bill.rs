//! What a request came to: tokens and nano-dollars of each attempt, by the price that held when it came.
//!
//! A provider's last word is what counts: the usage of a whole answer, or the one that a stream
//! tells at its end. Where an attempt may be billed and there is no such word, because the client
//! left, the stream broke, no answer came, the provider keeps no count or tells one that cannot be,
//! its tokens are estimated by the bytes that went by, and that is flagged. Reconciliation with the
//! provider's own bill corrects it later.
//!
//! An estimate may be less than what the provider counts: reasoning is not shown, tokens are under way
//! when a stream is cut, some providers bill a cancelled answer in full. Where a hard budget depends on
//! it, such an attempt is therefore charged the most that it can have cost: what was held for it, or,
//! where the provider has told its input, that input and the largest output, at the dearest rates.
//! Each attempt that may be billed holds that much, so no budget is exceeded whatever the bill says.
//! Without a hard budget the estimate is charged. An attempt for which no connection stood, or that
//! its provider refused, costs nothing.
//!
//! What has no price is never free: it is flagged, and charged at the operator's ceiling where there is
//! one.

use std::sync::Arc;

use dialect::chat::Usage;
use dialect::task::Task;
use policy::accounts::Billed;
use policy::model::Target;
use policy::money::Nanos;
use policy::price::PriceRow;
use policy::snapshot::Snapshot;

use crate::exchange::{Attempt, Exchange, Used};

/// Bytes of text that are counted as one token where nobody says how many there were: English has
/// four and more, code and most other languages fewer.
const TOKEN_BYTES: u64 = 3;

/// Bytes of compressed sound that are counted as one token, and as one second: 16 kbit a second.
const SOUND_TOKEN_BYTES: u64 = 200;
const SOUND_SECOND_BYTES: u64 = 2_000;

/// More tokens than any model reads and writes for one request: a provider that tells more is wrong.
const TOKENS_MAX: u64 = 1 << 30;

/// What a request came to.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    /// What each attempt used and cost.
    pub lines: Vec<Line>,
    /// All attempts together.
    pub usage: Usage,
    /// All attempts together.
    pub cost: Nanos,
    /// The price of the last attempt that was billed.
    pub price: Option<Arc<PriceRow>>,
    /// Whether some counts are not the provider's.
    pub estimated: bool,
    /// Whether something was used that has no price.
    pub unpriced: bool,
}

/// What one attempt came to.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Nanos,
    /// Whether the provider may have billed it.
    pub billed: bool,
}

/// Finds the price of a target at a time.
pub(crate) fn price(snapshot: &Snapshot, target: &Target, at_ms: i64) -> Option<Arc<PriceRow>> {
    let provider = &target.provider;
    let book = snapshot.prices.as_ref()?;
    book.find(&provider.name, provider.catalogue_id, &target.model, at_ms)
}

impl Bill {
    /// Makes the bill of an exchange, as far as it has come.
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let mut bill = Self::default();
        for attempt in &exchange.attempts {
            let used = match attempt.failure {
                Some(_) => &attempt.used,
                None => &exchange.used,
            };
            let line = bill.line(exchange, attempt, used);
            bill.add(line);
        }
        bill
    }

    /// Whether a provider may have billed anything.
    pub(crate) fn is_billed(&self) -> bool {
        self.lines.iter().any(|line| line.billed)
    }

    /// What each provider billed.
    pub(crate) fn billed<'a>(&self, exchange: &'a Exchange) -> Vec<Billed<'a>> {
        let attempts = exchange.attempts.iter().zip(&self.lines);
        let billed = attempts.filter(|(_, line)| line.billed);
        billed
            .map(|(attempt, line)| Billed {
                provider: &attempt.target.provider.name,
                money: line.cost.0,
                tokens: i64::try_from(tokens(&line.usage)).unwrap_or(i64::MAX),
                requests: 1,
            })
            .collect()
    }

    fn line(&mut self, exchange: &Exchange, attempt: &Attempt, used: &Used) -> Line {
        if !attempt.may_be_billed(used) {
            return Line::default();
        }
        if used.is_uncounted {
            self.unpriced = true;
            return Line {
                cost: exchange.spend.ceiling.unwrap_or_default(),
                billed: true,
                ..Line::default()
            };
        }
        let row = price(&exchange.snapshot, &attempt.target, exchange.at_ms);
        let (usage, estimated) = match measured(exchange, row.as_deref(), used) {
            Some(usage) => (usage, false),
            None => counted(used, exchange),
        };
        self.estimated |= estimated;
        let known = row.as_ref().map(|row| row.cost(&usage, used.tier, 1));
        let mut cost = known.map_or(Nanos::ZERO, |cost| cost.nanos);
        if known.is_none_or(|cost| cost.unpriced) {
            self.unpriced = true;
            cost = cost.max(exchange.spend.ceiling.unwrap_or_default());
        }
        if estimated && exchange.spend.is_hard {
            cost = cost.max(presumed(exchange, row.as_deref(), used));
        }
        self.price = row.or(self.price.take());
        Line {
            usage,
            cost,
            billed: true,
        }
    }

    fn add(&mut self, line: Line) {
        self.cost = self.cost.plus(line.cost);
        let (all, one) = (&mut self.usage, &line.usage);
        for (sum, part) in [
            (&mut all.input, one.input),
            (&mut all.cache_read, one.cache_read),
            (&mut all.cache_write, one.cache_write),
            (&mut all.cache_write_1h, one.cache_write_1h),
            (&mut all.audio_in, one.audio_in),
            (&mut all.output, one.output),
            (&mut all.reasoning, one.reasoning),
            (&mut all.audio_out, one.audio_out),
        ] {
            *sum = sum.saturating_add(part);
        }
        let (all, one) = (&mut all.apart, &one.apart);
        all.image_in = all.image_in.saturating_add(one.image_in);
        all.image_out = all.image_out.saturating_add(one.image_out);
        self.lines.push(line);
    }
}

/// What the try at hand has cost so far by that price, as far as anybody can tell.
pub(crate) fn so_far(exchange: &Exchange, row: &PriceRow) -> Nanos {
    let (usage, _) = counted(&exchange.used, exchange);
    row.cost(&usage, exchange.used.tier, 1).nanos
}

/// The most that an attempt can have cost of which its provider did not say all.
fn presumed(exchange: &Exchange, row: Option<&PriceRow>, used: &Used) -> Nanos {
    let spend = &exchange.spend;
    let input = told(used).map_or(0, Usage::total_input);
    let most = match (row, spend.output_max) {
        (Some(row), Some(output)) if input > 0 && !spend.is_word => row.ceiling(input, output),
        (Some(_) | None, _) => None,
    };
    most.unwrap_or(spend.bound)
}

/// What the provider says, unless it cannot be.
fn told(used: &Used) -> Option<&Usage> {
    let told = used.usage.as_ref();
    told.filter(|usage| tokens(usage) <= TOKENS_MAX)
}

/// The provider's own counts where it gave its last word; else what went by, and that it is an
/// estimate.
fn counted(used: &Used, exchange: &Exchange) -> (Usage, bool) {
    let seen = used.output_bytes.div_ceil(TOKEN_BYTES);
    match told(used) {
        Some(usage) if used.is_final && (usage.total_output() > 0 || seen == 0) => {
            let usage = Usage {
                raw: None,
                ..usage.clone()
            };
            (usage, false)
        }
        // What a stream tells at its beginning has the input, and of the output only its first token.
        Some(usage) => {
            let output = usage.output.max(seen.saturating_sub(usage.reasoning));
            let usage = Usage {
                raw: None,
                output,
                ..usage.clone()
            };
            (usage, true)
        }
        None => {
            let task = exchange.work.as_ref().map_or(Task::Chat, |work| work.task);
            (
                estimated(task, exchange.input_bytes, used.output_bytes),
                true,
            )
        }
    }
}

/// What a request of so many bytes may have used, with an answer of so many.
fn estimated(task: Task, input_bytes: u64, output_bytes: u64) -> Usage {
    let mut usage = Usage::default();
    if task.hears() {
        usage.audio_in = input_bytes.div_ceil(SOUND_TOKEN_BYTES);
        usage.apart.seconds = input_bytes.div_ceil(SOUND_SECOND_BYTES);
    } else {
        usage.input = input_bytes.div_ceil(TOKEN_BYTES);
    }
    if task == Task::Speech {
        usage.audio_out = output_bytes.div_ceil(SOUND_TOKEN_BYTES);
    } else {
        usage.output = output_bytes.div_ceil(TOKEN_BYTES);
    }
    usage
}

/// What the request itself says that it uses, where the price is for that and no answer tells more.
fn measured(exchange: &Exchange, row: Option<&PriceRow>, used: &Used) -> Option<Usage> {
    let work = exchange.work.as_ref().filter(|_| used.usage.is_none())?;
    row?.measured(work)
}

/// All tokens.
fn tokens(usage: &Usage) -> u64 {
    usage.total_input().saturating_add(usage.total_output())
}
