//! [`Config`] and the objects made at run time to [`Snapshot`]: secrets become keyed hashes,
//! and the whole gets its revision.
//!
//! The revision is a keyed hash over the whole file, secrets included: it changes with any of
//! them and tells nothing of them to somebody without the master key. Where the file and the
//! run time name the same, the file wins.

use std::collections::HashMap;
use std::sync::Arc;

use policy::accounts::LimitSet;
use policy::caller::{KeyHash, VirtualKey};
use policy::limit::{Limit, Resource};
use policy::price::PriceBook;
use policy::snapshot::{Ceilings, FileOwned, Snapshot};
use store::keys::KeyHasher;

use super::extra::{self, Groups};
use super::{Config, Extra};

/// The view that the road reads.
#[must_use]
pub fn snapshot(config: &Config, extra: &Extra, hasher: &KeyHasher) -> Snapshot {
    let of_file = of_file(config);
    let organisations = extra::groups(&config.organisations, &extra.organisations, None);
    let teams = extra::groups(&config.teams, &extra.teams, Some(&organisations));
    let mut providers = config.providers.clone();
    for provider in &extra.providers {
        let entry = providers.entry(provider.name.clone());
        entry.or_insert_with(|| Arc::clone(provider));
    }
    let mut about = extra.about.clone();
    about.extend(config.about.clone());
    Snapshot {
        revision: revision(config, hasher),
        providers,
        models: config.models.clone(),
        keys: keys(config, extra, hasher, (&teams, &organisations)),
        defaults: config.defaults.clone(),
        max_body: config.max_body,
        teams,
        organisations,
        limits: limits(config, extra),
        prices: price_book(config).map(Arc::new),
        require_tags: config.require_tags.clone(),
        ceilings: ceilings(config, extra),
        about,
        of_file,
    }
}

/// The revision: 16 hexadecimal characters.
#[must_use]
pub fn revision(config: &Config, hasher: &KeyHasher) -> String {
    let mut revision = hasher.opaque_id("revision", config.canonical.reveal());
    revision.truncate(16);
    revision
}

/// Names that the file owns.
fn of_file(config: &Config) -> FileOwned {
    let budgets = config
        .limits
        .iter()
        .filter(|limit| limit.resource == Resource::Money)
        .map(|limit| limit.name.to_string());
    FileOwned {
        keys: config.keys.iter().map(|key| key.name.clone()).collect(),
        teams: config.teams.keys().cloned().collect(),
        users: config.users.clone(),
        organisations: config.organisations.keys().cloned().collect(),
        budgets: budgets.collect(),
        providers: config.providers.keys().cloned().collect(),
    }
}

fn keys(
    config: &Config,
    extra: &Extra,
    hasher: &KeyHasher,
    (teams, organisations): (&Groups, &Groups),
) -> HashMap<KeyHash, Arc<VirtualKey>> {
    let taken = |name: &str| config.keys.iter().any(|key| key.name == name);
    let made = extra
        .keys
        .iter()
        .filter(|key| !taken(&key.name))
        .flat_map(|key| extra::callers(key, teams, organisations));
    let written = config.keys.iter().map(|key| VirtualKey {
        hash: hasher.hash(key.secret.reveal()),
        ..key.caller()
    });
    // The file's come last: they win where a secret is the same.
    made.chain(written)
        .map(|key| (key.hash, Arc::new(key)))
        .collect()
}

/// The configuration's prices before the built-in ones.
pub(super) fn price_book(config: &Config) -> Option<PriceBook> {
    let built_in = PriceBook::built_in().ok()?;
    Some(built_in.with(config.prices.clone()))
}

fn limits(config: &Config, extra: &Extra) -> LimitSet {
    let taken = |limit: &Limit| config.limits.iter().any(|own| own.name == limit.name);
    let made = extra.limits.iter().filter(|limit| !taken(limit));
    LimitSet::new(config.limits.iter().chain(made).cloned().collect())
}

fn ceilings(config: &Config, extra: &Extra) -> Ceilings {
    let mut ceilings = config.ceilings.clone();
    for (provider, ceiling) in &extra.ceilings {
        if !config.providers.contains_key(provider) {
            ceilings.providers.insert(provider.clone(), *ceiling);
        }
    }
    ceilings
}
