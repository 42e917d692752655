//! The configuration without a file: every catalogue provider whose usual key variable is
//! set, the simulated provider as `sim`, and a hard budget for the key `default`, which a start
//! makes and stores where the data folder has none.
//!
//! Nothing is read but the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use dialect::Dialect;
use gateway::upstream::catalog::{ROWS, Row, Speaks, fill};
use policy::limit::{Limit, Period, Resource, Scope};
use policy::model::Model;
use policy::money::Nanos;
use policy::origin::BaseUrl;
use policy::price::{Given, PriceRow};
use policy::provider::{Auth, Paths, Provider, Quirks};
use policy::retries::RetryRules;
use policy::secret::{ProviderKey, Secret};
use policy::snapshot::Ceilings;

use super::interpolate::Env;
use super::resolve::limits::at_object;
use super::resolve::providers::versioned;
use super::{Alerts, Config, Durability, Listen, Upstream};

/// Where applications call when nothing else is said.
pub const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 4000);
/// Where operators call when nothing else is said.
pub const ADMIN_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 4001);
/// The data folder when nothing else is said.
pub const DATA: &str = "bondgate-data";
/// Bound of all buffers when nothing else is said, in bytes.
pub const MEMORY: usize = 512 << 20;
/// Largest request body when nothing else is said, in bytes.
pub const MAX_BODY: usize = policy::snapshot::DEFAULT_MAX_BODY;
/// The key that a start without a file makes.
pub const DEFAULT_KEY: &str = "default";
/// What the key of a start without a file may spend in a day (UTC).
pub const DAILY: Nanos = Nanos(5_000_000_000);

/// The configuration from the environment; `sim_url` is where the simulated provider answers.
#[must_use]
pub fn zero_config(env: Env<'_>, sim_url: &str) -> Config {
    let mut providers = BTreeMap::new();
    let mut canonical = String::from("environment");
    for row in ROWS {
        let found = row
            .key_env
            .iter()
            .find_map(|name| env(name).filter(|key| is_key(key)));
        if let (Some(secret), Some(provider)) = (found, row.speaks(None)) {
            let Some(provider) = hosted(row, provider, &secret) else {
                continue;
            };
            canonical.push_str(&format!("\n{} {secret}", row.name));
            providers.insert(row.name.to_owned(), Arc::new(provider));
        }
    }
    if let Ok(base) = BaseUrl::parse(sim_url) {
        providers.insert("sim".to_owned(), Arc::new(simulated(base)));
    }
    Config {
        listen: Listen {
            address: LISTEN.into(),
            tls: None,
        },
        admin: None,
        data: PathBuf::from(DATA),
        master_key: None,
        durability: Durability::default(),
        memory: MEMORY,
        max_body: MAX_BODY,
        upstream: Upstream::default(),
        providers,
        models: BTreeMap::new(),
        defaults: Model::default(),
        teams: BTreeMap::new(),
        organisations: BTreeMap::new(),
        users: BTreeSet::new(),
        keys: Vec::new(),
        limits: vec![default_budget()],
        require_tags: Vec::new(),
        ceilings: Ceilings {
            providers: [("sim".to_owned(), Nanos::ZERO)].into(),
            ..Ceilings::default()
        },
        retries: RetryRules::default(),
        about: BTreeMap::new(),
        prices: free_echo().into_iter().collect(),
        alerts: Alerts::default(),
        canonical: Secret::new(canonical),
        fixed: BTreeMap::new(),
    }
}

fn default_budget() -> Limit {
    let scope = Scope::Key(DEFAULT_KEY.into());
    Limit {
        name: "default".into(),
        ..at_object(scope, Resource::Money, DAILY.0, Period::Day)
    }
}

/// The simulated provider's usual model costs nothing: a hard budget refuses what has no price.
fn free_echo() -> Option<PriceRow> {
    let given = Given {
        provider: "sim",
        model: "echo",
        rates: [("input", Nanos::ZERO), ("output", Nanos::ZERO)].into(),
        ..Given::default()
    };
    PriceRow::from_per_million(&given).ok()
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The provider of a row whose place needs no further value.
fn hosted(row: &Row, speaks: &Speaks, secret: &str) -> Option<Provider> {
    let base = BaseUrl::parse(&fill(speaks.root, |_| None).ok()?).ok()?;
    let key = ProviderKey::new(
        row.name.to_owned(),
        Secret::new(secret.to_owned()),
        base.origin.clone(),
    );
    Some(Provider {
        name: row.name.to_owned(),
        origin: base.origin,
        base_path: base.path,
        dialect: speaks.spoken.dialect(),
        auth: speaks.auth.unwrap_or(row.auth),
        keys: vec![Arc::new(key)],
        quirks: row.differs(),
        catalogue_id: row.priced_as,
        headers: Vec::new(),
        residency: None,
        region: None,
        paths: Paths {
            dress: speaks.spoken.dress(),
            passed: row.passed,
            counts: row.counts,
            ..Paths::default()
        },
    })
}

/// The simulated provider, like a real one, wants to be shown a key; any will do.
fn simulated(base: BaseUrl) -> Provider {
    let secret = Secret::new("simulated".to_owned());
    let key = ProviderKey::new("sim".to_owned(), secret, base.origin.clone());
    Provider {
        name: "sim".to_owned(),
        base_path: versioned(&base.path, Dialect::OpenaiChat.into()),
        origin: base.origin,
        dialect: Dialect::OpenaiChat,
        auth: Auth::Bearer,
        keys: vec![Arc::new(key)],
        quirks: Quirks::default(),
        catalogue_id: "",
        headers: Vec::new(),
        residency: None,
        region: None,
        paths: Paths::default(),
    }
}
