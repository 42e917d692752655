//! What dialects call the parts of a request that the hub has names of its own for.
//!
//! Losses are told in the client's words, so whoever writes a request asks here what its
//! dialect of origin says. Each dialect gives its own table; none knows another's.

use super::Request;

/// Paths of a request's parts in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Texts at which the answer ends.
    pub stop: &'static str,
    /// How many answers are wanted.
    pub candidates: &'static str,
    /// The form of the answer.
    pub output: &'static str,
    /// Its schema, with what stands beside it.
    pub schema: &'static str,
    /// How much reasoning is wanted, as a whole.
    pub reasoning: &'static str,
    /// The same in words.
    pub effort: &'static str,
    /// The same in tokens.
    pub budget: &'static str,
}

impl Request {
    /// The words of the dialect that it was written in.
    #[must_use]
    pub fn words(&self) -> &'static Words {
        self.origin.server().words()
    }
}
