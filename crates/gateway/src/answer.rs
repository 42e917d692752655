//! What an attempt gives: an answer that holds together, or how it failed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dialect::codec::Broken;
use dialect::failure::ProviderError;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use policy::failure::table::{Meaning, Phase, Signs, classify};
use policy::failure::{AttemptFailure, Code, Failure, ProviderSaid};
use policy::model::Target;
use policy::reset::{self, Headers};
use tokio::time::timeout;

use crate::conceal::{conceal, conceal_bytes};
use crate::exchange::Exchange;
use crate::memory::{Memory, Permit};
use crate::pump::{Break, Pump};
use crate::upstream::{BodyEnd, SendError, UpstreamBody};

/// Largest whole answer that is held until it is known to be whole, in bytes.
pub(crate) const WHOLE_MAX: usize = 8 * 1024 * 1024;

/// Largest error answer that is read, in bytes.
const ERROR_MAX: usize = 1024 * 1024;

/// How long an error answer is read: its status says enough to go on.
const ERROR_WAITS: Duration = Duration::from_secs(2);

/// Where AWS names the type of an error.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// Where a provider says whether a retry can help.
const SHOULD_RETRY: &str = "x-should-retry";

/// The phase that all attempts and the whole answer make up.
pub(crate) const TOTAL: &str = "total";

/// An answer that may go to the client.
pub(crate) struct Answer {
    /// The record of the request.
    pub exchange: Box<Exchange>,
    /// The provider's own id of the request.
    pub provider_id: Option<HeaderValue>,
    /// The answer.
    pub content: Content,
}

impl Answer {
    /// What an attempt gave, with the provider's own id of the request.
    #[must_use]
    pub(crate) fn new(
        exchange: Box<Exchange>,
        (content, provider_id): (Content, Option<HeaderValue>),
    ) -> Self {
        Self {
            exchange,
            provider_id,
            content,
        }
    }
}

/// An answer.
pub(crate) enum Content {
    /// Whole and checked, in the client's dialect.
    Whole(Bytes, Permit),
    /// A stream that has begun to say something.
    Stream(Box<Pump>),
    /// A whole answer too large to hold: its beginning, and the rest as it comes.
    Long(Bytes, Permit, Box<UpstreamBody>),
}

/// How an attempt failed.
pub(crate) struct Failed {
    /// What kind.
    pub kind: AttemptFailure,
    /// Whether it says something of the credential at this target alone.
    pub at_target: bool,
    /// Whether it speaks against nobody: something that the request names may be its cause.
    pub vague: bool,
    /// In a clause that a client may read.
    pub why: String,
    /// What the provider said.
    pub said: Option<Box<ProviderSaid>>,
    /// When the provider asks to come back.
    pub retry_after: Option<Duration>,
    /// The phase that ran out of time, if one did.
    pub timed_out: Option<&'static str>,
    /// What the client is told where the cause is ours; nothing else is tried then.
    pub ours: Option<Box<Failure>>,
}

impl Failed {
    /// A failure of that kind.
    #[must_use]
    pub(crate) fn new(kind: AttemptFailure, why: impl Into<String>) -> Self {
        Self {
            kind,
            at_target: false,
            vague: false,
            why: why.into(),
            said: None,
            retry_after: None,
            timed_out: None,
            ours: None,
        }
    }

    /// The cause is ours: nothing else is tried.
    #[must_use]
    pub(crate) fn ours(failure: Box<Failure>) -> Self {
        let why = failure.message.clone();
        Self {
            ours: Some(failure),
            ..Self::new(AttemptFailure::MidStream, why)
        }
    }

    /// A phase ran out of time.
    #[must_use]
    pub(crate) fn timed_out(kind: AttemptFailure, phase: &'static str) -> Self {
        Self {
            timed_out: Some(phase),
            ..Self::new(kind, format!("no answer within the `{phase}` timeout"))
        }
    }
}

impl Failed {
    /// The same without the credential of the target that it was, should the provider have repeated it.
    #[must_use]
    pub(crate) fn concealed(mut self, target: &Target) -> Self {
        self.why = conceal(target, self.why);
        if let Some(said) = &mut self.said {
            let error = &mut said.error;
            error.message = conceal(target, std::mem::take(&mut error.message));
            for text in [&mut error.code, &mut error.kind, &mut error.param] {
                *text = text.take().map(|text| conceal(target, text));
            }
            error.raw = None;
        }
        self
    }
}

impl Failed {
    /// The same, of a request that may name what its provider keeps. A credential that is forbidden
    /// what names nothing of the kind is to blame for it; a model is only where its name is told.
    #[must_use]
    pub(crate) fn weighed(mut self, names_kept: impl FnOnce() -> bool) -> Self {
        self.vague = self.vague && (self.kind != AttemptFailure::Credential || names_kept());
        self
    }
}

