//! What happens while an answer streams.
//!
//! A stream is well-formed if `Start` comes first, each part is started before
//! its deltas and ended once, and `End` comes last. `End` is made only by a
//! decoder that saw the provider's proof of completion.

use super::{Citation, Extra, Finish, Opaque, ToolCallKind, Usage};
use crate::failure::ProviderError;
use crate::json::Json;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The envelope of the answer.
    Start(Box<Start>),
    /// A part begins.
    PartStart {
        /// Which answer.
        candidate: u64,
        /// Number of the part within the answer, from 0, never reused.
        part: u64,
        /// What begins.
        start: PartStart,
    },
    /// A part grows.
    Delta {
        /// Which answer.
        candidate: u64,
        /// Which part.
        part: u64,
        /// By what.
        delta: Delta,
    },
    /// A part is complete.
    PartEnd {
        /// Which answer.
        candidate: u64,
        /// Which part.
        part: u64,
    },
    /// Token probabilities of what was just said, as the dialect writes them.
    Logprobs {
        /// Which answer.
        candidate: u64,
        /// The dialect's own object.
        value: Json,
    },
    /// An answer is complete.
    Finish {
        /// Which answer.
        candidate: u64,
        /// Why.
        finish: Finish,
        /// What else stood there.
        extra: Box<Extra>,
    },
    /// What was used so far; the last one counts.
    Usage(Box<Usage>),
    /// Nothing but a sign of life.
    Ping,
    /// The provider says that it failed. Nothing follows.
    Error(Box<ProviderError>),
    /// The answer is whole. Nothing follows.
    End,
}

impl StreamEvent {
    /// Whether the event says something of the answer itself: not an envelope, a sign of life or usage.
    #[must_use]
    pub fn is_semantic(&self) -> bool {
        match self {
            StreamEvent::PartStart { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::PartEnd { .. }
            | StreamEvent::Logprobs { .. }
            | StreamEvent::Finish { .. }
            | StreamEvent::End => true,
            StreamEvent::Start(_)
            | StreamEvent::Usage(_)
            | StreamEvent::Ping
            | StreamEvent::Error(_) => false,
        }
    }
}

/// The envelope of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The provider's id of the answer.
    pub id: String,
    /// The model that serves, in the provider's words.
    pub model: String,
    /// When, in seconds since 1970, where the dialect says it.
    pub created: Option<u64>,
    /// The service tier that serves.
    pub service_tier: Option<String>,
    /// What else stood there.
    pub extra: Extra,
}

/// What kind of part begins.
#[derive(Clone, Debug, PartialEq)]
pub enum PartStart {
    /// Text.
    Text,
    /// Reasoning.
    Reasoning,
    /// A refusal in words.
    Refusal,
    /// A tool call.
    ToolCall {
        /// Names the call.
        id: String,
        /// Which tool.
        name: String,
        /// How its arguments are meant.
        kind: ToolCallKind,
    },
    /// Something of one dialect only, as it began.
    Opaque(Box<Opaque>),
}

/// By what a part grows.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text, of a text, reasoning or refusal part.
    Text(String),
    /// Arguments of a tool call.
    Arguments(String),
    /// Signature or encrypted form of reasoning; the last one counts.
    Opaque(Box<Opaque>),
    /// A source cited by a text part.
    Citation(Box<Citation>),
    /// A part of one dialect only, as it stands now that it is complete.
    Raw(Json),
}
