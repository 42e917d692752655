//! [`Config`] to [`Snapshot`]: secrets become keyed hashes, and the whole gets its revision.
//!
//! The revision is a keyed hash over everything, secrets included: it changes with any of
//! them and tells nothing of them to somebody without the master key.

use std::sync::Arc;

use policy::caller::VirtualKey;
use policy::snapshot::Snapshot;
use store::keys::KeyHasher;

use super::Config;

/// The view that the road reads.
#[must_use]
pub fn snapshot(config: &Config, hasher: &KeyHasher) -> Snapshot {
    let keys = config.keys.iter().map(|key| {
        let hash = hasher.hash(key.secret.reveal());
        let key = VirtualKey {
            name: key.name.as_str().into(),
            hash,
            models: key.models.clone(),
            direct: key.direct,
            expires_ms: key.expires_ms,
            ..VirtualKey::default()
        };
        (hash, Arc::new(key))
    });
    Snapshot {
        revision: revision(config, hasher),
        providers: config.providers.clone(),
        models: config.models.clone(),
        keys: keys.collect(),
        defaults: config.defaults.clone(),
        max_body: config.max_body,
    }
}

/// The revision: 16 hexadecimal characters.
#[must_use]
pub fn revision(config: &Config, hasher: &KeyHasher) -> String {
    let mut revision = hasher.opaque_id("revision", config.canonical.reveal());
    revision.truncate(16);
    revision
}
