//! A receiver of alerts, and what tells them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bondgate::alerts::{Handle, Pace, Setup, start};
use bondgate::config::{Alerts, Webhook};
use bytes::Bytes;
use gateway::notice::Notice;
use gateway::tls::client_config;
use gateway::upstream::UpstreamConfig;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use policy::accounts::Balance;
use policy::control::Part;
use policy::limit::{Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::secret::Secret;
use policy::window::Window;
use tempfile::TempDir;
use tokio::sync::mpsc::{Sender, channel};

pub(crate) const SECRET: &str = "0123456789abcdef";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the server was sent.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
}

/// What the server does, the next first; it answers 200 when nothing is left.
pub(crate) enum Does {
    Answers(u16),
    Redirects(String),
    Hangs,
}

#[derive(Default)]
pub(crate) struct Log {
    received: Vec<Received>,
    next: VecDeque<Does>,
}

/// A receiver of alerts.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<parking_lot::Mutex<Log>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn start(next: impl IntoIterator<Item = Does>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let log = Arc::new(parking_lot::Mutex::new(Log {
            received: Vec::new(),
            next: next.into_iter().collect(),
        }));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::clone(&log);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&kept);
                let service = service_fn(move |request| answer(Arc::clone(&log), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            log,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self, path: &str) -> Secret {
        Secret::new(format!("http://{}{path}", self.address))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.log.lock().received.clone()
    }

    /// Waits for so many, and gives all there are.
    pub(crate) fn wait(&self, count: usize) -> Vec<Received> {
        until("alerts come", || self.received().len() >= count);
        self.received()
    }
}

async fn answer(
    log: Arc<parking_lot::Mutex<Log>>,
    request: http::Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let does = {
        let mut log = log.lock();
        log.received.push(Received {
            path: head.uri.to_string(),
            headers: head.headers,
            body,
        });
        log.next.pop_front()
    };
    let mut response = Response::new(Full::from("ok"));
    match does {
        None => {}
        Some(Does::Answers(status)) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap()
        }
        Some(Does::Redirects(to)) => {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
        }
        Some(Does::Hangs) => std::future::pending().await,
    }
    Ok(response)
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Quick tries, and a patience with parts of nothing.
pub(crate) const QUICK: Pace = Pace {
    look: Duration::from_millis(5),
    patience: Duration::ZERO,
    connect: Duration::from_secs(10),
    timeout: Duration::from_secs(20),
    tries_max: 3,
    backoff: Duration::from_millis(1),
    backoff_max: Duration::from_millis(10),
};

pub(crate) struct House {
    pub(crate) handle: Handle,
    pub(crate) road: Sender<Notice>,
    pub(crate) parts: Arc<parking_lot::Mutex<Vec<Part>>>,
}

impl House {
    pub(crate) fn start(data: &Path, alerts: &Alerts) -> Self {
        Self::paced(data, alerts, QUICK)
    }

    pub(crate) fn paced(data: &Path, alerts: &Alerts, pace: Pace) -> Self {
        let (road, notices) = channel(4096);
        let parts = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let seen = Arc::clone(&parts);
        let setup = Setup {
            notices,
            health: Box::new(move || seen.lock().clone()),
            data: data.to_owned(),
            upstream: UpstreamConfig::new(client_config(&[]).unwrap()),
            pace,
        };
        let handle = start(setup, alerts).unwrap();
        Self {
            handle,
            road,
            parts,
        }
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.road.try_send(notice).unwrap();
    }

    pub(crate) fn set_journal(&self, well: bool) {
        *self.parts.lock() = vec![Part {
            name: "journal",
            well,
            state: if well { "keeps up" } else { "the disk is full" }.to_owned(),
        }];
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

pub(crate) fn webhook(server: &Server) -> Alerts {
    Alerts {
        webhook: Some(Webhook {
            url: server.url("/hook?channel=1"),
            secret: Secret::new(SECRET.to_owned()),
        }),
        slack: None,
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn limit() -> Arc<Limit> {
    Arc::new(Limit {
        name: "support".into(),
        scope: Scope::Team("support".into()),
        each: Some(policy::limit::Each::User),
        resource: Resource::Money,
        amount: 500_000_000_000,
        period: Period::Month,
        time_zone: jiff::tz::TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: vec![50, 80, 100],
    })
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

pub(crate) fn this_month() -> Window {
    Window::of(Period::Month, &jiff::tz::TimeZone::UTC, now_ms())
}

pub(crate) fn step(percent: u8, bucket: &str) -> Notice {
    Notice::Limit {
        limit: limit(),
        bucket: bucket.into(),
        window_ms: this_month().start_ms,
        percent,
        settled: 401_500_000_000,
    }
}

pub(crate) fn balance(settled: i64) -> Balance {
    Balance {
        limit: limit(),
        bucket: "ada".into(),
        window: this_month(),
        amount: 500_000_000_000,
        settled,
        held: 0,
    }
}

pub(crate) fn unpriced(target: &str) -> Notice {
    Notice::Unpriced {
        target: target.into(),
    }
}

pub(crate) fn messages(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.text("message")).collect()
}
