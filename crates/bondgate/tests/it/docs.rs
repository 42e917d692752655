//! The examples of the documents: what they show is accepted by what is built.
//!
//! Every fenced block of README.md and docs/ that is marked as YAML is given to the real
//! `bondgate check`; every block marked as JSON is parsed, scripts of the simulated provider
//! by its own reader. Every key that a configuration may have is in the reference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim::Script;
use tempfile::TempDir;

/// Files that examples name.
const FILES: [&str; 3] = ["cert.pem", "key.pem", "ca.pem"];

#[test]
fn every_configuration_in_the_documents_is_accepted() {
    let examples = blocks("yaml");
    assert!(
        examples.len() >= 8,
        "only {} examples were found",
        examples.len()
    );
    let refused: Vec<String> = examples.iter().filter_map(refused).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_json_in_the_documents_can_be_read() {
    let examples = blocks("json");
    assert!(!examples.is_empty());
    for Block { at, text } in &examples {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            panic!("{at}: {error}");
        }
        if text.contains("\"rules\"")
            && let Err(error) = Script::from_json(text)
        {
            panic!("{at}: {error}");
        }
    }
}

#[test]
fn the_reference_names_every_key_of_the_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(["check", "--schema"])
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut keys = BTreeSet::new();
    properties(&schema, &mut keys);
    assert!(keys.len() > 50, "only {} keys were found", keys.len());
    let reference = std::fs::read_to_string(root().join("docs/reference.md")).unwrap();
    let words: BTreeSet<&str> = reference
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    keys.retain(|key| !words.contains(key.as_str()));
    assert!(keys.is_empty(), "docs/reference.md does not name {keys:?}");
}

#[test]
fn the_providers_are_documented_as_they_are() {
    let path = root().join("docs/providers.md");
    let document = gateway::upstream::catalog::document();
    if std::env::var_os("BONDGATE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == document,
        "docs/providers.md is not what the catalogue says; write it anew as it tells"
    );
}

/// Names of all properties below a schema.
fn properties(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
    if let Some(named) = schema
        .get("properties")
        .and_then(serde_json::Value::as_object)
    {
        keys.extend(named.keys().cloned());
    }
    let members = schema
        .as_object()
        .into_iter()
        .flat_map(|members| members.values());
    let elements = schema.as_array().into_iter().flatten();
    members
        .chain(elements)
        .for_each(|inner| properties(inner, keys));
}

/// What `bondgate check` says against an example, if anything.
fn refused(Block { at, text }: &Block) -> Option<String> {
    let folder = TempDir::new().unwrap();
    for name in FILES {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .arg("check")
        .current_dir(folder.path())
        .env_clear()
        .envs(variables(text).into_iter().map(|name| {
            let secret = format!("a-secret-for-{name}");
            (name, secret)
        }))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    (!output.status.success() || said.contains("(warning)")).then(|| format!("{at}:\n{said}"))
}

/// Names of the environment variables without a default that an example reads.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
        .collect()
}

/// A fenced block and where it begins.
struct Block {
    at: String,
    text: String,
}

fn blocks(language: &str) -> Vec<Block> {
    documents()
        .iter()
        .flat_map(|path| blocks_of(path, language))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    documents
}

fn blocks_of(path: &Path, language: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(mark) = line.strip_prefix("```") {
            fenced = !fenced;
            found.extend(open.take());
            if fenced && mark == language {
                open = Some(Block {
                    at: format!("{name}:{number}"),
                    text: String::new(),
                });
            }
        } else if let Some(block) = &mut open {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    found
}
