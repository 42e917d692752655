//! The pieces that a stream's writer works with: items that are open, and events as bytes.
//!
//! Each item is kept as it grows, since its last event and the answer's tell it
//! whole. An event's data is one line; nothing here may break that.

use crate::chat::{Delta, Opaque, ToolCallKind};
use crate::frame::sse::one_line;
use crate::json::{Json, Kind, Writer};
use crate::openai_responses::wire::write::call_words;

/// An item on its way out.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// Its place in the answer's output.
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) form: Form,
}

/// What the item is.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Message(Vec<Content>),
    Call(Call),
    Reasoning(Thought),
    /// One of our own dialect, as it stands so far.
    Opaque {
        part: u64,
        value: Json,
    },
}

/// A piece of a message's content.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) part: u64,
    pub(super) refusal: bool,
    /// Content of our own dialect that is kept whole.
    pub(super) raw: Option<Json>,
    pub(super) text: String,
    pub(super) citations: Vec<Json>,
    /// Lists of probabilities, each as it came.
    pub(super) logprobs: Vec<Json>,
    pub(super) ended: bool,
}

/// A call of one of the application's tools.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) part: u64,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) kind: ToolCallKind,
    pub(super) arguments: String,
}

/// Reasoning; its item begins with its first words.
#[derive(Clone, Debug, Default)]
pub(super) struct Thought {
    pub(super) part: u64,
    pub(super) text: String,
    pub(super) opaque: Option<Opaque>,
}

impl Open {
    /// Whether the part is told in this item.
    pub(super) fn has(&self, wanted: u64) -> bool {
        match &self.form {
            Form::Message(list) => list.iter().any(|content| content.part == wanted),
            Form::Call(Call { part, .. })
            | Form::Reasoning(Thought { part, .. })
            | Form::Opaque { part, .. } => *part == wanted,
        }
    }

    /// Whether all that is said in it has ended.
    pub(super) fn is_said(&self) -> bool {
        match &self.form {
            Form::Message(list) => list.iter().all(|content| content.ended),
            Form::Call(_) | Form::Reasoning(_) | Form::Opaque { .. } => false,
        }
    }
}

impl Content {
    /// Writes the piece, whole or while nothing was said.
    pub(super) fn write(&self, out: &mut Writer) {
        if let Some(raw) = &self.raw {
            out.json(raw);
            return;
        }
        out.object(|out| {
            if self.refusal {
                out.key("type").string("refusal");
                out.key("refusal").string(&self.text);
                return;
            }
            out.key("type").string("output_text");
            out.key("text").string(&self.text);
            out.key("annotations").array(|out| {
                self.citations.iter().for_each(|citation| {
                    out.json(citation);
                });
            });
            self.write_logprobs(out);
        });
    }

    /// Writes the member with the probabilities, the lists joined.
    pub(super) fn write_logprobs(&self, out: &mut Writer) {
        out.key("logprobs").array(|out| {
            for list in &self.logprobs {
                // The text is a valid array, so every element reads.
                let _ = list.reader().array(|_, element| {
                    out.raw(element.raw()?);
                    Ok(())
                });
            }
        });
    }
}

/// Writes a message as an item.
pub(super) fn write_message(out: &mut Writer, id: &str, status: &str, content: &[Content]) {
    out.object(|out| {
        out.key("type").string("message");
        out.key("id").string(id);
        out.key("status").string(status);
        out.key("role").string("assistant");
        out.key("content").array(|out| {
            content.iter().for_each(|content| content.write(out));
        });
    });
}

/// Writes a call as an item.
pub(super) fn write_call(out: &mut Writer, id: &str, status: &str, call: &Call) {
    let (kind, field, _) = call_words(call.kind);
    out.object(|out| {
        out.key("type").string(kind);
        out.key("id").string(id);
        out.key("status").string(status);
        out.key("call_id").string(&call.call_id);
        out.key("name").string(&call.name);
        out.key(field).string(&call.arguments);
    });
}

/// Writes events and numbers them.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    sequence: u64,
}

impl Line {
    /// Appends one event whose data has that type, its number and the members that `inner` writes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, kind: &str, inner: impl FnOnce(&mut Writer)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let start = out.len();
        let mut data = Writer::append_to(std::mem::take(out));
        data.object(|data| {
            data.key("type").string(kind);
            data.key("sequence_number").number(self.sequence);
            inner(data);
        });
        *out = data.into_bytes();
        one_line(out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(b"\n\n");
        self.sequence += 1;
    }
}

/// Writes the members that say which item an event is about.
pub(super) fn about(out: &mut Writer, index: usize, id: &str) {
    out.key("output_index").number(index);
    out.key("item_id").string(id);
}

/// The id that an item of our own says it has.
pub(super) fn id_of(item: &Json) -> Option<String> {
    let mut id = None;
    let read = item.reader().object(|key, member| {
        if key == "id" && member.peek()? == Kind::String {
            id = Some(member.string()?.into_owned());
            return Ok(());
        }
        member.skip().map(drop)
    });
    read.ok().and(id)
}

/// What a delta adds to what is kept.
pub(super) fn weight(delta: &Delta) -> usize {
    let opaque = |opaque: &Opaque| opaque.value.text().len();
    match delta {
        Delta::Text(text) | Delta::Arguments(text) => text.len(),
        Delta::Opaque(value) => opaque(value),
        Delta::Citation(citation) => opaque(&citation.raw),
        Delta::Raw(raw) => raw.text().len(),
    }
}
