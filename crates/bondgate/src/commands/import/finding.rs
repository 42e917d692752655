//! What became of a part of the file that is imported.
//!
//! A finding never repeats a value that could be a secret.

use super::value::Value;

/// How well a part was carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// It does the same.
    Exact,
    /// It does nearly the same; the finding says what differs.
    Approximate,
    /// There is something to do by hand.
    Manual,
    /// Bondgate has nothing like it.
    Unsupported,
}

impl Grade {
    /// The best first.
    pub(super) const ALL: [Grade; 4] = [
        Grade::Exact,
        Grade::Approximate,
        Grade::Manual,
        Grade::Unsupported,
    ];

    /// Its word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Grade::Exact => "exact",
            Grade::Approximate => "approximate",
            Grade::Manual => "manual",
            Grade::Unsupported => "unsupported",
        }
    }
}

/// What became of a part.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    /// Where in the file.
    pub(super) path: String,
    pub(super) line: usize,
    /// What it became, or what to do.
    pub(super) what: String,
}

impl Finding {
    /// A finding on a value of the file.
    pub(super) fn on(value: &Value<'_>, grade: Grade, what: impl Into<String>) -> Self {
        Self {
            grade,
            path: value.path.clone(),
            line: value.node.place.line,
            what: what.into(),
        }
    }

    /// As one line.
    pub(super) fn text(&self) -> String {
        let text = format!(
            "{}: {} (line {}): {}",
            self.grade.name(),
            self.path,
            self.line,
            self.what
        );
        text.replace(char::is_control, "\u{fffd}")
    }
}
