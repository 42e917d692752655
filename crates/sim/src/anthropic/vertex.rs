//! Messages as Vertex AI serves them:
//! `…/publishers/anthropic/models/{model}:rawPredict` and `:streamRawPredict`.
//! The bodies are Anthropic's, with `anthropic_version` in place of the model;
//! keys, and errors that Google makes before Anthropic is asked, are Google's.

use bytes::Bytes;
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Anthropic;
use super::read::{Given, read};
use super::write;
use crate::ask::Ask;
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::gemini;
use crate::json::text;
use crate::openai_chat::pretty;
use crate::play::Tape;

/// The dialect.
pub(crate) struct OnVertex;

const COUNT: &str = "count-tokens";

impl Dialect for OnVertex {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        let (model, _) = split(head)?;
        Some(if model == COUNT {
            Op::CountTokens
        } else {
            Op::Chat
        })
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        head.bearer()
    }

    fn read(&self, _op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        let (model, method) = split(head).ok_or_else(|| Refusal::of(404))?;
        let own: Value = serde_json::from_slice(body)
            .map_err(|e| Refusal::bad(format!("Invalid JSON payload received. {e}")))?;
        // Newer client libraries name the version of the API itself, a date.
        let version = text(&own, "anthropic_version").unwrap_or_default();
        if version != "vertex-2023-10-16" && !is_date(version) {
            return Err(Refusal::bad("anthropic_version: Field required"));
        }
        if own.get("model").is_some() {
            return Err(Refusal::bad("model: Extra inputs are not permitted"));
        }
        let given = Given {
            model: Some(model),
            // The streaming method streams where the body says so, too.
            stream: (method == "rawPredict").then_some(false),
            ..Given::default()
        };
        read(body, &given)
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        write::whole(job)
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        write::stream(job)
    }

    fn other(&self, op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Bytes, Refusal> {
        Anthropic.other(op, head, body)
    }

    fn error(&self, head: &Head<'_>, refusal: &Refusal, request_id: &str) -> Bytes {
        match refusal.status {
            401 | 403 | 404 | 429 => pretty(&gemini::error_out(refusal)),
            _ => Anthropic.error(head, refusal, request_id),
        }
    }

    fn error_event(&self, job: &Job<'_>, at: u64) -> Bytes {
        Anthropic.error_event(job, at)
    }

    fn broken_event(&self, job: &Job<'_>, at: u64) -> Bytes {
        Anthropic.broken_event(job, at)
    }

    fn headers(&self, _headers: &mut HeaderMap, _request_id: &str, _status: u16) {}
}

fn is_date(text: &str) -> bool {
    let shape = text
        .bytes()
        .map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"0000-00-00")
}

/// Model, decoded, and method of a path.
fn split<'h>(head: &Head<'h>) -> Option<(String, &'h str)> {
    let (_, rest) = head.path.split_once("/publishers/anthropic/models/")?;
    let (model, method) = rest.rsplit_once(':').filter(|_| head.posts())?;
    let known = matches!(method, "rawPredict" | "streamRawPredict");
    let model = percent_decode_str(model).decode_utf8_lossy().into_owned();
    known.then_some((model, method))
}
