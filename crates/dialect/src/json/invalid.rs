//! What was wrong with a JSON text, and where.

use std::borrow::Cow;
use std::fmt;

/// What was wrong with a JSON text: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path of the value from the root, such as `messages[2].content`; empty for the root.
    pub path: String,
    /// Byte offset in the text, where one is known.
    pub at: Option<usize>,
    /// What is wrong, as a clause without the path.
    pub message: Cow<'static, str>,
}

impl Invalid {
    /// An error about the value being read.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            path: String::new(),
            at: None,
            message: message.into(),
        }
    }

    /// The same error, seen from the object or array around it.
    #[must_use]
    pub fn under(mut self, segment: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        let segment = cut(segment, 100);
        self.path = format!("{segment}{joint}{}", self.path);
        self
    }
}

impl From<crate::codec::Broken> for Invalid {
    fn from(broken: crate::codec::Broken) -> Self {
        Self::new(broken.why)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match self.at {
            Some(at) => write!(f, " (byte {at})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Invalid {}

/// At most `length` bytes of `text`, so that a message stays short whatever it quotes.
pub(super) fn cut(text: &str, length: usize) -> &str {
    text.get(..text.floor_char_boundary(length))
        .unwrap_or_default()
}
