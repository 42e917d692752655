//! What a client's stream is written in: its dialect, and the form it asked for.

use bytes::Bytes;
use dialect::Spoken;
use dialect::codec::{EncoderOptions, EventEncoder};
use dialect::frame::Framing;

/// What a client's stream is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speech {
    /// The dialect, and whose paths carry it.
    pub dialect: Spoken,
    /// Whether as one JSON array, where the dialect has both forms.
    pub json_array: bool,
}

impl Speech {
    /// In that dialect; its streams as one JSON array, where they are asked for so.
    #[must_use]
    pub(crate) fn new(dialect: Spoken, json_array: bool) -> Self {
        Self {
            dialect,
            json_array,
        }
    }

    /// Whether frames of a provider that speaks the same dialect can go on as they came.
    #[must_use]
    pub(crate) fn is_framed_as(self, framing: Framing) -> bool {
        !self.json_array && self.dialect.server().stream_framing() == framing
    }

    /// Whether the events in frames of a provider that speaks the same dialect can go on as they came,
    /// in frames of this client's.
    #[must_use]
    pub(crate) fn reframes(self, provider: Spoken) -> bool {
        !self.json_array && self.dialect.dialect() == provider.dialect()
    }

    /// Whether an event's text can be added to.
    #[must_use]
    pub(crate) fn is_text(self) -> bool {
        self.is_framed_as(Framing::Sse)
    }

    /// What an encoder must know.
    #[must_use]
    pub(crate) fn options(self, include_usage: bool) -> EncoderOptions {
        EncoderOptions {
            include_usage,
            json_array: self.json_array,
        }
    }

    /// A writer of a stream that has not begun.
    #[must_use]
    pub(crate) fn encoder(self) -> Box<dyn EventEncoder> {
        self.dialect.server().encoder(self.options(false))
    }

    /// What an encoder of its own wrote, behind what the client has: in an array a comma stands where
    /// another array would begin.
    #[must_use]
    pub(crate) fn behind(self, words: Bytes) -> Bytes {
        match words.strip_prefix(b"[").filter(|_| self.json_array) {
            Some(rest) => [b",", rest].concat().into(),
            None => words,
        }
    }

    /// Whether the framing must break behind a failure event.
    #[must_use]
    pub(crate) fn breaks(self) -> bool {
        self.dialect.server().failure_may_pass_as_end()
    }

    /// The content type of the stream.
    #[must_use]
    pub(crate) fn content_type(self) -> &'static str {
        match self.dialect.server().stream_framing() {
            _ if self.json_array => "application/json",
            Framing::Sse => "text/event-stream; charset=utf-8",
            framing @ (Framing::EventStream | Framing::JsonArray) => framing.media_type(),
        }
    }
}
