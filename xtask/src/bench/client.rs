//! One client connection, as cheap as can be: prepared bytes out, an answer
//! read just far enough to know that it is whole.
//!
//! Knows HTTP/1.1 with a length or in chunks, and counts events by a text that
//! stands once in each. Any status but 200, an answer cut short or a stream
//! without its proof of completion is an error.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::Wire;

/// The most of an answer's head, or of a chunk's size line, that is held.
const HELD: usize = 64 * 1024;

/// How much of a body's end is kept.
const TAIL: usize = 64;

/// A connection to a gateway, kept alive between requests.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    socket: TcpStream,
    buffer: BytesMut,
}

/// What was read of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Events that ended.
    pub events: u64,
    /// When the first byte of the body came.
    pub first: Option<Instant>,
    event: Search,
    proof: Search,
    tail: Vec<u8>,
}

impl Connection {
    /// Opens a connection for a client of that wire format.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(address: SocketAddr, wire: Wire) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            wire,
            socket,
            buffer: BytesMut::with_capacity(16 * 1024),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        Ok(self.socket.write_all(request).await?)
    }

    /// Reads an answer to its end, telling `seen` of new events.
    ///
    /// # Errors
    /// As the module says.
    pub async fn answer(&mut self, seen: impl Fn(u64)) -> anyhow::Result<Answer> {
        self.read(&seen, u64::MAX).await
    }

    /// Reads a streamed answer until this many events came, and leaves the rest.
    ///
    /// # Errors
    /// As the module says.
    pub async fn events(&mut self, enough: u64) -> anyhow::Result<Answer> {
        self.read(&|_| {}, enough).await
    }

    async fn read(&mut self, seen: &impl Fn(u64), enough: u64) -> anyhow::Result<Answer> {
        let head = self.head().await?;
        let mut answer = Answer::of(self.wire);
        match head.length {
            Some(mut left) => {
                while left > 0 {
                    left -= self.data(left, &mut answer, seen).await?;
                }
            }
            None => {
                while let Some(mut left) = self.chunk().await? {
                    while left > 0 {
                        left -= self.data(left, &mut answer, seen).await?;
                    }
                    self.line().await?;
                    if answer.events >= enough {
                        return Ok(answer);
                    }
                }
            }
        }
        ensure!(
            head.status == 200,
            "status {}: {}",
            head.status,
            String::from_utf8_lossy(&answer.tail)
        );
        ensure!(
            answer.is_whole(head.is_stream),
            "the answer ends without its proof: {:?}",
            String::from_utf8_lossy(&answer.tail)
        );
        Ok(answer)
    }

    async fn head(&mut self) -> anyhow::Result<Head> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end + 4);
                return Head::read(&head);
            }
            self.fill().await?;
        }
    }

    /// The size of the next chunk; none at the end, trailers passed over.
    async fn chunk(&mut self) -> anyhow::Result<Option<usize>> {
        let line = self.line().await?;
        let digits = line
            .as_ref()
            .split(|byte: &u8| *byte == b';')
            .next()
            .unwrap_or_default();
        let size = usize::from_str_radix(std::str::from_utf8(digits)?.trim(), 16)
            .context("bad chunk size")?;
        if size > 0 {
            return Ok(Some(size));
        }
        while !self.line().await?.is_empty() {}
        Ok(None)
    }

    async fn line(&mut self) -> anyhow::Result<BytesMut> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// Takes at most this much of the body, and says how much.
    async fn data(
        &mut self,
        most: usize,
        answer: &mut Answer,
        seen: &impl Fn(u64),
    ) -> anyhow::Result<usize> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let taken = self.buffer.split_to(most.min(self.buffer.len()));
        let before = answer.events;
        answer.pass(&taken);
        if answer.events > before {
            seen(answer.events - before);
        }
        Ok(taken.len())
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        ensure!(
            self.buffer.len() <= HELD,
            "a line or head beyond {HELD} bytes"
        );
        self.buffer.reserve(8 * 1024);
        if self.socket.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection was closed in the middle of an answer");
        }
        Ok(())
    }
}

impl Answer {
    fn of(wire: Wire) -> Self {
        Self {
            events: 0,
            first: None,
            event: Search::new(wire.event()),
            proof: Search::new(wire.proof()),
            tail: Vec::with_capacity(2 * TAIL),
        }
    }

    fn pass(&mut self, data: &[u8]) {
        self.first.get_or_insert_with(Instant::now);
        self.events += self.event.pass(data);
        self.proof.pass(data);
        let kept = data.get(data.len().saturating_sub(TAIL)..);
        self.tail.extend_from_slice(kept.unwrap_or(data));
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    fn is_whole(&self, is_stream: bool) -> bool {
        if is_stream {
            self.proof.found > 0
        } else {
            self.tail.trim_ascii_end().ends_with(b"}")
        }
    }
}

/// Counts a text in what comes in pieces.
#[derive(Debug, Clone)]
struct Search {
    text: &'static [u8],
    found: u64,
    /// The end of what came, too short to hold the text.
    kept: Vec<u8>,
}

impl Search {
    fn new(text: &'static [u8]) -> Self {
        Self {
            text,
            found: 0,
            kept: Vec::with_capacity(2 * text.len()),
        }
    }

    /// How often it stands in this piece, or ends there.
    fn pass(&mut self, data: &[u8]) -> u64 {
        let edge = self.text.len().saturating_sub(1);
        let seam = data.get(..edge).unwrap_or(data);
        self.kept.extend_from_slice(seam);
        let count = |bytes: &[u8]| memmem::find_iter(bytes, self.text).count() as u64;
        let mut found = count(&self.kept);
        if data.len() > edge {
            found += count(data);
            self.kept.clear();
            let end = data.get(data.len() - edge..).unwrap_or_default();
            self.kept.extend_from_slice(end);
        }
        let excess = self.kept.len().saturating_sub(edge);
        self.kept.drain(..excess);
        self.found += found;
        found
    }
}

struct Head {
    status: u16,
    /// None: in chunks.
    length: Option<usize>,
    is_stream: bool,
}

impl Head {
    fn read(head: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(head).context("a head that is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .context("no status line")?;
        let mut head = Self {
            status: status.parse()?,
            length: None,
            is_stream: false,
        };
        let mut framed = false;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.trim().parse()?);
                framed = true;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framed = true;
            } else if name.eq_ignore_ascii_case("content-type") {
                let kind = value.trim();
                head.is_stream = Wire::ALL
                    .iter()
                    .any(|wire| kind.starts_with(wire.streams_as()));
            }
        }
        ensure!(framed, "an answer with neither length nor chunks");
        Ok(head)
    }
}
