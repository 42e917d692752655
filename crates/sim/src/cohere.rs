//! The `cohere` dialect, facing the caller: `/v2/chat`, `/v2/embed` and
//! `/v2/rerank`, as api.cohere.com speaks them (shapes from its API reference
//! and from recorded answers).
//!
//! Routes, errors and headers here; chats are read in `read` and written in
//! `write`, vectors and ranks in `search`. Knows no fault and no bill.

mod read;
mod search;
mod write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::play::Tape;
use crate::words::Rng;

/// The dialect.
pub(crate) struct Cohere;

const REFERENCE: &str = "https://docs.cohere.com/reference/chat";

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        let (_, call) = head.path.rsplit_once("/v2/").filter(|_| head.posts())?;
        match call {
            "chat" => Some(Op::Chat),
            "embed" => Some(Op::Embed),
            "rerank" => Some(Op::Rerank),
            _ => None,
        }
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        head.bearer()
    }

    fn read(&self, op: &Op, _head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|e| Refusal::bad(format!("invalid request: {e}")))?;
        match op {
            Op::Embed => search::read_embed(&body),
            Op::Rerank => search::read_rerank(&body),
            Op::Chat
            | Op::Complete
            | Op::Moderate
            | Op::Image
            | Op::ImageEdit
            | Op::Speech
            | Op::Transcribe
            | Op::Translate
            | Op::CountTokens
            | Op::Models
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => read::read(&body),
        }
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        match job.op {
            Op::Embed | Op::Rerank => search::whole(job),
            Op::Chat
            | Op::Complete
            | Op::Moderate
            | Op::Image
            | Op::ImageEdit
            | Op::Speech
            | Op::Transcribe
            | Op::Translate
            | Op::CountTokens
            | Op::Models
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => write::whole(job),
        }
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        write::stream(job)
    }

    fn other(&self, _op: &Op, _head: &Head<'_>, _body: &[u8]) -> Result<Bytes, Refusal> {
        Err(Refusal::of(404))
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, request_id: &str) -> Bytes {
        let message = refusal.message.as_deref();
        let message = message.unwrap_or_else(|| usual_error(refusal.status));
        let body = json!({ "id": request_id, "message": message });
        Bytes::from(body.to_string())
    }

    /// The provider knows no error event: the answer ends as one that failed.
    fn error_event(&self, job: &Job<'_>, _at: u64) -> Bytes {
        write::failed(job)
    }

    fn broken_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        Bytes::from_static(
            b"event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":\n\n",
        )
    }

    fn content_type(&self, job: &Job<'_>) -> &'static str {
        if job.ask.stream {
            "text/event-stream"
        } else {
            "application/json"
        }
    }

    fn request_id(&self, rng: &mut Rng) -> String {
        rng.uuid()
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, _status: u16) {
        headers.insert("x-accel-expires", HeaderValue::from_static("0"));
        let trace = request_id.replace('-', "");
        if let Ok(trace) = HeaderValue::from_str(&trace) {
            headers.insert("x-debug-trace-id", trace);
        }
    }
}

/// What the provider usually says at a status.
fn usual_error(status: u16) -> &'static str {
    match status {
        401 => "invalid api token",
        402 => "the account has no credits left",
        403 => "the api token has no access to this resource",
        404 => {
            "model not found, make sure the correct model ID was used and that you have access to the model."
        }
        422 => "the request is not processable",
        429 => "You are using a Trial key, which is limited to 10 API calls / minute.",
        498 => "invalid token",
        499 => "the request was cancelled",
        503 => "the service is overloaded, please try again later",
        400..=499 => "invalid request",
        _ => "internal server error, this has been reported to our developers.",
    }
}

/// What is said of a field that the provider does not know.
///
/// # Errors
/// The first field of `value` that is not among `known`.
fn check(value: &Value, known: &[&str]) -> Result<(), Refusal> {
    let fields = value.as_object().into_iter().flatten();
    let unknown = fields
        .into_iter()
        .find(|(name, _)| !known.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(Refusal {
            message: Some(format!(
                "unknown field: parameter '{name}' is not a valid field. For proper usage, please refer to {REFERENCE}"
            )),
            ..Refusal::of(422)
        }),
    }
}
