//! A recorder for tests: keeps the last records of one process, in bounded room.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Recorder;
use super::error::StorageError;
use super::receipt::Receipt;
use crate::record::{Dispatched, Exchange, Extended};

/// Records of each kind that are remembered.
const REMEMBERED: usize = 4096;

/// Remembers the last 4,096 records of each kind.
#[derive(Default)]
pub struct MemoryRecorder {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open: u64,
    refusal: Option<StorageError>,
    dispatched: VecDeque<Dispatched>,
    extended: VecDeque<Extended>,
    closed: VecDeque<Exchange>,
    refused: VecDeque<Exchange>,
}

impl MemoryRecorder {
    /// Requests dispatched and not closed.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.inner.lock().open
    }

    /// From now on nothing is dispatched, for that reason; `None`: everything is.
    pub fn refuse(&self, why: Option<StorageError>) {
        self.inner.lock().refusal = why;
    }

    /// The last dispatched records, oldest first.
    #[must_use]
    pub fn dispatched_records(&self) -> Vec<Dispatched> {
        self.inner.lock().dispatched.iter().cloned().collect()
    }

    /// The last extensions, oldest first.
    #[must_use]
    pub fn extended_records(&self) -> Vec<Extended> {
        self.inner.lock().extended.iter().cloned().collect()
    }

    /// The last closed records, oldest first.
    #[must_use]
    pub fn closed_records(&self) -> Vec<Exchange> {
        self.inner.lock().closed.iter().cloned().collect()
    }

    /// The last refused ones, oldest first.
    #[must_use]
    pub fn refused_records(&self) -> Vec<Exchange> {
        self.inner.lock().refused.iter().cloned().collect()
    }
}

impl Recorder for MemoryRecorder {
    fn dispatched(&self, record: &Dispatched) -> Result<Receipt, StorageError> {
        let mut inner = self.inner.lock();
        inner.refusal.clone().map_or(Ok(()), Err)?;
        inner.open += 1;
        remember(&mut inner.dispatched, record.clone());
        Ok(Receipt::safe())
    }

    fn extended(&self, record: &Extended) -> Result<Receipt, StorageError> {
        let mut inner = self.inner.lock();
        inner.refusal.clone().map_or(Ok(()), Err)?;
        remember(&mut inner.extended, record.clone());
        Ok(Receipt::safe())
    }

    fn closed(&self, record: &Exchange) -> Receipt {
        let mut inner = self.inner.lock();
        inner.open = inner.open.saturating_sub(1);
        remember(&mut inner.closed, record.clone());
        Receipt::safe()
    }

    fn refused(&self, record: Box<Exchange>) {
        remember(&mut self.inner.lock().refused, *record);
    }
}

fn remember<T>(records: &mut VecDeque<T>, record: T) {
    if records.len() == REMEMBERED {
        records.pop_front();
    }
    records.push_back(record);
}
