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
    pub fn apply(self, document: &Bytes) -> Bytes {
        let mut pieces = self.splice(document);
        match pieces.pop() {
            Some(only) if pieces.is_empty() => only,
            last => {
                pieces.extend(last);
                pieces.concat().into()
            }
        }
    }

    /// The same in pieces, of which all but the new text are the document's own bytes.
    #[must_use]
    pub fn splice(mut self, document: &Bytes) -> Vec<Bytes> {
        // An insertion comes before what replaces the text that it stands at.
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let mut pieces = Vec::with_capacity(2 * self.edits.len() + 1);
        let mut taken = 0;
        for (span, text) in self.edits {
            if span.start < taken || span.end < span.start || span.end > document.len() {
                continue;
            }
            pieces.push(document.slice(taken..span.start));
            pieces.push(text.into());
            taken = span.end;
        }
        pieces.push(document.slice(taken..));
        pieces
    }
}
