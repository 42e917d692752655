//! An exchange as it is kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dialect::chat::{Apart, Usage};
use dialect::json::Writer;
use policy::caller::Attribution;
use policy::failure::AttemptFailure;
use store::record::{self, Flags, LossNote, State};

use super::{Exchange, Outcome};
use crate::bill::{Bill, Line};
use crate::choice;
use crate::spend::Resolved;

impl Exchange {
    /// The record of it, as journal, ledger and figures have it.
    pub(super) fn record(
        &self,
        who: &Attribution,
        outcome: Outcome,
        (state, bill, resolved): (State, &Bill, Resolved),
    ) -> record::Exchange {
        let flags = Flags {
            estimated: bill.estimated,
            unpriced: bill.unpriced,
            overrun: resolved.overrun,
            would_refuse: self.spend.would_refuse().next().is_some(),
            shortened: false,
        };
        let took = self.opened.elapsed();
        record::Exchange {
            id: self.ulid,
            at_ms: self.at_ms,
            state,
            who: who.clone(),
            dialect: Cow::Borrowed(self.dialect.name()),
            operation: Cow::Borrowed(self.operation),
            model: self.model_name(),
            target: self
                .attempts
                .last()
                .map_or_else(Arc::default, |attempt| Arc::clone(&attempt.name)),
            served_model: self.served_model.clone().unwrap_or_default(),
            status: self.status,
            outcome: Cow::Borrowed(outcome.name()),
            stream: self.stream,
            usage: as_kept(&bill.usage),
            cost: bill.cost,
            price_id: bill
                .price
                .as_ref()
                .map_or_else(Arc::default, |price| Arc::clone(&price.id)),
            flags,
            charges: resolved.charges,
            attempts: self.attempts_kept(bill, took),
            losses: self.losses_kept(),
            decision: self.decision(),
            config_revision: Arc::clone(&self.snapshot.revision),
            overhead_us: micros(took.saturating_sub(self.waited)),
            took_us: micros(took),
            first_us: micros(self.first),
        }
    }

    /// What is written before the first byte leaves.
    pub(crate) fn dispatched(&self) -> record::Dispatched {
        record::Dispatched {
            id: self.ulid,
            at_ms: self.at_ms,
            who: self.who.clone().unwrap_or_default(),
            model: self.model_name(),
            target: self
                .order
                .first()
                .map_or_else(Arc::default, |target| Arc::clone(target.name())),
            config_revision: Arc::clone(&self.snapshot.revision),
            held: self.spend.held,
            holds: self.spend.held_of_accounts(),
        }
    }

    fn model_name(&self) -> Arc<str> {
        match &self.model {
            Some(model) => Arc::clone(&model.name),
            None => self.asked.as_str().into(),
        }
    }

    fn attempts_kept(&self, bill: &Bill, whole: Duration) -> Vec<record::Attempt> {
        let nothing = Line::default();
        let mut before: Option<&Arc<_>> = None;
        let mut kept = Vec::with_capacity(self.attempts.len());
        for (n, attempt) in self.attempts.iter().enumerate() {
            let line = bill.lines.get(n).unwrap_or(&nothing);
            let kind = match before.replace(&attempt.target) {
                None => "initial",
                Some(last) if Arc::ptr_eq(last, &attempt.target) => "retry",
                Some(_) => "fallback",
            };
            let answered = attempt.failure.is_none();
            let took = if answered { whole } else { attempt.took };
            kept.push(record::Attempt {
                kind: Cow::Borrowed(kind),
                target: Arc::clone(&attempt.name),
                outcome: Cow::Borrowed(attempt.failure.map_or("answered", AttemptFailure::name)),
                why: attempt.why.clone(),
                phase: Cow::Borrowed(attempt.phase),
                connect_us: micros(attempt.connected.unwrap_or_default()),
                first_us: if answered { micros(attempt.took) } else { 0 },
                total_us: micros(took),
                cut_by_us: !attempt.phase.is_empty(),
                usage: Usage {
                    raw: attempt
                        .used
                        .usage
                        .as_ref()
                        .or(self.used.usage.as_ref())
                        .and_then(|usage| usage.raw.clone()),
                    ..as_kept(&line.usage)
                },
                cost: line.cost,
                status: attempt.status.unwrap_or_default(),
            });
        }
        kept
    }

    fn losses_kept(&self) -> Vec<LossNote> {
        let losses = self.losses.iter();
        losses
            .map(|loss| LossNote {
                path: loss.path.clone(),
                why: format!("{}: {}", loss.kind.name(), loss.why),
                functional: loss.functional,
            })
            .collect()
    }

    /// Why these targets in this order, and what the limits said, as JSON; empty where the one target
    /// of the record says it all.
    fn decision(&self) -> String {
        let refused = self.spend.would_refuse().next().is_some();
        let all_well = self.excluded.is_empty();
        if self.order.len() < 2 && all_well && self.spend.clamped.is_none() && !refused {
            return String::new();
        }
        let mut out = Writer::default();
        out.object(|out| {
            out.key("order").array(|out| {
                for target in &self.order {
                    out.string(target.name());
                }
            });
            if !all_well {
                out.key("excluded");
                choice::write(out, &self.excluded, self.shared.choice.now());
            }
            if let Some(tokens) = self.spend.clamped {
                out.key("clamped_to_tokens").number(tokens);
            }
            if refused {
                out.key("would_refuse").array(|out| {
                    for name in self.spend.would_refuse() {
                        out.string(name);
                    }
                });
            }
        });
        String::from_utf8(out.into_bytes()).unwrap_or_default()
    }
}

/// The counts as they are kept: tokens of images among the others.
fn as_kept(usage: &Usage) -> Usage {
    Usage {
        input: usage.input.saturating_add(usage.apart.image_in),
        output: usage.output.saturating_add(usage.apart.image_out),
        apart: Apart::default(),
        ..usage.clone()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
