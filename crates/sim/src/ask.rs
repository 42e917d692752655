//! What a request asks for, in words that no dialect owns: each dialect reads
//! its own body into an [`Ask`], and the content is made from that alone.
//!
//! Also the in-text directive (`[[chunks=100&gap_ms=10]]`), which survives any
//! gateway because it is part of a message. Nothing here knows a wire format.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::task::Task;
use crate::words;

/// A chat request, as far as the content of its answer depends on it.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether a stream carries the usage event that a client must ask for.
    pub(crate) include_usage: bool,
    /// Whether stream events are padded against traffic analysis.
    pub(crate) obfuscate: bool,
    /// All input, cached or not.
    pub(crate) input_tokens: u64,
    /// A text held `CACHED`: half the input counts as read from a cache.
    pub(crate) cached: bool,
    pub(crate) last_text: String,
    /// The result, when the last message is a tool's result.
    pub(crate) tool_result: Option<String>,
    /// The text of a last message that is the assistant's: to be continued.
    pub(crate) prefill: Option<String>,
    /// Output bound of each choice, reasoning included.
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) seed: Option<u64>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) one_call_only: bool,
    pub(crate) format: Format,
    pub(crate) images: Vec<Image>,
    pub(crate) thinking: Thinking,
    /// Thoughts are told and not charged.
    pub(crate) free_thoughts: bool,
    pub(crate) choices: u64,
    /// How many alternatives a token's log probability lists.
    pub(crate) logprobs: Option<u64>,
    pub(crate) directive: Directive,
    pub(crate) task: Task,
    pub(crate) framing: Framing,
    /// What an answer may quote.
    pub(crate) documents: Vec<Document>,
    /// What only the dialect itself needs of the request.
    pub(crate) own: Value,
}

/// How a stream's events are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// The elements of a JSON array.
    Array,
    /// Nothing but bytes.
    Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Option<Box<RawValue>>,
}

#[derive(Debug, Default)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

#[derive(Debug, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    Object,
    Schema(Option<Box<RawValue>>),
}

#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) media_type: String,
    /// Length of the encoded image, or of its address.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Thinking {
    #[default]
    Off,
    /// Counted, not shown.
    Hidden,
    Shown,
}

/// `[[chunks=100&gap_ms=10&delay_ms=0&bytes=4&words=60]]` in a message's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directive {
    /// Number of content events.
    pub(crate) chunks: Option<usize>,
    /// Bytes of text in each event.
    pub(crate) bytes: Option<usize>,
    /// Words of an answer without `chunks`.
    pub(crate) words: Option<usize>,
    /// Time between content events, in milliseconds.
    pub(crate) gap_ms: u64,
    /// Time before the first byte of the head, in milliseconds.
    pub(crate) delay_ms: u64,
}

const IMAGE_TOKENS: u64 = 85;
const CHUNKS_MAX: u64 = 100_000;
const BYTES_MAX: u64 = 64 << 10;
const TOTAL_BYTES_MAX: usize = 32 << 20;
const MS_MAX: u64 = 3_600_000;

impl Ask {
    /// Counts a text of the input and reads what it says to the provider.
    ///
    /// # Errors
    /// A directive that cannot be understood, in words.
    pub(crate) fn hear(&mut self, text: &str) -> Result<(), String> {
        self.input_tokens += words::tokens(text);
        if memchr::memmem::find(text.as_bytes(), b"CACHED").is_some() {
            self.cached = true;
        }
        if let Some(directive) = Directive::find(text)? {
            self.directive = directive;
        }
        Ok(())
    }

    /// Takes note of an image.
    pub(crate) fn look(&mut self, media_type: &str, bytes: usize) {
        self.input_tokens += IMAGE_TOKENS;
        self.images.push(Image {
            media_type: media_type.to_owned(),
            bytes,
        });
    }

    /// Takes note of sound, a document or a film.
    pub(crate) fn attach(&mut self, bytes: usize) {
        self.input_tokens += words::tokens_of(bytes / 16).max(1);
    }

    /// A tool that may be called.
    ///
    /// # Errors
    /// As [`Ask::hear`].
    pub(crate) fn offer(
        &mut self,
        name: &str,
        description: &str,
        schema: Option<&RawValue>,
    ) -> Result<(), String> {
        self.hear(name)?;
        self.hear(description)?;
        self.input_tokens += words::tokens(schema.map_or("", RawValue::get));
        self.tools.push(Tool {
            name: name.to_owned(),
            schema: schema.map(RawValue::to_owned),
        });
        Ok(())
    }

    /// The part of the input that counts as read from a cache.
    pub(crate) fn cached_tokens(&self) -> u64 {
        if self.cached {
            self.input_tokens / 2
        } else {
            0
        }
    }
}

impl Directive {
    /// The first directive in `text`. Double brackets around anything that is
    /// not `name=value` are plain text.
    fn find(text: &str) -> Result<Option<Directive>, String> {
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"[[") {
            rest = rest.get(at + 2..).unwrap_or_default();
            let head = words::clip(rest, 200);
            let Some((inside, _)) = head.split_once("]]") else {
                continue;
            };
            let known = ["chunks=", "gap_ms=", "delay_ms=", "bytes=", "words="];
            if known.iter().any(|k| inside.starts_with(k)) {
                return Directive::parse(inside).map(Some);
            }
        }
        Ok(None)
    }

    fn parse(inside: &str) -> Result<Directive, String> {
        let mut out = Directive::default();
        for pair in inside.split('&') {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("sim directive: '{pair}' is not name=value"))?;
            let number = |most: u64| match value.trim().parse::<u64>() {
                Ok(n) if n <= most => Ok(n),
                Ok(n) => Err(format!("sim directive: {name}={n} is more than {most}")),
                Err(_) => Err(format!("sim directive: {name}={value} is not a number")),
            };
            let size = |most: u64| number(most).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            match name.trim() {
                "chunks" => out.chunks = Some(size(CHUNKS_MAX)?),
                "bytes" => out.bytes = Some(size(BYTES_MAX)?.max(1)),
                "words" => out.words = Some(size(CHUNKS_MAX)?),
                "gap_ms" => out.gap_ms = number(MS_MAX)?,
                "delay_ms" => out.delay_ms = number(MS_MAX)?,
                other => return Err(format!("sim directive: unknown name '{other}'")),
            }
        }
        if out
            .chunks
            .unwrap_or(0)
            .saturating_mul(out.bytes.unwrap_or(4))
            > TOTAL_BYTES_MAX
        {
            return Err(format!(
                "sim directive: chunks × bytes is more than {TOTAL_BYTES_MAX}"
            ));
        }
        Ok(out)
    }
}
