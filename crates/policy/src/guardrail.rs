//! What a check of content says. The checks themselves come later; the road already obeys the verdict.

/// What a guardrail says of a request or of a part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands against it.
    Allow,
    /// It must not go on; names the guardrail, never the text.
    Block {
        /// Which guardrail says so.
        guardrail: String,
    },
}
