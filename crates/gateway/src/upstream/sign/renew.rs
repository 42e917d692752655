//! Keeps credentials that do not last fresh, beside the road.
//!
//! One task looks at every provider of the configuration in force; what is due is obtained by a task
//! of its own, one at a time for each credential, so that a giver that is slow holds up no other.
//! What is at hand stays in use until its end, whatever a renewal comes to. Nothing here may write a
//! credential into a message.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName};
use policy::origin::BaseUrl;
use policy::provider::Provider;
use policy::renewal::{Obtained, Recipe, Renewal};
use policy::secret::ProviderKey;
use policy::snapshot::Snapshot;
use tokio_util::sync::CancellationToken;

use super::aws::{self, Env, Place};
use super::fetch::fetch;
use super::token;
use crate::WallClock;
use crate::tasks::Tasks;
use crate::upstream::Upstream;

/// How often is looked what is due.
const LOOK: Duration = Duration::from_millis(250);

/// Where the metadata server of Google is, unless `GCE_METADATA_HOST` says otherwise.
const GOOGLE_METADATA: &str = "metadata.google.internal";

const IMDS_TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const IMDS_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// Reads a variable of the environment.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The way to those who give credentials.
#[derive(Clone)]
pub struct Givers {
    /// To token endpoints: as to providers.
    pub upstream: Upstream,
    /// To metadata services of this machine: never through a proxy.
    pub direct: Upstream,
    /// The environment's variables.
    pub env: Variables,
}

/// What keeps credentials fresh.
pub struct Renewer {
    /// The way to those who give credentials.
    pub givers: Givers,
    /// The time.
    pub clock: Arc<WallClock>,
    /// Its tasks.
    pub tasks: Tasks,
    /// Told in a sentence when a credential can no longer be obtained, and when it can again.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Renewer {
    /// Keeps the credentials of the snapshot in force fresh until it is stopped.
    pub async fn run(self, snapshot: &ArcSwap<Snapshot>, stopped: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => self.look(&snapshot.load()),
                () = stopped.cancelled() => return,
            }
        }
    }

    /// Starts to obtain what is due.
    fn look(&self, snapshot: &Snapshot) {
        let now_ms = self.clock.now_ms();
        for (provider, key) in renewed(snapshot) {
            let Some(renewal) = key.renewal().filter(|renewal| renewal.is_due(now_ms)) else {
                continue;
            };
            if renewal.claim() {
                let (key, name) = (Arc::clone(key), provider.name.clone());
                let (givers, tell) = (self.givers.clone(), Arc::clone(&self.tell));
                let clock = Arc::clone(&self.clock);
                self.tasks.spawn(async move {
                    if let Some(renewal) = key.renewal() {
                        renew(renewal, &givers, &clock, |what| {
                            tell(&format!("provider `{name}`: {what}"))
                        })
                        .await;
                    }
                });
            }
        }
    }
}

/// Every credential of a snapshot that is renewed, with its provider.
pub fn renewed(snapshot: &Snapshot) -> impl Iterator<Item = (&Arc<Provider>, &Arc<ProviderKey>)> {
    snapshot.providers.values().flat_map(|provider| {
        let keys = provider.keys.iter().filter(|key| key.renewal().is_some());
        keys.map(move |key| (provider, key))
    })
}

/// Lets a snapshot that is about to be in force begin with what the one before has at hand.
pub fn take_over(next: &Snapshot, before: &Snapshot) {
    for (provider, key) in renewed(next) {
        let same = before.providers.get(&provider.name);
        let olds = same.into_iter().flat_map(|provider| &provider.keys);
        for old in olds.filter_map(|key| key.renewal()) {
            if let Some(renewal) = key.renewal() {
                renewal.take_over(old);
            }
        }
    }
}

