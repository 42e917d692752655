//! A second reader of what HTTP/1.1 clients send, for the forms that hyper lets pass.
//!
//! Requests can be smuggled where two parsers disagree on where one ends. hyper takes lines that end
//! without a carriage return, `transfer-encoding` beside `content-length`, and repeated lengths; once
//! it has parsed a head none of that can be seen. This follows the framing of the byte stream beside
//! hyper and raises a flag, which [`refuse_ambiguous`](super::refuse_ambiguous) reads. It also keeps
//! the time of a head, from its first byte. It never changes, holds back or drops a byte.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Why the requests of a connection cannot be told apart; set once.
pub(super) type Flag = Arc<OnceLock<&'static str>>;

/// How much of a line is kept while the rest of it is on its way. The lines that matter are shorter.
const LINE_KEPT: usize = 256;

/// A connection whose requests are followed.
pub(super) struct Guarded<S> {
    inner: S,
    framing: Framing,
    flag: Flag,
    head_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, flag: Flag, head_timeout: Duration) -> Self {
        Self {
            inner,
            framing: Framing::default(),
            flag,
            head_timeout,
            timer: None,
        }
    }

    fn observe(&mut self, bytes: &[u8]) {
        if let Err(why) = self.framing.feed(bytes) {
            let _ = self.flag.set(why);
        }
        if !self.framing.is_within_head() {
            self.timer = None;
        }
    }

    fn head_is_late(&mut self, context: &mut Context<'_>) -> bool {
        if !self.framing.is_within_head() {
            return false;
        }
        let timeout = self.head_timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        if polled.is_pending() && this.head_is_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        this.observe(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Where in the sequence of requests the stream is (RFC 9112 sections 2, 6 and 7).
#[derive(Debug, Default)]
struct Framing {
    at: At,
    head: Head,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The last byte of such a line so far.
    last: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Between two requests: empty lines are allowed.
    #[default]
    Start,
    Head,
    /// Bytes of a body with a length.
    Body(u64),
    ChunkSize,
    /// Bytes of a chunk, the line end after it included.
    Chunk(u64),
    Trailers,
    /// What follows cannot be told; the flag is up.
    Lost,
}

/// What a head has said about its body so far.
#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    fn is_within_head(&self) -> bool {
        self.at == At::Head || (self.at == At::Start && !self.line.is_empty())
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return Ok(()),
                At::Body(left) => self.skip(left, bytes, At::Body, At::Start),
                At::Chunk(left) => self.skip(left, bytes, At::Chunk, At::ChunkSize),
                At::Start | At::Head | At::ChunkSize | At::Trailers => {
                    self.take_line(bytes).inspect_err(|_| self.at = At::Lost)?
                }
            };
        }
        Ok(())
    }

    fn skip<'b>(
        &mut self,
        left: u64,
        bytes: &'b [u8],
        during: fn(u64) -> At,
        after: At,
    ) -> &'b [u8] {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(step as u64);
        self.at = if left == 0 { after } else { during(left) };
        bytes.get(step..).unwrap_or_default()
    }

    /// Takes one line, or keeps the beginning of one.
    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], &'static str> {
        const BARE: &str = "a line ends without a carriage return";
        let Some(end) = memchr(b'\n', bytes) else {
            self.keep(bytes);
            return Ok(&[]);
        };
        let (piece, rest) = bytes.split_at(end);
        if self.line.is_empty() {
            self.line_read(piece.strip_suffix(b"\r").ok_or(BARE)?)?;
        } else {
            self.keep(piece);
            if self.last != b'\r' {
                return Err(BARE);
            }
            let mut line = std::mem::take(&mut self.line);
            self.line_read(line.strip_suffix(b"\r").unwrap_or(&line))?;
            line.clear();
            self.line = line;
        }
        Ok(rest.get(1..).unwrap_or_default())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_KEPT.saturating_sub(self.line.len()).min(bytes.len());
        self.line
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Reads a line without its end, or the beginning of one that is longer than what is kept.
    fn line_read(&mut self, line: &[u8]) -> Result<(), &'static str> {
        match self.at {
            At::Start => {
                if !line.is_empty() {
                    self.head = Head::default();
                    self.at = At::Head;
                }
            }
            At::Head if line.is_empty() => self.at = self.head.body(),
            At::Head => self.head.field(line)?,
            At::ChunkSize => {
                // The chunk is followed by its line end; the last one by the trailers.
                let size = chunk_size(line)?;
                self.at = size
                    .checked_add(2)
                    .filter(|_| size > 0)
                    .map_or(At::Trailers, At::Chunk);
            }
            At::Trailers => {
                if line.is_empty() {
                    self.at = At::Start;
                }
            }
            At::Body(_) | At::Chunk(_) | At::Lost => {}
        }
        Ok(())
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // Most names are neither: this is all that they cost.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return Ok(());
        }
        let Some(colon) = memchr(b':', line) else {
            return Ok(());
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err("`content-length` is given twice");
            }
            self.length = Some(decimal(value).ok_or("`content-length` is not a number")?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return Err("`transfer-encoding` is given twice");
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err("`transfer-encoding` is not `chunked`");
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err("`content-length` stands beside `transfer-encoding`");
        }
        Ok(())
    }

    fn body(&self) -> At {
        match (self.chunked, self.length) {
            (true, _) => At::ChunkSize,
            (false, None | Some(0)) => At::Start,
            (false, Some(length)) => At::Body(length),
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}

fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    const WRONG: &str = "the size of a chunk is not a hexadecimal number";
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(WRONG);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| WRONG)?;
    u64::from_str_radix(digits, 16).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::{At, Framing};

    fn verdict(stream: &str, step: usize) -> (Result<(), &'static str>, At) {
        let mut framing = Framing::default();
        let mut result = Ok(());
        for piece in stream.as_bytes().chunks(step) {
            result = result.and(framing.feed(piece));
        }
        (result, framing.at)
    }

    #[test]
    fn follows_well_formed_requests_however_they_are_split() {
        let long = "x".repeat(5_000);
        let stream = format!(
            "POST / HTTP/1.1\r\ncontent-length: 5\r\nlong: {long}\r\n\r\nab\nde\r\n\
             POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\na\nb\nc\r\n0\r\nt: 1\r\n\r\n\
             GET / HTTP/1.1\r\n\r\n"
        );
        for step in 1..stream.len() {
            assert_eq!(
                verdict(&stream, step),
                (Ok(()), At::Start),
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn flags_what_two_parsers_may_read_differently_however_it_is_split() {
        let long = "x".repeat(300);
        let streams = [
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_owned(),
            "POST / HTTP/1.1\r\na: b\nc: d\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\na: b\r\n\n".to_owned(),
            format!("POST / HTTP/1.1\r\na: {long}\nc: d\r\n\r\n"),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n".to_owned(),
        ];
        for stream in streams {
            for step in 1..=stream.len() {
                let (result, at) = verdict(&stream, step);
                assert!(result.is_err(), "passes in steps of {step}: {stream:?}");
                assert_eq!(at, At::Lost);
            }
        }
    }

    #[test]
    fn knows_when_a_head_has_begun_and_not_ended() {
        let mut framing = Framing::default();
        assert!(!framing.is_within_head());
        for (piece, within) in [
            ("P", true),
            ("OST / HTTP/1.1\r\n", true),
            ("content-length: 1\r\n\r\n", false),
            ("x", false),
        ] {
            framing.feed(piece.as_bytes()).unwrap();
            assert_eq!(framing.is_within_head(), within, "after {piece:?}");
        }
    }
}
