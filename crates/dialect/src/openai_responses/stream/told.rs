//! The events that tell one item of an answer: how it grows, and that it is whole.
//!
//! What is told in steps is told again whole, so the two must be made of the
//! same words.

use super::piece::{Call, Content, Line, Thought, about, write_call, write_message};
use crate::chat::{Citation, Delta, Extra, Reasoning, ToolCallKind};
use crate::json::{Json, Writer};
use crate::openai_responses::response::envelope::COMPLETED;
use crate::openai_responses::wire::reasoning::{write_reasoning, write_summary};
use crate::openai_responses::wire::write::{call_words, write_citation};

/// An item that is being told.
pub(super) struct Told<'a> {
    pub(super) index: usize,
    pub(super) id: &'a str,
    pub(super) line: &'a mut Line,
}

impl Told<'_> {
    /// Writes an event about the item with the members that `inner` writes.
    fn write(&mut self, out: &mut Vec<u8>, kind: &str, inner: impl FnOnce(&mut Writer)) {
        let (index, id) = (self.index, self.id);
        self.line.write(out, kind, |out| {
            about(out, index, id);
            inner(out);
        });
    }

    /// A piece of a message's content, the `place`th there, grows.
    pub(super) fn grow(
        &mut self,
        content: &mut Content,
        place: usize,
        delta: &Delta,
        out: &mut Vec<u8>,
    ) {
        match delta {
            Delta::Text(words) => {
                content.text.push_str(words);
                let kind = if content.refusal {
                    "response.refusal.delta"
                } else {
                    "response.output_text.delta"
                };
                self.write(out, kind, |out| {
                    out.key("content_index").number(place);
                    out.key("delta").string(words);
                    if !content.refusal {
                        out.key("logprobs").array(|_| ());
                    }
                });
            }
            Delta::Raw(value) if content.raw.is_some() => content.raw = Some(value.clone()),
            // Sources are told by `cite`; what else does not fit was refused where it was read.
            Delta::Citation(_) | Delta::Raw(_) | Delta::Arguments(_) | Delta::Opaque(_) => {}
        }
    }

    /// A text cites a source; says whether there is a form for it.
    pub(super) fn cite(
        &mut self,
        content: &mut Content,
        place: usize,
        citation: &Citation,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut form = Writer::default();
        if !write_citation(&mut form, citation) {
            return false;
        }
        let written = Json::written(|out| {
            write_citation(out, citation);
        });
        self.write(out, "response.output_text.annotation.added", |out| {
            out.key("content_index").number(place);
            out.key("annotation_index").number(content.citations.len());
            out.key("annotation").json(&written);
        });
        content.citations.push(written);
        true
    }

    /// The message is whole; gives its item.
    pub(super) fn close_message(&mut self, list: &[Content], out: &mut Vec<u8>) -> Json {
        for (place, content) in list.iter().enumerate() {
            if content.raw.is_none() && content.refusal {
                self.write(out, "response.refusal.done", |out| {
                    out.key("content_index").number(place);
                    out.key("refusal").string(&content.text);
                });
            } else if content.raw.is_none() {
                self.write(out, "response.output_text.done", |out| {
                    out.key("content_index").number(place);
                    out.key("text").string(&content.text);
                    content.write_logprobs(out);
                });
            }
            self.write(out, "response.content_part.done", |out| {
                out.key("content_index").number(place);
                content.write(out.key("part"));
            });
        }
        Json::written(|out| write_message(out, self.id, COMPLETED, list))
    }

    /// The call is whole; gives its item.
    pub(super) fn close_call(&mut self, mut call: Call, ours: bool, out: &mut Vec<u8>) -> Json {
        if !ours && call.kind == ToolCallKind::Function && call.arguments.trim().is_empty() {
            // A call without arguments has none, however that is written.
            call.arguments = "{}".to_owned();
            self.write(out, call_delta(call.kind), |out| {
                out.key("delta").string("{}");
            });
        }
        let (_, field, _) = call_words(call.kind);
        let kind = match call.kind {
            ToolCallKind::Function => "response.function_call_arguments.done",
            ToolCallKind::Custom => "response.custom_tool_call_input.done",
        };
        self.write(out, kind, |out| {
            if call.kind == ToolCallKind::Function {
                out.key("name").string(&call.name);
            }
            out.key(field).string(&call.arguments);
        });
        Json::written(|out| write_call(out, self.id, COMPLETED, &call))
    }

    /// The reasoning is whole; gives its item.
    pub(super) fn close_thought(&mut self, thought: Thought, out: &mut Vec<u8>) -> Json {
        if !thought.text.is_empty() {
            self.write(out, "response.reasoning_summary_text.done", |out| {
                out.key("summary_index").number(0);
                out.key("text").string(&thought.text);
            });
            self.write(out, "response.reasoning_summary_part.done", |out| {
                out.key("summary_index").number(0);
                write_summary(out.key("part"), &thought.text);
            });
        }
        let reasoning = Reasoning {
            text: thought.text,
            summary: false,
            opaque: thought.opaque,
        };
        Json::written(|out| write_reasoning(out, &reasoning, &Extra::default(), self.id))
    }
}

/// The event by which a call grows.
pub(super) fn call_delta(kind: ToolCallKind) -> &'static str {
    match kind {
        ToolCallKind::Function => "response.function_call_arguments.delta",
        ToolCallKind::Custom => "response.custom_tool_call_input.delta",
    }
}
