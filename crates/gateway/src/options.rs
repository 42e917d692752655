//! What a client asks of the gateway itself, in `x-bondgate-*` headers.
//!
//! These headers never go upstream, and none is ignored: an unknown one, or one
//! whose feature is not there, is refused.

use std::sync::Arc;
use std::time::Duration;

use dialect::loss::Fidelity;
use http::HeaderMap;
use policy::caller::Tags;
use policy::failure::{Code, Failure};

/// Longest time that a client may ask for.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// Longest name of a user, a run or a tag, and longest value of a tag, in bytes.
const NAME_BYTES: usize = 128;

/// Most tags that a request may carry.
const TAGS_MAX: usize = 32;

/// What the client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// All attempts together may take this long.
    pub timeout: Option<Duration>,
    /// How much a translation may lose.
    pub fidelity: Option<Fidelity>,
    /// Whether the last usage event of a stream tells what the gateway did.
    pub details: bool,
    /// The user on whose behalf the client asks.
    pub user: Option<Arc<str>>,
    /// The run that the request belongs to.
    pub run: Option<Arc<str>>,
    /// Tags, in the order of their names.
    pub tags: Tags,
}

impl Options {
    /// Reads the headers.
    ///
    /// # Errors
    /// `invalid_request` naming the header.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut options = Self::default();
        for (name, value) in headers {
            let Some(option) = name.as_str().strip_prefix("x-bondgate-") else {
                continue;
            };
            let value = value.to_str().map(str::trim).unwrap_or_default();
            match option {
                "timeout-ms" => options.timeout = Some(milliseconds(name.as_str(), value)?),
                "fidelity" => options.fidelity = Some(fidelity(name.as_str(), value)?),
                "details" => options.details = switch(name.as_str(), value)?,
                "user" => options.user = Some(named(name.as_str(), value)?),
                "run" => options.run = Some(named(name.as_str(), value)?),
                "tags" => add_tags(name.as_str(), value, &mut options.tags)?,
                "priority" | "cache" | "resumable" | "data-class" => {
                    return Err(refuse(
                        name.as_str(),
                        "is not available yet: send the request without it",
                    ));
                }
                _ => {
                    return Err(refuse(
                        name.as_str(),
                        "is unknown; known are x-bondgate-tags, x-bondgate-user, x-bondgate-run, x-bondgate-timeout-ms, x-bondgate-fidelity and x-bondgate-details",
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn refuse(name: &str, why: &str) -> Failure {
    Failure::new(Code::InvalidRequest, format!("the header {name} {why}")).at(name)
}

/// A name that stands in records: visible, bounded.
fn named(header: &str, value: &str) -> Result<Arc<str>, Failure> {
    let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if value.is_empty() || value.len() > NAME_BYTES || !visible {
        let why = format!("wants 1 to {NAME_BYTES} visible ASCII characters");
        return Err(refuse(header, &why));
    }
    Ok(Arc::from(value))
}

/// `name=value,name=value`; each name once.
fn add_tags(header: &str, value: &str, tags: &mut Tags) -> Result<(), Failure> {
    for pair in value
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(refuse(
                header,
                "wants `name=value`, several with commas between",
            ));
        };
        let (name, value) = (named(header, name.trim())?, named(header, value.trim())?);
        match tags.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(_) => return Err(refuse(header, "names a tag twice")),
            Err(_) if tags.len() == TAGS_MAX => {
                return Err(refuse(header, &format!("has more than {TAGS_MAX} tags")));
            }
            Err(at) => tags.insert(at, (name, value)),
        }
    }
    Ok(())
}

fn milliseconds(name: &str, value: &str) -> Result<Duration, Failure> {
    match value.parse::<u64>() {
        Ok(ms) if (1..=LONGEST_MS).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(refuse(name, "wants whole milliseconds, from 1 to 86400000")),
    }
}

fn fidelity(name: &str, value: &str) -> Result<Fidelity, Failure> {
    match value {
        "strict" => Ok(Fidelity::Strict),
        "report" => Ok(Fidelity::Report),
        "permit" => Ok(Fidelity::Permit),
        _ => Err(refuse(name, "wants strict, report or permit")),
    }
}

fn switch(name: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(refuse(name, "wants 1 or 0")),
    }
}
