//! What the writers, the sync thread and the tail share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::disk::Options;
use super::error::StorageError;
use super::receipt::Progress;
use super::stream::Stream;
use crate::record::Exchange;

/// Exchanges that were never dispatched, kept for the tail.
#[derive(Default)]
pub(super) struct Refused {
    pub(super) queue: VecDeque<Box<Exchange>>,
    pub(super) bytes: usize,
}

/// One stream with what belongs to it.
pub(super) struct Lane {
    pub(super) writer: u32,
    pub(super) stream: Mutex<Stream>,
    /// The last sequence that the disk has.
    pub(super) synced: AtomicU64,
    pub(super) progress: watch::Sender<Progress>,
    /// The last sequence that the tail's reader does not need again.
    pub(super) committed: AtomicU64,
    pub(super) refused: Mutex<Refused>,
    pub(super) refused_dropped: AtomicU64,
    pub(super) lost: AtomicU64,
}

impl Lane {
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }
}

/// What the sync thread is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// Something was written since the last sync.
    pub(super) sync: bool,
    /// Segments are to be preallocated or removed.
    pub(super) room: bool,
    /// The journal is closed.
    pub(super) stop: bool,
}

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) lanes: Vec<Arc<Lane>>,
    /// Whether the sync thread knows that something was written.
    pub(super) stirred: AtomicBool,
    pub(super) wants: Mutex<Wants>,
    pub(super) asked: Condvar,
    /// Whether the last preallocation failed.
    pub(super) full: AtomicBool,
    pub(super) has_failed: AtomicBool,
    pub(super) failure: Mutex<Option<StorageError>>,
    /// Rounds that the sync thread has made; the tail waits for the next.
    pub(super) rounds: Mutex<u64>,
    pub(super) round: Condvar,
}

impl Shared {
    pub(super) fn new(options: Options, lanes: Vec<Arc<Lane>>) -> Self {
        Shared {
            options,
            lanes,
            stirred: AtomicBool::new(false),
            wants: Mutex::default(),
            asked: Condvar::new(),
            full: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
            rounds: Mutex::default(),
            round: Condvar::new(),
        }
    }

    /// Something was written. Wakes the sync thread once in a round, not at every record.
    pub(super) fn stir(&self) {
        if !self.stirred.load(Ordering::Acquire) && !self.stirred.swap(true, Ordering::AcqRel) {
            self.want(|wants| wants.sync = true);
        }
    }

    pub(super) fn want(&self, what: impl FnOnce(&mut Wants)) {
        what(&mut self.wants.lock());
        self.asked.notify_one();
    }

    /// Why nothing is admitted any more, if that is so.
    pub(super) fn failure(&self) -> Option<StorageError> {
        if !self.has_failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().clone()
    }

    /// The disk has taken something back: nothing is admitted from now on, and all that wait are told.
    pub(super) fn fail(&self, why: &str) {
        let error = StorageError::Failed(why.into());
        {
            let mut failure = self.failure.lock();
            if failure.is_some() {
                return;
            }
            *failure = Some(error.clone());
        }
        self.has_failed.store(true, Ordering::Release);
        for lane in &self.lanes {
            lane.progress
                .send_modify(|progress| progress.failed = Some(error.clone()));
        }
        self.end_round();
        if let Some(tell) = &self.options.on_failure {
            tell(&error);
        }
    }

    pub(super) fn end_round(&self) {
        *self.rounds.lock() += 1;
        self.round.notify_all();
    }

    /// Waits for the end of a round, unless `ready` says that there is no need to.
    pub(super) fn wait_round(&self, timeout: Duration, ready: impl Fn() -> bool) -> bool {
        let mut rounds = self.rounds.lock();
        self.round.wait_while_for(
            &mut rounds,
            |_| !ready() && !self.has_failed.load(Ordering::Acquire),
            timeout,
        );
        drop(rounds);
        ready()
    }
}
