//! What a failure is, whose fault it is, and what may be tried next.
//!
//! Classified once, from structure: the status and the provider's code. The HTTP
//! status that a client sees is chosen at the edge, not here.

use std::time::Duration;

use dialect::failure::ProviderError;
use dialect::json::Json;

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

    /// Classifies a provider's error answer.
    #[must_use]
    pub fn classify(status: u16, error: &ProviderError) -> Self {
        let by_code = [&error.code, &error.kind]
            .into_iter()
            .flatten()
            .find_map(|code| by_code(code));
        if let Some(kind) = by_code {
            return kind;
        }
        match status {
            429 | 425 => AttemptFailure::RateLimited,
            402 => AttemptFailure::Exhausted,
            401 | 403 => AttemptFailure::Credential,
            404 => AttemptFailure::ModelGone,
            408 | 502 | 504 => AttemptFailure::Ambiguous,
            500..=599 => AttemptFailure::Overloaded,
            _ => AttemptFailure::BadRequest,
        }
    }
}

/// Codes that say more than the status, of any provider; the most specific words only.
fn by_code(code: &str) -> Option<AttemptFailure> {
    Some(match code {
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_error"
        | "credit_balance_too_low" => AttemptFailure::Exhausted,
        "context_length_exceeded" | "exceed_context_size_error" | "string_above_max_length" => {
            AttemptFailure::ContextWindow
        }
        "content_filter" | "content_policy_violation" | "responsible_ai_policy_violation" => {
            AttemptFailure::ContentPolicy
        }
        "model_not_found" | "DeploymentNotFound" | "model_decommissioned" => {
            AttemptFailure::ModelGone
        }
        // Google says `API_KEY_INVALID` with 400.
        "invalid_api_key" | "authentication_error" | "permission_error" | "API_KEY_INVALID" => {
            AttemptFailure::Credential
        }
        // AWS names exceptions, in mid-stream with a small letter and without a status.
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "ThrottlingException"
        | "throttlingException" => AttemptFailure::RateLimited,
        "overloaded_error"
        | "ModelNotReadyException"
        | "ServiceUnavailableException"
        | "serviceUnavailableException" => AttemptFailure::Overloaded,
        "ModelTimeoutException" | "modelTimeoutException" => AttemptFailure::Ambiguous,
        "ExpiredTokenException" | "UnrecognizedClientException" => AttemptFailure::Credential,
        _ => return None,
    })
}

/// Whose doing a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Client,
    /// Ours.
    Gateway,
    /// A provider's.
    Provider,
}

impl Fault {
    /// The word in errors and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Client => "client",
            Fault::Gateway => "gateway",
            Fault::Provider => "provider",
        }
    }
}

/// The stable codes of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is not what the dialect says.
    InvalidRequest,
    /// No target can carry what the request says.
    CannotTranslate,
    /// A guardrail blocks.
    GuardrailBlocked,
    /// No key, an unknown one, an expired one, or two.
    InvalidKey,
    /// A limit could never take the request, however empty its window.
    LimitTooSmall,
    /// The request lacks a tag that the house requires.
    TagsRequired,
    /// The key may not call that model.
    ModelNotAllowed,
    /// The key may not call that path of a provider.
    PolicyRefused,
    /// What the request may cost has no bound, and a hard budget applies.
    UnboundedRequest,
    /// There is no such model.
    ModelNotFound,
    /// There is no such path.
    NotFound,
    /// The request asks for another protocol on its connection.
    UpgradeRefused,
    /// The client sent its request too slowly.
    SlowRequest,
    /// The request is too large.
    TooLarge,
    /// The body's encoding is not known.
    UnsupportedEncoding,
    /// A limit of requests, tokens or concurrency is reached.
    RateLimited,
    /// A budget is spent, or held by requests under way.
    BudgetExceeded,
    /// The provider refuses the request itself.
    ProviderRejected,
    /// No attempt gave an answer.
    ProviderFailed,
    /// The gateway is at its bound.
    Overloaded,
    /// The model has no target that can be used.
    NoTarget,
    /// What must be recorded cannot be.
    StorageUnavailable,
    /// Time ran out.
    Timeout,
    /// The client went away.
    ClientGone,
}

