//! Writes a stream: the hub's events in, the API's out.
//!
//! The API's blocks follow one another, so what belongs to a later part waits
//! until the open one ends. Usage comes with the reason to stop, so that waits
//! for it. `message_stop` is written for the hub's own end and nothing else.

use std::collections::VecDeque;

use super::piece::{HELD_PART, PING, Part, frame, free_text, weight};
use crate::anthropic::failure;
use crate::anthropic::response::usage::{Turned, finish_word, write_usage};
use crate::anthropic::response::{AT_THE_END, write_optional};
use crate::anthropic::wire::write::lose_extra;
use crate::anthropic::wire::{OWN, REDACTED, SIGNATURE, spelled};
use crate::chat::{Delta, Extra, Finish, PartStart, Start, StreamEvent, ToolCallKind, Usage};
use crate::codec::{EncoderOptions, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::sse::one_line;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// Most bytes that wait for the open block to end; beyond it the stream fails.
const WAITING_BYTES: usize = 1 << 20;

/// The writer of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    /// The envelope, until the first event after it, which may tell usage.
    start: Option<Box<Start>>,
    turned: Turned,
    tier: Option<String>,
    /// How many blocks were begun.
    blocks: u64,
    /// The part whose block is open, or is due with its first delta.
    open: Option<Part>,
    waiting: VecDeque<Part>,
    waiting_bytes: usize,
    ending: Option<(Finish, Extra)>,
    usage: Option<Box<Usage>>,
    stage: Stage,
    losses: Losses,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The reason to stop was written.
    Told,
    /// Nothing may follow.
    Closed,
}

impl Encoder {
    pub(crate) fn new(_options: EncoderOptions) -> Self {
        Self::default()
    }

