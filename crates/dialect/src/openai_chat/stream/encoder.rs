//! Writes a stream: events in, chunks out.
//!
//! Text goes out as it comes. `[DONE]` is written for [`StreamEvent::End`] and
//! for nothing else, so a stream that broke can never look whole.

use std::mem;

use crate::chat::{
    Delta, Extra, Finish, Opaque, PartStart, Reasoning, Start, StreamEvent, ToolCallKind, Usage,
};
use crate::codec::{EncoderOptions, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::sse::one_line;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};
use crate::openai_chat::failure;
use crate::openai_chat::response::reasoning::write_detail;
use crate::openai_chat::response::usage::write_usage;
use crate::openai_chat::response::{finish_word, report_extra, report_finish};
use crate::openai_chat::wire::call::write_citation;
use crate::openai_chat::wire::{OWN, opaque, spelled, told_tier};

/// Most bytes of one reasoning that are kept for its detail.
const KEPT_BYTES: usize = 1024 * 1024;

/// The writer of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    options: EncoderOptions,
    /// Whether the events come from this dialect.
    ours: bool,
    /// Fields of this dialect for the first chunk.
    first: Extra,
    /// The members that every chunk begins with.
    envelope: Vec<u8>,
    choices: Vec<Choice>,
    usage: Option<Box<Usage>>,
    /// Whether the end or a failure was told; nothing may follow.
    closed: bool,
    losses: Losses,
}

/// One answer as far as it was written.
#[derive(Clone, Debug)]
struct Choice {
    index: u64,
    greeted: bool,
    calls: u64,
    details: usize,
    open: Vec<(u64, Slot)>,
}

/// Where the deltas of an open part go.
#[derive(Clone, Debug)]
enum Slot {
    Text,
    Refusal,
    Reasoning(Box<Thought>),
    Call(u64, ToolCallKind),
    Opaque(Box<Opaque>),
}

#[derive(Clone, Debug, Default)]
struct Thought {
    reasoning: Reasoning,
    /// Whether the text outgrew its bound and is not kept.
    overgrown: bool,
}

impl Encoder {
    pub(crate) fn new(options: EncoderOptions) -> Self {
        let mut encoder = Self {
            options,
            ours: false,
            first: Extra::default(),
            envelope: Vec::new(),
            choices: Vec::new(),
            usage: None,
            closed: false,
            losses: Losses::default(),
        };
        encoder.start(&Start::default());
        encoder
    }

    fn start(&mut self, start: &Start) {
        let mut out = Writer::with_capacity(160);
        out.object(|out| {
            out.key("id").string(&start.id);
            out.key("object").string("chat.completion.chunk");
            out.key("created").number(start.created.unwrap_or_default());
            out.key("model").string(&start.model);
            let ours = start.extra.noted(spelled::OURS);
            if let Some(tier) = told_tier(start.service_tier.as_deref(), ours) {
                out.key("service_tier").string(tier);
            }
            if let Some(fingerprint) = start.extra.get("system_fingerprint") {
                out.key("system_fingerprint").json(fingerprint);
            }
        });
        self.envelope = out.into_bytes();
        // The closing brace comes after the choices.
        self.envelope.pop();
        self.ours = start.extra.noted(spelled::OURS);
        self.first = start.extra.clone();
        self.first.take("system_fingerprint");
        if !self.ours {
            report_extra(&self.first, "", &mut self.losses);
            self.first = Extra::default();
        }
    }

