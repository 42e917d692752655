//! The words of responses and the small readers that all its nodes share.
//!
//! Content, items and the way back have a page each below. What has no word in
//! the hub is kept where it stood; it must never be dropped in silence.

pub(super) mod content;
pub(super) mod item;
pub(super) mod media;
pub(super) mod reasoning;
pub(super) mod write;

use std::borrow::Cow;

use crate::Dialect;
use crate::chat::{Extra, Opaque};
use crate::json::{Invalid, Json, Kind, Reader};

/// The dialect of this folder.
pub(super) const OWN: Dialect = Dialect::OpenaiResponses;

/// How things that the hub understands were spelled (see [`Extra::note`]),
/// in words that no other dialect uses.
pub(super) mod spelled {
    /// An answer of this dialect.
    pub(crate) const OURS: &str = "responses: answer";
    /// `input` as a bare string.
    pub(crate) const BARE_INPUT: &str = "responses: bare input";
    /// A request without `input`.
    pub(crate) const NO_INPUT: &str = "responses: no input";
    /// `stream` said although it is off.
    pub(crate) const STREAM_OFF: &str = "responses: stream off";
    /// A message without its `type`.
    pub(crate) const UNTYPED: &str = "responses: untyped";
    /// The first part of a message of the assistant.
    pub(crate) const ITEM: &str = "responses: item begins";
    /// Stands for a message of the assistant without content.
    pub(crate) const EMPTY_ITEM: &str = "responses: empty item";
    /// A message of the assistant whose content was a bare string.
    pub(crate) const BARE: &str = "responses: bare content";
    /// Text of type `input_text`.
    pub(crate) const INPUT_TEXT: &str = "responses: input text";
    /// Text of type `output_text`.
    pub(crate) const OUTPUT_TEXT: &str = "responses: output text";
    /// An `output_text` without `annotations`.
    pub(crate) const NO_ANNOTATIONS: &str = "responses: no annotations";
    /// An `output_text` without `logprobs`.
    pub(crate) const NO_LOGPROBS: &str = "responses: no logprobs";
    /// The `output_text` whose probabilities are the answer's.
    pub(crate) const LOGPROBS: &str = "responses: logprobs";
    /// A result of a custom tool.
    pub(crate) const CUSTOM: &str = "responses: custom result";
    /// An answer without `usage`.
    pub(crate) const NO_USAGE: &str = "responses: no usage";
}

/// Name under which a part keeps what its item says of itself for the provider's own use.
pub(super) const ITEM: &str = "item";
/// Name under which a part keeps what else its message says.
pub(super) const MESSAGE: &str = "message";
/// Kind of an [`Opaque`] that is a whole `reasoning` item.
pub(super) const REASONING: &str = "reasoning";
/// Before the type of content that is kept whole.
pub(super) const CONTENT: &str = "content.";

/// Members of items that tell of the provider's own housekeeping.
pub(super) const ASIDES: [&str; 5] = ["id", "status", "item_id", "output_index", ITEM];

/// Members of an answer that repeat the request, or tell of the provider's own housekeeping.
pub(super) const ECHO: [&str; 37] = [
    "background",
    "billing",
    "completed_at",
    "content_filters",
    "context_management",
    "conversation",
    "created_at",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "moderation",
    "object",
    "output_text",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "status_details",
    "store",
    "system_fingerprint",
    "temperature",
    "text",
    "tool_choice",
    "tool_usage",
    "tools",
    "top_logprobs",
    "top_p",
    "total_tokens",
    "truncation",
    "user",
];

/// Members of a request that name what the provider keeps; with one of them it needs no input.
pub(super) const KEPT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Service tiers that go by the same word in several dialects.
pub(super) const TIERS: [&str; 6] = ["auto", "default", "flex", "scale", "priority", "fast"];

/// A value of our own dialect that travels unchanged.
pub(super) fn own(kind: &str, value: Json) -> Opaque {
    Opaque {
        origin: OWN,
        kind: kind.to_owned(),
        value,
    }
}

/// Reads a string.
pub(super) fn text(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    Ok(reader.string()?.into_owned())
}

/// Reads a number and keeps its text.
pub(super) fn number(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    let mut ahead = reader.clone();
    ahead.number()?;
    reader.json()
}

/// A member that must be there.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new("field required").under(name))
}

/// The `type` of the object that comes next, which stays unread; empty where it has none.
pub(super) fn kind_of<'a>(reader: &Reader<'a>) -> Result<Cow<'a, str>, Invalid> {
    let mut kind = None;
    let read = reader.clone().object(|key, member| {
        if key == "type" && member.peek()? == Kind::String {
            kind = Some(member.string()?);
            // Mostly the first member: the rest is read with the kind known.
            return Err(Invalid::new(""));
        }
        member.skip().map(drop)
    });
    match kind {
        Some(kind) => Ok(kind),
        None => read.map(|()| Cow::Borrowed("")),
    }
}

/// An empty set of extra fields of an item or a part of it.
pub(super) fn item_extra() -> Extra {
    let mut extra = Extra::default();
    extra.set_asides(&ASIDES);
    extra
}

/// Fields of a request without which an answer does something else.
pub(crate) const WEIGHTY: [&str; 5] = [
    "previous_response_id",
    "conversation",
    "prompt",
    "background",
    "text.format",
];
