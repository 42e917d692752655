//! Where the ledger's records come from.
//!
//! The journal's [`Tail`] is one; tests have one in memory. Nothing here knows
//! segments or framing.

use std::time::Duration;

use crate::journal::{Batch, Positions, Tail};

/// A queue of records, in the order of each writer, that begins after the checkpoint.
pub trait Source {
    /// The next records, about that many; none where none waits. A record that was
    /// given is not given again by the same source.
    ///
    /// # Errors
    /// Where records cannot be read; none is lost, and asking again is safe.
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError>;

    /// Waits until a record is there, or for that long; whether one is.
    fn wait(&mut self, timeout: Duration) -> bool;

    /// All records up to and including these are in the ledger and need not be kept.
    fn committed(&mut self, positions: &Positions);
}

/// Records that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal cannot be read: {0}")]
pub struct SourceError(pub String);

impl Source for Tail {
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError> {
        Tail::next_batch(self, max).map_err(|why| SourceError(why.to_string()))
    }

    fn wait(&mut self, timeout: Duration) -> bool {
        Tail::wait(self, timeout)
    }

    fn committed(&mut self, positions: &Positions) {
        Tail::committed(self, positions);
    }
}
