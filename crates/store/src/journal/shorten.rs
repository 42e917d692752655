//! A closing record that must fit into the room that was set aside for it.
//!
//! Money is never cut: costs, usage counts and charges stay. Texts go, the least
//! needed first, and the record is marked.

use std::borrow::Cow;
use std::sync::Arc;

use super::payload::put_exchange;
use crate::record::Exchange;

/// Bytes that a name or a reason keeps.
const NAME_BYTES: usize = 128;

/// Attempts that stay where even short ones are too many: the last ones.
const ATTEMPTS: usize = 4;

/// The record with as little left out as makes its payload fit, if that can be.
pub(super) fn shortened(record: &Exchange, bytes_max: usize) -> Exchange {
    let mut short = record.clone();
    short.flags.shortened = true;
    let cuts: [fn(&mut Exchange); 6] = [
        |record| record.decision = String::new(),
        |record| record.losses.clear(),
        cut_attempts_texts,
        |record| {
            record.usage.raw = None;
            for attempt in &mut record.attempts {
                attempt.usage.raw = None;
            }
        },
        cut_names,
        |record| {
            let surplus = record.attempts.len().saturating_sub(ATTEMPTS);
            record.attempts.drain(..surplus);
            record.who.tags.clear();
        },
    ];
    let mut bytes = Vec::new();
    for cut in cuts {
        cut(&mut short);
        bytes.clear();
        put_exchange(&mut bytes, &short);
        if bytes.len() <= bytes_max {
            break;
        }
    }
    short
}

fn cut_attempts_texts(record: &mut Exchange) {
    for attempt in &mut record.attempts {
        let kept = head(&attempt.why).len();
        attempt.why.truncate(kept);
    }
}

fn cut_names(record: &mut Exchange) {
    let shared = [
        &mut record.model,
        &mut record.target,
        &mut record.served_model,
        &mut record.price_id,
        &mut record.config_revision,
    ];
    let of_attempts = record.attempts.iter_mut().map(|a| &mut a.target);
    for name in shared.into_iter().chain(of_attempts) {
        if name.len() > NAME_BYTES {
            *name = Arc::from(head(name));
        }
    }
    let words = [
        &mut record.dialect,
        &mut record.operation,
        &mut record.outcome,
    ];
    let of_attempts = record.attempts.iter_mut();
    let of_attempts = of_attempts.flat_map(|a| [&mut a.kind, &mut a.outcome, &mut a.phase]);
    for word in words.into_iter().chain(of_attempts) {
        if word.len() > NAME_BYTES {
            *word = Cow::Owned(head(word).to_owned());
        }
    }
}

fn head(text: &str) -> &str {
    let end = text.floor_char_boundary(NAME_BYTES);
    text.get(..end).unwrap_or(text)
}
