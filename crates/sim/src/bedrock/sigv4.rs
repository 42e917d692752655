//! Checking AWS signatures, version 4, of requests whose secret the script
//! gives. Path and query are signed as they came over the wire, the path
//! encoded once more, as all services but S3 want it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use crate::dialect::{Head, Refusal};
use crate::script::Secrets;

/// The name by which the service is signed for; its host has another.
const SERVICE: &str = "bedrock";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// The parts of an `authorization` header.
struct Proof<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: &'a str,
    signature: &'a str,
}

/// The access key id of a signed request.
pub(super) fn access_key<'h>(head: &Head<'h>) -> Option<&'h str> {
    let value = head.header("authorization")?.strip_prefix(ALGORITHM)?;
    let (_, rest) = value.split_once("Credential=")?;
    rest.split('/').next()
}

/// Checks the signature of a request that is signed, if secrets are given.
///
/// # Errors
/// What AWS would say.
pub(super) fn verify(head: &Head<'_>, body: &[u8], secrets: &Secrets) -> Result<(), Refusal> {
    if secrets.is_empty() || access_key(head).is_none() {
        return Ok(());
    }
    let proof = proof(head).ok_or_else(|| {
        refusal(
            "IncompleteSignatureException",
            "Authorization header is incomplete.",
        )
    })?;
    let Some(secret) = secrets.get(proof.access_key) else {
        return Err(super::unknown_key(true));
    };
    check_scope(head, &proof)?;
    if expected(head, body, &proof, secret).as_deref() == Some(proof.signature) {
        Ok(())
    } else {
        Err(refusal("InvalidSignatureException", MISMATCH))
    }
}

/// What is signed for another service, day or host is not signed for this one.
fn check_scope(head: &Head<'_>, proof: &Proof<'_>) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(refusal("InvalidSignatureException", message));
    if proof.service != SERVICE {
        return invalid("Credential should be scoped to correct service: 'bedrock'.");
    }
    let date = head.header("x-amz-date").unwrap_or_default();
    if !date.starts_with(proof.date) {
        return invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
        );
    }
    if !proof.signed.split(';').any(|name| name == "host") {
        return invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        );
    }
    Ok(())
}

fn refusal(code: &str, message: &str) -> Refusal {
    Refusal {
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        ..Refusal::of(403)
    }
}

fn proof<'h>(head: &Head<'h>) -> Option<Proof<'h>> {
    let value = head.header("authorization")?.strip_prefix(ALGORITHM)?;
    let field = |name: &str| {
        let fields = value.split(',').filter_map(|f| f.trim().split_once('='));
        fields.into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    let mut scope = field("Credential")?.split('/');
    Some(Proof {
        access_key: scope.next()?,
        date: scope.next()?,
        region: scope.next()?,
        service: scope.next()?,
        signed: field("SignedHeaders")?,
        signature: field("Signature")?,
    })
}

/// The signature that a request should have.
fn expected(head: &Head<'_>, body: &[u8], proof: &Proof<'_>, secret: &str) -> Option<String> {
    let canonical = canonical(head, body, proof)?;
    let scope = [proof.date, proof.region, proof.service, "aws4_request"];
    let text = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        head.header("x-amz-date")?,
        scope.join("/"),
        sha256(canonical.as_bytes())
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope {
        key = hmac(&key, part);
    }
    Some(hex(&hmac(&key, &text)))
}

fn canonical(head: &Head<'_>, body: &[u8], proof: &Proof<'_>) -> Option<String> {
    let mut headers = String::new();
    for name in proof.signed.split(';') {
        let value = match (name, head.header(name)) {
            ("host", None) => head.authority?.to_owned(),
            (_, value) => value?.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let mut query: Vec<&str> = head.query.split('&').filter(|q| !q.is_empty()).collect();
    query.sort_unstable();
    Some(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        head.method,
        encoded(head.path),
        query.join("&"),
        proof.signed,
        sha256(body)
    ))
}

fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let tag = sign(&Key::new(HMAC_SHA256, key), text.as_bytes());
    tag.as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
