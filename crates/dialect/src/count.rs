//! Counting the tokens of a request that is not answered.
//!
//! A dialect whose providers count has a [`TokenCounter`], for both roles. What is counted is always a
//! chat request of the dialect, so that whoever reads, screens or translates it needs to know nothing
//! of counting. Where nobody counts there is [`estimate`], and whoever tells it must say that it is one.

use bytes::Bytes;

use crate::chat::{MediaSource, Message, Part, PartKind, Request, Tool, ToolKind};
use crate::codec::Broken;
use crate::json::{Invalid, Json, Reader, Writer};

/// How a dialect asks for a count, and tells one.
pub trait TokenCounter: Sync {
    /// The chat request that is to be counted, as its own body; none where the body holds a request of
    /// another dialect, which goes on as it is.
    ///
    /// # Errors
    /// [`Invalid`] where the body is none that asks for a count.
    fn chat(&self, body: &Bytes) -> Result<Option<Bytes>, Invalid>;

    /// Path below the provider's versioned root.
    fn path(&self, model: &str) -> String;

    /// The body that asks to count this body of a chat request. What does not bear on the count and is
    /// refused beside it is left out; all else stands as it was.
    ///
    /// # Errors
    /// [`Invalid`] where the body is no JSON object.
    fn request(&self, chat: &[u8], target: &Counted<'_>) -> Result<Vec<u8>, Invalid>;

    /// Reads a provider's answer.
    ///
    /// # Errors
    /// [`Broken`] where it tells no count.
    fn tokens(&self, body: &[u8]) -> Result<u64, Broken>;

    /// Writes the answer.
    fn answer(&self, count: Count) -> Vec<u8>;
}

/// Who is asked to count.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The model, in the provider's words.
    pub model: &'a str,
    /// The path of the provider's versioned root.
    pub root: &'a str,
}

/// A count of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Tokens of input.
    pub tokens: u64,
    /// Whether it is [`estimate`]'s, and no provider's.
    pub is_estimate: bool,
}

impl Count {
    /// Writes, as a further member, that it is an estimate where it is one.
    pub(crate) fn tell(self, out: &mut Writer) {
        if self.is_estimate {
            out.key("bondgate").object(|out| {
                out.key("estimate").bool(true);
            });
        }
    }
}

/// The members of an object, as they stand, but for those named.
pub(crate) fn members(body: &[u8], except: &[&str], out: &mut Writer) -> Result<(), Invalid> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|name, member| {
        let raw = member.raw()?;
        if !except.contains(&name) {
            out.key(name).raw(raw);
        }
        Ok(())
    })?;
    reader.end()
}

/// The number that stands in an answer under that name.
pub(crate) fn told(body: &[u8], name: &str) -> Result<u64, Broken> {
    let mut tokens = None;
    let mut reader = Reader::new(body)?;
    reader.object(|key, member| {
        if key == name {
            tokens = Some(member.u64()?);
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    reader.end()?;
    tokens.ok_or_else(|| Broken::new(format!("the answer tells no `{name}`")))
}

/// Bytes of text that make about one token.
const TOKEN_BYTES: u64 = 4;

/// Tokens that stand around a message or a tool.
const ITEM_TOKENS: u64 = 4;

/// Tokens of an image of a usual size.
const IMAGE_TOKENS: u64 = 1_600;

/// Tokens of any other medium: of a document of a page or two, or a minute of sound.
const MEDIUM_TOKENS: u64 = 3_200;

/// About how many tokens a request has for whichever model; neither a bound nor a provider's count.
#[must_use]
pub fn estimate(request: &Request) -> u64 {
    let messages = request.messages.iter().map(of_message);
    let tools = request.tools.iter().map(of_tool);
    messages.chain(tools).fold(0, u64::saturating_add)
}

/// The same of a body that cannot be read.
#[must_use]
pub fn estimate_of_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(TOKEN_BYTES)
}

fn of_message(message: &Message) -> u64 {
    ITEM_TOKENS.saturating_add(of_parts(&message.parts))
}

fn of_parts(parts: &[Part]) -> u64 {
    parts.iter().map(of_part).fold(0, u64::saturating_add)
}

fn of_part(part: &Part) -> u64 {
    match &part.kind {
        PartKind::Text(text) => of_text(text.as_str()),
        PartKind::Refusal(text) => of_text(text),
        PartKind::Reasoning(reasoning) => of_text(&reasoning.text),
        PartKind::Image(_) => IMAGE_TOKENS,
        PartKind::Audio(media) | PartKind::Video(media) | PartKind::Document(media) => match &media
            .source
        {
            MediaSource::Text(text) => of_text(text),
            MediaSource::Parts(parts) => of_parts(parts),
            MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::File(_) => MEDIUM_TOKENS,
        },
        PartKind::ToolCall(call) => of_text(&call.name).saturating_add(of_text(&call.arguments)),
        PartKind::ToolResult(result) => of_parts(&result.parts),
        PartKind::Opaque(opaque) => of_text(opaque.value.text()),
    }
}

fn of_tool(tool: &Tool) -> u64 {
    let text = match &tool.kind {
        ToolKind::Function {
            name,
            description,
            parameters,
            strict: _,
        } => [
            of_text(name),
            of_text(description.as_deref().unwrap_or_default()),
            of_text(parameters.as_ref().map_or("", Json::text)),
        ]
        .iter()
        .sum(),
        ToolKind::Hosted { kind: _, raw } => of_text(raw.text()),
    };
    ITEM_TOKENS.saturating_add(text)
}

fn of_text(text: &str) -> u64 {
    estimate_of_bytes(text.len())
}
