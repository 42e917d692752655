//! Writes a stream: the hub's events in, the API's out.
//!
//! The reason to stop is held until the hub's own end and written for that and nothing
//! else, with the usage behind it, since a client takes it for the proof.

use super::sequence::{Sequence, Turn};
use crate::bedrock_converse::failure;
use crate::bedrock_converse::response::usage::{Turned, finish_word, write_usage};
use crate::bedrock_converse::response::write_end;
use crate::bedrock_converse::wire::letters::free_text;
use crate::bedrock_converse::wire::write::{lose_extra, own_citation};
use crate::bedrock_converse::wire::{OWN, REDACTED, spelled};
use crate::chat::{
    Delta, Extra, Finish, Opaque, PartStart, Start, StreamEvent, ToolCallKind, Usage,
};
use crate::codec::{EncoderOptions, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::event_stream::write;
use crate::json::{Json, Kind, Writer};
use crate::loss::{LossKind, Losses};

/// The writer of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    turned: Turned,
    tier: Option<String>,
    begun: bool,
    /// How many blocks have begun.
    blocks: u64,
    parts: Sequence,
    open: Option<Open>,
    ending: Option<Box<(Finish, Extra)>>,
    usage: Option<Box<Usage>>,
    closed: bool,
    losses: Losses,
}

/// The part whose block is open, or is due with its first piece.
#[derive(Clone, Debug)]
struct Open {
    start: PartStart,
    begun: bool,
    /// Free text of a call, until it is whole.
    free: String,
}

impl Encoder {
    pub(crate) fn new(_options: EncoderOptions) -> Self {
        Self::default()
    }

    fn start(&mut self, start: &Start, out: &mut Vec<u8>) {
        self.turned.ours = start.extra.noted(spelled::ANSWER);
        self.tier.clone_from(&start.service_tier);
        if !self.turned.ours {
            lose_extra(&mut self.losses, "", &start.extra);
        }
        self.begin(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            event(out, "messageStart", |out| {
                out.key("role").string("assistant");
            });
        }
    }

    fn part(&mut self, number: u64, turn: Turn, out: &mut Vec<u8>) {
        self.begin(out);
        if !self.parts.push(number, turn) {
            let why = "more than 1 MiB of the answer's parts interleave, which Converse cannot";
            self.lose("content", LossKind::Dropped, why);
            exception(out, "internalServerException", |out| {
                out.key("message").string(why);
            });
            self.closed = true;
            return;
        }
        self.pull(out);
    }

    fn pull(&mut self, out: &mut Vec<u8>) {
        while let Some(turn) = self.parts.pull() {
            match turn {
                Turn::Start(start) => self.open(start, out),
                Turn::Delta(delta) => {
                    if let Some(mut open) = self.open.take() {
                        self.grow(&mut open, &delta, out);
                        self.open = Some(open);
                    }
                }
                Turn::End => {
                    if let Some(open) = self.open.take() {
                        self.close(open, out);
                    }
                }
            }
        }
    }

    fn open(&mut self, start: PartStart, out: &mut Vec<u8>) {
        let mut open = Open {
            start,
            begun: false,
            free: String::new(),
        };
        match &open.start {
            PartStart::ToolCall { kind, .. } => {
                self.turned.tools = true;
                if *kind == ToolCallKind::Custom {
                    let why = "free text goes on as the member `input`";
                    self.lose("tool_calls", LossKind::Approximated, why);
                }
                self.call(&mut open, out);
            }
            PartStart::Refusal => self.turned.refusal = true,
            PartStart::Opaque(opaque) if opaque.origin != OWN => {
                let why = "only its own dialect knows it";
                self.lose("content", LossKind::Dropped, why);
            }
            PartStart::Text | PartStart::Reasoning | PartStart::Opaque(_) => {}
        }
        self.open = Some(open);
    }

    /// Begins the block of a call, the only kind of the application's that is announced.
    fn call(&mut self, open: &mut Open, out: &mut Vec<u8>) {
        let PartStart::ToolCall { id, name, .. } = &open.start else {
            return;
        };
        let index = self.block(&mut open.begun);
        event(out, "contentBlockStart", |out| {
            out.key("contentBlockIndex").number(index);
            out.key("start").object(|out| {
                out.key("toolUse").object(|out| {
                    out.key("toolUseId").string(id);
                    out.key("name").string(name);
                });
            });
        });
    }

