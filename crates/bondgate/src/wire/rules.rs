//! What the road goes by: the configuration's file and the objects made at run time, as one snapshot.
//!
//! Made at the start, when the file changes and when an object does; swapped whole.

use std::sync::Arc;

use anyhow::Result;
use gateway::Shared;
use parking_lot::Mutex;
use policy::accounts::LimitSet;
use policy::snapshot::Snapshot;
use store::keys::KeyHasher;
use store::ledger::Ledger;
use store::objects::{FileObjects, Objects, apply};

use super::books::restore;
use crate::config::{Config, snapshot, stored};
use crate::say::say;

/// Makes snapshots.
pub(crate) struct Rules {
    config: Mutex<Arc<Config>>,
    objects: Arc<Objects>,
    ledger: Arc<Ledger>,
    hasher: KeyHasher,
    turn: Mutex<()>,
}

impl Rules {
    pub(crate) fn new(
        config: Arc<Config>,
        objects: Arc<Objects>,
        ledger: Arc<Ledger>,
        hasher: KeyHasher,
    ) -> Self {
        Self {
            config: Mutex::new(config),
            objects,
            ledger,
            hasher,
            turn: Mutex::new(()),
        }
    }

    /// The snapshot of file and store as they are.
    pub(crate) fn snapshot(&self, now_ms: i64) -> Result<Snapshot> {
        let config = Arc::clone(&self.config.lock());
        let mut next = snapshot(&config, &self.hasher);
        self.objects.set_file(FileObjects::of(&next));
        let all = self.objects.load()?;
        for (kind, name) in &all.shadowed {
            say(&format!(
                "the {kind} `{name}` made at run time is passed over: the configuration's file has one of that name"
            ));
        }
        apply(&all, &mut next, now_ms);
        stored::providers(&all, &mut next, &mut |why| say(&why));
        Ok(next)
    }

    /// Puts another configuration in force.
    pub(crate) fn accept(&self, config: &Arc<Config>, shared: &Shared) -> Result<String> {
        *self.config.lock() = Arc::clone(config);
        self.put_in_force(shared)
    }

    /// Puts file and store as they are in force; gives the revision.
    pub(crate) fn put_in_force(&self, shared: &Shared) -> Result<String> {
        // One at a time, so that no older one is put over a newer.
        let _turn = self.turn.lock();
        let now_ms = shared.now_ms();
        let next = self.snapshot(now_ms)?;
        let before = shared.snapshot.load_full();
        let counts_anew = |name: &str| {
            let shape = |limits: &LimitSet| limits.get(name).map(|limit| limit.shape());
            shape(&before.limits) != shape(&next.limits)
        };
        self.ledger.open_limits(&next.limits, now_ms)?;
        restore(
            &shared.accounts,
            &next.limits,
            (&self.ledger, now_ms),
            counts_anew,
        )?;
        let revision = next.revision.clone();
        shared.snapshot.store(Arc::new(next));
        Ok(revision.to_string())
    }

    /// The limits of a snapshot as the ledger knows them, at the start.
    pub(crate) fn restore_all(&self, limits: &LimitSet, shared: &Shared) -> Result<()> {
        restore(
            &shared.accounts,
            limits,
            (&self.ledger, shared.now_ms()),
            |_| true,
        )
    }
}
