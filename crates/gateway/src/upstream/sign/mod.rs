//! How a provider is shown that a request is ours.
//!
//! [`show`] is on the road and only reads what is at hand: a given key, or one that [`renew`] keeps
//! fresh beside the road. Every credential goes to the origin that it is bound to and no other.
//! What signatures, assertions and answers look like is in pure parts: [`sigv4`], [`jwt`], [`aws`],
//! [`token`].

pub mod aws;
mod fetch;
pub mod jwt;
pub mod renew;
pub mod sigv4;
pub mod token;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use policy::provider::{Auth, Provider};
use policy::renewal::{AwsKeys, Token};
use policy::secret::ProviderKey;

use self::sigv4::{Scope, Signable};
use super::Pieces;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Shows `key` to its provider in the head of a request that is whole otherwise.
///
/// # Errors
/// Why it cannot be shown, as a clause that a client may read.
pub fn show(
    head: &mut Parts,
    body: &Pieces,
    (provider, key): (&Provider, &ProviderKey),
    now_ms: i64,
) -> Result<(), String> {
    if provider.auth == Auth::None {
        return Ok(());
    }
    if let Some(secret) = key.reveal_for(&provider.origin) {
        return show_secret(head, provider.auth, secret);
    }
    let renewal = key
        .renewal_for(&provider.origin)
        .ok_or("its key belongs to another origin")?;
    let obtained = renewal.at_hand(now_ms)?;
    match (&obtained.token, provider.auth) {
        (Token::Bearer(secret), _) => show_secret(head, Auth::Bearer, secret.reveal()),
        (Token::Aws(keys), Auth::SigV4 { service }) => {
            let region = provider.region.as_deref().unwrap_or_default();
            let scope = Scope { region, service };
            sign(head, body, (provider, keys), (scope, now_ms))
        }
        (Token::Aws(_), Auth::Bearer | Auth::Header(_) | Auth::Query(_) | Auth::None) => {
            Err("its credential is for signing, and it takes no signature".to_owned())
        }
    }
}

fn show_secret(head: &mut Parts, auth: Auth, secret: &str) -> Result<(), String> {
    let (name, prefix) = match auth {
        Auth::None => return Ok(()),
        Auth::Query(name) => return show_in_query(head, name, secret),
        // A key that is given where requests are usually signed is a bearer token.
        Auth::Bearer | Auth::SigV4 { .. } => (AUTHORIZATION, "Bearer "),
        Auth::Header(name) => (HeaderName::from_static(name), ""),
    };
    head.headers
        .insert(name, hidden(&[prefix, secret].concat())?);
    Ok(())
}

fn show_in_query(head: &mut Parts, name: &str, secret: &str) -> Result<(), String> {
    let separator = if head.uri.query().is_some() { '&' } else { '?' };
    let secret = utf8_percent_encode(secret, NON_ALPHANUMERIC);
    let uri = format!("{}{separator}{name}={secret}", head.uri);
    head.uri = Uri::try_from(uri).map_err(|_| "its key cannot stand in a query")?;
    Ok(())
}

fn sign(
    head: &mut Parts,
    body: &Pieces,
    (provider, keys): (&Provider, &AwsKeys),
    (scope, now_ms): (Scope<'_>, i64),
) -> Result<(), String> {
    let host = provider.origin.authority();
    let kind = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let signed = sigv4::sign(
        &Signable {
            method: head.method.as_str(),
            host: &host,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &kind
                .map(|kind| ("content-type", kind))
                .into_iter()
                .collect::<Vec<_>>(),
            payload: sigv4::digest(body),
        },
        keys,
        scope,
        now_ms,
    )?;
    head.headers.insert(DATE, hidden(&signed.date)?);
    head.headers
        .insert(AUTHORIZATION, hidden(&signed.authorization)?);
    if let Some(token) = &keys.session_token {
        head.headers.insert(SECURITY_TOKEN, hidden(token.reveal())?);
    }
    Ok(())
}

fn hidden(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text).map_err(|_| "its key cannot stand in a header")?;
    value.set_sensitive(true);
    Ok(value)
}
