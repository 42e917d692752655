//! Failures as they stand on the wire: what a provider said, and what we say to a client.
//!
//! Whose fault a failure is and whether to try again is decided above, from
//! these facts; nothing here decides.

use crate::json::Json;

/// What a provider said when it failed, taken from structure, not from prose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// The provider's error code or type, the most specific one: `rate_limit_exceeded`, `overloaded_error`.
    pub code: Option<String>,
    /// The provider's coarser type, where there are two.
    pub kind: Option<String>,
    /// The provider's sentence.
    pub message: String,
    /// The parameter that the provider names.
    pub param: Option<String>,
    /// The error object as it stood, where there was one.
    pub raw: Option<Json>,
}

/// A failure as a client is told it, the same facts in every dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFailure {
    /// HTTP status.
    pub status: u16,
    /// Our stable code, such as `model_not_found`.
    pub code: &'static str,
    /// What happened, in a sentence.
    pub message: String,
    /// The parameter at fault, where one is.
    pub param: Option<String>,
    /// Facts for programs.
    pub details: FailureDetails,
}

/// The `bondgate` object of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureDetails {
    /// Id of the exchange.
    pub request_id: String,
    /// Whose fault: `client`, `gateway` or `provider`.
    pub fault: &'static str,
    /// How many attempts were made.
    pub attempts: u32,
    /// When a retry may help, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The provider's own error code, where a provider's error is passed on.
    pub provider_code: Option<String>,
    /// Further facts as one JSON value, such as near names or the failure of each attempt.
    pub more: Vec<(&'static str, Json)>,
}

impl ClientFailure {
    /// Writes the `bondgate` member, the same in every dialect.
    pub fn write_details(&self, out: &mut crate::json::Writer) {
        let details = &self.details;
        out.key("bondgate").object(|out| {
            out.key("code").string(self.code);
            out.key("request_id").string(&details.request_id);
            out.key("fault").string(details.fault);
            out.key("attempts").number(details.attempts);
            out.key("retry_after_ms");
            match details.retry_after_ms {
                Some(ms) => out.number(ms),
                None => out.null(),
            };
            if let Some(code) = &details.provider_code {
                out.key("provider_code").string(code);
            }
            for (name, value) in &details.more {
                out.key(name).json(value);
            }
        });
    }
}