    /// Writes the envelope, if it still waits.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(start) = self.start.take() else {
            return;
        };
        let ours = self.turned.ours;
        frame(out, "message_start", |out| {
            out.key("message").object(|out| {
                out.key("id").string(&start.id);
                out.key("type").string("message");
                out.key("role").string("assistant");
                out.key("model").string(&start.model);
                out.key("content").array(|_| {});
                out.key("stop_reason").null();
                out.key("stop_sequence").null();
                out.key("usage");
                write_usage(out, self.usage.as_deref(), ours, self.tier.as_deref());
                if ours {
                    start.extra.write(out);
                }
            });
        });
        out.extend_from_slice(PING);
        if !ours {
            lose_extra(&mut self.losses, "", &start.extra);
        }
    }

    fn part_start(&mut self, number: u64, start: &PartStart, out: &mut Vec<u8>) {
        match start {
            PartStart::ToolCall { kind, .. } => {
                self.turned.tools = true;
                if *kind == ToolCallKind::Custom {
                    let why = "free text goes on as the member `input`";
                    self.lose("tool_calls", LossKind::Approximated, why);
                }
            }
            PartStart::Refusal => self.turned.refusal = true,
            PartStart::Opaque(opaque) if opaque.origin != OWN => {
                self.lose(
                    "content",
                    LossKind::Dropped,
                    "only its own dialect knows it",
                );
            }
            PartStart::Text | PartStart::Reasoning | PartStart::Opaque(_) => {}
        }
        let part = Part {
            number,
            start: start.clone(),
            begun: false,
            grown: false,
            deltas: Vec::new(),
            ended: false,
        };
        if self.open.is_some() {
            self.waiting.push_back(part);
            self.wait(HELD_PART, out);
        } else {
            self.open(part, out);
        }
    }

    fn open(&mut self, mut part: Part, out: &mut Vec<u8>) {
        if matches!(part.start, PartStart::ToolCall { .. }) {
            self.block(&mut part, out);
        }
        for delta in std::mem::take(&mut part.deltas) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(&delta));
            self.grow(&mut part, &delta, out);
        }
        if part.ended {
            self.close(part, out);
        } else {
            self.open = Some(part);
        }
    }

    fn delta(&mut self, number: u64, delta: &Delta, out: &mut Vec<u8>) {
        if let Some(mut part) = self.open.take() {
            if part.number == number {
                self.grow(&mut part, delta, out);
                self.open = Some(part);
                return;
            }
            self.open = Some(part);
        }
        let waiting = self.waiting.iter_mut().find(|part| part.number == number);
        if let Some(part) = waiting {
            part.deltas.push(delta.clone());
            self.wait(weight(delta), out);
        }
    }

    /// Counts what waits; too much of it ends the stream, since a shorter call is no call.
    fn wait(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        if self.waiting_bytes <= WAITING_BYTES {
            return;
        }
        let why = "more than 1 MiB of the answer's parts interleave, which messages cannot";
        self.lose("content", LossKind::Dropped, why);
        frame(out, "error", |out| {
            out.key("error").object(|out| {
                out.key("type").string("api_error");
                out.key("message").string(why);
            });
        });
        self.stage = Stage::Closed;
    }

    fn part_end(&mut self, number: u64, out: &mut Vec<u8>) {
        match self.open.take() {
            Some(part) if part.number == number => {
                self.close(part, out);
                self.next(out);
            }
            other => {
                self.open = other;
                let waiting = self.waiting.iter_mut().find(|part| part.number == number);
                if let Some(part) = waiting {
                    part.ended = true;
                }
            }
        }
    }

    /// Opens what waited, up to a part that has not ended.
    fn next(&mut self, out: &mut Vec<u8>) {
        while self.open.is_none()
            && let Some(part) = self.waiting.pop_front()
        {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(HELD_PART);
            self.open(part, out);
        }
    }

    /// Begins the part's block, if that was not done.
    fn block(&mut self, part: &mut Part, out: &mut Vec<u8>) {
        if std::mem::replace(&mut part.begun, true) {
            return;
        }
        self.write_block(out, |out| match &part.start {
            PartStart::Text | PartStart::Refusal => {
                out.object(|out| {
                    out.key("type").string("text");
                    out.key("text").string("");
                });
            }
            PartStart::Reasoning => {
                out.object(|out| {
                    out.key("type").string("thinking");
                    out.key("thinking").string("");
                    out.key("signature").string("");
                });
            }
            PartStart::ToolCall { id, name, .. } => {
                out.object(|out| {
                    out.key("type").string("tool_use");
                    out.key("id").string(id);
                    out.key("name").string(name);
                    out.key("input").object(|_| {});
                });
            }
            PartStart::Opaque(opaque) => {
                out.json(&opaque.value);
            }
        });
    }

    fn write_block(&mut self, out: &mut Vec<u8>, block: impl FnOnce(&mut Writer)) {
        let index = self.blocks;
        self.blocks += 1;
        frame(out, "content_block_start", |out| {
            out.key("index").number(index);
            block(out.key("content_block"));
        });
    }

    /// Writes a delta into the part's block.
    fn grow(&mut self, part: &mut Part, delta: &Delta, out: &mut Vec<u8>) {
        match (&part.start, delta) {
            (PartStart::Text | PartStart::Refusal, Delta::Text(words)) => {
                self.step(part, ("text_delta", "text", words), out);
            }
            (PartStart::Reasoning, Delta::Text(words)) => {
                self.step(part, ("thinking_delta", "thinking", words), out);
            }
            (PartStart::ToolCall { kind, .. }, Delta::Arguments(words)) => match kind {
                ToolCallKind::Function => {
                    self.step(part, ("input_json_delta", "partial_json", words), out);
                }
                ToolCallKind::Custom => {
                    part.deltas.push(delta.clone());
                    self.wait(weight(delta), out);
                }
            },
            (PartStart::Reasoning, Delta::Opaque(opaque)) if opaque.origin == OWN => {
                if opaque.kind == SIGNATURE {
                    self.raw_step(part, ("signature_delta", "signature", &opaque.value), out);
                } else if opaque.kind == REDACTED && !std::mem::replace(&mut part.begun, true) {
                    self.write_block(out, |out| {
                        out.object(|out| {
                            out.key("type").string(REDACTED);
                            out.key("data").json(&opaque.value);
                        });
                    });
                }
            }
            (PartStart::Text, Delta::Citation(citation)) if citation.raw.origin == OWN => {
                let raw = &citation.raw.value;
                self.raw_step(part, ("citations_delta", "citation", raw), out);
            }
            (PartStart::Opaque(opaque), Delta::Raw(whole)) if opaque.origin == OWN => {
                if !std::mem::replace(&mut part.begun, true) {
                    self.write_block(out, |out| {
                        out.json(whole);
                    });
                }
            }
            (_, Delta::Opaque(_)) => {
                self.lose_lightly("signature", "only its maker can use it");
            }
            (_, Delta::Citation(_)) => {
                self.lose_lightly("annotations", "citations have another form here");
            }
            // A delta that does not fit its part is refused where it is read.
            (_, Delta::Text(_) | Delta::Arguments(_) | Delta::Raw(_)) => {}
        }
    }

    fn step(
        &mut self,
        part: &mut Part,
        (kind, name, words): (&str, &str, &str),
        out: &mut Vec<u8>,
    ) {
        self.write_delta(part, kind, out, |delta| {
            delta.key(name).string(words);
        });
    }

    fn raw_step(
        &mut self,
        part: &mut Part,
        (kind, name, raw): (&str, &str, &Json),
        out: &mut Vec<u8>,
    ) {
        self.write_delta(part, kind, out, |delta| {
            delta.key(name).json(raw);
        });
    }

    /// Writes a delta of that type with the members that `inner` writes.
    fn write_delta(
        &mut self,
        part: &mut Part,
        kind: &str,
        out: &mut Vec<u8>,
        inner: impl FnOnce(&mut Writer),
    ) {
        self.block(part, out);
        part.grown = true;
        let index = self.blocks.saturating_sub(1);
        frame(out, "content_block_delta", |out| {
            out.key("index").number(index);
            out.key("delta").object(|out| {
                out.key("type").string(kind);
                inner(out);
            });
        });
    }

    /// Ends the part's block. A part that said nothing has none, but for calls.
    fn close(&mut self, mut part: Part, out: &mut Vec<u8>) {
        match &part.start {
            PartStart::ToolCall { kind, .. } if !part.grown => {
                let words = match kind {
                    ToolCallKind::Function => String::new(),
                    ToolCallKind::Custom => free_text(&part.deltas),
                };
                for delta in std::mem::take(&mut part.deltas) {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(&delta));
                }
                self.step(&mut part, ("input_json_delta", "partial_json", &words), out);
            }
            PartStart::Opaque(opaque) if opaque.origin == OWN => self.block(&mut part, out),
            PartStart::Text
            | PartStart::Reasoning
            | PartStart::Refusal
            | PartStart::ToolCall { .. }
            | PartStart::Opaque(_) => {}
        }
        if part.begun {
            let index = self.blocks.saturating_sub(1);
            frame(out, "content_block_stop", |out| {
                out.key("index").number(index);
            });
        }
    }

    fn finish(&mut self, finish: &Finish, extra: &Extra, out: &mut Vec<u8>) {
        // The answer is complete, so every part of it is.
        while let Some(part) = self.open.take() {
            self.close(part, out);
            self.next(out);
        }
        if !self.turned.ours {
            lose_extra(&mut self.losses, "", extra);
        }
        self.ending = Some((finish.clone(), extra.clone()));
    }

    /// Writes the reason to stop, if it waits.
    fn tell(&mut self, out: &mut Vec<u8>) {
        let Some((finish, extra)) = self.ending.take() else {
            return;
        };
        let ours = self.turned.ours;
        let beside = AT_THE_END.last().copied().unwrap_or_default();
        frame(out, "message_delta", |out| {
            out.key("delta").object(|out| {
                out.key("stop_reason")
                    .string(finish_word(&finish, &self.turned));
                out.key("stop_sequence");
                write_optional(out, finish.stop_sequence.as_deref());
                if ours {
                    extra.write_but(out, &[beside]);
                }
            });
            out.key("usage");
            write_usage(out, self.usage.as_deref(), ours, self.tier.as_deref());
            if let Some(value) = extra.get(beside).filter(|_| ours) {
                out.key(beside).json(value);
            }
        });
        self.stage = Stage::Told;
    }

    fn lose(&mut self, path: &str, kind: LossKind, why: &'static str) {
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.functional(path, kind, why);
        }
    }

    fn lose_lightly(&mut self, path: &str, why: &'static str) {
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.tuning(path, LossKind::Dropped, why);
        }
    }
}

