//! Writing messages, whole and streamed, in the provider's field order, with
//! the white space that it puts before the last brace of an event.
//!
//! Events are written by hand, since a benchmark's answer is mostly events.

use bytes::BufMut;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::signature;
use crate::answer::{Call, Choice, Finish, Usage, pieces};
use crate::dialect::{Job, Meter};
use crate::json::{put_escaped, put_int, put_value};
use crate::play::Tape;
use crate::words::Rng;

/// Bytes of tool input in one event.
const FRAGMENT: usize = 9;
const SPACES: &str = "               ";

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut content = Vec::new();
    if let Some(thinking) = &job.answer.thinking {
        content.push(BlockOut::Thinking {
            thinking,
            signature: signature(&job.ask.model, thinking),
        });
    }
    let choice = job.answer.choices.first();
    if let Some(choice) = choice {
        let mute = !choice.calls.is_empty() || choice.refusal.is_some();
        if !choice.text.is_empty() || !mute {
            content.push(BlockOut::Text { text: &choice.text });
        }
        content.extend(choice.calls.iter().map(|call| BlockOut::call(job, call)));
    }
    let mut out = MessageOut::new(job, job.rng().id("msg_01", 22));
    out.content = content;
    if let Some(choice) = choice {
        let (reason, sequence, details) = stop(choice);
        out.stop_reason = Some(reason);
        out.stop_sequence = sequence;
        out.stop_details = details;
    }
    out.usage =
        (!job.usage_missing()).then(|| UsageOut::new(job, job.told(job.answer.usage.output)));
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
        pinged: false,
    };
    events.start();
    if let Some(thinking) = &job.answer.thinking {
        events.thinking(thinking);
    }
    if let Some(choice) = job.answer.choices.first() {
        let mute = !choice.calls.is_empty() || choice.refusal.is_some();
        if !choice.text.is_empty() || !mute {
            events.text(&choice.text);
        }
        for call in &choice.calls {
            events.call(call);
        }
        events.refusal(choice);
        events.end(choice);
    }
    events.tape
}

struct Events<'a> {
    job: &'a Job<'a>,
    tape: Tape,
    meter: Meter,
    index: u64,
    pinged: bool,
}

impl Events<'_> {
    fn start(&mut self) {
        let mut message = MessageOut::new(self.job, self.job.rng().id("msg_01", 22));
        message.usage = (!self.job.usage_missing()).then(|| UsageOut::new(self.job, 1));
        self.open("message_start");
        self.tape.buf.put_slice(b",\"message\":");
        put_value(&mut self.tape.buf, &message);
        self.close(false);
    }

    fn thinking(&mut self, thinking: &str) {
        self.block(&BlockOut::Thinking {
            thinking: "",
            signature: String::new(),
        });
        for piece in pieces(self.job.ask, thinking) {
            self.meter.more(piece);
            self.delta("thinking_delta", "thinking", piece);
        }
        self.meter.next();
        let signature = signature(&self.job.ask.model, thinking);
        self.delta("signature_delta", "signature", &signature);
        self.block_end();
    }

    fn text(&mut self, text: &str) {
        self.block(&BlockOut::Text { text: "" });
        for piece in pieces(self.job.ask, text) {
            self.meter.more(piece);
            self.delta("text_delta", "text", piece);
        }
        self.meter.next();
        self.block_end();
    }

    fn call(&mut self, call: &Call) {
        self.block(&BlockOut::ToolUse {
            id: call_id(self.job, call),
            name: &call.name,
            input: None,
        });
        self.meter.more(&call.name);
        self.meter.next();
        self.delta("input_json_delta", "partial_json", "");
        let mut rest = call.arguments.as_str();
        while !rest.is_empty() {
            let end = rest.ceil_char_boundary(FRAGMENT.min(rest.len()));
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            self.meter.more(piece);
            self.delta("input_json_delta", "partial_json", piece);
        }
        self.meter.next();
        self.block_end();
    }

    /// A refusal's words are charged and not shown.
    fn refusal(&mut self, choice: &Choice) {
        if let Some(words) = &choice.refusal {
            self.meter.more(words);
            self.meter.next();
        }
    }

    fn end(&mut self, choice: &Choice) {
        let output = self.job.told(self.job.answer.usage.output);
        let (stop_reason, stop_sequence, stop_details) = stop(choice);
        let times = if self.job.usage_shrinks() { 2 } else { 1 };
        for share in 1..=times {
            self.open("message_delta");
            self.tape.buf.put_slice(b",\"delta\":");
            put_value(
                &mut self.tape.buf,
                &StopOut {
                    stop_reason,
                    stop_sequence: stop_sequence.clone(),
                    stop_details: stop_details.clone(),
                },
            );
            if !self.job.usage_missing() {
                self.tape.buf.put_slice(b",\"usage\":");
                put_value(
                    &mut self.tape.buf,
                    &DeltaUsageOut::new(self.job, output / share),
                );
            }
            self.close(false);
        }
        self.open("message_stop");
        self.close(false);
    }

    fn block(&mut self, block: &BlockOut<'_>) {
        self.open("content_block_start");
        self.index();
        self.tape.buf.put_slice(b",\"content_block\":");
        put_value(&mut self.tape.buf, block);
        self.close(false);
        if !self.pinged {
            self.pinged = true;
            self.tape
                .buf
                .put_slice(b"event: ping\ndata: {\"type\": \"ping\"}\n\n");
            self.tape.mark(self.meter.now(), false);
        }
    }

    fn block_end(&mut self) {
        self.open("content_block_stop");
        self.index();
        self.close(false);
        self.index += 1;
    }

    fn delta(&mut self, kind: &str, field: &str, piece: &str) {
        self.open("content_block_delta");
        self.index();
        let buf = &mut self.tape.buf;
        buf.put_slice(b",\"delta\":{\"type\":\"");
        buf.put_slice(kind.as_bytes());
        buf.put_slice(b"\",\"");
        buf.put_slice(field.as_bytes());
        buf.put_slice(b"\":\"");
        put_escaped(buf, piece);
        buf.put_slice(b"\"}");
        self.close(true);
    }

    fn open(&mut self, name: &str) {
        let buf = &mut self.tape.buf;
        buf.put_slice(b"event: ");
        buf.put_slice(name.as_bytes());
        buf.put_slice(b"\ndata: {\"type\":\"");
        buf.put_slice(name.as_bytes());
        buf.put_slice(b"\"");
    }

    /// Blocks have no id in a stream; the wrong one is a block that never began.
    fn index(&mut self) {
        let stray = self.job.wrong_id && self.tape.marks.len() > 4;
        self.tape.buf.put_slice(b",\"index\":");
        put_int(&mut self.tape.buf, self.index + if stray { 7 } else { 0 });
    }

    fn close(&mut self, content: bool) {
        let spaces = self.tape.marks.len() * 7 % (SPACES.len() + 1);
        self.tape
            .buf
            .put_slice(SPACES.get(..spaces).unwrap_or_default().as_bytes());
        self.tape.buf.put_slice(b"}\n\n");
        self.tape.mark(self.meter.now(), content);
    }
}

