//! Which connection a request takes, and what becomes of it afterwards.
//!
//! HTTP/1.1: a stack of connections that wait for a request, the youngest first, so that the rest can
//! grow old and go. HTTP/2: one connection shared up to its number of streams, then another.
//! It decides nothing about a request that failed: [`send`](super::send) says whether it was given back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::body::UpstreamBody;
use super::connect::{ConnectError, Connected, Connector};
use super::pieces::Pieces;
use super::send::{Connection, Unanswered};
use super::{Origin, Phase, Scheme, SendError, UpstreamConfig};
use crate::tasks::Tasks;

/// After this long without a request a connection may have been closed by the other side without this
/// core having looked at its sockets since: it looks before the connection is used.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How many origins are remembered before those without connections are forgotten.
const ORIGINS_MAX: usize = 1024;

pub(super) type SendHttp1 = http1::SendRequest<Full<Pieces>>;
pub(super) type SendHttp2 = http2::SendRequest<Full<Pieces>>;

/// All connections of one core.
pub(super) struct Pools {
    origins: Mutex<HashMap<Origin, Arc<Pool>, RandomState>>,
    connector: Connector,
    config: UpstreamConfig,
    tasks: Tasks,
    reaper: Mutex<Option<oneshot::Sender<()>>>,
}

impl Pools {
    pub(super) fn new(config: UpstreamConfig, tasks: Tasks) -> Self {
        Self {
            origins: Mutex::default(),
            connector: Connector::new(&config, tasks.clone()),
            config,
            tasks,
            reaper: Mutex::default(),
        }
    }

    pub(super) async fn send(
        self: &Arc<Self>,
        origin: &Origin,
        (mut request, connect_timeout): (Request<Full<Pieces>>, Duration),
        connected: &mut Option<Duration>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let pool = match self.pool(origin) {
            Ok(pool) => pool,
            Err(why) => return Err(not_sent(request, ConnectError::new(Phase::Dns, why))),
        };
        while let Some(connection) = pool.take().await {
            *connected = Some(Duration::ZERO);
            match connection.send(&pool, request).await {
                Ok(response) => return Ok(response),
                Err(Unanswered::GivenBack(given_back, _)) => {
                    *connected = None;
                    request = *given_back;
                }
                Err(Unanswered::Lost { malformed, why }) => {
                    return Err(SendError::Ambiguous { malformed, why });
                }
            }
        }
        // Boxed: connecting is rare and its future large, and every request would carry it.
        let began = Instant::now();
        let connection = match Box::pin(self.connect(&pool, connect_timeout)).await {
            Ok(connection) => connection,
            Err(error) => return Err(not_sent(request, error)),
        };
        *connected = Some(began.elapsed());
        match connection.send(&pool, request).await {
            Ok(response) => Ok(response),
            Err(Unanswered::GivenBack(request, why)) => {
                Err(not_sent(*request, ConnectError::new(Phase::Http, why)))
            }
            Err(Unanswered::Lost { malformed, why }) => {
                Err(SendError::Ambiguous { malformed, why })
            }
        }
    }

    pub(super) fn idle(&self, origin: &Origin) -> usize {
        let pool = self.origins.lock().get(origin).cloned();
        pool.map_or(0, |pool| {
            let waiting = pool.waiting.lock();
            waiting.http1.len() + waiting.http2.len()
        })
    }

    fn pool(&self, origin: &Origin) -> Result<Arc<Pool>, String> {
        let mut origins = self.origins.lock();
        if let Some(pool) = origins.get(origin) {
            return Ok(Arc::clone(pool));
        }
        if origins.len() >= ORIGINS_MAX {
            origins.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        }
        let pool = Arc::new(Pool::new(origin, &self.config)?);
        origins.insert(origin.clone(), Arc::clone(&pool));
        Ok(pool)
    }