impl EventEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.stage == Stage::Closed {
            return;
        }
        match event {
            StreamEvent::Start(start) => {
                self.turned.ours = start.extra.noted(spelled::ANSWER);
                self.tier.clone_from(&start.service_tier);
                self.start = Some(start.clone());
                return;
            }
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            // What the provider said of its failure comes by `fail`, with our facts.
            StreamEvent::Error(_) => return,
            StreamEvent::PartStart { candidate: 1.., .. }
            | StreamEvent::Delta { candidate: 1.., .. }
            | StreamEvent::PartEnd { candidate: 1.., .. }
            | StreamEvent::Finish { candidate: 1.., .. }
            | StreamEvent::Logprobs { candidate: 1.., .. } => {
                self.lose("choices[1]", LossKind::Dropped, "a message is one answer");
                return;
            }
            StreamEvent::PartStart { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::PartEnd { .. }
            | StreamEvent::Logprobs { .. }
            | StreamEvent::Finish { .. }
            | StreamEvent::Ping
            | StreamEvent::End => {}
        }
        self.begin(out);
        match event {
            StreamEvent::PartStart { part, start, .. } => self.part_start(*part, start, out),
            StreamEvent::Delta { part, delta, .. } => self.delta(*part, delta, out),
            StreamEvent::PartEnd { part, .. } => self.part_end(*part, out),
            StreamEvent::Logprobs { .. } => self.lose_lightly("logprobs", "messages carry none"),
            StreamEvent::Finish { finish, extra, .. } => self.finish(finish, extra, out),
            StreamEvent::Usage(_) => self.tell(out),
            StreamEvent::Ping => out.extend_from_slice(PING),
            StreamEvent::End => {
                self.tell(out);
                if self.stage == Stage::Told {
                    frame(out, "message_stop", |_| {});
                }
                self.stage = Stage::Closed;
            }
            StreamEvent::Start(_) | StreamEvent::Error(_) => {}
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        let mut data = failure::encode(failure);
        one_line(&mut data);
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&data);
        out.extend_from_slice(b"\n\n");
    }

    fn keep_alive(&self) -> &'static [u8] {
        PING
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}
