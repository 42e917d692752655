//! The journal: what is acknowledged is there afterwards, whatever happened.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod damage;
mod durability;
mod kill;
mod records;
mod recovery;
mod room;
mod support;
