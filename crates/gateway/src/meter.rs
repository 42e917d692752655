//! What a stream has cost so far, where what is held for it is only the operator's word.
//!
//! Most requests hold a bound that no answer can exceed, and have no meter. Where the word is all
//! there is, what has streamed is priced event by event, and where the next event might exceed what is
//! held, more is: a chunk at a time, written down as every hold is. Where the budgets have no room the
//! stream is cut with `budget_exceeded`; it must never look whole. Nothing is cut at the end of a
//! stream, nor is a whole answer, which comes when all has been spent: what was more than was held is
//! charged and flagged.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use policy::failure::{Code, Failure};
use policy::model::Target;
use policy::money::Nanos;
use policy::price::PriceRow;
use store::journal::StorageError;

use crate::bill::{price, so_far};
use crate::exchange::Exchange;
use crate::pump::Break;
use crate::refuse;

/// More is held by this part of what the operator says that a request costs.
const CHUNKS: i64 = 4;

type Recording = Pin<Box<dyn Future<Output = Result<(), StorageError>> + Send>>;

/// Counts one stream.
pub(crate) struct Meter {
    row: Arc<PriceRow>,
    /// What is held for attempts before this one.
    before: Nanos,
    /// What the stream had cost by its last event.
    last: Option<Nanos>,
    /// What the dearest event after the first has cost; the next one may cost as much.
    step: Nanos,
    /// A hold that is on its way to the disk; nothing more is read until it is there.
    recording: Option<Recording>,
}

impl Meter {
    /// The meter of a stream of that target; none where what is held is a bound, or where no price
    /// says what it costs.
    #[must_use]
    pub(crate) fn of(exchange: &Exchange, target: &Target) -> Option<Self> {
        let spend = &exchange.spend;
        if !spend.is_word {
            return None;
        }
        Some(Self {
            row: price(&exchange.snapshot, target, exchange.at_ms)?,
            before: Nanos(spend.held.0.saturating_sub(spend.bound.0)),
            last: None,
            step: Nanos::ZERO,
            recording: None,
        })
    }

    /// Holds more where what has streamed and one event more cost more than is held.
    ///
    /// # Errors
    /// [`Break`] where that cannot be and the stream is not `finishing`.
    pub(crate) fn keep_up(
        &mut self,
        exchange: &mut Exchange,
        finishing: bool,
    ) -> Result<(), Break> {
        let so_far = so_far(exchange, &self.row);
        if let Some(last) = self.last.replace(so_far) {
            self.step = self.step.max(Nanos(so_far.0.saturating_sub(last.0)));
        }
        let held = exchange.spend.held.0.saturating_sub(self.before.0);
        let lacks = so_far.plus(self.step).0.saturating_sub(held);
        if lacks <= 0 {
            return Ok(());
        }
        let chunk = lacks.max(exchange.spend.bound.0 / CHUNKS);
        let more = exchange.hold_more(Nanos(chunk));
        match more.or_else(|_| exchange.hold_more(Nanos(lacks))) {
            Ok(receipt) if receipt.is_durable() => Ok(()),
            Ok(receipt) => {
                self.recording = Some(Box::pin(receipt.durable()));
                Ok(())
            }
            Err(_) if finishing => Ok(()),
            Err(failure) => Err(Break::ours(Box::new(cut(failure)))),
        }
    }

    /// Waits until what was held is as safe as was asked.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Break>> {
        let Some(recording) = &mut self.recording else {
            return Poll::Ready(Ok(()));
        };
        let recorded = ready!(recording.as_mut().poll(context));
        self.recording = None;
        Poll::Ready(recorded.map_err(|error| Break::ours(Box::new(refuse::unrecorded(&error)))))
    }
}

/// The request has begun, so it is no matter of its size any more.
fn cut(mut failure: Failure) -> Failure {
    if failure.code == Code::LimitTooSmall {
        failure.code = Code::BudgetExceeded;
    }
    let whole = format!("the answer was cut: {}", failure.message);
    failure.message = whole;
    failure
}
