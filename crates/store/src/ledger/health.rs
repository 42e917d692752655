//! How the ledger's writer fares, for probes, metrics and alerts.
//!
//! Written by the writer's thread, read by any. It tells; it decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A batch that is not written after that long stands in the way of those that wait.
const SLOW: Duration = Duration::from_secs(1);

/// How the writer fares, shared.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    /// Since when a batch is being written, and how many records it has.
    writing: Option<(Instant, u64)>,
}

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
    /// How it fares now. A lock that another holds, or a disk that hangs, gives no error for a
    /// while: a batch that is under way for more than a second is told as well.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.0.lock();
        match (&state.standing, state.writing) {
            (Standing::Ok | Standing::Behind(_), Some((since, waiting)))
                if since.elapsed() > SLOW =>
            {
                Standing::Failing {
                    why: Arc::from("its files are locked, or slow: a batch takes longer than 1 s"),
                    waiting,
                }
            }
            (standing, _) => standing.clone(),
        }
    }

    /// A batch of that many records is going to be written; it lasts until something is told.
    pub(super) fn writes(&self, records: u64) {
        self.0.lock().writing = Some((Instant::now(), records));
    }

    pub(super) fn tell(&self, standing: Standing) {
        *self.0.lock() = State {
            standing,
            writing: None,
        };
    }
}
