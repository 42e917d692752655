//! The atomics that the counters are made of, named in one place.
//!
//! A test compiles the counters against a scheduler's atomics instead.

pub(super) use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
