//! What the road writes about money: before a request may be billed, and once it is known what it cost.
//!
//! [`Recorder`] is what the road sees. [`Writer`] keeps records on disk, one stream
//! a core; [`Tail`] reads them back for the ledger. The format and the promises are
//! in `docs/journal.md`. No secret ever comes here.

mod device;
mod disk;
mod error;
mod frame;
mod memory;
mod payload;
mod receipt;
mod recover;
mod shared;
mod shorten;
mod stream;
mod sync;
mod tail;
mod wire;
mod writer;

pub use device::{Device, SystemDevice};
pub use disk::{Durability, Health, Journal, OnFailure, Options, Stats};
pub use error::StorageError;
pub use memory::MemoryRecorder;
pub use receipt::Receipt;
pub use tail::{Batch, Position, Positions, Tail};
pub use writer::Writer;

use crate::record;

/// Where the road writes what it may owe and what it owes. One a core.
pub trait Recorder: Send + Sync {
    /// A request may be billed from now on. Called before its first byte leaves.
    ///
    /// # Errors
    /// [`StorageError`]: nothing may be sent then.
    fn dispatched(&self, record: &record::Dispatched) -> Result<Receipt, StorageError>;

    /// More is held for a request. Called before what it is held for is let through.
    ///
    /// # Errors
    /// [`StorageError`]: then no more is held than before.
    fn extended(&self, record: &record::Extended) -> Result<Receipt, StorageError>;

    /// What a dispatched request came to. Called before the answer's last byte leaves. Its
    /// room was set aside by `dispatched`, so a full disk does not stop it.
    fn closed(&self, record: &record::Exchange) -> Receipt;

    /// An exchange that was never dispatched: kept in bounded memory for the ledger, dropped
    /// and counted beyond that. Never waits, writes nothing.
    fn refused(&self, record: Box<record::Exchange>);
}
