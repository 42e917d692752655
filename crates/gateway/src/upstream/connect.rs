//! Opening a connection: name, TCP, proxy, TLS, and the task that drives it.
//!
//! One deadline for all of it. The only place on this side that sets socket options. Nothing here
//! knows of requests: whatever fails, none has been sent.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::body::describe;
use super::dns::Resolver;
use super::pool::{Http1, Http2, Streams};
use super::proxy::Proxy;
use super::{Origin, Phase, Scheme, UpstreamConfig};
use crate::tasks::Tasks;

/// How long an address has before the next one is tried beside it (RFC 8305 section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// The most that the head of a response may take, in bytes; also the most that is read ahead of a
/// reader that is slower than the provider.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;

/// A peer that is gone without a word is found within 30 s. The kernel compares the silence with this
/// whenever it sends a keep-alive probe, at 10, 15, 20 and 25 s.
pub(crate) const PEER_GONE_AFTER: Duration = Duration::from_millis(24_500);
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);
pub(crate) const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Sets what every TCP connection of the gateway has: no delay of small writes, and the detection of
/// vanished peers.
pub(crate) fn socket_options(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_GONE_AFTER))?;
    Ok(())
}

/// Sets the options of a connection to a provider or proxy. Every such connection passes here.
///
/// # Errors
/// Those of the system calls.
pub fn connect_options(stream: &TcpStream) -> io::Result<()> {
    socket_options(stream)
}

/// A connection that is ready for requests.
pub(super) enum Connected {
    Http1(Http1),
    Http2(Http2),
}

#[derive(Debug)]
pub(super) struct ConnectError {
    pub(super) phase: Phase,
    pub(super) timed_out: bool,
    pub(super) why: String,
}

impl ConnectError {
    pub(super) fn new(phase: Phase, why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            phase,
            timed_out: false,
            why,
        }
    }

    pub(super) fn timed_out(phase: Phase) -> Self {
        let what = match phase {
            Phase::Dns => "finding the address",
            Phase::Connect => "connecting",
            Phase::Proxy => "the proxy",
            Phase::Tls => "the TLS handshake",
            Phase::Http => "the HTTP/2 handshake",
        };
        let why = format!("{what} took longer than the connect timeout");
        Self {
            phase,
            timed_out: true,
            why,
        }
    }
}

pub(super) struct Connector {
    tls: TlsConnector,
    proxy: Option<Proxy>,
    resolver: Resolver,
    streams_max: usize,
    tasks: Tasks,
}

impl Connector {
    pub(super) fn new(config: &UpstreamConfig, tasks: Tasks) -> Self {
        Self {
            tls: TlsConnector::from(Arc::clone(&config.tls)),
            proxy: config.proxy.clone(),
            resolver: Resolver::default(),
            streams_max: config.streams_max,
            tasks,
        }
    }

    pub(super) async fn connect(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Connected, ConnectError> {
        let stream = self.transport(origin, deadline).await?;
        match origin.scheme {
            Scheme::Http => self.http1(stream).await,
            Scheme::H2c => within(deadline, Phase::Http, self.http2(stream)).await,
            Scheme::Https => {
                let stream = within(deadline, Phase::Tls, self.encrypt(origin, stream)).await?;
                let chosen = stream.get_ref().1.alpn_protocol();
                if chosen == Some(b"h2".as_slice()) {
                    within(deadline, Phase::Http, self.http2(stream)).await
                } else {
                    self.http1(stream).await
                }
            }
        }
    }

    /// A TCP connection that leads to the origin, or to a proxy that takes absolute-form requests.
    async fn transport(
        &self,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| proxy.carries(origin)) else {
            return self.tcp(origin, deadline).await;
        };
        let prefix = |why: &str| format!("the proxy {}: {why}", proxy.origin());
        let mut stream =
            self.tcp(proxy.origin(), deadline)
                .await
                .map_err(|error| ConnectError {
                    phase: Phase::Proxy,
                    why: prefix(&error.why),
                    ..error
                })?;
        if origin.scheme != Scheme::Http {
            let tunnel = async {
                let opened = proxy.tunnel(&mut stream, origin).await;
                opened.map_err(|why| ConnectError::new(Phase::Proxy, prefix(&why)))
            };
            within(deadline, Phase::Proxy, tunnel).await?;
        }
        Ok(stream)
    }