    /// Writes a chunk with what `inner` writes behind the envelope.
    fn chunk(&mut self, out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer)) {
        let start = out.len();
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.envelope);
        out.push(b',');
        let mut writer = Writer::append_to(mem::take(out));
        inner(&mut writer);
        mem::take(&mut self.first).write(&mut writer);
        *out = writer.into_bytes();
        one_line(out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(b"}\n\n");
    }

    /// Writes a chunk with one delta of the candidate.
    fn delta(&mut self, out: &mut Vec<u8>, index: u64, inner: impl FnOnce(&mut Writer)) {
        let greeting = !mem::replace(&mut self.choice(index).greeted, true);
        self.chunk(out, |out| {
            let turn = Turn {
                index,
                ..Turn::default()
            };
            turn.write(out, |out| {
                if greeting {
                    out.key("role").string("assistant");
                }
                inner(out);
            });
        });
    }

    fn choice(&mut self, index: u64) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index);
        let at = at.unwrap_or_else(|| {
            self.choices.push(Choice {
                index,
                greeted: false,
                calls: 0,
                details: 0,
                open: Vec::new(),
            });
            self.choices.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "the position was found or made just above"
        )]
        &mut self.choices[at]
    }

    fn begin(&mut self, out: &mut Vec<u8>, index: u64, part: u64, start: &PartStart) {
        let choice = self.choice(index);
        let slot = match start {
            PartStart::Text => Slot::Text,
            PartStart::Refusal => Slot::Refusal,
            PartStart::Reasoning => Slot::Reasoning(Box::default()),
            PartStart::Opaque(opaque) => Slot::Opaque(opaque.clone()),
            PartStart::ToolCall { kind, .. } => {
                choice.calls += 1;
                Slot::Call(choice.calls - 1, *kind)
            }
        };
        if let (Slot::Call(place, kind), PartStart::ToolCall { id, name, .. }) = (&slot, start) {
            let (place, kind) = (*place, *kind);
            self.delta(out, index, |out| {
                write_call(out, place, |out| {
                    let (word, field) = call_words(kind);
                    out.key("id").string(id);
                    out.key("type").string(word);
                    out.key(word).object(|out| {
                        out.key("name").string(name);
                        out.key(field).string("");
                    });
                });
            });
        }
        self.choice(index).open.push((part, slot));
    }

    fn grow(&mut self, out: &mut Vec<u8>, index: u64, part: u64, delta: &Delta) {
        let open = &mut self.choice(index).open;
        let Some((_, slot)) = open.iter_mut().rfind(|(open, _)| *open == part) else {
            return;
        };
        match (slot, delta) {
            (Slot::Text, Delta::Text(text)) => {
                self.delta(out, index, |out| {
                    out.key("content").string(text);
                });
            }
            (Slot::Refusal, Delta::Text(text)) => {
                self.delta(out, index, |out| {
                    out.key("refusal").string(text);
                });
            }
            (Slot::Reasoning(thought), Delta::Text(text)) => {
                thought.hear(text);
                self.delta(out, index, |out| {
                    out.key("reasoning_content").string(text);
                });
            }
            (Slot::Reasoning(thought), Delta::Opaque(opaque)) => {
                thought.reasoning.opaque = Some((**opaque).clone());
            }
            (Slot::Call(place, kind), Delta::Arguments(text)) => {
                let (place, kind) = (*place, *kind);
                self.delta(out, index, |out| {
                    write_call(out, place, |out| {
                        let (word, field) = call_words(kind);
                        out.key(word).object(|out| {
                            out.key(field).string(text);
                        });
                    });
                });
            }
            (Slot::Opaque(opaque), Delta::Raw(value)) => opaque.value.clone_from(value),
            (_, Delta::Citation(citation)) => {
                let written = Json::written(|out| {
                    out.array(|out| {
                        write_citation(out, citation);
                    });
                });
                let kept = written.text() != "[]";
                if citation.raw.origin != OWN {
                    let kind = if kept {
                        LossKind::Approximated
                    } else {
                        LossKind::Dropped
                    };
                    let why = "chat completions cite addresses and titles only";
                    self.lost(index, "annotations", kind, why);
                }
                if !kept {
                    return;
                }
                self.delta(out, index, |out| {
                    out.key("annotations").json(&written);
                });
            }
            // A delta that does not fit its part is refused by the decoder before it gets here.
            (
                Slot::Text | Slot::Refusal | Slot::Reasoning(_) | Slot::Call(..) | Slot::Opaque(_),
                Delta::Text(_) | Delta::Arguments(_) | Delta::Opaque(_) | Delta::Raw(_),
            ) => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>, index: u64, part: u64) {
        let choice = self.choice(index);
        let Some(at) = choice.open.iter().rposition(|(open, _)| *open == part) else {
            return;
        };
        match choice.open.swap_remove(at).1 {
            Slot::Reasoning(thought) if thought.reasoning.opaque.is_some() => {
                if thought.overgrown {
                    self.left(
                        index,
                        "reasoning_details",
                        "longer than what is kept for it",
                    );
                    return;
                }
                let place = choice.details;
                choice.details += 1;
                self.delta(out, index, |out| {
                    out.key("reasoning_details").array(|out| {
                        write_detail(out, place, &thought.reasoning, &Extra::default());
                    });
                });
            }
            Slot::Opaque(value) if value.origin == OWN && value.kind == opaque::AUDIO => {
                self.delta(out, index, |out| {
                    out.key("audio").json(&value.value);
                });
            }
            Slot::Opaque(_) => self.left(
                index,
                "message.content",
                "an answer of chat completions has no place for it",
            ),
            Slot::Text | Slot::Refusal | Slot::Reasoning(_) | Slot::Call(..) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>, index: u64, finish: &Finish, extra: &Extra) {
        if !self.ours {
            report_extra(extra, &format!("choices[{index}]."), &mut self.losses);
            report_finish(finish, index, &mut self.losses);
        }
        let ours = self.ours;
        let greeting = !mem::replace(&mut self.choice(index).greeted, true);
        self.chunk(out, |out| {
            let turn = Turn {
                index,
                finish: Some(if ours {
                    &finish.raw
                } else {
                    finish_word(finish)
                }),
                extra: Some(extra).filter(|_| ours),
                ..Turn::default()
            };
            turn.write(out, |out| {
                if greeting {
                    out.key("role").string("assistant");
                }
            });
        });
    }

    fn left(&mut self, index: u64, field: &str, why: &'static str) {
        self.lost(index, field, LossKind::Dropped, why);
    }

    /// Names a loss, once however often it comes.
    fn lost(&mut self, index: u64, field: &str, kind: LossKind, why: &'static str) {
        let path = format!("choices[{index}].{field}");
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.tuning(path, kind, why);
        }
    }
}

