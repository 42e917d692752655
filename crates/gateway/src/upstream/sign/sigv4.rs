//! Signature Version 4 of AWS: what is signed, and with what.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
//! Paths are encoded a second time, as all services but S3 expect. Time is an argument.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use bytes::Buf as _;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use policy::renewal::AwsKeys;

use crate::upstream::Pieces;

/// What stands as it is in a canonical request.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const NOT_IN_PATH: &AsciiSet = &NOT_UNRESERVED.remove(b'/');

/// What a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The region, such as `eu-west-1`.
    pub region: &'a str,
    /// The service's name in signatures, such as `bedrock`.
    pub service: &'a str,
}

/// What of a request is signed, beside its date and the session's token.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// `GET`, `POST`.
    pub method: &'a str,
    /// The `host` header.
    pub host: &'a str,
    /// The path as it is sent.
    pub path: &'a str,
    /// The query as it is sent, without `?`.
    pub query: &'a str,
    /// Further headers, their names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body.
    pub payload: digest::Digest,
}

/// A signature, as headers carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Value of `authorization`.
    pub authorization: String,
    /// Value of `x-amz-date`.
    pub date: String,
}

/// SHA-256 of a body.
#[must_use]
pub fn digest(body: &Pieces) -> digest::Digest {
    let mut left = body.clone();
    let mut context = digest::Context::new(&digest::SHA256);
    while left.has_remaining() {
        context.update(left.chunk());
        left.advance(left.chunk().len());
    }
    context.finish()
}

/// Signs a request; what is returned goes into its headers, and the session's token beside it.
///
/// # Errors
/// Where the time is none that a date can tell.
pub fn sign(
    request: &Signable<'_>,
    keys: &AwsKeys,
    scope: Scope<'_>,
    now_ms: i64,
) -> Result<Signed, String> {
    let now = Timestamp::from_millisecond(now_ms).map_err(|_| "the clock is out of range")?;
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = date.get(..8).unwrap_or_default();
    let (canonical, names) = canonical(request, keys, &date);
    let within = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{within}\n{}", hex(hash.as_ref()));
    let first = ["AWS4", keys.secret_access_key.reveal()].concat();
    let mut key = keyed(first.as_bytes(), day);
    for part in [scope.region, scope.service, "aws4_request"] {
        key = keyed(key.as_ref(), part);
    }
    let signature = hex(keyed(key.as_ref(), &text).as_ref());
    let id = &keys.access_key_id;
    Ok(Signed {
        authorization: format!(
            "AWS4-HMAC-SHA256 Credential={id}/{within}, SignedHeaders={names}, Signature={signature}"
        ),
        date,
    })
}

/// The canonical request, and the names of the headers in it.
fn canonical(request: &Signable<'_>, keys: &AwsKeys, date: &str) -> (String, String) {
    let token = keys.session_token.as_ref().map(|token| token.reveal());
    let mut headers = vec![("host", request.host), ("x-amz-date", date)];
    headers.extend(token.map(|token| ("x-amz-security-token", token)));
    headers.extend_from_slice(request.headers);
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name);
    let names = names.collect::<Vec<_>>().join(";");
    let mut text = format!("{}\n", request.method);
    let path = if request.path.is_empty() {
        "/"
    } else {
        request.path
    };
    let path = utf8_percent_encode(path, NOT_IN_PATH);
    let _ = write!(text, "{path}\n{}\n", canonical_query(request.query));
    for (name, value) in headers {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let _ = writeln!(text, "{name}:{}", words.join(" "));
    }
    let _ = write!(text, "\n{names}\n{}", hex(request.payload.as_ref()));
    (text, names)
}

fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| {
        let text = percent_decode_str(text).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&text, NOT_UNRESERVED).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn keyed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    //! The vectors that AWS publishes as its Signature Version 4 test suite.

    use bytes::Bytes;
    use policy::renewal::AwsKeys;
    use policy::secret::Secret;

    use super::{Scope, Signable, digest, sign};

    /// 2015-08-30T12:36:00Z
    const NOW_MS: i64 = 1_440_938_160_000;
    const SCOPE: Scope<'static> = Scope {
        region: "us-east-1",
        service: "service",
    };
    const SESSION: &str = concat!(
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/",
        "qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+",
        "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
    );

    fn keys(session: Option<&str>) -> AwsKeys {
        let secret = |text: &str| Secret::new(text.to_owned());
        AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session.map(secret),
        }
    }

    fn signature(request: Signable<'_>, session: Option<&str>) -> String {
        let signed = sign(&request, &keys(session), SCOPE, NOW_MS).unwrap();
        assert_eq!(signed.date, "20150830T123600Z");
        let (before, signature) = signed.authorization.rsplit_once('=').unwrap();
        let scope = "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,";
        assert!(before.contains(scope), "{before}");
        signature.to_owned()
    }

    fn request<'a>(method: &'a str, path: &'a str, query: &'a str) -> Signable<'a> {
        Signable {
            method,
            host: "example.amazonaws.com",
            path,
            query,
            headers: &[],
            payload: digest(&Bytes::new().into()),
        }
    }

    #[test]
    fn requests_without_a_body_are_signed_as_published() {
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let own = format!("/{unreserved}");
        let pair = format!("{unreserved}={unreserved}");
        for (method, path, query, published) in [
            (
                "GET",
                "/",
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "/",
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "GET",
                "/",
                "Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET",
                "/",
                "Param1=value1",
                "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ),
            (
                "GET",
                "/",
                pair.as_str(),
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "GET",
                own.as_str(),
                "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "GET",
                "/\u{1234}",
                "",
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
        ] {
            assert_eq!(
                signature(request(method, path, query), None),
                published,
                "{method} {path}?{query}"
            );
        }
    }

    #[test]
    fn a_body_and_its_type_are_signed_as_published() {
        let form = Signable {
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            payload: digest(&vec![Bytes::from("Param1="), Bytes::from("value1")].into()),
            ..request("POST", "/", "")
        };
        let published = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(signature(form, None), published);
        let header = Signable {
            headers: &[("my-header1", "VALUE1")],
            ..request("POST", "/", "")
        };
        let published = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d";
        assert_eq!(signature(header, None), published);
    }

    #[test]
    fn the_token_of_a_session_is_signed_as_published() {
        let published = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
        assert_eq!(
            signature(request("POST", "/", ""), Some(SESSION)),
            published
        );
    }

    #[test]
    fn a_path_that_is_encoded_is_encoded_once_more() {
        let sent = request("POST", "/model/a%3A0/converse", "");
        let (text, _) = super::canonical(&sent, &keys(None), "20150830T123600Z");
        assert!(
            text.starts_with("POST\n/model/a%253A0/converse\n"),
            "{text}"
        );
    }
}
