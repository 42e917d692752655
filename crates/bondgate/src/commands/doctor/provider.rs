//! Each provider: does its name resolve, does it answer, does it take each credential, does it have
//! the models that are configured; and does its clock agree with ours. One cheap call a credential:
//! the list of models.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use gateway::WallClock;
use gateway::tasks::Tasks;
use gateway::upstream::sign::renew::{Givers, obtain};
use gateway::upstream::sign::show;
use gateway::upstream::{Pieces, SendError, Upstream, UpstreamConfig};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use jiff::fmt::rfc2822;
use policy::origin::Origin;
use policy::provider::Provider;
use policy::secret::ProviderKey;
use serde_json::Value;

use super::{Finding, State};
use crate::config::{Config, Upstream as Way};
use crate::wire;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);
/// Bytes of a list of models.
const LIST_MAX: usize = 8 << 20;
/// How far clocks may be apart, in seconds: signatures and assertions of five minutes are refused.
const SKEW_MAX_S: i64 = 60;

/// Looks at providers.
pub(super) struct Examiner<'a> {
    config: &'a Config,
    upstream: Upstream,
    givers: Givers,
    clock: WallClock,
}

/// An answer, as far as it matters here.
struct Answer {
    status: u16,
    date_ms: Option<i64>,
    body: Bytes,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(config: &'a Config, upstream: &UpstreamConfig, tasks: &Tasks) -> Self {
        let givers = wire::credentials::givers(upstream, tasks);
        Self {
            config,
            upstream: givers.upstream.clone(),
            givers,
            clock: WallClock::default(),
        }
    }

    pub(super) async fn all(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for provider in self.config.providers.values() {
            let part = format!("provider {}", provider.name);
            if let Err(why) = resolves(&self.config.upstream, &provider.origin).await {
                let mend = "look at the name, at DNS, and at `bondgate egress` for what a firewall must let out";
                findings.push(Finding::new(part, State::Bad, why, mend));
                continue;
            }
            let keys = provider.keys.iter().map(|key| Some(&**key));
            let none = provider.keys.is_empty().then_some(None);
            for key in keys.chain(none) {
                let part = match key {
                    Some(key) if provider.keys.len() > 1 => format!("{part}, {}", key.name()),
                    Some(_) | None => part.clone(),
                };
                self.credential(part, provider, key, &mut findings).await;
            }
        }
        findings
    }

    async fn credential(
        &self,
        part: String,
        provider: &Provider,
        key: Option<&ProviderKey>,
        findings: &mut Vec<Finding>,
    ) {
        if let Some(renewal) = key.and_then(ProviderKey::renewal) {
            match obtain(renewal.recipe(), &self.givers, self.clock.now_ms()).await {
                Ok(obtained) => renewal.enter(Ok(obtained), self.clock.now_ms()),
                Err(why) => {
                    let what = format!("its credential cannot be obtained: {why}");
                    let mend = "look at what gives it: variables, key file, role, or application";
                    findings.push(Finding::new(part, State::Bad, what, mend));
                    return;
                }
            }
        }
        match self.ask(provider, key).await {
            Err(why) => {
                let mend = "look at `base_url`, `upstream.proxy`, `upstream.ca`, and at `bondgate egress` for what a firewall must let out";
                findings.push(Finding::new(part, State::Bad, why, mend));
            }
            Ok(answer) => {
                findings.extend(self.skew(&part, &answer));
                findings.push(self.answered(part, provider, &answer));
            }
        }
    }

