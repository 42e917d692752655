//! Configuration: [`file::ConfigFile`], as it is written, becomes a [`Config`], resolved
//! and whole, which becomes the [`Snapshot`](policy::snapshot::Snapshot) that the road reads.
//!
//! ```text
//! text ─ yaml ─ interpolate ─ check (against the schema) ─ decode ─ resolve ─▶ Config ─ snapshot
//! ```
//!
//! All problems are said at once, with line and column. Resolving never connects. No
//! secret may show in a problem, in `Debug` or in a revision.

pub mod check;
pub mod command;
pub mod data_dir;
pub mod decode;
pub mod file;

pub mod interpolate;
pub mod load;
pub mod node;
pub mod problem;
pub mod resolve;
pub mod snapshot;
pub mod stored;
pub mod units;
pub mod values;
pub mod watch;
pub mod yaml;
pub mod zero;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gateway::upstream::Proxy;
use policy::caller::{Group, MaySet, Tags, VirtualKey};
use policy::limit::Limit;
use policy::model::Model;
use policy::price::PriceRow;
use policy::provider::Provider;
use policy::retries::RetryRules;
use policy::secret::Secret;
use policy::snapshot::{About, Ceilings};

pub use load::{Loaded, Mode, Overrides, Source, load, source};
pub use problem::{Place, Problem, Problems};
pub use resolve::limits::at_object;
pub use snapshot::{revision, snapshot};
pub use zero::zero_config;

/// A configuration that has been read, checked and resolved.
pub struct Config {
    /// Where applications call.
    pub listen: Listen,
    /// Where operators call, where that is configured.
    pub admin: Option<Admin>,
    /// Folder of what lasts.
    pub data: PathBuf,
    /// The master key, where it is configured; else it is in the data folder.
    pub master_key: Option<Secret>,
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Bound of all buffers together, in bytes.
    pub memory: usize,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// The way to providers.
    pub upstream: Upstream,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// Models by name, aliases included.
    pub models: BTreeMap<String, Arc<Model>>,
    /// Policy of models that are called as `provider/model`; has no targets.
    pub defaults: Model,
    /// Teams by name.
    pub teams: BTreeMap<String, Arc<Group>>,
    /// Organisations by name.
    pub organisations: BTreeMap<String, Arc<Group>>,
    /// Users by name.
    pub users: BTreeSet<String>,
    /// Who may call.
    pub keys: Vec<Key>,
    /// Limits at objects, then budgets; names are unique.
    pub limits: Vec<Limit>,
    /// Tags without which a request is refused.
    pub require_tags: Vec<Arc<str>>,
    /// What a request without a bound or a price counts as.
    pub ceilings: Ceilings,
    /// How many further tries the house makes.
    pub retries: RetryRules,
    /// Who answers for an account, by its scope, such as `team:support`.
    pub about: BTreeMap<String, About>,
    /// Prices of targets, before the built-in ones.
    pub prices: Vec<PriceRow>,
    /// Where alerts go.
    pub alerts: Alerts,
    /// The whole of it as one text, from which the revision is hashed.
    pub canonical: Secret,
    /// What is read at the start only, by key, as text to compare.
    pub fixed: BTreeMap<&'static str, Secret>,
}

impl Config {
    /// The keys in which `next` differs and that need a restart to change.
    #[must_use]
    pub fn needs_restart(&self, next: &Config) -> Vec<&'static str> {
        let text = |config: &Config, key| config.fixed.get(key).map(|s| s.reveal().to_owned());
        let differs = |key: &&'static str| text(self, *key) != text(next, *key);
        FIXED.into_iter().filter(differs).collect()
    }
}

/// What is read at the start only.
pub const FIXED: [&str; 7] = [
    "listen",
    "admin",
    "data",
    "durability",
    "memory",
    "secrets",
    "upstream",
];

/// The applications' listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate; cleartext without.
    pub tls: Option<Tls>,
}

/// Files of a certificate, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Chain, the leaf first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Who signs the certificates that callers must show.
    pub client_ca: Option<PathBuf>,
}

/// The operators' listener.
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// What callers show; in the data folder when not configured.
    pub token: Option<Secret>,
    /// Its certificate; cleartext without.
    pub tls: Option<Tls>,
    /// Whether metrics are for everybody.
    pub metrics_open: bool,
}

impl Default for Admin {
    /// The usual address, in cleartext, with the data folder's own token.
    fn default() -> Self {
        Self {
            address: zero::ADMIN_LISTEN.into(),
            token: None,
            tls: None,
            metrics_open: false,
        }
    }
}

/// The way to providers.
#[derive(Clone, Default)]
pub struct Upstream {
    /// What carries requests to providers.
    pub proxy: Option<Proxy>,
    /// Further certificate authorities, PEM.
    pub ca: Option<PathBuf>,
}

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process.
    #[default]
    Process,
    /// The loss of power too.
    Power,
}

impl Durability {
    /// The word in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Durability::Process => "process",
            Durability::Power => "power",
        }
    }
}

/// Where alerts go.
#[derive(Default)]
pub struct Alerts {
    /// A receiver of signed JSON.
    pub webhook: Option<Webhook>,
    /// URL of an incoming webhook of Slack; whoever has it can write there.
    pub slack: Option<Secret>,
}

/// A receiver of signed JSON.
pub struct Webhook {
    /// Where; may hold a credential.
    pub url: Secret,
    /// What the signature, HMAC-SHA-256, is made with.
    pub secret: Secret,
}

/// A credential that the configuration issues.
pub struct Key {
    /// Its name.
    pub name: String,
    /// What an application shows.
    pub secret: Secret,
    /// Logical models that it may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Whether it may call `provider/model` too.
    pub direct: bool,
    /// Providers whose own paths it may call.
    pub passthrough: BTreeSet<String>,
    /// Until when it is good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
    /// The team that it belongs to.
    pub team: Option<Arc<Group>>,
    /// The organisation, where its team has none.
    pub organisation: Option<Arc<Group>>,
    /// The user whose it is.
    pub user: Option<Arc<str>>,
    /// Tags of all its requests.
    pub tags: Tags,
    /// What its caller may say of a request.
    pub may_set: MaySet,
}

impl Key {
    /// What the road knows of it, without the hash of its secret.
    #[must_use]
    pub fn caller(&self) -> VirtualKey {
        VirtualKey {
            name: self.name.as_str().into(),
            hash: policy::caller::KeyHash::default(),
            team: self.team.clone(),
            organisation: self.organisation.clone(),
            user: self.user.clone(),
            tags: self.tags.clone(),
            may_set: self.may_set.clone(),
            models: self.models.clone(),
            direct: self.direct,
            passthrough: self.passthrough.clone(),
            expires_ms: self.expires_ms,
        }
    }
}
