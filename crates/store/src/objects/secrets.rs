//! Secrets of objects: those of virtual keys as keyed hashes, those of providers sealed.
//!
//! A virtual key's secret is given out once, when it is made, and cannot be had again.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::caller::KeyHash;
use policy::secret::Secret;
use policy::viewer::Viewer;
use rusqlite::{Connection, params};

use super::audit::{self, Entry};
use super::caller::KeySpec;
use super::error::{Error, Invalid};
use super::input::New;
use super::object::{Kind, Object, Spec};
use super::open::{Objects, StoredKey, StoredProvider, may_change};
use super::provider;
use super::rows::{self, Wanted};
use super::write::{again, made, make};
use super::{Key, Provider};
use crate::keys::random_256;
use crate::seal::{Belongs, SealError, Sealed};

/// Secrets of one key that are good at once.
const MOST_SECRETS: u32 = 8;

/// The longest grace of a rotation, in milliseconds: 90 days.
const MOST_GRACE_MS: i64 = 90 * 86_400_000;

/// A key and its secret, which is nowhere else.
pub struct Created {
    /// The key.
    pub object: Key,
    /// What applications show; to be given out once and forgotten.
    pub secret: Secret,
}

impl Objects {
    /// Makes a key and its secret.
    ///
    /// # Errors
    /// [`Error`]: a wrong field, a name that is taken, a viewer who may not.
    pub fn create_key(
        &self,
        viewer: &Viewer,
        new: New<KeySpec>,
        now_ms: i64,
    ) -> Result<Created, Error> {
        may_change(viewer)?;
        let (name, spec) = (new.name, new.spec);
        let secret = new_secret()?;
        let object = self.change_with(|db| {
            let object = make(db, &self.file(), viewer, (name, spec), now_ms)?;
            self.keep(db, &object.id, &secret)?;
            made(db, viewer, &object.id, now_ms)
        })?;
        Ok(Created { object, secret })
    }

    /// Gives a key a new secret; the one before stays good for `grace_ms`. Without grace no
    /// other secret of the key is good any more.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a key that is revoked or has eight good secrets.
    pub fn rotate_key(
        &self,
        viewer: &Viewer,
        key: &str,
        grace_ms: i64,
        now_ms: i64,
    ) -> Result<Created, Error> {
        may_change(viewer)?;
        if !(0..=MOST_GRACE_MS).contains(&grace_ms) {
            return Err(Invalid::new("grace", "is a duration from `0s` to `90d`").into());
        }
        let secret = new_secret()?;
        let object = self.change_with(|db| {
            let before = self.own::<KeySpec>(db, key)?;
            if before.state.revoked_at.is_some() {
                let what = format!("key `{}` is revoked; make a new key", before.name);
                return Err(Error::Conflict(what));
            }
            end_secrets(db, &before, grace_ms, now_ms)?;
            self.keep(db, &before.id, &secret)?;
            rows::update(db, &before, &viewer.name, now_ms)?;
            let after = again(db, &before.id)?;
            let entry = Entry::new("rotate", &after).between(&before, Some(&after));
            audit::write(db, viewer, &entry, now_ms)?;
            Ok(after)
        })?;
        Ok(Created { object, secret })
    }

    /// Refuses a key from now on, for good; revoking it again changes nothing.
    ///
    /// # Errors
    /// [`Error`]: no such key, one of the file, a viewer who may not.
    pub fn revoke_key(&self, viewer: &Viewer, key: &str, now_ms: i64) -> Result<Key, Error> {
        may_change(viewer)?;
        self.change_with(|db| {
            let before = self.own::<KeySpec>(db, key)?;
            if before.state.revoked_at.is_some() {
                return Ok(before);
            }
            rows::revoke(db, &before.id, now_ms)?;
            rows::update(db, &before, &viewer.name, now_ms)?;
            let after = again(db, &before.id)?;
            let entry = Entry::new("revoke", &after).between(&before, Some(&after));
            audit::write(db, viewer, &entry, now_ms)?;
            Ok(after)
        })
    }

    /// Seals a new provider's credentials.
    pub(super) fn seal<S: Spec>(
        &self,
        db: &Connection,
        object: &Object<S>,
        secrets: &[Secret],
    ) -> Result<(), Error> {
        if secrets.is_empty() {
            return Ok(());
        }
        let Some(origin) = object.spec.credentials_for(&object.name) else {
            return Err(Invalid::new("keys", "only a provider has credentials").into());
        };
        let belongs = Belongs {
            provider: &object.name,
            origin: &origin,
        };
        let mut statement = db.prepare_cached(
            "INSERT INTO provider_keys (provider_id, n, sealed) VALUES (?1, ?2, ?3)",
        )?;
        for (n, secret) in (0_u32..).zip(secrets) {
            provider::sound(&format!("keys[{n}]"), secret)?;
            let sealed = self.sealer.seal(secret, belongs)?;
            statement.execute(params![object.id, n, sealed.0])?;
        }
        Ok(())
    }

