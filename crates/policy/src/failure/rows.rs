//! The rows of the failure table.
//!
//! Sources: the providers' pages on errors
//! (<https://platform.openai.com/docs/guides/error-codes>,
//! <https://docs.anthropic.com/en/api/errors>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://ai.google.dev/gemini-api/docs/troubleshooting>,
//! <https://learn.microsoft.com/azure/ai-services/openai/reference>,
//! <https://openrouter.ai/docs/errors>, <https://console.groq.com/docs/errors>,
//! <https://docs.mistral.ai/resources/error-glossary>, <https://docs.cohere.com/reference/errors>) and
//! recorded answers. A sentence stands here only where no field says the same.

use super::AttemptFailure;
use super::AttemptFailure::{
    Ambiguous, BadRequest, ContentPolicy, ContextWindow, Credential, Exhausted, MidStream,
    ModelGone, Overloaded, RateLimited,
};
use super::table::{Match, Meaning, Of, Row, Says};

const fn row(of: Of, statuses: &'static [u16], says: Says, kind: AttemptFailure) -> Row {
    Row {
        of,
        statuses,
        says,
        means: Meaning {
            kind,
            at_target: false,
            vague: false,
        },
    }
}

const fn provider(
    name: &'static str,
    statuses: &'static [u16],
    says: Says,
    kind: AttemptFailure,
) -> Row {
    row(Of::Provider(name), statuses, says, kind)
}

const fn dialect(name: &'static str, says: Says, kind: AttemptFailure) -> Row {
    row(Of::Dialect(name), &[], says, kind)
}

const fn words(words: &'static [&'static str], kind: AttemptFailure) -> Row {
    row(Of::All, &[], Says::Word(words), kind)
}