    /// Opens a connection. While it is not known that an origin speaks HTTP/1.1, one request opens and
    /// the others wait: they will most likely share its connection.
    async fn connect(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        timeout: Duration,
    ) -> Result<Connection, ConnectError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let _turn = if pool.speaks_http1() {
            None
        } else {
            let turn = tokio::time::timeout_at(deadline, pool.turn.lock()).await;
            let turn = turn.map_err(|_| ConnectError::timed_out(Phase::Connect))?;
            if let Some(connection) = pool.take_http2() {
                return Ok(connection);
            }
            (!pool.speaks_http1()).then_some(turn)
        };
        let connected = self.connector.connect(&pool.origin, deadline).await?;
        self.start_reaper();
        Ok(pool.enter(connected))
    }

    /// Starts the task that drops connections which have waited for too long. It ends with the pool.
    fn start_reaper(self: &Arc<Self>) {
        let mut reaper = self.reaper.lock();
        if reaper.is_some() {
            return;
        }
        let (alive, mut ended) = oneshot::channel();
        *reaper = Some(alive);
        let pools = Arc::downgrade(self);
        let pause = (self.config.idle_timeout / 4).max(Duration::from_millis(5));
        self.tasks.spawn(async move {
            while tokio::time::timeout(pause, &mut ended).await.is_err() {
                let Some(pools) = pools.upgrade() else { return };
                let all: Vec<_> = pools.origins.lock().values().cloned().collect();
                all.iter().for_each(|pool| pool.drop_old());
            }
        });
    }
}

fn not_sent(mut request: Request<Full<Pieces>>, error: ConnectError) -> SendError {
    // Set here and good for this origin only.
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    SendError::NotSent {
        request: Box::new(request),
        phase: error.phase,
        timed_out: error.timed_out,
        why: error.why,
    }
}

/// The connections to one origin.
pub(super) struct Pool {
    origin: Origin,
    authority: Authority,
    host: HeaderValue,
    /// What a proxy that is not tunnelled through wants to see of us.
    absolute_form: bool,
    proxy_authorization: Option<HeaderValue>,
    idle_timeout: Duration,
    idle_max: usize,
    streams_max: usize,
    waiting: Mutex<Waiting>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// Oldest first.
    http1: Vec<(Http1, Instant)>,
    http2: Vec<Http2>,
    speaks_http1: bool,
}

