//! What a failure is, whose fault it is, and what may be tried next.
//!
//! A provider's failure is classified once, from structure, by the rows of [`table`]. The HTTP
//! status that a client sees is chosen at the edge, not here.

mod attempt;
mod rows;
pub mod table;

use std::time::Duration;

use dialect::failure::ProviderError;
use dialect::json::Json;

pub use attempt::{AttemptFailure, Next};

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