    /// Replaces a provider's credentials where new ones came; without, it must stay where it is.
    pub(super) fn reseal<S: Spec>(
        &self,
        db: &Connection,
        before: &Object<S>,
        after: &Object<S>,
        secrets: Option<&[Secret]>,
    ) -> Result<(), Error> {
        if let Some(secrets) = secrets {
            db.prepare_cached("DELETE FROM provider_keys WHERE provider_id = ?1")?
                .execute([&after.id])?;
            return self.seal(db, after, secrets);
        }
        let place = |object: &Object<S>| object.spec.credentials_for(&object.name);
        let (here, there) = (place(before), place(after));
        let holds: bool = db
            .prepare_cached("SELECT 1 FROM provider_keys WHERE provider_id = ?1")?
            .exists([&after.id])?;
        if holds && here != there {
            let message = format!(
                "the stored credentials are bound to {}; give `keys` anew with the change",
                here.unwrap_or_default()
            );
            return Err(Invalid::new("base_url", message).into());
        }
        Ok(())
    }

    /// Every key that is not revoked, with its hashes.
    pub(super) fn keys(&self, db: &Connection) -> Result<Vec<StoredKey>, Error> {
        let mut statement =
            db.prepare_cached("SELECT hash, valid_until_ms FROM key_secrets WHERE key_id = ?1")?;
        let keys: Vec<Key> = rows::list(db, &Wanted::default())?;
        let current = keys
            .into_iter()
            .filter(|key| key.state.revoked_at.is_none());
        let mut all = Vec::new();
        for key in current {
            let secrets =
                statement.query_map([&key.id], |row| Ok((KeyHash(row.get(0)?), row.get(1)?)))?;
            let secrets = secrets.collect::<Result<_, _>>()?;
            all.push(StoredKey { key, secrets });
        }
        Ok(all)
    }

    /// Every provider with its credentials.
    pub(super) fn providers(&self, db: &Connection) -> Result<Vec<StoredProvider>, Error> {
        let providers: Vec<Provider> = rows::list(db, &Wanted::default())?;
        let mut all = Vec::with_capacity(providers.len());
        for provider in providers {
            let origin = provider.spec.place(&provider.name);
            let belongs = Belongs {
                provider: &provider.name,
                origin: &origin,
            };
            let sealed = sealed(db, &provider.id)?;
            let keys: Result<Vec<Secret>, SealError> = sealed
                .iter()
                .map(|sealed| self.sealer.open(sealed, belongs))
                .collect();
            all.push(StoredProvider { provider, keys });
        }
        Ok(all)
    }

    fn keep(&self, db: &Connection, id: &str, secret: &Secret) -> Result<(), Error> {
        let KeyHash(hash) = self.hasher.hash(secret.reveal());
        let text = secret.reveal();
        let hint = text.get(text.len().saturating_sub(4)..).unwrap_or_default();
        db.prepare_cached("INSERT INTO key_secrets (hash, key_id, hint) VALUES (?1, ?2, ?3)")?
            .execute(params![hash.as_slice(), id, hint])?;
        Ok(())
    }
}

/// Ends the present secret of a key after the grace, and removes those whose end is past.
fn end_secrets(db: &Connection, key: &Key, grace_ms: i64, now_ms: i64) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE key_secrets SET valid_until_ms = ?2 WHERE key_id = ?1 AND valid_until_ms IS NULL",
    )?
    .execute(params![key.id, now_ms.saturating_add(grace_ms)])?;
    db.prepare_cached(
        "DELETE FROM key_secrets WHERE key_id = ?1 AND (valid_until_ms <= ?2 OR ?3 = 0)",
    )?
    .execute(params![key.id, now_ms, grace_ms])?;
    let good: u32 = db
        .prepare_cached("SELECT count(*) FROM key_secrets WHERE key_id = ?1")?
        .query_row([&key.id], |row| row.get(0))?;
    if good >= MOST_SECRETS {
        let what = format!(
            "{} `{}` has {good} secrets that are still good; wait for one to end or rotate without grace",
            Kind::Key,
            key.name
        );
        return Err(Error::Conflict(what));
    }
    Ok(())
}

fn sealed(db: &Connection, id: &str) -> Result<Vec<Sealed>, Error> {
    let mut statement =
        db.prepare_cached("SELECT sealed FROM provider_keys WHERE provider_id = ?1 ORDER BY n")?;
    let rows = statement.query_map([id], |row| row.get(0).map(Sealed))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn new_secret() -> Result<Secret, Error> {
    let random = zeroize::Zeroizing::new(random_256()?);
    let mut text = String::with_capacity(46);
    text.push_str("bg-");
    URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut text);
    Ok(Secret::new(text))
}
