//! The `openai-chat` dialect, facing the caller: `POST …/chat/completions`,
//! `GET …/models` and the provider's other operations, as api.openai.com speaks
//! them (shapes from its OpenAPI document and from recorded answers).
//!
//! Routes, errors and headers here; chats are read in `read` and written in
//! `write`, each other family has a file of its own. Knows no fault and no bill.

mod audio;
mod completions;
mod images;
mod read;
mod vectors;
mod write;

pub(crate) use read::see_image;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::ask::{Ask, Framing};
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::json::put_value;
use crate::play::Tape;

/// The dialect.
pub(crate) struct OpenAiChat;

const MODELS: [&str; 3] = ["echo", "words", "reasoner"];
/// How the paths end, the longer before the shorter.
const POSTS: [(&str, Op); 9] = [
    ("/chat/completions", Op::Chat),
    ("/completions", Op::Complete),
    ("/embeddings", Op::Embed),
    ("/moderations", Op::Moderate),
    ("/images/generations", Op::Image),
    ("/images/edits", Op::ImageEdit),
    ("/audio/speech", Op::Speech),
    ("/audio/transcriptions", Op::Transcribe),
    ("/audio/translations", Op::Translate),
];

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        if head.posts() {
            let found = POSTS.iter().find(|(end, _)| head.path.ends_with(end));
            let files = head.path.ends_with("/files").then_some(Op::Files);
            return found.map(|(_, op)| op.clone()).or(files);
        }
        if head.gets() && head.path.ends_with("/files") {
            return Some(Op::Files);
        }
        let (_, after) = head.path.split_once("/models")?;
        match (head.gets(), after.strip_prefix('/')) {
            (true, None) if after.is_empty() => Some(Op::Models),
            (true, Some(id)) => Some(Op::Model(id.to_owned())),
            _ => None,
        }
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        key(head)
    }

    fn read(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        match op {
            Op::Chat => read::read(head, body),
            Op::Complete => completions::read(head, body),
            Op::Embed => vectors::read_embed(head, body),
            Op::Moderate => vectors::read_moderate(body),
            Op::Image | Op::ImageEdit => images::read(op, head, body),
            Op::Speech => audio::read_speech(head, body),
            Op::Transcribe | Op::Translate => audio::read_form(head, body),
            Op::Rerank
            | Op::CountTokens
            | Op::Models
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => Err(Refusal::of(404)),
        }
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        match job.op {
            Op::Chat => write::whole(job),
            Op::Complete => completions::whole(job),
            Op::Embed => vectors::embedded(job),
            Op::Moderate => vectors::moderated(job),
            Op::Image | Op::ImageEdit => images::whole(job),
            Op::Speech => audio::spoken(job),
            Op::Transcribe | Op::Translate => audio::written(job),
            Op::Rerank
            | Op::CountTokens
            | Op::Models
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => Tape::default(),
        }
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        match job.op {
            Op::Chat => write::stream(job),
            Op::Complete => completions::stream(job),
            Op::Image | Op::ImageEdit => images::stream(job),
            Op::Transcribe | Op::Translate => audio::dictated(job),
            Op::Embed
            | Op::Moderate
            | Op::Speech
            | Op::Rerank
            | Op::CountTokens
            | Op::Models
            | Op::Model(_)
            | Op::Stored(..)
            | Op::Files => self.whole(job),
        }
    }

    fn content_type(&self, job: &Job<'_>) -> &'static str {
        audio::content_type(job)
    }

    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal> {
        let model = |id| ModelOut {
            id,
            object: "model",
            created: 1_700_000_000,
            owned_by: "sim",
        };
        match op {
            Op::Models => {
                let data = MODELS.iter().map(|id| model(id)).collect();
                Ok(pretty(&ModelsOut {
                    object: "list",
                    data,
                }))
            }
            Op::Model(id) => Ok(pretty(&model(id))),
            Op::Files => Ok(pretty(&files(head, body))),
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
            | Op::CountTokens => {
                let message = format!("Invalid URL ({} {})", head.method, head.path);
                Err(Refusal {
                    status: 404,
                    message: Some(message),
                    ..Refusal::default()
                })
            }
        }
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, _request_id: &str) -> Bytes {
        error(refusal)
    }

    fn error_event(&self, job: &Job<'_>, _at: u64) -> Bytes {
        if job.ask.framing == Framing::Bytes {
            // Sound has no place for an error: it just ends.
            return Bytes::new();
        }
        let message = "The server had an error while processing your request. Sorry about that!";
        let error = ErrorOut {
            message,
            kind: "server_error",
            param: None,
            code: None,
        };
        let mut out = BytesMut::from("data: ");
        put_value(&mut out, &ErrorBody { error });
        out.put_slice(b"\n\n");
        out.freeze()
    }

    fn broken_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        Bytes::from_static(b"data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\n\n")
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, status: u16) {
        self::headers(headers, request_id, status);
    }
}

