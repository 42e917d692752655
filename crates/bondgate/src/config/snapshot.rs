//! [`Config`] to [`Snapshot`]: secrets become keyed hashes, and the whole gets its revision.
//!
//! The revision is a keyed hash over the whole file, secrets included: it changes with any of
//! them and tells nothing of them to somebody without the master key. Objects made at run time
//! are laid beside the file's later, by the store.

use std::collections::HashMap;
use std::sync::Arc;

use policy::accounts::LimitSet;
use policy::caller::{KeyHash, VirtualKey};
use policy::limit::Resource;
use policy::price::PriceBook;
use policy::snapshot::{FileOwned, Snapshot};
use store::keys::KeyHasher;

use super::Config;

/// The view that the road reads.
#[must_use]
pub fn snapshot(config: &Config, hasher: &KeyHasher) -> Snapshot {
    Snapshot {
        revision: revision(config, hasher).into(),
        providers: config.providers.clone(),
        models: config.models.clone(),
        keys: keys(config, hasher),
        defaults: config.defaults.clone(),
        retries: config.retries,
        max_body: config.max_body,
        teams: config.teams.clone(),
        organisations: config.organisations.clone(),
        limits: LimitSet::new(config.limits.clone()),
        prices: price_book(config).map(Arc::new),
        require_tags: config.require_tags.clone(),
        ceilings: config.ceilings.clone(),
        about: config.about.clone(),
        of_file: of_file(config),
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

fn keys(config: &Config, hasher: &KeyHasher) -> HashMap<KeyHash, Arc<VirtualKey>> {
    let keys = config.keys.iter().map(|key| VirtualKey {
        hash: hasher.hash(key.secret.reveal()),
        ..key.caller()
    });
    keys.map(|key| (key.hash, Arc::new(key))).collect()
}

/// The configuration's prices before the built-in ones.
pub(super) fn price_book(config: &Config) -> Option<PriceBook> {
    let built_in = PriceBook::built_in().ok()?;
    Some(built_in.with(config.prices.clone()))
}