impl EventEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            StreamEvent::Start(start) => self.start(start),
            StreamEvent::PartStart {
                candidate,
                part,
                start,
            } => self.begin(out, *candidate, *part, start),
            StreamEvent::Delta {
                candidate,
                part,
                delta,
            } => self.grow(out, *candidate, *part, delta),
            StreamEvent::PartEnd { candidate, part } => self.end(out, *candidate, *part),
            StreamEvent::Logprobs { candidate, value } if !value.text().starts_with('{') => {
                self.left(*candidate, "logprobs", "another dialect's probabilities");
            }
            StreamEvent::Logprobs { candidate, value } => {
                let index = *candidate;
                let logprobs = Some(value);
                self.chunk(out, |out| {
                    let turn = Turn {
                        index,
                        logprobs,
                        ..Turn::default()
                    };
                    turn.write(out, |_| ());
                });
            }
            StreamEvent::Finish {
                candidate,
                finish,
                extra,
            } => self.finish(out, *candidate, finish, extra),
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            // Failures are told by `fail`, with what the gateway knows of them.
            StreamEvent::Ping | StreamEvent::Error(_) => {}
            StreamEvent::End => {
                self.closed = true;
                if let Some(usage) = self.usage.take().filter(|_| self.options.include_usage) {
                    let ours = self.ours;
                    self.chunk(out, |out| {
                        out.key("choices").array(|_| ());
                        out.key("usage");
                        match usage.raw.as_ref().filter(|_| ours) {
                            Some(raw) => {
                                out.json(raw);
                            }
                            None => write_usage(out, &usage),
                        }
                    });
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if mem::replace(&mut self.closed, true) {
            return;
        }
        let start = out.len();
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&failure::encode(failure));
        one_line(out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(b"\n\n");
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}

impl Thought {
    fn hear(&mut self, text: &str) {
        let kept = &mut self.reasoning.text;
        if kept.len() + text.len() > KEPT_BYTES {
            self.overgrown = true;
            *kept = String::new();
        }
        if !self.overgrown {
            kept.push_str(text);
        }
    }
}

/// One entry of a chunk's `choices`.
#[derive(Default)]
struct Turn<'a> {
    index: u64,
    logprobs: Option<&'a Json>,
    finish: Option<&'a str>,
    extra: Option<&'a Extra>,
}

impl Turn<'_> {
    fn write(&self, out: &mut Writer, delta: impl FnOnce(&mut Writer)) {
        out.key("choices").array(|out| {
            out.object(|out| {
                out.key("index").number(self.index);
                out.key("delta").object(delta);
                out.key("logprobs");
                match self.logprobs {
                    Some(value) => out.json(value),
                    None => out.null(),
                };
                out.key("finish_reason");
                match self.finish {
                    Some(word) => out.string(word),
                    None => out.null(),
                };
                if let Some(extra) = self.extra {
                    extra.write_but(out, &["logprobs"]);
                }
            });
        });
    }
}

fn write_call(out: &mut Writer, place: u64, inner: impl FnOnce(&mut Writer)) {
    out.key("tool_calls").array(|out| {
        out.object(|out| {
            out.key("index").number(place);
            inner(out);
        });
    });
}

/// The member that holds the call, and the one in it that holds the arguments.
fn call_words(kind: ToolCallKind) -> (&'static str, &'static str) {
    match kind {
        ToolCallKind::Function => ("function", "arguments"),
        ToolCallKind::Custom => ("custom", "input"),
    }
}
