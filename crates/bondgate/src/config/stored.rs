//! Providers made at run time, laid beside the file's: a row of the catalogue, what the object says
//! otherwise, and its credentials, each bound to the origin.

use std::sync::Arc;

use dialect::Dialect;
use gateway::upstream::catalog::{self, Row, Speaks, usual_auth};
use policy::origin::BaseUrl;
use policy::provider::{Auth, Paths, Provider, Quirks};
use policy::secret::ProviderKey;
use policy::snapshot::Snapshot;
use store::objects::{All, ProviderSpec, StoredProvider};

use super::resolve::place::is_plain;
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
    let wanted = spec.dialect.as_deref().map(|word| {
        Dialect::by_name(word).ok_or_else(|| format!("the dialect {word} is not built yet"))
    });
    let wanted = wanted.transpose()?;
    let speaks = row.and_then(|row| row.speaks(wanted));
    let root = match (&spec.base_url, speaks) {
        (Some(url), _) => url.clone(),
        (None, Some((speaks, _))) => root(speaks, spec)?,
        (None, None) => {
            return Err("it has no `base_url`, and no row of the catalogue has one".to_owned());
        }
    };
    let base = BaseUrl::parse(&root)?;
    let dialect = wanted.or(speaks.map(|(_, dialect)| dialect));
    let dialect = dialect.ok_or("it has no `dialect`")?;
    let auth = match spec.auth.as_deref() {
        None => {
            let at = speaks.and_then(|(speaks, _)| speaks.auth);
            let usual = at.or(row.map(|row| row.auth));
            usual.unwrap_or_else(|| usual_auth(dialect))
        }
        Some("bearer") => Auth::Bearer,
        Some("x-api-key") => Auth::Header("x-api-key"),
        Some("api-key") => Auth::Header("api-key"),
        Some("x-goog-api-key") => Auth::Header("x-goog-api-key"),
        Some("query-key") => Auth::Query("key"),
        Some("none") => Auth::None,
        Some(word) => return Err(format!("`auth` is {word}, which is not known")),
    };
    let quirks = row.map_or_else(Quirks::default, Row::differs);
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
        base_path: versioned(&base.path, dialect),
        origin: base.origin,
        dialect,
        auth,
        quirks: Quirks {
            stream_usage: spec.stream_usage.unwrap_or(quirks.stream_usage),
            ..quirks
        },
        headers: Vec::new(),
        catalogue_id: row.map_or("", |row| row.priced_as),
        residency: spec.residency.clone(),
        region: spec.region.clone(),
        paths: Paths::default(),
    })
}

/// The row's root; of its blanks an object can fill the region.
fn root(speaks: &Speaks, spec: &ProviderSpec) -> Result<String, String> {
    let region = spec.region.as_deref().filter(|region| is_plain(region));
    let value = |name: &str| region.filter(|_| name == "region").map(str::to_owned);
    catalog::fill(speaks.root, value)
        .map_err(|name| format!("{} needs `{name}`: give `base_url`", speaks.root))
}
