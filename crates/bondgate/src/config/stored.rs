//! Providers made at run time, laid beside the file's: each is read as if it stood in the file, so that
//! both mean the same, and its sealed credentials are put where the file has them.

use std::sync::Arc;

use gateway::upstream::catalog::{self, Obtains, Row};
use policy::provider::{Auth, Provider};
use policy::secret::Secret;
use policy::snapshot::Snapshot;
use store::objects::{All, ProviderSpec, StoredProvider};

use super::file::{AuthFile, AwsFile, DialectFile, EntraFile, GoogleFile, ProviderFile};
use super::problem::{Place, Problem, nearest};
use super::resolve::providers;
use super::values::{At, SecretText};

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

/// One of them.
///
/// # Errors
/// Why it cannot be used, in a sentence.
pub fn provider(stored: &StoredProvider) -> Result<Provider, String> {
    let (name, spec) = (&stored.provider.name, &stored.provider.spec);
    let sealed = stored.keys.as_ref().map_err(ToString::to_string)?;
    let row = catalog::find(spec.provider.as_deref().unwrap_or(name));
    let file = as_written(spec, row, sealed)?;
    let mut problems = Vec::new();
    let found = providers::one(name, &at(file), &mut problems);
    let mut provider = found.ok_or_else(|| told(&problems))?;
    provider.residency.clone_from(&spec.residency);
    provider.region.clone_from(&spec.region);
    Ok(provider)
}

fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|one| one.line(None)).collect();
    lines.join("; ")
}

/// A value that stands in no file.
fn at<T>(value: T) -> At<T> {
    At {
        value,
        place: Place::START,
        whole: true,
        written: true,
    }
}

fn secret(secret: &Secret) -> At<SecretText> {
    At {
        written: false,
        ..at(SecretText(Secret::new(secret.reveal().to_owned())))
    }
}

/// The object as the file would have it.
fn as_written(
    spec: &ProviderSpec,
    row: Option<&Row>,
    sealed: &[Secret],
) -> Result<ProviderFile, String> {
    let text = |value: &Option<String>| value.clone().map(at);
    let dialect = spec.dialect.as_deref().map(dialect).transpose()?;
    // A region may also only be told: it is read where something needs it.
    let regional = spec.base_url.is_some()
        || row.is_some_and(|row| row.needs("region") || matches!(row.auth, Auth::SigV4 { .. }));
    let mut file = ProviderFile {
        provider: spec.provider.clone().map(at),
        base_url: text(&spec.base_url),
        dialect,
        auth: spec.auth.as_deref().map(auth).transpose()?.map(at),
        region: text(&spec.region).filter(|_| regional),
        project: text(&spec.project),
        resource: text(&spec.resource),
        account: text(&spec.account),
        api_version: text(&spec.api_version),
        stream_usage: spec.stream_usage,
        ..ProviderFile::default()
    };
    credentials(&mut file, spec, row, sealed);
    Ok(file)
}

/// What is sealed is the keys, or what a token is asked for with.
fn credentials(file: &mut ProviderFile, spec: &ProviderSpec, row: Option<&Row>, sealed: &[Secret]) {
    if let Some(aws) = &spec.aws {
        let profile = aws.profile.clone();
        file.aws = Some(at(AwsFile { profile }));
    }
    if spec.google.is_some() {
        let credentials = sealed.first().map(secret);
        file.google = Some(at(GoogleFile { credentials }));
        return;
    }
    if let Some(entra) = &spec.entra {
        file.entra = Some(at(EntraFile {
            tenant: entra.tenant.clone(),
            client_id: entra.client_id.clone(),
            client_secret: sealed.first().map(secret),
            authority: entra.authority.clone().map(at),
        }));
        return;
    }
    if !sealed.is_empty() {
        file.keys = Some(at(sealed.iter().map(secret).collect()));
        return;
    }
    let obtains = row.is_some_and(|row| row.obtains != Obtains::Given);
    if spec.aws.is_none() && !(obtains && spec.base_url.is_none()) {
        file.key = Some(at(SecretText(Secret::new("none".to_owned()))));
    }
}

