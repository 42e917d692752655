//! The two roles of a dialect: facing the client, and facing the provider.
//!
//! Codecs are pure: bytes and hub values in, bytes and hub values out. A stream
//! codec is a state machine that is cheap to clone, so that tests can cut a
//! stream at every byte. A codec never guesses: what it cannot read is an error.

use std::borrow::Cow;
use std::fmt;

use crate::chat::{Place, Request, Response, StreamEvent, Usage, Words, places_in_messages};
use crate::failure::{ClientFailure, ProviderError};
use crate::frame::{Frame, Framing};
use crate::head::Head;
use crate::json::Invalid;
use crate::loss::Losses;
use crate::media::Media;
use crate::patch::Patch;

/// A dialect as the client speaks it: we are its server.
pub trait ServerCodec: Sync {
    /// Reads what the road needs from a request, in one pass that builds nothing.
    ///
    /// # Errors
    /// [`Invalid`] where the body is no JSON object, one of those fields has a wrong type, or
    /// one is missing that must be there. A missing `model` is not an error here, since a
    /// path may name it.
    fn head(&self, body: &[u8]) -> Result<Head, Invalid>;

    /// Counts what of a request is not text, for a bound on what it can cost.
    fn media(&self, body: &[u8]) -> Media;

    /// The edits that make the client's own bytes right for a target of the same dialect.
    fn patch(&self, head: &Head, edits: &Edits<'_>) -> Patch;

    /// Reads a whole request into the hub.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    fn decode_request(&self, body: &[u8]) -> Result<Request, Invalid>;

    /// What the dialect calls the parts of a request, as that one spelled them.
    fn words(&self, request: &Request) -> &'static Words;

    /// Where each turn of a request of this dialect stands in its document, so that losses are
    /// told in the client's words.
    fn places(&self, request: &Request) -> Vec<Place> {
        places_in_messages(request)
    }

    /// Where the tool at that place of a request of this dialect stands in its document.
    fn tool_place(&self, _: &Request, at: usize) -> String {
        format!("tools[{at}]")
    }

    /// Top-level fields of a request without a word in the hub that mean the same, by the same
    /// name, in each dialect that lists them.
    fn shared_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Writes a whole answer.
    fn encode_response(&self, response: &Response, losses: &mut Losses) -> Vec<u8>;

    /// A writer of one stream.
    fn encoder(&self, options: EncoderOptions) -> Box<dyn EventEncoder>;

    /// How a stream is framed.
    fn stream_framing(&self) -> Framing {
        Framing::Sse
    }

    /// Whether libraries may take a stream that ends in a failure event for one that is whole: the body's
    /// framing must break behind that event, so that they raise an error.
    fn failure_may_pass_as_end(&self) -> bool {
        false
    }

    /// Writes the body of an error answer.
    fn encode_failure(&self, failure: &ClientFailure) -> Vec<u8>;

    /// Headers that an error answer carries beside its body, names in lower case.
    fn failure_headers(&self, _: &ClientFailure) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Writes the list of models that the caller may use.
    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8>;

    /// Writes one of them, asked for by its name.
    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8>;
}

/// A dialect as the provider speaks it: we are its client.
pub trait ClientCodec: Sync {
    /// Writes a request for the provider.
    fn encode_request(
        &self,
        request: &Request,
        target: &TargetModel<'_>,
        losses: &mut Losses,
    ) -> Vec<u8>;

    /// Reads a whole answer. A whole answer without its proof of completion is an error.
    ///
    /// # Errors
    /// [`Broken`] where the body is no complete answer of this dialect.
    fn decode_response(&self, body: &[u8]) -> Result<Response, Broken>;

    /// Checks that a whole answer is complete, and tells what it used and who served it, without
    /// building it: it looks at what proves the end and at the usage alone, and passes whatever
    /// [`ClientCodec::decode_response`] reads.
    ///
    /// # Errors
    /// As that.
    fn weigh_response<'a>(&self, body: &'a [u8]) -> Result<Weighed<'a>, Broken>;

    /// A reader of one stream; `candidates` is how many answers were asked for.
    fn decoder(&self, candidates: u64) -> Box<dyn EventDecoder>;

    /// How a stream is framed.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Reads an error answer; never fails, since providers answer errors with anything.
    fn decode_failure(&self, body: &[u8]) -> ProviderError;

    /// Whether a service tier that another dialect asks for is written: then it is what is paid.
    fn takes_foreign_tiers(&self) -> bool {
        true
    }

    /// Whether past reasoning goes back to every provider although nothing signs or seals it.
    fn takes_plain_reasoning(&self) -> bool {
        false
    }

    /// Path of chat below the provider's versioned root; some dialects name model and form of
    /// the answer in it, percent-encoded.
    fn chat_path(&self, model: &str, stream: bool) -> Cow<'static, str>;

    /// How else the dialect sits on HTTP.
    fn transport(&self) -> &'static Transport;
}

