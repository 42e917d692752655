//! The assertion by which a service account of Google shows who it is.
//!
//! Source: <https://developers.google.com/identity/protocols/oauth2/service-account>, and RFC 7523.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::renewal::GoogleAccount;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

/// How long an assertion is good, in seconds: the most that Google takes.
const LASTS_S: i64 = 3600;

/// A signed assertion (RS256) for tokens of that scope.
///
/// # Errors
/// Where the key is no RSA key in PEM; never repeats it.
pub fn assertion(account: &GoogleAccount, scope: &str, now_ms: i64) -> Result<String, String> {
    let key = key(account.key.reveal().as_bytes())?;
    let header = match account.key_id.as_str() {
        "" => json!({ "alg": "RS256", "typ": "JWT" }),
        id => json!({ "alg": "RS256", "typ": "JWT", "kid": id }),
    };
    let url = &account.token_url;
    let issued_s = now_ms / 1000;
    let claims = json!({
        "iss": account.email,
        "scope": scope,
        "aud": format!("{}{}", url.origin, url.path),
        "iat": issued_s,
        "exp": issued_s + LASTS_S,
    });
    let encode = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| "the service account's key cannot sign")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Whether the text is a private key that can sign assertions.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn check_key(pem: &str) -> Result<(), String> {
    key(pem.as_bytes()).map(|_| ())
}

fn key(pem: &[u8]) -> Result<RsaKeyPair, String> {
    let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "`private_key` is no key in PEM")?;
    let pair = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(_) | _ => return Err("`private_key` is no RSA key".to_owned()),
    };
    pair.map_err(|_| "`private_key` is no RSA key of 2048 bits or more".to_owned())
}
