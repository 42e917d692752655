//! The `gemini` dialect, facing the caller: `…/models/{model}:generateContent`
//! and its sisters, as generativelanguage.googleapis.com speaks them, and as
//! Vertex AI does under `…/publishers/google/` (shapes from Google's discovery
//! documents and from recorded answers).
//!
//! Routes, errors and headers here; requests are read in `read` and held
//! against the known field names in `shape`, answers written in `write`.
//! Knows no fault and no bill.

mod embed;
mod read;
mod shape;
mod write;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::ask::{Ask, Framing};
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::json::put_value;
use crate::openai_chat::pretty;
use crate::play::Tape;
use crate::words;

/// The dialect.
pub(crate) struct Gemini;

const MODELS: [&str; 3] = ["echo", "words", "reasoner"];
const OVERLOADED: &str = "The model is overloaded. Please try again later.";

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        // Google has an entrance in OpenAI's words, too.
        if head.path.contains("/openai/") {
            return None;
        }
        let google = head.path.starts_with("/v1beta")
            || head.headers.contains_key("x-goog-api-key")
            || head.parameter("key").is_some();
        let (_, after) = head.path.rsplit_once("/models")?;
        if head.gets() && google {
            return match after.strip_prefix('/') {
                None if after.is_empty() => Some(Op::Models),
                Some(id) => Some(Op::Model(decoded(id))),
                None => None,
            };
        }
        let (_, method) = after.rsplit_once(':').filter(|_| head.posts())?;
        match method {
            "generateContent" | "streamGenerateContent" => Some(Op::Chat),
            "countTokens" => Some(Op::CountTokens),
            "embedContent" | "batchEmbedContents" => Some(Op::Embed),
            _ => None,
        }
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        let header = head.header("x-goog-api-key");
        header
            .or_else(|| head.parameter("key"))
            .or_else(|| head.bearer())
    }

    fn unknown_key(&self, presented: bool) -> Refusal {
        unknown_key(presented)
    }

    fn read(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        if *op == Op::Embed {
            return embed::read(head, body);
        }
        let mut ask = read::read(head, body)?;
        ask.stream = head.path.ends_with(":streamGenerateContent");
        if head.parameter("alt") != Some("sse") {
            ask.framing = Framing::Array;
        }
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
            Op::Models => {
                let models: Vec<Value> = MODELS.iter().map(|id| model_out(id)).collect();
                json!({ "models": models })
            }
            Op::Model(id) => model_out(id),
            Op::CountTokens => count(head, body)?,
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
            | Op::Files => return Err(Refusal::of(404)),
        };
        Ok(pretty(&body))
    }

    fn error(&self, head: &Head<'_>, refusal: &Refusal, _request_id: &str) -> Bytes {
        let error = error_out(refusal);
        let array =
            head.path.ends_with(":streamGenerateContent") && head.parameter("alt") != Some("sse");
        if array {
            pretty(&json!([error]))
        } else {
            pretty(&error)
        }
    }

    fn error_event(&self, job: &Job<'_>, at: u64) -> Bytes {
        let refusal = Refusal {
            message: Some(OVERLOADED.to_owned()),
            ..Refusal::of(503)
        };
        let mut out = BytesMut::from(opening(job, at));
        put_value(&mut out, &error_out(&refusal));
        out.put_slice(if job.ask.framing == Framing::Array {
            b"\n]"
        } else {
            b"\r\n\r\n"
        });
        out.freeze()
    }

    fn broken_event(&self, job: &Job<'_>, at: u64) -> Bytes {
        let mut out = BytesMut::from(opening(job, at));
        out.put_slice(b"{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \r\n\r\n");
        out.freeze()
    }

    fn content_type(&self, job: &Job<'_>) -> &'static str {
        if job.ask.stream && job.ask.framing == Framing::Sse {
            "text/event-stream"
        } else {
            "application/json; charset=UTF-8"
        }
    }

    fn headers(&self, headers: &mut HeaderMap, _request_id: &str, _status: u16) {
        let fixed = [
            ("server-timing", "gfet4t7; dur=12"),
            ("vary", "Origin, X-Origin, Referer"),
            ("x-content-type-options", "nosniff"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// What stands before an element of a stream, by the number of those before it.
fn opening(job: &Job<'_>, at: u64) -> &'static str {
    match (job.ask.framing, at) {
        (Framing::Array, 0) => "[",
        (Framing::Array, _) => ",\r\n",
        (Framing::Sse | Framing::Bytes, _) => "data: ",
    }
}

/// The model that a path names, between `/models/` and the method.
fn model_of(head: &Head<'_>) -> String {
    let (_, after) = head.path.rsplit_once("/models/").unwrap_or_default();
    let (model, _) = after.rsplit_once(':').unwrap_or((after, ""));
    decoded(model)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a request came to Vertex AI.
fn is_vertex(head: &Head<'_>) -> bool {
    head.path.contains("/publishers/")
}

fn model_out(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": id,
        "description": "A simulated model",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
    })
}

fn count(head: &Head<'_>, body: &[u8]) -> Result<Value, Refusal> {
    let tokens = read::count(head, body)?;
    let mut out = json!({
        "totalTokens": tokens,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": tokens }],
    });
    if is_vertex(head)
        && let Some(fields) = out.as_object_mut()
    {
        fields.insert("totalBillableCharacters".to_owned(), json!(tokens * 4));
    }
    Ok(out)
}

/// What Google says where no key is presented, or a wrong one.
pub(crate) fn unknown_key(presented: bool) -> Refusal {
    if presented {
        return Refusal {
            code: Some("API_KEY_INVALID".to_owned()),
            ..Refusal::bad("API key not valid. Please pass a valid API key.")
        };
    }
    Refusal {
        message: Some("Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.".to_owned()),
        ..Refusal::of(403)
    }
}

/// An error as all of Google's services write it.
pub(crate) fn error_out(refusal: &Refusal) -> Value {
    let (status, message) = usual_error(refusal.status);
    let message = refusal.message.as_deref().unwrap_or(message);
    let mut error = json!({ "code": refusal.status, "message": message, "status": status });
    let own = refusal.code.as_deref();
    let details = match own {
        Some("API_KEY_INVALID") => Some(json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": { "service": "generativelanguage.googleapis.com" },
        }])),
        _ if refusal.status == 429 => Some(json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": "1s",
        }])),
        _ => refusal.param.as_deref().map(|field| {
            json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": field, "description": message }],
            }])
        }),
    };
    if let Some(fields) = error.as_object_mut() {
        if let Some(own) = own.filter(|c| *c != "API_KEY_INVALID") {
            fields.insert("status".to_owned(), json!(own));
        }
        if let Some(details) = details {
            fields.insert("details".to_owned(), details);
        }
    }
    json!({ "error": error })
}

