//! Credentials of providers that are obtained instead of given: by the AWS tools' rules, from Google,
//! from Microsoft Entra. What obtaining needs is read and checked here; nothing is asked.

use gateway::upstream::sign::jwt;
use policy::origin::BaseUrl;
use policy::renewal::{Entra, GoogleAccount, Recipe};
use policy::secret::Secret;
use serde_json::Value;

use crate::config::file::{EntraFile, GoogleFile, ProviderFile};
use crate::config::problem::Problem;
use crate::config::values::{At, SecretText};

/// Where Entra gives tokens, unless a national cloud is named.
const ENTRA: &str = "https://login.microsoftonline.com";
/// Where Google gives tokens, unless the account's file says otherwise.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";

/// What a provider's part of the file says of a credential that is obtained.
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// How it is obtained; none where that is wrong.
    Recipe(Option<Recipe>),
}

/// Reads it; where several ways are said, that is a problem.
pub(super) fn said(file: &ProviderFile, problems: &mut Vec<Problem>) -> Said {
    let places = [
        ("key", file.key.as_ref().map(|at| at.place)),
        ("keys", file.keys.as_ref().map(|at| at.place)),
        ("aws", file.aws.as_ref().map(|at| at.place)),
        ("google", file.google.as_ref().map(|at| at.place)),
        ("entra", file.entra.as_ref().map(|at| at.place)),
    ];
    let obtained = file.aws.is_some() || file.google.is_some() || file.entra.is_some();
    let mut said = places
        .iter()
        .filter_map(|(name, place)| Some((name, (*place)?)));
    if let (true, Some((first, _)), Some((second, place))) = (obtained, said.next(), said.next()) {
        let what = format!("`{first}` and `{second}` stand both");
        problems.push(Problem::at(place, what, "keep one of them"));
    }
    if let Some(aws) = &file.aws {
        let profile = aws.value.profile.clone();
        return Said::Recipe(Some(Recipe::Aws { profile }));
    }
    if let Some(google) = &file.google {
        return Said::Recipe(from_google(google, problems));
    }
    match &file.entra {
        Some(entra) => Said::Recipe(from_entra(entra, problems)),
        None => Said::Nothing,
    }
}

fn from_google(file: &At<GoogleFile>, problems: &mut Vec<Problem>) -> Option<Recipe> {
    let Some(credentials) = &file.value.credentials else {
        return Some(Recipe::GoogleMetadata);
    };
    match google_account(&credentials.value) {
        Ok(account) => Some(Recipe::GoogleAccount(account)),
        Err(why) => {
            let mend = "give the whole JSON file of the key, as `${file:/run/secrets/google.json}`";
            let what = format!("`credentials` are no key of a service account: {why}");
            problems.push(Problem::at(credentials.place, what, mend));
            None
        }
    }
}

/// Reads the key file of a service account; what is wrong never repeats it.
fn google_account(text: &SecretText) -> Result<GoogleAccount, String> {
    let json: Value =
        serde_json::from_str(text.0.reveal()).map_err(|_| "it is no JSON".to_owned())?;
    let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let must = |name: &str| field(name).ok_or_else(|| format!("it has no `{name}`"));
    let key = must("private_key")?;
    jwt::check_key(&key)?;
    let url = field("token_uri").unwrap_or_else(|| GOOGLE.to_owned());
    Ok(GoogleAccount {
        email: must("client_email")?,
        key_id: field("private_key_id").unwrap_or_default(),
        key: Secret::new(key),
        token_url: BaseUrl::parse(&url).map_err(|_| "`token_uri` is no URL")?,
    })
}

fn from_entra(file: &At<EntraFile>, problems: &mut Vec<Problem>) -> Option<Recipe> {
    let EntraFile {
        tenant,
        client_id,
        client_secret,
        authority,
    } = &file.value;
    let url = authority.as_ref().map_or(ENTRA, |url| url.value.as_str());
    let authority = BaseUrl::parse(url).map_err(|why| {
        let place = authority.as_ref().map_or(file.place, |at| at.place);
        let what = "`authority` is no base URL";
        problems.push(Problem::at(place, what, why));
    });
    let (Some(tenant), Some(client_id), Some(secret)) = (tenant, client_id, client_secret) else {
        if file.whole {
            let what = "`entra` wants `tenant`, `client_id` and `client_secret`";
            let mend = "add what is missing, from the application's page in Entra";
            problems.push(Problem::at(file.place, what, mend));
        }
        return None;
    };
    Some(Recipe::Entra(Entra {
        authority: authority.ok()?,
        tenant: tenant.clone(),
        client_id: client_id.clone(),
        client_secret: Secret::new(secret.value.0.reveal().to_owned()),
    }))
}