impl Code {
    /// The word that clients see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::CannotTranslate => "cannot_translate",
            Code::GuardrailBlocked => "guardrail_blocked",
            Code::InvalidKey => "invalid_key",
            Code::LimitTooSmall => "limit_too_small",
            Code::TagsRequired => "tags_required",
            Code::ModelNotAllowed => "model_not_allowed",
            Code::PolicyRefused => "policy_refused",
            Code::UnboundedRequest => "unbounded_request",
            Code::ModelNotFound => "model_not_found",
            Code::NotFound => "not_found",
            Code::UpgradeRefused => "upgrade_refused",
            Code::SlowRequest => "slow_request",
            Code::TooLarge => "too_large",
            Code::UnsupportedEncoding => "unsupported_encoding",
            Code::RateLimited => "rate_limited",
            Code::BudgetExceeded => "budget_exceeded",
            Code::ProviderRejected => "provider_rejected",
            Code::ProviderFailed => "provider_failed",
            Code::Overloaded => "overloaded",
            Code::NoTarget => "no_target",
            Code::StorageUnavailable => "storage_unavailable",
            Code::Timeout => "timeout",
            Code::ClientGone => "client_gone",
        }
    }

    /// Whose doing it is.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Code::InvalidRequest
            | Code::CannotTranslate
            | Code::GuardrailBlocked
            | Code::InvalidKey
            | Code::LimitTooSmall
            | Code::TagsRequired
            | Code::ModelNotAllowed
            | Code::PolicyRefused
            | Code::UpgradeRefused
            | Code::UnboundedRequest
            | Code::RateLimited
            | Code::BudgetExceeded
            | Code::ModelNotFound
            | Code::NotFound
            | Code::SlowRequest
            | Code::TooLarge
            | Code::UnsupportedEncoding
            | Code::ProviderRejected
            | Code::ClientGone => Fault::Client,
            Code::Overloaded | Code::NoTarget | Code::StorageUnavailable => Fault::Gateway,
            Code::ProviderFailed | Code::Timeout => Fault::Provider,
        }
    }

    /// Whether the client may do better by sending the same again.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Code::Overloaded | Code::NoTarget | Code::StorageUnavailable | Code::RateLimited
        )
    }
}

/// Why a request got no answer: what the client may know, and what only we may.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// What the client reads.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// What the provider said, where its words are passed on.
    pub provider: Option<Box<ProviderSaid>>,
    /// When a retry may help.
    pub retry_after: Option<Duration>,
    /// Further facts for programs.
    pub facts: Vec<(&'static str, Json)>,
}

/// A provider's refusal as it was.
#[derive(Clone, Debug)]
pub struct ProviderSaid {
    /// HTTP status.
    pub status: u16,
    /// The error.
    pub error: ProviderError,
}

impl Failure {
    /// A failure with that sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            provider: None,
            retry_after: None,
            facts: Vec::new(),
        }
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, with a time after which a retry may help.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same, with a further fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Json) -> Self {
        self.facts.push((name, value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> ProviderError {
        ProviderError {
            code: Some(code.to_owned()),
            ..ProviderError::default()
        }
    }

    #[test]
    fn a_used_up_quota_is_not_a_rate_limit() {
        assert_eq!(
            AttemptFailure::classify(429, &error("insufficient_quota")),
            AttemptFailure::Exhausted
        );
        assert_eq!(
            AttemptFailure::classify(429, &error("rate_limit_exceeded")),
            AttemptFailure::RateLimited
        );
        assert_eq!(
            AttemptFailure::classify(429, &ProviderError::default()),
            AttemptFailure::RateLimited
        );
    }

    #[test]
    fn words_of_the_clouds_say_more_than_their_status() {
        for (status, code, means) in [
            (400, "API_KEY_INVALID", AttemptFailure::Credential),
            (400, "ExpiredTokenException", AttemptFailure::Credential),
            (429, "ModelNotReadyException", AttemptFailure::Overloaded),
            (500, "throttlingException", AttemptFailure::RateLimited),
            (500, "modelTimeoutException", AttemptFailure::Ambiguous),
        ] {
            assert_eq!(AttemptFailure::classify(status, &error(code)), means);
        }
    }

    #[test]
    fn an_unknown_refusal_is_final() {
        assert_eq!(
            AttemptFailure::classify(418, &error("teapot")).next(),
            Next::Nothing
        );
        assert_eq!(
            AttemptFailure::classify(302, &ProviderError::default()).next(),
            Next::Nothing
        );
    }

    #[test]
    fn an_answer_that_may_have_been_billed_says_so() {
        for status in [408, 502, 504] {
            assert!(AttemptFailure::classify(status, &ProviderError::default()).may_be_billed());
        }
        assert!(!AttemptFailure::classify(503, &ProviderError::default()).may_be_billed());
    }
}
