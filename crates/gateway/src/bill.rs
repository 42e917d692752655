//! What a request came to: tokens and nano-dollars of each attempt, by the price that held when it came.
//!
//! Where a provider may have billed and did not say what, the bytes that went by are counted; that is
//! flagged. What has no price is never free: it is flagged, and charged at the operator's ceiling where
//! there is one.

use std::sync::Arc;

use dialect::chat::Usage;
use policy::accounts::Billed;
use policy::failure::AttemptFailure;
use policy::model::Target;
use policy::money::Nanos;
use policy::price::PriceRow;
use policy::snapshot::Snapshot;

use crate::exchange::{Exchange, Outcome, Used};

/// Bytes of text that are counted as one token where nobody says how many there were: English has
/// four and more, code and most other languages fewer.
const TOKEN_BYTES: u64 = 3;

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
    /// Makes the bill of an exchange that is over.
    pub(crate) fn of(exchange: &Exchange, outcome: Outcome) -> Self {
        let mut bill = Self::default();
        let last = exchange.attempts.len().saturating_sub(1);
        for (n, attempt) in exchange.attempts.iter().enumerate() {
            let used = if n == last && attempt.used == Used::default() {
                &exchange.used
            } else {
                &attempt.used
            };
            let whole = n == last && outcome == Outcome::Answered;
            let line = bill.line(exchange, &attempt.target, (attempt.failure, used, whole));
            bill.add(line);
        }
        bill
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

    fn line(
        &mut self,
        exchange: &Exchange,
        target: &Target,
        (failure, used, whole): (Option<AttemptFailure>, &Used, bool),
    ) -> Line {
        let told = used.usage.as_ref();
        let may_be_billed = failure.is_none_or(AttemptFailure::may_be_billed);
        if !may_be_billed && told.is_none() && used.output_bytes == 0 {
            return Line::default();
        }
        let (usage, estimated) = counted(told, used.output_bytes, exchange.input_bytes, whole);
        self.estimated |= estimated;
        let cost = match price(&exchange.snapshot, target, exchange.at_ms) {
            Some(row) => {
                let cost = row.cost(&usage, None, 1);
                self.unpriced |= cost.unpriced;
                self.price = Some(row);
                cost.nanos
            }
            None => {
                self.unpriced = true;
                exchange.spend.ceiling.unwrap_or_default()
            }
        };
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
        self.lines.push(line);
    }
}

/// The provider's own counts where it gave them at the end of a whole answer; else what went by, and
/// that it is an estimate.
fn counted(
    told: Option<&Usage>,
    output_bytes: u64,
    input_bytes: u64,
    whole: bool,
) -> (Usage, bool) {
    let seen = output_bytes.div_ceil(TOKEN_BYTES);
    match told {
        Some(usage) if whole && (usage.total_output() > 0 || seen == 0) => {
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
            let usage = Usage {
                input: input_bytes.div_ceil(TOKEN_BYTES),
                output: seen,
                ..Usage::default()
            };
            (usage, true)
        }
    }
}

/// All tokens.
fn tokens(usage: &Usage) -> u64 {
    usage.total_input().saturating_add(usage.total_output())
}
