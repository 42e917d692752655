//! Frames as they came, whatever their framing, and runs of them on their way out.
//!
//! Neighbours of one chunk rejoin without a copy. Nothing here knows a grammar:
//! what a frame says is read by the framing it came in.

use std::fmt;

use bytes::Bytes;

use super::Frame;

/// One frame as it came, all of its bytes: a server-sent event with its blank line, a
/// message of an event stream, or an element of an array with what separates it from the one before.
///
/// An LF whose CR came at the end of an earlier chunk stands at the start of the next event.
#[derive(Clone)]
pub struct RawFrame {
    /// The chunk that it lies in; it is kept alive as long as the frame is.
    pub(super) source: Bytes,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Number of that chunk, by which neighbours know each other.
    pub(super) number: u64,
    pub(super) shape: Shape,
}

/// How a frame is to be read.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A server-sent event; whether it is the stream's first, which a BOM may open.
    Event { opens: bool },
    /// A message of an event stream.
    Message,
    /// An element of an array, or the bracket that closes it; whether it is the first, behind
    /// the bracket that opens the array.
    Element { opens: bool, closes: bool },
}

impl RawFrame {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.source.get(self.start..self.end).unwrap_or_default()
    }

    /// Its bytes, shared with the chunk they came in.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.source.slice(self.start..self.end)
    }

    /// What it says; none where it has no data, as keep-alives and comments have none.
    ///
    /// # Errors
    /// [`FrameError::NotUtf8`], or [`FrameError::Damaged`] where a message is not what it says.
    pub fn frame(&self) -> Result<Option<Frame<'_>>, FrameError> {
        match self.shape {
            Shape::Event { opens } => super::sse::read(self.bytes(), opens),
            Shape::Message => super::event_stream::read(self.bytes()).map(Some),
            Shape::Element { opens, closes } => {
                super::json_array::read(self.bytes(), opens, closes).map(Some)
            }
        }
    }

    fn goes_on_in(&self, next: &RawFrame) -> bool {
        self.number == next.number && self.end == next.start
    }
}

impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawFrame")
            .field(&String::from_utf8_lossy(self.bytes()))
            .finish()
    }
}

/// Frames on their way out, neighbours of one chunk joined without a copy.
///
/// Its bound is its holder's: [`Run::len`] says what it weighs.
#[derive(Clone, Debug, Default)]
pub struct Run {
    whole: Vec<Bytes>,
    open: Option<RawFrame>,
    len: usize,
}

impl Run {
    /// Adds a frame behind the others.
    pub fn push(&mut self, frame: RawFrame) {
        self.len += frame.end - frame.start;
        match &mut self.open {
            Some(open) if open.goes_on_in(&frame) => open.end = frame.end,
            open => {
                let before = open.replace(frame);
                self.whole.extend(before.map(RawFrame::into_bytes));
            }
        }
    }

    /// Adds bytes that are no frame of the body, such as a failure event or a keep-alive.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.whole
            .extend(self.open.take().map(RawFrame::into_bytes));
        self.whole.push(bytes);
    }

    /// Bytes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all out, in order: one piece where all were neighbours.
    pub fn drain(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.len = 0;
        let open = self.open.take().map(RawFrame::into_bytes);
        std::mem::take(&mut self.whole).into_iter().chain(open)
    }
}

/// A body that is no stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An event is larger than the bound.
    #[error("an event is larger than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// An event is not UTF-8.
    #[error("an event is not valid UTF-8")]
    NotUtf8,
    /// A message of an event stream does not hold together.
    #[error("a message of the event stream {0}")]
    Damaged(&'static str),
}

impl From<FrameError> for crate::codec::Broken {
    fn from(error: FrameError) -> Self {
        Self::new(error.to_string())
    }
}
