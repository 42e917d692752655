//! The body of a provider's response, and the lease on the connection it comes over.
//!
//! The connection goes back to the pool when the end has been read, and is closed (HTTP/1.1) or the
//! stream reset (HTTP/2) when the body is dropped before. A stream that was reset before its end must
//! never look like a body that ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::send::Lease;

/// A response body as it arrives. Reading it to the end gives the connection back.
#[derive(Debug)]
pub struct UpstreamBody {
    inner: Incoming,
    end: BodyEnd,
    framing: Framing,
    lease: Option<Lease>,
}

/// How a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// Its end has not been read.
    Open,
    /// All of it came: the length was met, or the last chunk or END_STREAM was seen.
    Clean,
    /// The connection was closed, which is all that marks the end of such a body (RFC 9112 section
    /// 6.3, rule 8): it may have been cut.
    Unproven,
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The framing or the connection failed.
    #[error("the response broke off: {}", describe(.0))]
    Broken(#[source] hyper::Error),
    /// The stream was reset before its end, though without an error code.
    #[error("the response broke off: the stream was reset before its end")]
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Delimited,
    UntilClose,
    Http2,
}

impl UpstreamBody {
    pub(super) fn new(parts: &response::Parts, inner: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            framing: framing(parts, &inner),
            inner,
            end: BodyEnd::Open,
            lease: Some(lease),
        };
        if body.inner.is_end_stream() {
            body.finish();
        }
        body
    }

    /// How the body stands. Final once a read has returned its end.
    #[must_use]
    pub fn end(&self) -> BodyEnd {
        self.end
    }

    fn finish(&mut self) {
        self.end = match self.framing {
            Framing::Delimited | Framing::Http2 => BodyEnd::Clean,
            Framing::UntilClose => BodyEnd::Unproven,
        };
        if let Some(lease) = self.lease.take()
            && self.end == BodyEnd::Clean
        {
            lease.give_back();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // It has ended or broken off before; hyper would repeat some errors for ever.
        if this.lease.is_none() {
            return Poll::Ready(None);
        }
        let Poll::Ready(read) = Pin::new(&mut this.inner).poll_frame(context) else {
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Some(Ok(frame)) => {
                if this.inner.is_end_stream() {
                    this.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                this.lease = None;
                Some(Err(BodyError::Broken(error)))
            }
            // hyper ends a body that was reset with NO_ERROR as if it were whole.
            None if this.framing == Framing::Http2 && !this.inner.is_end_stream() => {
                this.lease = None;
                Some(Err(BodyError::Reset))
            }
            None => {
                this.finish();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.end != BodyEnd::Open
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// RFC 9112 section 6.3 for responses, as hyper applies it.
fn framing(parts: &response::Parts, body: &Incoming) -> Framing {
    if parts.version == Version::HTTP_2 {
        Framing::Http2
    } else if body.is_end_stream()
        || is_chunked(&parts.headers)
        || (parts.headers.contains_key(CONTENT_LENGTH)
            && !parts.headers.contains_key(TRANSFER_ENCODING))
    {
        Framing::Delimited
    } else {
        Framing::UntilClose
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let coding = last.and_then(|value| value.to_str().ok());
    let coding = coding.and_then(|value| value.rsplit(',').next());
    coding.is_some_and(|name| name.trim().eq_ignore_ascii_case("chunked"))
}

/// The message of an error with those of its causes, which hyper leaves out of its own.
pub(super) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
