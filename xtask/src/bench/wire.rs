//! What the benchmark's client says and its upstream answers, in every
//! dialect: requests of an exact size, whole answers, streams of equal
//! chunks.
//!
//! Written out here by hand, so that what is measured judges nothing of
//! itself: no code is shared with the gateway.

mod answers;
mod event_stream;
mod requests;

use bytes::Bytes;

pub use answers::Script;

/// The virtual key of the benchmark's only caller.
pub const KEY: &str = "bench-key-0123456789abcdef";

/// A wire format, as the client or the upstream speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1beta/models/…:generateContent`.
    Gemini,
    /// `POST /model/…/converse`.
    Converse,
    /// `POST /v2/chat`.
    Cohere,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Chat,
        Self::Messages,
        Self::Responses,
        Self::Gemini,
        Self::Converse,
        Self::Cohere,
    ];

    /// The name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::Cohere => "cohere",
        }
    }

    /// Its name in a configuration.
    pub const fn dialect(self) -> &'static str {
        match self {
            Self::Chat => "openai-chat",
            Self::Messages => "anthropic-messages",
            Self::Responses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Converse => "bedrock-converse",
            Self::Cohere => "cohere",
        }
    }

    /// The logical model whose upstream speaks it.
    pub const fn model(self) -> &'static str {
        match self {
            Self::Chat => "bench",
            Self::Messages => "bencha",
            Self::Responses => "benchr",
            Self::Gemini => "benchg",
            Self::Converse => "benchb",
            Self::Cohere => "benchc",
        }
    }

    /// What of a request's path tells it, and whether a stream is asked for there.
    pub fn of_path(path: &str) -> (Self, bool) {
        let wire = match path {
            path if path.ends_with("/messages") => Self::Messages,
            path if path.ends_with("/responses") => Self::Responses,
            path if path.ends_with("/v2/chat") => Self::Cohere,
            path if path.contains("enerateContent") => Self::Gemini,
            path if path.starts_with("/model/") => Self::Converse,
            _ => Self::Chat,
        };
        (wire, path.contains("stream"))
    }

    /// The media type of a stream.
    pub const fn streams_as(self) -> &'static str {
        match self {
            Self::Converse => "application/vnd.amazon.eventstream",
            Self::Chat | Self::Messages | Self::Responses | Self::Gemini | Self::Cohere => {
                "text/event-stream"
            }
        }
    }

    /// What stands once in each event of a stream.
    pub const fn event(self) -> &'static [u8] {
        match self {
            Self::Converse => b":event-type",
            Self::Gemini => b"data: ",
            Self::Chat | Self::Messages | Self::Responses | Self::Cohere => b"\n\n",
        }
    }

    /// What proves that a stream is whole.
    pub const fn proof(self) -> &'static [u8] {
        match self {
            Self::Chat => b"[DONE]",
            Self::Messages => b"message_stop",
            Self::Responses => b"response.completed",
            Self::Gemini => b"finishReason",
            Self::Converse => b"messageStop",
            Self::Cohere => b"message-end",
        }
    }
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Whole,
    /// This many content events, this many milliseconds apart (0: at once).
    Stream {
        /// Content events.
        chunks: usize,
        /// Milliseconds between two.
        gap_ms: u64,
    },
}

/// One request, as the load generator repeats it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What the client speaks.
    pub wire: Wire,
    /// The logical model.
    pub model: &'static str,
    /// Bytes of the body.
    pub size: usize,
    /// Messages that the conversation begins with.
    pub turns: usize,
    /// How the answer comes.
    pub shape: Shape,
    /// Milliseconds the upstream waits before it answers.
    pub delay_ms: u64,
    /// Names the request to the upstream; 0 for none.
    pub id: u64,
}

impl Ask {
    /// The whole HTTP request, with these headers (`name: value\r\n`) added.
    pub fn http(&self, headers: &str) -> Bytes {
        requests::http(self, headers)
    }
}
