//! That each rule fails on what it forbids, and lets pass what it allows.
//!
//! Trees of a few lines, made here; no rule is tested by its inside.

use xtask::tidy::floors::Package;
use xtask::tidy::{Problem, Tree, floors, folders, invariants, links, sizes, words};

fn package(name: &str, needs: &[(&str, bool)]) -> Package {
    Package {
        name: name.to_owned(),
        needs: needs
            .iter()
            .map(|(on, dev)| ((*on).to_owned(), *dev))
            .collect(),
    }
}

fn refused(packages: &[Package]) -> Vec<String> {
    floors::arrows(packages)
        .into_iter()
        .map(|problem| problem.at)
        .collect()
}

/// The one problem of a list, as text.
fn only(problems: &[Problem]) -> String {
    assert_eq!(problems.len(), 1, "expected one problem: {problems:?}");
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn an_arrow_upwards_or_sideways_is_refused() {
    let dialect = || package("dialect", &[]);
    assert!(refused(&[dialect(), package("policy", &[("dialect", false)])]).is_empty());
    assert_eq!(
        refused(&[
            package("dialect", &[("policy", false)]),
            package("policy", &[])
        ]),
        ["dialect"]
    );
    assert_eq!(
        refused(&[
            package("dialect", &[("policy", true)]),
            package("policy", &[])
        ]),
        ["dialect"]
    );
    assert_eq!(
        refused(&[
            package("gateway", &[("admin", false)]),
            package("admin", &[])
        ]),
        ["gateway"]
    );
}

#[test]
fn only_tests_tools_and_the_binary_know_the_simulator() {
    let sim = || package("sim", &[("serde_json", false)]);
    assert_eq!(
        refused(&[sim(), package("gateway", &[("sim", false)])]),
        ["gateway"]
    );
    assert!(refused(&[sim(), package("gateway", &[("sim", true)])]).is_empty());
    assert!(
        refused(&[
            sim(),
            package("bondgate", &[("sim", false)]),
            package("xtask", &[("sim", false)])
        ])
        .is_empty()
    );
    assert_eq!(
        refused(&[
            package("sim", &[("dialect", true)]),
            package("dialect", &[])
        ]),
        ["sim"]
    );
}

#[test]
fn a_package_without_a_floor_is_refused() {
    assert_eq!(refused(&[package("attic", &[])]), ["attic"]);
}

#[test]
fn a_json_feature_that_is_on_is_told() {
    assert!(floors::json_features("serde_json v1\nserde_json feature \"raw_value\"").is_empty());
    let told = only(&floors::json_features(
        "serde_json v1\nserde_json feature \"preserve_order\"\nindexmap v2",
    ));
    assert!(told.contains("preserve_order"), "{told}");
}

fn function(lines: usize, head: &str) -> String {
    format!("{head} {{\n{}}}\n", "    let _ = 0;\n".repeat(lines - 2))
}

#[test]
fn a_long_file_a_long_function_and_many_parameters_are_refused() {
    let long = function(71, "fn long<F: Fn(u8) -> u8>(f: F)");
    assert!(only(&sizes::ratchet(&Tree::of([("a.rs", &long)]))).contains("fn long has 71 lines"));
    assert!(sizes::ratchet(&Tree::of([("a.rs", &function(70, "fn long()"))])).is_empty());
    let hidden = format!("proptest! {{ #[test] {long} }}");
    assert!(only(&sizes::ratchet(&Tree::of([("a.rs", &hidden)]))).contains("fn long"));
    let wide = "fn wide(&self, a: Map<u8, u8>, b: (u8, u8), c: fn(u8, u8) -> u8, d: u8, e: u8) {}";
    assert!(
        only(&sizes::ratchet(&Tree::of([("a.rs", wide)]))).contains("fn wide has 6 parameters")
    );
    let file = "use std::fmt;\n".repeat(501);
    assert!(only(&sizes::ratchet(&Tree::of([("a.rs", &file)]))).contains("file has 501 lines"));
    assert!(sizes::ratchet(&Tree::of([("crates/x/tests/it/a.rs", &file)])).is_empty());
}

#[test]
fn tests_in_a_file_do_not_count_as_its_code_until_eight_hundred_lines() {
    let file = |code: usize, tests: usize| {
        format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "use a;\n".repeat(code),
            "use b;\n".repeat(tests)
        )
    };
    assert!(sizes::ratchet(&Tree::of([("a.rs", &file(400, 300))])).is_empty());
    assert_eq!(
        sizes::ratchet(&Tree::of([("a.rs", &file(510, 10))])).len(),
        1
    );
    assert_eq!(
        sizes::ratchet(&Tree::of([("a.rs", &file(400, 500))])).len(),
        1
    );
}

