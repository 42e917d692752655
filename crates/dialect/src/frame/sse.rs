//! Server-sent events after the WHATWG grammar, cut on bytes.
//!
//! Events come out as they came in, blank line included, so that they can be
//! passed on untouched; neighbours of one chunk rejoin in a [`Run`] without a
//! copy. Only an event split between chunks is copied. What is held is bounded,
//! and where the chunks were split never changes what the events say. It must
//! not read what an event means.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::Frame;
use super::raw::Shape;
pub use super::raw::{FrameError, RawFrame, Run};

/// Bytes that one event may have, unless another bound is given.
pub const MAX_EVENT: usize = 16 << 20;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Cuts a body into events.
#[derive(Clone)]
pub struct Framer {
    max_event: usize,
    /// The chunk being cut; `at` is where the next event begins.
    chunk: Bytes,
    at: usize,
    /// Number of the chunk, by which neighbours know each other.
    source: u64,
    sources: u64,
    /// What earlier chunks held of the event that is not whole yet; all of it was searched.
    tail: Vec<u8>,
    /// How much of the tail's end is its unfinished line.
    line: usize,
    /// Whether the last byte searched was CR, so that an LF coming next belongs to it.
    after_cr: bool,
    /// Bytes at the start of this event that belong to the blank line before it: 0 or 1.
    foreign: usize,
    /// Whether the stream's first line, which a BOM may open, has not ended yet.
    first_line: bool,
    /// Whether no event was cut yet.
    first_event: bool,
    failed: bool,
}

impl Framer {
    /// A framer at the start of a body whose events may have `max_event` bytes each.
    #[must_use]
    pub fn new(max_event: usize) -> Self {
        Self {
            max_event,
            chunk: Bytes::new(),
            at: 0,
            source: 0,
            sources: 0,
            tail: Vec::new(),
            line: 0,
            after_cr: false,
            foreign: 0,
            first_line: true,
            first_event: true,
            failed: false,
        }
    }

    /// Takes a chunk in, once the events of the one before are pulled; where they
    /// were not, what is left of it is copied.
    pub fn push(&mut self, chunk: Bytes) {
        let left = self.chunk.get(self.at..).unwrap_or_default();
        self.chunk = if left.is_empty() {
            chunk
        } else {
            [left, &chunk].concat().into()
        };
        self.at = 0;
        self.sources += 1;
        self.source = self.sources;
    }

