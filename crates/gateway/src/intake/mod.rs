//! The body of a request: read whole, bounded, decoded.
//!
//! ```text
//! let body = intake::read(body, &parts, &limits, &memory).await?;      // body.bytes; the permit goes with it
//! ```
//!
//! Every byte held here is counted in [`Memory`], and neither what is sent nor what it unpacks to may
//! pass the limit, whatever a header claims. A body that was cut off is never handed on.

mod decode;

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dialect::Spoken;
use dialect::head::Head;
use dialect::task::{Content, Task};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Version, request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use policy::failure::{Code, Failure};
use policy::snapshot::Snapshot;
use tokio::time::{Instant, timeout_at};

use crate::memory::{Memory, Permit};
use crate::refuse;
use decode::{Coding, decode};

/// How many encodings may be laid over each other.
const CODINGS_MAX: usize = 2;

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes as sent, and as decoded.
    pub body_max: usize,
    /// How long the client may send nothing.
    pub idle: Duration,
    /// How long all of it may take.
    pub total: Duration,
}

impl Default for Limits {
    /// 32 MiB, 30 s and 900 s.
    fn default() -> Self {
        Self {
            body_max: 32 * 1024 * 1024,
            idle: Duration::from_secs(30),
            total: Duration::from_secs(900),
        }
    }
}

impl Limits {
    /// Those of a request: all of its body comes within the time that the whole request may take, as far
    /// as that is known before its body is. `own` is what the client allows.
    pub(crate) fn of(snapshot: &Snapshot, model: Option<&str>, own: Option<Duration>) -> Self {
        let model = model.and_then(|name| snapshot.models.get(name));
        let most = model
            .map_or(&snapshot.defaults, |model| model)
            .timeouts
            .total;
        Self {
            body_max: snapshot.max_body,
            total: own.map_or(most, |own| own.min(most)),
            ..Self::default()
        }
    }
}

/// A whole body, and the memory that it takes.
#[derive(Debug)]
pub struct Body {
    /// The decoded bytes.
    pub bytes: Bytes,
    /// Holds the memory for them.
    pub permit: Permit,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// More than the limit: 413.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An encoding that is not known, or too many of them: 415.
    #[error("the content-encoding `{0}` is not supported; gzip, br, zstd and identity are")]
    UnsupportedEncoding(String),
    /// Bytes that are not what `content-encoding` says: 400.
    #[error("the body is not valid {0}")]
    Undecodable(&'static str),
    /// A length or a framing that is wrong: 400.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// The client sent nothing for too long: 408.
    #[error("nothing of the body came for {} s", .0.as_secs())]
    Slow(Duration),
    /// The client sent too little at a time: 408.
    #[error("the body was not whole within {} s", .0.as_secs_f64())]
    Dripping(Duration),
    /// The client went away, or reset the stream, within the body: nobody to answer.
    #[error("the client went away within the body")]
    Gone,
    /// No memory for it now: 503.
    #[error("the gateway has no memory for the body at the moment")]
    Overloaded,
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        let code = match error {
            IntakeError::TooLarge { .. } => Code::TooLarge,
            IntakeError::UnsupportedEncoding(_) => Code::UnsupportedEncoding,
            IntakeError::Undecodable(_) | IntakeError::Malformed(_) => Code::InvalidRequest,
            IntakeError::Slow(_) | IntakeError::Dripping(_) => Code::SlowRequest,
            IntakeError::Gone => Code::ClientGone,
            IntakeError::Overloaded => Code::Overloaded,
        };
        Failure::new(code, error.to_string())
    }
}

/// Reads and decodes the body of the request whose head is `parts`.
///
/// # Errors
/// [`IntakeError`]; what was read is given up.
pub async fn read(
    body: Incoming,
    parts: &request::Parts,
    limits: &Limits,
    memory: &Memory,
) -> Result<Body, IntakeError> {
    let codings = codings(&parts.headers)?;
    let announced = announced(&parts.headers)?;
    if announced.is_some_and(|length| length > limits.body_max as u64) {
        return Err(IntakeError::TooLarge {
            limit: limits.body_max,
        });
    }
    let permit = memory.try_reserve(0).ok_or(IntakeError::Overloaded)?;
    let mut body = collect(body, parts.version, limits, permit).await?;
    // The encoding laid on last is taken off first.
    for coding in codings.into_iter().rev() {
        let permit = memory.try_reserve(0).ok_or(IntakeError::Overloaded)?;
        body = decode(coding, body, limits.body_max, permit).await?;
    }
    Ok(body)
}