    async fn tcp(&self, origin: &Origin, deadline: Instant) -> Result<TcpStream, ConnectError> {
        let (host, port) = (origin.host.as_str(), origin.port);
        let addresses = within(deadline, Phase::Dns, async {
            let found = self.resolver.addresses(host, port).await;
            found.map_err(|error| ConnectError::new(Phase::Dns, format!("{host}: {error}")))
        })
        .await?;
        let opened = within(deadline, Phase::Connect, async {
            let opened = first_to_open(&addresses).await;
            opened.map_err(|error| {
                ConnectError::new(Phase::Connect, format!("{host}:{port}: {error}"))
            })
        })
        .await;
        match opened {
            Ok((stream, address)) => {
                self.resolver.worked(host, address);
                Ok(stream)
            }
            Err(error) => {
                self.resolver.failed(host, port);
                Err(error)
            }
        }
    }

    async fn encrypt(
        &self,
        origin: &Origin,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|_| ConnectError::new(Phase::Tls, "the host is not a name or an address"))?;
        let failed = |error: io::Error| {
            ConnectError::new(Phase::Tls, format!("TLS with {}: {error}", origin.host))
        };
        self.tls.connect(name, stream).await.map_err(failed)
    }

    async fn http1<S>(&self, stream: S) -> Result<Connected, ConnectError>
    where
        TokioIo<S>: Read + Write + Unpin + Send + 'static,
    {
        let handshake = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream));
        let (sender, mut connection) = handshake.await.map_err(|error| http_error(&error))?;
        let (alive, mut dropped) = oneshot::channel();
        // hyper would flush and say farewell first, and wait for a peer that reads nothing. No async
        // block: it would keep room for the connection twice.
        self.tasks.spawn(poll_fn(move |context| {
            match Pin::new(&mut dropped).poll(context) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => Pin::new(&mut connection).poll(context).map(|_| ()),
            }
        }));
        Ok(Connected::Http1(Http1 {
            sender,
            _alive: alive,
        }))
    }

    async fn http2<S>(&self, stream: S) -> Result<Connected, ConnectError>
    where
        TokioIo<S>: Read + Write + Unpin + Send + 'static,
    {
        // Room for every stream to fill its window: a slow reader must not stop its neighbours.
        let streams = u32::try_from(self.streams_max).unwrap_or(u32::MAX);
        let connection_window = STREAM_WINDOW
            .saturating_mul(streams)
            .min(i32::MAX.unsigned_abs());
        let handshake = http2::Builder::new(self.tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(connection_window)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWERED_WITHIN)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| http_error(&error))?;
        let allowed = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let streams = Streams::new(Arc::clone(&allowed));
        self.tasks.spawn(async move {
            let mut connection = pin!(connection);
            poll_fn(|context| {
                let polled = connection.as_mut().poll(context);
                allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
                polled.map(|_| ())
            })
            .await;
        });
        Ok(Connected::Http2(Http2 { sender, streams }))
    }
}

fn http_error(error: &hyper::Error) -> ConnectError {
    ConnectError::new(Phase::Http, describe(error))
}

async fn within<T>(
    deadline: Instant,
    phase: Phase,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let done = tokio::time::timeout_at(deadline, work).await;
    done.unwrap_or_else(|_| Err(ConnectError::timed_out(phase)))
}

type Opening = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send>>;

/// Tries the addresses in turn, each next one when the one before has failed or is slow, and takes
/// whichever opens first.
async fn first_to_open(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut left = addresses.iter().copied();
    let mut opening: Vec<Opening> = left.next().map(open).into_iter().collect();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let waited = tokio::time::timeout(NEXT_ADDRESS_AFTER, first_done(&mut opening)).await;
        match waited {
            Ok(Some(Ok(opened))) => return Ok(opened),
            Ok(Some(Err(error))) => last_error = error,
            Ok(None) => return Err(last_error),
            Err(_slow) => {}
        }
        opening.extend(left.next().map(open));
    }
}

/// The first of them to end, taken out; none where none is left.
async fn first_done(opening: &mut Vec<Opening>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    poll_fn(|context| {
        for (place, attempt) in opening.iter_mut().enumerate() {
            if let Poll::Ready(result) = attempt.as_mut().poll(context) {
                drop(opening.swap_remove(place));
                return Poll::Ready(Some(result));
            }
        }
        if opening.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}

fn open(address: SocketAddr) -> Opening {
    Box::pin(async move {
        let stream = TcpStream::connect(address).await?;
        connect_options(&stream)?;
        Ok((stream, address))
    })
}
