//! Budgets: limits on money with an owner's words for them.

use jiff::tz::TimeZone;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check;
use super::error::Invalid;
use super::file::FileObjects;
use super::object::{Kind, NoState, Object, Plain, Spec, TeamSees};
use super::rows::Facts;
use super::values::Usd;

/// What is said of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// Whose requests count: `organisation:` `team:` `key:` `user:` `provider:` `model:` and a
    /// name, or `tag:name=value`; all when absent.
    #[serde(default)]
    pub on: Option<String>,
    /// What has a bucket of its own: `key`, `user`, `tag:NAME` or `run`.
    #[serde(default)]
    pub each: Option<String>,
    /// How much a window allows.
    pub limit: Usd,
    /// The window: `minute` `hour` `day` `week` `month` `quarter` `year` `total` `run`.
    pub per: String,
    /// Where the calendar is read, such as `Europe/Paris`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Whether it refuses; else it only alerts.
    #[serde(default = "yes")]
    pub hard: bool,
    /// `enforce` or `report`.
    #[serde(default = "enforce")]
    pub mode: String,
    /// What happens where an output has no bound: `clamp` or `refuse`.
    #[serde(default = "clamp")]
    pub when_unbounded: String,
    /// Where alerts go out, such as `80%`.
    #[serde(default)]
    pub alert_at: Vec<String>,
}

/// Alerts of one budget.
const ALERTS: usize = 10;

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

fn enforce() -> String {
    Mode::Enforce.to_string()
}

fn clamp() -> String {
    WhenUnbounded::Clamp.to_string()
}

impl BudgetSpec {
    /// The limit that it is.
    ///
    /// # Errors
    /// The field that means nothing.
    pub fn limit(&self, name: &str) -> Result<Limit, Invalid> {
        let each: Option<Each> = match &self.each {
            Some(each) => Some(check::word("each", each)?),
            None => None,
        };
        let period = check::word("per", &self.per)?;
        if period == Period::Run && each != Some(Each::Run) {
            let message = "a budget for the time of a run needs `each: run`";
            return Err(Invalid::new("per", message));
        }
        if self.limit.0.0 == 0 {
            let message =
                "is nothing: every request would be refused; allow more, or revoke the key";
            return Err(Invalid::new("limit", message));
        }
        Ok(Limit {
            name: name.into(),
            scope: self.scope()?,
            each,
            resource: Resource::Money,
            amount: self.limit.0.0,
            period,
            time_zone: TimeZone::get(&self.time_zone).map_err(|_| {
                let message = "is no time zone; write one of the IANA database such as `Europe/Paris` or `UTC`";
                Invalid::new("time_zone", message)
            })?,
            hard: self.hard,
            mode: check::word("mode", &self.mode)?,
            when_unbounded: check::word("when_unbounded", &self.when_unbounded)?,
            alert_at_percent: self.alerts()?,
        })
    }

    fn scope(&self) -> Result<Scope, Invalid> {
        match &self.on {
            Some(on) => check::word("on", on),
            None => Ok(Scope::Everything),
        }
    }

    fn alerts(&self) -> Result<Vec<u8>, Invalid> {
        if self.alert_at.len() > ALERTS {
            let message = format!("has more than {ALERTS} members");
            return Err(Invalid::new("alert_at", message));
        }
        let mut alerts = Vec::with_capacity(self.alert_at.len());
        for (n, text) in self.alert_at.iter().enumerate() {
            let number = text
                .strip_suffix('%')
                .filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
            let percent: Option<u8> = number.and_then(|number| number.parse().ok());
            let percent = percent.filter(|percent| (1..=100).contains(percent));
            let wrong = || {
                Invalid::new(
                    format!("alert_at[{n}]"),
                    "is a share such as `80%`, from `1%` to `100%`",
                )
            };
            alerts.push(percent.ok_or_else(wrong)?);
        }
        alerts.sort_unstable();
        alerts.dedup();
        Ok(alerts)
    }
}

impl Spec for BudgetSpec {
    const KIND: Kind = Kind::Budget;
    const FILTERS: &'static [&'static str] = &["on", "each", "per", "mode"];
    const TEAM_SEES: TeamSees = TeamSees::Field("on", "team:");
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([("on", &self.on), ("each", &self.each)])?;
        check::text("time_zone", &self.time_zone)?;
        self.limit("").map(drop)
    }

    fn references(&self) -> Vec<(&'static str, Kind, String)> {
        let (kind, name) = match self.scope() {
            Ok(Scope::Organisation(name)) => (Kind::Organisation, name),
            Ok(Scope::Team(name)) => (Kind::Team, name),
            Ok(Scope::Key(name)) => (Kind::Key, name),
            Ok(Scope::User(name)) => (Kind::User, name),
            Ok(Scope::Everything | Scope::Tag { .. } | Scope::Provider(_) | Scope::Model(_))
            | Err(_) => return Vec::new(),
        };
        vec![("on", kind, name.to_string())]
    }

    fn state(_: &Facts) -> NoState {
        NoState {}
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.budgets
    }
}

impl Plain for BudgetSpec {}
