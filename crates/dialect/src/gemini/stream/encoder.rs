//! Writes a stream: events in, chunks out.
//!
//! Text goes out as it comes; a call goes out whole, as the API has it. Nothing marks the
//! end but the reason in the last chunk, so that waits, with the usage, for the hub's own
//! end and is written for nothing else.

use std::mem;

use super::piece::{Piece, Slot, append};
use crate::chat::{
    Citation, Delta, Extra, Finish, PartStart, Start, StreamEvent, ToolCallKind, Usage,
};
use crate::codec::{EncoderOptions, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::sse::one_line;
use crate::gemini::failure;
use crate::gemini::response::candidate::{CITED, write_citations, write_finish};
use crate::gemini::response::is_refused;
use crate::gemini::response::usage::{tier_word, write_usage};
use crate::gemini::wire::write::{args, lose_extra};
use crate::gemini::wire::{OWN, envelope, is_stand_in, opaque, spelled};
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// Most bytes of arguments that wait for their calls to end; beyond it the stream fails.
const WAITING_BYTES: usize = 4 << 20;
/// Most citations of another dialect that are kept for the last chunk.
const CITATIONS: usize = 1024;

/// The writer of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    array: bool,
    /// Whether the array's bracket was opened.
    opened: bool,
    /// Whether the events come from this dialect.
    ours: bool,
    blocked: bool,
    /// Whether the answer began here; else its last chunk is not ours to write.
    started: bool,
    start: Start,
    /// Fields of this dialect for the first chunk.
    first: Extra,
    tier: Option<String>,
    /// Whether the first chunk was written, which tells the tier.
    begun: bool,
    voices: Vec<Voice>,
    usage: Option<Box<Usage>>,
    waiting_bytes: usize,
    /// Whether the end or a failure was told; nothing may follow.
    closed: bool,
    losses: Losses,
}

/// One answer as far as it was written.
#[derive(Clone, Debug, Default)]
struct Voice {
    index: u64,
    open: Vec<(u64, Slot)>,
    /// Signatures that wait for what they sign: their kind and value.
    signatures: Vec<(String, Json)>,
    citations: Vec<Citation>,
    ending: Option<(Finish, Extra)>,
}

impl Encoder {
    pub(crate) fn new(options: EncoderOptions) -> Self {
        Self {
            array: options.json_array,
            ..Self::default()
        }
    }

    fn start(&mut self, start: &Start) {
        self.started = true;
        self.ours = start.extra.noted(spelled::ANSWER);
        self.blocked = self.ours && is_refused(&start.extra);
        self.tier.clone_from(&start.service_tier);
        if self.ours {
            self.first = start.extra.clone();
        } else {
            lose_extra(&mut self.losses, "", &start.extra);
        }
        self.start = Start {
            id: start.id.clone(),
            model: start.model.clone(),
            ..Start::default()
        };
    }

