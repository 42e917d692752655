//! Providers of the store. Their credentials are taken out of a request before anything else
//! reads it, sealed, and never shown.

use dialect::Dialect;
use policy::origin::BaseUrl;
use policy::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::check;
use super::error::Invalid;
use super::file::FileObjects;
use super::object::{Kind, Object, Plain, ProviderState, Spec};
use super::rows::Facts;

/// What is said of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSpec {
    /// Row of the catalogue; the provider's own name when absent.
    pub provider: Option<String>,
    /// Where it is; the row's when absent.
    pub base_url: Option<String>,
    /// What it speaks, such as `openai-chat`; the row's when absent.
    pub dialect: Option<String>,
    /// How a credential is shown: `bearer`, `x-api-key`, `api-key`, `x-goog-api-key`, `query-key`, `sigv4`, `none`.
    pub auth: Option<String>,
    /// Where its data stays, in the operator's words.
    pub residency: Option<String>,
    /// Its region, where its kind has regions.
    pub region: Option<String>,
    /// Its project, where its root names one.
    pub project: Option<String>,
    /// Its resource, where its host names one.
    pub resource: Option<String>,
    /// Its account, where its root names one.
    pub account: Option<String>,
    /// Azure's version of the API, such as `2024-10-21`.
    pub api_version: Option<String>,
    /// Shows the credentials that the AWS tools find.
    pub aws: Option<AwsSpec>,
    /// Shows access tokens of Google.
    pub google: Option<GoogleSpec>,
    /// Shows access tokens of Microsoft Entra.
    pub entra: Option<EntraSpec>,
    /// Data classes that may go there; all when absent.
    pub approved_for: Option<Vec<String>>,
    /// Whether it takes `stream_options`; the row's answer when absent.
    pub stream_usage: Option<bool>,
}

/// Credentials that the AWS tools find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct AwsSpec {
    /// Profile of the shared credentials file.
    pub profile: Option<String>,
}

/// Access tokens of Google: of the service account whose key file is sealed, else of the machine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct GoogleSpec {}

/// Access tokens of Microsoft Entra, for an application whose secret is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct EntraSpec {
    /// The directory: its id or one of its domains.
    pub tenant: Option<String>,
    /// The application's id.
    pub client_id: Option<String>,
    /// Where tokens are given; Microsoft's own when absent.
    pub authority: Option<String>,
}

/// Credentials of one provider.
const KEYS: usize = 32;
/// Bytes of a key file.
const KEY_FILE: usize = 16 << 10;
/// Ways to show a credential.
const AUTHS: [&str; 7] = [
    "bearer",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "query-key",
    "sigv4",
    "none",
];

impl ProviderSpec {
    /// What its credentials are, and where they may be sent: the origin of `base_url`, else the row
    /// of the catalogue that gives it, as `catalogue:openai`, with what fills its root.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let origin = self
            .base_url
            .as_deref()
            .and_then(|url| BaseUrl::parse(url).ok());
        let mut place = match origin {
            Some(base) => base.origin.to_string(),
            None => format!("catalogue:{}", self.provider.as_deref().unwrap_or(name)),
        };
        let filled = [
            ("project", &self.project),
            ("resource", &self.resource),
            ("account", &self.account),
        ];
        for (name, value) in filled {
            if let Some(value) = value {
                place.push_str(&format!(" {name}={value}"));
            }
        }
        if self.google.is_some() {
            place.push_str(" by google");
        }
        if let Some(entra) = &self.entra {
            let of = |part: &Option<String>| part.clone().unwrap_or_default();
            let (tenant, client) = (of(&entra.tenant), of(&entra.client_id));
            let authority = of(&entra.authority);
            place.push_str(&format!(" by entra {tenant} {client} {authority}"));
        }
        place
    }
}

