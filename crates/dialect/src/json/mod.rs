//! JSON as the dialects need it: a pull reader that builds no tree, raw values
//! that keep the text they came with, and a writer that copies raw text.
//!
//! The reader is the only JSON parser on the road. It validates all that it
//! passes over, counts depth itself, and never allocates for what is skipped.

mod block;
mod closing;
mod escape;
mod invalid;
mod kind;
mod reader;
mod seen;
mod special;
mod text;
mod writer;

pub(crate) use block::quotes_and_backslashes;
pub use escape::escape_into;
pub use invalid::Invalid;
pub use kind::Kind;
pub use reader::{MAX_DEPTH, Reader, Span};
pub use text::Text;
pub use writer::Writer;

use std::fmt;
use std::sync::Arc;

/// One JSON value kept as the text it was written with.
///
/// Holds exactly one valid value without surrounding white space; made only by
/// [`Reader::json`], [`Json::parse`] and our own writer, so splicing it into a document keeps
/// that document valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Reads `text` as one JSON value.
    ///
    /// # Errors
    /// [`Invalid`] where the text is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut reader = Reader::over(text);
        let json = reader.json()?;
        reader.end()?;
        Ok(json)
    }

    /// The text of the value.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// Whether the value is a list or object with nothing in it.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let inner = self.0.strip_prefix(['[', '{']);
        let inner = inner.and_then(|inner| inner.strip_suffix([']', '}']));
        inner.is_some_and(|inner| inner.trim_ascii().is_empty())
    }

    /// A reader over the value.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader::over(&self.0)
    }

    /// The value as a JSON string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        escape_into(&mut out, text);
        Self(String::from_utf8_lossy(&out).into())
    }

    /// The value that `write` writes.
    #[must_use]
    pub fn written(write: impl FnOnce(&mut Writer)) -> Self {
        let mut out = Writer::with_capacity(256);
        write(&mut out);
        Self(String::from_utf8_lossy(&out.into_bytes()).into())
    }

    /// Writes the members of the value, if it is an object, as members of the object
    /// being written, but for those named.
    pub fn write_members(&self, out: &mut Writer, except: &[&str]) {
        // The text is valid, so reading stops early only where it is no object.
        let _ = self.reader().object(|name, member| {
            let raw = member.raw()?;
            if !except.contains(&name) {
                out.key(name).raw(raw);
            }
            Ok(())
        });
    }

    fn from_validated(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