    async fn ask(&self, provider: &Provider, key: Option<&ProviderKey>) -> Result<Answer, String> {
        let request = request(provider, key, self.clock.now_ms())?;
        let asked = async {
            let sent = self.upstream.send(&provider.origin, request, CONNECT).await;
            let response = sent.map_err(|error| match error {
                SendError::NotSent { why, .. } => format!("cannot be reached: {why}"),
                SendError::Ambiguous { why, .. } => format!("does not answer: {why}"),
            })?;
            let date = response.headers().get(header::DATE);
            let date = date.and_then(|date| rfc2822::parse(date.to_str().ok()?).ok());
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LIST_MAX).collect().await;
            let body = body.map_err(|error| format!("its answer broke off: {error}"))?;
            Ok(Answer {
                status,
                date_ms: date.map(|date| date.timestamp().as_millisecond()),
                body: body.to_bytes(),
            })
        };
        let late = |_| Err(format!("did not answer within {} s", ANSWER.as_secs()));
        tokio::time::timeout(ANSWER, asked)
            .await
            .unwrap_or_else(late)
    }

    fn skew(&self, part: &str, answer: &Answer) -> Option<Finding> {
        let apart_s = (self.clock.now_ms() - answer.date_ms?) / 1000;
        (apart_s.abs() > SKEW_MAX_S).then(|| {
            let what = format!("our clock and its are {} s apart", apart_s.abs());
            let mend = "set the clock by NTP: signatures, tokens and windows go by it";
            Finding::new(format!("clock, by {part}"), State::Warning, what, mend)
        })
    }

    fn answered(&self, part: String, provider: &Provider, answer: &Answer) -> Finding {
        let status = answer.status;
        match status {
            200..=299 => self.listed(part, provider, &answer.body),
            401 | 403 => Finding::new(
                part,
                State::Bad,
                format!("answers, and refuses the credential ({status})"),
                "give one that is in force and may list models, or look at `auth`, `region` and roles",
            ),
            404 | 405 => Finding::new(
                part,
                State::Warning,
                format!(
                    "answers, and has no list of models ({status}): the credential is not proven"
                ),
                "send a request of your own; where that fails too, look at `base_url`",
            ),
            402 | 429 => Finding::new(
                part,
                State::Warning,
                format!("answers, and its limit or quota is used up ({status})"),
                "wait, or look at the account's limits and credit",
            ),
            _ => Finding::new(
                part,
                State::Bad,
                format!("answers {status}"),
                "look at `base_url`, and at the provider's own page of its state",
            ),
        }
    }

    /// Whether the models that are configured are in the list, where it is whole.
    fn listed(&self, part: String, provider: &Provider, body: &[u8]) -> Finding {
        let Some((listed, is_whole)) = models(body) else {
            let mend = "look at `base_url`: this may be a web page or a proxy's answer";
            let what = "answers something that is no list of models";
            return Finding::new(part, State::Warning, what, mend);
        };
        let missing: Vec<String> = self
            .wanted(provider)
            .into_iter()
            .filter(|model| is_whole && !listed.contains(model.as_str()))
            .collect();
        if missing.is_empty() {
            let what = format!("takes the credential, lists {} models", listed.len());
            return Finding::good(part, what);
        }
        let what = format!(
            "takes the credential, and does not list {}",
            missing.join(", ")
        );
        let mend = "look at the spelling of these targets, and at what the account may use";
        Finding::new(part, State::Warning, what, mend)
    }

    /// The provider's models that targets name.
    fn wanted(&self, provider: &Provider) -> BTreeSet<String> {
        let models = self.config.models.values();
        let targets = models.flat_map(|model| {
            let fallback = &model.fallback;
            let lists = [
                &model.targets,
                &fallback.failure,
                &fallback.context_window,
                &fallback.content_policy,
            ];
            lists.into_iter().flatten()
        });
        targets
            .filter(|target| target.provider.name == provider.name)
            .map(|target| target.model.clone())
            .collect()
    }
}

/// The request for the list of models.
fn request(
    provider: &Provider,
    key: Option<&ProviderKey>,
    now_ms: i64,
) -> Result<Request<Full<Pieces>>, String> {
    let question = if provider.paths.query.is_empty() {
        ""
    } else {
        "?"
    };
    let path = [
        provider.base_path.as_str(),
        "/models",
        question,
        &provider.paths.query,
    ]
    .concat();
    let mut request = Request::get(path)
        .header(header::ACCEPT_ENCODING, "identity")
        .header(
            header::USER_AGENT,
            concat!("bondgate/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in provider.dialect.client().transport().headers {
        request = request.header(*name, *value);
    }
    for (name, value) in &provider.headers {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(|_| "its path is no path")?;
    let (mut head, ()) = request.into_parts();
    if let Some(key) = key {
        show(&mut head, &Pieces::default(), (provider, key), now_ms)?;
    }
    Ok(Request::from_parts(head, Full::new(Pieces::default())))
}

/// Whether the name resolves; what goes through a proxy is resolved there.
async fn resolves(way: &Way, origin: &Origin) -> Result<(), String> {
    if way
        .proxy
        .as_ref()
        .is_some_and(|proxy| proxy.carries(origin))
    {
        return Ok(());
    }
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    found
        .map(drop)
        .map_err(|error| format!("the name {} does not resolve: {error}", origin.host))
}

/// The models of a list, in the shapes that providers have, and whether there are no more pages.
fn models(body: &[u8]) -> Option<(BTreeSet<String>, bool)> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let items = list
        .get("data")
        .or_else(|| list.get("models"))
        .unwrap_or(&list);
    let items = items.as_array()?.iter();
    let names = items.filter_map(|item| {
        let name = item.get("id").or_else(|| item.get("name"))?.as_str()?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    });
    let more = list
        .get("has_more")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let paged =
        more || list.get("nextPageToken").is_some() || list.get("next_page_token").is_some();
    Some((names.collect(), !paged))
}
