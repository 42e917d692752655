//! The configuration as it is written: every key that is accepted, its type and what it is for.
//!
//! The one description of the format: `check --schema` prints it, the checker walks it and
//! the decoder reads by it. What is not built yet is listed beside the keys it belongs to
//! (`x-not-yet`) and refused by name. Nothing here gives a default; that is resolving.

pub mod accounts;
pub mod prices;
pub mod providers;
pub mod serving;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::units::{Size, Usd};
use super::values::{Address, At, SecretText, TextOr};

pub use accounts::{
    AlertsFile, BudgetFile, KeyFile, LimitsFile, OrganisationFile, TeamFile, UserFile,
};
pub use prices::{AboveFile, PriceFile, RatesFile, TierFile};
pub use providers::{AuthFile, AwsFile, DialectFile, EntraFile, GoogleFile, ProviderFile};
pub use serving::{
    BackoffFile, BalanceFile, BreakerFile, FidelityFile, RecoveryFile, RetryBudgetFile, RetryFile,
    StickyFile, TimeoutsFile, ToolCallsFile,
};

/// A configuration of Bondgate.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Bondgate", extend("x-not-yet" = [
    "limits", "data_classes", "guardrails", "cache", "telemetry", "health", "hedge", "audit",
]))]
pub struct ConfigFile {
    /// Where applications call; default 127.0.0.1:4000.
    pub listen: Option<At<TextOr<ListenFile>>>,
    /// Where operators call: dashboard, admin API, metrics.
    pub admin: Option<At<AdminFile>>,
    /// Folder of journal and database, made when absent; default ./bondgate-data.
    pub data: Option<PathBuf>,
    /// Where what lasts is kept; default sqlite.
    pub store: Option<StoreFile>,
    /// Where counters of several gateways are shared; default none.
    pub shared: Option<SharedFile>,
    /// What seals and hashes.
    pub secrets: Option<SecretsFile>,
    /// What an acknowledged record survives; default process.
    pub durability: Option<DurabilityFile>,
    /// Bound of all buffers together; default 512MiB.
    pub memory: Option<At<Size>>,
    /// Largest request body; default 32MiB.
    pub max_body: Option<At<Size>>,
    /// The way to providers.
    pub upstream: Option<At<UpstreamFile>>,
    /// Who serves models, by name.
    pub providers: BTreeMap<String, At<ProviderFile>>,
    /// What applications call, by name.
    pub models: BTreeMap<String, At<ModelFile>>,
    /// Policy of every model that says nothing else.
    pub defaults: Option<At<PolicyFile>>,
    /// Tags without which a request is refused, unless its key carries them.
    pub require_tags: Option<Vec<At<String>>>,
    /// Groups of keys, by name.
    pub teams: BTreeMap<String, At<TeamFile>>,
    /// People and programs on whose behalf keys call, by name.
    pub users: BTreeMap<String, At<UserFile>>,
    /// Groups of teams, by name.
    pub organisations: BTreeMap<String, At<OrganisationFile>>,
    /// Who may call, by name.
    pub keys: BTreeMap<String, At<KeyFile>>,
    /// What may be spent, by name.
    pub budgets: BTreeMap<String, At<BudgetFile>>,
    /// Prices of targets.
    pub prices: Vec<At<PriceFile>>,
    /// Where alerts go.
    pub alerts: Option<At<AlertsFile>>,
}

/// A listener in long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenFile {
    /// Where it listens.
    pub address: Option<At<Address>>,
    /// Its certificate; cleartext without.
    pub tls: Option<At<TlsFile>>,
}

/// A certificate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFile {
    /// Chain of certificates, PEM, the leaf first.
    pub cert: Option<At<String>>,
    /// Its private key, PEM.
    pub key: Option<At<String>>,
    /// Who signs the certificates that callers must show, PEM; none are asked for without.
    pub client_ca: Option<At<String>>,
}

/// The operators' listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminFile {
    /// Where it listens; default 127.0.0.1:4001.
    pub listen: Option<At<Address>>,
    /// What callers show; made in the data folder when absent.
    pub token: Option<At<SecretText>>,
    /// Its certificate; cleartext without.
    pub tls: Option<At<TlsFile>>,
    /// Whether metrics ask for the token; default token.
    pub metrics: Option<MetricsFile>,
}

/// Who may read metrics.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum MetricsFile {
    /// Whoever shows the token.
    Token,
    /// Everybody.
    Open,
}

/// Where what lasts is kept.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline, extend("x-not-yet" = ["postgres", "postgresql"]))]
pub enum StoreFile {
    /// In the data folder.
    Sqlite,
}

/// Where counters of several gateways are shared.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline, extend("x-not-yet" = ["redis", "rediss", "valkey"]))]
pub enum SharedFile {
    /// Nowhere: one gateway.
    None,
}

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum DurabilityFile {
    /// The end of the process.
    Process,
    /// The loss of power too.
    Power,
}

/// What seals and hashes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsFile {
    /// Hashes keys and seals stored secrets; made in the data folder when absent.
    pub master_key: Option<At<SecretText>>,
}

/// The way to providers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamFile {
    /// HTTP proxy, such as `http://proxy:3128`; empty for none.
    pub proxy: Option<At<SecretText>>,
    /// Hosts that are reached without the proxy, as in `NO_PROXY`.
    pub no_proxy: Option<Vec<String>>,
    /// Further certificate authorities, PEM.
    pub ca: Option<At<String>>,
}

