//! The official client libraries of the further dialects, unmodified, through the real program
//! to providers of all six.

use std::fmt::Write as _;
use std::process::Command;

use tempfile::TempDir;

use crate::authority::Authority;
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

#[test]
fn amazons_library_shows_a_bearer_token_over_tls() {
    let Some(mut command) = cases("bedrock") else {
        return;
    };
    let (sim, authority) = (SimThread::start(SCRIPT), Authority::new());
    let folder = TempDir::new().unwrap();
    authority.pair().write(folder.path());
    let bundle = folder.path().join("authority.pem");
    std::fs::write(&bundle, authority.pem()).unwrap();
    let text = format!(
        "listen: {{ address: 127.0.0.1:0, tls: {{ cert: cert.pem, key: key.pem }} }}\n\
         admin: {{ listen: 127.0.0.1:0 }}\ndata: data\n{}",
        configuration(&sim.sim.url())
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let gateway = Program::start_in(folder, &[]);
    command.env("AWS_CA_BUNDLE", bundle);
    suite(command, &gateway);
}

/// Runs the cases of one client library.
fn library(client: &str) {
    let Some(command) = cases(client) else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = Program::start(&configuration(&sim.sim.url()));
    suite(command, &gateway);
}

/// What runs the cases of one client library.
fn cases(client: &str) -> Option<Command> {
    let python = part(".parts/venv-sdk/bin/python")?;
    let mut command = Command::new(python);
    command
        .arg("tests/sdk/python/dialects.py")
        .env("BONDGATE_ONLY", format!("{client}_to_"));
    Some(command)
}

/// The models that the suites ask for. A bare host suffices for each dialect.
pub(crate) fn configuration(sim: &str) -> String {
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
    format!("providers:\n{providers}models:\n{models}keys:\n  test: {{ secret: {KEY} }}\n")
}
