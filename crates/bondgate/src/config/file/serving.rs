//! How a model is served, as it is written: the parts of its policy.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::{Percent, Period};
use crate::config::values::At;

/// How long things may take.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutsFile {
    /// Until a connection stands; default 5s.
    pub connect: Option<At<Period>>,
    /// Streams: until the first semantic event; default 180s.
    pub first_token: Option<At<Period>>,
    /// Streams: between semantic events; default 300s.
    pub idle: Option<At<Period>>,
    /// All attempts together; default 900s.
    pub total: Option<At<Period>>,
}

/// How often is tried.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryFile {
    /// Further tries on one target; default 1.
    #[schemars(range(max = 100))]
    pub same_target: Option<At<u32>>,
    /// All tries together; default 4.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: Option<u32>,
    /// Waits between tries on one target, with full jitter.
    pub backoff: Option<At<BackoffFile>>,
    /// How many further tries the house makes; under `defaults` only.
    pub budget: Option<At<RetryBudgetFile>>,
}

/// How many further tries the house makes: within any second the share of its requests, or the number,
/// whichever is more.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryBudgetFile {
    /// Share of the requests; default 20%.
    pub ratio: Option<At<Percent>>,
    /// So many always; default 10.
    pub per_second: Option<u32>,
}

/// When a target that fails is left alone, and for how long.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerFile {
    /// Failures in a row; default 5.
    #[schemars(range(min = 1))]
    pub failures: Option<u32>,
    /// Share of failures among the tries in `window`; default 50%.
    pub ratio: Option<At<Percent>>,
    /// The fewest tries in `window` by which that share is judged; default 20.
    #[schemars(range(min = 1))]
    pub minimum: Option<u32>,
    /// How long a try counts for that share; default 30s.
    pub window: Option<At<Period>>,
    /// How long it is left alone at first, doubled each time that it fails again; default 10s.
    pub open: Option<At<Period>>,
    /// The longest that it is left alone; default 5m.
    pub open_max: Option<At<Period>>,
}

/// Who keeps to the same target, where targets are drawn by weight.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StickyFile {
    /// Each key.
    Key,
    /// Each user; requests that name none by their key.
    User,
}

/// Waits between tries.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffFile {
    /// The first; default 200ms.
    pub initial: Option<At<Period>>,
    /// The longest; default 5s.
    pub max: Option<Period>,
}

/// How the order among targets of one priority is found.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum BalanceFile {
    /// As written.
    Ordered,
    /// Drawn by weight.
    Weighted,
    /// Of two drawn by chance the one that is likely to begin its answer first.
    LeastLatency,
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
    /// The one where the request is likely to cost least.
    Cheapest,
}

/// Whether a broken attempt is made again while the caller has nothing of its answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline, extend("x-not-yet" = ["exact", "any"]))]
pub enum RecoveryFile {
    /// It is a failure.
    Off,
    /// It is made again, unseen.
    Restart,
}

/// How much a translation may lose.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum FidelityFile {
    /// Nothing.
    Strict,
    /// Functional losses are refused, the rest is reported.
    Report,
    /// All is reported.
    Permit,
}

/// When a tool call is handed on.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ToolCallsFile {
    /// As it comes.
    Live,
    /// Each when it is complete.
    Whole,
}
