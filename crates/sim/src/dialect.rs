//! What the core needs of a dialect, and the table of those that exist.
//!
//! A dialect is one file that reads its requests into an [`Ask`] and writes an
//! [`Answer`] in its own shape. The core never looks inside either.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::answer::Answer;
use crate::ask::Ask;
use crate::fault::UsageLie;
use crate::play::Tape;
use crate::words::Rng;

/// All dialects, in the order in which they are offered a request.
pub(crate) const DIALECTS: [&dyn Dialect; 2] = [
    &crate::anthropic::Anthropic,
    &crate::openai_chat::OpenAiChat,
];

/// Whose errors to speak where the path is nobody's.
pub(crate) fn likely(headers: &HeaderMap) -> &'static dyn Dialect {
    if headers.contains_key("anthropic-version") {
        &crate::anthropic::Anthropic
    } else {
        &crate::openai_chat::OpenAiChat
    }
}

/// A wire format, facing the caller.
pub(crate) trait Dialect: Send + Sync {
    /// Its name in scripts and on the bill.
    fn name(&self) -> &'static str;

    /// What a request wants of this dialect, if anything.
    fn route(&self, head: &Head<'_>) -> Option<Op>;

    /// The key that the caller presents.
    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str>;

    /// Reads a chat request.
    ///
    /// # Errors
    /// What the provider would say.
    fn read(&self, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal>;

    /// A whole answer, as one event.
    fn whole(&self, job: &Job<'_>) -> Tape;

    /// A streamed answer.
    fn stream(&self, job: &Job<'_>) -> Tape;

    /// Any other operation's answer.
    ///
    /// # Errors
    /// What the provider would say.
    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal>;

    /// The body of an error.
    fn error(&self, refusal: &Refusal, request_id: &str) -> Bytes;

    /// The event that breaks a stream off.
    fn error_event(&self, request_id: &str) -> Bytes;

    /// An event whose JSON breaks off.
    fn broken_event(&self) -> Bytes;

    /// The content type of a stream.
    fn stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// The headers that every answer carries beside its type.
    fn headers(&self, headers: &mut HeaderMap, request_id: &str, status: u16);
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Chat,
    CountTokens,
    Models,
    Model(String),
}

/// An error that the provider itself answers with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The dialect's error type or code; else what fits the status.
    pub(crate) code: Option<String>,
    /// The field at fault.
    pub(crate) param: Option<String>,
    pub(crate) message: Option<String>,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Refusal {
        Refusal {
            status: 400,
            message: Some(message.into()),
            ..Refusal::default()
        }
    }

    pub(crate) fn of(status: u16) -> Refusal {
        Refusal {
            status,
            ..Refusal::default()
        }
    }

    pub(crate) fn at(self, param: &str) -> Refusal {
        Refusal {
            param: Some(param.to_owned()),
            ..self
        }
    }
}

/// Everything that goes into the bytes of an answer.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) answer: &'a Answer,
    /// Ids are made from this; it differs from exchange to exchange.
    pub(crate) ids: u64,
    /// Unix time in seconds.
    pub(crate) created: u64,
    pub(crate) usage_lie: Option<UsageLie>,
    pub(crate) wrong_id: bool,
}

impl Job<'_> {
    pub(crate) fn rng(&self) -> Rng {
        Rng::new(self.ids)
    }

    /// A count of tokens as it is told, which a script may have made a lie.
    pub(crate) fn told(&self, tokens: u64) -> u64 {
        match self.usage_lie {
            Some(UsageLie::Absurd) => 9_007_199_254_740_993,
            Some(UsageLie::Missing | UsageLie::Shrinking) | None => tokens,
        }
    }

    pub(crate) fn usage_missing(&self) -> bool {
        self.usage_lie == Some(UsageLie::Missing)
    }

    pub(crate) fn usage_shrinks(&self) -> bool {
        self.usage_lie == Some(UsageLie::Shrinking)
    }
}

/// Counts the tokens that a stream has given out, string by string.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    before: u64,
    bytes: usize,
}

impl Meter {
    /// More of the present string is out.
    pub(crate) fn more(&mut self, text: &str) -> u64 {
        self.bytes += text.len();
        self.now()
    }

    /// The next string begins.
    pub(crate) fn next(&mut self) {
        self.before = self.now();
        self.bytes = 0;
    }

    pub(crate) fn now(&self) -> u64 {
        self.before + crate::words::tokens_of(self.bytes)
    }

    /// Tokens that no event shows.
    pub(crate) fn hidden(&mut self, tokens: u64) {
        self.before += tokens;
    }
}

/// What the provider says of a body that is not the JSON it expects.
pub(crate) fn type_error(e: &serde_json::Error) -> String {
    format!("We could not parse the JSON body of your request: {e}")
}
