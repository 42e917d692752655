//! From a deployment's address and key to one of our providers; deployments that share both
//! share a provider.

use gateway::upstream::catalog;
use policy::origin::BaseUrl;

use super::super::draft::{Provider, Text};
use super::super::finding::Grade;
use super::Import;
use super::deployments::Params;
use super::secrets::reference;
use super::vendors::Vendor;

/// What LiteLLM's users write where an engine wants no key.
const NO_KEY: [&str; 8] = [
    "none",
    "None",
    "EMPTY",
    "empty",
    "not-needed",
    "no-key",
    "fake-key",
    "dummy",
];

impl<'n> Import<'n> {
    /// The name of a deployment's provider; none where it cannot be carried over, which is said.
    pub(super) fn provider(
        &mut self,
        vendor: &'static Vendor,
        params: &Params<'n>,
    ) -> Option<String> {
        let row = catalog::find(vendor.row);
        let base_url = self.base_url(vendor, params)?;
        let elsewhere = base_url.is_some();
        if vendor.row.is_empty() && !elsewhere {
            let what = format!(
                "`{}` without `api_base` has no address · add the provider by hand",
                vendor.prefix
            );
            self.say(&params.own, Grade::Manual, what);
            return None;
        }
        let headers = self.headers(params);
        let number = self
            .draft
            .providers
            .iter()
            .filter(|p| is_named(&p.name, vendor.name()))
            .count();
        let name = match number {
            0 => vendor.name().to_owned(),
            n => format!("{}-{}", vendor.name(), n + 1),
        };
        let usual = row.and_then(|row| row.key_env.first()).copied();
        let key = self.key(vendor, params, usual.filter(|_| !elsewhere));
        let provider = Provider {
            name,
            row: row.map(|row| row.name),
            base_url,
            auth: vendor.azure.then_some("api-key"),
            key,
            headers,
        };
        let same = |other: &&Provider| {
            Provider {
                name: other.name.clone(),
                ..provider.clone()
            } == **other
        };
        if let Some(known) = self.draft.providers.iter().find(same) {
            return Some(known.name.clone());
        }
        let name = provider.name.clone();
        self.draft.providers.push(provider);
        Some(name)
    }

    /// The outer `None`: it cannot be carried over; the inner: the row's own.
    fn base_url(&mut self, vendor: &Vendor, params: &Params<'n>) -> Option<Option<Text>> {
        let Some(value) = params.get("api_base").or_else(|| params.get("base_url")) else {
            return Some(None);
        };
        let text = value.text().unwrap_or_default();
        if let Some(name) = reference(text) {
            let below = if vendor.azure { "/openai/v1" } else { "" };
            let what = format!(
                "becomes `base_url: ${{{name}}}{below}`; the variable holds a URL without a slash at its end"
            );
            self.say(
                &value,
                if vendor.azure {
                    Grade::Approximate
                } else {
                    Grade::Exact
                },
                what,
            );
            return Some(Some(Text::Expression(format!("${{{name}}}{below}"))));
        }
        let trimmed = text.trim_end_matches('/');
        let Ok(base) = BaseUrl::parse(trimmed) else {
            self.say(
                &value,
                Grade::Manual,
                "is no base URL, or holds credentials or a query · add the provider by hand",
            );
            return None;
        };
        let row = catalog::find(vendor.row);
        let url = if vendor.azure {
            let host = trimmed.strip_suffix(&base.path).unwrap_or(trimmed);
            let path = base.path.split("/openai").next().unwrap_or_default();
            format!("{host}{path}/openai/v1")
        } else {
            trimmed.trim_end_matches("/chat/completions").to_owned()
        };
        if row.is_some_and(|row| row.speaks.iter().any(|speaks| speaks.root == url)) {
            self.say(
                &value,
                Grade::Exact,
                format!("is the address of `{}` anyway", vendor.row),
            );
            return Some(None);
        }
        if url == trimmed && !base.path.is_empty() {
            self.say(&value, Grade::Exact, format!("becomes `base_url: {url}`"));
        } else {
            let what = format!("becomes `base_url: {url}`; a bare host means its `/v1`");
            self.say(&value, Grade::Approximate, what);
        }
        Some(Some(Text::Literal(url)))
    }

    fn key(&mut self, vendor: &Vendor, params: &Params<'n>, usual: Option<&str>) -> Text {
        let none = Text::Literal("none".to_owned());
        let Some(value) = params.get("api_key") else {
            return match usual {
                Some(usual) => Text::variable(usual),
                None if vendor.azure => Text::variable("AZURE_API_KEY"),
                None => {
                    if params.get("api_base").is_some() && vendor.row == "openai" {
                        let what = "has no `api_key`: LiteLLM would show OPENAI_API_KEY to that address; here none is shown · give the provider a `key` where it asks for one";
                        self.say(&params.own, Grade::Manual, what);
                    }
                    none
                }
            };
        };
        let text = value.text().unwrap_or_default();
        let place = params.get("api_base").is_some() || usual.is_none();
        if text.is_empty() || (place && NO_KEY.contains(&text)) {
            self.say(&value, Grade::Exact, "becomes `key: none`");
            return none;
        }
        let wanted: String = vendor.name().to_ascii_uppercase().replace('-', "_");
        let key = self
            .secret(&value, &format!("{wanted}_KEY"))
            .unwrap_or(none);
        if let (Some(name), Text::Expression(shown)) = (reference(text), &key) {
            self.say(
                &value,
                Grade::Exact,
                format!("becomes `key: {shown}`: {name} is read where the gateway runs"),
            );
        }
        key
    }

    fn headers(&mut self, params: &Params<'n>) -> Vec<(String, Text)> {
        let mut headers = Vec::new();
        let organization = params.get("organization");
        if let Some((value, text)) =
            organization.and_then(|value| Some((value.clone(), value.text()?)))
        {
            let literal = || Text::Literal(text.to_owned());
            let text = reference(text).map_or_else(literal, Text::variable);
            headers.push(("openai-organization".to_owned(), text));
            let what = "becomes header `openai-organization` of the provider";
            self.say(&value, Grade::Exact, what);
        }
        for key in ["extra_headers", "headers"] {
            let Some(section) = params.get(key) else {
                continue;
            };
            for (name, value) in section.entries() {
                let taken = is_ours(name)
                    || headers
                        .iter()
                        .any(|(other, _)| other.eq_ignore_ascii_case(name));
                match value.text().and_then(reference) {
                    Some(variable) if !taken => {
                        headers.push((name.to_owned(), Text::variable(variable)));
                        self.say(
                            &value,
                            Grade::Exact,
                            format!("becomes header `{name}` of the provider"),
                        );
                    }
                    Some(_) | None => {
                        let what = "is not copied: it is set by the gateway, or may be a secret · add it under `headers` of the provider where it is needed";
                        self.say(&value, Grade::Manual, what);
                    }
                }
            }
        }
        headers
    }
}

/// Whether a provider is one of those that are named after a vendor.
fn is_named(name: &str, vendor: &str) -> bool {
    let rest = name.strip_prefix(vendor);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Headers that a provider's configuration may not set, and names that are none.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 15] = [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "accept-encoding",
    ];
    let lower = name.to_ascii_lowercase();
    OURS.contains(&lower.as_str())
        || lower == "upgrade"
        || lower.starts_with("x-bondgate-")
        || http::HeaderName::from_bytes(name.as_bytes()).is_err()
}