/// A word as one segment of a path: all but what RFC 3986 calls unreserved is percent-encoded, as
/// names of models with slashes and colons need it.
pub(crate) fn percent_encoded(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What a whole answer tells of how it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed<'a> {
    /// What it used, where it says.
    pub usage: Option<Usage>,
    /// The model that served, in the provider's words; empty where it does not say.
    pub model: Cow<'a, str>,
    /// The service tier that served, where it says.
    pub service_tier: Option<Cow<'a, str>>,
    /// The answer's id, in dialects whose providers keep answers; else empty.
    pub id: Cow<'a, str>,
}

/// How a dialect sits on HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Headers that every request carries; the client's own value wins where it is forwarded.
    pub headers: &'static [(&'static str, &'static str)],
    /// The client's headers that go on to a provider of the same dialect.
    pub forwarded: &'static [&'static str],
    /// The header in which an answer carries its own id.
    pub request_id: &'static str,
    /// The headers that tell what is left of limits.
    pub limits: LimitHeaders,
}

/// Names of the headers that tell what is left of limits: how much a window allows, what is left of it,
/// when the next one begins.
#[derive(Clone, Copy, Debug)]
pub struct LimitHeaders {
    /// Of requests.
    pub requests: [&'static str; 3],
    /// Of tokens.
    pub tokens: [&'static str; 3],
    /// How the last of them tells the time.
    pub resets: Resets,
}

/// How a header tells when a window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resets {
    /// In how long, as Go prints a duration: `20ms`, `1s`, `6m0s`.
    In,
    /// When, by RFC 3339.
    At,
}

/// Reads one stream: frames in, events out.
pub trait EventDecoder: Send + fmt::Debug {
    /// Reads a frame and appends what it means to `events`.
    ///
    /// # Errors
    /// [`Broken`] where the frame does not parse or breaks the stream's grammar. The
    /// events that came before it in the same frame are appended all the same.
    fn push(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken>;

    /// Tells the decoder that the body ended. Appends [`StreamEvent::End`] only if that
    /// was not done already and the end of the body was the last thing that the proof lacked.
    ///
    /// # Errors
    /// [`Broken`] where the proof of completion was not seen.
    fn finish(&mut self, end: End, events: &mut Vec<StreamEvent>) -> Result<(), Broken>;

    /// Names of fields that the decoder passed over because the hub has no word for them; at most 32.
    fn unknown_fields(&self) -> &[String];

    /// A copy in the same state.
    fn boxed_clone(&self) -> Box<dyn EventDecoder>;
}

impl Clone for Box<dyn EventDecoder> {
    fn clone(&self) -> Self {
        (**self).boxed_clone()
    }
}

/// Writes one stream: events in, bytes out.
pub trait EventEncoder: Send + fmt::Debug {
    /// Appends what the event is in this dialect; for some events that is nothing.
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>);

    /// Appends a failure event. Nothing may follow, and no success terminator is written.
    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>);

    /// Bytes that keep an idle connection alive and mean nothing; empty where the dialect has none.
    fn keep_alive(&self) -> &'static [u8];

    /// What could not be written so far.
    fn losses(&self) -> &Losses;

    /// A copy in the same state.
    fn boxed_clone(&self) -> Box<dyn EventEncoder>;
}

impl Clone for Box<dyn EventEncoder> {
    fn clone(&self) -> Self {
        (**self).boxed_clone()
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing said: the last chunk, the full length, END_STREAM.
    Clean,
    /// Otherwise: reset, closed early, or closed where only closing marks the end.
    Cut,
}

/// A provider's answer that does not hold together, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What was wrong, as a clause.
    pub why: Cow<'static, str>,
}

impl Broken {
    /// A break for that reason.
    #[must_use]
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into() }
    }
}

impl From<Invalid> for Broken {
    fn from(invalid: Invalid) -> Self {
        Self {
            why: format!("data that does not parse: {invalid}").into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Broken {}

/// Edits to a request that goes on in its own dialect.
#[derive(Clone, Copy, Debug)]
pub struct Edits<'a> {
    /// The model in the provider's words.
    pub model: &'a str,
    /// Whether the provider must report usage in the stream.
    pub force_usage: bool,
    /// A lower bound on output tokens than the client gave.
    pub max_output_tokens: Option<u64>,
}

/// What an encoder must know of the model that a request is written for.
#[derive(Clone, Copy, Debug)]
pub struct TargetModel<'a> {
    /// Its name in the provider's words.
    pub model: &'a str,
    /// Output limit to send where the dialect demands one and the client gave none.
    pub default_max_tokens: u64,
    /// Whether the provider understands the switch for usage in streams.
    pub force_usage: bool,
    /// Whether the model is asked to think by how hard, and refuses a budget of tokens.
    pub adaptive_thinking: bool,
}

/// What a stream's encoder must know of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncoderOptions {
    /// Whether the client asked for usage in the stream.
    pub include_usage: bool,
    /// Whether the client asked for the stream as one JSON array, where its dialect has both
    /// forms; server-sent events otherwise.
    pub json_array: bool,
}

/// A model in a list of models.
#[derive(Clone, Copy, Debug)]
pub struct ModelEntry<'a> {
    /// The name to call it by.
    pub id: &'a str,
    /// What it is for, where that was said.
    pub description: Option<&'a str>,
    /// Who serves it: a provider's name, or `bondgate` for logical models.
    pub owner: &'a str,
}
