//! One receiver of alerts: what waits for it, and how it is sent.
//!
//! Where to and under which secret is read from the settings in force for each try, so a change of
//! the configuration holds from the next one. Redirects are not followed: a signed alert goes where
//! the configuration says and nowhere else. Of a URL, only its host is ever said: the rest may be a
//! credential.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateway::upstream::{Origin, Pieces, Scheme, SendError, Upstream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::format::{self, SIGNATURE, Said};
use super::queue::Queue;
use super::told::Told;
use super::{Counters, Pace, now_ms};
use crate::config::Alerts;
use crate::say::say;

/// How long an alert that nobody took is not told again, even if it happens again.
const REST_MS: i64 = 60 * 60 * 1000;

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The signed webhook.
    Webhook,
    /// Slack's incoming webhook.
    Slack,
}

impl To {
    /// What it is called where alerts are remembered.
    pub(super) fn name(self) -> &'static str {
        match self {
            To::Webhook => "webhook",
            To::Slack => "slack",
        }
    }

    /// Whether the settings name it.
    pub(super) fn is_configured(self, alerts: &Alerts) -> bool {
        match self {
            To::Webhook => alerts.webhook.is_some(),
            To::Slack => alerts.slack.is_some(),
        }
    }
}

/// One receiver and what waits for it.
pub(super) struct Receiver {
    pub(super) to: To,
    pub(super) queue: Queue<Arc<Said>>,
    /// Whether the queue was full since the last alert left it.
    pub(super) full: AtomicBool,
    pub(super) settings: Arc<arc_swap::ArcSwap<Alerts>>,
    pub(super) told: Arc<Mutex<Told>>,
    pub(super) counters: Arc<Counters>,
    pub(super) pace: Pace,
}

/// What came of one try.
enum Try {
    Taken,
    /// The receiver is not configured any more.
    Nobody,
    /// Trying again cannot help.
    Refused(String),
    /// It may work later, after that long at least.
    Later(String, Duration),
}

impl Receiver {
    /// Takes one more alert; where too many wait the oldest is given up.
    pub(super) fn offer(&self, said: Arc<Said>) {
        let alert = &said.alert;
        let name = self.to.name();
        if !self
            .told
            .lock()
            .begin(name, &alert.key, alert.once, now_ms())
        {
            return;
        }
        if let Some(dropped) = self.queue.push(said) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            if !self.full.swap(true, Ordering::Relaxed) {
                say(&format!(
                    "too many alerts wait for {name}: the oldest are dropped"
                ));
            }
            self.rest(&dropped);
        }
    }

    /// Sends what comes, one after the other; ends when nothing is left after `closing`.
    pub(super) async fn run(self: Arc<Self>, upstream: Upstream, closing: CancellationToken) {
        loop {
            let said = tokio::select! {
                biased;
                said = self.queue.pop() => said,
                () = closing.cancelled() => return,
            };
            self.full.store(false, Ordering::Relaxed);
            self.deliver(&upstream, &said).await;
        }
    }

    async fn deliver(&self, upstream: &Upstream, said: &Said) {
        let mut pause = self.pace.backoff;
        for left in (0..self.pace.tries_max).rev() {
            match self.attempt(upstream, said).await {
                Try::Taken => {
                    self.counters.sent.fetch_add(1, Ordering::Relaxed);
                    let alert = &said.alert;
                    let mut told = self.told.lock();
                    return told.done(self.to.name(), &alert.key, alert.once);
                }
                Try::Nobody => return self.forget(said),
                Try::Later(why, wait) if left > 0 => {
                    self.counters.retried.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(to = self.to.name(), "an alert is tried again: {why}");
                    let wait = wait.min(self.pace.backoff_max);
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0).max(wait)).await;
                    pause = pause.saturating_mul(2).min(self.pace.backoff_max);
                }
                Try::Later(why, _) | Try::Refused(why) => {
                    self.counters.given_up.fetch_add(1, Ordering::Relaxed);
                    return self.gave_up(said, &why);
                }
            }
        }
    }

    fn gave_up(&self, said: &Said, why: &str) {
        let (to, key) = (self.to.name(), &said.alert.key);
        say(&format!("alert {key} could not be told to {to}: {why}"));
        self.rest(said);
    }

    fn rest(&self, said: &Said) {
        let again_ms = now_ms().saturating_add(REST_MS);
        let mut told = self.told.lock();
        told.failed(self.to.name(), &said.alert.key, again_ms);
    }

    fn forget(&self, said: &Said) {
        let mut told = self.told.lock();
        told.failed(self.to.name(), &said.alert.key, 0);
    }

    async fn attempt(&self, upstream: &Upstream, said: &Said) -> Try {
        let settings = self.settings.load_full();
        let Some(parcel) = Parcel::pack(self.to, &settings, said) else {
            return Try::Nobody;
        };
        let (origin, request) = match parcel.and_then(Parcel::request) {
            Ok(ready) => ready,
            Err(why) => return Try::Refused(why.to_owned()),
        };
        let host = origin.host.clone();
        let sending = upstream.send(&origin, request, self.pace.connect);
        match tokio::time::timeout(self.pace.timeout, sending).await {
            // Nobody reads the answer's body; dropping it closes what would bring the rest.
            Ok(Ok(answer)) => judged(&host, answer.status(), answer.headers()),
            Ok(Err(SendError::NotSent { why, .. } | SendError::Ambiguous { why, .. })) => {
                Try::Later(format!("{host}: {why}"), Duration::ZERO)
            }
            Err(_) => Try::Later(format!("{host} did not answer in time"), Duration::ZERO),
        }
    }
}

