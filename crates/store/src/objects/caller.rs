//! Who calls: keys, teams, users, organisations, and the limits that stand at them.

use std::collections::BTreeMap;

use policy::caller::MaySet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use policy::secret::Secret;

use super::check;
use super::error::Invalid;
use super::file::FileObjects;
use super::object::{KeyState, Kind, NoState, Object, Plain, Spec, TeamSees};
use super::rows::Facts;
use super::values::{Moment, Rate, duration_ms};

/// Limits that stand at an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Requests, such as `600/min`.
    pub requests: Option<Rate>,
    /// Tokens of input and output, such as `200000/min`.
    pub tokens: Option<Rate>,
    /// Requests under way at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent: Option<u32>,
}

/// What is said of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeySpec {
    /// The team that it belongs to.
    pub team: Option<String>,
    /// The organisation, where it belongs to no team.
    pub organisation: Option<String>,
    /// The user whose it is.
    pub user: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its cost is booked.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Tags of all its requests.
    pub tags: BTreeMap<String, String>,
    /// Logical models that it may call; all that its team may when absent.
    pub models: Option<Vec<String>>,
    /// Whether it may call `provider/model` too.
    pub direct: bool,
    /// How sensitive its requests are.
    pub data_class: Option<String>,
    /// What its caller may say of a request: `user`, `tags`, `tag:NAME`, `priority`.
    pub may_set: Vec<String>,
    /// Providers whose own paths it may call.
    pub passthrough: Vec<String>,
    /// Its limits.
    pub limits: Rates,
    /// Until when it is good; for ever when absent. Requests may give `expires` instead.
    pub expires_at: Option<Moment>,
}

/// What is said of a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeamSpec {
    /// The organisation that it belongs to.
    pub organisation: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its cost is booked.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Logical models that its keys may call; all when absent.
    pub models: Option<Vec<String>>,
    /// Tags of all its requests; a key's own win.
    pub tags: BTreeMap<String, String>,
    /// Limits of all its keys together.
    pub limits: Rates,
    /// Until when its keys are good; for ever when absent. Requests may give `expires` instead.
    pub expires_at: Option<Moment>,
}

/// What is said of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserSpec {
    /// Who answers for the user.
    pub owner: Option<String>,
    /// Where the cost is booked.
    pub cost_center: Option<String>,
    /// What the user does.
    pub purpose: Option<String>,
    /// Limits of all the user's requests together.
    pub limits: Rates,
}

/// What is said of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrganisationSpec {
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its cost is booked.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Logical models that its keys may call; all when absent.
    pub models: Option<Vec<String>>,
    /// Limits of all its keys together.
    pub limits: Rates,
}

impl Rates {
    fn validate(&self) -> Result<(), Invalid> {
        match self.concurrent {
            Some(0) => Err(Invalid::new(
                "limits.concurrent",
                "is 0: nothing could be called; revoke the key or allow at least 1",
            )),
            Some(1_000_001..) => Err(Invalid::new("limits.concurrent", "is at most 1000000")),
            Some(_) | None => Ok(()),
        }
    }
}

impl KeySpec {
    /// What its caller may say of a request.
    ///
    /// # Errors
    /// The word of `may_set` that means nothing.
    pub fn may_set(&self) -> Result<MaySet, Invalid> {
        let mut may = MaySet::default();
        for (n, word) in self.may_set.iter().enumerate() {
            if !may.allow(word) {
                let message = format!("`{word}` means nothing here; write {}", MaySet::WORDS);
                return Err(Invalid::new(format!("may_set[{n}]"), message));
            }
        }
        Ok(may)
    }
}