impl Failed {
    /// An answer that had begun broke; where the provider said why, its words say what that means.
    #[must_use]
    pub(crate) fn broken(broken: Break, target: &Target) -> Self {
        let Break { why, said, ours } = broken;
        if let Some(failure) = ours {
            return Self::ours(failure);
        }
        let Some(error) = said else {
            return Self::new(AttemptFailure::MidStream, why);
        };
        let meaning = classify(&signs(target, Phase::Answer, &error));
        Self {
            at_target: meaning.at_target,
            vague: meaning.vague,
            said: Some(Box::new(ProviderSaid {
                status: 502,
                error: *error,
            })),
            ..Self::new(meaning.kind, why)
        }
    }
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        Self::new(AttemptFailure::MidStream, broken.to_string())
    }
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent {
                timed_out: true, ..
            } => Self::timed_out(AttemptFailure::NotSent, "connect"),
            SendError::NotSent { why, .. } => Self::new(AttemptFailure::NotSent, why),
            SendError::Ambiguous { why, .. } => Self::new(AttemptFailure::Ambiguous, why),
        }
    }
}

/// A body read whole, with the room that it takes.
pub(crate) enum Collected {
    /// All of it.
    Whole(Bytes, Permit),
    /// More than the bound: what was read, and the rest.
    Long(Bytes, Permit, Box<UpstreamBody>),
}

/// [`Memory`] lends nothing.
#[must_use]
pub(crate) fn no_room() -> Failure {
    let why = "the gateway has no memory for the answer at the moment";
    Failure::new(Code::Overloaded, why).retry_after(Duration::from_secs(1))
}

/// What the attempt came to because of that.
#[must_use]
pub(crate) fn without_room() -> Failed {
    Failed::ours(Box::new(no_room()))
}

/// Reads a body up to a bound.
///
/// # Errors
/// [`Failed`] where the body breaks, or the room is not there.
pub(crate) async fn collect(
    mut body: UpstreamBody,
    max: usize,
    memory: &Memory,
) -> Result<Collected, Failed> {
    let mut permit = memory.try_reserve(0).ok_or_else(without_room)?;
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Failed::new(AttemptFailure::MidStream, e.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if !permit.grow(data.len()) {
            return Err(without_room());
        }
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(one) => {
                all.reserve(one.len() + data.len());
                all.extend_from_slice(&one);
                all.extend_from_slice(&data);
            }
        }
        if first.as_ref().map_or(all.len(), Bytes::len) > max {
            return Ok(Collected::Long(
                first.unwrap_or_else(|| all.freeze()),
                permit,
                Box::new(body),
            ));
        }
    }
    if body.end() != BodyEnd::Clean {
        return Err(Failed::new(
            AttemptFailure::MidStream,
            "the provider closed the connection, which does not prove that the answer is whole",
        ));
    }
    Ok(Collected::Whole(
        first.unwrap_or_else(|| all.freeze()),
        permit,
    ))
}

/// Reads an error answer and classifies it. `now_ms` is the time of day.
pub(crate) async fn refused(
    response: Response<UpstreamBody>,
    target: &Target,
    (memory, now_ms): (&Memory, i64),
) -> Failed {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let bytes = match timeout(ERROR_WAITS, collect(body, ERROR_MAX, memory)).await {
        Ok(Ok(Collected::Whole(bytes, _) | Collected::Long(bytes, ..))) => bytes,
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    let bytes = conceal_bytes(target, bytes);
    let error = target.provider.dialect.client().decode_failure(&bytes);
    let said = Said(&parts.headers);
    let meaning = meaning(target, &parts, &error);
    let why = if error.message.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {}", error.message)
    };
    Failed {
        at_target: meaning.at_target,
        vague: meaning.vague,
        retry_after: reset::after(&said, &error, now_ms),
        said: Some(Box::new(ProviderSaid { status, error })),
        ..Failed::new(meaning.kind, why)
    }
}

/// What an error answer of a target means.
pub(crate) fn meaning(
    target: &Target,
    parts: &http::response::Parts,
    error: &ProviderError,
) -> Meaning {
    let said = Said(&parts.headers);
    classify(&Signs {
        word: said.get(ERROR_TYPE).map(type_alone),
        is_final: said.get(SHOULD_RETRY) == Some("false"),
        ..signs(target, Phase::Head(parts.status.as_u16()), error)
    })
}

fn signs<'a>(target: &'a Target, phase: Phase, error: &'a ProviderError) -> Signs<'a> {
    Signs {
        provider: target.provider.catalogue_id,
        dialect: target.provider.dialect.name(),
        phase,
        error,
        word: None,
        is_final: false,
    }
}

/// The type of an error without its namespaces: `com.amazon#Name:http://…`.
fn type_alone(word: &str) -> &str {
    let word = word.split(':').next().unwrap_or(word);
    word.rsplit('#').next().unwrap_or(word)
}

/// A provider's headers, as the rules read them.
pub(crate) struct Said<'a>(pub &'a HeaderMap);

impl Headers for Said<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn each(&self, show: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.0 {
            if let Ok(value) = value.to_str() {
                show(name.as_str(), value);
            }
        }
    }
}
