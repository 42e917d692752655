//! What the core needs of a dialect, and the table of those that exist.
//!
//! A dialect is one file that reads its requests into an [`Ask`] and writes an
//! [`Answer`] in its own shape. The core never looks inside either. Bodies of
//! one maker that another's cloud serves under its own paths are dialects of
//! their own here, since errors, keys and framing are the cloud's.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::answer::Answer;
use crate::ask::Ask;
use crate::fault::UsageLie;
use crate::play::Tape;
use crate::script::Secrets;
use crate::shelf::Shelf;
use crate::words::Rng;

/// All dialects, in the order in which they are offered a request.
pub(crate) const DIALECTS: [&dyn Dialect; 8] = [
    &crate::bedrock::Bedrock,
    &crate::anthropic::OnBedrock,
    &crate::anthropic::OnVertex,
    &crate::gemini::Gemini,
    &crate::cohere::Cohere,
    &crate::anthropic::Anthropic,
    &crate::openai_responses::OpenAiResponses,
    &crate::openai_chat::OpenAiChat,
];

/// Whose errors to speak where the path is nobody's.
pub(crate) fn likely(headers: &HeaderMap) -> &'static dyn Dialect {
    let signed = headers
        .get("authorization")
        .is_some_and(|v| v.as_bytes().starts_with(b"AWS4-"));
    if signed {
        &crate::bedrock::Bedrock
    } else if headers.contains_key("x-goog-api-key") {
        &crate::gemini::Gemini
    } else if headers.contains_key("anthropic-version") {
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
    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str>;

    /// Checks what proves the key, where a key alone is no proof.
    ///
    /// # Errors
    /// What the provider would say.
    fn verify(&self, _head: &Head<'_>, _body: &[u8], _secrets: &Secrets) -> Result<(), Refusal> {
        Ok(())
    }

    /// What is said where no key is presented, or a wrong one.
    fn unknown_key(&self, _presented: bool) -> Refusal {
        Refusal::of(401)
    }

    /// Reads a request for something that is charged.
    ///
    /// # Errors
    /// What the provider would say.
    fn read(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal>;

    /// A whole answer, as one event.
    fn whole(&self, job: &Job<'_>) -> Tape;

    /// A streamed answer.
    fn stream(&self, job: &Job<'_>) -> Tape;

    /// The answer to an operation that is not charged.
    ///
    /// # Errors
    /// What the provider would say.
    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal>;

    /// The body of an error.
    fn error(&self, head: &Head<'_>, refusal: &Refusal, request_id: &str) -> Bytes;

    /// The headers that only an error carries.
    fn error_headers(&self, _refusal: &Refusal, _headers: &mut HeaderMap) {}

    /// The event that breaks a stream off, behind `at` others.
    fn error_event(&self, job: &Job<'_>, at: u64) -> Bytes;

    /// An event whose JSON breaks off, behind `at` others.
    fn broken_event(&self, job: &Job<'_>, at: u64) -> Bytes;

    /// The content type of an answer that is not an error.
    fn content_type(&self, job: &Job<'_>) -> &'static str {
        if job.ask.stream {
            "text/event-stream; charset=utf-8"
        } else {
            "application/json"
        }
    }

    /// The headers that only an answer which is not an error carries.
    fn answer_headers(&self, _job: &Job<'_>, _headers: &mut HeaderMap) {}

    /// The id of an exchange.
    fn request_id(&self, rng: &mut Rng) -> String {
        rng.id("req_011C", 20)
    }

    /// The headers that every answer carries beside its type.
    fn headers(&self, headers: &mut HeaderMap, request_id: &str, status: u16);
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    /// Without the query.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    /// The host that HTTP/2 tells beside the headers.
    pub(crate) authority: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// What is kept for callers.
    pub(crate) shelf: &'a Shelf,
}

impl<'a> Head<'a> {
    /// A header's value, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The key of `authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&'a str> {
        let value = self.header("authorization")?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    /// The first value of a query parameter, as it was sent.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query.split('&').filter_map(|p| p.split_once('='));
        pairs.into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    pub(crate) fn posts(&self) -> bool {
        *self.method == Method::POST
    }

    pub(crate) fn gets(&self) -> bool {
        *self.method == Method::GET
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Chat,
    Complete,
    Embed,
    Rerank,
    Moderate,
    Image,
    ImageEdit,
    Speech,
    Transcribe,
    Translate,
    CountTokens,
    Models,
    Model(String),
    /// An answer that is kept, by its id.
    Stored(Stored, String),
    /// Files that are kept.
    Files,
}

/// What is done with an answer that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Get,
    Inputs,
    Delete,
    Cancel,
}

impl Op {
    /// Its name in scripts and on the bill.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Op::Chat => "chat",
            Op::Complete => "complete",
            Op::Embed => "embed",
            Op::Rerank => "rerank",
            Op::Moderate => "moderate",
            Op::Image => "image",
            Op::ImageEdit => "image_edit",
            Op::Speech => "speech",
            Op::Transcribe => "transcribe",
            Op::Translate => "translate",
            Op::CountTokens => "count_tokens",
            Op::Models | Op::Model(_) => "models",
            Op::Stored(..) => "stored",
            Op::Files => "files",
        }
    }

    /// Whether the bill lists it.
    pub(crate) fn charged(&self) -> bool {
        match self {
            Op::CountTokens | Op::Models | Op::Model(_) | Op::Stored(..) | Op::Files => false,
            Op::Chat
            | Op::Complete
            | Op::Embed
            | Op::Rerank
            | Op::Moderate
            | Op::Image
            | Op::ImageEdit
            | Op::Speech
            | Op::Transcribe
            | Op::Translate => true,
        }
    }
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
    pub(crate) op: &'a Op,
    pub(crate) ask: &'a Ask,
    pub(crate) answer: &'a Answer,
    /// Ids are made from this; it differs from exchange to exchange.
    pub(crate) ids: u64,
    /// Unix time in seconds.
    pub(crate) created: u64,
    pub(crate) request_id: &'a str,
    pub(crate) usage_lie: Option<UsageLie>,
    pub(crate) wrong_id: bool,
    /// The caller's key: whose answer it is, where it is kept.
    pub(crate) owner: &'a str,
    pub(crate) shelf: &'a Shelf,
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
