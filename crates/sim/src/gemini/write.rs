//! Writing generateContent answers, whole and as a stream of partial ones, in
//! the provider's field order and with its white space.
//!
//! Text events are written by hand, since a benchmark's answer is mostly those.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::{opening, signature};
use crate::answer::{Call, Choice, Finish, Usage, pieces};
use crate::ask::{Framing, Thinking};
use crate::dialect::{Job, Meter};
use crate::json::{flag, put_int, put_str, put_value};
use crate::openai_chat::pretty;
use crate::play::Tape;
use crate::words::Rng;

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut out = json!({ "modelVersion": job.ask.model, "responseId": response_id(job) });
    let Some(fields) = out.as_object_mut() else {
        return Tape::default();
    };
    if blocked(job) {
        fields.insert("promptFeedback".to_owned(), feedback());
    } else {
        let choices = job.answer.choices.iter().enumerate();
        let candidates: Vec<Value> = choices.map(|(i, c)| candidate(job, c, i)).collect();
        fields.insert("candidates".to_owned(), Value::Array(candidates));
    }
    if !job.usage_missing() {
        fields.insert("usageMetadata".to_owned(), usage(job, 1));
    }
    if flag(&job.ask.own, "vertex") == Some(true) {
        fields.insert(
            "createTime".to_owned(),
            json!("2026-01-01T00:00:00.000000Z"),
        );
    }
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// A streamed answer, in either framing.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    let mut rng = job.rng();
    let (id, stray) = (rng.id("", 23), rng.id("", 23));
    let mut chunks = Chunks {
        job,
        tape: Tape::default(),
        meter: Meter::default(),
        id,
        stray,
    };
    if blocked(job) {
        chunks.blocked();
    } else {
        for (i, choice) in job.answer.choices.iter().enumerate() {
            chunks.choice(choice, i);
        }
    }
    if job.ask.framing == Framing::Array {
        chunks.tape.buf.put_slice(b"\n]");
        chunks.tape.mark(job.answer.usage.output, false);
    }
    chunks.tape
}

struct Chunks<'a> {
    job: &'a Job<'a>,
    tape: Tape,
    meter: Meter,
    id: String,
    stray: String,
}

