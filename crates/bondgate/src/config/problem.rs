//! What is wrong with a configuration, where, and what mends it.
//!
//! Problems are collected, never thrown one at a time: whoever reads a file says all
//! of them. A problem must never hold a value that came from an interpolation or that
//! stands where a secret belongs.

use std::fmt;
use std::path::PathBuf;

/// A position in a file; both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Place {
    /// The beginning of the file: where something is said of the file as a whole.
    pub const START: Place = Place { line: 1, column: 1 };
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Problem {
    /// A problem at a place.
    pub fn at(place: Place, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// A problem that no place in a file stands for.
    pub fn of_all(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            place: None,
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// The problem on one line, as `file:line:col: what · how to mend it`.
    #[must_use]
    pub fn line(&self, file: Option<&std::path::Path>) -> String {
        let mut line = String::new();
        if let Some(file) = file {
            line.push_str(&file.display().to_string());
            if let Some(place) = self.place {
                line.push_str(&format!(":{}:{}", place.line, place.column));
            }
            line.push_str(": ");
        }
        line.push_str(&self.what);
        if !self.mend.is_empty() {
            line.push_str(" · ");
            line.push_str(&self.mend);
        }
        line.chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect()
    }
}

/// All problems of one configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What is wrong; never empty.
    pub list: Vec<Problem>,
}

impl Problems {
    /// The problems of a file, sorted by place and without repetitions.
    #[must_use]
    pub fn new(file: Option<PathBuf>, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.place);
        list.dedup();
        Self { file, list }
    }

    /// A single problem that no place stands for.
    #[must_use]
    pub fn one(file: Option<PathBuf>, problem: Problem) -> Self {
        Self {
            file,
            list: vec![problem],
        }
    }
}

impl fmt::Display for Problems {
    /// A line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            f.write_str(&problem.line(self.file.as_deref()))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The name among `known` that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 128 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (policy::snapshot::distance(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= tolerance(candidate.len())
                || (name.len() >= 3 && candidate.starts_with(name))
                || (candidate.len() >= 3 && name.starts_with(candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many edits a name of that length may be away; a transposition counts two.
fn tolerance(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3 => 1,
        4..=8 => 2,
        longer => longer / 3,
    }
}

/// `a, b or c`, each in backquotes.
pub fn any_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
