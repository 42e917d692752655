//! What a client asks of the gateway itself, in `x-bondgate-*` headers.
//!
//! These headers never go upstream, and none is ignored: an unknown one, or one
//! whose feature is not there, is refused.

use std::time::Duration;

use dialect::loss::Fidelity;
use http::HeaderMap;
use policy::failure::{Code, Failure};

/// Longest time that a client may ask for.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// What the client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// All attempts together may take this long.
    pub timeout: Option<Duration>,
    /// How much a translation may lose.
    pub fidelity: Option<Fidelity>,
    /// Whether the last usage event of a stream tells what the gateway did.
    pub details: bool,
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
                "tags" | "user" | "run" | "priority" | "cache" | "resumable" | "data-class" => {
                    return Err(refuse(
                        name.as_str(),
                        "is not available yet: send the request without it",
                    ));
                }
                _ => {
                    return Err(refuse(
                        name.as_str(),
                        "is unknown; known are x-bondgate-timeout-ms, x-bondgate-fidelity and x-bondgate-details",
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
