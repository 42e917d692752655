//! Writing chats, whole and streamed, in the provider's field order: thoughts,
//! a plan before tool calls, text with citations.
//!
//! Deltas are written by hand, since a benchmark's answer is mostly deltas.

use bytes::{BufMut, Bytes};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::{Call, Choice, Finish, Usage, pieces};
use crate::dialect::{Job, Meter};
use crate::json::{number, put_int, put_str, put_value};
use crate::play::Tape;
use crate::words::Rng;

/// Bytes of tool arguments in one event.
const FRAGMENT: usize = 7;
/// Tokens of the provider's own preamble: told, and never charged.
const PREAMBLE: u64 = 400;

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let Some(choice) = job.answer.choices.first() else {
        return tape;
    };
    let out = ChatOut {
        id: job.request_id,
        message: message(job, choice),
        finish_reason: finish_word(choice),
        usage: (!job.usage_missing()).then(|| usage(job, 1)),
        logprobs: logprobs(job, choice),
    };
    put_value(&mut tape.buf, &out);
    tape.mark(job.answer.usage.output, true);
    tape
}

/// A streamed answer.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    let mut events = Events {
        job,
        tape: Tape::default(),
        meter: Meter::default(),
        index: 0,
    };
    let begun = json!({ "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] });
    events.begin(&begun);
    if let Some(thoughts) = &job.answer.thinking {
        events.block("thinking", thoughts);
    }
    if let Some(choice) = job.answer.choices.first() {
        if choice.calls.is_empty() {
            events.words(choice);
        } else {
            events.plan(&choice.text);
            for (i, call) in choice.calls.iter().enumerate() {
                events.call(call, i);
            }
        }
        let times = if job.usage_shrinks() { 2 } else { 1 };
        for share in 1..=times {
            let told = (!job.usage_missing()).then(|| usage(job, share));
            events.end(finish_word(choice), told.as_ref());
        }
    }
    events.tape.buf.put_slice(b"data: [DONE]\n\n");
    events.tape.mark(job.answer.usage.output, false);
    events.tape
}

/// The end of a stream that failed.
pub(super) fn failed(job: &Job<'_>) -> Bytes {
    let delta = json!({ "error": "internal server error", "finish_reason": "ERROR", "usage": usage(job, 1) });
    let out = json!({ "type": "message-end", "delta": delta });
    Bytes::from(format!("event: message-end\ndata: {out}\n\n"))
}

struct Events<'a> {
    job: &'a Job<'a>,
    tape: Tape,
    meter: Meter,
    index: u64,
}

impl Events<'_> {
    fn begin(&mut self, message: &Value) {
        let id = self.job.request_id;
        self.tape
            .buf
            .put_slice(b"event: message-start\ndata: {\"id\":");
        put_str(&mut self.tape.buf, id);
        self.tape
            .buf
            .put_slice(b",\"type\":\"message-start\",\"delta\":{\"message\":");
        put_value(&mut self.tape.buf, message);
        self.tape.buf.put_slice(b"}}\n\n");
        self.tape.mark(0, false);
    }

    /// Thoughts, which are not charged, or text.
    fn block(&mut self, kind: &str, words: &str) {
        let index = self.index;
        let empty = json!({ "content": { "type": kind, kind: "" } });
        self.nested("content-start", Some(index), &empty);
        for piece in pieces(self.job.ask, words) {
            if kind == "text" {
                self.meter.more(piece);
            }
            self.delta(kind, piece);
        }
        self.meter.next();
        self.bare("content-end", index);
        self.index += 1;
    }

    fn words(&mut self, choice: &Choice) {
        let at = self.index;
        self.block("text", spoken(choice));
        for (i, citation) in citations(self.job, choice, at).iter().enumerate() {
            let i = i as u64;
            self.nested("citation-start", Some(i), &json!({ "citations": citation }));
            self.bare("citation-end", i);
        }
    }

    fn plan(&mut self, plan: &str) {
        for piece in pieces(self.job.ask, plan) {
            self.meter.more(piece);
            self.nested("tool-plan-delta", None, &json!({ "tool_plan": piece }));
        }
        self.meter.next();
    }

    fn call(&mut self, call: &Call, index: usize) {
        let index = index as u64;
        self.meter.more(&call.name);
        self.meter.next();
        let function = json!({ "name": call.name, "arguments": "" });
        let begun =
            json!({ "id": call_id(self.job, call), "type": "function", "function": function });
        self.nested(
            "tool-call-start",
            Some(index),
            &json!({ "tool_calls": begun }),
        );
        let mut rest = call.arguments.as_str();
        while !rest.is_empty() {
            let end = rest.ceil_char_boundary(FRAGMENT.min(rest.len()));
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            self.meter.more(piece);
            let more = json!({ "tool_calls": { "function": { "arguments": piece } } });
            self.nested("tool-call-delta", Some(index), &more);
        }
        self.meter.next();
        self.bare("tool-call-end", index);
    }

    fn end(&mut self, reason: &str, usage: Option<&Value>) {
        self.open("message-end", None);
        self.tape.buf.put_slice(b",\"delta\":{\"finish_reason\":");
        put_str(&mut self.tape.buf, reason);
        if let Some(usage) = usage {
            self.tape.buf.put_slice(b",\"usage\":");
            put_value(&mut self.tape.buf, usage);
        }
        self.tape.buf.put_slice(b"}}\n\n");
        self.tape.mark(self.meter.now(), false);
    }

    fn delta(&mut self, kind: &str, piece: &str) {
        self.open("content-delta", Some(self.index));
        let buf = &mut self.tape.buf;
        buf.put_slice(b",\"delta\":{\"message\":{\"content\":{");
        put_str(buf, kind);
        buf.put_u8(b':');
        put_str(buf, piece);
        buf.put_slice(b"}}}}\n\n");
        self.tape.mark(self.meter.now(), true);
    }

    /// An event about a part of the message.
    fn nested(&mut self, name: &str, index: Option<u64>, message: &Value) {
        self.open(name, index);
        self.tape.buf.put_slice(b",\"delta\":{\"message\":");
        put_value(&mut self.tape.buf, message);
        self.tape.buf.put_slice(b"}}\n\n");
        self.tape.mark(self.meter.now(), name.ends_with("-delta"));
    }

    fn bare(&mut self, name: &str, index: u64) {
        self.open(name, Some(index));
        self.tape.buf.put_slice(b"}\n\n");
        self.tape.mark(self.meter.now(), false);
    }

    /// Only the first event has an id; the wrong one is a part that never began.
    fn open(&mut self, name: &str, index: Option<u64>) {
        let stray = self.job.wrong_id && self.tape.marks.len() > 2;
        let head = format!("event: {name}\ndata: {{\"type\":\"{name}\"");
        self.tape.buf.put_slice(head.as_bytes());
        if let Some(index) = index {
            self.tape.buf.put_slice(b",\"index\":");
            put_int(&mut self.tape.buf, index + if stray { 7 } else { 0 });
        }
    }
}