#[test]
fn an_exception_holds_at_its_size_and_only_shrinks() {
    let with = |code_lines: usize, size: usize, reason: &str| {
        let exception = format!(
            r#"[{{ "file": "a.rs", "function": "long", "measure": "lines", "size": {size}, "reason": "{reason}" }}]"#
        );
        sizes::ratchet(&Tree::of([
            ("a.rs", &function(code_lines, "fn long()")),
            (sizes::EXCEPTIONS, &exception),
        ]))
    };
    assert!(with(100, 100, "a table").is_empty());
    assert!(with(100, 110, "a table").is_empty());
    assert!(only(&with(100, 99, "a table")).contains("grew"));
    assert!(only(&with(100, 111, "a table")).contains("set its exception"));
    assert!(only(&with(70, 80, "a table")).contains("no longer needed"));
    assert!(only(&with(100, 100, "")).contains("no reason"));
}

#[test]
fn a_dialect_with_a_file_too_few_or_too_many_is_refused() {
    let at = |file: &str| format!("crates/dialect/src/gemini/{file}");
    let mut paths: Vec<String> = [
        "mod.rs",
        "wire.rs",
        "request.rs",
        "response.rs",
        "stream.rs",
        "failure.rs",
    ]
    .map(at)
    .into();
    let tree = |paths: &[String]| match paths {
        [a, b, c, d, e] => Tree::of([
            (a, ""),
            (b, ""),
            (c, ""),
            (d, ""),
            (e, ""),
            ("crates/dialect/src/chat/part.rs", ""),
        ]),
        [a, b, c, d, e, f] => Tree::of([(a, ""), (b, ""), (c, ""), (d, ""), (e, ""), (f, "")]),
        _ => Tree::default(),
    };
    assert!(folders::six_files(&tree(&paths)).is_empty());
    let last = paths.pop().unwrap();
    assert!(
        only(&folders::six_files(&tree(&paths))).contains("failure.rs is missing"),
        "{last}"
    );
    paths.push(at("tools.rs"));
    assert_eq!(folders::six_files(&tree(&paths)).len(), 2);
}

#[test]
fn a_second_dialect_in_a_file_is_refused() {
    let of = |path: &str, code: &str| words::one_dialect(&Tree::of([(path, code)]));
    let own = "crates/dialect/src/anthropic/mod.rs";
    assert!(
        of(
            own,
            "use crate::anthropic::wire; // unlike openai_chat\nconst NOT: &str = \"openai_chat\";"
        )
        .is_empty()
    );
    assert!(
        only(&of(own, "\nuse crate::openai_chat::wire;"))
            .starts_with("crates/dialect/src/anthropic/mod.rs:2")
    );
    assert!(
        of(
            own,
            "#[cfg(test)]\nmod tests { use crate::openai_chat::wire; }"
        )
        .is_empty()
    );
    assert_eq!(
        of(
            "crates/gateway/src/serve.rs",
            "fn f() { Dialect::OpenaiChat }"
        )
        .len(),
        1
    );
    assert!(
        of(
            "crates/gateway/src/endpoint.rs",
            "fn f() { Dialect::OpenaiChat }"
        )
        .is_empty()
    );
    assert!(
        of(
            "crates/gateway/src/upstream/sign/mod.rs",
            "fn f() { Dialect::AnthropicMessages }"
        )
        .is_empty()
    );
    assert!(only(&of("crates/dialect/src/new_one/mod.rs", "")).contains("do not know"));
}

