//! The admin API of a gateway that runs, over HTTP.

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Pieces, Scheme, SendError, Upstream, UpstreamConfig};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use policy::origin::BaseUrl;
use std::time::Duration;

use super::find::Place;
use super::{ANSWER, ANSWER_BYTES_MAX};

/// How long it may take to be connected.
const CONNECT: Duration = Duration::from_secs(5);

/// A gateway's admin API.
pub(super) struct Remote {
    url: String,
    base: BaseUrl,
    token: HeaderValue,
    upstream: Upstream,
}

impl Remote {
    pub(super) fn new(place: &Place) -> anyhow::Result<Self> {
        let base = BaseUrl::parse(&place.url).map_err(anyhow::Error::msg)?;
        let token = place.token()?;
        let shown = zeroize::Zeroizing::new(format!("Bearer {}", token.reveal()));
        let mut token = HeaderValue::from_str(&shown)
            .map_err(|_| anyhow!("the admin token holds what no header can: use visible ASCII"))?;
        token.set_sensitive(true);
        let extra: Vec<_> = place.ca.iter().cloned().collect();
        if !extra.is_empty() && base.origin.scheme != Scheme::Https {
            bail!(
                "`--admin-ca` is for an https URL, and {} is none",
                place.url
            );
        }
        let tls = client_config(&extra)?;
        Ok(Self {
            url: place.url.clone(),
            base,
            token,
            upstream: Upstream::new(UpstreamConfig::new(tls), Tasks::new()),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a path of the API; `target` begins with a slash.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.base.path))
            .header(AUTHORIZATION, self.token.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Pieces::from(body)))?;
        let answered = tokio::time::timeout(ANSWER, Box::pin(self.answer(request))).await;
        answered.unwrap_or_else(|_| {
            bail!(
                "{} took longer than {} s to answer",
                self.url,
                ANSWER.as_secs()
            )
        })
    }

    async fn answer(&self, request: Request<Full<Pieces>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let sent = Box::pin(self.upstream.send(&self.base.origin, request, CONNECT)).await;
        let answer = sent.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|error| anyhow!("{error}"));
        let body = body.with_context(|| format!("the answer of {} broke off", self.url))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, error: &SendError) -> anyhow::Error {
        let why = match error {
            SendError::NotSent { why, .. } | SendError::Ambiguous { why, .. } => why,
        };
        anyhow!(
            "no gateway's admin API answers at {}: {why} · start it with `bondgate serve`, or \
             name its admin listener with `--admin` or BONDGATE_ADMIN_URL",
            self.url
        )
    }
}
