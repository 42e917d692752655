//! The official client libraries of the further dialects, unmodified, through the real program
//! to providers of all six.

use std::fmt::Write as _;
use std::process::Command;

use crate::program::{KEY, Program, SimThread, part};
use crate::sdk::{SCRIPT, suite};

/// Providers as the suites name them, and what each speaks.
const PROVIDERS: [(&str, &str); 6] = [
    ("chat", "openai-chat"),
    ("anthropic", "anthropic-messages"),
    ("responses", "openai-responses"),
    ("gemini", "gemini"),
    ("bedrock", "bedrock-converse"),
    ("cohere", "cohere"),
];

#[test]
fn googles_library_works_with_every_provider_dialect() {
    library("gemini");
}

#[test]
fn amazons_library_works_with_every_provider_dialect() {
    library("bedrock");
}

#[test]
fn openais_library_asks_every_provider_dialect_for_responses() {
    library("responses");
}

#[test]
fn coheres_library_works_with_every_provider_dialect() {
    library("cohere");
}

/// Runs the cases of one client library.
fn library(client: &str) {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = gateway(&sim.sim.url());
    let mut command = Command::new(python);
    command
        .arg("tests/sdk/python/dialects.py")
        .env("BONDGATE_ONLY", format!("{client}_to_"));
    suite(command, &gateway);
}

/// A gateway with the models that the suites ask for. A bare host suffices for each dialect.
fn gateway(sim: &str) -> Program {
    let (mut providers, mut models) = (String::new(), String::new());
    for (provider, dialect) in PROVIDERS {
        writeln!(
            providers,
            "  {provider}: {{ base_url: \"{sim}\", dialect: {dialect}, key: sk-upstream-0123456789 }}"
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
    Program::start(&format!(
        "providers:\n{providers}models:\n{models}keys:\n  test: {{ secret: {KEY} }}\n"
    ))
}
