//! How an attempt failed, and what may be tried next because of that.

/// How one attempt at a target failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// No byte of the request can have been worked on.
    NotSent,
    /// The provider has no room at the moment.
    Overloaded,
    /// Too many requests for the moment.
    RateLimited,
    /// A quota or credit is used up.
    Exhausted,
    /// The provider does not take our credential.
    Credential,
    /// The provider does not take the request.
    BadRequest,
    /// The provider does not have the model.
    ModelGone,
    /// The request is longer than the model can read.
    ContextWindow,
    /// The provider refuses by its content policy.
    ContentPolicy,
    /// The request was sent; whether it was worked on is not known.
    Ambiguous,
    /// The answer began and broke.
    MidStream,
}

/// Which targets may be tried after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The rest of the plan.
    Plan,
    /// Only the model's fallbacks for requests that are too long.
    ContextWindow,
    /// Only the model's fallbacks for refused content.
    ContentPolicy,
    /// None.
    Nothing,
}

impl AttemptFailure {
    /// The word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AttemptFailure::NotSent => "not_sent",
            AttemptFailure::Overloaded => "overloaded",
            AttemptFailure::RateLimited => "rate_limited",
            AttemptFailure::Exhausted => "exhausted",
            AttemptFailure::Credential => "credential",
            AttemptFailure::BadRequest => "bad_request",
            AttemptFailure::ModelGone => "model_gone",
            AttemptFailure::ContextWindow => "context_window",
            AttemptFailure::ContentPolicy => "content_policy",
            AttemptFailure::Ambiguous => "ambiguous",
            AttemptFailure::MidStream => "mid_stream",
        }
    }

    /// Whether the same target may be tried again.
    #[must_use]
    pub fn same_target(self) -> bool {
        match self {
            AttemptFailure::NotSent | AttemptFailure::Overloaded => true,
            AttemptFailure::RateLimited
            | AttemptFailure::Exhausted
            | AttemptFailure::Credential
            | AttemptFailure::BadRequest
            | AttemptFailure::ModelGone
            | AttemptFailure::ContextWindow
            | AttemptFailure::ContentPolicy
            | AttemptFailure::Ambiguous
            | AttemptFailure::MidStream => false,
        }
    }

    /// Where to go next.
    #[must_use]
    pub fn next(self) -> Next {
        match self {
            AttemptFailure::NotSent
            | AttemptFailure::Overloaded
            | AttemptFailure::RateLimited
            | AttemptFailure::Exhausted
            | AttemptFailure::Credential
            | AttemptFailure::ModelGone
            | AttemptFailure::Ambiguous
            | AttemptFailure::MidStream => Next::Plan,
            AttemptFailure::ContextWindow => Next::ContextWindow,
            AttemptFailure::ContentPolicy => Next::ContentPolicy,
            AttemptFailure::BadRequest => Next::Nothing,
        }
    }

    /// Whether the provider may bill the attempt although it gave no whole answer.
    #[must_use]
    pub fn may_be_billed(self) -> bool {
        matches!(self, AttemptFailure::Ambiguous | AttemptFailure::MidStream)
    }
}
