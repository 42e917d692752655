//! Calls about answers that a provider keeps: read one, its inputs, delete it, cancel it.
//!
//! The caller is known, its limits of requests hold, and the answer must be bound to its tenant. The
//! call goes to the target that keeps the answer, with the credential that made it, once, and nowhere
//! else. What it tells of usage was billed when the answer was made: it is not counted again.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use percent_encoding::utf8_percent_encode;
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::{Target, Timeouts};
use policy::secret::ProviderKey;
use policy::snapshot::Snapshot;
use store::responses::Place;
use tokio::time::{Instant, timeout_at};

use crate::Gateway;
use crate::admit::Admitted;
use crate::answer::{Collected, Failed, WHOLE_MAX, collect, refused};
use crate::credentials;
use crate::exchange::{Attempt, Exchange, Outcome};
use crate::names;
use crate::outgoing::{SEGMENT, forward, no_target, own, path};
use crate::relay::Body;
use crate::rescue::rescue;
use crate::respond;
use crate::stored::{Owner, unknown};
use crate::upstream::{Pieces, UpstreamBody, sign};

/// A call about an answer that a provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredCall {
    /// How it is asked for.
    pub method: Method,
    /// The answer's id.
    pub id: String,
    /// What stands behind the id in the path.
    pub below: &'static str,
    /// The query, as the client wrote it.
    pub query: Option<String>,
}

/// A call that may be sent.
pub(crate) struct Asking {
    admitted: Admitted,
    call: StoredCall,
    target: Arc<Target>,
    credential: String,
    timeouts: Timeouts,
}

/// Finds where the answer is.
///
/// # Errors
/// `not_found` where it is not bound to the caller's tenant, or its provider is gone.
pub(crate) fn find(
    admitted: Admitted,
    call: StoredCall,
    (gateway, snapshot): (&Gateway, &Snapshot),
) -> Result<Asking, Failure> {
    let shared = &gateway.shared;
    let owner = Owner::of(&admitted.caller.key, &shared.hasher);
    let place = shared.stored.find(&call.id, &owner, shared.now_ms());
    let place = place.ok_or_else(|| unknown(&call.id))?;
    let target = target(&place, snapshot).ok_or_else(|| unknown(&call.id))?;
    Ok(Asking {
        admitted,
        call,
        target,
        credential: place.credential.clone(),
        timeouts: snapshot.defaults.timeouts,
    })
}

fn target(place: &Place, snapshot: &Snapshot) -> Option<Arc<Target>> {
    let provider = snapshot.providers.get(&place.provider)?;
    let target = Target::new(Arc::clone(provider), place.model.clone());
    Some(Arc::new(target))
}

/// Asks the provider and hands its answer on.
pub(crate) async fn ask(
    gateway: Gateway,
    asking: Box<Asking>,
    mut exchange: Box<Exchange>,
) -> Response<Body> {
    let dialect = asking.admitted.call.speech.dialect;
    exchange.attempts.push(Attempt::new(&asking.target));
    let own = asking.admitted.call.options.timeout;
    let most = asking.timeouts.total;
    let deadline = exchange.opened + own.map_or(most, |own| own.min(most));
    let began = Instant::now();
    let got = timeout_at(deadline, asking.send(&gateway)).await;
    exchange.waited += began.elapsed();
    let got =
        got.unwrap_or_else(|_elapsed| Err(Failed::timed_out(AttemptFailure::Ambiguous, "total")));
    match got {
        Ok(got) => asking.answer(&gateway, got, (exchange, deadline)),
        Err(failed) => {
            let failure = asking.failed(failed, &mut exchange);
            rescue(dialect, &failure, exchange).await
        }
    }
}

/// What the provider gave.
struct Got {
    kind: HeaderValue,
    provider_id: Option<HeaderValue>,
    body: Collected,
}

impl Asking {
    async fn send(&self, gateway: &Gateway) -> Result<Got, Failed> {
        let key = self.key();
        let request = self.request(key, gateway.shared.now_ms());
        let request =
            request.map_err(|failure| Failed::new(AttemptFailure::NotSent, failure.message))?;
        let provider = &self.target.provider;
        let sent = gateway
            .upstream
            .send(&provider.origin, request, self.timeouts.connect);
        let response = sent.await?;
        let (memory, now_ms) = (&gateway.shared.memory, gateway.shared.now_ms());
        if !response.status().is_success() {
            let failed = refused(response, &self.target, (memory, now_ms)).await;
            if let Some(key) = key {
                credentials::refused(key, failed.kind);
            }
            return Err(failed);
        }
        let (parts, body) = response.into_parts();
        let json = HeaderValue::from_static("application/json");
        let kind = parts.headers.get(CONTENT_TYPE).cloned().unwrap_or(json);
        let is_stream = kind.as_bytes().starts_with(b"text/event-stream");
        let body = if is_stream {
            stream(body, memory)?
        } else {
            collect(body, WHOLE_MAX, memory).await?
        };
        Ok(Got {
            kind,
            provider_id: parts
                .headers
                .get(&names::of(provider.spoken()).request_id)
                .cloned(),
            body,
        })
    }