impl Pool {
    fn new(origin: &Origin, config: &UpstreamConfig) -> Result<Self, String> {
        let written = origin.authority();
        let invalid = |_| format!("`{written}` is not a host and port");
        let authority = Authority::try_from(written.as_str()).map_err(invalid)?;
        let host =
            HeaderValue::from_str(&written).map_err(|_| format!("`{written}` is not a host"))?;
        let proxy = config.proxy.as_ref().filter(|proxy| proxy.carries(origin));
        let absolute_form = proxy.is_some() && origin.scheme == Scheme::Http;
        Ok(Self {
            origin: origin.clone(),
            authority,
            host,
            absolute_form,
            proxy_authorization: proxy
                .filter(|_| absolute_form)
                .and_then(|proxy| proxy.authorization().cloned()),
            idle_timeout: config.idle_timeout,
            idle_max: config.idle_max,
            streams_max: config.streams_max,
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.http1.is_empty() && waiting.http2.is_empty()
    }

    fn speaks_http1(&self) -> bool {
        self.origin.scheme == Scheme::Http || self.waiting.lock().speaks_http1
    }

    /// A connection that is believed to take a request now.
    async fn take(&self) -> Option<Connection> {
        if let Some(connection) = self.take_http2() {
            return Some(connection);
        }
        loop {
            let (connection, since) = self.take_http1()?;
            if since.elapsed() >= LOOK_AGAIN_AFTER {
                // The runtime looks at its sockets before it comes back here, and the task of a
                // connection that was closed meanwhile runs before this one.
                tokio::task::yield_now().await;
            }
            if connection.sender.is_ready() {
                return Some(Connection::Http1(connection));
            }
        }
    }

    /// The youngest that is ready. One whose task has yet to finish the last answer stays.
    fn take_http1(&self) -> Option<(Http1, Instant)> {
        let mut waiting = self.waiting.lock();
        let mut busy = Vec::new();
        let mut found = None;
        while let Some((connection, since)) = waiting.http1.pop() {
            if connection.sender.is_closed() || since.elapsed() >= self.idle_timeout {
                continue;
            }
            if connection.sender.is_ready() {
                found = Some((connection, since));
                break;
            }
            busy.push((connection, since));
        }
        waiting.http1.extend(busy.into_iter().rev());
        found
    }

    fn take_http2(&self) -> Option<Connection> {
        let mut waiting = self.waiting.lock();
        waiting.http2.retain(|shared| !shared.sender.is_closed());
        let shared = waiting
            .http2
            .iter()
            .find(|shared| shared.streams.has_room(self.streams_max))?;
        Some(Connection::Http2(
            shared.sender.clone(),
            shared.streams.open(),
        ))
    }

    fn enter(&self, connected: Connected) -> Connection {
        let mut waiting = self.waiting.lock();
        match connected {
            Connected::Http1(connection) => {
                waiting.speaks_http1 = true;
                Connection::Http1(connection)
            }
            Connected::Http2(shared) => {
                waiting.speaks_http1 = false;
                let connection = Connection::Http2(shared.sender.clone(), shared.streams.open());
                waiting.http2.push(shared);
                connection
            }
        }
    }

    pub(super) fn give_back(&self, connection: Http1) {
        if connection.sender.is_closed() || self.idle_max == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.http1.len() >= self.idle_max {
            waiting.http1.remove(0);
        }
        waiting.http1.push((connection, Instant::now()));
    }

    /// Takes a connection that refuses streams out of the pool; those it has go on.
    pub(super) fn retire(&self, stream: &Stream) {
        let mut waiting = self.waiting.lock();
        waiting
            .http2
            .retain(|shared| !Arc::ptr_eq(&shared.streams.count, &stream.0.count));
    }

    fn drop_old(&self) {
        let mut waiting = self.waiting.lock();
        waiting.http1.retain(|(connection, since)| {
            !connection.sender.is_closed() && since.elapsed() < self.idle_timeout
        });
        waiting.http2.retain(|shared| {
            !shared.sender.is_closed() && !shared.streams.idle_for(self.idle_timeout)
        });
    }

    pub(super) fn prepare_http1(&self, request: &mut Request<Full<Pieces>>) {
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().insert(HOST, self.host.clone());
        if self.absolute_form {
            *request.uri_mut() = self.absolute("http", request.uri());
            if let Some(value) = &self.proxy_authorization {
                request
                    .headers_mut()
                    .insert(PROXY_AUTHORIZATION, value.clone());
            }
        } else if request.uri().authority().is_some() {
            *request.uri_mut() = Uri::from(path(request.uri()));
        }
    }

    pub(super) fn prepare_http2(&self, request: &mut Request<Full<Pieces>>) {
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(HOST);
        let scheme = match self.origin.scheme {
            Scheme::Http | Scheme::H2c => "http",
            Scheme::Https => "https",
        };
        *request.uri_mut() = self.absolute(scheme, request.uri());
    }

    fn absolute(&self, scheme: &str, uri: &Uri) -> Uri {
        let built = Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query(path(uri))
            .build();
        built.unwrap_or_else(|_| uri.clone())
    }
}

fn path(uri: &Uri) -> PathAndQuery {
    let written = uri.path_and_query().cloned();
    written.unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// A connection of HTTP/1.1. Dropping it closes the socket at once, whatever is going on.
pub(super) struct Http1 {
    pub(super) sender: SendHttp1,
    /// The task of the connection ends when this is dropped.
    pub(super) _alive: oneshot::Sender<()>,
}

/// A connection of HTTP/2 as the pool keeps it. Dropping it lets the streams it has go on.
pub(super) struct Http2 {
    pub(super) sender: SendHttp2,
    pub(super) streams: Streams,
}

/// How many streams a connection has.
#[derive(Clone)]
pub(super) struct Streams {
    count: Arc<AtomicUsize>,
    /// The most that the server allows.
    allowed: Arc<AtomicUsize>,
    used: Arc<Mutex<Instant>>,
}

impl Streams {
    pub(super) fn new(allowed: Arc<AtomicUsize>) -> Self {
        Self {
            count: Arc::default(),
            allowed,
            used: Arc::new(Mutex::new(Instant::now())),
        }
    }

    fn has_room(&self, most: usize) -> bool {
        // A server that allows none for now is asked one at a time.
        let most = most.min(self.allowed.load(Ordering::Relaxed)).max(1);
        self.count.load(Ordering::Relaxed) < most
    }

    fn idle_for(&self, time: Duration) -> bool {
        self.count.load(Ordering::Relaxed) == 0 && self.used.lock().elapsed() >= time
    }

    fn open(&self) -> Stream {
        self.count.fetch_add(1, Ordering::Relaxed);
        Stream(self.clone())
    }
}

/// One stream's place among those of its connection.
pub(super) struct Stream(Streams);

impl Drop for Stream {
    fn drop(&mut self) {
        *self.0.used.lock() = Instant::now();
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}