fn references<const N: usize>(
    fields: [(&'static str, Kind, &Option<String>); N],
) -> Vec<(&'static str, Kind, String)> {
    let named = fields.into_iter();
    named
        .filter_map(|(field, kind, name)| name.clone().map(|name| (field, kind, name)))
        .collect()
}

fn models(models: &Option<Vec<String>>) -> Result<(), Invalid> {
    models
        .as_ref()
        .map_or(Ok(()), |list| check::list("models", list))
}

impl Spec for KeySpec {
    const KIND: Kind = Kind::Key;
    const FILTERS: &'static [&'static str] = &[
        "team",
        "organisation",
        "user",
        "owner",
        "cost_center",
        "data_class",
    ];
    const TEAM_SEES: TeamSees = TeamSees::Field("team", "");
    type State = KeyState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([
            ("team", &self.team),
            ("organisation", &self.organisation),
            ("user", &self.user),
            ("owner", &self.owner),
            ("cost_center", &self.cost_center),
            ("purpose", &self.purpose),
            ("data_class", &self.data_class),
        ])?;
        if self.team.is_some() && self.organisation.is_some() {
            let message = "is that of the team: leave it out where `team` is given";
            return Err(Invalid::new("organisation", message));
        }
        check::tags("tags", &self.tags)?;
        models(&self.models)?;
        check::list("may_set", &self.may_set)?;
        self.may_set()?;
        check::list("passthrough", &self.passthrough)?;
        self.limits.validate()
    }

    fn references(&self) -> Vec<(&'static str, Kind, String)> {
        references([
            ("team", Kind::Team, &self.team),
            ("organisation", Kind::Organisation, &self.organisation),
            ("user", Kind::User, &self.user),
        ])
    }

    fn state(facts: &Facts) -> KeyState {
        KeyState {
            revoked_at: facts.revoked_at_ms.map(Moment),
            previous_valid_until: facts.previous_until_ms.map(Moment),
            hint: facts.hint.clone(),
        }
    }

    fn prepare(map: &mut Map<String, Value>, now_ms: i64) -> Result<Option<Vec<Secret>>, Invalid> {
        expires(map, now_ms).map(|()| None)
    }

    fn request_fields() -> Vec<(&'static str, Value)> {
        vec![("expires", expires_schema())]
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.keys
    }
}

/// `expires`, a duration or a moment, becomes `expires_at`; either must be to come.
fn expires(map: &mut Map<String, Value>, now_ms: i64) -> Result<(), Invalid> {
    if let Some(expires) = map.remove("expires") {
        if map.contains_key("expires_at") {
            let message = "stands beside `expires_at`: give one of them";
            return Err(Invalid::new("expires", message));
        }
        map.insert("expires_at".to_owned(), moment_of(&expires, now_ms)?);
    }
    if let Some(Value::String(text)) = map.get("expires_at")
        && text.parse::<Moment>().is_ok_and(|at| at.0 <= now_ms)
    {
        let message = "is past: what is to end now is revoked or deleted";
        return Err(Invalid::new("expires_at", message));
    }
    Ok(())
}

fn expires_schema() -> Value {
    let what = "Until when it is good: a duration from now such as `90d`, or a moment.";
    json!({ "type": ["string", "null"], "description": what })
}

fn moment_of(expires: &Value, now_ms: i64) -> Result<Value, Invalid> {
    let wrong = || {
        Invalid::new(
            "expires",
            "is a duration such as `90d`, 3650d at most, or a moment such as `2026-12-31`",
        )
    };
    let text = match expires {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => text,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(wrong());
        }
    };
    let after = duration_ms(text).and_then(|ms| now_ms.checked_add(ms));
    let moment = after.map(Moment).or_else(|| text.parse().ok());
    moment
        .map(|at| Value::String(at.to_string()))
        .ok_or_else(wrong)
}

impl Spec for TeamSpec {
    const KIND: Kind = Kind::Team;
    const FILTERS: &'static [&'static str] = &["organisation", "owner", "cost_center"];
    const TEAM_SEES: TeamSees = TeamSees::Named;
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([
            ("organisation", &self.organisation),
            ("owner", &self.owner),
            ("cost_center", &self.cost_center),
            ("purpose", &self.purpose),
        ])?;
        models(&self.models)?;
        check::tags("tags", &self.tags)?;
        self.limits.validate()
    }

    fn references(&self) -> Vec<(&'static str, Kind, String)> {
        references([("organisation", Kind::Organisation, &self.organisation)])
    }

    fn state(_: &Facts) -> NoState {
        NoState {}
    }

    fn prepare(map: &mut Map<String, Value>, now_ms: i64) -> Result<Option<Vec<Secret>>, Invalid> {
        expires(map, now_ms).map(|()| None)
    }

    fn request_fields() -> Vec<(&'static str, Value)> {
        vec![("expires", expires_schema())]
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.teams
    }
}

impl Spec for UserSpec {
    const KIND: Kind = Kind::User;
    const FILTERS: &'static [&'static str] = &["owner", "cost_center"];
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([
            ("owner", &self.owner),
            ("cost_center", &self.cost_center),
            ("purpose", &self.purpose),
        ])?;
        self.limits.validate()
    }

    fn state(_: &Facts) -> NoState {
        NoState {}
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.users
    }
}

impl Spec for OrganisationSpec {
    const KIND: Kind = Kind::Organisation;
    const FILTERS: &'static [&'static str] = &["owner", "cost_center"];
    type State = NoState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([
            ("owner", &self.owner),
            ("cost_center", &self.cost_center),
            ("purpose", &self.purpose),
        ])?;
        models(&self.models)?;
        self.limits.validate()
    }

    fn state(_: &Facts) -> NoState {
        NoState {}
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.organisations
    }
}

impl Plain for TeamSpec {}
impl Plain for UserSpec {}
impl Plain for OrganisationSpec {}
