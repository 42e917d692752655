//! How requests reach providers: one [`Upstream`] a core, with its own connections.
//!
//! ```text
//! let upstream = Upstream::new(UpstreamConfig::new(tls), tasks);
//! let response = upstream.send(&origin, request, connect_timeout).await?;   // http::Response<UpstreamBody>
//! ```
//!
//! What the caller may build on:
//! - the request's URI may be a path or absolute, `host` is set here, `content-length` by hyper;
//! - [`SendError::NotSent`] gives the request back: no byte of it can have been acted upon;
//!   [`SendError::Ambiguous`] means that it may have been;
//! - dropping the future of `send`, or the body before its end, closes the connection (HTTP/1.1) or
//!   resets the stream (HTTP/2) at once;
//! - a body that has been read to its end gives its connection back to the pool; [`UpstreamBody::end`]
//!   tells whether that end was proven by the framing;
//! - redirects are not followed, content is not decoded, no deadline but the connect timeout is kept.

mod body;
pub mod catalog;
mod connect;
mod dns;
mod pieces;
mod pool;
mod proxy;
mod send;
pub mod sign;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;

pub use policy::origin::{Origin, Scheme};

pub use body::{BodyEnd, BodyError, UpstreamBody};
pub use connect::connect_options;
pub(crate) use connect::{PING_ANSWERED_WITHIN, PING_EVERY, socket_options};
pub use pieces::Pieces;
pub use proxy::{Proxy, ProxyError};

use crate::tasks::Tasks;

/// What an [`Upstream`] is made of.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Made once by [`client_config`](crate::tls::client_config) and shared by the cores.
    pub tls: Arc<rustls::ClientConfig>,
    /// The HTTP proxy that carries everything but what it exempts.
    pub proxy: Option<Proxy>,
    /// How long a connection without a request is kept.
    pub idle_timeout: Duration,
    /// How many HTTP/1.1 connections without a request are kept for an origin; the oldest goes first.
    pub idle_max: usize,
    /// How many streams share an HTTP/2 connection, where the server does not allow fewer.
    pub streams_max: usize,
}

impl UpstreamConfig {
    /// The defaults: no proxy, 90 s, 256 connections, 100 streams.
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            tls,
            proxy: None,
            idle_timeout: Duration::from_secs(90),
            idle_max: 256,
            streams_max: 100,
        }
    }
}

/// The connections of one core to all origins. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Upstream {
    pools: Arc<pool::Pools>,
}

impl Upstream {
    /// A pool without connections. Its tasks end with its last clone and its last body.
    #[must_use]
    pub fn new(config: UpstreamConfig, tasks: Tasks) -> Self {
        Self {
            pools: Arc::new(pool::Pools::new(config, tasks)),
        }
    }

    /// Sends one request and waits for the head of its response.
    ///
    /// A connection that turns out to be stale is replaced without a word. `connect_timeout` covers
    /// name resolution, the proxy, TCP and TLS together.
    ///
    /// # Errors
    /// [`SendError`] says whether the request can have been acted upon.
    pub async fn send(
        &self,
        origin: &Origin,
        request: Request<Full<Pieces>>,
        connect_timeout: Duration,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let mut connected = None;
        self.send_timed(origin, (request, connect_timeout), &mut connected)
            .await
    }

    /// The same, and tells in `connected` how long it took until a connection stood, as soon as one
    /// does: no time for one that was kept. While it is `None` no byte of the request has left, so
    /// that a caller who gives up knows.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_timed(
        &self,
        origin: &Origin,
        (request, connect_timeout): (Request<Full<Pieces>>, Duration),
        connected: &mut Option<Duration>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let asked = (request, connect_timeout);
        self.pools.send(origin, asked, connected).await
    }

    /// How many connections to `origin` wait for a request (HTTP/2 ones: are open).
    #[must_use]
    pub fn idle(&self, origin: &Origin) -> usize {
        self.pools.idle(origin)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream").finish_non_exhaustive()
    }
}

/// Where a request was when it failed without having been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding the address.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// Asking the proxy for a tunnel, reaching the proxy included.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// Speaking HTTP: the connection ended, or refused the stream, before the request was taken.
    Http,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No byte of the request can have been acted upon.
    #[error("not sent: {why}")]
    NotSent {
        /// The request, as good as new.
        request: Box<Request<Full<Pieces>>>,
        /// How far it came.
        phase: Phase,
        /// Whether the connect timeout ended it.
        timed_out: bool,
        /// For logs and attempts; names the origin's host, never a credential.
        why: String,
    },
    /// Some or all of the request was sent and there is no status: it may have been acted upon.
    #[error("no answer: {why}")]
    Ambiguous {
        /// Whether what came was not HTTP or went beyond a limit, rather than an end or a reset.
        malformed: bool,
        /// For logs and attempts.
        why: String,
    },
}
