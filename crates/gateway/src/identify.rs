//! Who calls: the virtual key, wherever an SDK puts it.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use policy::caller::VirtualKey;
use policy::failure::{Code, Failure};
use policy::snapshot::Snapshot;
use store::keys::{KeyHasher, equal};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// An authenticated caller.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The key it showed.
    pub key: Arc<VirtualKey>,
}

/// Finds the caller.
///
/// # Errors
/// `invalid_key` where there is no key, two different ones, or one that is not good.
pub(crate) fn identify(
    headers: &HeaderMap,
    uri: &Uri,
    snapshot: &Snapshot,
    hasher: &KeyHasher,
    now_ms: i64,
) -> Result<Caller, Failure> {
    let mut shown = Shown::default();
    for value in headers.get_all(AUTHORIZATION) {
        shown.add(from_authorization(
            value
                .to_str()
                .map_err(|_| refuse("the header authorization is no text"))?,
        )?)?;
    }
    for name in [X_API_KEY, X_GOOG_API_KEY, API_KEY] {
        for value in headers.get_all(name) {
            shown.add(
                value
                    .to_str()
                    .map_err(|_| refuse("a key header is no text"))?
                    .to_owned(),
            )?;
        }
    }
    if let Some(key) = uri.query().and_then(from_query) {
        shown.add(key)?;
    }
    let Some(secret) = shown.key else {
        return Err(refuse(
            "no key was given: send it as `authorization: Bearer …` or `x-api-key: …`",
        ));
    };
    let hash = hasher.hash(&secret);
    let known = snapshot.keys.get(&hash);
    let Some(key) = known.filter(|key| equal(&key.hash, &hash)) else {
        return Err(refuse("this key is not known here"));
    };
    match key.ended(now_ms) {
        None => Ok(Caller {
            key: Arc::clone(key),
        }),
        Some(ended) => Err(refuse(&ended.to_string())),
    }
}

/// The one key that a request shows.
#[derive(Default)]
struct Shown {
    key: Option<String>,
}

impl Shown {
    fn add(&mut self, key: String) -> Result<(), Failure> {
        match &self.key {
            _ if key.is_empty() => Ok(()),
            Some(first) if *first != key => {
                Err(refuse("two different keys were given in one request"))
            }
            Some(_) => Ok(()),
            None => {
                self.key = Some(key);
                Ok(())
            }
        }
    }
}

fn refuse(message: &str) -> Failure {
    Failure::new(Code::InvalidKey, message)
}

/// `Bearer KEY`, or the access key id of an AWS signature, which itself is not verified.
fn from_authorization(value: &str) -> Result<String, Failure> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(rest.trim().to_owned());
    }
    if scheme == "AWS4-HMAC-SHA256" {
        let id = rest
            .split(',')
            .find_map(|part| part.trim().strip_prefix("Credential="))
            .and_then(|credential| credential.split('/').next());
        if let Some(id) = id {
            return Ok(id.to_owned());
        }
    }
    Err(refuse("the header authorization wants `Bearer` and a key"))
}

fn from_query(query: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("key="))?;
    percent_decode_str(value)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}
