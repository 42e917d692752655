//! What the store keeps, seen through its public surface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod journal;
mod ledger_files;
mod ledger_journal;
mod ledger_kit;
mod ledger_limits;
mod ledger_query;
mod ledger_read;
mod ledger_size;
mod ledger_write;
mod objects;
mod objects_hostile;
mod objects_secrets;
mod responses;
