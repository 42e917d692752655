//! Each rule of `cargo xtask tidy` over this repository, which is what keeps
//! the house tidy.
//!
//! `rules` shows on small trees that each rule can fail; `bench` that the
//! benchmark's client and upstream tell a whole answer from a broken one.
//! Nothing here looks at what a rule does inside, and nothing is timed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bench;
mod rules;

use std::path::Path;

use xtask::tidy::{Problem, Tree, floors, folders, invariants, links, sizes, words};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository's root")
}

fn repository() -> Tree {
    Tree::of_repository(root()).unwrap()
}

fn assert_none(problems: &[Problem]) {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(
        problems.is_empty(),
        "{} problem(s):\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn packages_depend_downwards_only() {
    assert_none(&floors::arrows(&floors::packages(root()).unwrap()));
}

#[test]
fn json_keeps_its_plain_features() {
    let features = floors::feature_tree(root()).unwrap();
    assert!(
        features.contains("serde_json"),
        "cargo tree told nothing: {features}"
    );
    assert_none(&floors::json_features(&features));
}

#[test]
fn files_and_functions_keep_their_size() {
    assert_none(&sizes::ratchet(&repository()));
}

#[test]
fn every_dialect_has_the_same_six_files() {
    assert_none(&folders::six_files(&repository()));
}

#[test]
fn no_file_names_two_dialects() {
    assert_none(&words::one_dialect(&repository()));
}

#[test]
fn tasks_start_in_the_tracker_only() {
    assert_none(&words::tracked_tasks(&repository()));
}

#[test]
fn no_file_names_the_tracker_or_a_machine() {
    assert_none(&words::forbidden(&repository()));
}

#[test]
fn links_in_documents_resolve() {
    assert_none(&links::resolve(&repository()));
}

#[test]
fn every_invariant_names_an_existing_test() {
    assert_none(&invariants::proven(&repository()));
}
