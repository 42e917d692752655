//! A whole answer.

use super::{Extra, Part, Usage};
use crate::Dialect;
use crate::json::Json;

/// A whole answer, decoded at once or folded from a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The dialect it was written in; every [`Extra`] below belongs to it.
    pub origin: Dialect,
    /// The provider's id of the answer.
    pub id: String,
    /// The model that served, in the provider's words.
    pub model: String,
    /// When, in seconds since 1970, where the dialect says it.
    pub created: Option<u64>,
    /// The answers, by index.
    pub candidates: Vec<Candidate>,
    /// What was used.
    pub usage: Option<Usage>,
    /// The service tier that served.
    pub service_tier: Option<String>,
    /// What else stood there.
    pub extra: Extra,
}

impl Response {
    /// An empty answer of that dialect.
    #[must_use]
    pub fn new(origin: Dialect) -> Self {
        Self {
            origin,
            id: String::new(),
            model: String::new(),
            created: None,
            candidates: Vec::new(),
            usage: None,
            service_tier: None,
            extra: Extra::default(),
        }
    }
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its index.
    pub index: u64,
    /// What the model said, in order.
    pub parts: Vec<Part>,
    /// Why it ended; a complete answer has a reason.
    pub finish: Option<Finish>,
    /// Token probabilities, as the dialect writes them.
    pub logprobs: Option<Json>,
    /// What else stood in the message.
    pub message_extra: Extra,
    /// What else stood beside the message.
    pub extra: Extra,
}

impl Candidate {
    /// An empty answer at that index.
    #[must_use]
    pub fn new(index: u64) -> Self {
        Self {
            index,
            parts: Vec::new(),
            finish: None,
            logprobs: None,
            message_extra: Extra::default(),
            extra: Extra::default(),
        }
    }
}

/// Why an answer ended: in the hub's words and in the provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The hub's word.
    pub reason: FinishReason,
    /// The provider's word.
    pub raw: String,
    /// The stop text that was met, where the dialect says it.
    pub stop_sequence: Option<String>,
    /// The service tier that served, where the end of a stream tells it.
    pub service_tier: Option<String>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// A stop text was met.
    StopSequence,
    /// The token limit was reached.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// A filter of the provider cut in.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The turn is paused and may be continued by sending it back.
    Pause,
    /// The context window was full.
    ContextWindow,
    /// A word that the hub does not know.
    Other,
}
