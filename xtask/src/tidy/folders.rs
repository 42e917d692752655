//! Every dialect's folder has the same six files: learn one, know all. A file that
//! grows too long keeps its place and puts its parts into a folder of its own name.
//!
//! A folder of `crates/dialect/src` other than the hub's (`chat`), the
//! transport's (`frame`), the byte level's (`json`) and that of what is asked
//! beside chat (`task`) is a dialect.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problem, Tree};

/// Where dialects live.
pub const DIALECTS: &str = "crates/dialect/src/";

const NOT_DIALECTS: [&str; 4] = ["chat", "frame", "json", "task"];
const SIX: [&str; 6] = [
    "failure.rs",
    "mod.rs",
    "request.rs",
    "response.rs",
    "stream.rs",
    "wire.rs",
];

/// The dialects' folders with the paths below each.
pub fn dialects(tree: &Tree) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, _) in tree.files() {
        let below = path
            .strip_prefix(DIALECTS)
            .and_then(|path| path.split_once('/'));
        if let Some((folder, file)) = below.filter(|(folder, _)| !NOT_DIALECTS.contains(folder)) {
            let part = file
                .split_once('/')
                .is_some_and(|(parts_of, _)| is_one_of_six(parts_of));
            if !part {
                folders.entry(folder).or_default().insert(file);
            }
        }
    }
    folders
}

fn is_one_of_six(name: &str) -> bool {
    SIX.iter()
        .any(|file| file.strip_suffix(".rs") == Some(name))
}

/// Each dialect's folder has exactly the six files.
pub fn six_files(tree: &Tree) -> Vec<Problem> {
    let six = BTreeSet::from(SIX);
    let mut problems = Vec::new();
    for (folder, files) in dialects(tree) {
        let at = format!("{DIALECTS}{folder}");
        problems.extend(
            six.difference(&files)
                .map(|file| Problem::new(&at, format!("{file} is missing"))),
        );
        problems.extend(
            files
                .difference(&six)
                .map(|file| Problem::new(&at, format!("{file} is none of a dialect's six files"))),
        );
    }
    problems
}
