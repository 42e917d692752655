//! Writing streamed responses: events with their sequence numbers, nested as
//! response, item, part.
//!
//! Deltas are written by hand, since a benchmark's answer is mostly deltas.

use bytes::BufMut;
use serde_json::{Value, json};

use super::write::{
    ResponseOut, choice_of, finished, function_call, function_id, keep, logprobs, message,
    message_id, part, reasoning, reasoning_id, speaks, usage,
};
use crate::answer::{Call, Choice, Finish, pieces};
use crate::ask::Thinking;
use crate::dialect::{Job, Meter};
use crate::json::{flag, put_int, put_str, put_value};
use crate::play::Tape;
use crate::words::Rng;

const PADDING: &str = "aB3dE7gH1jK9mN5p";
/// Bytes of tool arguments in one event.
const FRAGMENT: usize = 7;

/// A streamed answer.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    keep(job);
    let mut events = Events {
        job,
        tape: Tape::default(),
        meter: Meter::default(),
        output_index: 0,
        stray: Rng::new(job.ids ^ 9).id("msg_", 48),
    };
    events.start();
    if job.answer.thinking.is_some() {
        events.reasoning();
    }
    if let Some(choice) = choice_of(job) {
        if speaks(choice) {
            events.message(choice);
        }
        let last = choice.calls.len().saturating_sub(1);
        for (i, call) in choice.calls.iter().enumerate() {
            events.call(call, choice.finish == Finish::Length && i == last);
        }
    }
    events.end();
    events.tape
}

struct Events<'a> {
    job: &'a Job<'a>,
    tape: Tape,
    meter: Meter,
    output_index: u64,
    stray: String,
}

