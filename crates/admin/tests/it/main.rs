//! The admin API, seen through real HTTP and through its own table.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod hostile;
mod keys;
mod kit;
mod listener;
mod objects;
mod openapi;
mod reading;
mod records;
mod secrets;
mod team;
