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
pub mod units;
pub mod values;
pub mod watch;
pub mod yaml;
pub mod zero;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gateway::upstream::Proxy;
use policy::model::Model;
use policy::money::Nanos;
use policy::provider::Provider;
use policy::secret::Secret;

pub use load::{Loaded, Mode, Overrides, Source, load, source};
pub use problem::{Place, Problem, Problems};
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
    /// Who may call.
    pub keys: Vec<Key>,
    /// Prices of targets.
    pub prices: Vec<Price>,
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
pub const FIXED: [&str; 6] = ["listen", "admin", "data", "memory", "secrets", "upstream"];

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

/// The way to providers.
#[derive(Clone, Default)]
pub struct Upstream {
    /// What carries requests to providers.
    pub proxy: Option<Proxy>,
    /// Further certificate authorities, PEM.
    pub ca: Option<PathBuf>,
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
    /// Until when it is good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
}

/// Prices of one target for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// `provider/model`
    pub target: String,
    /// By resource, in configuration's words, for a million tokens or for one.
    pub rates: BTreeMap<&'static str, Nanos>,
    /// From when it holds, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Until when it holds, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Other rates where the input is longer than so many tokens, ascending.
    pub above: Vec<(u64, BTreeMap<&'static str, Nanos>)>,
}
