//! The repository's own tools: `tidy` (the rules the compiler cannot hold),
//! `bench` (the figures the README prints), `crash` (the gateway killed under
//! load), `ratchet` (instructions of each stage of the road) and `prices` (the
//! price data).
//!
//! Nothing here ships: no crate of the gateway may depend on this one.

pub mod bench;
pub mod crash;
pub mod prices;
pub mod ratchet;
pub mod tidy;
