//! What the road writes about money: before a request may be billed, and once it is known what it cost.
//!
//! The trait is the seam. [`MemoryJournal`] keeps the records of one process
//! only as long as it runs, in bounded room.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use policy::money::Nanos;

/// Where the road writes what it may owe and what it owes.
pub trait Journal: Send + Sync {
    /// A request may be billed from now on. Called before its first byte leaves.
    ///
    /// # Errors
    /// [`StorageError`] where the record cannot be kept: then nothing may be sent.
    fn dispatched(&self, record: &Dispatched<'_>) -> Result<(), StorageError>;

    /// What a dispatched request came to. Called before the answer's last byte leaves.
    fn settled(&self, record: &Settled);
}

/// A request that may be billed.
#[derive(Clone, Copy, Debug)]
pub struct Dispatched<'a> {
    /// Id of the exchange, a ULID.
    pub id: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who pays: the virtual key's name.
    pub key: &'a str,
    /// The most that it can cost.
    pub held: Nanos,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Id of the exchange, a ULID.
    pub id: Arc<str>,
    /// Tokens of input, however they were served.
    pub input_tokens: u64,
    /// Tokens of input that a cache served.
    pub cached_tokens: u64,
    /// Tokens of output, reasoning included.
    pub output_tokens: u64,
    /// Whether the provider said these counts; else they are what was seen.
    pub complete: bool,
    /// How the exchange ended, in a word.
    pub outcome: &'static str,
}

/// A record that could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be written: {0}")]
pub struct StorageError(pub String);

/// Settled records that [`MemoryJournal`] remembers.
const REMEMBERED: usize = 4096;

/// Keeps records in memory: how many are open, and the last ones settled.
#[derive(Default)]
pub struct MemoryJournal {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open: u64,
    settled: VecDeque<Settled>,
}

impl MemoryJournal {
    /// Requests dispatched and not settled.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.inner.lock().open
    }

    /// The last records settled, oldest first; at most 4,096.
    #[must_use]
    pub fn settled_records(&self) -> Vec<Settled> {
        self.inner.lock().settled.iter().cloned().collect()
    }
}

impl Journal for MemoryJournal {
    fn dispatched(&self, _record: &Dispatched<'_>) -> Result<(), StorageError> {
        self.inner.lock().open += 1;
        Ok(())
    }

    fn settled(&self, record: &Settled) {
        let mut inner = self.inner.lock();
        inner.open = inner.open.saturating_sub(1);
        if inner.settled.len() == REMEMBERED {
            inner.settled.pop_front();
        }
        inner.settled.push_back(record.clone());
    }
}
