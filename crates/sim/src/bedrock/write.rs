//! Writing Converse answers, whole and as a stream of framed events. The
//! provider sorts its fields by name and pads its events.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::frame::event;
use crate::answer::{Call, Choice, Finish, Usage, pieces};
use crate::anthropic::signature;
use crate::dialect::{Job, Meter};
use crate::json::{put_int, put_str, put_value};
use crate::play::Tape;
use crate::words::Rng;

const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Bytes of tool input in one event.
const FRAGMENT: usize = 9;
const LATENCY_MS: u64 = 12;

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut content = Vec::new();
    if let Some(thoughts) = &job.answer.thinking {
        let own = json!({ "signature": signature(&job.ask.model, thoughts), "text": thoughts });
        content.push(json!({ "reasoningContent": { "reasoningText": own } }));
    }
    let choice = job.answer.choices.first();
    if let Some(choice) = choice {
        if let Some(words) = words(choice) {
            content.push(json!({ "text": words }));
        }
        content.extend(choice.calls.iter().map(|call| {
            // Input that the bound broke off is sent as an empty object.
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or(json!({}));
            json!({ "toolUse": { "input": input, "name": call.name, "toolUseId": call_id(job, call) } })
        }));
    }
    let mut out = json!({
        "metrics": { "latencyMs": LATENCY_MS },
        "output": { "message": { "content": content, "role": "assistant" } },
        "stopReason": choice.map_or("end_turn", stop_reason),
    });
    if let Some(fields) = out.as_object_mut().filter(|_| !job.usage_missing()) {
        fields.insert("usage".to_owned(), usage(job, 1));
    }
    let mut tape = Tape::default();
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
    events.event("messageStart", |out| {
        out.put_slice(b"\"role\":\"assistant\"")
    });
    if let Some(thoughts) = &job.answer.thinking {
        events.thoughts(thoughts);
    }
    if let Some(choice) = job.answer.choices.first() {
        if let Some(words) = words(choice) {
            events.words(words);
        }
        for call in &choice.calls {
            events.call(call);
        }
        events.end(choice);
    }
    events.tape
}

struct Events<'a> {
    job: &'a Job<'a>,
    tape: Tape,
    meter: Meter,
    index: u64,
}

impl Events<'_> {
    fn thoughts(&mut self, thoughts: &str) {
        for piece in pieces(self.job.ask, thoughts) {
            self.meter.more(piece);
            self.delta("{\"reasoningContent\":{\"text\":", piece, "}}");
        }
        self.meter.next();
        let signature = signature(&self.job.ask.model, thoughts);
        self.delta("{\"reasoningContent\":{\"signature\":", &signature, "}}");
        self.stop();
    }

    fn words(&mut self, words: &str) {
        for piece in pieces(self.job.ask, words) {
            self.meter.more(piece);
            self.delta("{\"text\":", piece, "}");
        }
        self.meter.next();
        self.stop();
    }

    fn call(&mut self, call: &Call) {
        self.meter.more(&call.name);
        self.meter.next();
        let tool = json!({ "name": call.name, "toolUseId": call_id(self.job, call) });
        let index = self.index();
        self.event("contentBlockStart", |out| {
            put_index(out, index);
            out.put_slice(b",\"start\":{\"toolUse\":");
            put_value(out, &tool);
            out.put_u8(b'}');
        });
        let mut rest = call.arguments.as_str();
        while !rest.is_empty() {
            let end = rest.ceil_char_boundary(FRAGMENT.min(rest.len()));
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            self.meter.more(piece);
            self.delta("{\"toolUse\":{\"input\":", piece, "}}");
        }
        self.meter.next();
        self.stop();
    }

    fn end(&mut self, choice: &Choice) {
        let reason = stop_reason(choice);
        self.event("messageStop", |out| {
            out.put_slice(b"\"stopReason\":");
            put_str(out, reason);
        });
        let times = if self.job.usage_shrinks() { 2 } else { 1 };
        for share in 1..=times {
            let told = (!self.job.usage_missing()).then(|| usage(self.job, share));
            self.event("metadata", |out| {
                out.put_slice(b"\"metrics\":{\"latencyMs\":");
                put_int(out, LATENCY_MS);
                out.put_u8(b'}');
                if let Some(told) = told {
                    out.put_slice(b",\"usage\":");
                    put_value(out, &told);
                }
            });
        }
    }

    fn delta(&mut self, open: &str, piece: &str, close: &str) {
        let index = self.index();
        self.write("contentBlockDelta", true, |out| {
            put_index(out, index);
            out.put_slice(b",\"delta\":");
            out.put_slice(open.as_bytes());
            put_str(out, piece);
            out.put_slice(close.as_bytes());
        });
    }

    fn stop(&mut self) {
        let index = self.index();
        self.event("contentBlockStop", |out| put_index(out, index));
        self.index += 1;
    }

    /// Streams have no id; the wrong one is a block that never began.
    fn index(&self) -> u64 {
        let stray = self.job.wrong_id && self.tape.marks.len() > 2;
        self.index + if stray { 7 } else { 0 }
    }

    fn event(&mut self, kind: &str, fields: impl FnOnce(&mut BytesMut)) {
        self.write(kind, false, fields);
    }

    fn write(&mut self, kind: &str, content: bool, fields: impl FnOnce(&mut BytesMut)) {
        let mut payload = BytesMut::from("{");
        fields(&mut payload);
        let len = self.tape.marks.len() * 17 % PADDING.len() + 1;
        payload.put_slice(b",\"p\":");
        put_str(&mut payload, PADDING.get(..len).unwrap_or(PADDING));
        payload.put_u8(b'}');
        self.tape.buf.put_slice(&event(kind, &payload));
        self.tape.mark(self.meter.now(), content);
    }
}

fn put_index(out: &mut BytesMut, index: u64) {
    out.put_slice(b"\"contentBlockIndex\":");
    put_int(out, index);
}

/// The text of a choice; a refusal is shown as the answer.
fn words(choice: &Choice) -> Option<&str> {
    let words = choice.refusal.as_deref().unwrap_or(&choice.text);
    (!words.is_empty() || choice.calls.is_empty()).then_some(words)
}

fn stop_reason(choice: &Choice) -> &'static str {
    match &choice.finish {
        Finish::Natural => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Stop(_) => "stop_sequence",
        Finish::Tools => "tool_use",
        Finish::Refusal => "content_filtered",
    }
}

fn call_id(job: &Job<'_>, call: &Call) -> String {
    Rng::new(call.id ^ job.ids).id("tooluse_", 22)
}

/// Usage as told; what was read from a cache stands beside the input.
fn usage(job: &Job<'_>, share: u64) -> Value {
    let Usage {
        input,
        cached,
        output,
        ..
    } = job.answer.usage;
    let (input, output) = (job.told(input), job.told(output / share.max(1)));
    json!({
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": 0,
        "inputTokens": input,
        "outputTokens": output,
        "totalTokens": input.saturating_add(output).saturating_add(cached),
    })
}
