//! The official libraries that ask clouds for Claude, unmodified, through the real program to providers
//! of all dialects, and to Claude as clouds serve it.

use std::fmt::Write as _;
use std::process::Command;

use crate::program::{KEY, Program, SimThread, part};
use crate::sdk::{SCRIPT, suite};

/// Providers as the suites name them, and what is said of each beside its place and key.
const PROVIDERS: [(&str, &str, &str); 8] = [
    ("chat", "", "dialect: openai-chat"),
    ("anthropic", "", "dialect: anthropic-messages"),
    ("responses", "", "dialect: openai-responses"),
    ("gemini", "", "dialect: gemini"),
    ("bedrock", "", "dialect: bedrock-converse"),
    ("cohere", "", "dialect: cohere"),
    (
        "bedrock-claude",
        "",
        "provider: bedrock, dialect: anthropic-messages, auth: bearer",
    ),
    (
        "vertex-claude",
        "/v1/projects/p/locations/us-east5",
        "provider: vertex, dialect: anthropic-messages",
    ),
];

#[test]
fn anthropics_library_for_bedrock_works_with_every_provider() {
    library("anthropic-bedrock");
}

#[test]
fn anthropics_library_for_vertex_works_with_every_provider() {
    library("anthropic-vertex");
}

#[test]
fn amazons_library_invokes_claude_at_every_provider() {
    library("boto3-invoke");
}

/// Runs the cases of one client library.
fn library(client: &str) {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = Program::start(&configuration(&sim.sim.url()));
    let mut command = Command::new(python);
    command
        .arg("tests/sdk/python/clouds.py")
        .env("BONDGATE_ONLY", format!("{client}_to_"));
    suite(command, &gateway);
}

/// The models that the suites ask for.
fn configuration(sim: &str) -> String {
    let (mut providers, mut models) = (String::new(), String::new());
    for (provider, path, said) in PROVIDERS {
        writeln!(
            providers,
            "  {provider}: {{ base_url: \"{sim}{path}\", {said}, key: sk-upstream-0123456789 }}"
        )
        .unwrap();
        for (name, model) in [("via", "echo"), ("cut", "cut/echo"), ("down", "down/echo")] {
            writeln!(
                models,
                "  {name}-{provider}: {{ targets: [\"{provider}/{model}\"] }}"
            )
            .unwrap();
        }
    }
    format!("providers:\n{providers}models:\n{models}keys:\n  test: {{ secret: {KEY} }}\n")
}