    /// Writes what comes before a chunk, the chunk, and what comes behind it.
    fn frame(&mut self, out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer)) {
        let start = out.len();
        if self.array {
            let opened = mem::replace(&mut self.opened, true);
            out.extend_from_slice(if opened { b",\r\n" } else { b"[" });
            append(out, inner);
            return;
        }
        out.extend_from_slice(b"data: ");
        append(out, inner);
        one_line(out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Writes a chunk with what `inner` writes, which says whether that has usage, and the
    /// envelope behind it.
    fn chunk(&mut self, out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer) -> bool) {
        let first = mem::take(&mut self.first);
        let begun = mem::replace(&mut self.begun, true);
        let tier = self.tier.as_deref().and_then(tier_word).filter(|_| !begun);
        let (model, id) = (
            mem::take(&mut self.start.model),
            mem::take(&mut self.start.id),
        );
        self.frame(out, |out| {
            out.object(|out| {
                let counted = inner(out);
                if let (Some(tier), false) = (tier, counted) {
                    out.key("usageMetadata").object(|out| {
                        out.key("serviceTier").string(tier);
                    });
                }
                if !model.is_empty() {
                    out.key("modelVersion").string(&model);
                }
                if !id.is_empty() {
                    out.key("responseId").string(&id);
                }
                first.write(out);
            });
        });
        (self.start.model, self.start.id) = (model, id);
    }

    /// Writes a chunk with one part of a candidate.
    fn part(&mut self, out: &mut Vec<u8>, index: u64, inner: impl FnOnce(&mut Writer)) {
        self.chunk(out, |out| {
            out.key("candidates").array(|out| {
                out.object(|out| {
                    out.key("content").object(|out| {
                        out.key("parts").array(inner);
                        out.key("role").string("model");
                    });
                    out.key("index").number(index);
                });
            });
            false
        });
    }

    fn voice(&mut self, index: u64) -> &mut Voice {
        let at = self.voices.iter().position(|voice| voice.index == index);
        let at = at.unwrap_or_else(|| {
            self.voices.push(Voice {
                index,
                ..Voice::default()
            });
            self.voices.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "the position was found or made just above"
        )]
        &mut self.voices[at]
    }

    fn begin(&mut self, index: u64, part: u64, start: &PartStart) {
        let slot = match start {
            PartStart::Text => Slot::Text,
            PartStart::Reasoning => Slot::Thought {
                worded: false,
                opaque: None,
            },
            PartStart::Refusal => {
                let why = "a refusal goes on as text";
                self.lose(index, "refusal", LossKind::Approximated, why);
                Slot::Text
            }
            PartStart::ToolCall { id, name, kind } => {
                if *kind == ToolCallKind::Custom {
                    let why = "free text goes on as the member `input`";
                    self.lose(index, "tool_calls", LossKind::Approximated, why);
                }
                Slot::Call {
                    id: id.clone(),
                    name: name.clone(),
                    kind: *kind,
                    arguments: String::new(),
                }
            }
            PartStart::Opaque(opaque) => Slot::Opaque(opaque.clone()),
        };
        self.voice(index).open.push((part, slot));
    }

    fn grow(&mut self, out: &mut Vec<u8>, index: u64, part: u64, delta: &Delta) {
        let open = &mut self.voice(index).open;
        let Some((_, slot)) = open.iter_mut().rfind(|(open, _)| *open == part) else {
            return;
        };
        match (slot, delta) {
            (Slot::Text, Delta::Text(words)) => {
                let signature = self.signature(index, opaque::OF_TEXT);
                self.part(out, index, |out| {
                    Piece::text(words, false, signature.as_ref()).write(out);
                });
            }
            (Slot::Thought { worded, .. }, Delta::Text(words)) => {
                *worded = true;
                self.part(out, index, |out| Piece::text(words, true, None).write(out));
            }
            (Slot::Thought { opaque, .. }, Delta::Opaque(value)) => {
                *opaque = Some(value.clone());
            }
            (Slot::Call { arguments, .. }, Delta::Arguments(more)) => {
                arguments.push_str(more);
                self.wait(more.len(), index, out);
            }
            (Slot::Opaque(opaque), Delta::Raw(value)) => opaque.value.clone_from(value),
            (_, Delta::Citation(citation)) => {
                // Our own stand in the object that they came in.
                let voice = self.voice(index);
                if citation.raw.origin != OWN && voice.citations.len() < CITATIONS {
                    voice.citations.push((**citation).clone());
                }
            }
            // A delta that does not fit its part is refused by the decoder before it gets here.
            (
                Slot::Text | Slot::Thought { .. } | Slot::Call { .. } | Slot::Opaque(_),
                Delta::Text(_) | Delta::Arguments(_) | Delta::Opaque(_) | Delta::Raw(_),
            ) => {}
        }
    }

    /// Counts what waits; too much of it ends the stream, since a shorter call is no call.
    fn wait(&mut self, bytes: usize, index: u64, out: &mut Vec<u8>) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        if self.waiting_bytes <= WAITING_BYTES {
            return;
        }
        let why = "more than 4 MiB of arguments, which come whole in this dialect";
        self.lose(index, "tool_calls", LossKind::Dropped, why);
        self.frame(out, |out| {
            out.object(|out| {
                out.key("error").object(|out| {
                    out.key("code").number(500);
                    out.key("message").string(why);
                    out.key("status").string("INTERNAL");
                });
            });
        });
        self.close(out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.closed = true;
        if self.array {
            out.extend_from_slice(if self.opened { b"\r\n]" } else { b"[]" });
        }
    }

    fn signature(&mut self, index: u64, kind: &str) -> Option<Json> {
        let signatures = &mut self.voice(index).signatures;
        let at = signatures.iter().position(|(waits, _)| waits == kind)?;
        Some(signatures.remove(at).1)
    }

    fn end(&mut self, out: &mut Vec<u8>, index: u64, part: u64) {
        let open = &mut self.voice(index).open;
        let Some(at) = open.iter().rposition(|(open, _)| *open == part) else {
            return;
        };
        match open.swap_remove(at).1 {
            Slot::Thought {
                worded: false,
                opaque: Some(value),
            } if value.origin == OWN && is_stand_in(&value.kind) => {
                let signature = (value.kind, value.value);
                self.voice(index).signatures.push(signature);
            }
            Slot::Thought {
                opaque: Some(value),
                ..
            } => {
                let signature = envelope::wrap(&value);
                self.part(out, index, |out| {
                    Piece::text("", true, Some(&signature)).write(out);
                });
            }
            Slot::Call {
                id,
                name,
                kind,
                arguments,
            } => {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(arguments.len());
                let (args, lost) = args(&arguments, kind);
                if let Some((LossKind::Dropped, _, why)) = lost {
                    let path = format!("choices[{index}].tool_calls");
                    self.losses.functional(path, LossKind::Dropped, why);
                }
                let signature = self.signature(index, &format!("{}{id}", opaque::OF_CALL));
                self.part(out, index, |out| {
                    Piece::call(&id, &name, &args, signature.as_ref()).write(out);
                });
            }
            Slot::Opaque(value) if value.origin == OWN => {
                self.part(out, index, |out| {
                    out.json(&value.value);
                });
            }
            Slot::Opaque(_) => {
                let why = "only its own dialect knows it";
                self.lose(index, "content", LossKind::Dropped, why);
            }
            Slot::Text | Slot::Thought { opaque: None, .. } => {}
        }
    }

    fn finish(&mut self, index: u64, finish: &Finish, extra: &Extra) {
        if !self.ours {
            lose_extra(&mut self.losses, &format!("choices[{index}]"), extra);
        }
        self.voice(index).ending = Some((finish.clone(), extra.clone()));
    }

    /// Writes the last chunk, which has the reasons and the usage.
    fn conclude(&mut self, out: &mut Vec<u8>) {
        let said = self.begun || self.blocked || self.usage.is_some() || !self.voices.is_empty();
        if !said && !self.array {
            return;
        }
        for index in self
            .voices
            .iter()
            .map(|voice| voice.index)
            .collect::<Vec<_>>()
        {
            let Some(signature) = self.signature(index, opaque::OF_TEXT) else {
                continue;
            };
            self.part(out, index, |out| {
                Piece::text("", false, Some(&signature)).write(out);
            });
        }
        let (ours, blocked) = (self.ours, self.blocked);
        let voices = mem::take(&mut self.voices);
        let (usage, tier) = (self.usage.take(), self.tier.take());
        let mut losses = mem::take(&mut self.losses);
        self.chunk(out, |out| {
            if !blocked {
                out.key("candidates").array(|out| {
                    for voice in &voices {
                        voice.write_end(out, ours, &mut losses);
                    }
                });
            }
            if let Some(usage) = &usage {
                out.key("usageMetadata");
                write_usage(out, usage, ours, tier.as_deref());
            }
            usage.is_some()
        });
        self.losses = losses;
        self.close(out);
    }

    /// Names a loss, once however often it comes.
    fn lose(&mut self, index: u64, field: &str, kind: LossKind, why: &'static str) {
        let path = format!("choices[{index}].{field}");
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.tuning(path, kind, why);
        }
    }
}

