//! What a running gateway offers to whoever operates it.
//!
//! The seam between the operators' listener and the road, which do not know each
//! other: the binary implements it.

use std::sync::Arc;

use crate::snapshot::Snapshot;

/// A running gateway.
pub trait Control: Send + Sync {
    /// The configuration in force.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Reads the configuration's file again and gives the revision in force.
    ///
    /// # Errors
    /// What is wrong with the file; the configuration in force stays.
    fn reload(&self) -> Result<String, String>;

    /// Takes over what changed in the store, before the next request.
    ///
    /// # Errors
    /// Why it could not be taken over; what was in force stays.
    fn refresh(&self) -> Result<(), String>;

    /// The figures, in Prometheus' text format.
    fn metrics(&self) -> String;

    /// How the parts are, those that are not well among them.
    fn health(&self) -> Vec<Part>;
}

/// How one part of the gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part, such as `journal`.
    pub name: &'static str,
    /// Whether it works as it should.
    pub well: bool,
    /// How it is, in a sentence.
    pub state: String,
}
