//! One client connection, from its first byte to its last.
//!
//! The protocol is chosen by ALPN or by the first bytes, then the concrete connection is built: one
//! that could become either costs kibibytes a stream. Timeouts need the timer that is set here; without
//! one hyper keeps none of them, silently.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::guard::{Flag, Guarded};
use super::smuggling::{Refused, fault};
use super::{ConnInfo, DoorOptions, Drain};
use crate::tasks::Tasks;
use crate::upstream::{PING_ANSWERED_WITHIN, PING_EVERY};

/// What a client that knows the server sends first in HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most that the head of a request may take, in bytes; the number of its fields is hyper's own 100.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const STREAMS_MAX: u32 = 256;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const SEND_BUFFER: usize = 128 * 1024;
/// Streams that a client may open and reset before they were accepted, and such that broke the
/// protocol, before the connection is ended.
const RESETS_MAX: usize = 20;
const ERRORS_MAX: usize = 256;

/// A connection that was accepted and what it needs to be served.
pub(super) struct Incomer {
    pub(super) options: Arc<DoorOptions>,
    pub(super) tasks: Tasks,
    pub(super) drain: Drain,
    pub(super) peer: SocketAddr,
}

impl Incomer {
    /// Serves the connection to its end. How it ended concerns its requests only: they have noticed.
    pub(super) async fn serve<S, F, B>(self, stream: TcpStream, service: S)
    where
        S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let info = ConnInfo {
            peer: self.peer,
            tls: self.options.tls.is_some(),
            client_certificate: None,
        };
        // Each in a box of its own: a connection keeps room for what it became, not for all it could be.
        if self.options.tls.is_some() {
            return Box::pin(self.encrypted(stream, service, info)).await;
        }
        match self.opening(stream).await {
            Some((true, stream)) => Box::pin(self.http2(stream, service, info)).await,
            Some((false, stream)) => Box::pin(self.http1(stream, service, info)).await,
            None => {}
        }
    }

    async fn encrypted<S, F, B>(self, stream: TcpStream, service: S, mut info: ConnInfo)
    where
        S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(tls) = self.options.tls.as_ref().map(|tls| tls.current()) else {
            return;
        };
        let handshake = Box::pin(TlsAcceptor::from(tls).accept(stream));
        let Some(stream) = self.within(self.options.handshake_timeout, handshake).await else {
            return;
        };
        let session = stream.get_ref().1;
        let chain = session.peer_certificates().unwrap_or_default();
        info.client_certificate = chain.first().map(|leaf| leaf.clone().into_owned());
        if session.alpn_protocol() == Some(b"h2".as_slice()) {
            Box::pin(self.http2(stream, service, info)).await;
        } else {
            Box::pin(self.http1(stream, service, info)).await;
        }
    }

    async fn opening(&self, stream: TcpStream) -> Option<(bool, Reread<TcpStream>)> {
        self.within(self.options.head_timeout, opening(stream))
            .await
    }

    /// The result of a step that stands before the first request; none where it fails, takes too long,
    /// or the drain begins.
    async fn within<T>(
        &self,
        time: Duration,
        step: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            done = tokio::time::timeout(time, step) => done.ok().and_then(Result::ok),
            () = self.drain.begun() => None,
        }
    }

    async fn http1<I, S, F, B>(self, stream: I, service: S, info: ConnInfo)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F,
        F: Future<Output = Response<B>>,
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let info = Arc::new(info);
        let flag = Flag::default();
        let stream = Guarded::new(stream, Arc::clone(&flag), self.options.head_timeout);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let why = flag.get().copied().or_else(|| fault(&request));
            if let Some(why) = why {
                request.extensions_mut().insert(Refused(why));
            }
            let response = service(request, Arc::clone(&info));
            async move {
                let mut response = response.await;
                if why.is_some() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        // Pinned where it is made: under a name of its own it would be kept twice.
        let connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.options.idle_timeout)
                .max_buf_size(HEAD_BYTES_MAX)
                .max_header_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
        );
        self.to_its_end(connection, http1::Connection::graceful_shutdown)
            .await;
    }

    async fn http2<I, S, F, B>(self, stream: I, service: S, info: ConnInfo)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let info = Arc::new(info);
        let service = service_fn(move |mut request| {
            if let Some(why) = fault(&request) {
                request.extensions_mut().insert(Refused(why));
            }
            let response = service(request, Arc::clone(&info));
            async move { Ok::<_, Infallible>(response.await) }
        });
        let connection = http2::Builder::new(self.tasks.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(ERRORS_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWERED_WITHIN)
            .serve_connection(TokioIo::new(stream), service);
        let connection = pin!(connection);
        self.to_its_end(connection, http2::Connection::graceful_shutdown)
            .await;
    }

    /// Drives a connection; once the drain begins it is told to end with what is under way.
    async fn to_its_end<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        shut_down: impl FnOnce(Pin<&mut C>),
    ) {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = self.drain.begun() => {}
        }
        shut_down(connection.as_mut());
        tokio::select! {
            _ = connection => {}
            () = self.drain.over() => {}
        }
    }
}

/// Reads until it is certain whether the client speaks HTTP/2.
async fn opening(mut stream: TcpStream) -> io::Result<(bool, Reread<TcpStream>)> {
    let mut first = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        let room = first.get_mut(length..).unwrap_or_default();
        let read = stream.read(room).await?;
        length += read;
        let seen = first.get(..length).unwrap_or_default();
        let is_http2 = seen == PREFACE;
        if is_http2 || read == 0 || !PREFACE.starts_with(seen) {
            let again = Bytes::copy_from_slice(seen);
            return Ok((
                is_http2,
                Reread {
                    again,
                    inner: stream,
                },
            ));
        }
    }
}

/// A stream some of whose bytes were read before and are read again first.
struct Reread<S> {
    again: Bytes,
    inner: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Reread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.again.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let length = self.again.len().min(buffer.remaining());
        buffer.put_slice(self.again.get(..length).unwrap_or_default());
        self.again.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reread<S> {
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
