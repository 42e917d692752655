//! The tests that the makers of client libraries publish, unmodified, through the real program.
//!
//! docs/clients.md says how many there are, how many pass and why the others cannot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{KEY, Program, SimThread, part, root};
use crate::sdk::suite;

/// Tests of one library that one configuration serves.
struct Published {
    /// As `tests/sdk/published/run.py` names them.
    name: &'static str,
    library: &'static str,
    /// What the provider behind speaks.
    dialect: &'static str,
    /// What the tests are of, for the document.
    of: &'static str,
}

const SUITES: [Published; 3] = [
    Published {
        name: "openai",
        library: "openai",
        dialect: "openai-chat",
        of: "chat, completions, embeddings, moderations, images, audio, models",
    },
    Published {
        name: "responses",
        library: "openai",
        dialect: "openai-responses",
        of: "responses",
    },
    Published {
        name: "anthropic",
        library: "anthropic",
        dialect: "anthropic-messages",
        of: "messages and counts of tokens, models; both in beta too",
    },
];

/// Models that the tests name.
const MODELS: [&str; 13] = [
    "auto",
    "claude-opus-5-5",
    "gpt-3.5-turbo-instruct",
    "gpt-4o-transcribe",
    "gpt-6-astra",
    "gpt-image-1.5",
    "gpt-image-2.5-flare",
    "model",
    "model_id",
    "omni-moderation-2024-09-26",
    "text-embedding-3-small",
    "tts-1",
    "whisper-1",
];

/// Models of which Anthropic's library warns; its tests ask for each.
const DEPRECATED: [&str; 20] = [
    "claude-1.3",
    "claude-1.3-100k",
    "claude-instant-1.1",
    "claude-instant-1.1-100k",
    "claude-instant-1.2",
    "claude-3-sonnet-20240229",
    "claude-3-opus-20240229",
    "claude-2.1",
    "claude-2.0",
    "claude-3-7-sonnet-latest",
    "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-latest",
    "claude-3-5-haiku-20241022",
    "claude-opus-4-0",
    "claude-opus-4-20250514",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20250514",
    "claude-mythos-preview",
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929",
];

const MARKS: (&str, &str) = ("<!-- published -->", "<!-- /published -->");

#[test]
fn the_tests_that_libraries_publish_pass_or_fail_as_is_said() {
    let (Some(python), Some(folder)) =
        (part(".parts/venv-sdk/bin/python"), part(".parts/published"))
    else {
        return;
    };
    let sim = SimThread::start("{}");
    let url = sim.sim.url();
    let measured: Vec<Vec<Value>> = std::thread::scope(|scope| {
        let started: Vec<_> = SUITES
            .iter()
            .map(|published| scope.spawn(|| run(published, &python, &folder, &url)))
            .collect();
        let ended = started.into_iter().map(|suite| suite.join().unwrap());
        ended.collect()
    });
    hold(&tables(&measured));
}

#[test]
fn the_published_tests_are_those_of_the_libraries_under_test() {
    let read = |file: &str| std::fs::read_to_string(root().join("tests/sdk").join(file)).unwrap();
    let (pinned, sources) = (read("requirements.txt"), read("published/sources.tsv"));
    for published in SUITES {
        let pin = format!("{}=={}", published.library, version(published.library));
        assert!(pinned.lines().any(|line| line == pin), "{pin}\n{sources}");
    }
}

fn run(published: &Published, python: &Path, folder: &Path, sim: &str) -> Vec<Value> {
    let gateway = Program::start(&configuration(published.dialect, sim));
    let mut command = Command::new(python);
    command
        .args(["tests/sdk/published/run.py", published.name])
        .arg(folder.join(published.library))
        .env("PYTHONPATH", folder.join("packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    suite(command, &gateway)
}

fn configuration(dialect: &str, sim: &str) -> String {
    let models: String = MODELS
        .iter()
        .chain(&DEPRECATED)
        .map(|model| format!("  {model}: {{ targets: [\"own/echo\"] }}\n"))
        .collect();
    format!(
        "providers:\n  own: {{ base_url: \"{sim}\", dialect: {dialect}, key: sk-upstream-0123456789 }}\n\
         models:\n{models}keys:\n  test: {{ secret: {KEY} }}\n"
    )
}

/// The version whose tests are fetched.
fn version(library: &str) -> String {
    let path = root().join("tests/sdk/published/sources.tsv");
    let sources = std::fs::read_to_string(path).unwrap();
    let of = |line: &str| {
        let rest = line.strip_prefix(library)?.strip_prefix('\t')?;
        Some(rest.split('\t').next()?.to_owned())
    };
    sources.lines().find_map(of).expect("a source")
}

/// How many pass, and why the others do not.
fn tables(measured: &[Vec<Value>]) -> String {
    let mut passes =
        "\n\n| library | version | tests of | tests | pass |\n|---|---|---|---|---|\n".to_owned();
    let mut excuses = "\n| library | tests | why they do not pass |\n|---|---|---|\n".to_owned();
    for (published, cases) in SUITES.iter().zip(measured) {
        let (library, of) = (published.library, published.of);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for why in cases.iter().filter_map(|case| case["limit"].as_str()) {
            *reasons.entry(why).or_default() += 1;
        }
        let (all, excused) = (cases.len(), reasons.values().sum::<usize>());
        let version = version(library);
        writeln!(
            passes,
            "| {library} | {version} | {of} | {all} | {} |",
            all - excused
        )
        .unwrap();
        for (why, count) in reasons {
            writeln!(excuses, "| {library} | {count} | {why} |").unwrap();
        }
    }
    format!("{passes}{excuses}\n")
}

/// Holds the document to what was measured, or writes it where `BONDGATE_WRITE_DOCS` is set.
fn hold(measured: &str) {
    let path = root().join("docs/clients.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(MARKS.0).expect("the tables' mark");
    let (said, after) = rest.split_once(MARKS.1).expect("the end of the tables");
    if std::env::var_os("BONDGATE_WRITE_DOCS").is_some() {
        let text = format!("{before}{}{measured}{}{after}", MARKS.0, MARKS.1);
        std::fs::write(&path, text).unwrap();
    } else {
        assert_eq!(
            said, measured,
            "docs/clients.md does not say what was measured; BONDGATE_WRITE_DOCS=1 writes it"
        );
    }
}
