//! What the rules promise, through the crate's public surface, in one test binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod accounts;
mod affinity;
mod balance;
mod bound;
mod failures;
mod health;
mod interleaved;
mod limits;
mod model;
mod price;
mod resets;
mod retries;
mod threads;
mod window;
