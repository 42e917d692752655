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
            opens: self.first_event,
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
                opens,
            }
        } else {
            self.tail
                .extend_from_slice(self.chunk.get(self.at..next).unwrap_or_default());
            self.sources += 1;
            RawFrame {
                start: 0,
                end: self.tail.len(),
                number: self.sources,
                opens,
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

/// One event as it came, from its first byte to its blank line.
///
/// An LF whose CR came at the end of an earlier chunk stands at the start of the next event.
#[derive(Clone)]
pub struct RawFrame {
    /// The chunk that it lies in; it is kept alive as long as the event is.
    source: Bytes,
    start: usize,
    end: usize,
    number: u64,
    /// Whether it is the stream's first, which a BOM may open.
    opens: bool,
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
    /// [`FrameError::NotUtf8`].
    pub fn frame(&self) -> Result<Option<Frame<'_>>, FrameError> {
        let mut bytes = self.bytes();
        if self.opens {
            bytes = bytes.strip_prefix(&BOM).unwrap_or(bytes);
        }
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

/// Events on their way out, neighbours of one chunk joined without a copy.
///
/// Its bound is its holder's: [`Run::len`] says what it weighs.
#[derive(Clone, Debug, Default)]
pub struct Run {
    whole: Vec<Bytes>,
    open: Option<RawFrame>,
    len: usize,
}

impl Run {
    /// Adds an event behind the others.
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

    /// Adds bytes that are no event of the body, such as a failure event or a keep-alive.
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
}

impl From<FrameError> for crate::codec::Broken {
    fn from(error: FrameError) -> Self {
        Self::new(error.to_string())
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
