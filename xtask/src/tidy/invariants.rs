//! Every invariant that ARCHITECTURE.md states names the test that holds it.
//!
//! The convention: a section `## Invariants` holds a list, and each item of
//! it (which may run over several lines) ends with a long dash and one or
//! more tests in backticks, separated by commas:
//!
//! ```text
//! ## Invariants
//!
//! - The terminator is written only after the provider's proof. — `gateway: a_cut_stream_has_no_terminator`
//! ```
//!
//! `package: function` names a function under `#[test]`, `#[tokio::test]` or
//! in `proptest!`, anywhere in that package. A list without items is refused.

use std::collections::BTreeSet;

use super::code::Source;
use super::links::prose;
use super::{Problem, Tree};

const DOCUMENT: &str = "ARCHITECTURE.md";
const SECTION: &str = "## Invariants";

/// The document is there, and each invariant names tests that exist.
pub fn proven(tree: &Tree) -> Vec<Problem> {
    let Some(text) = tree.text(DOCUMENT) else {
        return vec![Problem::new(DOCUMENT, "is missing")];
    };
    let items = items(text);
    if items.is_empty() {
        return vec![Problem::new(
            DOCUMENT,
            format!("has no list under `{SECTION}`"),
        )];
    }
    let mut problems = Vec::new();
    for (line, item) in items {
        let at = format!("{DOCUMENT}:{line}");
        let proofs = proofs(&item);
        if proofs.is_empty() {
            problems.push(Problem::new(
                &at,
                "an invariant must end with — `package: test`",
            ));
        }
        for (package, test) in proofs {
            if !tests(tree, &package).contains(&test) {
                problems.push(Problem::new(
                    &at,
                    format!("{package} has no test named {test}"),
                ));
            }
        }
    }
    problems
}

/// (line, text) of each list item of the section.
fn items(text: &str) -> Vec<(usize, String)> {
    let section = prose(text)
        .skip_while(|(_, line)| line.trim_end() != SECTION)
        .skip(1);
    let mut found: Vec<(usize, String)> = Vec::new();
    for (at, line) in
        section.take_while(|(_, line)| !line.starts_with("## ") && !line.starts_with("# "))
    {
        if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
            found.push((at, item.to_owned()));
        } else if let Some((_, item)) = found.last_mut().filter(|_| line.starts_with(' ')) {
            item.push_str(line);
        }
    }
    found
}

/// The (package, test) pairs after an item's last long dash.
fn proofs(item: &str) -> Vec<(String, String)> {
    let Some((_, tail)) = item.rsplit_once('—') else {
        return Vec::new();
    };
    let named = tail.split('`').skip(1).step_by(2);
    let pairs = named.filter_map(|proof| proof.split_once(':'));
    pairs
        .map(|(package, test)| (package.trim().to_owned(), test.trim().to_owned()))
        .collect()
}

fn tests(tree: &Tree, package: &str) -> BTreeSet<String> {
    let folder = if package == "xtask" {
        "xtask/".to_owned()
    } else {
        format!("crates/{package}/")
    };
    let sources = tree
        .rust(&folder)
        .filter_map(|(_, text)| Source::read(text).ok());
    sources
        .flat_map(|source| source.functions)
        .filter(|function| function.is_test)
        .map(|function| function.name)
        .collect()
}
