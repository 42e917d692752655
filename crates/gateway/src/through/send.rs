//! The one attempt of what passes through, and what of its answer goes on.
//!
//! The provider gets its credential and none of the caller's, and of the headers a stated list. Redirects
//! are not followed, and no `location` is told: what is behind it would be asked with another credential.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Target;
use policy::secret::ProviderKey;
use tokio::time::{Instant, timeout, timeout_at};

use super::body::Passing;
use super::probe::Probe;
use super::{Place, Through};
use crate::Gateway;
use crate::answer::{Collected, Failed, TOTAL, collect, meaning, refused};
use crate::conceal::conceal;
use crate::conclude::{Ends, conclude};
use crate::credentials::{self, Credentials, Shown};
use crate::dispatch::{Go, dispatch};
use crate::exchange::{Attempt, Exchange, Outcome};
use crate::names;
use crate::outgoing::{forward, idempotent, no_target, own};
use crate::plan::Planned;
use crate::relay::Body;
use crate::rescue::rescue;
use crate::respond;
use crate::upstream::{Pieces, UpstreamBody, sign};

/// The client's headers that go on beside those that its dialect forwards.
const ASKED: [HeaderName; 3] = [CONTENT_TYPE, ACCEPT, RANGE];

/// The answer's headers that go on.
const ANSWERED: [HeaderName; 9] = [
    CONTENT_TYPE,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_RANGE,
    ACCEPT_RANGES,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
];

/// Largest error answer that goes on, in bytes, and how long it is waited for.
const ERROR_MAX: usize = 1024 * 1024;
const ERROR_WAITS: Duration = Duration::from_secs(10);

/// Sends the request, and hands its answer on.
pub(crate) async fn send(
    gateway: Gateway,
    through: Box<Through>,
    mut exchange: Box<Exchange>,
) -> Response<Body> {
    let dialect = exchange.dialect;
    let planned = &through.reserved.planned;
    let model = Arc::clone(&planned.plan.model);
    let own = planned.screened.admitted.call.options.timeout;
    let most = model.timeouts.total;
    let deadline = exchange.opened + own.map_or(most, |own| own.min(most));
    let one = One {
        gateway: &gateway,
        through: &through,
        deadline,
    };
    match Box::pin(one.attempt(&mut exchange)).await {
        Ok(Got::Answer(response)) => hand_on(response, (&gateway, deadline), exchange),
        Ok(Got::Error(response)) => {
            exchange.status = response.status().as_u16();
            let code = if response.status().is_server_error() {
                Code::ProviderFailed
            } else {
                Code::ProviderRejected
            };
            exchange.conclude(Outcome::Refused(code));
            if let Some(receipt) = exchange.settle() {
                // Lost or kept, there is an error to tell.
                let _ = receipt.durable().await;
            }
            let (parts, bytes) = response.into_parts();
            let mut response = head(&parts, &exchange, Body::full(bytes));
            respond::cost(response.headers_mut(), &exchange);
            response
        }
        Err(Stop::Failed(failed)) => {
            let ends = Ends {
                last: Some(failed),
                ..Ends::default()
            };
            let failure = conclude(ends, &exchange, &model, &gateway.shared.choice);
            rescue(dialect, &failure, exchange).await
        }
        Err(Stop::Ours(failure)) => rescue(dialect, &failure, exchange).await,
    }
}

fn hand_on(
    response: Response<UpstreamBody>,
    (gateway, deadline): (&Gateway, Instant),
    exchange: Box<Exchange>,
) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let memory = &gateway.shared.memory;
    let probe = Probe::of(&parts.headers, exchange.dialect.dialect(), memory);
    let mut response = head(&parts, &exchange, Body::Full(None));
    let passing = Passing::new(body, probe, exchange, deadline);
    *response.body_mut() = Body::Through(Box::new(passing));
    response
}

/// The head of an answer: the provider's status, some of its headers, and ours.
fn head(parts: &http::response::Parts, exchange: &Exchange, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    forward(headers, &parts.headers, &ANSWERED);
    let dialect = exchange.dialect;
    let id = parts.headers.get(&names::of(dialect).request_id).cloned();
    respond::common(headers, dialect, exchange, id);
    respond::answered(headers, exchange);
    respond::limits(headers, dialect, exchange);
    response
}

/// What the provider said.
enum Got {
    /// An answer, whose body comes.
    Answer(Response<UpstreamBody>),
    /// An error, which goes on as it is.
    Error(Response<bytes::Bytes>),
}

/// Why it said nothing that can go on.
enum Stop {
    /// By the attempt.
    Failed(Failed),
    /// By ourselves, before it.
    Ours(Failure),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        match failed.ours {
            Some(failure) => Stop::Ours(*failure),
            None => Stop::Failed(failed),
        }
    }
}

/// A request, and the credential that it shows.
type Signed = (Request<Full<Pieces>>, Option<Arc<ProviderKey>>);

/// The attempt.
struct One<'a> {
    gateway: &'a Gateway,
    through: &'a Through,
    deadline: Instant,
}

