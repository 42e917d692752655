//! The rules of the house that the compiler cannot hold, as functions from a
//! picture of the repository to a list of problems.
//!
//! A rule reads [`Tree`] or what cargo says, and nothing else; it never
//! writes, and never stops at the first problem. `tests/it` runs each rule
//! over this repository, and over small trees that break it.

pub mod code;
pub mod floors;
pub mod folders;
pub mod invariants;
pub mod links;
pub mod sizes;
pub mod tree;
pub mod words;

use std::fmt;
use std::path::Path;

pub use tree::Tree;

/// One thing that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file (with a line where there is one) or package.
    pub at: String,
    /// What is wrong, and what mends it where that is not plain.
    pub says: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(at: impl Into<String>, says: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            says: says.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.at, self.says)
    }
}

/// Every rule over the repository at `root`, problems sorted by place.
///
/// # Errors
/// When git or cargo cannot be asked, or a file cannot be read.
pub fn check(root: &Path) -> anyhow::Result<Vec<Problem>> {
    let tree = Tree::of_repository(root)?;
    let mut problems = floors::arrows(&floors::packages(root)?);
    problems.extend(floors::json_features(&floors::feature_tree(root)?));
    problems.extend(sizes::ratchet(&tree));
    problems.extend(folders::six_files(&tree));
    problems.extend(words::one_dialect(&tree));
    problems.extend(words::tracked_tasks(&tree));
    problems.extend(words::forbidden(&tree));
    problems.extend(links::resolve(&tree));
    problems.extend(invariants::proven(&tree));
    problems.sort();
    Ok(problems)
}