    /// The next event that is whole.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] where the event that is due is larger than the bound,
    /// whether it has ended or not; the same again from then on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, FrameError> {
        if self.failed {
            return Err(self.fail());
        }
        let mut line_start = self.at;
        if self.after_cr && self.at < self.chunk.len() {
            self.after_cr = false;
            if self.chunk.get(self.at) == Some(&b'\n') {
                line_start += 1;
                if self.tail.is_empty() {
                    self.foreign = 1;
                }
            }
        }
        loop {
            let rest = self.chunk.get(line_start..).unwrap_or_default();
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                return self.keep(rest.len(), line_start);
            };
            let line_end = line_start + length;
            let blank = length + self.line == 0 || self.first_line && self.is_bom(line_end);
            self.line = 0;
            self.first_line = false;
            let mut next = line_end + 1;
            if self.chunk.get(line_end) == Some(&b'\r') {
                match self.chunk.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if blank {
                return self.cut(line_end + 1, next).map(Some);
            }
            line_start = next;
        }
    }

    /// Bytes held: the unfinished event, and what was pushed and not pulled.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.tail.len() + self.chunk.len() - self.at
    }

    /// Ends the body: the event that it ended in, which lacks its blank line, if there
    /// is one. The grammar discards such an event.
    #[must_use]
    pub fn finish(mut self) -> Option<RawFrame> {
        self.tail
            .extend_from_slice(self.chunk.get(self.at..).unwrap_or_default());
        (self.tail.len() > self.foreign).then(|| RawFrame {
            start: 0,
            end: self.tail.len(),
            number: self.sources + 1,
            shape: Shape::Event {
                opens: self.first_event,
            },
            source: self.tail.into(),
        })
    }

    /// Puts the rest of the chunk, which ends in `line` bytes of an unfinished line, aside.
    fn keep(&mut self, line: usize, line_start: usize) -> Result<Option<RawFrame>, FrameError> {
        if self.buffered() - self.foreign > self.max_event {
            return Err(self.fail());
        }
        // A line that began in an earlier chunk and does not end in this one goes on.
        let goes_on = line_start == self.at;
        self.line = if goes_on { self.line + line } else { line };
        self.tail
            .extend_from_slice(self.chunk.get(self.at..).unwrap_or_default());
        self.chunk = Bytes::new();
        self.at = 0;
        Ok(None)
    }

    /// Cuts the event off before `next`; without the second half of a CRLF it ends at `end`.
    fn cut(&mut self, end: usize, next: usize) -> Result<RawFrame, FrameError> {
        if self.tail.len() + (end - self.at) - self.foreign > self.max_event {
            return Err(self.fail());
        }
        let opens = std::mem::take(&mut self.first_event);
        let frame = if self.tail.is_empty() {
            RawFrame {
                source: self.chunk.clone(),
                start: self.at,
                end: next,
                number: self.source,
                shape: Shape::Event { opens },
            }
        } else {
            self.tail
                .extend_from_slice(self.chunk.get(self.at..next).unwrap_or_default());
            self.sources += 1;
            RawFrame {
                start: 0,
                end: self.tail.len(),
                number: self.sources,
                shape: Shape::Event { opens },
                source: std::mem::take(&mut self.tail).into(),
            }
        };
        self.foreign = 0;
        self.at = next;
        if self.at == self.chunk.len() {
            self.chunk = Bytes::new();
            self.at = 0;
        }
        Ok(frame)
    }

    fn is_bom(&self, line_end: usize) -> bool {
        let here = self.chunk.get(self.at..line_end).unwrap_or_default();
        self.tail.iter().chain(here).eq(&BOM)
    }

    fn fail(&mut self) -> FrameError {
        self.failed = true;
        self.chunk = Bytes::new();
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

/// What an event says; none where it has no data, as keep-alives and comments have none.
/// Only a stream's first event, which `opens` it, may begin with a BOM.
pub(super) fn read(bytes: &[u8], opens: bool) -> Result<Option<Frame<'_>>, FrameError> {
    let bytes = match opens {
        true => bytes.strip_prefix(&BOM).unwrap_or(bytes),
        false => bytes,
    };
    let mut text = simdutf8::basic::from_utf8(bytes).map_err(|_| FrameError::NotUtf8)?;
    let mut event = "";
    let mut data: Option<Cow<'_, str>> = None;
    while !text.is_empty() {
        let length = memchr2(b'\n', b'\r', text.as_bytes()).unwrap_or(text.len());
        let line = text.get(..length).unwrap_or_default();
        // Half a CRLF left over reads as an empty line, which says nothing.
        text = text.get(length + 1..).unwrap_or_default();
        match field(line) {
            ("event", value) => event = value,
            ("data", value) => match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push('\n');
                    data.push_str(value);
                }
            },
            _ => {}
        }
    }
    Ok(data.filter(|data| !data.is_empty()).map(|data| Frame {
        event: Cow::Borrowed(event),
        data,
    }))
}

/// Puts JSON text that is one event's data on one line: line ends in JSON are mere
/// white space, but in an event they would end the data.
pub fn one_line(json: &mut [u8]) {
    let mut at = 0;
    while let Some(step) = memchr2(b'\n', b'\r', json.get(at..).unwrap_or_default()) {
        at += step;
        if let Some(byte) = json.get_mut(at) {
            *byte = b' ';
        }
    }
}

/// Name and value of a line; the name is empty for comments and blank lines.
fn field(line: &str) -> (&str, &str) {
    let Some(colon) = memchr(b':', line.as_bytes()) else {
        return (line, "");
    };
    let name = line.get(..colon).unwrap_or_default();
    let value = line.get(colon + 1..).unwrap_or_default();
    (name, value.strip_prefix(' ').unwrap_or(value))
}