fn dialect(word: &str) -> Result<DialectFile, String> {
    let known = DialectFile::ALL.map(|one| one.dialect().name());
    let all = DialectFile::ALL.into_iter();
    let mut named = all.filter(|one| one.dialect().name() == word);
    named.next().ok_or_else(|| match nearest(word, known) {
        Some(near) => format!("there is no dialect `{word}`; did you mean `{near}`?"),
        None => format!(
            "there is no dialect `{word}`; there are `{}`",
            known.join("`, `")
        ),
    })
}

fn auth(word: &str) -> Result<AuthFile, String> {
    Ok(match word {
        "bearer" => AuthFile::Bearer,
        "x-api-key" => AuthFile::XApiKey,
        "api-key" => AuthFile::ApiKey,
        "x-goog-api-key" => AuthFile::XGoogApiKey,
        "query-key" => AuthFile::QueryKey,
        "sigv4" => AuthFile::Sigv4,
        "none" => AuthFile::None,
        word => return Err(format!("`auth` is {word}, which is not known")),
    })
}

#[cfg(test)]
mod tests {
    use dialect::Dialect;
    use policy::provider::Auth;
    use policy::secret::Secret;
    use serde_json::json;

    use super::{ProviderSpec, as_written, at, catalog, providers, told};
    use policy::provider::Provider;

    fn provider(spec: serde_json::Value, sealed: &[&str]) -> Result<Provider, String> {
        let spec: ProviderSpec = serde_json::from_value(spec).unwrap();
        let sealed: Vec<Secret> = sealed
            .iter()
            .map(|s| Secret::new((*s).to_owned()))
            .collect();
        let row = catalog::find(spec.provider.as_deref().unwrap_or("p"));
        let file = as_written(&spec, row, &sealed)?;
        let mut problems = Vec::new();
        let found = providers::one("p", &at(file), &mut problems);
        found.ok_or_else(|| told(&problems))
    }

    #[test]
    fn what_stands_in_a_file_may_stand_in_an_object() {
        let azure =
            json!({ "provider": "azure-openai", "resource": "acme", "api_version": "2024-10-21" });
        let made = provider(azure, &["a-key"]).unwrap();
        assert_eq!(made.origin.host, "acme.openai.azure.com");
        assert!(made.paths.deployments);
        assert_eq!(made.paths.query, "api-version=2024-10-21");
        let vertex = json!({ "provider": "vertex", "dialect": "anthropic-messages", "region": "us-east5",
            "project": "acme", "google": {} });
        let made = provider(vertex, &[]).unwrap();
        assert_eq!(made.base_path, "/v1/projects/acme/locations/us-east5");
        assert!(made.keys[0].renewal().is_some());
        assert_eq!(made.spoken(), dialect::Spoken::VERTEX_PREDICT);
        let entra = json!({ "provider": "azure-openai", "resource": "acme",
            "entra": { "tenant": "t", "client_id": "c" } });
        let made = provider(entra, &["the-secret"]).unwrap();
        assert_eq!(made.auth, Auth::Bearer);
        let bedrock =
            json!({ "provider": "bedrock", "region": "eu-west-1", "aws": { "profile": "x" } });
        let made = provider(bedrock, &[]).unwrap();
        assert_eq!(made.dialect, Dialect::BedrockConverse);
        assert!(matches!(made.auth, Auth::SigV4 { .. }));
    }

    #[test]
    fn what_is_wrong_with_an_object_is_told_with_what_is_near() {
        let spec = json!({ "base_url": "https://api.example", "dialect": "openai-chatt" });
        let why = provider(spec, &[]).err().unwrap();
        assert!(why.contains("did you mean `openai-chat`?"), "{why}");
        let spec = json!({ "provider": "azure-openai" });
        let why = provider(spec, &["k"]).err().unwrap();
        assert!(why.contains("`resource`"), "{why}");
        let spec = json!({ "base_url": "https://api.example", "dialect": "gemini", "google": {} });
        let why = provider(spec, &["{}"]).err().unwrap();
        assert!(why.contains("private_key"), "{why}");
    }
}