/// One file, as big as what was sent last; or the list of it.
fn files(head: &Head<'_>, body: &[u8]) -> serde_json::Value {
    let file = serde_json::json!({
        "id": "file-sim",
        "object": "file",
        "bytes": body.len(),
        "created_at": 1_700_000_000,
        "filename": "notes.jsonl",
        "purpose": "batch",
        "status": "processed",
    });
    if head.posts() {
        return file;
    }
    serde_json::json!({
        "object": "list",
        "data": [file],
        "first_id": "file-sim",
        "last_id": "file-sim",
        "has_more": false,
    })
}

/// The model of a request, which Azure names in the path.
fn model_of(head: &Head<'_>, own: Option<&str>) -> Result<String, Refusal> {
    let deployment = head
        .path
        .split_once("/deployments/")
        .and_then(|(_, rest)| rest.split('/').next());
    let model = own.filter(|m| !m.is_empty()).or(deployment);
    model
        .map(str::to_owned)
        .ok_or_else(|| Refusal::bad("you must provide a model parameter"))
}

/// The key that a caller of this provider presents.
pub(crate) fn key<'h>(head: &Head<'h>) -> Option<&'h str> {
    head.bearer().or_else(|| head.header("api-key"))
}

/// The headers that every answer of this provider carries.
pub(crate) fn headers(headers: &mut HeaderMap, request_id: &str, status: u16) {
    let fixed = [
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "12"),
        ("openai-organization", "sim"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if status == 200 || status == 429 {
        let left = if status == 429 { "0" } else { "9999" };
        let limits = [
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-limit-tokens", "30000000"),
            ("x-ratelimit-remaining-requests", left),
            ("x-ratelimit-remaining-tokens", "29999000"),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-reset-tokens", "2ms"),
        ];
        for (name, value) in limits {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", id);
    }
}

/// The body of an error.
pub(crate) fn error(refusal: &Refusal) -> Bytes {
    let (kind, code, message) = usual_error(refusal.status);
    // Quota errors carry one word as both type and code.
    let own = refusal.code.as_deref();
    let kind = own.filter(|c| *c == "insufficient_quota").unwrap_or(kind);
    let error = ErrorBody {
        error: ErrorOut {
            message: refusal.message.as_deref().unwrap_or(message),
            kind,
            param: refusal.param.as_deref(),
            // An empty one stands for none.
            code: own.or(code).filter(|c| !c.is_empty()),
        },
    };
    pretty(&error)
}

/// What the provider usually says at a status: type, code, message.
fn usual_error(status: u16) -> (&'static str, Option<&'static str>, &'static str) {
    match status {
        401 => (
            "invalid_request_error",
            Some("invalid_api_key"),
            INCORRECT_KEY,
        ),
        402 => ("insufficient_quota", Some("insufficient_quota"), QUOTA),
        403 => (
            "invalid_request_error",
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported",
        ),
        404 => ("invalid_request_error", Some("model_not_found"), NO_MODEL),
        413 => ("invalid_request_error", None, "Request body is too large."),
        429 => ("requests", Some("rate_limit_exceeded"), RATE_LIMIT),
        500 => ("server_error", None, SERVER_ERROR),
        503 => (
            "server_error",
            None,
            "The engine is currently overloaded, please try again later",
        ),
        400..=499 => ("invalid_request_error", None, "Invalid request."),
        _ => ("server_error", None, SERVER_ERROR),
    }
}

const INCORRECT_KEY: &str = "Incorrect API key provided: sim-****. You can find your API key at https://platform.openai.com/account/api-keys.";
const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
const NO_MODEL: &str = "The model does not exist or you do not have access to it.";
const RATE_LIMIT: &str = "Rate limit reached in organization sim on requests per min (RPM): Limit 10000, Used 10000, Requested 1. Please try again in 6ms.";
const SERVER_ERROR: &str =
    "The server had an error while processing your request. Sorry about that!";

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorOut<'a>,
}

#[derive(Serialize)]
struct ErrorOut<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct ModelsOut<'a> {
    object: &'static str,
    data: Vec<ModelOut<'a>>,
}

#[derive(Serialize)]
struct ModelOut<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// Indented, with a newline behind it, as the provider sends whole bodies.
pub(crate) fn pretty(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    Bytes::from(text)
}
