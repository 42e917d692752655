//! Floor 1: the rules. No IO, no clock, no randomness: time and draws are arguments.
//!
//! What a caller may use, which targets serve a request and in what order, what a
//! failure means for the next attempt, how money is held. [`snapshot::Snapshot`]
//! is the immutable view that everything here reads.

pub mod accounts;
pub mod affinity;
pub mod balance;
pub mod bound;
pub mod caller;
pub mod control;
pub mod explain;
pub mod failure;
pub mod fit;
pub mod guardrail;
pub mod health;
pub mod limit;
pub mod model;
pub mod money;
pub mod origin;
pub mod plan;
pub mod price;
pub mod profile;
pub mod provider;
pub mod renewal;
pub mod reset;
pub mod retries;
pub mod secret;
pub mod snapshot;
pub mod viewer;
pub mod window;
