//! Why an answer ended and what it used, which whole answers and streams share.
//!
//! The API tells two sets of counts: what the model read and wrote, its own preamble
//! and markup included, and what is billed. Prices are of the billed ones, so those are
//! the hub's. What a cache served is part of the former alone and changes no bill.
//!
//! Source: <https://docs.cohere.com/docs/how-does-cohere-pricing-work>.

use crate::chat::{Finish, FinishReason, Usage};
use crate::codec::Broken;
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// The API's word for why an answer ended, and the hub's.
const REASONS: [(&str, FinishReason); 5] = [
    ("COMPLETE", FinishReason::Stop),
    ("STOP_SEQUENCE", FinishReason::StopSequence),
    ("MAX_TOKENS", FinishReason::Length),
    ("TOOL_CALL", FinishReason::ToolCalls),
    ("ERROR_TOXIC", FinishReason::ContentFilter),
];

/// Words for an answer that broke off.
const BROKEN: [&str; 5] = [
    "ERROR",
    "TIMEOUT",
    "ERROR_LIMIT",
    "USER_CANCEL",
    "NETWORK_ERROR",
];

/// Reads a `finish_reason`.
///
/// # Errors
/// [`Broken`] where it says that the answer broke off, or nothing.
pub(crate) fn finish(raw: String) -> Result<Finish, Broken> {
    unbroken(&raw)?;
    let known = REASONS.iter().find(|(word, _)| *word == raw);
    Ok(Finish {
        reason: known.map_or(FinishReason::Other, |(_, reason)| *reason),
        raw,
        stop_sequence: None,
        service_tier: None,
    })
}

/// Checks that a `finish_reason` is that of a whole answer.
///
/// # Errors
/// As [`finish`].
pub(crate) fn unbroken(raw: &str) -> Result<(), Broken> {
    if raw.is_empty() {
        return Err(Broken::new("the answer has no finish_reason"));
    }
    if BROKEN.contains(&raw) {
        return Err(Broken::new(format!("the provider ended it with `{raw}`")));
    }
    Ok(())
}

/// The API's word for why an answer ended. Words that nobody knows go on as they are.
pub(crate) fn finish_word(end: &Finish, ours: bool) -> &str {
    let own = (end.raw.as_str(), end.reason);
    if ours || REASONS.contains(&own) {
        return &end.raw;
    }
    match end.reason {
        FinishReason::Stop | FinishReason::Refusal | FinishReason::Pause => "COMPLETE",
        FinishReason::StopSequence => "STOP_SEQUENCE",
        FinishReason::Length | FinishReason::ContextWindow => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Other if unbroken(&end.raw).is_ok() => &end.raw,
        FinishReason::Other => "COMPLETE",
    }
}

/// What `finish_reason` cannot tell of another dialect's end.
pub(crate) fn report_finish(end: &Finish, losses: &mut Losses) {
    if end.stop_sequence.is_some() {
        let why = "Cohere's chat does not tell which stop text was met";
        losses.tuning("stop_sequence", LossKind::Dropped, why);
    }
    let why = match end.reason {
        FinishReason::Refusal => "Cohere's chat has no word for a refusal",
        FinishReason::Pause => "Cohere's chat knows no paused turn",
        FinishReason::ContextWindow => "Cohere's chat has one word for all limits",
        FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::ContentFilter
        | FinishReason::Other => return,
    };
    losses.tuning("finish_reason", LossKind::Approximated, why);
}

/// Counts of input and output; none where they are not told.
#[derive(Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    reasoning: u64,
}

impl Counts {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let mut counts = Self::default();
        reader.object(|key, member| {
            match key {
                "input_tokens" => counts.input = count(member)?,
                "output_tokens" => counts.output = count(member)?,
                "reasoning_tokens" => counts.reasoning = count(member)?.unwrap_or_default(),
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }
}

/// A count, which may be written as `12.0`; whatever is no whole number counts nothing.
fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Invalid> {
    let raw = reader.raw()?;
    let whole = raw.split_once('.').map_or(raw, |(whole, rest)| {
        if rest.bytes().all(|digit| digit == b'0') {
            whole
        } else {
            raw
        }
    });
    Ok(whole.parse().ok())
}

/// Reads a usage object.
pub(crate) fn usage(reader: &mut Reader<'_>) -> Result<Usage, Invalid> {
    let (mut billed, mut tokens) = (Counts::default(), Counts::default());
    let mut cached = 0;
    let raw = reader.kept_object(|key, member| {
        match (key, member.peek()?) {
            ("billed_units", Kind::Object) => billed = Counts::read(member)?,
            ("tokens", Kind::Object) => tokens = Counts::read(member)?,
            ("cached_tokens", _) => cached = count(member)?.unwrap_or_default(),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    let output = billed.output.or(tokens.output).unwrap_or_default();
    let reasoning = tokens.reasoning.min(output);
    let (input, cache_read) = match (billed.input, tokens.input) {
        (Some(input), _) => (input, 0),
        (None, input) => {
            let input = input.unwrap_or_default();
            (input - cached.min(input), cached.min(input))
        }
    };
    Ok(Usage {
        input,
        cache_read,
        output: output - reasoning,
        reasoning,
        raw: Some(raw),
        ..Usage::default()
    })
}

/// Writes a usage object, our own as it stood.
pub(crate) fn write_usage(out: &mut Writer, usage: &Usage, ours: bool) {
    if let Some(raw) = usage.raw.as_ref().filter(|_| ours) {
        out.json(raw);
        return;
    }
    let (input, output) = (usage.total_input(), usage.total_output());
    let count = |out: &mut Writer| {
        out.key("input_tokens").number(input);
        out.key("output_tokens").number(output);
    };
    out.object(|out| {
        out.key("billed_units").object(count);
        out.key("tokens").object(|out| {
            count(out);
            if usage.reasoning > 0 {
                out.key("reasoning_tokens").number(usage.reasoning);
            }
        });
        out.key("cached_tokens").number(usage.cache_read);
    });
}
