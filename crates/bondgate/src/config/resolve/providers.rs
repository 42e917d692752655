//! Providers: a row of the catalogue, what the file says otherwise, and the credentials.
//!
//! Every credential is bound to the origin of its provider here. A problem never repeats
//! a credential, nor a URL that could hold one.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialect::{Dialect, Spoken};
use gateway::upstream::catalog::{self, Obtains, Row};
use http::{HeaderName, HeaderValue};
use policy::origin::Origin;
use policy::provider::{Auth, Provider, Quirks};
use policy::renewal::Recipe;
use policy::secret::{ProviderKey, Secret};

use super::obtained::{self, Said};
use super::place::{self, Place};
use crate::config::file::{AuthFile, ProviderFile};
use crate::config::problem::{Problem, nearest};
use crate::config::values::{At, SecretText};

/// Headers that the gateway itself sets, or that belong to one connection.
const NOT_OURS_TO_SET: [&str; 11] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "accept-encoding",
];
/// Headers that show a credential.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
];

/// Providers by name; those that are named and wrong are known without a value.
pub struct Providers(BTreeMap<String, Option<Arc<Provider>>>);

impl Providers {
    /// The provider of that name; the inner `None` where something is wrong with it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<&Arc<Provider>>> {
        self.0.get(name).map(Option::as_ref)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those with which nothing is wrong.
    #[must_use]
    pub fn resolved(self) -> BTreeMap<String, Arc<Provider>> {
        let whole = |(name, provider): (String, Option<Arc<Provider>>)| Some((name, provider?));
        self.0.into_iter().filter_map(whole).collect()
    }
}

/// A path as a base URL means it: a bare host stands for the root that is usual for the dialect.
#[must_use]
pub fn versioned(path: &str, spoken: Spoken) -> String {
    if path.is_empty() {
        catalog::usual_root(spoken).to_owned()
    } else {
        path.to_owned()
    }
}

/// Resolves all providers.
pub fn resolve(
    files: &BTreeMap<String, At<ProviderFile>>,
    problems: &mut Vec<Problem>,
) -> Providers {
    let resolved = files.iter().map(|(name, file)| {
        // A provider with a problem in its own part may still be named by targets.
        (name.clone(), one(name, file, problems).map(Arc::new))
    });
    Providers(resolved.collect())
}

/// Resolves one; none where something is wrong with it, which is said.
pub fn one(name: &str, file: &At<ProviderFile>, problems: &mut Vec<Problem>) -> Option<Provider> {
    let before = problems.len();
    let mut one = One {
        name,
        file,
        problems,
    };
    let provider = one.provider();
    provider.filter(|_| problems.len() == before)
}

struct One<'a> {
    name: &'a str,
    file: &'a At<ProviderFile>,
    problems: &'a mut Vec<Problem>,
}

