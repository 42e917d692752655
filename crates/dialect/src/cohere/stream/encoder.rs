//! Writes a stream: the hub's events in, the API's out.
//!
//! The reason to end and the usage stand in one event, which is written for the hub's
//! own end and nothing else. A failure is that event with the reason `ERROR`, the one
//! form of a failure that the API has for streams.

use crate::chat::{Citation, Delta, Finish, PartStart, Start, StreamEvent, ToolCallKind, Usage};
use crate::codec::EventEncoder;
use crate::cohere::response::usage::{finish_word, report_finish, write_usage};
use crate::cohere::wire::citation::{is_citable, write_citation};
use crate::cohere::wire::{OWN, lose_extra, marks_plan, spelled};
use crate::failure::ClientFailure;
use crate::frame::sse::one_line;
use crate::json::{Json, Kind, Writer, escape_into};
use crate::loss::{LossKind, Losses};

/// The writer of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    /// Whether the events come from this dialect.
    ours: bool,
    /// How many content blocks, calls and citations were begun.
    blocks: u64,
    calls: u64,
    citations: u64,
    open: Vec<(u64, Slot)>,
    ending: Option<Finish>,
    usage: Option<Box<Usage>>,
    /// Whether the end or a failure was told; nothing may follow.
    closed: bool,
    losses: Losses,
}

/// Where the deltas of an open part go.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Text(u64),
    /// Reasoning of which nothing was written yet.
    Thought,
    Thinking(u64),
    Plan,
    Call(u64),
    /// A call whose arguments are free text, inside an object; whether that was begun.
    FreeCall(u64, bool),
    Nowhere,
}

impl Encoder {
    fn start(&mut self, start: &Start, out: &mut Vec<u8>) {
        self.ours = start.extra.noted(spelled::ANSWER);
        if !self.ours {
            lose_extra(&mut self.losses, "", &start.extra);
            if start.service_tier.is_some() {
                let why = "Cohere's chat tells of no tier";
                self.lose("service_tier", LossKind::Dropped, why);
            }
        }
        let ours = self.ours;
        frame(out, "message-start", |out| {
            out.key("id").string(&start.id);
            out.key("delta").object(|out| {
                out.key("message").object(|out| {
                    out.key("role").string("assistant");
                    out.key("content").array(|_| ());
                    out.key("tool_plan").string("");
                    out.key("tool_calls").array(|_| ());
                    out.key("citations").array(|_| ());
                });
            });
            if ours {
                start.extra.write(out);
            }
        });
    }

    fn part_start(&mut self, part: u64, start: &PartStart, out: &mut Vec<u8>) {
        let slot = match start {
            PartStart::Text => Slot::Text(self.block("text", out)),
            PartStart::Refusal => {
                self.lose(
                    "refusal",
                    LossKind::Approximated,
                    "a refusal goes on as text",
                );
                Slot::Text(self.block("text", out))
            }
            PartStart::Reasoning => Slot::Thought,
            PartStart::ToolCall { id, name, kind } => self.call(id, name, *kind, out),
            PartStart::Opaque(_) => {
                let why = "a stream of Cohere's chat has no place for it";
                self.losses.functional("content", LossKind::Dropped, why);
                Slot::Nowhere
            }
        };
        self.open.push((part, slot));
    }

    /// Begins a content block of that kind and gives its index.
    fn block(&mut self, kind: &str, out: &mut Vec<u8>) -> u64 {
        let index = self.blocks;
        self.blocks += 1;
        step(out, ("content-start", Some(index)), "content", |out| {
            out.object(|out| {
                out.key("type").string(kind);
                out.key(kind).string("");
            });
        });
        index
    }