impl Events<'_> {
    fn start(&mut self) {
        let mut response = ResponseOut::new(self.job, "in_progress");
        let background = flag(&self.job.ask.own, "background").unwrap_or(false);
        self.response("response.created", &response);
        if background {
            let queued = ResponseOut::new(self.job, "queued");
            self.response("response.queued", &queued);
        }
        // Told early and again at the end, where counts are to shrink.
        response.usage = self.job.usage_shrinks().then(|| usage(self.job, 1));
        self.response("response.in_progress", &response);
    }

    fn end(&mut self) {
        let share = if self.job.usage_shrinks() { 2 } else { 1 };
        let cut = choice_of(self.job).is_some_and(|c| c.finish == Finish::Length);
        let name = if cut {
            "response.incomplete"
        } else {
            "response.completed"
        };
        self.response(name, &finished(self.job, share));
    }

    fn response(&mut self, name: &str, response: &ResponseOut<'_>) {
        self.open(name);
        self.tape.buf.put_slice(b",\"response\":");
        put_value(&mut self.tape.buf, response);
        self.close(false);
    }

    fn reasoning(&mut self) {
        let job = self.job;
        let id = reasoning_id(job);
        self.item("response.output_item.added", &reasoning(job, false));
        let thoughts = job.answer.thinking.as_deref().unwrap_or_default();
        if job.ask.thinking == Thinking::Shown {
            let at = |part: Value| json!({ "summary_index": 0, "part": part });
            let empty = json!({ "type": "summary_text", "text": "" });
            self.inside("response.reasoning_summary_part.added", &id, &at(empty));
            for piece in pieces(job.ask, thoughts) {
                self.meter.more(piece);
                let name = "response.reasoning_summary_text.delta";
                self.delta(name, &id, "summary_index", piece);
            }
            self.meter.next();
            let done = json!({ "summary_index": 0, "text": thoughts });
            self.inside("response.reasoning_summary_text.done", &id, &done);
            let whole = json!({ "type": "summary_text", "text": thoughts });
            self.inside("response.reasoning_summary_part.done", &id, &at(whole));
        } else {
            self.meter.hidden(job.answer.usage.reasoning);
        }
        self.item("response.output_item.done", &reasoning(job, true));
        self.output_index += 1;
    }

    fn message(&mut self, choice: &Choice) {
        let job = self.job;
        let id = message_id(job);
        self.item("response.output_item.added", &message(job, choice, false));
        let at = |part: Value| json!({ "content_index": 0, "part": part });
        let empty = at(part(job, choice, false));
        self.inside("response.content_part.added", &id, &empty);
        let (name, words) = match &choice.refusal {
            Some(refusal) => ("refusal", refusal),
            None => ("output_text", &choice.text),
        };
        for piece in pieces(job.ask, words) {
            self.meter.more(piece);
            let name = format!("response.{name}.delta");
            self.delta(&name, &id, "content_index", piece);
        }
        self.meter.next();
        let done = if choice.refusal.is_some() {
            json!({ "content_index": 0, "refusal": words })
        } else {
            json!({ "content_index": 0, "logprobs": logprobs(job, words), "text": words })
        };
        self.inside(&format!("response.{name}.done"), &id, &done);
        let whole = at(part(job, choice, true));
        self.inside("response.content_part.done", &id, &whole);
        self.item("response.output_item.done", &message(job, choice, true));
        self.output_index += 1;
    }

    fn call(&mut self, call: &Call, cut: bool) {
        let job = self.job;
        let id = function_id(job, call);
        self.meter.more(&call.name);
        self.meter.next();
        let begun = function_call(job, call, "in_progress");
        self.item("response.output_item.added", &begun);
        let mut rest = call.arguments.as_str();
        while !rest.is_empty() {
            let end = rest.ceil_char_boundary(FRAGMENT.min(rest.len()));
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            self.meter.more(piece);
            self.delta("response.function_call_arguments.delta", &id, "", piece);
        }
        self.meter.next();
        let done = json!({ "arguments": call.arguments, "name": call.name });
        self.inside("response.function_call_arguments.done", &id, &done);
        let status = if cut { "incomplete" } else { "completed" };
        self.item(
            "response.output_item.done",
            &function_call(job, call, status),
        );
        self.output_index += 1;
    }

    /// An event about a whole item.
    fn item(&mut self, name: &str, item: &Value) {
        self.open(name);
        self.place();
        self.tape.buf.put_slice(b",\"item\":");
        put_value(&mut self.tape.buf, item);
        self.close(false);
    }

    /// An event inside an item.
    fn inside(&mut self, name: &str, id: &str, fields: &Value) {
        self.open(name);
        self.place();
        self.id(id);
        for (field, value) in fields.as_object().into_iter().flatten() {
            self.tape.buf.put_u8(b',');
            put_str(&mut self.tape.buf, field);
            self.tape.buf.put_u8(b':');
            put_value(&mut self.tape.buf, value);
        }
        self.close(false);
    }

    fn delta(&mut self, name: &str, id: &str, index: &str, piece: &str) {
        self.open(name);
        self.place();
        self.id(id);
        if !index.is_empty() {
            self.tape
                .buf
                .put_slice(format!(",\"{index}\":0").as_bytes());
        }
        self.tape.buf.put_slice(b",\"delta\":");
        put_str(&mut self.tape.buf, piece);
        if name == "response.output_text.delta" {
            self.tape.buf.put_slice(b",\"logprobs\":");
            put_value(&mut self.tape.buf, &logprobs(self.job, piece));
        }
        if self.job.ask.obfuscate {
            let len = self.tape.marks.len() * 5 % PADDING.len() + 1;
            self.tape.buf.put_slice(b",\"obfuscation\":");
            put_str(&mut self.tape.buf, PADDING.get(..len).unwrap_or(PADDING));
        }
        self.close(true);
    }

    fn open(&mut self, name: &str) {
        let buf = &mut self.tape.buf;
        buf.put_slice(format!("event: {name}\ndata: {{\"type\":\"{name}\"").as_bytes());
        buf.put_slice(b",\"sequence_number\":");
        put_int(buf, self.tape.marks.len() as u64);
    }

    fn place(&mut self) {
        self.tape.buf.put_slice(b",\"output_index\":");
        put_int(&mut self.tape.buf, self.output_index);
    }

    fn id(&mut self, id: &str) {
        let wrong = self.job.wrong_id && self.tape.marks.len() > 4;
        self.tape.buf.put_slice(b",\"item_id\":");
        put_str(&mut self.tape.buf, if wrong { &self.stray } else { id });
    }

    fn close(&mut self, content: bool) {
        self.tape.buf.put_slice(b"}\n\n");
        self.tape.mark(self.meter.now(), content);
    }
}
