//! The store of objects: one connection, one master key, and the objects of the file beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use policy::caller::KeyHash;
use policy::secret::Secret;
use policy::viewer::{Sees, Viewer};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::error::Error;
use super::file::FileObjects;
use super::object::Kind;
use super::rows::{self, Wanted};
use super::{Budget, Key, Organisation, Price, Provider, Team, User};
use crate::keys::KeyHasher;
use crate::seal::{SealError, Sealer};

/// Objects of one kind that there may be.
pub(super) const MOST_OBJECTS: u32 = 100_000;

/// The objects of a data directory.
pub struct Objects {
    pub(super) db: Mutex<Connection>,
    pub(super) hasher: KeyHasher,
    pub(super) sealer: Sealer,
    file: RwLock<Arc<FileObjects>>,
    revision: AtomicU64,
}

/// Every object of the store that holds: for the snapshot.
///
/// Left out are those whose name an object of the file has: the file wins.
#[derive(Default)]
pub struct All {
    /// The revision at which this was read.
    pub revision: u64,
    /// Keys that are not revoked, with the hashes of their secrets.
    pub keys: Vec<StoredKey>,
    /// Teams.
    pub teams: Vec<Team>,
    /// Users.
    pub users: Vec<User>,
    /// Organisations.
    pub organisations: Vec<Organisation>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// Providers with their credentials.
    pub providers: Vec<StoredProvider>,
    /// Prices.
    pub prices: Vec<Price>,
    /// Objects left out because the file has one of their name.
    pub shadowed: Vec<(Kind, String)>,
}

/// A key and what proves it.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// Hashes of its secrets, each with its end in milliseconds since 1970 where it has one.
    pub secrets: Vec<(KeyHash, Option<i64>)>,
}

/// A provider and its credentials.
pub struct StoredProvider {
    /// The provider.
    pub provider: Provider,
    /// Its credentials in their order, or why they do not open. They may be sent to
    /// [`ProviderSpec::place`](super::ProviderSpec::place) only.
    pub keys: Result<Vec<Secret>, SealError>,
}

impl Objects {
    /// Takes over a connection to the main file of a data directory.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] where the file was written under another master key, else
    /// [`Error::Storage`].
    pub fn open(mut db: Connection, hasher: KeyHasher, sealer: Sealer) -> Result<Self, Error> {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stored: Option<String> = transaction
            .query_row("SELECT fingerprint FROM master_key", [], |row| row.get(0))
            .optional()?;
        match stored {
            None => {
                transaction.execute(
                    "INSERT INTO master_key (one, fingerprint) VALUES (1, ?1)",
                    [sealer.fingerprint()],
                )?;
            }
            Some(stored) if stored == sealer.fingerprint() => {}
            Some(stored) => {
                let given = sealer.fingerprint().to_owned();
                return Err(Error::WrongMasterKey { stored, given });
            }
        }
        let revision = newest(&transaction)?;
        transaction.commit()?;
        Ok(Self {
            db: Mutex::new(db),
            hasher,
            sealer,
            file: RwLock::default(),
            revision: AtomicU64::new(revision),
        })
    }

    /// Looks into a main file that is open for reading only, such as that of a gateway which runs.
    ///
    /// # Errors
    /// As [`Objects::open`].
    pub fn look(db: Connection, hasher: KeyHasher, sealer: Sealer) -> Result<Self, Error> {
        let stored: Option<String> = db
            .query_row("SELECT fingerprint FROM master_key", [], |row| row.get(0))
            .optional()?;
        if let Some(stored) = stored.filter(|stored| stored != sealer.fingerprint()) {
            let given = sealer.fingerprint().to_owned();
            return Err(Error::WrongMasterKey { stored, given });
        }
        let revision = newest(&db)?;
        Ok(Self {
            db: Mutex::new(db),
            hasher,
            sealer,
            file: RwLock::default(),
            revision: AtomicU64::new(revision),
        })
    }

    /// Changes with every change of an object: the number of the newest audit entry.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Takes over what the configuration's file has, at the start and at each reload.
    pub fn set_file(&self, file: FileObjects) {
        *self.file.write() = Arc::new(file);
    }

    /// What the configuration's file has.
    #[must_use]
    pub fn file(&self) -> Arc<FileObjects> {
        Arc::clone(&self.file.read())
    }

    /// Everything that holds, at one moment.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn load(&self) -> Result<All, Error> {
        let file = self.file();
        let mut db = self.db.lock();
        let db = db.transaction()?;
        let wanted = Wanted::default();
        let mut all = All {
            revision: newest(&db)?,
            teams: rows::list(&db, &wanted)?,
            users: rows::list(&db, &wanted)?,
            organisations: rows::list(&db, &wanted)?,
            budgets: rows::list(&db, &wanted)?,
            prices: rows::list(&db, &wanted)?,
            keys: self.keys(&db)?,
            providers: self.providers(&db)?,
            shadowed: Vec::new(),
        };
        all.leave_out(&file);
        Ok(all)
    }

    /// Runs a change and its record as one; afterwards the revision is another.
    pub(super) fn change_with<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut db = self.db.lock();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        let revision = newest(&transaction)?;
        transaction.commit()?;
        self.revision.store(revision, Ordering::Release);
        Ok(changed)
    }
}

impl All {
    fn leave_out(&mut self, file: &FileObjects) {
        let shadowed = &mut self.shadowed;
        let mut keep = |kind: Kind, name: &str| {
            let owned = file.has(kind, name);
            if owned {
                shadowed.push((kind, name.to_owned()));
            }
            !owned
        };
        self.keys.retain(|stored| keep(Kind::Key, &stored.key.name));
        self.teams.retain(|team| keep(Kind::Team, &team.name));
        self.users.retain(|user| keep(Kind::User, &user.name));
        self.organisations
            .retain(|group| keep(Kind::Organisation, &group.name));
        self.budgets
            .retain(|budget| keep(Kind::Budget, &budget.name));
        self.providers
            .retain(|stored| keep(Kind::Provider, &stored.provider.name));
        self.prices.retain(|price| keep(Kind::Price, &price.name));
    }
}

/// The number of the newest audit entry.
fn newest(db: &Connection) -> Result<u64, Error> {
    let mut statement = db.prepare_cached("SELECT coalesce(max(number), 0) FROM audit")?;
    let number: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// Refuses viewers who may not change the house.
pub(super) fn may_change(viewer: &Viewer) -> Result<(), Error> {
    may(viewer, "change keys, teams, budgets and the like")
}

/// Refuses viewers of one team.
pub(super) fn may(viewer: &Viewer, what: &'static str) -> Result<(), Error> {
    match &viewer.sees {
        Sees::Everything => Ok(()),
        Sees::Team(_) => Err(Error::Forbidden {
            viewer: viewer.name.to_string(),
            what,
        }),
    }
}