#[test]
fn a_task_outside_the_tracker_is_refused() {
    let of = |path: &str, code: &str| words::tracked_tasks(&Tree::of([(path, code)])).len();
    let relay = "crates/gateway/src/relay.rs";
    assert_eq!(of(relay, "fn f() { tokio::spawn(x); }"), 1);
    assert_eq!(of(relay, "fn f() { tokio::task::spawn_local(x); }"), 1);
    assert_eq!(of(relay, "use tokio::{net, spawn};"), 1);
    assert_eq!(of(relay, "fn f() { self.tasks.spawn(x); }"), 0);
    assert_eq!(
        of(relay, "#[tokio::test]\nasync fn t() { tokio::spawn(x); }"),
        0
    );
    assert_eq!(
        of("crates/gateway/src/tasks.rs", "fn f() { tokio::spawn(x); }"),
        0
    );
    assert_eq!(
        of(
            "crates/gateway/tests/it/main.rs",
            "fn f() { tokio::spawn(x); }"
        ),
        0
    );
}

#[test]
fn a_number_of_the_tracker_or_a_machines_folder_is_refused() {
    let of = |text: &str| words::forbidden(&Tree::of([("docs/a.md", text)])).len();
    assert_eq!(of("calm prose, at work/ and in the root"), 0);
    assert_eq!(of(concat!("see Issue ", "#", "7")), 1);
    assert_eq!(of(concat!("in /wo", "rk/main and /ro", "ot/x")), 2);
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let of = |text: &str| {
        let other =
            "# One thing\n\n## `Two`, things!\n\n## `Two`, things!\n\n```\n# not one\n```\n";
        links::resolve(&Tree::of([
            ("docs/a.md", text),
            ("docs/b.md", other),
            ("README.md", "# Top\n"),
        ]))
        .len()
    };
    assert_eq!(
        of(
            "[b](b.md) [b](./b.md#one-thing) [t](../README.md) [d](../docs) [w](https://x.y/z) ![i](b.md)"
        ),
        0
    );
    assert_eq!(
        of("[b](b.md#two-things) [b](b.md#two-things-1)\n\n# Here\n[h](#here)"),
        0
    );
    assert_eq!(of("`[c](c.md)`\n```\n[c](c.md)\n```\n"), 0);
    assert_eq!(of("[c](c.md)"), 1);
    assert_eq!(of("[c]: c.md"), 1);
    assert_eq!(of("[b](b.md#three) [n](b.md#not-one)"), 2);
    assert_eq!(of("[out](../../shared/x.md)"), 1);
}

#[test]
fn an_invariant_without_an_existing_test_is_refused() {
    let of = |text: &str| {
        let tests =
            "#[test]\nfn holds() {}\nfn helper() {}\nproptest! { #[test] fn law(a in 0..9u8) {} }";
        invariants::proven(&Tree::of([
            ("ARCHITECTURE.md", text),
            ("crates/policy/tests/it/main.rs", tests),
        ]))
        .len()
    };
    let item = |proof: &str| {
        of(&format!(
            "# A\n\n## Invariants\n\n- One thing,\n  and more — {proof}\n\n## Next\n- no — x\n"
        ))
    };
    assert_eq!(item("`policy: holds`"), 0);
    assert_eq!(item("`policy: holds`, `policy: law`."), 0);
    assert_eq!(item("`policy: helper`"), 1);
    assert_eq!(item("`store: holds`"), 1);
    assert_eq!(item("nothing"), 1);
    assert_eq!(of("# A\n"), 1);
    assert_eq!(invariants::proven(&Tree::default()).len(), 1);
}
