//! One client connection, as cheap as can be: prepared bytes out, an answer
//! read just far enough to know that it is whole.
//!
//! Knows HTTP/1.1 with a length or in chunks, and counts events by the blank
//! line that ends each. Any status but 200, an answer cut short or a stream
//! without its proof of completion is an error.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most of an answer's head, or of a chunk's size line, that is held.
const HELD: usize = 64 * 1024;

/// How much of a body's end is looked at for its proof of completion.
const TAIL: usize = 64;

/// A connection to a gateway, kept alive between requests.
#[derive(Debug)]
pub struct Connection {
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
    tail: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
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
        let mut answer = Answer {
            events: 0,
            first: None,
            tail: Vec::with_capacity(2 * TAIL),
        };
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
            "the answer ends in {:?}",
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
    fn pass(&mut self, data: &[u8]) {
        self.first.get_or_insert_with(Instant::now);
        // An event's end may be split in two: one line feed held over.
        let mut rest = data;
        if self.tail.ends_with(b"\n") && !self.tail.ends_with(b"\n\n") && data.starts_with(b"\n") {
            self.events += 1;
            rest = data.get(1..).unwrap_or_default();
        }
        self.events += memmem::find_iter(rest, b"\n\n").count() as u64;
        let kept = data
            .get(data.len().saturating_sub(TAIL)..)
            .unwrap_or_default();
        self.tail.extend_from_slice(kept);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    fn is_whole(&self, is_stream: bool) -> bool {
        if is_stream {
            [&b"[DONE]"[..], b"message_stop"]
                .iter()
                .any(|proof| memmem::find(&self.tail, proof).is_some())
        } else {
            self.tail.trim_ascii_end().ends_with(b"}")
        }
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
                head.is_stream = value.trim().starts_with("text/event-stream");
            }
        }
        ensure!(framed, "an answer with neither length nor chunks");
        Ok(head)
    }
}
