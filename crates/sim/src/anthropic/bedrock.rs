//! Messages as Bedrock serves them: `/model/{id}/invoke` and
//! `/model/{id}/invoke-with-response-stream`. The bodies are Anthropic's, with
//! `anthropic_version` in place of the model; keys, errors and framing are AWS's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::read::{Given, read};
use super::write;
use crate::ask::Ask;
use crate::bedrock::{self, frame};
use crate::dialect::{Dialect, Head, Job, Op, Refusal};
use crate::json::text;
use crate::play::Tape;
use crate::script::Secrets;
use crate::words::Rng;

/// The dialect.
pub(crate) struct OnBedrock;

impl Dialect for OnBedrock {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn route(&self, head: &Head<'_>) -> Option<Op> {
        let (_, action) = bedrock::split(head)?;
        matches!(action, "invoke" | "invoke-with-response-stream").then_some(Op::Chat)
    }

    fn key<'h>(&self, head: &Head<'h>) -> Option<&'h str> {
        bedrock::key(head)
    }

    fn verify(&self, head: &Head<'_>, body: &[u8], secrets: &Secrets) -> Result<(), Refusal> {
        bedrock::verify(head, body, secrets)
    }

    fn unknown_key(&self, presented: bool) -> Refusal {
        bedrock::unknown_key(presented)
    }

    fn read(&self, _op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
        let (model, action) = bedrock::split(head).ok_or_else(|| Refusal::of(404))?;
        let own: Value = serde_json::from_slice(body).map_err(|_| {
            Refusal::bad("Malformed input request, please reformat your input and try again.")
        })?;
        if text(&own, "anthropic_version").is_none() {
            return Err(Refusal::bad("anthropic_version: Field required"));
        }
        for name in ["model", "stream"] {
            if own.get(name).is_some() {
                return Err(Refusal::bad(format!(
                    "{name}: Extra inputs are not permitted"
                )));
            }
        }
        let given = Given {
            model: Some(model),
            stream: Some(action == "invoke-with-response-stream"),
            ..Given::default()
        };
        read(body, &given)
    }

    fn whole(&self, job: &Job<'_>) -> Tape {
        write::whole(job)
    }

    fn stream(&self, job: &Job<'_>) -> Tape {
        let sse = write::stream(job);
        let mut out = Tape::default();
        let mut from = 0;
        for mark in &sse.marks {
            let event = sse.buf.get(from..mark.end).unwrap_or_default();
            from = mark.end;
            if let Some(payload) = payload(job, event) {
                out.buf.extend_from_slice(&chunk(&payload));
                out.mark(mark.tokens, mark.content);
            }
        }
        out
    }

    fn other(&self, _op: &Op, _head: &Head<'_>, _body: &[u8]) -> Result<Bytes, Refusal> {
        Err(Refusal::of(404))
    }

    fn error(&self, _head: &Head<'_>, refusal: &Refusal, _request_id: &str) -> Bytes {
        bedrock::error(refusal)
    }

    fn error_headers(&self, refusal: &Refusal, headers: &mut HeaderMap) {
        bedrock::error_headers(refusal, headers);
    }

    fn error_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        frame::stream_error()
    }

    fn broken_event(&self, _job: &Job<'_>, _at: u64) -> Bytes {
        chunk(b"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":")
    }

    fn content_type(&self, job: &Job<'_>) -> &'static str {
        frame::content_type(job.ask.stream)
    }

    fn answer_headers(&self, job: &Job<'_>, headers: &mut HeaderMap) {
        // A stream tells them in its last event.
        if !job.ask.stream {
            bedrock::count_headers(job, headers);
        }
    }

    fn request_id(&self, rng: &mut Rng) -> String {
        rng.uuid()
    }

    fn headers(&self, headers: &mut HeaderMap, request_id: &str, _status: u16) {
        bedrock::headers(headers, request_id);
    }
}

/// The JSON of a server-sent event. Pings are not passed on, and the last
/// event tells what AWS measured.
fn payload(job: &Job<'_>, event: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(event, b"\ndata: ")?;
    let own = event.get(at + 7..)?.trim_ascii_end();
    if event.starts_with(b"event: ping") {
        return None;
    }
    if !event.starts_with(b"event: message_stop") {
        return Some(own.to_vec());
    }
    let usage = job.answer.usage;
    let metrics = json!({
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": job.told(usage.input),
            "outputTokenCount": job.told(usage.output),
            "cacheReadInputTokenCount": usage.cached,
            "cacheWriteInputTokenCount": 0,
            "invocationLatency": 12,
            "firstByteLatency": 3,
        },
    });
    if job.usage_missing() {
        return Some(own.to_vec());
    }
    Some(metrics.to_string().into_bytes())
}

fn chunk(payload: &[u8]) -> Bytes {
    let pad = "abcdefghijklmnop".get(..payload.len() % 16);
    let out = json!({ "bytes": STANDARD.encode(payload), "p": pad });
    frame::event("chunk", out.to_string().as_bytes())
}