    /// Index of the block of a part; a new one where the part has none yet.
    fn block(&mut self, begun: &mut bool) -> u64 {
        if !std::mem::replace(begun, true) {
            self.blocks += 1;
        }
        self.blocks.saturating_sub(1)
    }

    /// Writes a delta into the part's block.
    fn grow(&mut self, open: &mut Open, delta: &Delta, out: &mut Vec<u8>) {
        match (&open.start, delta) {
            (PartStart::Text | PartStart::Refusal, Delta::Text(words)) => {
                self.piece(open, out, |out| {
                    out.key("text").string(words);
                });
            }
            (PartStart::Reasoning, Delta::Text(words)) => self.thought(open, out, |out| {
                out.key("text").string(words);
            }),
            (PartStart::Reasoning, Delta::Opaque(opaque)) if opaque.origin == OWN => {
                let name = if opaque.kind == REDACTED {
                    REDACTED
                } else {
                    "signature"
                };
                self.thought(open, out, |out| {
                    out.key(name).json(&opaque.value);
                });
            }
            (PartStart::ToolCall { kind, .. }, Delta::Arguments(words)) => match kind {
                ToolCallKind::Function => self.input(open, words, out),
                ToolCallKind::Custom => open.free.push_str(words),
            },
            (PartStart::Text, Delta::Citation(citation)) => match own_citation(citation) {
                Some(form) => self.piece(open, out, |out| {
                    out.key("citation").json(&form);
                }),
                None => self.lose_lightly("annotations", "citations have another form here"),
            },
            (PartStart::Opaque(opaque), Delta::Raw(whole)) if opaque.origin == OWN => {
                self.whole(open, whole, out);
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

    fn piece(&mut self, open: &mut Open, out: &mut Vec<u8>, delta: impl FnOnce(&mut Writer)) {
        let index = self.block(&mut open.begun);
        event(out, "contentBlockDelta", |out| {
            out.key("contentBlockIndex").number(index);
            out.key("delta").object(delta);
        });
    }

    fn thought(&mut self, open: &mut Open, out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer)) {
        self.piece(open, out, |out| {
            out.key("reasoningContent").object(inner);
        });
    }

    fn input(&mut self, open: &mut Open, words: &str, out: &mut Vec<u8>) {
        self.piece(open, out, |out| {
            out.key("toolUse").object(|out| {
                out.key("input").string(words);
            });
        });
    }

    /// Writes a block of our own that came whole: how it begins, and what it grows by.
    fn whole(&mut self, open: &mut Open, block: &Json, out: &mut Vec<u8>) {
        if open.begun {
            return;
        }
        let Some((kind, inner)) = only_member(block) else {
            return;
        };
        let grows = match kind.as_str() {
            "toolUse" => "input",
            "toolResult" => "content",
            _ => "",
        };
        let index = self.block(&mut open.begun);
        event(out, "contentBlockStart", |out| {
            out.key("contentBlockIndex").number(index);
            out.key("start").object(|out| {
                out.key(&kind).object(|out| {
                    inner.write_members(out, &[grows]);
                });
            });
        });
        let Some(grown) = member_of(&inner, grows) else {
            return;
        };
        self.piece(open, out, |out| {
            if kind == "toolResult" {
                out.key(&kind).json(&grown);
                return;
            }
            out.key(&kind).object(|out| {
                out.key("input").string(grown.text());
            });
        });
    }

    /// Ends the part's block. A part that said nothing has none, but for calls.
    fn close(&mut self, mut open: Open, out: &mut Vec<u8>) {
        match &open.start {
            PartStart::ToolCall {
                kind: ToolCallKind::Custom,
                ..
            } => {
                let words = free_text(&open.free);
                self.input(&mut open, &words, out);
            }
            PartStart::Opaque(opaque) if opaque.origin == OWN => {
                let Opaque { value, .. } = (**opaque).clone();
                self.whole(&mut open, &value, out);
            }
            PartStart::Text
            | PartStart::Reasoning
            | PartStart::Refusal
            | PartStart::ToolCall { .. }
            | PartStart::Opaque(_) => {}
        }
        if open.begun {
            let index = self.blocks.saturating_sub(1);
            event(out, "contentBlockStop", |out| {
                out.key("contentBlockIndex").number(index);
            });
        }
    }

    /// Writes the reason to stop and the usage.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.closed = true;
        let Some(ending) = self.ending.take() else {
            return;
        };
        let (finish, mut extra) = *ending;
        let ours = self.turned.ours;
        let fields = extra.take(FIELDS);
        event(out, "messageStop", |out| {
            let word = finish_word(&finish, &self.turned);
            out.key("stopReason").string(word);
            if let Some(fields) = fields.filter(|_| ours) {
                out.key(FIELDS).json(&fields);
            }
        });
        event(out, "metadata", |out| {
            out.key("usage");
            write_usage(out, self.usage.as_deref(), ours);
            write_end(out, &extra, (ours, self.tier.as_deref()));
        });
    }

    fn finish(&mut self, finish: &Finish, extra: &Extra, out: &mut Vec<u8>) {
        if finish.service_tier.is_some() {
            self.tier.clone_from(&finish.service_tier);
        }
        self.begin(out);
        self.parts.end_all();
        self.pull(out);
        if !self.turned.ours {
            lose_extra(&mut self.losses, "", extra);
            if finish.stop_sequence.is_some() {
                let why = "Converse does not tell which text was met";
                self.lose_lightly("stop_sequence", why);
            }
        }
        self.ending = Some(Box::new((finish.clone(), extra.clone())));
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

/// The member of `messageStop` that the model adds to.
const FIELDS: &str = "additionalModelResponseFields";

/// The one member of a block.
fn only_member(block: &Json) -> Option<(String, Json)> {
    let mut found = None;
    let read = block.reader().object(|key, member| {
        let value = member.json()?;
        found.get_or_insert_with(|| (key.to_owned(), value));
        Ok(())
    });
    found.filter(|_| read.is_ok())
}

fn member_of(object: &Json, name: &str) -> Option<Json> {
    let mut reader = object.reader();
    if reader.peek().ok()? != Kind::Object {
        return None;
    }
    let mut found = None;
    let read = reader.object(|key, member| {
        let value = member.json()?;
        if key == name {
            found = Some(value);
        }
        Ok(())
    });
    found.filter(|_| read.is_ok())
}

/// Appends one event of that type with the members that `inner` writes.
fn event(out: &mut Vec<u8>, kind: &'static str, inner: impl FnOnce(&mut Writer)) {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    write(out, &headers, |out| payload(out, inner));
}

/// Appends one exception of that type.
fn exception(out: &mut Vec<u8>, kind: &'static str, inner: impl FnOnce(&mut Writer)) {
    write(out, &exception_headers(kind), |out| payload(out, inner));
}

fn exception_headers(kind: &'static str) -> [(&'static str, &'static str); 3] {
    [
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ]
}

fn payload(out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer)) {
    let mut data = Writer::append_to(std::mem::take(out));
    data.object(inner);
    *out = data.into_bytes();
}

impl EventEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            StreamEvent::Start(start) => self.start(start, out),
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            StreamEvent::PartStart { candidate: 1.., .. }
            | StreamEvent::Delta { candidate: 1.., .. }
            | StreamEvent::PartEnd { candidate: 1.., .. }
            | StreamEvent::Finish { candidate: 1.., .. }
            | StreamEvent::Logprobs { candidate: 1.., .. } => {
                self.lose("choices[1]", LossKind::Dropped, "Converse gives one answer");
            }
            StreamEvent::PartStart { part, start, .. } => {
                self.part(*part, Turn::Start(start.clone()), out);
            }
            StreamEvent::Delta { part, delta, .. } => {
                self.part(*part, Turn::Delta(delta.clone()), out);
            }
            StreamEvent::PartEnd { part, .. } => self.part(*part, Turn::End, out),
            StreamEvent::Logprobs { .. } => self.lose_lightly("logprobs", "Converse tells none"),
            StreamEvent::Finish { finish, extra, .. } => self.finish(finish, extra, out),
            StreamEvent::End => self.end(out),
            // What the provider said of its failure comes by `fail`, with our facts.
            StreamEvent::Ping | StreamEvent::Error(_) => {}
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        self.closed = true;
        let headers = exception_headers(failure::exception(failure.status));
        write(out, &headers, |out| {
            out.extend_from_slice(&failure::encode(failure));
        });
    }

    /// The framing has nothing that client libraries would pass over.
    fn keep_alive(&self) -> &'static [u8] {
        b""
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}
