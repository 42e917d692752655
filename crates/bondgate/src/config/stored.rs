//! Providers made at run time, laid beside the file's: a row of the catalogue, what the object says
//! otherwise, and its credentials, each bound to the origin.

use std::sync::Arc;

use dialect::Dialect;
use gateway::upstream::catalog::{self, usual_auth};
use policy::origin::BaseUrl;
use policy::provider::{Auth, Paths, Provider, Quirks};
use policy::secret::ProviderKey;
use policy::snapshot::Snapshot;
use store::objects::{All, StoredProvider};

use super::resolve::providers::versioned;

/// Adds them; what the file has stays. One that cannot be used is told and left out.
pub fn providers(all: &All, snapshot: &mut Snapshot, tell: &mut dyn FnMut(String)) {
    for stored in &all.providers {
        let name = &stored.provider.name;
        match provider(stored) {
            Ok(provider) => {
                let entry = snapshot.providers.entry(name.clone());
                entry.or_insert_with(|| Arc::new(provider));
            }
            Err(why) => tell(format!(
                "the provider `{name}` made at run time is not used: {why}"
            )),
        }
    }
}

fn provider(stored: &StoredProvider) -> Result<Provider, String> {
    let (name, spec) = (&stored.provider.name, &stored.provider.spec);
    let row = catalog::find(spec.provider.as_deref().unwrap_or(name));
    let base = spec.base_url.as_deref().or(row.map(|row| row.base_url));
    let base = base.ok_or("it has no `base_url`, and its name is no row of the catalogue")?;
    let base = BaseUrl::parse(base).map_err(|error| error.to_string())?;
    let dialect = match &spec.dialect {
        None => row.map(|row| row.dialect).ok_or("it has no `dialect`")?,
        Some(word) => {
            Dialect::by_name(word).ok_or_else(|| format!("the dialect {word} is not built yet"))?
        }
    };
    let auth = match spec.auth.as_deref() {
        None => row.map_or_else(|| usual_auth(dialect), |row| row.auth),
        Some("bearer") => Auth::Bearer,
        Some("x-api-key") => Auth::Header("x-api-key"),
        Some("api-key") => Auth::Header("api-key"),
        Some("x-goog-api-key") => Auth::Header("x-goog-api-key"),
        Some("query-key") => Auth::Query("key"),
        Some("none") => Auth::None,
        Some(word) => return Err(format!("`auth` is {word}, which is not known")),
    };
    let quirks = row.map_or_else(Quirks::default, |row| row.quirks);
    let secrets = stored.keys.as_ref().map_err(ToString::to_string)?;
    let keys = secrets.iter().enumerate().map(|(n, secret)| {
        let secret = policy::secret::Secret::new(secret.reveal().to_owned());
        Arc::new(ProviderKey::new(
            format!("{name}-{}", n + 1),
            secret,
            base.origin.clone(),
        ))
    });
    Ok(Provider {
        keys: keys.collect(),
        name: name.clone(),
        base_path: versioned(&base.path),
        origin: base.origin,
        dialect,
        auth,
        quirks: Quirks {
            stream_usage: spec.stream_usage.unwrap_or(quirks.stream_usage),
        },
        headers: Vec::new(),
        catalogue_id: row.map_or("", |row| row.name),
        residency: spec.residency.clone(),
        region: spec.region.clone(),
        paths: Paths::default(),
    })
}
