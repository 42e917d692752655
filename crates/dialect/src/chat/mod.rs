//! The hub: what a chat request, its answer and its stream mean, in no vendor's shape.
//!
//! A union of what the dialects can say, so that translation goes through one
//! set of types instead of pairs. What the hub has no word for stays at its
//! node as [`Extra`] and returns when the dialect it came from is written.

mod event;
mod message;
mod request;
mod response;
mod usage;

pub use event::{Delta, PartStart, Start, StreamEvent};
pub use message::{
    CacheMarker, Citation, Media, MediaSource, Message, Opaque, Part, PartKind, Reasoning, Role,
    ToolCall, ToolCallKind, ToolResult,
};
pub use request::{
    Effort, Logprobs, OutputFormat, ReasoningRequest, Request, Sampling, Tool, ToolChoice, ToolKind,
};
pub use response::{Candidate, Finish, FinishReason, Response};
pub use usage::Usage;

use crate::json::{Json, Writer};

/// Fields that the hub has no word for, as they stood at one node.
///
/// They belong to the dialect that the whole request or answer came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    fields: Vec<(String, Json)>,
    notes: Vec<&'static str>,
}

impl Extra {
    /// Keeps a field.
    pub fn push(&mut self, name: &str, value: Json) {
        self.fields.push((name.to_owned(), value));
    }

    /// Keeps how something that the hub does understand was spelled, for the dialect
    /// of origin alone. A note is no field: it is not written and leaving it is no loss.
    pub fn note(&mut self, note: &'static str) {
        if !self.noted(note) {
            self.notes.push(note);
        }
    }

    /// Whether that note was made.
    #[must_use]
    pub fn noted(&self, note: &str) -> bool {
        self.notes.contains(&note)
    }

    /// The fields that say something: leaving out a `null` loses nothing.
    pub fn said(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.iter().filter(|(_, value)| !value.is_null())
    }

    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// Takes the field of that name out.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.fields.iter().position(|(n, _)| n == name)?;
        Some(self.fields.swap_remove(at).1)
    }

    /// All fields, in the order in which they stood.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the fields as members of the object being written.
    pub fn write(&self, out: &mut Writer) {
        for (name, value) in self.iter() {
            out.key(name).json(value);
        }
    }
}
