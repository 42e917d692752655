//! AWS's event stream, `application/vnd.amazon.eventstream`: binary messages, each with
//! two checksums.
//!
//! ```text
//! total length (4) · length of the headers (4) · CRC32 of those eight bytes (4)
//! headers · payload · CRC32 of all before it (4)
//! ```
//!
//! Messages come out as they came in, so that they can be passed on untouched. A
//! length is believed only once its checksum was right, and never allocated for:
//! what is held is what arrived.
//!
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::Frame;
use super::raw::{FrameError, RawFrame, Shape};
use crate::json::Json;

/// Bytes that one message may have, unless another bound is given.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The two lengths and their checksum.
const PRELUDE: usize = 12;
/// The smallest message: no headers, no payload.
const LEAST: usize = PRELUDE + 4;
/// What is wrong with a message that the body ended in.
const SHORT: &str = "ends before it is whole";
/// The type of a header that is text.
const WORD: u8 = 7;

/// Cuts a body into messages.
#[derive(Clone)]
pub struct Framer {
    max_message: usize,
    /// The chunk being cut; `at` is where the next message begins.
    chunk: Bytes,
    at: usize,
    /// Number of the chunk, by which neighbours know each other.
    source: u64,
    sources: u64,
    /// What earlier chunks held of the message that is not whole yet.
    tail: Vec<u8>,
    failed: Option<FrameError>,
}

impl Framer {
    /// A framer at the start of a body whose messages may have `max_message` bytes each.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            chunk: Bytes::new(),
            at: 0,
            source: 0,
            sources: 0,
            tail: Vec::new(),
            failed: None,
        }
    }

    /// Takes a chunk in, once the messages of the one before are pulled; where they
    /// were not, what is left of it is copied.
    pub fn push(&mut self, chunk: Bytes) {
        let left = self.rest();
        self.chunk = if left.is_empty() {
            chunk
        } else {
            [left, &chunk].concat().into()
        };
        self.at = 0;
        self.sources += 1;
        self.source = self.sources;
    }

    /// The next message that is whole, with both of its checksums right.
    ///
    /// # Errors
    /// [`FrameError::Damaged`] where a length or checksum is wrong, [`FrameError::TooLarge`]
    /// where a message says that it is larger than the bound; the same again from then on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let cut = self.cut();
        if let Err(error) = cut {
            self.failed = Some(error);
            self.chunk = Bytes::new();
            self.at = 0;
            self.tail = Vec::new();
        }
        cut
    }

    /// Bytes held: the unfinished message, and what was pushed and not pulled.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.tail.len() + self.rest().len()
    }

    /// Ends the body: the message that it ended in, if there is one. It does not read, since it is
    /// not whole.
    #[must_use]
    pub fn finish(mut self) -> Option<RawFrame> {
        let rest = self.chunk.slice(self.at.min(self.chunk.len())..);
        self.tail.extend_from_slice(&rest);
        (!self.tail.is_empty()).then(|| RawFrame {
            start: 0,
            end: self.tail.len(),
            number: self.sources + 1,
            shape: Shape::Message,
            source: self.tail.into(),
        })
    }

    fn rest(&self) -> &[u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    fn cut(&mut self) -> Result<Option<RawFrame>, FrameError> {
        let have = self.buffered();
        let mut prelude = [0; PRELUDE];
        if have < PRELUDE {
            return Ok(self.keep());
        }
        let begun = self.tail.iter().chain(self.rest());
        prelude
            .iter_mut()
            .zip(begun)
            .for_each(|(to, from)| *to = *from);
        let total = Lengths::read(&prelude)?.total;
        if total > self.max_message {
            return Err(FrameError::TooLarge {
                limit: self.max_message,
            });
        }
        if have < total {
            return Ok(self.keep());
        }
        let frame = self.take(total);
        let (body, sum) = frame.bytes().split_at(total - 4);
        if big_endian(sum) != Some(crc32fast::hash(body)) {
            return Err(FrameError::Damaged("has a wrong checksum"));
        }
        Ok(Some(frame))
    }

    /// Puts the rest of the chunk aside.
    fn keep(&mut self) -> Option<RawFrame> {
        let rest = std::mem::take(&mut self.chunk);
        self.tail
            .extend_from_slice(rest.get(self.at..).unwrap_or_default());
        self.at = 0;
        None
    }

    /// Cuts off the message of that length, all of which is here.
    fn take(&mut self, total: usize) -> RawFrame {
        let next = self.at + total - self.tail.len();
        let frame = if self.tail.is_empty() {
            RawFrame {
                source: self.chunk.clone(),
                start: self.at,
                end: next,
                number: self.source,
                shape: Shape::Message,
            }
        } else {
            self.tail
                .extend_from_slice(self.chunk.get(self.at..next).unwrap_or_default());
            self.sources += 1;
            RawFrame {
                start: 0,
                end: total,
                number: self.sources,
                shape: Shape::Message,
                source: std::mem::take(&mut self.tail).into(),
            }
        };
        self.at = next;
        if self.at == self.chunk.len() {
            self.chunk = Bytes::new();
            self.at = 0;
        }
        frame
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

/// What a prelude says, its checksum right and its lengths possible.
struct Lengths {
    total: usize,
    headers: usize,
}

impl Lengths {
    fn read(message: &[u8]) -> Result<Self, FrameError> {
        let short = FrameError::Damaged(SHORT);
        let lengths = message.get(..8).ok_or(short)?;
        let number = |at: usize| message.get(at..at + 4).and_then(big_endian).ok_or(short);
        if number(8)? != crc32fast::hash(lengths) {
            return Err(FrameError::Damaged("has a wrong checksum of its lengths"));
        }
        let length = |at| number(at).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let (total, headers) = (length(0)?, length(4)?);
        if total < LEAST || headers > total - LEAST {
            return Err(FrameError::Damaged("has lengths that cannot be"));
        }
        Ok(Self { total, headers })
    }
}

fn big_endian(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// What a message says that came whole and with its checksums right. Its event is the type of the event, `exception:` and the type of an
/// exception, or `error:` and the code of an error; its data is the payload.
pub(super) fn read(message: &[u8]) -> Result<Frame<'_>, FrameError> {
    let short = FrameError::Damaged(SHORT);
    let lengths = Lengths::read(message)?;
    if message.len() != lengths.total {
        return Err(short);
    }
    let body = message.get(PRELUDE..lengths.total - 4).ok_or(short)?;
    let (headers, payload) = body.split_at_checked(lengths.headers).ok_or(short)?;
    let (mut kind, mut named, mut told) = (None, None, None);
    for header in Headers(headers) {
        let (name, value) = header?;
        let slot = match name {
            b":message-type" => &mut kind,
            b":event-type" | b":exception-type" | b":error-code" => &mut named,
            b":error-message" => &mut told,
            _ => continue,
        };
        if slot.replace(text(value)?).is_some() {
            return Err(FrameError::Damaged("says twice what it is"));
        }
    }
    let named = named.ok_or(FrameError::Damaged("does not say what it is"))?;
    let event = match kind {
        Some("event") => Cow::Borrowed(named),
        Some(kind @ ("exception" | "error")) => Cow::Owned(format!("{kind}:{named}")),
        Some(_) | None => return Err(FrameError::Damaged("does not say what it is")),
    };
    let data = simdutf8::basic::from_utf8(payload).map_err(|_| FrameError::NotUtf8)?;
    let data = match (data, told) {
        ("", Some(message)) => Cow::Owned(error_text(message)),
        ("", None) => Cow::Borrowed("{}"),
        (data, _) => Cow::Borrowed(data),
    };
    Ok(Frame { event, data })
}

/// An error has no payload: its message stands in a header.
fn error_text(message: &str) -> String {
    let json = Json::written(|out| {
        out.object(|out| {
            out.key("message").string(message);
        });
    });
    json.text().to_owned()
}

fn text(value: Value<'_>) -> Result<&str, FrameError> {
    match value {
        Value::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| FrameError::NotUtf8),
        Value::Other => Err(FrameError::Damaged("says what it is, but not in words")),
    }
}

/// The headers of a message, one after the other.
struct Headers<'a>(&'a [u8]);