impl One<'_> {
    fn planned(&self) -> &Planned {
        &self.through.reserved.planned
    }

    async fn attempt(&self, exchange: &mut Exchange) -> Result<Got, Stop> {
        let steps = &self.planned().plan.steps;
        let target = steps.first().map(|step| Arc::clone(&step.target));
        let target = target.ok_or_else(|| {
            Stop::Ours(Failure::new(
                Code::NoTarget,
                "nobody is there to pass it to",
            ))
        })?;
        let (request, key) = self.request(&target).map_err(Stop::Ours)?;
        match dispatch(self.gateway, exchange).await {
            Ok(Go::Send) => {}
            Ok(Go::Stop(failure)) | Err(failure) => return Err(Stop::Ours(failure)),
        }
        let began = Instant::now();
        exchange.attempts.push(Attempt::new(&target));
        exchange.used.is_uncounted = true;
        let asking = self.ask(&target, request, exchange);
        let result = timeout_at(self.deadline, asking).await;
        let result = result.unwrap_or_else(|_elapsed| {
            let sent = exchange.attempts.last().and_then(|one| one.connected);
            let kind = match sent {
                Some(_) => AttemptFailure::Ambiguous,
                None => AttemptFailure::NotSent,
            };
            Err(Failed::timed_out(kind, TOTAL))
        });
        if let (Err(failed), Some(key)) = (&result, &key) {
            credentials::refused(key, failed.kind);
        }
        let took = began.elapsed();
        exchange.waited += took;
        exchange.first = exchange.opened.elapsed();
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.took = took;
            if let Err(failed) = &result {
                attempt.failure = Some(failed.kind);
                attempt.why = conceal(&target, failed.why.clone());
                attempt.phase = failed.timed_out.unwrap_or_default();
            }
            if attempt.failure.is_some() {
                attempt.used = std::mem::take(&mut exchange.used);
            }
        }
        result.map_err(|failed| failed.concealed(&target).into())
    }

    async fn ask(
        &self,
        target: &Target,
        request: Request<Full<Pieces>>,
        exchange: &mut Exchange,
    ) -> Result<Got, Failed> {
        let mut unlisted = None;
        let connected = match exchange.attempts.last_mut() {
            Some(attempt) => &mut attempt.connected,
            None => &mut unlisted,
        };
        let patience = self.planned().plan.model.timeouts.connect;
        let upstream = &self.gateway.upstream;
        let origin = &target.provider.origin;
        let response = upstream.send_timed(origin, (request, patience), connected);
        let response = response.await?;
        let status = response.status();
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.status = Some(status.as_u16());
        }
        if status.is_redirection() {
            let why =
                format!("status {status}: it answered with a redirect, which is not followed");
            return Err(Failed::new(AttemptFailure::BadRequest, why));
        }
        if status.is_success() {
            return Ok(Got::Answer(response));
        }
        self.error(target, response, exchange).await
    }

    /// An error goes on as it is, unless it is about the gateway's own credential.
    async fn error(
        &self,
        target: &Target,
        response: Response<UpstreamBody>,
        exchange: &mut Exchange,
    ) -> Result<Got, Failed> {
        let codec = target.provider.dialect.client();
        let shared = &self.gateway.shared;
        let memory = &shared.memory;
        if response.status() == StatusCode::UNAUTHORIZED {
            let failed = refused(response, target, (memory, shared.now_ms())).await;
            return Err(Failed {
                kind: AttemptFailure::Credential,
                ..failed
            });
        }
        let (parts, body) = response.into_parts();
        let unread = || Failed::new(AttemptFailure::MidStream, "its error could not be read");
        let read = timeout(ERROR_WAITS, collect(body, ERROR_MAX, memory)).await;
        let bytes = match read.map_err(|_elapsed| unread())?? {
            Collected::Whole(bytes, _) => bytes,
            Collected::Long(..) => return Err(unread()),
        };
        let said = codec.decode_failure(&bytes);
        let meaning = meaning(target, &parts, &said);
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.failure = Some(meaning.kind);
            // The path alone may name what nobody has.
            if meaning.vague {
                attempt.ticket = None;
            }
            let why = format!("status {}: {}", parts.status.as_u16(), said.message);
            attempt.why = conceal(target, why);
        }
        let bytes = match String::from_utf8(bytes.to_vec()) {
            Ok(text) => conceal(target, text).into(),
            Err(_binary) => bytes,
        };
        Ok(Got::Error(Response::from_parts(parts, bytes)))
    }

    /// The request as the provider gets it.
    ///
    /// Always with the first credential: what a provider keeps (files, batches) is there for the account
    /// that made it, and another one's credential would not find it.
    fn request(&self, target: &Arc<Target>) -> Result<Signed, Failure> {
        let provider = &target.provider;
        let screened = &self.planned().screened;
        let admitted = &screened.admitted;
        let Place { path, .. } = &self.through.place;
        let (mut head, ()) = Request::new(()).into_parts();
        head.method.clone_from(&self.through.method);
        head.uri =
            Uri::try_from(path.as_str()).map_err(|_| no_target(target, "its path is no path"))?;
        let names = names::of(provider.spoken());
        own(&mut head.headers, names, provider);
        head.headers.remove(CONTENT_TYPE);
        let asked = &admitted.call.headers;
        forward(&mut head.headers, asked, &ASKED);
        forward(&mut head.headers, asked, &names.forwarded);
        let shared = &self.gateway.shared;
        idempotent(&mut head.headers, (admitted, target), &shared.hasher)?;
        let body = Pieces::from(screened.body.bytes.clone());
        let first = provider.keys.first().map_or("", |key| key.name());
        let credentials = Credentials::only(Arc::clone(shared), first);
        let key = match credentials.choose(target) {
            Shown::Nothing => None,
            Shown::Key(key) => {
                sign::show(&mut head, &body, (provider, &key), shared.now_ms())
                    .map_err(|why| no_target(target, &why))?;
                Some(key)
            }
            Shown::AllSpent => {
                let mut failure = no_target(target, "its first credential is of no use now");
                failure.retry_after = credentials.returns_in(target);
                return Err(failure);
            }
        };
        Ok((Request::from_parts(head, Full::new(body)), key))
    }
}