/// Reads what the road needs of a body, by what its path asks for.
///
/// # Errors
/// `invalid_request` saying what is wrong and where.
pub(crate) fn head(
    (spoken, task): (Spoken, Task),
    body: &Body,
    headers: &HeaderMap,
) -> Result<Head, Failure> {
    let read = match spoken.dialect().tasks().filter(|_| task != Task::Chat) {
        None => spoken.server().head(&body.bytes),
        Some(codec) => codec.head(
            task,
            Content {
                bytes: &body.bytes,
                media_type: media_type(headers),
            },
        ),
    };
    read.map_err(|invalid| refuse::invalid(&invalid))
}

/// What `content-type` says; empty where it says nothing.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Reads to the end. A body that comes in one piece is not copied.
async fn collect(
    mut body: Incoming,
    version: Version,
    limits: &Limits,
    mut permit: Permit,
) -> Result<Body, IntakeError> {
    let deadline = Instant::now() + limits.total;
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(data) = next(&mut body, (limits, deadline)).await? {
        let length = first.len() + joined.len();
        if data.len() > limits.body_max.saturating_sub(length) {
            return Err(IntakeError::TooLarge {
                limit: limits.body_max,
            });
        }
        if !permit.grow(data.len()) {
            return Err(IntakeError::Overloaded);
        }
        if length == 0 {
            first = data;
        } else {
            if joined.is_empty() {
                joined.reserve(room(&body, length + data.len(), limits));
                joined.extend_from_slice(&std::mem::take(&mut first));
            }
            joined.extend_from_slice(&data);
        }
    }
    // hyper ends a stream that was reset with NO_ERROR as if it were whole.
    if version == Version::HTTP_2 && !hyper::body::Body::is_end_stream(&body) {
        return Err(IntakeError::Gone);
    }
    let bytes = if joined.is_empty() {
        first
    } else {
        joined.freeze()
    };
    Ok(Body { bytes, permit })
}

/// How much to allocate once a second piece has come: what is still announced, unless that is so much
/// that it should come first.
fn room(body: &Incoming, have: usize, limits: &Limits) -> usize {
    const TRUSTED: usize = 1024 * 1024;
    let rest = hyper::body::Body::size_hint(body)
        .exact()
        .unwrap_or_default();
    let rest = usize::try_from(rest).unwrap_or(usize::MAX);
    have.saturating_add(rest.min(TRUSTED)).min(limits.body_max)
}

type Patience<'a> = (&'a Limits, Instant);

async fn next(body: &mut Incoming, patience: Patience<'_>) -> Result<Option<Bytes>, IntakeError> {
    loop {
        let Some(frame) = patiently(body.frame(), patience).await? else {
            return Ok(None);
        };
        let frame = frame.map_err(|error| fault(&error))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
}

/// Waits with a timer only where there is something to wait for: most bodies are there already.
async fn patiently<F: Future>(
    step: F,
    (limits, deadline): Patience<'_>,
) -> Result<F::Output, IntakeError> {
    let mut step = std::pin::pin!(step);
    let at_once = std::future::poll_fn(|context| {
        std::task::Poll::Ready(match step.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await;
    match at_once {
        Some(output) => Ok(output),
        None => {
            // Boxed, so that a request carries the timer only where it waits.
            let idle = Instant::now() + limits.idle;
            let waited = Box::pin(timeout_at(idle.min(deadline), step)).await;
            waited.map_err(|_| {
                if idle < deadline {
                    IntakeError::Slow(limits.idle)
                } else {
                    IntakeError::Dripping(limits.total)
                }
            })
        }
    }
}

fn fault(error: &hyper::Error) -> IntakeError {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => {
            IntakeError::Malformed("its chunks are not framed as HTTP wants them".to_owned())
        }
        Some(_) | None => IntakeError::Gone,
    }
}

fn announced(headers: &HeaderMap) -> Result<Option<u64>, IntakeError> {
    let Some(value) = headers.get(CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let wrong = || IntakeError::Malformed("`content-length` is not a number".to_owned());
    length.map(Some).ok_or_else(wrong)
}

/// The encodings in the order in which they were laid on (RFC 9110 section 8.4).
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, IntakeError> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let unknown = || IntakeError::UnsupportedEncoding(value.to_str().unwrap_or("?").to_owned());
        let text = value.to_str().map_err(|_| unknown())?;
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            codings.extend(Coding::named(name).ok_or_else(unknown)?);
            if codings.len() > CODINGS_MAX {
                return Err(unknown());
            }
        }
    }
    Ok(codings)
}
