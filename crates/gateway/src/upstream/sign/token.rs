//! Access tokens of Google and Microsoft: what is asked, and what the answer says.
//!
//! Sources: RFC 6749 sections 4.4 and 5, RFC 7523 section 2.1,
//! <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>,
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use policy::origin::BaseUrl;
use policy::renewal::{Entra, GoogleAccount, Obtained, Token};
use policy::secret::Secret;
use serde_json::Value;

use super::aws::said_short;
use super::jwt;
use crate::upstream::{Origin, Pieces};

/// What Google's models ask for.
const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// What Azure's models ask for.
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Where the metadata server tells a token of the machine's own account.
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// A request to somebody who gives credentials.
pub type Asked = (Origin, Request<Full<Pieces>>);

/// Asks for a token of a service account.
///
/// # Errors
/// Where its key cannot sign.
pub fn ask_google(account: &GoogleAccount, now_ms: i64) -> Result<Asked, String> {
    let assertion = jwt::assertion(account, GOOGLE_SCOPE, now_ms)?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
    ];
    post(&account.token_url, "", &form)
}

/// Asks the metadata server at that address for a token.
///
/// # Errors
/// Where the address makes no request.
pub fn ask_metadata(server: &BaseUrl) -> Result<Asked, String> {
    let flavor = HeaderName::from_static("metadata-flavor");
    let path = [server.path.as_str(), METADATA_PATH].concat();
    get(&server.origin, &path, &[(flavor, "Google")])
}

/// Asks for a token of an application.
///
/// # Errors
/// Where its tenant makes no path.
pub fn ask_entra(entra: &Entra) -> Result<Asked, String> {
    let tenant = utf8_percent_encode(&entra.tenant, NON_ALPHANUMERIC);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", entra.client_id.as_str()),
        ("client_secret", entra.client_secret.reveal()),
        ("scope", AZURE_SCOPE),
    ];
    post(
        &entra.authority,
        &format!("/{tenant}/oauth2/v2.0/token"),
        &form,
    )
}

/// A GET with these headers.
///
/// # Errors
/// Where path or header cannot be sent; never repeats a value.
pub(super) fn get(
    origin: &Origin,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> Result<Asked, String> {
    let mut request = Request::builder().uri(rooted(path));
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Pieces::default()));
    let request = request.map_err(|_| "its path is no path")?;
    Ok((origin.clone(), request))
}

fn post(url: &BaseUrl, below: &str, form: &[(&str, &str)]) -> Result<Asked, String> {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = Request::builder()
        .method(Method::POST)
        .uri(rooted(&[url.path.as_str(), below].concat()))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Pieces::from(bytes::Bytes::from(body))));
    let request = request.map_err(|_| "its path is no path")?;
    Ok((url.origin.clone(), request))
}

fn rooted(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Reads an answer with a token.
///
/// # Errors
/// Why there is none, in the giver's own words where it has some; never repeats a token.
pub fn told(status: u16, body: &[u8], now_ms: i64) -> Result<Obtained, String> {
    let told: Value = serde_json::from_slice(body)
        .map_err(|_| format!("the token endpoint answered {status} and no JSON"))?;
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let Some(token) = text("access_token").filter(|token| !token.is_empty()) else {
        let why = text("error_description")
            .or(text("error"))
            .unwrap_or("no reason");
        return Err(format!(
            "the token endpoint answered {status}: {}",
            said_short(why)
        ));
    };
    // Entra told seconds as text in its first version.
    let lasts_s = told
        .get("expires_in")
        .and_then(|seconds| seconds.as_i64().or_else(|| seconds.as_str()?.parse().ok()));
    let lasts_s = lasts_s.ok_or("the token endpoint does not say how long its token is good")?;
    Ok(Obtained {
        token: Token::Bearer(Secret::new(token.to_owned())),
        at_ms: now_ms,
        expires_ms: Some(now_ms.saturating_add(lasts_s.saturating_mul(1000))),
    })
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_refusal_is_told_in_the_givers_words() {
        let refusal = br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret"}"#;
        let why = told(401, refusal, 0).err().unwrap();
        assert!(why.contains("401: AADSTS7000215"), "{why}");
        let why = told(502, b"<html>", 0).err().unwrap();
        assert!(why.contains("502 and no JSON"), "{why}");
        let why = told(200, br#"{"access_token":"secret"}"#, 0).err().unwrap();
        assert!(why.contains("how long") && !why.contains("secret"), "{why}");
    }

    #[test]
    fn seconds_are_counted_from_now() {
        let body = br#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#;
        let obtained = told(200, body, 1_000).unwrap();
        assert_eq!(
            (obtained.at_ms, obtained.expires_ms),
            (1_000, Some(3_600_000))
        );
    }
}
