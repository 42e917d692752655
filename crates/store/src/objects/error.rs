//! What can go wrong with an object, each with what mends it.
//!
//! Never carries a secret, nor more of what was sent than its beginning.

use std::fmt;

use super::object::{Kind, Source};

/// Why an operation on objects was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is none of that name or id that the viewer may see.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// By which name or id.
        name: String,
    },
    /// The name belongs to another.
    #[error("there is a {kind} `{name}` already, in the {by}; choose another name")]
    Taken {
        /// What was to be made.
        kind: Kind,
        /// Its name.
        name: String,
        /// Where the other one is.
        by: Source,
    },
    /// It is of the configuration's file.
    #[error("{kind} `{name}` is of the configuration's file; change it there")]
    ReadOnly {
        /// What was to be changed.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Others refer to it.
    #[error("{kind} `{name}` is in use by {}; change or delete those first", .by.join(", "))]
    InUse {
        /// What was to be deleted.
        kind: Kind,
        /// Its name.
        name: String,
        /// Some of those that refer to it, such as `key `bot``.
        by: Vec<String>,
    },
    /// What it is does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The viewer may not.
    #[error("{viewer} may not {what}: that needs a role for the whole house")]
    Forbidden {
        /// Who asked.
        viewer: String,
        /// What for.
        what: &'static str,
    },
    /// There are as many as there may be.
    #[error("there are {most} objects of kind {kind} already, the most there may be; delete some")]
    Full {
        /// Of which kind.
        kind: Kind,
        /// How many there may be.
        most: u32,
    },
    /// The database was written under another master key.
    #[error(
        "the database was written under another master key (fingerprint {stored}, the one \
         configured has {given}): give the first one as `secrets.master_key`; without it no \
         stored key or credential is good"
    )]
    WrongMasterKey {
        /// Fingerprint that the database has.
        stored: String,
        /// That of the master key given.
        given: String,
    },
    /// A credential cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
    /// The database, or the system's randomness, failed.
    #[error("the store failed: {0}")]
    Storage(String),
}

/// A field whose value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field's path, such as `limits.requests`; empty for the whole.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// Bytes of a message that are shown.
const SHOWN: usize = 240;

impl Invalid {
    /// A refusal of a field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self {
            field: printable(&field.into()),
            message: printable(message.as_ref()),
        }
    }
}

impl Invalid {
    /// The same of a part: `field` stands in what is at `path`.
    #[must_use]
    pub fn within(mut self, path: &str) -> Self {
        self.field = match self.field.as_str() {
            "" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Invalid {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Storage(error.to_string())
    }
}

impl From<crate::keys::NoRandomness> for Error {
    fn from(error: crate::keys::NoRandomness) -> Self {
        Error::Storage(error.to_string())
    }
}

/// Short enough for a line, and nothing in it that a terminal would obey.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() > SHOWN {
            shown.push('…');
            break;
        }
        shown.push(if super::check::is_hidden(c) { '�' } else { c });
    }
    shown
}
