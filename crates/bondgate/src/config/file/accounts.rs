//! Who may call, on whose account, and how much: keys, teams, organisations, users, limits,
//! budgets, and where alerts go.
//!
//! Shapes only, as in the file above; what they mean is resolving.

use std::collections::BTreeMap;

use policy::limit::{Each, Mode, Period, Scope, WhenUnbounded};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::{Moment, Percent, Rate, Usd};
use crate::config::values::{At, Said, SecretText};

/// Who may call.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-not-yet" = ["data_class", "budget"]))]
pub struct KeyFile {
    /// What an application shows: 16 characters or more.
    pub secret: Option<At<SecretText>>,
    /// Models it may call; all that its team may when absent.
    pub models: Option<At<Vec<At<String>>>>,
    /// Whether it may call `provider/model` too; default false.
    pub direct: Option<bool>,
    /// Providers whose own paths it may call, at `/provider/NAME/…`.
    pub passthrough: Option<Vec<At<String>>>,
    /// Until when it is good; for ever when absent.
    pub expires: Option<Moment>,
    /// The team that it belongs to.
    pub team: Option<At<String>>,
    /// The organisation, where its team has none.
    pub organisation: Option<At<String>>,
    /// The user whose it is.
    pub user: Option<At<String>>,
    /// Tags of all its requests.
    pub tags: Option<BTreeMap<String, At<String>>>,
    /// What its caller may say of a request: `user`, `tags`, `tag:NAME`, `priority`.
    pub may_set: Option<Vec<At<String>>>,
    /// How much it may call.
    pub limits: Option<At<LimitsFile>>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where finance books it.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
}

/// A group of keys.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-not-yet" = [
    "data_class", "passthrough", "budget", "residency", "guardrails", "overridable",
]))]
pub struct TeamFile {
    /// The organisation that it belongs to.
    pub organisation: Option<At<String>>,
    /// Models its keys may call; all when absent.
    pub models: Option<At<Vec<At<String>>>>,
    /// Until when its keys are good; for ever when absent.
    pub expires: Option<Moment>,
    /// Tags of all requests of its keys; a key's own win.
    pub tags: Option<BTreeMap<String, At<String>>>,
    /// How much its keys may call together.
    pub limits: Option<At<LimitsFile>>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where finance books it.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
}

/// A group of teams.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-not-yet" = ["data_class", "passthrough", "budget", "residency", "guardrails"]))]
pub struct OrganisationFile {
    /// Models its keys may call; all when absent.
    pub models: Option<At<Vec<At<String>>>>,
    /// Tags of all requests of its keys; those of teams and keys win.
    pub tags: Option<BTreeMap<String, At<String>>>,
    /// How much its keys may call together.
    pub limits: Option<At<LimitsFile>>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where finance books it.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
}

/// A person or a program on whose behalf keys call.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-not-yet" = ["data_class", "budget"]))]
pub struct UserFile {
    /// How much is called on its behalf.
    pub limits: Option<At<LimitsFile>>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where finance books it.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
}

/// How much an object may call; windows are those of the calendar in UTC.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsFile {
    /// Requests, such as `600/min`.
    pub requests: Option<Rate>,
    /// Tokens of input and output, such as `200000/min`.
    pub tokens: Option<Rate>,
    /// Requests under way.
    #[schemars(range(min = 1))]
    pub concurrent: Option<u32>,
    /// Whether they refuse; default enforce.
    pub mode: Option<Said<Mode>>,
}

/// What may be spent.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetFile {
    /// How much a window allows, such as `500 USD`.
    pub limit: Option<At<Usd>>,
    /// The window: a calendar's, `total`, or `run`.
    pub per: Option<At<Said<Period>>>,
    /// Whose requests count; everybody's when absent.
    pub on: Option<At<Said<Scope>>>,
    /// What has a bucket of its own: `key`, `user`, `tag:NAME` or `run`.
    pub each: Option<At<Said<Each>>>,
    /// Where the calendar is read, such as Europe/Paris; default UTC.
    pub time_zone: Option<At<String>>,
    /// Whether it refuses; false: it only alerts. Default true.
    pub hard: Option<bool>,
    /// Whether it refuses yet; default enforce.
    pub mode: Option<At<Said<Mode>>>,
    /// What happens where a request's output has no bound or does not fit; default clamp.
    pub when_unbounded: Option<At<Said<WhenUnbounded>>>,
    /// Shares of the limit at which an alert goes out, ascending.
    pub alert_at: Option<Vec<At<Percent>>>,
}

/// Where alerts go: steps of budgets, models without a price, drift, storage.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsFile {
    /// Where each alert is sent as JSON, signed with HMAC-SHA-256.
    pub webhook: Option<At<SecretText>>,
    /// What the webhook's signature is made with: 16 characters or more.
    pub secret: Option<At<SecretText>>,
    /// An incoming webhook of Slack.
    pub slack: Option<At<SecretText>>,
}
