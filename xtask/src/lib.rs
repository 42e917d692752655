//! The repository's own tools: `tidy` (the rules the compiler cannot hold)
//! and `bench` (the figures the README prints).
//!
//! Nothing here ships: no crate of the gateway may depend on this one.

pub mod bench;
pub mod tidy;
