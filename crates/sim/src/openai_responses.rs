//! The `openai-responses` dialect, facing the caller: `POST …/responses`, and
//! what is kept of it under `…/responses/{id}`, as api.openai.com speaks them
//! (shapes from its OpenAPI document and from recorded answers).
//!
//! Routes, errors and kept answers here; requests are read in `read`, answers
//! written in `write` and `stream`. Knows no fault and no bill.

mod read;
mod stream;
mod write;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::dialect::{Dialect, Head, Job, Op, Refusal, Stored};
use crate::json::put_value;
use crate::openai_chat;
use crate::play::Tape;
use crate::shelf::Kept;
use crate::words;

/// The dialect.
pub(crate) struct OpenAiResponses;

const SERVER_ERROR: &str =
    "The server had an error while processing your request. Sorry about that!";

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        let (_, after) = head.path.rsplit_once("/responses")?;
        if after.is_empty() {
            return head.posts().then_some(Op::Chat);
        }
        let after = after.strip_prefix('/')?;
        if head.posts() && after == "input_tokens" {
            return Some(Op::CountTokens);
        }
        let (id, action) = after.split_once('/').unwrap_or((after, ""));
        let what = match (head.method.as_str(), action) {
            ("GET", "") => Stored::Get,
            ("GET", "input_items") => Stored::Inputs,
            ("DELETE", "") => Stored::Delete,
            ("POST", "cancel") => Stored::Cancel,
            _ => return None,
        };
        Some(Op::Stored(what, id.to_owned()))
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        openai_chat::key(head)
    }

    fn read(&self, _op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        read::read(head, body)
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        write::whole(job)
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        stream::stream(job)
    }

    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal> {
        if *op == Op::CountTokens {
            let tokens = read::count(head, body)?;
            let counted = json!({ "object": "response.input_tokens", "input_tokens": tokens });
            return Ok(openai_chat::pretty(&counted));
        }
        let Op::Stored(what, id) = op else {
            return Err(Refusal::of(404));
        };
        let owner = openai_chat::key(head).unwrap_or_default();
        let kept = head.shelf.get(owner, id).ok_or_else(|| missing(id))?;
        let body = match what {
            Stored::Get => got(head, owner, kept),
            Stored::Inputs => inputs(&kept),
            Stored::Delete => {
                head.shelf.remove(owner, id);
                json!({ "id": id, "object": "response.deleted", "deleted": true })
            }
            Stored::Cancel => cancelled(head, owner, &kept)?,
        };
        Ok(openai_chat::pretty(&body))
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, _request_id: &str) -> Bytes {
        openai_chat::error(refusal)
    }

    fn error_event(&self, job: &Job<'_>, at: u64) -> Bytes {
        let error = json!({ "type": "server_error", "code": "server_error", "message": SERVER_ERROR, "param": null });
        let told = json!({ "type": "error", "sequence_number": at, "error": error });
        let failed = json!({
            "type": "response.failed",
            "sequence_number": at + 1,
            "response": write::failed(job, SERVER_ERROR),
        });
        let mut out = BytesMut::new();
        for (name, event) in [("error", told), ("response.failed", failed)] {
            out.put_slice(format!("event: {name}\ndata: ").as_bytes());
            put_value(&mut out, &event);
            out.put_slice(b"\n\n");
        }
        out.freeze()
    }

    fn broken_event(&self, _job: &Job<'_>, at: u64) -> Bytes {
        let event = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":";
        Bytes::from(format!("{event}{at},\"delta\":\n\n"))
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, status: u16) {
        openai_chat::headers(headers, request_id, status);
    }
}

fn missing(id: &str) -> Refusal {
    Refusal {
        code: Some(String::new()),
        message: Some(format!("Response with id '{id}' not found.")),
        ..Refusal::of(404)
    }
}

/// What was begun in the background is done by the time that it is asked for.
fn got(head: &Head<'_>, owner: &str, kept: Kept) -> Value {
    if kept.body.get("status") == Some(&json!("queued")) {
        head.shelf
            .set(owner, &kept.id, "status", json!("completed"));
    }
    head.shelf
        .get(owner, &kept.id)
        .map_or(kept.body, |now| now.body)
}

fn inputs(kept: &Kept) -> Value {
    let id = |item: Option<&Value>| item.and_then(|i| i.get("id")).cloned();
    json!({
        "object": "list",
        "data": kept.inputs,
        "first_id": id(kept.inputs.first()),
        "last_id": id(kept.inputs.last()),
        "has_more": false,
    })
}

fn cancelled(head: &Head<'_>, owner: &str, kept: &Kept) -> Result<Value, Refusal> {
    if !kept.background {
        return Err(Refusal::bad("Cannot cancel a synchronous response."));
    }
    if kept.body.get("status") == Some(&json!("queued")) {
        for (field, value) in [
            ("status", json!("cancelled")),
            ("output", json!([])),
            ("usage", Value::Null),
        ] {
            head.shelf.set(owner, &kept.id, field, value);
        }
    }
    let now = head.shelf.get(owner, &kept.id);
    Ok(now.map_or(Value::Null, |k| k.body))
}

/// Thoughts in a form that only this provider reads, and for this owner alone.
fn seal(owner: &str, thinking: &str) -> String {
    let mut bytes = words::hash(words::hash(SEAL, owner.as_bytes()), thinking.as_bytes())
        .to_le_bytes()
        .to_vec();
    bytes.extend_from_slice(thinking.as_bytes());
    format!("gAAAAAB{}", URL_SAFE.encode(bytes))
}

/// The thoughts in a sealed text, unless it is forged.
fn unseal(owner: &str, sealed: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(sealed.strip_prefix("gAAAAAB")?).ok()?;
    let (mark, text) = bytes.split_first_chunk::<8>()?;
    let text = std::str::from_utf8(text).ok()?;
    let owner = words::hash(SEAL, owner.as_bytes());
    (words::hash(owner, text.as_bytes()).to_le_bytes() == *mark).then(|| text.to_owned())
}

const SEAL: u64 = 0x0E_9C_41_B7;
