//! Transport framing: bytes in any split, frames out.
//!
//! Frames are cut on bytes and become text only when they are whole, so that a
//! character split between two reads is never harmed.

pub mod event_stream;
pub mod json_array;
mod raw;
pub mod sse;

use std::borrow::Cow;

use bytes::Bytes;

pub use raw::{FrameError, RawFrame, Run};

/// One unit of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Name of the event; empty where it has none.
    pub event: Cow<'a, str>,
    /// Its data.
    pub data: Cow<'a, str>,
}

/// How a body is cut into frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// Messages of AWS's event stream.
    EventStream,
    /// Elements of one JSON array.
    JsonArray,
}

impl Framing {
    /// The media type of a body framed like that.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Framing::Sse => "text/event-stream",
            Framing::EventStream => "application/vnd.amazon.eventstream",
            Framing::JsonArray => "application/json",
        }
    }

    /// A framer at the start of a body whose frames may have `max_frame` bytes each.
    #[must_use]
    pub fn framer(self, max_frame: usize) -> Framer {
        match self {
            Framing::Sse => Framer::Sse(sse::Framer::new(max_frame)),
            Framing::EventStream => Framer::EventStream(event_stream::Framer::new(max_frame)),
            Framing::JsonArray => Framer::JsonArray(json_array::Framer::new(max_frame)),
        }
    }
}

/// Cuts a body into frames, by the framing that it has.
#[derive(Clone, Debug)]
pub enum Framer {
    /// Into server-sent events.
    Sse(sse::Framer),
    /// Into messages of AWS's event stream.
    EventStream(event_stream::Framer),
    /// Into elements of one JSON array.
    JsonArray(json_array::Framer),
}

impl Framer {
    /// Takes a chunk in, once the frames of the one before are pulled.
    pub fn push(&mut self, chunk: Bytes) {
        match self {
            Framer::Sse(framer) => framer.push(chunk),
            Framer::EventStream(framer) => framer.push(chunk),
            Framer::JsonArray(framer) => framer.push(chunk),
        }
    }

    /// The next frame that is whole.
    ///
    /// # Errors
    /// [`FrameError`] as the framing has it; the same again from then on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, FrameError> {
        match self {
            Framer::Sse(framer) => framer.next_frame(),
            Framer::EventStream(framer) => framer.next_frame(),
            Framer::JsonArray(framer) => framer.next_frame(),
        }
    }

    /// Bytes held: the unfinished frame, and what was pushed and not pulled.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match self {
            Framer::Sse(framer) => framer.buffered(),
            Framer::EventStream(framer) => framer.buffered(),
            Framer::JsonArray(framer) => framer.buffered(),
        }
    }

    /// Ends the body: the frame that it ended in, if it ended in one.
    #[must_use]
    pub fn finish(self) -> Option<RawFrame> {
        match self {
            Framer::Sse(framer) => framer.finish(),
            Framer::EventStream(framer) => framer.finish(),
            Framer::JsonArray(framer) => framer.finish(),
        }
    }
}