async fn renew(renewal: &Renewal, givers: &Givers, clock: &WallClock, tell: impl Fn(&str)) {
    let before = renewal.trouble();
    let obtained = obtain(renewal.recipe(), givers, clock.now_ms()).await;
    match (&obtained, &before) {
        (Err(why), known) if known.as_ref() != Some(why) => {
            tell(&format!("its credential cannot be obtained: {why}"));
        }
        (Ok(_), Some(_)) => tell("its credential is obtained again"),
        (Ok(_), None) | (Err(_), _) => {}
    }
    renewal.enter(obtained, clock.now_ms());
}

/// Obtains a credential by its recipe.
///
/// # Errors
/// Why it cannot be, as a clause without any credential.
pub async fn obtain(recipe: &Recipe, givers: &Givers, now_ms: i64) -> Result<Obtained, String> {
    let env: Env<'_> = &|name| (givers.env)(name);
    let (upstream, asked) = match recipe {
        Recipe::Aws { profile } => {
            let read = |path: &Path| std::fs::read_to_string(path);
            let place = aws::place(env, &read, profile.as_deref())?;
            return from_aws(place, givers, now_ms).await;
        }
        Recipe::GoogleAccount(account) => (&givers.upstream, token::ask_google(account, now_ms)?),
        Recipe::GoogleMetadata => {
            let host = env("GCE_METADATA_HOST").filter(|host| !host.is_empty());
            let host = host.as_deref().unwrap_or(GOOGLE_METADATA);
            let server = BaseUrl::parse(&format!("http://{host}"))
                .map_err(|why| format!("GCE_METADATA_HOST: {why}"))?;
            (&givers.direct, token::ask_metadata(&server)?)
        }
        Recipe::Entra(entra) => (&givers.upstream, token::ask_entra(entra)?),
    };
    let (status, body) = fetch(upstream, asked).await?;
    token::told(status, &body, now_ms)
}

async fn from_aws(place: Place, givers: &Givers, now_ms: i64) -> Result<Obtained, String> {
    let body = match place {
        Place::Here(token) => {
            return Ok(Obtained { token, at_ms: now_ms, expires_ms: None });
        }
        Place::Container { url, authorization } => {
            let shown = authorization.as_ref().map(|secret| (AUTHORIZATION, secret.reveal()));
            let headers: Vec<_> = shown.into_iter().collect();
            let asked = token::get(&url.origin, &url.path, &headers)?;
            good(fetch(&givers.direct, asked).await?, "the container's endpoint")?
        }
        Place::Machine { url } => from_machine(&url, givers).await.map_err(|why| {
            format!("no AWS credentials were found in the environment, the shared credentials file or a container, and of the metadata service: {why}")
        })?,
    };
    aws::keys_told(&body, now_ms)
}

/// The metadata service, version 2: a session, the role's name, the role's keys.
async fn from_machine(url: &BaseUrl, givers: &Givers) -> Result<Vec<u8>, String> {
    let who = "the metadata service";
    let at = |below: &str| [url.path.as_str(), below].concat();
    let mut session = token::get(
        &url.origin,
        &at("/latest/api/token"),
        &[(IMDS_TTL, "21600")],
    )?;
    *session.1.method_mut() = Method::PUT;
    let session = good(fetch(&givers.direct, session).await?, who)?;
    let session = text(session, who)?;
    let shown = [(IMDS_TOKEN, session.as_str())];
    let roles = at("/latest/meta-data/iam/security-credentials/");
    let asked = token::get(&url.origin, &roles, &shown)?;
    let role = text(good(fetch(&givers.direct, asked).await?, who)?, who)?;
    let role = role.lines().next().unwrap_or_default();
    let asked = token::get(&url.origin, &[roles.as_str(), role].concat(), &shown)?;
    good(fetch(&givers.direct, asked).await?, who)
}

fn good((status, body): (u16, Vec<u8>), who: &str) -> Result<Vec<u8>, String> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    Err(format!("{who} answered {status}"))
}

fn text(body: Vec<u8>, who: &str) -> Result<String, String> {
    let text = String::from_utf8(body).map_err(|_| format!("{who} answered no text"))?;
    Ok(text.trim().to_owned())
}