impl Chunks<'_> {
    fn choice(&mut self, choice: &Choice, index: usize) {
        let job = self.job;
        if index == 0 {
            self.thoughts();
        }
        for piece in pieces(job.ask, &choice.text) {
            self.meter.more(piece);
            self.text(piece, index, "");
        }
        self.meter.next();
        let last = choice.calls.len();
        for (i, call) in choice.calls.iter().enumerate() {
            let Some(part) = call_part(job, call, i == 0) else {
                continue;
            };
            self.meter.more(&call.name);
            self.meter.next();
            self.meter.more(&call.arguments);
            self.meter.next();
            let mut out =
                json!({ "content": { "parts": [part], "role": "model" }, "index": index });
            if i + 1 == last {
                end(job, choice, &mut out);
            }
            self.candidate(&out);
        }
        if let Some(refusal) = &choice.refusal {
            self.meter.more(refusal);
            self.meter.next();
        }
        let told = choice.calls.iter().any(|c| arguments(c).is_some());
        if !told || choice.finish == Finish::Length {
            self.last(choice, index);
        }
    }

    fn thoughts(&mut self) {
        let job = self.job;
        match (&job.answer.thinking, job.ask.thinking) {
            (Some(thoughts), Thinking::Shown) => {
                for piece in pieces(job.ask, thoughts) {
                    self.meter.more(piece);
                    self.text(piece, 0, ",\"thought\": true");
                }
                self.meter.next();
            }
            _ => self.meter.hidden(job.answer.usage.reasoning),
        }
    }

    /// The partial answer that ends a candidate.
    fn last(&mut self, choice: &Choice, index: usize) {
        let mut out = json!({ "index": index });
        if choice.refusal.is_none() {
            let mut part = json!({ "text": "" });
            sign(self.job, choice, &mut part);
            insert(
                &mut out,
                "content",
                json!({ "parts": [part], "role": "model" }),
            );
        }
        end(self.job, choice, &mut out);
        self.candidate(&out);
    }

    fn blocked(&mut self) {
        self.open();
        self.tape.buf.put_slice(b"{\"promptFeedback\": ");
        put_value(&mut self.tape.buf, &feedback());
        self.close(true);
    }

    fn candidate(&mut self, candidate: &Value) {
        self.open();
        self.tape.buf.put_slice(b"{\"candidates\": [");
        put_value(&mut self.tape.buf, candidate);
        self.tape.buf.put_u8(b']');
        self.close(true);
    }

    fn text(&mut self, piece: &str, index: usize, more: &str) {
        self.open();
        let buf = &mut self.tape.buf;
        buf.put_slice(b"{\"candidates\": [{\"content\": {\"parts\": [{\"text\": ");
        put_str(buf, piece);
        buf.put_slice(more.as_bytes());
        buf.put_slice(b"}],\"role\": \"model\"},\"index\": ");
        put_int(buf, index as u64);
        buf.put_slice(b"}]");
        self.close(true);
    }

    fn open(&mut self) {
        let at = self.tape.marks.len() as u64;
        self.tape.buf.put_slice(opening(self.job, at).as_bytes());
    }

    /// Usage so far, names, and the end of the event.
    fn close(&mut self, content: bool) {
        let job = self.job;
        if !job.usage_missing() {
            self.tape.buf.put_slice(b",\"usageMetadata\": ");
            let told = usage_at(job, self.meter.now());
            put_value(&mut self.tape.buf, &told);
        }
        let stray = job.wrong_id && self.tape.marks.len() > 2;
        let id = if stray { &self.stray } else { &self.id };
        let buf = &mut self.tape.buf;
        buf.put_slice(b",\"modelVersion\": ");
        put_str(buf, &job.ask.model);
        buf.put_slice(b",\"responseId\": ");
        put_str(buf, id);
        buf.put_u8(b'}');
        if job.ask.framing != Framing::Array {
            buf.put_slice(b"\r\n\r\n");
        }
        self.tape.mark(self.meter.now(), content);
    }
}

/// Whether the prompt itself was refused.
fn blocked(job: &Job<'_>) -> bool {
    job.ask.last_text.contains("REFUSE_PROMPT")
}

fn feedback() -> Value {
    json!({ "blockReason": "PROHIBITED_CONTENT" })
}

fn response_id(job: &Job<'_>) -> String {
    job.rng().id("", 23)
}

fn candidate(job: &Job<'_>, choice: &Choice, index: usize) -> Value {
    let mut parts = Vec::new();
    if let Some(thoughts) = &job.answer.thinking
        && job.ask.thinking == Thinking::Shown
        && index == 0
    {
        parts.push(json!({ "text": thoughts, "thought": true }));
    }
    let calls: Vec<Value> = choice
        .calls
        .iter()
        .enumerate()
        .filter_map(|(i, call)| call_part(job, call, i == 0))
        .collect();
    if !choice.text.is_empty() || calls.is_empty() {
        let mut part = json!({ "text": choice.text });
        sign(job, choice, &mut part);
        parts.push(part);
    }
    parts.extend(calls);
    let mut out = json!({ "index": index });
    if choice.refusal.is_none() {
        insert(
            &mut out,
            "content",
            json!({ "parts": parts, "role": "model" }),
        );
    }
    end(job, choice, &mut out);
    out
}

/// Puts the thoughts' signature on the text of an answer without calls.
fn sign(job: &Job<'_>, choice: &Choice, part: &mut Value) {
    if let Some(thoughts) = job
        .answer
        .thinking
        .as_ref()
        .filter(|_| choice.calls.is_empty())
    {
        insert(
            part,
            "thoughtSignature",
            json!(signature(&job.ask.model, thoughts)),
        );
    }
}

