//! A stream as one JSON array, cut into its elements.
//!
//! Google answers so where `alt=sse` was not asked for. Pieces come out as they came
//! in, brackets and commas included, so that together they are the body; only a piece
//! split between chunks is copied. What is held is bounded, and where the chunks were
//! split never changes what the pieces say. It must not read what an element means:
//! it only counts brackets outside strings.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::Frame;
use super::raw::{FrameError, RawFrame, Shape};

/// Name of the event of an element.
pub const ELEMENT: &str = "element";
/// Name of the event of the bracket that closes the array.
pub const CLOSE: &str = "close";

/// Cuts a body into the elements of the array that it is.
#[derive(Clone)]
pub struct Framer {
    max_event: usize,
    chunk: Bytes,
    /// Number of the chunk, by which neighbours know each other.
    source: u64,
    sources: u64,
    /// Where in the chunk the piece that is due begins.
    start: usize,
    /// How far the chunk was looked at.
    at: usize,
    /// What earlier chunks held of that piece.
    tail: Vec<u8>,
    place: Place,
    /// Whether no piece was cut yet.
    first: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
    failed: bool,
}

/// Where in the array the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Between,
    Element,
    Behind,
}

impl Framer {
    /// A framer at the start of a body whose pieces may have `max_event` bytes each.
    #[must_use]
    pub fn new(max_event: usize) -> Self {
        Self {
            max_event,
            chunk: Bytes::new(),
            source: 0,
            sources: 0,
            start: 0,
            at: 0,
            tail: Vec::new(),
            place: Place::Before,
            first: true,
            depth: 0,
            in_string: false,
            escaped: false,
            failed: false,
        }
    }

    /// Takes a chunk in, once the pieces of the one before are pulled; where they
    /// were not, what is left of it is copied.
    pub fn push(&mut self, chunk: Bytes) {
        let left = self.chunk.get(self.start..).unwrap_or_default();
        self.at = self.at.saturating_sub(self.start);
        self.chunk = if left.is_empty() {
            chunk
        } else {
            [left, &chunk].concat().into()
        };
        self.start = 0;
        self.sources += 1;
        self.source = self.sources;
    }

    /// The next piece that is whole: an element with what stands before it, or the
    /// bracket that closes the array.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] where the piece that is due is larger than the bound;
    /// the same again from then on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, FrameError> {
        if self.failed {
            return Err(self.fail());
        }
        while let Some(byte) = self.chunk.get(self.at).copied() {
            self.at += 1;
            if let Some(closes) = self.step(byte) {
                return self.cut(closes).map(Some);
            }
        }
        if self.buffered() > self.max_event {
            return Err(self.fail());
        }
        let rest = self.chunk.get(self.start..).unwrap_or_default();
        self.tail.extend_from_slice(rest);
        self.chunk = Bytes::new();
        self.start = 0;
        self.at = 0;
        Ok(None)
    }

    /// Takes one byte in; whether the piece that it ends closes the array, if it ends one.
    fn step(&mut self, byte: u8) -> Option<bool> {
        if self.in_string {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_string = false;
            }
            return None;
        }
        match (self.place, byte) {
            (Place::Before, b'[') => self.place = Place::Between,
            (Place::Between, b']') => {
                self.place = Place::Behind;
                return Some(true);
            }
            (Place::Between, b'{') => {
                self.place = Place::Element;
                self.depth = 1;
            }
            (Place::Between | Place::Element, b'"') => self.in_string = true,
            (Place::Element, b'{' | b'[') => self.depth += 1,
            (Place::Element, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.place = Place::Between;
                    return Some(false);
                }
            }
            (Place::Before | Place::Between | Place::Element | Place::Behind, _) => {}
        }
        None
    }

    /// Bytes held: the unfinished piece, and what was pushed and not pulled.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.tail.len() + self.chunk.len().saturating_sub(self.start)
    }

    /// Ends the body: what stands behind the last whole piece, if that is more than
    /// white space. A decoder refuses it.
    #[must_use]
    pub fn finish(mut self) -> Option<RawFrame> {
        let rest = self.chunk.get(self.start..).unwrap_or_default();
        self.tail.extend_from_slice(rest);
        let said = self.tail.iter().any(|byte| !byte.is_ascii_whitespace());
        said.then(|| RawFrame {
            start: 0,
            end: self.tail.len(),
            number: self.sources + 1,
            shape: Shape::Element {
                opens: self.first,
                closes: false,
            },
            source: self.tail.into(),
        })
    }

    fn cut(&mut self, closes: bool) -> Result<RawFrame, FrameError> {
        if self.tail.len() + (self.at - self.start) > self.max_event {
            return Err(self.fail());
        }
        let opens = std::mem::take(&mut self.first);
        let shape = Shape::Element { opens, closes };
        let frame = if self.tail.is_empty() {
            RawFrame {
                source: self.chunk.clone(),
                start: self.start,
                end: self.at,
                number: self.source,
                shape,
            }
        } else {
            let rest = self.chunk.get(self.start..self.at).unwrap_or_default();
            self.tail.extend_from_slice(rest);
            self.sources += 1;
            RawFrame {
                start: 0,
                end: self.tail.len(),
                number: self.sources,
                shape,
                source: std::mem::take(&mut self.tail).into(),
            }
        };
        self.start = self.at;
        Ok(frame)
    }

    fn fail(&mut self) -> FrameError {
        self.failed = true;
        self.chunk = Bytes::new();
        self.start = 0;
        self.at = 0;
        self.tail = Vec::new();
        FrameError::TooLarge {
            limit: self.max_event,
        }
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("buffered", &self.buffered())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// What a piece says: an element's text, or the bracket that closes the array.
pub(super) fn read(bytes: &[u8], opens: bool, closes: bool) -> Result<Frame<'_>, FrameError> {
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| FrameError::NotUtf8)?;
    let (event, data) = match closes {
        true => (CLOSE, text.trim_ascii()),
        false => (ELEMENT, element(text, opens)),
    };
    Ok(Frame {
        event: Cow::Borrowed(event),
        data: Cow::Borrowed(data),
    })
}

/// An element without the bracket or comma that has to stand before it; nothing without one.
fn element(text: &str, opens: bool) -> &str {
    let before = if opens { '[' } else { ',' };
    let inner = text.trim_ascii().strip_prefix(before);
    inner.unwrap_or_default().trim_ascii_start()
}
