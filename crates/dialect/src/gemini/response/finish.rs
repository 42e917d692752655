//! Why an answer ended.
//!
//! Google ends an answer that asks for tools with `STOP`, so the hub's word is made of
//! the reason and of what was said. A reason that says nothing is none.

use crate::chat::{Finish, FinishReason};
use crate::json::{Invalid, Kind, Reader};

/// Google's words for why an answer ended, and the hub's.
const REASONS: [(&str, FinishReason); 11] = [
    ("STOP", FinishReason::Stop),
    ("MAX_TOKENS", FinishReason::Length),
    ("SAFETY", FinishReason::ContentFilter),
    ("RECITATION", FinishReason::ContentFilter),
    ("BLOCKLIST", FinishReason::ContentFilter),
    ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("SPII", FinishReason::ContentFilter),
    ("MODEL_ARMOR", FinishReason::ContentFilter),
    ("IMAGE_SAFETY", FinishReason::ContentFilter),
    ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("IMAGE_RECITATION", FinishReason::ContentFilter),
];

/// The same by their number in the protocol buffer, as far as Vertex and the Gemini API
/// give the same words to the same numbers.
const NUMBERS: [(&str, FinishReason); 4] = [
    ("1", FinishReason::Stop),
    ("2", FinishReason::Length),
    ("3", FinishReason::ContentFilter),
    ("4", FinishReason::ContentFilter),
];

/// Whether the word is a reason: an unspecified one is none.
pub(crate) fn is_reason(word: &str) -> bool {
    !(word.is_empty() || word == "0" || word.ends_with("_UNSPECIFIED"))
}

/// Reads a reason, which is a word or its number; none where it says nothing.
pub(crate) fn ended(reader: &mut Reader<'_>) -> Result<Option<String>, Invalid> {
    let word = if reader.peek()? == Kind::Number {
        reader.u64()?.to_string()
    } else {
        reader.string()?.into_owned()
    };
    Ok(Some(word).filter(|word| is_reason(word)))
}

/// The end of a candidate for that reason; `calls` says whether it asks for tools.
pub(crate) fn finish(raw: String, calls: bool) -> Finish {
    let mut known = REASONS.iter().chain(&NUMBERS);
    let reason = known.find(|(word, _)| *word == raw);
    let mut reason = reason.map_or(FinishReason::Other, |(_, reason)| *reason);
    if calls && reason == FinishReason::Stop {
        reason = FinishReason::ToolCalls;
    }
    Finish {
        reason,
        raw,
        stop_sequence: None,
        service_tier: None,
    }
}

/// The end of an answer to a prompt that was refused for that reason.
pub(crate) fn blocked(raw: String) -> Finish {
    Finish {
        reason: FinishReason::ContentFilter,
        raw,
        stop_sequence: None,
        service_tier: None,
    }
}

/// Google's word for the end of another dialect's answer, and what it cannot tell of it.
pub(crate) fn finish_word(end: &Finish) -> (&str, Option<(&'static str, &'static str)>) {
    const REASON: &str = "stop_reason";
    if end.stop_sequence.is_some() || end.reason == FinishReason::StopSequence {
        let why = "the API does not tell which stop text was met";
        return ("STOP", Some(("stop_sequence", why)));
    }
    match end.reason {
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::StopSequence => ("STOP", None),
        FinishReason::Length => ("MAX_TOKENS", None),
        FinishReason::ContentFilter => {
            let known = REASONS.contains(&(end.raw.as_str(), FinishReason::ContentFilter));
            (if known { &end.raw } else { "SAFETY" }, None)
        }
        FinishReason::Refusal => {
            let why = "the API tells a refusal as a filter's";
            ("SAFETY", Some((REASON, why)))
        }
        FinishReason::Pause => ("STOP", Some((REASON, "the API knows no paused turn"))),
        FinishReason::ContextWindow => {
            let why = "the API does not tell which limit was met";
            ("MAX_TOKENS", Some((REASON, why)))
        }
        FinishReason::Other => ("OTHER", Some((REASON, "the API has no such word"))),
    }
}
