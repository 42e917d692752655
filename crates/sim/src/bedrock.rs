//! The `bedrock-converse` dialect, facing the caller: `/model/{id}/converse`
//! and its sisters, as bedrock-runtime speaks them (shapes from AWS's service
//! model and from recorded answers).
//!
//! Routes, errors and headers here; requests are read in `read`, answers
//! written in `write`, framed in `frame`; vectors are in `embed`, signatures
//! are checked in `sigv4`.
//! Knows no fault and no bill.

mod embed;
pub(crate) mod frame;
mod read;
mod sigv4;
mod write;

pub(crate) use embed::count_headers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::json::text;
use crate::play::Tape;
use crate::script::Secrets;
use crate::words::Rng;

/// The dialect.
pub(crate) struct Bedrock;

const MODELS: [&str; 2] = ["echo", "words"];

impl Dialect for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock-converse"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        if head.gets() && head.path == "/inference-profiles" {
            return Some(Op::Models);
        }
        let (model, action) = split(head)?;
        match action {
            "invoke" if embed::is_embedder(&model) => Some(Op::Embed),
            "converse" | "converse-stream" => Some(Op::Chat),
            "count-tokens" => Some(Op::CountTokens),
            _ => None,
        }
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        key(head)
    }

    fn verify(&self, head: &Head<'_>, body: &[u8], secrets: &Secrets) -> Result<(), Refusal> {
        sigv4::verify(head, body, secrets)
    }

    fn unknown_key(&self, presented: bool) -> Refusal {
        unknown_key(presented)
    }

    fn read(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        let (model, action) = split(head).ok_or_else(|| Refusal::of(404))?;
        if *op == Op::Embed {
            return embed::read(model, body);
        }
        let mut ask = read::read(&parse(body)?, model)?;
        ask.stream = action == "converse-stream";
        Ok(ask)
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        if *job.op == Op::Embed {
            embed::whole(job)
        } else {
            write::whole(job)
        }
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        write::stream(job)
    }

    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal> {
        let body = match op {
            Op::Models => profiles(),
            Op::CountTokens => json!({ "inputTokens": count(head, &parse(body)?)? }),
            Op::Chat
            | Op::Complete
            | Op::Embed
            | Op::Rerank
            | Op::Moderate
            | Op::Image
            | Op::ImageEdit
            | Op::Speech
            | Op::Transcribe
            | Op::Translate
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => return Err(Refusal::of(404)),
        };
        Ok(Bytes::from(body.to_string()))
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, _request_id: &str) -> Bytes {
        error(refusal)
    }

    fn error_headers(&self, refusal: &Refusal, headers: &mut HeaderMap) {
        error_headers(refusal, headers);
    }

    fn error_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        frame::stream_error()
    }

    fn broken_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        let half = b"{\"contentBlockIndex\":0,\"delta\":{\"text\":";
        frame::event("contentBlockDelta", half)
    }

    fn content_type(&self, job: &Job<'_>) -> &'static str {
        frame::content_type(job.ask.stream)
    }

    fn answer_headers(&self, job: &Job<'_>, headers: &mut HeaderMap) {
        if *job.op == Op::Embed {
            count_headers(job, headers);
        }
    }

    fn request_id(&self, rng: &mut Rng) -> String {
        rng.uuid()
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, _status: u16) {
        self::headers(headers, request_id);
    }
}

/// Model, decoded, and action of `/model/{model}/{action}`.
pub(crate) fn split<'h>(head: &Head<'h>) -> Option<(String, &'h str)> {
    let rest = head.path.strip_prefix("/model/").filter(|_| head.posts())?;
    let (model, action) = rest.rsplit_once('/')?;
    let model = percent_decode_str(model).decode_utf8_lossy().into_owned();
    Some((model, action))
}

/// The access key id of a signature, or a bearer's key.
pub(crate) fn key<'h>(head: &Head<'h>) -> Option<&'h str> {
    sigv4::access_key(head).or_else(|| head.bearer())
}

/// Checks the signature, where there is one and its secret is known.
///
/// # Errors
/// What AWS would say.
pub(crate) fn verify(head: &Head<'_>, body: &[u8], secrets: &Secrets) -> Result<(), Refusal> {
    sigv4::verify(head, body, secrets)
}

/// What AWS says where no key is presented, or a wrong one.
pub(crate) fn unknown_key(presented: bool) -> Refusal {
    let (code, message) = if presented {
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    } else {
        (
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    };
    Refusal {
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
        ..Refusal::of(403)
    }
}

/// The body of an error; its type stands in a header.
pub(crate) fn error(refusal: &Refusal) -> Bytes {
    let (_, usual) = usual_error(refusal.status);
    let message = refusal.message.as_deref().unwrap_or(usual);
    Bytes::from(json!({ "message": message }).to_string())
}

/// The header that says an error's type.
pub(crate) fn error_headers(refusal: &Refusal, headers: &mut HeaderMap) {
    let (usual, _) = usual_error(refusal.status);
    let kind = refusal.code.as_deref().unwrap_or(usual);
    let value = format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert("x-amzn-errortype", value);
    }
}

/// The headers that every answer carries.
pub(crate) fn headers(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
}

/// What AWS usually says at a status: the exception and a message.
fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 | 403 => (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        404 => (
            "ResourceNotFoundException",
            "The specified resource was not found.",
        ),
        408 => (
            "ModelTimeoutException",
            "Model has timed out in processing the request. Try your request again.",
        ),
        424 => (
            "ModelErrorException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        429 => (
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
        ),
        503 => (
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        400..=499 => ("ValidationException", "The request is invalid."),
        _ => (
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    }
}

/// # Errors
/// What AWS would say of a body that is not JSON.
fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|e| Refusal {
        code: Some("SerializationException".to_owned()),
        ..Refusal::bad(format!("The request body is not valid JSON: {e}"))
    })
}

fn count(head: &Head<'_>, body: &Value) -> Result<u64, Refusal> {
    let input = body.get("input").unwrap_or(&Value::Null);
    if let Some(converse) = input.get("converse") {
        let (model, _) = split(head).ok_or_else(|| Refusal::of(404))?;
        return read::read(converse, model).map(|ask| ask.input_tokens);
    }
    let inner = input.get("invokeModel").and_then(|i| text(i, "body"));
    let inner = inner.and_then(|b| STANDARD.decode(b).ok());
    let inner = inner.ok_or_else(|| {
        Refusal::bad("1 validation error detected: Value at 'input' failed to satisfy constraint: Member must not be null")
    })?;
    crate::anthropic::count(&inner, split(head).map(|(model, _)| model))
}

fn profiles() -> Value {
    let each = MODELS.iter().map(|id| {
        json!({
            "inferenceProfileId": id,
            "inferenceProfileName": id,
            "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/{id}"),
            "models": [],
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        })
    });
    json!({ "inferenceProfileSummaries": each.collect::<Vec<Value>>() })
}