    fn call(&mut self, id: &str, name: &str, kind: ToolCallKind, out: &mut Vec<u8>) -> Slot {
        let index = self.calls;
        self.calls += 1;
        step(out, ("tool-call-start", Some(index)), "tool_calls", |out| {
            out.object(|out| {
                out.key("id").string(id);
                out.key("type").string("function");
                out.key("function").object(|out| {
                    out.key("name").string(name);
                    out.key("arguments").string("");
                });
            });
        });
        match kind {
            ToolCallKind::Function => Slot::Call(index),
            ToolCallKind::Custom => {
                let why = "free text goes on as the member `input`";
                let path = "tool_calls";
                if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
                    self.losses.functional(path, LossKind::Approximated, why);
                }
                Slot::FreeCall(index, false)
            }
        }
    }

    fn delta(&mut self, part: u64, delta: &Delta, out: &mut Vec<u8>) {
        let known = |(open, _): &(u64, Slot)| *open == part;
        let Some(at) = self.open.iter().rposition(known) else {
            return;
        };
        let Some(mut slot) = self.open.get(at).map(|(_, slot)| *slot) else {
            return;
        };
        match (slot, delta) {
            (Slot::Thought, Delta::Text(_)) => slot = Slot::Thinking(self.block("thinking", out)),
            (Slot::Thought, Delta::Opaque(opaque)) if marks_plan(opaque) => slot = Slot::Plan,
            (Slot::FreeCall(index, false), Delta::Arguments(_)) => {
                arguments(out, index, r#"{"input":""#);
                slot = Slot::FreeCall(index, true);
            }
            _ => {}
        }
        if let Some((_, open)) = self.open.get_mut(at) {
            *open = slot;
        }
        match (slot, delta) {
            (Slot::Text(index), Delta::Text(words)) => grow(out, index, "text", words),
            (Slot::Thinking(index), Delta::Text(words)) => grow(out, index, "thinking", words),
            (Slot::Plan, Delta::Text(words)) => {
                step(out, ("tool-plan-delta", None), "tool_plan", |out| {
                    out.string(words);
                });
            }
            (Slot::Call(index), Delta::Arguments(words)) => arguments(out, index, words),
            (Slot::FreeCall(index, _), Delta::Arguments(words)) => {
                arguments(out, index, &inside(words));
            }
            (Slot::Text(index) | Slot::Thinking(index), Delta::Citation(citation)) => {
                self.cite(citation, index, out);
            }
            (_, Delta::Opaque(opaque)) if !marks_plan(opaque) => {
                self.lose("signature", LossKind::Dropped, "only its maker can use it");
            }
            (_, Delta::Citation(_)) => {
                self.lose("citations", LossKind::Dropped, "only content cites sources");
            }
            // A delta that does not fit its part is refused where it is read.
            (_, Delta::Text(_) | Delta::Arguments(_) | Delta::Opaque(_) | Delta::Raw(_)) => {}
        }
    }

    fn cite(&mut self, citation: &Citation, index: u64, out: &mut Vec<u8>) {
        let citable = is_citable(citation);
        if citation.raw.origin != OWN {
            let kind = match citable {
                true => LossKind::Approximated,
                false => LossKind::Dropped,
            };
            let why = "Cohere's chat cites documents by address and title";
            self.lose("citations", kind, why);
        }
        if !citable {
            return;
        }
        let number = self.citations;
        self.citations += 1;
        step(out, ("citation-start", Some(number)), "citations", |out| {
            write_citation(out, citation, index);
        });
        frame(out, "citation-end", |out| {
            out.key("index").number(number);
        });
    }

    fn part_end(&mut self, part: u64, out: &mut Vec<u8>) {
        let known = |(open, _): &(u64, Slot)| *open == part;
        let Some(at) = self.open.iter().rposition(known) else {
            return;
        };
        let (_, slot) = self.open.remove(at);
        let (kind, index) = match slot {
            Slot::Text(index) | Slot::Thinking(index) => ("content-end", index),
            Slot::Call(index) => ("tool-call-end", index),
            Slot::FreeCall(index, begun) => {
                arguments(out, index, if begun { "\"}" } else { r#"{"input":""}"# });
                ("tool-call-end", index)
            }
            Slot::Thought | Slot::Plan | Slot::Nowhere => return,
        };
        frame(out, kind, |out| {
            out.key("index").number(index);
        });
    }

    /// Writes probabilities beside deltas that say nothing more.
    fn logprobs(&mut self, value: &Json, out: &mut Vec<u8>) {
        let index = self.blocks.saturating_sub(1);
        let mut reader = value.reader();
        if reader.peek() != Ok(Kind::Array) {
            let why = "another dialect's probabilities";
            self.lose("logprobs", LossKind::Dropped, why);
            return;
        }
        // The value is valid, so the read cannot fail.
        let _ = reader.array(|_, item| {
            let item = item.raw()?;
            frame(out, "content-delta", |out| {
                out.key("index").number(index);
                out.key("delta").object(|out| {
                    out.key("message").object(|out| {
                        out.key("content").object(|out| {
                            out.key("text").string("");
                        });
                    });
                });
                out.key("logprobs").raw(item);
            });
            Ok(())
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.closed = true;
        let Some(finish) = self.ending.take() else {
            return;
        };
        let (ours, usage) = (self.ours, self.usage.take());
        frame(out, "message-end", |out| {
            out.key("delta").object(|out| {
                out.key("finish_reason").string(finish_word(&finish, ours));
                if let Some(usage) = &usage {
                    out.key("usage");
                    write_usage(out, usage, ours);
                }
            });
        });
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Names a loss, once however often it comes.
    fn lose(&mut self, path: &str, kind: LossKind, why: &'static str) {
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
            StreamEvent::PartStart { candidate: 1.., .. }
            | StreamEvent::Delta { candidate: 1.., .. }
            | StreamEvent::PartEnd { candidate: 1.., .. }
            | StreamEvent::Finish { candidate: 1.., .. }
            | StreamEvent::Logprobs { candidate: 1.., .. } => {
                let path = "choices[1]";
                if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
                    let why = "Cohere's chat gives one answer";
                    self.losses.functional(path, LossKind::Dropped, why);
                }
            }
            StreamEvent::Start(start) => self.start(start, out),
            StreamEvent::PartStart { part, start, .. } => self.part_start(*part, start, out),
            StreamEvent::Delta { part, delta, .. } => self.delta(*part, delta, out),
            StreamEvent::PartEnd { part, .. } => self.part_end(*part, out),
            StreamEvent::Logprobs { value, .. } => self.logprobs(value, out),
            StreamEvent::Finish { finish, extra, .. } => {
                if !self.ours {
                    report_finish(finish, &mut self.losses);
                    lose_extra(&mut self.losses, "", extra);
                }
                self.ending = Some(finish.clone());
            }
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            // What the provider said of its failure comes by `fail`, with our facts.
            StreamEvent::Ping | StreamEvent::Error(_) => {}
            StreamEvent::End => self.end(out),
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        frame(out, "message-end", |out| {
            out.key("id").string(&failure.details.request_id);
            out.key("delta").object(|out| {
                out.key("error").string(&failure.message);
                out.key("finish_reason").string("ERROR");
            });
            failure.write_details(out);
        });
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

/// Appends one event whose data has that type and the members that `inner` writes.
fn frame(out: &mut Vec<u8>, kind: &str, inner: impl FnOnce(&mut Writer)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    let mut data = Writer::append_to(std::mem::take(out));
    data.object(|data| {
        data.key("type").string(kind);
        inner(data);
    });
    *out = data.into_bytes();
    one_line(out.get_mut(start..).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

/// Appends an event by which the member of that name in the message grows.
fn step(
    out: &mut Vec<u8>,
    (kind, index): (&str, Option<u64>),
    name: &str,
    inner: impl FnOnce(&mut Writer),
) {
    frame(out, kind, |out| {
        if let Some(index) = index {
            out.key("index").number(index);
        }
        out.key("delta").object(|out| {
            out.key("message").object(|out| {
                out.key(name);
                inner(out);
            });
        });
    });
}

fn grow(out: &mut Vec<u8>, index: u64, name: &str, words: &str) {
    step(out, ("content-delta", Some(index)), "content", |out| {
        out.object(|out| {
            out.key(name).string(words);
        });
    });
}

fn arguments(out: &mut Vec<u8>, index: u64, words: &str) {
    step(out, ("tool-call-delta", Some(index)), "tool_calls", |out| {
        out.object(|out| {
            out.key("function").object(|out| {
                out.key("arguments").string(words);
            });
        });
    });
}

/// The text as it stands within a JSON string.
fn inside(words: &str) -> String {
    let mut string = Vec::with_capacity(words.len() + 2);
    escape_into(&mut string, words);
    let string = String::from_utf8_lossy(&string).into_owned();
    let inner = string.strip_prefix('"').and_then(|s| s.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}