/// A header's value.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a [u8]),
    /// Of another type, passed over.
    Other,
}

impl<'a> Headers<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length: [u8; 2] = *self.take(2)?.first_chunk()?;
        self.take(u16::from_be_bytes(length).into())
    }

    fn header(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        let length = *self.take(1)?.first()?;
        let name = self.take(length.into())?;
        let kind = *self.take(1)?.first()?;
        let length = match kind {
            // True and false.
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            // A long number, and a time.
            5 | 8 => 8,
            // A UUID.
            9 => 16,
            // Bytes.
            6 => return self.counted().map(|_| (name, Value::Other)),
            WORD => return self.counted().map(|word| (name, Value::Text(word))),
            _ => return None,
        };
        self.take(length)?;
        Some((name, Value::Other))
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a [u8], Value<'a>), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let header = self.header();
        if header.is_none() {
            self.0 = &[];
        }
        Some(header.ok_or(FrameError::Damaged("has a header that does not read")))
    }
}

/// Appends one message whose headers are words and whose payload is what `payload` appends.
/// A name has at most 255 bytes and a word at most 65535; what is longer is cut.
pub fn write(
    out: &mut Vec<u8>,
    headers: &[(&'static str, &'static str)],
    payload: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, word) in headers {
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        out.push(length);
        out.extend(name.bytes().take(length.into()));
        out.push(WORD);
        let length = u16::try_from(word.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend(word.bytes().take(length.into()));
    }
    let behind_headers = out.len();
    payload(out);
    let counted = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let total = counted(out.len() - start + 4);
    let headers = counted(behind_headers - start - PRELUDE);
    let sum = crc32fast::hash([total, headers].as_flattened()).to_be_bytes();
    let prelude = [total, headers, sum];
    let message = out.get_mut(start..).unwrap_or_default();
    message
        .iter_mut()
        .zip(prelude.as_flattened())
        .for_each(|(to, from)| *to = *from);
    let sum = crc32fast::hash(message).to_be_bytes();
    out.extend_from_slice(&sum);
}