impl Spec for ProviderSpec {
    const KIND: Kind = Kind::Provider;
    const FILTERS: &'static [&'static str] = &["provider", "dialect", "residency", "region"];
    type State = ProviderState;

    fn validate(&self) -> Result<(), Invalid> {
        check::texts([
            ("provider", &self.provider),
            ("base_url", &self.base_url),
            ("residency", &self.residency),
            ("region", &self.region),
            ("project", &self.project),
            ("resource", &self.resource),
            ("account", &self.account),
            ("api_version", &self.api_version),
        ])?;
        self.obtained_once()?;
        if let Some(url) = &self.base_url {
            BaseUrl::parse(url).map_err(|why| Invalid::new("base_url", why))?;
        }
        let dialects = Dialect::ALL.map(Dialect::name);
        one_of("dialect", &self.dialect, &dialects)?;
        one_of("auth", &self.auth, &AUTHS)?;
        self.approved_for
            .as_ref()
            .map_or(Ok(()), |list| check::list("approved_for", list))
    }

    fn credentials_for(&self, name: &str) -> Option<String> {
        Some(self.place(name))
    }

    fn state(facts: &Facts) -> ProviderState {
        ProviderState {
            stored_keys: facts.sealed_keys,
        }
    }

    fn prepare(map: &mut Map<String, Value>, _: i64) -> Result<Option<Vec<Secret>>, Invalid> {
        if let Some(secret) = obtaining(map)? {
            return Ok(Some(vec![secret]));
        }
        let said = |name: &&str| map.get(*name).is_some_and(|value| !value.is_null());
        let way = ["aws", "google", "entra"].into_iter().find(|way| said(way));
        if let (Some(way), Some(key)) = (way, ["key", "keys"].into_iter().find(|key| said(key))) {
            let message = format!("stands beside `{way}`: give one of them");
            return Err(Invalid::new(key, message));
        }
        match (map.remove("key"), map.remove("keys")) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Invalid::new(
                "key",
                "stands beside `keys`: give one of them",
            )),
            (Some(Value::Null), None) | (None, Some(Value::Null)) => Ok(Some(Vec::new())),
            (Some(key), None) => credential("key", key).map(|key| Some(vec![key])),
            (None, Some(Value::Array(keys))) if keys.len() <= KEYS => {
                let keys = keys.into_iter().enumerate();
                keys.map(|(n, key)| credential(&format!("keys[{n}]"), key))
                    .collect::<Result<_, _>>()
                    .map(Some)
            }
            (None, Some(_)) => {
                let message = format!("is a list of credentials, {KEYS} at most");
                Err(Invalid::new("keys", message))
            }
        }
    }

    fn request_fields() -> Vec<(&'static str, Value)> {
        let one = json!({ "type": ["string", "null"], "writeOnly": true,
            "description": "Its credential: stored sealed, never shown again. Replaces all there are." });
        let many = json!({ "type": ["array", "null"], "items": { "type": "string" }, "writeOnly": true,
            "description": "Several credentials, used in turn. They replace all there are." });
        vec![
            ("key", one),
            ("keys", many),
            (
                "google",
                within(
                    "credentials",
                    "Key file of a service account: stored sealed, never shown again.",
                    &schemars::schema_for!(GoogleSpec),
                ),
            ),
            (
                "entra",
                within(
                    "client_secret",
                    "The application's secret: stored sealed, never shown again.",
                    &schemars::schema_for!(EntraSpec),
                ),
            ),
        ]
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.providers
    }
}

impl Plain for ProviderSpec {}

impl ProviderSpec {
    /// Several ways to obtain a credential cannot stand side by side.
    fn obtained_once(&self) -> Result<(), Invalid> {
        let ways = [
            ("aws", self.aws.is_some()),
            ("google", self.google.is_some()),
            ("entra", self.entra.is_some()),
        ];
        let mut said = ways.iter().filter(|(_, said)| *said);
        match (said.next(), said.next()) {
            (Some((first, _)), Some((second, _))) => {
                let message = format!("stands beside `{first}`: give one of them");
                Err(Invalid::new(*second, message))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

/// Takes out what a token is asked for with: the key file of a service account, an application's secret.
fn obtaining(map: &mut Map<String, Value>) -> Result<Option<Secret>, Invalid> {
    let mut found: Option<Secret> = None;
    for (way, member) in [("google", "credentials"), ("entra", "client_secret")] {
        let Some(Value::Object(said)) = map.get_mut(way) else {
            continue;
        };
        let Some(value) = said.remove(member) else {
            continue;
        };
        let field = format!("{way}.{member}");
        let text = match value {
            Value::String(text) => text,
            // The key file as it is, instead of its text.
            Value::Object(file) if way == "google" => Value::Object(file).to_string(),
            Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_) => return Err(Invalid::new(field, "is a text")),
        };
        let secret = Secret::new(text);
        sound(&field, &secret)?;
        let beside = ["key", "keys"].iter().find(|name| map.contains_key(**name));
        if found.is_some() || beside.is_some() {
            let message = "stands beside another credential: give one of them";
            return Err(Invalid::new(field, message));
        }
        found = Some(secret);
    }
    Ok(found)
}

/// The schema of a part of the object with a member that only requests have.
fn within(member: &str, what: &str, schema: &schemars::Schema) -> Value {
    let own = json!({ "type": ["string", "null"], "writeOnly": true, "description": what });
    let mut properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) | None => Map::new(),
    };
    properties.insert(member.to_owned(), own);
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "description": schema.get("description"),
        "properties": properties,
    })
}

/// A credential that a header can carry; what it is appears in no message.
fn credential(field: &str, value: Value) -> Result<Secret, Invalid> {
    let Value::String(text) = value else {
        return Err(Invalid::new(field, "is a text"));
    };
    let secret = Secret::new(text);
    sound(field, &secret)?;
    Ok(secret)
}

/// Whether a header can carry the credential, or it is a key file in JSON, which none will.
pub(super) fn sound(field: &str, secret: &Secret) -> Result<(), Invalid> {
    let text = secret.reveal();
    let file = text.trim_start().starts_with('{') && text.len() <= KEY_FILE;
    if file && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Ok(());
    }
    let bounded = (1..=4096).contains(&text.len());
    if bounded && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let message = "a credential has 1 to 4096 visible ASCII characters and no spaces";
    Err(Invalid::new(field, message))
}

fn one_of(field: &str, value: &Option<String>, words: &[&str]) -> Result<(), Invalid> {
    match value {
        Some(value) if !words.contains(&value.as_str()) => {
            let words = words.join("`, `");
            Err(Invalid::new(field, format!("is one of `{words}`")))
        }
        Some(_) | None => Ok(()),
    }
}