    /// The credential that made the answer; the first one where it is gone.
    fn key(&self) -> Option<&ProviderKey> {
        let keys = &self.target.provider.keys;
        let named = keys.iter().find(|key| key.name() == self.credential);
        named.or(keys.first()).map(Arc::as_ref)
    }

    /// The request: the provider's path, the client's query, nothing of its body.
    fn request(
        &self,
        key: Option<&ProviderKey>,
        now_ms: i64,
    ) -> Result<Request<Full<Pieces>>, Failure> {
        let target = &*self.target;
        let provider = &target.provider;
        let names = names::of(provider.spoken());
        let root = provider.dialect.client().chat_path(&target.model, false);
        let StoredCall { id, below, .. } = &self.call;
        let id = utf8_percent_encode(id, SEGMENT);
        let query = self.query();
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.call.method.clone();
        head.uri = Uri::try_from(path(target, &format!("{root}/{id}{below}{query}")))
            .map_err(|_| no_target(target, "its path is no path"))?;
        own(&mut head.headers, names, provider);
        head.headers.remove(CONTENT_TYPE);
        forward(
            &mut head.headers,
            &self.admitted.call.headers,
            &names.forwarded,
        );
        let body = Pieces::from(Bytes::new());
        if let Some(key) = key {
            sign::show(&mut head, &body, (provider, key), now_ms)
                .map_err(|why| no_target(target, &why))?;
        }
        Ok(Request::from_parts(head, Full::new(body)))
    }

    /// The client's query behind `?`, without the key that it may show us there.
    fn query(&self) -> String {
        let pairs = self.call.query.as_deref().unwrap_or_default().split('&');
        let kept: Vec<&str> = pairs
            .filter(|pair| !pair.is_empty() && *pair != "key" && !pair.starts_with("key="))
            .collect();
        match kept.as_slice() {
            [] => String::new(),
            pairs => format!("?{}", pairs.join("&")),
        }
    }

    fn answer(
        &self,
        gateway: &Gateway,
        got: Got,
        (mut exchange, deadline): (Box<Exchange>, Instant),
    ) -> Response<Body> {
        if self.call.method == Method::DELETE {
            let shared = &gateway.shared;
            let owner = Owner::of(&self.admitted.caller.key, &shared.hasher);
            shared.stored.forget(&self.call.id, &owner);
        }
        let mut response = Response::new(Body::full(Bytes::new()));
        let headers = response.headers_mut();
        let dialect = self.admitted.call.speech.dialect;
        respond::common(headers, dialect, &exchange, got.provider_id);
        respond::answered(headers, &exchange);
        respond::limits(headers, dialect, &exchange);
        headers.insert(CONTENT_TYPE, got.kind);
        *response.body_mut() = match got.body {
            Collected::Whole(bytes, room) => {
                exchange.conclude(Outcome::Answered);
                exchange.settle();
                Body::full(room.keep_for(bytes))
            }
            Collected::Long(first, room, rest) => {
                Body::uncounted(room.keep_for(first), rest, (exchange, deadline))
            }
        };
        response
    }

    /// What the client is told: what the provider says of the request is passed on.
    fn failed(&self, failed: Failed, exchange: &mut Exchange) -> Failure {
        let failed = failed.concealed(&self.target);
        let mut told = String::new();
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.failure = Some(failed.kind);
            attempt.why.clone_from(&failed.why);
            attempt.phase = failed.timed_out.unwrap_or_default();
            attempt.status = failed.said.as_ref().map(|said| said.status);
            attempt.told().clone_into(&mut told);
        }
        if let Some(ours) = failed.ours {
            return *ours;
        }
        let about_the_request = matches!(
            failed.kind,
            AttemptFailure::BadRequest | AttemptFailure::ModelGone
        );
        let mut failure = match &failed.said {
            _ if failed.timed_out.is_some() => Failure::new(Code::Timeout, told),
            Some(said) if about_the_request && !said.error.message.is_empty() => {
                Failure::new(Code::ProviderRejected, said.error.message.clone())
            }
            Some(_) | None => Failure::new(Code::ProviderFailed, told),
        };
        failure.retry_after = failed.retry_after;
        failure.provider = failed.said;
        failure
    }
}

/// A stream is handed on as it comes.
fn stream(body: UpstreamBody, memory: &crate::memory::Memory) -> Result<Collected, Failed> {
    let room = memory.try_reserve(0);
    let room = room.ok_or_else(crate::answer::without_room)?;
    Ok(Collected::Long(Bytes::new(), room, Box::new(body)))
}
