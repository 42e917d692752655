//! Writes JSON into a byte buffer, members in the order in which they are given.
//!
//! Raw values are copied as they stand. The writer keeps commas right; it is
//! for documents that our own code lays out, so it checks nothing else.

use super::escape::escape_into;
use super::{Json, Text};

/// Builds one JSON text.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Whether a comma is due before the next member or element.
    comma: bool,
}

impl Writer {
    /// A writer with room for about `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            comma: false,
        }
    }

    /// A writer that appends to `out`, after whatever stands there.
    #[must_use]
    pub fn append_to(out: Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// The text written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Writes what `inner` writes, unless it says afterwards that it was nothing; says the same.
    pub fn attempt(&mut self, inner: impl FnOnce(&mut Self) -> bool) -> bool {
        let (length, comma) = (self.out.len(), self.comma);
        let something = inner(self);
        if !something {
            self.out.truncate(length);
            self.comma = comma;
        }
        something
    }

    /// Appends bytes that are no part of the JSON text, such as a stream's framing.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self.comma = false;
        self
    }

    /// Writes `{`, the members that `inner` writes, and `}`.
    pub fn object(&mut self, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.bracket(b'{', b'}', inner)
    }

    /// Writes `[`, the elements that `inner` writes, and `]`.
    pub fn array(&mut self, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.bracket(b'[', b']', inner)
    }

    /// Writes a member's name; its value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        escape_into(&mut self.out, name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// Writes a string.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        escape_into(&mut self.out, text);
        self
    }

    /// Writes text, as it was written where it was read from.
    pub fn text(&mut self, text: &Text) -> &mut Self {
        match text.json() {
            Some(string) => self.json(string),
            None => self.string(text),
        }
    }

    /// Writes a whole number.
    pub fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.separate();
        self.out
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(if value { "true" } else { "false" })
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw("null")
    }

    /// Writes a raw value.
    pub fn json(&mut self, value: &Json) -> &mut Self {
        self.raw(value.text())
    }

    /// Writes text that is one JSON value already.
    pub fn raw(&mut self, value: &str) -> &mut Self {
        self.separate();
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    fn bracket(&mut self, open: u8, close: u8, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.separate();
        self.out.push(open);
        self.comma = false;
        inner(self);
        self.out.push(close);
        self.comma = true;
        self
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}