impl Voice {
    fn write_end(&self, out: &mut Writer, ours: bool, losses: &mut Losses) {
        let cited: Vec<&Citation> = self.citations.iter().collect();
        if !cited.is_empty() {
            let path = format!("choices[{}].annotations", self.index);
            losses.tuning(path, LossKind::Approximated, CITED);
        }
        out.object(|out| {
            out.key("content").object(|out| {
                out.key("parts")
                    .array(|out| Piece::text("", false, None).write(out));
                out.key("role").string("model");
            });
            if let Some((end, _)) = &self.ending {
                out.key("finishReason");
                write_finish(out, end, (ours, self.index), losses);
            }
            out.key("index").number(self.index);
            if let Some((_, extra)) = self.ending.as_ref().filter(|_| ours) {
                extra.write(out);
            }
            write_citations(out, &cited);
        });
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
            } => self.begin(*candidate, *part, start),
            StreamEvent::Delta {
                candidate,
                part,
                delta,
            } => self.grow(out, *candidate, *part, delta),
            StreamEvent::PartEnd { candidate, part } => self.end(out, *candidate, *part),
            StreamEvent::Logprobs { candidate, value } if self.ours => {
                let index = *candidate;
                self.chunk(out, |out| {
                    out.key("candidates").array(|out| {
                        out.object(|out| {
                            out.key("index").number(index);
                            out.key("logprobsResult").json(value);
                        });
                    });
                    false
                });
            }
            StreamEvent::Logprobs { candidate, .. } => {
                let why = "another dialect's probabilities";
                self.lose(*candidate, "logprobs", LossKind::Dropped, why);
            }
            StreamEvent::Finish {
                candidate,
                finish,
                extra,
            } => self.finish(*candidate, finish, extra),
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            // Failures are told by `fail`, with what the gateway knows of them.
            StreamEvent::Ping | StreamEvent::Error(_) => {}
            StreamEvent::End if self.started => self.conclude(out),
            StreamEvent::End => self.close(out),
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        self.frame(out, |out| failure::write(out, failure));
        self.close(out);
    }

    fn keep_alive(&self) -> &'static [u8] {
        // Between the elements of an array white space says nothing; Google's own libraries
        // stumble over events without data.
        if self.array { b"\n" } else { b"" }
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}
