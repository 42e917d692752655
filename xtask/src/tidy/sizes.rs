//! The size ratchet: files of 500 lines, functions of 70 lines and 5
//! parameters, and exceptions that can only shrink.
//!
//! Test code may fill a file to 800 lines. An exception stands in
//! `xtask/tidy.json` with its reason and present size; one that the code has
//! outgrown, shrunk away from or no longer needs is itself a problem.

use serde::Deserialize;

use super::code::Source;
use super::tree::is_test_path;
use super::{Problem, Tree};

/// Where the exceptions stand.
pub const EXCEPTIONS: &str = "xtask/tidy.json";

const FILE_LINES: usize = 500;
const FILE_LINES_WITH_TESTS: usize = 800;
const FUNCTION_LINES: usize = 70;
const PARAMETERS: usize = 5;

/// A thing that may be larger than the limit, as large as it is now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    file: String,
    /// None: the file itself.
    #[serde(default)]
    function: Option<String>,
    measure: Measure,
    size: usize,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Measure {
    Lines,
    Parameters,
}

/// A thing larger than its limit.
struct Oversize {
    file: String,
    function: Option<String>,
    measure: Measure,
    line: usize,
    size: usize,
    limit: usize,
}

/// Every Rust file and function keeps the limits or has an exception.
pub fn ratchet(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (path, text) in tree.rust("") {
        match Source::read(text) {
            Ok(source) => found.extend(oversizes(path, text, &source)),
            Err(error) => problems.push(Problem::new(
                path,
                format!("cannot be read as Rust: {error}"),
            )),
        }
    }
    let exceptions: Vec<Exception> =
        match tree.text(EXCEPTIONS).map(serde_json::from_str).transpose() {
            Ok(list) => list.unwrap_or_default(),
            Err(error) => {
                problems.push(Problem::new(EXCEPTIONS, format!("cannot be read: {error}")));
                Vec::new()
            }
        };
    for thing in &found {
        if !exceptions.iter().any(|exception| exception.covers(thing)) {
            problems.push(thing.refused());
        }
    }
    problems.extend(
        exceptions
            .iter()
            .filter_map(|exception| exception.judge(&found)),
    );
    problems
}

fn oversizes(path: &str, text: &str, source: &Source) -> Vec<Oversize> {
    let lines = text.lines().count();
    let limit = if is_test_path(path) {
        FILE_LINES_WITH_TESTS
    } else {
        FILE_LINES
    };
    let beside_tests = lines.saturating_sub(source.test_lines);
    let mut found = Vec::new();
    let mut note = |function: Option<&str>, measure, line, size, limit| {
        if size > limit {
            found.push(Oversize {
                file: path.to_owned(),
                function: function.map(str::to_owned),
                measure,
                line,
                size,
                limit,
            });
        }
    };
    if beside_tests > limit {
        note(None, Measure::Lines, 1, beside_tests, limit);
    } else {
        note(None, Measure::Lines, 1, lines, FILE_LINES_WITH_TESTS);
    }
    for function in &source.functions {
        let name = Some(function.name.as_str());
        note(
            name,
            Measure::Lines,
            function.line,
            function.lines,
            FUNCTION_LINES,
        );
        note(
            name,
            Measure::Parameters,
            function.line,
            function.parameters,
            PARAMETERS,
        );
    }
    found
}

impl Oversize {
    fn refused(&self) -> Problem {
        let Self {
            file,
            line,
            size,
            limit,
            ..
        } = self;
        let thing = self
            .function
            .as_ref()
            .map_or("file".to_owned(), |name| format!("fn {name}"));
        Problem::new(
            format!("{file}:{line}"),
            format!(
                "{thing} has {size} {}, the limit is {limit}",
                self.measure.name()
            ),
        )
    }
}

impl Exception {
    fn covers(&self, thing: &Oversize) -> bool {
        self.file == thing.file && self.function == thing.function && self.measure == thing.measure
    }

    /// What is wrong with this exception, if anything.
    fn judge(&self, found: &[Oversize]) -> Option<Problem> {
        let thing = self
            .function
            .as_ref()
            .map_or(self.file.clone(), |name| format!("{} fn {name}", self.file));
        let size = self.size;
        let unit = self.measure.name();
        let real = found
            .iter()
            .filter(|thing| self.covers(thing))
            .map(|thing| thing.size)
            .max();
        let says = match real {
            None => format!("{thing}: the exception for {unit} is no longer needed, take it out"),
            Some(real) if real > size => {
                format!("{thing}: grew to {real} {unit}, its exception allows {size}")
            }
            Some(real) if size * 10 > real * 11 => {
                format!("{thing}: has {real} {unit} now, set its exception of {size} to that")
            }
            Some(_) if self.reason.trim().is_empty() => {
                format!("{thing}: its exception gives no reason")
            }
            Some(_) => return None,
        };
        Some(Problem::new(EXCEPTIONS, says))
    }
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Parameters => "parameters",
        }
    }
}