/// A call; none where its arguments broke off. The first is signed.
fn call_part(job: &Job<'_>, call: &Call, first: bool) -> Option<Value> {
    let mut function = json!({ "name": call.name, "args": arguments(call)? });
    if flag(&job.ask.own, "ids") == Some(true) {
        insert(
            &mut function,
            "id",
            json!(Rng::new(call.id ^ job.ids).id("", 8)),
        );
    }
    let mut part = json!({ "functionCall": function });
    if let Some(thoughts) = job.answer.thinking.as_ref().filter(|_| first) {
        insert(
            &mut part,
            "thoughtSignature",
            json!(signature(&job.ask.model, thoughts)),
        );
    }
    Some(part)
}

fn arguments(call: &Call) -> Option<Value> {
    serde_json::from_str(&call.arguments).ok()
}

/// Says why a candidate ended.
fn end(job: &Job<'_>, choice: &Choice, out: &mut Value) {
    let broken = choice.calls.iter().any(|c| arguments(c).is_none());
    let reason = match &choice.finish {
        Finish::Length if broken => "MALFORMED_FUNCTION_CALL",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
        Finish::Natural | Finish::Stop(_) | Finish::Tools => "STOP",
    };
    insert(out, "finishReason", json!(reason));
    if choice.finish == Finish::Tools {
        let message = "Model generated function call(s).";
        insert(out, "finishMessage", json!(message));
    }
    if choice.refusal.is_some() {
        let rating = json!({ "category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true });
        insert(out, "safetyRatings", json!([rating]));
    }
    if let Some(top) = job.ask.logprobs {
        insert(out, "avgLogprobs", json!(-0.25));
        insert(out, "logprobsResult", logprobs(job, &choice.text, top));
    }
}

fn logprobs(job: &Job<'_>, text: &str, top: u64) -> Value {
    let entry =
        |token: &str| json!({ "token": token, "tokenId": token.len(), "logProbability": -0.25 });
    let chosen: Vec<Value> = pieces(job.ask, text).map(entry).collect();
    let others: Vec<Value> = pieces(job.ask, text)
        .map(|token| {
            let each: Vec<Value> = (0..top.min(20)).map(|_| entry(token)).collect();
            json!({ "candidates": each })
        })
        .collect();
    json!({ "chosenCandidates": chosen, "topCandidates": others })
}

fn usage_at(job: &Job<'_>, output: u64) -> Value {
    let share = if job.usage_shrinks() && output == job.answer.usage.output {
        2
    } else {
        1
    };
    let told = output.max(job.answer.usage.reasoning);
    usage_of(job, told / share)
}

fn usage(job: &Job<'_>, share: u64) -> Value {
    usage_of(job, job.answer.usage.output / share.max(1))
}

/// Usage as told; thoughts stand beside the candidates, not within them.
fn usage_of(job: &Job<'_>, output: u64) -> Value {
    let Usage {
        input,
        cached,
        reasoning,
        ..
    } = job.answer.usage;
    let prompt = job.told(input + cached);
    let spoken = job.told(output.saturating_sub(reasoning));
    let total = prompt.saturating_add(spoken).saturating_add(reasoning);
    let mut out = json!({
        "promptTokenCount": prompt,
        "totalTokenCount": total,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": prompt }],
    });
    if !blocked(job) {
        insert(&mut out, "candidatesTokenCount", json!(spoken));
    }
    if cached > 0 {
        insert(&mut out, "cachedContentTokenCount", json!(cached));
        let detail = json!([{ "modality": "TEXT", "tokenCount": cached }]);
        insert(&mut out, "cacheTokensDetails", detail);
    }
    if reasoning > 0 {
        insert(&mut out, "thoughtsTokenCount", json!(reasoning));
    }
    if flag(&job.ask.own, "vertex") == Some(true) {
        insert(&mut out, "trafficType", json!("ON_DEMAND"));
    }
    out
}

fn insert(out: &mut Value, name: &str, value: Value) {
    if let Some(fields) = out.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
