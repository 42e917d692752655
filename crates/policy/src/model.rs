//! Logical models: the name that an application calls, and what stands behind it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use dialect::loss::Fidelity;
use foldhash::quality::FixedState;

use crate::health::BreakerRules;
use crate::profile::Profile;
use crate::provider::Provider;
use crate::snapshot::DEFAULT_MAX_TOKENS;

/// A name that applications call; owns targets and policy.
#[derive(Clone, Default)]
pub struct Model {
    /// The name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<String>,
    /// What serves it.
    pub targets: Vec<Arc<Target>>,
    /// How the order among targets of one priority is found.
    pub balance: Balance,
    /// Who keeps to the same target.
    pub sticky: Option<Sticky>,
    /// Where to go when `targets` fail.
    pub fallback: Fallback,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How often is tried.
    pub retry: Retry,
    /// When a target that fails is left alone.
    pub breaker: BreakerRules,
    /// Whether an attempt that broke before the client has anything is made again.
    pub recovery: Recovery,
    /// How much a translation may lose.
    pub fidelity: Fidelity,
    /// When a tool call is handed on.
    pub tool_calls: ToolCalls,
}

/// One provider's model that can take a request.
pub struct Target {
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// Its name in the provider's words.
    pub model: String,
    name: Arc<str>,
    number: u64,
    /// Share among targets of the same priority.
    pub weight: u32,
    /// Order: 1 comes first.
    pub priority: u32,
    /// Output limit to send where the dialect demands one and the client gave none.
    pub default_max_tokens: u64,
    /// What it can do, as far as that is known.
    pub profile: Profile,
}

impl Target {
    /// That model of that provider, like any other.
    #[must_use]
    pub fn new(provider: Arc<Provider>, model: String) -> Self {
        let name: Arc<str> = [provider.name.as_str(), "/", model.as_str()]
            .concat()
            .into();
        Self {
            number: FixedState::default().hash_one(&name),
            name,
            profile: Profile::built_in(provider.catalogue_id, &model),
            provider,
            model,
            weight: 1,
            priority: 1,
            default_max_tokens: DEFAULT_MAX_TOKENS,
        }
    }

    /// `provider/model`, as it stands in configuration, headers and records.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A number for its name, the same in this process, wherever a name would be too long.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// How the order among targets of one priority is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// As written.
    #[default]
    Ordered,
    /// Drawn by weight.
    Weighted,
    /// Of two drawn by chance the one that is likely to begin its answer first.
    LeastLatency,
    /// The one with the fewest tries under way.
    LeastBusy,
    /// The one where the request is likely to cost least.
    Cheapest,
}

impl Balance {
    /// Its word in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Balance::Ordered => "ordered",
            Balance::Weighted => "weighted",
            Balance::LeastLatency => "least_latency",
            Balance::LeastBusy => "least_busy",
            Balance::Cheapest => "cheapest",
        }
    }
}

/// Who keeps to the same target, where targets are drawn by weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// Each virtual key.
    Key,
    /// Each user; requests that name none by their key.
    User,
}

/// Where to go when a model's own targets fail.
#[derive(Clone, Default)]
pub struct Fallback {
    /// For failures of any kind that allow another target.
    pub failure: Vec<Arc<Target>>,
    /// Only where the request is too long for the target.
    pub context_window: Vec<Arc<Target>>,
    /// Only where the provider refused by its content policy.
    pub content_policy: Vec<Arc<Target>>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Streams: until status and first semantic event of one attempt.
    pub first_token: Duration,
    /// Streams: between semantic events.
    pub idle: Duration,
    /// All attempts together.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(180),
            idle: Duration::from_secs(300),
            total: Duration::from_secs(900),
        }
    }
}

/// How often is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Further tries on one target.
    pub same_target: u32,
    /// All tries together.
    pub max_attempts: u32,
    /// Wait before the first further try on one target, doubled with each, full jitter.
    pub backoff_initial: Duration,
    /// Longest wait.
    pub backoff_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            same_target: 1,
            max_attempts: 4,
            backoff_initial: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// Whether an attempt that broke is made again while the client has nothing of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// It is a failure.
    Off,
    /// It is made again, unseen.
    #[default]
    Restart,
}

/// When a tool call is handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolCalls {
    /// As it comes.
    #[default]
    Live,
    /// Each call when it is complete, so that no client ever holds half a call.
    Whole,
}
