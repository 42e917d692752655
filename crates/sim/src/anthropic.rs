//! The `anthropic-messages` dialect, facing the caller: `POST …/messages`,
//! `POST …/messages/count_tokens` and `GET …/models` with `anthropic-version`,
//! as api.anthropic.com speaks them (shapes from its API reference and from
//! recorded answers).
//!
//! Routes, errors and headers here; requests are read in `read`, answers
//! written in `write`. Knows no fault and no bill.

mod bedrock;
mod read;
mod vertex;
mod write;

pub(crate) use bedrock::OnBedrock;
pub(crate) use vertex::OnVertex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::ask::Ask;
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::json::put_value;
use crate::play::Tape;
use crate::words::{self, Rng};

use read::Given;

/// The dialect.
pub(crate) struct Anthropic;

const MODELS: [&str; 2] = ["echo", "words"];

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        if head.posts() && head.path.ends_with("/messages") {
            return Some(Op::Chat);
        }
        if head.posts() && head.path.ends_with("/messages/count_tokens") {
            return Some(Op::CountTokens);
        }
        if !head.gets() || !head.headers.contains_key("anthropic-version") {
            return None;
        }
        let (_, after) = head.path.split_once("/models")?;
        match after.strip_prefix('/') {
            None if after.is_empty() => Some(Op::Models),
            Some(id) => Some(Op::Model(id.to_owned())),
            None => None,
        }
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        head.header("x-api-key").or_else(|| head.bearer())
    }

    fn read(&self, _op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        if !head.headers.contains_key("anthropic-version") {
            return Err(Refusal::bad("anthropic-version: header is required"));
        }
        read::read(body, &Given::default())
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        write::whole(job)
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        write::stream(job)
    }

    fn other(&self, op: &Op, _head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal> {
        match op {
            Op::CountTokens => {
                let tokens = count(body, None)?;
                Ok(Bytes::from(format!("{{\"input_tokens\":{tokens}}}")))
            }
            Op::Models => Ok(value(&ModelsOut {
                data: MODELS.iter().map(|id| ModelOut::new(id)).collect(),
                has_more: false,
                first_id: MODELS.first().copied(),
                last_id: MODELS.last().copied(),
            })),
            Op::Model(id) => Ok(value(&ModelOut::new(id))),
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
            | Op::Stored(..)
            | Op::Files => Err(Refusal::of(404)),
        }
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, request_id: &str) -> Bytes {
        let (kind, message) = usual_error(refusal.status);
        value(&ErrorBody {
            kind: "error",
            error: ErrorOut {
                kind: refusal.code.as_deref().unwrap_or(kind),
                message: refusal.message.as_deref().unwrap_or(message),
            },
            request_id: Some(request_id),
        })
    }

    fn error_event(&self, job: &Job<'_>, _at: u64) -> Bytes {
        let error = ErrorOut {
            kind: "overloaded_error",
            message: "Overloaded",
        };
        let mut out = BytesMut::from("event: error\ndata: ");
        put_value(
            &mut out,
            &ErrorBody {
                kind: "error",
                error,
                request_id: Some(job.request_id),
            },
        );
        out.put_slice(b"\n\n");
        out.freeze()
    }

    fn broken_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        Bytes::from_static(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":\n\n",
        )
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, status: u16) {
        headers.insert("anthropic-organization-id", HeaderValue::from_static("sim"));
        headers.insert("x-robots-tag", HeaderValue::from_static("none"));
        if status == 200 || status == 429 {
            let left = if status == 429 { "0" } else { "19999" };
            let limits = [
                ("anthropic-ratelimit-requests-limit", "20000"),
                ("anthropic-ratelimit-requests-remaining", left),
                ("anthropic-ratelimit-requests-reset", RESET),
                ("anthropic-ratelimit-input-tokens-limit", "2000000"),
                ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
                ("anthropic-ratelimit-input-tokens-reset", RESET),
                ("anthropic-ratelimit-output-tokens-limit", "400000"),
                ("anthropic-ratelimit-output-tokens-remaining", "400000"),
                ("anthropic-ratelimit-output-tokens-reset", RESET),
            ];
            for (name, value) in limits {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        if (400..429).contains(&status) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        } else if status >= 429 {
            headers.insert("x-should-retry", HeaderValue::from_static("true"));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("request-id", id);
        }
    }
}

const RESET: &str = "2026-01-01T00:00:00Z";

/// Counts the input of a request, whose model may stand outside its body.
///
/// # Errors
/// What the provider would say.
pub(crate) fn count(body: &[u8], model: Option<String>) -> Result<u64, Refusal> {
    let given = Given {
        model,
        counts: true,
        ..Given::default()
    };
    read::read(body, &given).map(|ask| ask.input_tokens)
}

/// The signature of a model's thinking block. It can be checked, not forged by chance.
pub(crate) fn signature(model: &str, thinking: &str) -> String {
    let model = words::hash(0x51_6E_A7_12, model.as_bytes());
    let mut rng = Rng::new(words::hash(model, thinking.as_bytes()));
    let bytes: Vec<u8> = (0..9).flat_map(|_| rng.next().to_le_bytes()).collect();
    format!("Eq{}", STANDARD.encode(bytes))
}

/// What the provider usually says at a status: type and message.
fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", CREDIT),
        403 => (
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "Not Found"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", RATE_LIMIT),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        400..=499 => ("invalid_request_error", "Invalid request"),
        _ => ("api_error", "Internal server error"),
    }
}

const CREDIT: &str = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
const RATE_LIMIT: &str =
    "This request would exceed your organization's rate limit of 20,000 requests per minute.";

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorOut<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct ModelsOut<'a> {
    data: Vec<ModelOut<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ModelOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
}

impl<'a> ModelOut<'a> {
    fn new(id: &'a str) -> ModelOut<'a> {
        ModelOut {
            kind: "model",
            id,
            display_name: id,
            created_at: "2025-01-01T00:00:00Z",
            lifecycle: "active",
        }
    }
}

fn value(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}
