//! What all objects have: an id, a name, where they are from, who made and changed them.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use policy::secret::Secret;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Invalid;
use super::file::FileObjects;
use super::rows::Facts;
use super::values::Moment;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A virtual key.
    Key,
    /// A team.
    Team,
    /// A user.
    User,
    /// An organisation.
    Organisation,
    /// A budget.
    Budget,
    /// A provider.
    Provider,
    /// A row of prices.
    Price,
}

impl Kind {
    /// The word in records and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Key => "key",
            Kind::Team => "team",
            Kind::User => "user",
            Kind::Organisation => "organisation",
            Kind::Budget => "budget",
            Kind::Provider => "provider",
            Kind::Price => "price",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an object is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Source {
    /// The configuration's file: read-only here.
    File,
    /// The store.
    Store,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::File => "configuration's file",
            Source::Store => "store",
        })
    }
}

/// An object and what the store knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(bound = "S: Spec")]
#[schemars(bound = "S: Spec")]
pub struct Object<S: Spec> {
    /// A ULID; of objects of the file, `file:` and their name.
    pub id: String,
    /// Its name, unique among its kind.
    pub name: String,
    /// Where it is from.
    pub source: Source,
    /// When it was made; absent for objects of the file.
    pub created_at: Option<Moment>,
    /// Who made it.
    pub created_by: Option<String>,
    /// When it was changed last.
    pub changed_at: Option<Moment>,
    /// Who changed it last.
    pub changed_by: Option<String>,
    /// What is said of it.
    #[serde(flatten)]
    pub spec: S,
    /// What became of it.
    #[serde(flatten)]
    pub state: S::State,
}

/// What may be said of one kind of object.
pub trait Spec: Clone + Debug + PartialEq + Serialize + DeserializeOwned + JsonSchema {
    /// Which kind.
    const KIND: Kind;
    /// Fields that lists can be filtered by.
    const FILTERS: &'static [&'static str];
    /// What of it a viewer of one team sees.
    const TEAM_SEES: TeamSees = TeamSees::Nothing;

    /// What the store knows beyond what is said.
    type State: Clone + Debug + Default + PartialEq + Serialize + JsonSchema;

    /// Whether all that is said of it can be meant, looking at nothing else.
    ///
    /// # Errors
    /// The first field that cannot.
    fn validate(&self) -> Result<(), Invalid>;

    /// What it refers to: the field, and the kind and name that stand there.
    fn references(&self) -> Vec<(&'static str, Kind, String)> {
        Vec::new()
    }

    /// Where stored credentials of an object of that name may be sent, for kinds that have any.
    fn credentials_for(&self, _name: &str) -> Option<String> {
        None
    }

    /// What became of it.
    fn state(facts: &Facts) -> Self::State;

    /// Those of the kind that the configuration's file has, in the order of their names.
    fn of_file(file: &FileObjects) -> &[Object<Self>];

    /// Turns what requests may say otherwise into the fields of the type, and takes secrets out.
    ///
    /// # Errors
    /// The field that cannot be.
    fn prepare(_: &mut Map<String, Value>, _now_ms: i64) -> Result<Option<Vec<Secret>>, Invalid> {
        Ok(None)
    }

    /// Fields that requests may have and objects have not: name and schema.
    fn request_fields() -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// Kinds that are made without a secret that is shown.
pub trait Plain: Spec {}

/// What a viewer of one team sees of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeamSees {
    /// Nothing.
    Nothing,
    /// The one that has the team's name.
    Named,
    /// Those whose field is that prefix and the team's name.
    Field(&'static str, &'static str),
}

impl TeamSees {
    /// Whether an object of that name and those fields is the team's.
    pub(super) fn shows(self, team: &str, name: &str, fields: &Value) -> bool {
        match self {
            TeamSees::Nothing => false,
            TeamSees::Named => name == team,
            TeamSees::Field(field, prefix) => fields
                .get(field)
                .and_then(Value::as_str)
                .and_then(|value| value.strip_prefix(prefix))
                .is_some_and(|rest| rest == team),
        }
    }
}

/// Nothing beyond what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoState {}

/// What became of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyState {
    /// Since when it is refused for good.
    pub revoked_at: Option<Moment>,
    /// Until when the secret before the last rotation is good too.
    pub previous_valid_until: Option<Moment>,
    /// The last four characters of its secret.
    pub hint: Option<String>,
}

/// What the store holds for a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProviderState {
    /// Sealed credentials; they are never shown.
    pub stored_keys: u32,
}

impl<S: Spec> Object<S> {
    /// An object of the configuration's file.
    #[must_use]
    pub fn of_file(name: &str, spec: S) -> Self {
        Self {
            id: format!("file:{name}"),
            name: name.to_owned(),
            source: Source::File,
            created_at: None,
            created_by: None,
            changed_at: None,
            changed_by: None,
            spec,
            state: S::State::default(),
        }
    }

    /// Its fields as JSON, for records and filters; never a secret.
    pub(super) fn fields(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// How it is called in messages.
    pub(super) fn called(kind: Kind, name: &str) -> Cow<'static, str> {
        Cow::Owned(format!("{kind} `{name}`"))
    }
}
