//! One request on one connection, and whether it can have been acted upon if it gets no answer.
//!
//! A request is given back only where hyper or h2 says that nothing of it was processed; everything
//! else is lost, never sent again on a guess.

use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::Full;

use super::body::{UpstreamBody, describe};
use super::pieces::Pieces;
use super::pool::{Http1, Pool, SendHttp2, Stream};

/// A connection that was chosen for a request.
pub(super) enum Connection {
    Http1(Http1),
    Http2(SendHttp2, Stream),
}

/// A request without a response.
pub(super) enum Unanswered {
    GivenBack(Box<Request<Full<Pieces>>>, String),
    Lost { malformed: bool, why: String },
}

impl Connection {
    /// Sends it. The request is handed over before the future is made, which thus keeps no room for it.
    pub(super) fn send(
        self,
        pool: &Arc<Pool>,
        request: Request<Full<Pieces>>,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Unanswered>> + Send {
        let sending = match self {
            Self::Http1(connection) => Sending::Http1(send_http1(connection, pool, request)),
            Self::Http2(sender, stream) => {
                let pool = Arc::clone(pool);
                Sending::Http2(Box::pin(send_http2(sender, stream, pool, request)))
            }
        };
        async move {
            match sending {
                Sending::Http1(sending) => sending.await,
                Sending::Http2(sending) => sending.await,
            }
        }
    }
}

enum Sending<A, B> {
    Http1(A),
    Http2(Pin<Box<B>>),
}

fn send_http1(
    mut connection: Http1,
    pool: &Arc<Pool>,
    mut request: Request<Full<Pieces>>,
) -> impl Future<Output = Result<Response<UpstreamBody>, Unanswered>> + Send {
    pool.prepare_http1(&mut request);
    let sent = connection.sender.try_send_request(request);
    let pool = Arc::clone(pool);
    async move {
        match sent.await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let body = UpstreamBody::new(&parts, body, Lease::Http1(connection, pool));
                Ok(Response::from_parts(parts, body))
            }
            Err(mut failure) => {
                let given_back = failure.take_message();
                Err(unanswered(given_back, &failure.into_error()))
            }
        }
    }
}

async fn send_http2(
    mut sender: SendHttp2,
    stream: Stream,
    pool: Arc<Pool>,
    mut request: Request<Full<Pieces>>,
) -> Result<Response<UpstreamBody>, Unanswered> {
    pool.prepare_http2(&mut request);
    // h2 does not give back the request of a refused stream. The body is shared, not copied.
    let copy = request.clone();
    match sender.try_send_request(request).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let body = UpstreamBody::new(&parts, body, Lease::Http2(stream));
            Ok(Response::from_parts(parts, body))
        }
        Err(mut failure) => {
            let mut given_back = failure.take_message();
            let error = failure.into_error();
            let refusal = refusal(&error);
            if given_back.is_none() && refusal != Refusal::No {
                given_back = Some(copy);
            }
            if refusal == Refusal::Connection || given_back.is_some() {
                pool.retire(&stream);
            }
            Err(unanswered(given_back, &error))
        }
    }
}

fn unanswered(given_back: Option<Request<Full<Pieces>>>, error: &hyper::Error) -> Unanswered {
    let why = describe(error);
    match given_back {
        Some(request) => Unanswered::GivenBack(Box::new(request), why),
        None => Unanswered::Lost {
            malformed: error.is_parse() || error.is_parse_too_large(),
            why,
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    No,
    Stream,
    Connection,
}

/// Whether the server said that it has not touched the request: REFUSED_STREAM, or a GOAWAY whose last
/// stream is an earlier one (RFC 9113 sections 8.7 and 6.8). h2 fails only those streams with a GOAWAY
/// that came from the server.
fn refusal(error: &hyper::Error) -> Refusal {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<h2::Error>() {
            let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
            return match (cause.is_remote(), refused, cause.is_go_away()) {
                (true, true, _) => Refusal::Stream,
                (true, _, true) => Refusal::Connection,
                _ => Refusal::No,
            };
        }
        source = cause.source();
    }
    Refusal::No
}

/// What a response body holds of its connection.
pub(super) enum Lease {
    Http1(Http1, Arc<Pool>),
    Http2(Stream),
}

impl Lease {
    /// The whole response was read: the connection may serve another request.
    pub(super) fn give_back(self) {
        match self {
            Self::Http1(connection, pool) => pool.give_back(connection),
            Self::Http2(stream) => drop(stream),
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Http1(..) => "Lease::Http1",
            Self::Http2(..) => "Lease::Http2",
        })
    }
}