fn stop(choice: &Choice) -> (&'static str, Option<String>, Option<Details>) {
    match &choice.finish {
        Finish::Natural => ("end_turn", None, None),
        Finish::Length => ("max_tokens", None, None),
        Finish::Stop(which) => ("stop_sequence", Some(which.clone()), None),
        Finish::Tools => ("tool_use", None, None),
        Finish::Refusal => {
            let explanation = choice.refusal.clone();
            (
                "refusal",
                None,
                Some(Details {
                    kind: "refusal",
                    category: None,
                    explanation,
                }),
            )
        }
    }
}

fn call_id(job: &Job<'_>, call: &Call) -> String {
    Rng::new(call.id ^ job.ids).id("toolu_01", 22)
}

#[derive(Serialize)]
struct MessageOut<'a> {
    model: &'a str,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    content: Vec<BlockOut<'a>>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<String>,
    stop_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOut>,
}

impl<'a> MessageOut<'a> {
    fn new(job: &'a Job<'_>, id: String) -> MessageOut<'a> {
        MessageOut {
            model: &job.ask.model,
            id,
            kind: "message",
            role: "assistant",
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage: None,
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockOut<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: String,
    },
    ToolUse {
        id: String,
        name: &'a str,
        #[serde(serialize_with = "object")]
        input: Option<Box<RawValue>>,
    },
}

impl<'a> BlockOut<'a> {
    fn call(job: &Job<'_>, call: &'a Call) -> BlockOut<'a> {
        // Input that the bound broke off is sent as an empty object.
        let input = serde_json::from_str(&call.arguments).ok();
        BlockOut::ToolUse {
            id: call_id(job, call),
            name: &call.name,
            input,
        }
    }
}

/// Nothing is an empty object.
fn object<S: Serializer>(raw: &Option<Box<RawValue>>, out: S) -> Result<S::Ok, S::Error> {
    match raw {
        Some(raw) => raw.serialize(out),
        None => out.serialize_map(Some(0))?.end(),
    }
}

#[derive(Serialize)]
struct StopOut {
    stop_reason: &'static str,
    stop_sequence: Option<String>,
    stop_details: Option<Details>,
}

#[derive(Clone, Serialize)]
struct Details {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<String>,
    explanation: Option<String>,
}

#[derive(Serialize)]
struct UsageOut {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    service_tier: &'static str,
    inference_geo: &'static str,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

impl UsageOut {
    fn new(job: &Job<'_>, output_tokens: u64) -> UsageOut {
        let Usage { input, cached, .. } = job.answer.usage;
        UsageOut {
            input_tokens: job.told(input),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: 0,
                ephemeral_1h_input_tokens: 0,
            },
            output_tokens,
            service_tier: "standard",
            inference_geo: "not_available",
        }
    }
}

#[derive(Serialize)]
struct DeltaUsageOut {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl DeltaUsageOut {
    fn new(job: &Job<'_>, output_tokens: u64) -> DeltaUsageOut {
        let whole = UsageOut::new(job, output_tokens);
        DeltaUsageOut {
            input_tokens: whole.input_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: whole.cache_read_input_tokens,
            output_tokens,
        }
    }
}