fn message(job: &Job<'_>, choice: &Choice) -> MessageOut {
    let mut out = MessageOut {
        role: "assistant",
        content: Vec::new(),
        tool_plan: None,
        tool_calls: Vec::new(),
        citations: Vec::new(),
    };
    if let Some(thoughts) = &job.answer.thinking {
        out.content
            .push(json!({ "type": "thinking", "thinking": thoughts }));
    }
    if choice.calls.is_empty() {
        let at = out.content.len() as u64;
        out.content
            .push(json!({ "type": "text", "text": spoken(choice) }));
        out.citations = citations(job, choice, at);
        return out;
    }
    out.tool_plan = Some(choice.text.clone()).filter(|p| !p.is_empty());
    let calls = choice.calls.iter().map(|call| {
        let function = json!({ "name": call.name, "arguments": call.arguments });
        json!({ "id": call_id(job, call), "type": "function", "function": function })
    });
    out.tool_calls = calls.collect();
    out
}

/// The provider knows no refusal but in words.
fn spoken(choice: &Choice) -> &str {
    choice.refusal.as_deref().unwrap_or(&choice.text)
}

/// The first word rests on each document that was given.
fn citations(job: &Job<'_>, choice: &Choice, at: u64) -> Vec<Value> {
    let words = spoken(choice);
    let first = words.split(' ').next().unwrap_or_default();
    if job.ask.documents.is_empty() || first.is_empty() {
        return Vec::new();
    }
    let sources: Vec<Value> = job
        .ask
        .documents
        .iter()
        .map(|d| json!({ "type": "document", "id": d.id, "document": { "id": d.id, "text": d.text } }))
        .collect();
    vec![json!({
        "start": 0,
        "end": first.chars().count(),
        "text": first,
        "sources": sources,
        "type": "TEXT_CONTENT",
        "content_index": at,
    })]
}

fn logprobs(job: &Job<'_>, choice: &Choice) -> Option<Vec<Value>> {
    job.ask.logprobs?;
    let each = pieces(job.ask, &choice.text)
        .map(|text| json!({ "text": text, "token_ids": [text.len()], "logprobs": [-0.25] }));
    Some(each.collect())
}

fn call_id(job: &Job<'_>, call: &Call) -> String {
    let id = Rng::new(call.id ^ job.ids).id("", 12).to_lowercase();
    format!("{}_{id}", call.name)
}

fn finish_word(choice: &Choice) -> &'static str {
    match &choice.finish {
        Finish::Natural | Finish::Refusal => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Stop(_) => "STOP_SEQUENCE",
        Finish::Tools => "TOOL_CALL",
    }
}

/// Usage as told: what is billed, and beside it all tokens, with the
/// provider's preamble and the thoughts, which are not.
fn usage(job: &Job<'_>, share: u64) -> Value {
    let Usage {
        input,
        output,
        reasoning,
        ..
    } = job.answer.usage;
    let (input, output) = (job.told(input), job.told(output / share.max(1)));
    let mut tokens = json!({
        "input_tokens": input.saturating_add(PREAMBLE),
        "output_tokens": output.saturating_add(reasoning),
    });
    if let Some(fields) = tokens.as_object_mut().filter(|_| reasoning > 0) {
        fields.insert("reasoning_tokens".to_owned(), json!(reasoning));
    }
    json!({
        "billed_units": { "input_tokens": input, "output_tokens": output },
        "tokens": tokens,
        "cached_tokens": number(&job.ask.own, "cached").unwrap_or(0),
    })
}

#[derive(Serialize)]
struct ChatOut<'a> {
    id: &'a str,
    message: MessageOut,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<Value>>,
}

#[derive(Serialize)]
struct MessageOut {
    role: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_plan: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    citations: Vec<Value>,
}