/// All rows: of one reader those that stand first are asked first.
pub const ROWS: &[Row] = &[
    // OpenAI flags a prompt by a code that says no more than that it is not valid.
    provider(
        "openai",
        &[400],
        Says::Word(&["invalid_prompt"]),
        ContentPolicy,
    ),
    // Its moderation answers 403, which says nothing of the credential.
    provider(
        "openrouter",
        &[403],
        Says::Member(&["metadata", "reasons"], Match::Any),
        ContentPolicy,
    ),
    provider(
        "openrouter",
        &[403],
        Says::Member(&["metadata", "flagged_input"], Match::Any),
        ContentPolicy,
    ),
    provider(
        "openrouter",
        &[400],
        Says::Sentence("This endpoint's maximum context length is ", " tokens."),
        ContextWindow,
    ),
    // More tokens than a minute allows: no other time will do, a larger target may.
    provider("groq", &[413], Says::Anything, ContextWindow),
    // The flexible tier has no room.
    provider("groq", &[498], Says::Anything, Overloaded),
    provider(
        "mistral",
        &[429],
        Says::Word(&["service_tier_capacity_exceeded", "3505"]),
        Overloaded,
    ),
    provider(
        "mistral",
        &[400],
        Says::Word(&["invalid_model", "unknown_model", "1500"]),
        ModelGone,
    ),
    provider(
        "xai",
        &[400],
        Says::Sentence("Incorrect API key provided.", ""),
        Credential,
    ),
    // Blocked text.
    provider("cohere", &[498], Says::Anything, ContentPolicy),
    provider("zai", &[], Says::Word(&["1113"]), Exhausted),
    provider("zai", &[], Says::Word(&["1301"]), ContentPolicy),
    provider("zai", &[], Says::Word(&["1261"]), ContextWindow),
    // Scaleway's quota of requests at a time is not one that is used up.
    provider(
        "scaleway",
        &[429],
        Says::Word(&["insufficient_quota"]),
        RateLimited,
    ),
    dialect(
        "anthropic-messages",
        Says::Sentence("prompt is too long: ", " tokens > "),
        ContextWindow,
    ),
    dialect(
        "anthropic-messages",
        Says::Sentence("Your credit balance is too low to access the ", ""),
        Exhausted,
    ),
    // The type is that of a rate limit; a detail says that the spending is capped.
    dialect(
        "anthropic-messages",
        Says::Member(
            &["details", "error_code"],
            Match::Is("enforced_spend_limit_reached"),
        ),
        Exhausted,
    ),
    dialect(
        "bedrock-converse",
        Says::Sentence(
            "The model returned the following errors: Input Tokens Exceeded: ",
            "",
        ),
        ContextWindow,
    ),
    row(
        Of::Dialect("anthropic-messages"),
        &[404],
        Says::Sentence("model: ", ""),
        ModelGone,
    ),
    row(
        Of::Dialect("gemini"),
        &[404],
        Says::Sentence("models/", " is not found"),
        ModelGone,
    ),
    row(
        Of::Dialect("gemini"),
        &[404],
        Says::Sentence("Publisher Model ", ""),
        ModelGone,
    ),
    dialect(
        "bedrock-converse",
        Says::Sentence("The provided model identifier is invalid.", ""),
        ModelGone,
    ),
    dialect(
        "bedrock-converse",
        Says::Sentence("Could not resolve the foundation model from ", ""),
        ModelGone,
    ),
    dialect(
        "bedrock-converse",
        Says::Sentence("This model version has reached the end of its life.", ""),
        ModelGone,
    ),
    // Which guardrail is applied is the request's word.
    dialect(
        "bedrock-converse",
        Says::Sentence(
            "User: ",
            " is not authorized to perform: bedrock:ApplyGuardrail",
        ),
        BadRequest,
    ),
    dialect(
        "bedrock-converse",
        Says::Word(&["ServiceQuotaExceededException"]),
        Exhausted,
    ),
    dialect(
        "gemini",
        Says::Sentence(
            "The input token count (",
            "exceeds the maximum number of tokens allowed (",
        ),
        ContextWindow,
    ),
    // A day's quota is one model's; that of a minute comes back soon.
    Row {
        of: Of::Dialect("gemini"),
        statuses: &[],
        says: Says::Member(
            &["details", "violations", "quotaId"],
            Match::Holds("PerDay"),
        ),
        means: Meaning {
            kind: Exhausted,
            at_target: true,
            vague: false,
        },
    },
    // A limit after which no retry helps is none that passes.
    row(Of::All, &[429], Says::Final, Exhausted),
    words(
        &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "credit_balance_too_low",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "project_spend_limit_exceeded",
            "payment_required",
        ],
        Exhausted,
    ),
    words(
        &[
            "context_length_exceeded",
            "exceed_context_size_error",
            "string_above_max_length",
        ],
        ContextWindow,
    ),
    words(
        &[
            "content_filter",
            "content_policy_violation",
            "responsible_ai_policy_violation",
            "ResponsibleAIPolicyViolation",
        ],
        ContentPolicy,
    ),
    row(
        Of::All,
        &[],
        Says::Member(
            &["innererror", "code"],
            Match::Is("ResponsibleAIPolicyViolation"),
        ),
        ContentPolicy,
    ),
    words(
        &[
            "model_not_found",
            "model_decommissioned",
            "DeploymentNotFound",
        ],
        ModelGone,
    ),
    // The beginnings say that it is the model: names that a request chose come behind them.
    row(Of::All, &[404], Says::Sentence("The model ", ""), ModelGone),
    row(
        Of::All,
        &[404],
        Says::Sentence("model '", "' not found"),
        ModelGone,
    ),
    // The resource may be the model, or a guardrail that the request names.
    Row {
        of: Of::All,
        statuses: &[],
        says: Says::Word(&["ResourceNotFoundException"]),
        means: Meaning {
            kind: ModelGone,
            at_target: false,
            vague: true,
        },
    },
    // Google says `API_KEY_INVALID` with 400, AWS that a token has expired.
    words(
        &[
            "invalid_api_key",
            "authentication_error",
            "API_KEY_INVALID",
            "ExpiredTokenException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
        ],
        Credential,
    ),
    // A model that the credential may not use says nothing of the others.
    Row {
        of: Of::All,
        statuses: &[],
        says: Says::Word(&["permission_error", "AccessDeniedException"]),
        means: Meaning {
            kind: Credential,
            at_target: true,
            vague: true,
        },
    },
    // AWS names exceptions, in mid-stream with a small letter and without a status.
    words(
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "RateLimitReached",
            "RESOURCE_EXHAUSTED",
            "ThrottlingException",
            "throttlingException",
        ],
        RateLimited,
    ),
    words(
        &[
            "overloaded_error",
            "server_is_overloaded",
            "slow_down",
            "NoCapacity",
            "UNAVAILABLE",
            "ModelNotReadyException",
            "ModelErrorException",
            "ServiceUnavailableException",
            "serviceUnavailableException",
        ],
        Overloaded,
    ),
    words(
        &[
            "ModelTimeoutException",
            "modelTimeoutException",
            "DEADLINE_EXCEEDED",
            "timeout_error",
        ],
        Ambiguous,
    ),
    words(
        &["ModelStreamErrorException", "modelStreamErrorException"],
        MidStream,
    ),
];
