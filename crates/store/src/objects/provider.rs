//! Providers of the store. Their credentials are taken out of a request before anything else
//! reads it, sealed, and never shown.

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
    /// How a credential is shown: `bearer`, `x-api-key`, `api-key`, `x-goog-api-key`, `query-key`, `none`.
    pub auth: Option<String>,
    /// Where its data stays, in the operator's words.
    pub residency: Option<String>,
    /// Its region, where its kind has regions.
    pub region: Option<String>,
    /// Data classes that may go there; all when absent.
    pub approved_for: Option<Vec<String>>,
    /// Whether it takes `stream_options`; the row's answer when absent.
    pub stream_usage: Option<bool>,
}

/// Credentials of one provider.
const KEYS: usize = 32;
/// Ways to show a credential.
const AUTHS: [&str; 6] = [
    "bearer",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "query-key",
    "none",
];
/// Wire formats.
const DIALECTS: [&str; 6] = [
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "gemini",
    "bedrock-converse",
    "cohere",
];

impl ProviderSpec {
    /// Where its credentials may be sent: the origin of `base_url`, else the row of the
    /// catalogue that gives it, as `catalogue:openai`.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let origin = self
            .base_url
            .as_deref()
            .and_then(|url| BaseUrl::parse(url).ok());
        match origin {
            Some(base) => base.origin.to_string(),
            None => format!("catalogue:{}", self.provider.as_deref().unwrap_or(name)),
        }
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
        ])?;
        if let Some(url) = &self.base_url {
            BaseUrl::parse(url).map_err(|why| Invalid::new("base_url", why))?;
        }
        one_of("dialect", &self.dialect, &DIALECTS)?;
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
        vec![("key", one), ("keys", many)]
    }

    fn of_file(file: &FileObjects) -> &[Object<Self>] {
        &file.providers
    }
}

impl Plain for ProviderSpec {}

/// A credential that a header can carry; what it is appears in no message.
fn credential(field: &str, value: Value) -> Result<Secret, Invalid> {
    let Value::String(text) = value else {
        return Err(Invalid::new(field, "is a text"));
    };
    let secret = Secret::new(text);
    sound(field, &secret)?;
    Ok(secret)
}

/// Whether a header can carry the credential.
pub(super) fn sound(field: &str, secret: &Secret) -> Result<(), Invalid> {
    let text = secret.reveal();
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