/// What a status means.
fn judged(host: &str, status: StatusCode, headers: &HeaderMap) -> Try {
    let why = format!("{host} answered {status}");
    match status.as_u16() {
        200..300 => Try::Taken,
        300..400 => Try::Refused(format!("{why}; redirects are not followed")),
        408 | 425 | 429 | 500.. => {
            let wait = headers.get(RETRY_AFTER);
            let wait = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
            Try::Later(why, Duration::from_secs(wait.unwrap_or(0)))
        }
        _ => Try::Refused(why),
    }
}

/// A request before it has its form.
struct Parcel<'a> {
    url: &'a str,
    body: Bytes,
    signature: Option<String>,
}

impl<'a> Parcel<'a> {
    /// `None` where the receiver is not configured.
    fn pack(to: To, alerts: &'a Alerts, said: &Said) -> Option<Result<Self, &'static str>> {
        let (url, value, secret) = match to {
            To::Webhook => {
                let webhook = alerts.webhook.as_ref()?;
                (&webhook.url, format::webhook(said), Some(&webhook.secret))
            }
            To::Slack => (alerts.slack.as_ref()?, format::slack(said), None),
        };
        let Ok(body) = serde_json::to_vec(&value) else {
            return Some(Err("it cannot be written as JSON"));
        };
        let at_s = now_ms() / 1000;
        let signature = secret.map(|secret| format::signature(secret.reveal(), at_s, &body));
        Some(Ok(Self {
            url: url.reveal(),
            body: body.into(),
            signature,
        }))
    }

    fn request(self) -> Result<(Origin, Request<Full<Pieces>>), &'static str> {
        const NO_URL: &str = "what is configured is no URL of http or https";
        let url = Url::parse(self.url).map_err(|_| NO_URL)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(NO_URL),
        };
        let host = match url.host().ok_or(NO_URL)? {
            url::Host::Domain(name) => name.to_ascii_lowercase(),
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(NO_URL)?;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::post(target)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "bondgate");
        if let Some(signature) = &self.signature {
            request = request.header(SIGNATURE, signature);
        }
        if let Some(credential) = basic(&url) {
            request = request.header(AUTHORIZATION, credential);
        }
        let request = request.body(Full::new(Pieces::from(self.body)));
        let origin = Origin { scheme, host, port };
        Ok((origin, request.map_err(|_| NO_URL)?))
    }
}

/// What a URL with a name and a password asks for (RFC 7617).
fn basic(url: &Url) -> Option<HeaderValue> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::percent_decode_str;

    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