/// One of a model's targets in long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-yet" = ["data_class", "approved_for", "max_input", "key"]))]
pub struct TargetFile {
    /// `provider/model`
    pub target: Option<At<String>>,
    /// Share among targets of one priority, with `balance: weighted` or `least_busy`; default 1.
    pub weight: Option<At<u32>>,
    /// Order: 1, the default, comes first.
    #[schemars(range(min = 1))]
    pub priority: Option<u32>,
    /// Output limit sent where the provider demands one and the caller gave none; default 4096.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// What the model can do, where the built-in data does not know it or is wrong.
    pub profile: Option<ProfileFile>,
}

/// What a model can do; what is left out is as the built-in data says.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileFile {
    /// The longest input, in tokens: what is longer beyond doubt is not sent there.
    #[schemars(range(min = 1))]
    pub max_input_tokens: Option<u64>,
    /// The longest output, in tokens; bounds what is sent where the caller gave no limit.
    #[schemars(range(min = 1))]
    pub max_output_tokens: Option<u64>,
    /// Whether it calls tools.
    pub tools: Option<bool>,
    /// Whether it sees pictures.
    pub vision: Option<bool>,
    /// Whether it hears sound.
    pub audio: Option<bool>,
    /// Whether it sees films.
    pub video: Option<bool>,
    /// Whether it reads documents.
    pub documents: Option<bool>,
    /// Whether it answers after a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether it reasons as asked; others come first where it does not.
    pub reasoning: Option<bool>,
    /// How Claude is asked to reason.
    pub thinking: Option<ThinkingFile>,
    /// Whether it goes on from a message of its own at the end of a request.
    pub prefill: Option<bool>,
}

/// How Claude is asked to reason.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ThinkingFile {
    /// By a budget of tokens.
    Budget,
    /// As much as it sees fit.
    Adaptive,
}

/// Where to go when a model's own targets fail.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackFile {
    /// For failures of any kind that allow another target.
    pub failure: Option<Vec<At<TextOr<TargetFile>>>>,
    /// Only where the request is too long for the target.
    pub context_window: Option<Vec<At<TextOr<TargetFile>>>>,
    /// Only where the provider refused by its content policy.
    pub content_policy: Option<Vec<At<TextOr<TargetFile>>>>,
}

/// A type with the keys of policy beside its own.
macro_rules! with_policy {
    ($(#[$of_type:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of_type])*
        #[derive(Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        #[schemars(extend("x-not-yet" = [
            "overridable", "limits", "budget", "guardrails", "cache", "hedge", "data_class",
            "require_tags", "max_input", "price",
        ]))]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
            /// How the order among targets of one priority is found; default ordered.
            pub balance: Option<BalanceFile>,
            /// Who keeps to the same target, with `balance: weighted`; default nobody.
            pub sticky: Option<At<StickyFile>>,
            /// When a target that fails is left alone.
            pub breaker: Option<At<BreakerFile>>,
            /// How long things may take.
            pub timeouts: Option<At<TimeoutsFile>>,
            /// How often is tried.
            pub retry: Option<At<RetryFile>>,
            /// Whether a broken attempt is made again, unseen; default restart.
            pub recovery: Option<RecoveryFile>,
            /// How much a translation may lose; default report.
            pub fidelity: Option<FidelityFile>,
            /// When a tool call is handed on; default live.
            pub tool_calls: Option<ToolCallsFile>,
            /// The most that one request counts as where it has no bound or no price.
            pub ceiling: Option<At<Usd>>,
        }

        impl $name {
            /// The keys of policy.
            #[must_use]
            pub fn policy(&self) -> Policy<'_> {
                Policy {
                    balance: self.balance,
                    sticky: self.sticky.as_ref(),
                    breaker: self.breaker.as_ref(),
                    timeouts: self.timeouts.as_ref(),
                    retry: self.retry.as_ref(),
                    recovery: self.recovery,
                    fidelity: self.fidelity,
                    tool_calls: self.tool_calls,
                    ceiling: self.ceiling.as_ref(),
                }
            }
        }
    };
}

/// The keys of policy, wherever they stand.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    /// How the order among targets of one priority is found.
    pub balance: Option<BalanceFile>,
    /// Who keeps to the same target.
    pub sticky: Option<&'a At<StickyFile>>,
    /// When a target that fails is left alone.
    pub breaker: Option<&'a At<BreakerFile>>,
    /// How long things may take.
    pub timeouts: Option<&'a At<TimeoutsFile>>,
    /// How often is tried.
    pub retry: Option<&'a At<RetryFile>>,
    /// Whether a broken attempt is made again, unseen.
    pub recovery: Option<RecoveryFile>,
    /// How much a translation may lose.
    pub fidelity: Option<FidelityFile>,
    /// When a tool call is handed on.
    pub tool_calls: Option<ToolCallsFile>,
    /// The most that one request counts as where it has no bound or no price.
    pub ceiling: Option<&'a At<Usd>>,
}

impl Policy<'_> {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.balance.is_none()
            && self.sticky.is_none()
            && self.breaker.is_none()
            && self.timeouts.is_none()
            && self.retry.is_none()
            && self.recovery.is_none()
            && self.fidelity.is_none()
            && self.tool_calls.is_none()
            && self.ceiling.is_none()
    }
}

with_policy! {
    /// Policy of every model that says nothing else.
    PolicyFile {}
}

with_policy! {
    /// What applications call.
    ModelFile {
        /// What it is for.
        description: Option<String>,
        /// What serves it: `provider/model`, or a mapping when more is said.
        targets: Option<At<Vec<At<TextOr<TargetFile>>>>>,
        /// Where to go when the targets fail.
        fallback: Option<At<FallbackFile>>,
        /// Another model that it is a name for.
        alias: Option<At<String>>,
    }
}