/// What Google usually says at a status: its own status and a message.
fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
        ),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => (
            "NOT_FOUND",
            "models/unknown is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.",
        ),
        429 => (
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        499 => ("CANCELLED", "The operation was cancelled."),
        503 => ("UNAVAILABLE", OVERLOADED),
        504 => (
            "DEADLINE_EXCEEDED",
            "The request timed out. Please try again.",
        ),
        400..=499 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        _ => ("INTERNAL", "An internal error has occurred."),
    }
}

/// A thought's signature: the thoughts themselves, in a form that the model can check.
fn signature(model: &str, thoughts: &str) -> String {
    let mut bytes = words::hash(seal(model), thoughts.as_bytes())
        .to_le_bytes()
        .to_vec();
    bytes.extend_from_slice(thoughts.as_bytes());
    STANDARD.encode(bytes)
}

/// Whether this model made a signature, or it is one of those that stand
/// for "none at hand", which Google documents.
fn is_own(model: &str, signature: &str) -> bool {
    let plain = [
        "skip_thought_signature_validator",
        "context_engineering_is_the_way_to_go",
    ];
    let decoded = STANDARD
        .decode(signature)
        .or_else(|_| URL_SAFE.decode(signature))
        .unwrap_or_default();
    if plain.contains(&signature) || plain.iter().any(|p| p.as_bytes() == decoded) {
        return true;
    }
    let Some((mark, thoughts)) = decoded.split_first_chunk::<8>() else {
        return false;
    };
    words::hash(seal(model), thoughts).to_le_bytes() == *mark
}

fn seal(model: &str) -> u64 {
    words::hash(SEAL, model.as_bytes())
}

const SEAL: u64 = 0x6E_31_4D_19;
