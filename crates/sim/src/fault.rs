//! The faults that a script can name, as they are written in JSON.
//!
//! Each is one way in which real providers have failed. What they do to an
//! answer is in `plan`; this file only names and checks them.

use std::collections::BTreeMap;

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use crate::wire::By;

/// One way in which a provider fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Closes a new connection at once, before any request.
    Refuse {
        /// FIN or RST.
        #[serde(default = "rst")]
        by: By,
    },
    /// Reads the request, then closes the connection.
    HangUp {
        /// FIN or RST.
        #[serde(default)]
        by: By,
    },
    /// Reads the request and is silent: for a time, or for ever.
    StallBefore {
        /// Milliseconds.
        ms: Option<u64>,
    },
    /// Stands still inside the answer: for a time, or for ever.
    StallInside {
        /// Events sent before.
        after_events: u64,
        /// Milliseconds.
        ms: Option<u64>,
    },
    /// Sends a few bytes at a time.
    Drip {
        /// Bytes of a write.
        bytes: usize,
        /// Milliseconds between writes.
        ms: u64,
    },
    /// Ends the answer early.
    Cut(Cut),
    /// Sends the dialect's own error inside the stream, then ends it.
    ErrorEvent {
        /// Events sent before.
        after_events: u64,
    },
    /// Sends an event whose JSON is broken.
    BadJson {
        /// Which event is broken, counted from 0.
        at_event: u64,
    },
    /// Changes one bit in the middle of an event.
    Flip {
        /// Which event, counted from 0.
        at_event: u64,
    },
    /// Sends bytes that are no event at all.
    Garbage {
        /// Before which event, counted from 0.
        at_event: u64,
        /// How many bytes.
        #[serde(default = "garbage")]
        bytes: usize,
    },
    /// Answers with an error.
    Status(Status),
    /// Multiplies all waits, and adds to the first.
    Slow {
        /// Factor on every gap and delay.
        #[serde(default = "one")]
        factor: u64,
        /// Milliseconds before the head.
        #[serde(default)]
        delay_ms: u64,
        /// Milliseconds between content events, at least.
        #[serde(default)]
        gap_ms: u64,
    },
    /// Sends so many MiB without a newline before the answer.
    NoNewline {
        /// MiB.
        mib: u64,
    },
    /// Answers with an HTML page.
    Html {
        /// Status of the page.
        #[serde(default = "bad_gateway")]
        status: u16,
    },
    /// Answers 200 with nothing in it.
    Empty {},
    /// Says a content type that is not true.
    WrongContentType {
        /// The content type.
        #[serde(default = "text_plain")]
        value: String,
    },
    /// Answers with a redirect.
    Redirect {
        /// Where to.
        to: String,
        /// 301, 302, 303, 307 or 308.
        #[serde(default = "temporary")]
        status: u16,
    },
    /// Sends 1xx answers first: so many, or for ever. HTTP/1.1 only.
    Informational {
        /// How many.
        count: Option<u64>,
    },
    /// Tells wrong token counts.
    Usage {
        /// In which way.
        tell: UsageLie,
    },
    /// Changes the answer's id in mid-stream.
    WrongId {},
    /// Re-chunks the answer into writes of so many bytes.
    Split {
        /// Bytes of a write.
        bytes: usize,
    },
}

/// Where and how an answer is cut. Exactly one place must be given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cut {
    /// Body bytes sent before.
    pub after_bytes: Option<u64>,
    /// Whole events sent before.
    pub after_events: Option<u64>,
    /// Share of the body's bytes, from 0 to 1.
    pub at_fraction: Option<f64>,
    /// FIN or RST.
    pub by: By,
    /// Ends the body properly all the same.
    pub clean: bool,
}

/// An error answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Status {
    /// The status.
    pub status: u16,
    /// The dialect's error code, such as `insufficient_quota`.
    pub code: Option<String>,
    /// What the error says.
    pub message: Option<String>,
    /// The `retry-after` header, as it is to be sent.
    pub retry_after: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The body, instead of the dialect's own.
    pub body: Option<String>,
}

/// How token counts are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageLie {
    /// There are none.
    Missing,
    /// They are beyond belief.
    Absurd,
    /// They are told twice, the second time smaller.
    Shrinking,
}

impl Fault {
    /// Reads one; `"html"` is short for `{"html": {}}`.
    pub(crate) fn read(fault: Value) -> Result<Fault, serde_json::Error> {
        let fault = match fault.as_str() {
            Some(name) => serde_json::json!({ name: {} }),
            None => fault,
        };
        serde_json::from_value(fault)
    }

    pub(crate) fn refusal(&self) -> Option<By> {
        if let Fault::Refuse { by } = self {
            Some(*by)
        } else {
            None
        }
    }

    /// The content type that is told instead of the true one.
    pub(crate) fn content_type(&self) -> Option<HeaderValue> {
        if let Fault::WrongContentType { value } = self {
            HeaderValue::from_str(value).ok()
        } else {
            None
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if let Fault::Cut(cut) = self {
            let places = [
                cut.after_bytes.is_some(),
                cut.after_events.is_some(),
                cut.at_fraction.is_some(),
            ];
            if places.iter().filter(|p| **p).count() != 1 {
                return Err("cut needs one of after_bytes, after_events, at_fraction".to_owned());
            }
        }
        if let Fault::Status(Status { status, .. })
        | Fault::Html { status }
        | Fault::Redirect { status, .. } = self
            && !(200..=999).contains(status)
        {
            return Err(format!("{status} is not a final status"));
        }
        if let Fault::Drip { bytes: 0, .. } | Fault::Split { bytes: 0 } = self {
            return Err("bytes must be at least 1".to_owned());
        }
        Ok(())
    }
}

fn rst() -> By {
    By::Rst
}

fn garbage() -> usize {
    64
}

fn one() -> u64 {
    1
}

fn bad_gateway() -> u16 {
    502
}

fn temporary() -> u16 {
    307
}

fn text_plain() -> String {
    "text/plain".to_owned()
}
