//! The connection under hyper: an IO wrapper by which a script can break a
//! connection after an exact number of bytes, by FIN or by RST, or slip bytes
//! in before a response.
//!
//! It holds back nothing and knows nothing of HTTP; whoever asks it to close
//! has made sure that hyper was given all the bytes that must go out first.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a connection is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A clean TCP close (FIN). On HTTP/2: the whole connection, without GOAWAY.
    #[default]
    Fin,
    /// A reset (RST). On HTTP/2: RST_STREAM, and the connection lives on.
    Rst,
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            By::Fin => "fin",
            By::Rst => "rst",
        }
    }
}

/// The script's hold on one connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: u64,
    h2: AtomicBool,
    /// Set while `orders` says anything, so that the usual path takes no lock.
    armed: AtomicBool,
    flushes: AtomicU64,
    /// Local and remote port, of a TCP connection.
    ports: OnceLock<(u16, u16)>,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    close: Option<By>,
    inject: BytesMut,
    /// The connection's own task.
    task: Option<Waker>,
    /// Whoever waits for the next flush.
    waiting: Vec<Waker>,
}

impl Line {
    pub(crate) fn new(id: u64) -> Arc<Line> {
        Arc::new(Line {
            id,
            h2: AtomicBool::new(false),
            armed: AtomicBool::new(false),
            flushes: AtomicU64::new(0),
            ports: OnceLock::new(),
            orders: Mutex::default(),
        })
    }

    pub(crate) fn is_h2(&self) -> bool {
        self.h2.load(Ordering::Relaxed)
    }

    pub(crate) fn set_h2(&self) {
        self.h2.store(true, Ordering::Relaxed);
    }

    /// Closes the connection as soon as what hyper holds is written.
    pub(crate) fn close(&self, by: By) {
        self.orders.lock().close = Some(by);
        self.armed.store(true, Ordering::Release);
        self.wake();
    }

    /// Writes `bytes` to the socket past hyper, which must have nothing to write.
    pub(crate) fn inject(&self, bytes: &[u8]) {
        self.orders.lock().inject.extend_from_slice(bytes);
        self.armed.store(true, Ordering::Release);
        self.wake();
    }

    /// Bytes given to [`Line::inject`] that are not written yet.
    pub(crate) fn injected_left(&self) -> usize {
        self.orders.lock().inject.len()
    }

    /// Counts flushes so far and wakes `waker` at the next.
    pub(crate) fn flushes(&self, waker: &Waker) -> u64 {
        let mut orders = self.orders.lock();
        orders.waiting.push(waker.clone());
        self.armed.store(true, Ordering::Release);
        self.flushes.load(Ordering::Acquire)
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let task = self.orders.lock().task.clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Waits until the peer has acknowledged all that was written, since a
    /// reset throws away the rest. Where the system does not tell, or the peer
    /// does not read, it waits for a bounded time.
    pub(crate) async fn drained(self: Arc<Self>) {
        let Some((local, remote)) = self.ports.get() else {
            return;
        };
        for _ in 0..DRAIN_TRIES {
            if unacknowledged(*local, *remote) == Some(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn remember(&self, waker: &Waker) {
        let mut orders = self.orders.lock();
        if !orders.task.as_ref().is_some_and(|t| t.will_wake(waker)) {
            orders.task = Some(waker.clone());
        }
    }
}

const DRAIN_TRIES: u32 = 2_000;

/// Bytes sent or still to be sent that the peer has not acknowledged, from
/// Linux's table of sockets.
fn unacknowledged(local: u16, remote: u16) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = std::fs::read_to_string(table).ok()?;
            text.lines().find_map(|line| {
                let mut fields = line.split_ascii_whitespace().skip(1);
                let mut port = || u16::from_str_radix(fields.next()?.rsplit(':').next()?, 16).ok();
                if (port()?, port()?) != (local, remote) {
                    return None;
                }
                let (sending, _) = fields.nth(1)?.split_once(':')?;
                u64::from_str_radix(sending, 16).ok()
            })
        })
}

/// What [`Wire`] needs of a transport.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Makes the coming close a reset, where the transport can.
    fn arm_reset(&self) {}

    /// Local and remote port.
    fn ports(&self) -> Option<(u16, u16)> {
        None
    }
}

impl Transport for TcpStream {
    fn arm_reset(&self) {
        // Where it fails the close is a FIN, which the caller's test will notice.
        let _ = self.set_zero_linger();
    }

    fn ports(&self) -> Option<(u16, u16)> {
        Some((
            self.local_addr().ok()?.port(),
            self.peer_addr().ok()?.port(),
        ))
    }
}

/// A transport that is not a bare TCP socket: it is dropped instead of reset.
pub(crate) struct Opaque<T>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for Opaque<T> {}

impl<T: AsyncRead + Unpin> AsyncRead for Opaque<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Opaque<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// A transport under the script's hold.
pub(crate) struct Wire<T> {
    io: T,
    line: Arc<Line>,
    /// Bytes read while telling HTTP/1.1 from HTTP/2.
    first: Bytes,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl<T: Transport> Wire<T> {
    /// Reads enough of the connection to tell HTTP/2 by its preface.
    ///
    /// # Errors
    /// The transport's own.
    pub(crate) async fn open(mut io: T, line: Arc<Line>) -> io::Result<Wire<T>> {
        if let Some(ports) = io.ports() {
            line.ports.get_or_init(|| ports);
        }
        let mut first = BytesMut::with_capacity(PREFACE.len());
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            let mut rest = [0; PREFACE.len()];
            let room = rest.get_mut(first.len()..).unwrap_or_default();
            let n = io.read(room).await?;
            if n == 0 {
                break;
            }
            first.extend_from_slice(room.get(..n).unwrap_or_default());
        }
        if first == PREFACE {
            line.set_h2();
        }
        Ok(Wire {
            io,
            line,
            first: first.freeze(),
        })
    }

    /// Carries out the script's orders; ready when there is nothing left to do.
    fn obey(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = Arc::clone(&self.line);
        let mut orders = line.orders.lock();
        while !orders.inject.is_empty() {
            let n = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &orders.inject))?;
            orders.inject.advance(n);
        }
        std::task::ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        line.flushes.fetch_add(1, Ordering::AcqRel);
        orders.waiting.drain(..).for_each(Waker::wake);
        match orders.close {
            None => {
                line.armed.store(false, Ordering::Release);
                Poll::Ready(Ok(()))
            }
            Some(by) => {
                match by {
                    By::Rst => self.io.arm_reset(),
                    By::Fin => {
                        // The peer may be gone already; the connection ends either way.
                        let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                    }
                }
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "closed by the script",
                )))
            }
        }
    }
}

impl<T: Transport> AsyncRead for Wire<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let n = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first.split_to(n));
            return Poll::Ready(Ok(()));
        }
        this.line.remember(cx.waker());
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<T: Transport> AsyncWrite for Wire<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.armed.load(Ordering::Acquire) {
            return this.obey(cx);
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
