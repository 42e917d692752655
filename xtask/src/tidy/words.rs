//! Names and words that must not stand in certain files.
//!
//! No file names two dialects, the road names none; nothing is spawned past
//! the task tracker; no document or code speaks of the tracker's numbers or
//! of one machine's folders. Test code may name what it likes, but for the
//! last.

use super::code::{Name, Source};
use super::folders::{DIALECTS, dialects};
use super::tree::is_test_path;
use super::{Problem, Tree};

/// Each dialect's module and its variant in the enum of dialects.
const NAMES: [(&str, &str); 6] = [
    ("openai_chat", "OpenaiChat"),
    ("openai_responses", "OpenaiResponses"),
    ("anthropic", "AnthropicMessages"),
    ("gemini", "Gemini"),
    ("bedrock_converse", "BedrockConverse"),
    ("cohere", "Cohere"),
];

const GATEWAY: &str = "crates/gateway/src/";

/// The only places of the gateway that may say which dialects there are.
const GATEWAY_NAMING: [&str; 3] = [
    "crates/gateway/src/endpoint",
    "crates/gateway/src/upstream/catalog",
    "crates/gateway/src/upstream/sign",
];

/// The only places that may start a task.
const SPAWNING: [&str; 4] = [
    "crates/gateway/src/tasks.rs",
    "crates/bondgate/src/wire.rs",
    "crates/sim/",
    "xtask/",
];

/// In pieces, so that this file does not hold what it looks for.
const FORBIDDEN: [(&str, &str); 3] = [
    (concat!("issue ", "#"), "names a number of the tracker"),
    (concat!("/wo", "rk/"), "names a folder of one machine"),
    (concat!("/ro", "ot/"), "names a folder of one machine"),
];

/// A dialect's folder names no other dialect; the gateway names one only in
/// the endpoint table, the catalogue and the signers.
pub fn one_dialect(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for folder in dialects(tree).into_keys() {
        if !NAMES.iter().any(|(module, _)| *module == folder) {
            problems.push(Problem::new(
                format!("{DIALECTS}{folder}"),
                "a dialect the rules do not know: add it to the table of xtask/src/tidy/words.rs",
            ));
        }
        let under = format!("{DIALECTS}{folder}/");
        let foreign = |name: &Name| {
            NAMES
                .iter()
                .any(|(module, _)| *module == name.text && *module != folder)
        };
        problems.extend(named(tree, &under, &[], foreign, "names another dialect"));
    }
    let any = |name: &Name| {
        NAMES
            .iter()
            .any(|(module, variant)| [*module, *variant].contains(&name.text.as_str()))
    };
    problems.extend(named(
        tree,
        GATEWAY,
        &GATEWAY_NAMING,
        any,
        "names a dialect, which only the endpoint table, the catalogue and the signers may",
    ));
    problems
}

/// No task is started past the tracker, which bounds and drains them.
pub fn tracked_tasks(tree: &Tree) -> Vec<Problem> {
    let spawns = |name: &Name| {
        let of_tokio = matches!(name.after.as_deref(), Some("tokio" | "task"));
        name.text == "spawn_local"
            || (of_tokio && matches!(name.text.as_str(), "spawn" | "spawn_blocking"))
    };
    named(
        tree,
        "",
        &SPAWNING,
        spawns,
        "starts a task outside the task tracker",
    )
}

/// No file holds a word of [`FORBIDDEN`]; recorded fixtures are as they were.
pub fn forbidden(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let written = tree
        .files()
        .filter(|(path, _)| !path.split('/').any(|part| part == "fixtures"));
    for (path, text) in written {
        for (at, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let words = FORBIDDEN.iter().filter(|(word, _)| line.contains(word));
            problems.extend(words.map(|(word, why)| {
                Problem::new(format!("{path}:{}", at + 1), format!("`{word}` {why}"))
            }));
        }
    }
    problems
}

/// Names outside test code, in Rust files below `under`, that are refused.
fn named(
    tree: &Tree,
    under: &str,
    except: &[&str],
    refused: impl Fn(&Name) -> bool,
    says: &str,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.rust(under) {
        if is_test_path(path) || except.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        // A file that cannot be read is a problem of the size rule already.
        let Ok(source) = Source::read(text) else {
            continue;
        };
        for name in source
            .names
            .iter()
            .filter(|name| !name.in_test && refused(name))
        {
            problems.push(Problem::new(
                format!("{path}:{}", name.line),
                format!("`{}` {says}", name.text),
            ));
        }
    }
    problems
}