impl One<'_> {
    fn problem(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        if self.file.whole {
            self.problems.push(Problem::at(self.file.place, what, mend));
        }
    }

    fn provider(&mut self) -> Option<Provider> {
        let file = &self.file.value;
        if self.name.contains('/') {
            let what = format!("the provider's name `{}` holds a slash", self.name);
            self.problem(what, "targets are `provider/model`: choose a name without");
        }
        let row = self.row();
        if row.is_none() && file.provider.is_none() && file.base_url.is_none() {
            self.unknown_vendor();
        }
        let place = place::find(self.name, self.file, row, self.problems);
        let headers = self.headers();
        let Place {
            base,
            dialect,
            auth,
            paths,
        } = place?;
        let auth = self.auth(auth, dialect);
        let keys = self.keys(row, &base.origin);
        let auth = self.signable(auth, &keys);
        let usual = row.map_or_else(Quirks::default, Row::differs);
        Some(Provider {
            name: self.name.to_owned(),
            origin: base.origin,
            base_path: base.path,
            dialect,
            auth: if keys.is_empty() { Auth::None } else { auth },
            keys,
            quirks: Quirks {
                stream_usage: file.stream_usage.unwrap_or(usual.stream_usage),
                ..usual
            },
            headers,
            catalogue_id: row.map_or("", |row| row.priced_as),
            residency: None,
            region: self.file.value.region.as_ref().map(|at| at.value.clone()),
            paths,
        })
    }

    fn row(&mut self) -> Option<&'static Row> {
        let Some(named) = &self.file.value.provider else {
            return catalog::find(self.name);
        };
        let row = catalog::find(&named.value);
        if row.is_none() {
            let near = nearest(&named.value, catalog::ROWS.iter().map(|row| row.name));
            let mend = near.map_or_else(
                || "leave it out and give `base_url` and `dialect`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let what = format!("the catalogue knows no provider {}", named.shown());
            self.problems.push(Problem::at(named.place, what, mend));
        }
        row
    }

    fn unknown_vendor(&mut self) {
        if catalog::find(self.name).is_some() {
            return;
        }
        let near = nearest(self.name, catalog::ROWS.iter().map(|row| row.name));
        let mend = near.map_or_else(
            || {
                "give `base_url` and `dialect`, or `provider:` with a name of the catalogue"
                    .to_owned()
            },
            |near| format!("did you mean `{near}`? Else give `base_url` and `dialect`"),
        );
        let what = format!("the catalogue knows no provider `{}`", self.name);
        self.problem(what, mend);
    }

    fn auth(&mut self, usual: Option<Auth>, dialect: Dialect) -> Auth {
        let Some(written) = &self.file.value.auth else {
            let file = &self.file.value;
            if file.aws.is_some() {
                return catalog::BEDROCK_SIGNED;
            }
            if file.google.is_some() || file.entra.is_some() {
                return Auth::Bearer;
            }
            return usual.unwrap_or_else(|| catalog::usual_auth(dialect));
        };
        match written.value {
            AuthFile::Bearer => Auth::Bearer,
            AuthFile::XApiKey => Auth::Header("x-api-key"),
            AuthFile::ApiKey => Auth::Header("api-key"),
            AuthFile::XGoogApiKey => Auth::Header("x-goog-api-key"),
            AuthFile::QueryKey => Auth::Query("key"),
            AuthFile::Sigv4 => catalog::BEDROCK_SIGNED,
            AuthFile::None => {
                let shows = |key: &At<SecretText>| key.value.0.reveal() != "none";
                if self.file.value.key.as_ref().is_some_and(shows) || self.file.value.keys.is_some()
                {
                    let what = "`auth: none` with a key: the key would never be shown";
                    self.problems
                        .push(Problem::at(written.place, what, "leave one of them out"));
                }
                Auth::None
            }
        }
    }

    fn keys(&mut self, row: Option<&Row>, origin: &Origin) -> Vec<Arc<ProviderKey>> {
        let file = &self.file.value;
        match obtained::said(file, self.problems) {
            Said::Recipe(recipe) => {
                let name = self.name.to_owned();
                let key = recipe.map(|recipe| ProviderKey::renewed(name, recipe, origin.clone()));
                return key.map(Arc::new).into_iter().collect();
            }
            Said::Nothing => {}
        }
        if let (Some(_), Some(several)) = (&file.key, &file.keys) {
            let what = "`key` and `keys` stand both";
            self.problems
                .push(Problem::at(several.place, what, "keep one of them"));
        }
        if let Some(several) = &file.keys {
            if several.value.is_empty() && several.whole {
                let mend = "list one, or write `key: none`";
                self.problems
                    .push(Problem::at(several.place, "`keys` is empty", mend));
            }
            let bound = several.value.iter().enumerate().filter_map(|(n, secret)| {
                self.key(secret, format!("{}-{}", self.name, n + 1), origin)
            });
            return bound.collect();
        }
        match &file.key {
            Some(secret) if secret.value.0.reveal() == "none" => Vec::new(),
            Some(secret) => self
                .key(secret, self.name.to_owned(), origin)
                .into_iter()
                .collect(),
            None => {
                if let Some(recipe) = self.usual_recipe(row) {
                    let name = self.name.to_owned();
                    return vec![Arc::new(ProviderKey::renewed(name, recipe, origin.clone()))];
                }
                self.missing_key(row);
                Vec::new()
            }
        }
    }

    /// How the row's credential is obtained where the file gives none, at the row's own place.
    fn usual_recipe(&self, row: Option<&Row>) -> Option<Recipe> {
        let file = &self.file.value;
        let none = file
            .auth
            .as_ref()
            .is_some_and(|auth| auth.value == AuthFile::None);
        let row = row.filter(|_| file.base_url.is_none() && !none)?;
        match row.obtains {
            Obtains::Given => None,
            Obtains::Aws => Some(Recipe::Aws { profile: None }),
            Obtains::Google => Some(Recipe::GoogleMetadata),
        }
    }

    /// A signature names a region; a key that is given is no key to sign with, but a bearer token.
    fn signable(&mut self, auth: Auth, keys: &[Arc<ProviderKey>]) -> Auth {
        if !matches!(auth, Auth::SigV4 { .. }) {
            return auth;
        }
        if keys.iter().all(|key| key.renewal().is_none()) {
            return Auth::Bearer;
        }
        if self.file.value.region.is_none() {
            let what = format!(
                "provider `{}` signs its requests and names no region",
                self.name
            );
            self.problem(what, "add `region:`, such as `region: eu-west-1`");
        }
        auth
    }

    fn missing_key(&mut self, row: Option<&Row>) {
        let asks_for_none =
            matches!(&self.file.value.auth, Some(auth) if auth.value == AuthFile::None);
        let elsewhere = self.file.value.base_url.is_some();
        let usual = row.and_then(|row| row.key_env.first());
        if let Some(variable) = usual.filter(|_| !asks_for_none && !elsewhere) {
            self.problem(
                format!("provider `{}` has no key", self.name),
                format!("add `key: \"${{{variable}}}\"`, or `key: none`"),
            );
        }
    }

    fn key(
        &mut self,
        written: &At<SecretText>,
        name: String,
        origin: &Origin,
    ) -> Option<Arc<ProviderKey>> {
        let secret = written.value.0.reveal();
        let wrong = if secret.is_empty() {
            "is empty"
        } else if !secret.bytes().all(|b| b.is_ascii_graphic()) {
            "holds a space, a line end or a character that no header can carry"
        } else {
            let secret = Secret::new(secret.to_owned());
            return Some(Arc::new(ProviderKey::new(name, secret, origin.clone())));
        };
        let what = format!("the key of provider `{}` {wrong}", self.name);
        let mend = "give it as the provider shows it, or `key: none`";
        self.problems.push(Problem::at(written.place, what, mend));
        None
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (name, value) in self.file.value.headers.iter().flatten() {
            let lower = name.to_ascii_lowercase();
            let wrong = if HeaderName::from_bytes(name.as_bytes()).is_err() {
                Some(("is no name of a header", "use letters, digits and `-`"))
            } else if CREDENTIALS.contains(&lower.as_str()) {
                Some((
                    "shows a credential",
                    "give it as `key`, with `auth` for the header",
                ))
            } else if NOT_OURS_TO_SET.contains(&lower.as_str()) || lower.starts_with("x-bondgate-")
            {
                Some(("is set by the gateway itself", "leave it out"))
            } else if HeaderValue::from_str(&value.value).is_err() {
                Some((
                    "has a value that no header can carry",
                    "use one line of plain text",
                ))
            } else {
                None
            };
            if let Some((wrong, mend)) = wrong {
                self.problems.push(Problem::at(
                    value.place,
                    format!("header `{name}` {wrong}"),
                    mend,
                ));
            } else {
                headers.push((lower, value.value.clone()));
            }
        }
        headers
    }
}
