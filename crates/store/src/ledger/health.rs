//! How the ledger's writer fares, for probes, metrics and alerts.
//!
//! Written by the writer's thread, read by any. It tells; it decides nothing.

use std::sync::Arc;

use parking_lot::Mutex;

/// How the writer fares, shared.
#[derive(Debug, Default)]
pub struct Health(Mutex<Standing>);

/// How the writer fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It keeps up.
    #[default]
    Ok,
    /// It writes, and about that many records wait.
    Behind(u64),
    /// It cannot write and tries again; the journal keeps what waits.
    Failing {
        /// What is wrong.
        why: Arc<str>,
        /// About how many records wait.
        waiting: u64,
    },
}

impl Health {
    /// How it fares now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.lock().clone()
    }

    pub(super) fn tell(&self, standing: Standing) {
        *self.0.lock() = standing;
    }
}
