//! Edits to a document's bytes that leave all other bytes alone.

use bytes::Bytes;

use crate::json::Span;

/// Replacements in one document, in any order, none overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    edits: Vec<(Span, Vec<u8>)>,
}

impl Patch {
    /// Puts `text` where `span` stands; an empty span inserts.
    pub fn replace(&mut self, span: Span, text: impl Into<Vec<u8>>) {
        self.edits.push((span, text.into()));
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The document with the edits made. Edits outside it are left out, as are
    /// those that overlap an earlier one.
    #[must_use]
    pub fn apply(mut self, document: &Bytes) -> Bytes {
        if self.edits.is_empty() {
            return document.clone();
        }
        // An insertion comes before what replaces the text that it stands at.
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let grown: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = Vec::with_capacity(document.len() + grown);
        let mut copied = 0;
        for (span, text) in &self.edits {
            let Some(between) = document.get(copied..span.start) else {
                continue;
            };
            if span.end < span.start || span.end > document.len() {
                continue;
            }
            out.extend_from_slice(between);
            out.extend_from_slice(text);
            copied = span.end;
        }
        out.extend_from_slice(document.get(copied..).unwrap_or_default());
        out.into()
    }
}
