//! Client libraries, unmodified, through the real program to providers of all six dialects.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::compatibility::{From, PROVIDERS};
use crate::program::{KEY, Program, SimThread, part, root};

/// Providers as the suites name them, and what each speaks.
pub(crate) const DIALECTS: [(&str, &str); 6] = [
    ("chat", "openai-chat"),
    ("anthropic", "anthropic-messages"),
    ("responses", "openai-responses"),
    ("gemini", "gemini"),
    ("bedrock", "bedrock-converse"),
    ("cohere", "cohere"),
];

/// The simulated provider cuts the answers of `cut/*` and refuses those of `down/*`.
pub(crate) const SCRIPT: &str = r#"{ "rules": [
    { "when": { "model": "cut/*" }, "do": { "cut": { "at_fraction": 0.5 } } },
    { "when": { "model": "down/*" }, "do": { "status": { "status": 503 } } }
] }"#;

#[test]
fn openais_python_library_chats_with_every_provider_dialect() {
    python(&["openai"]);
}

#[test]
fn openais_python_library_asks_every_provider_dialect_for_responses() {
    python(&["responses"]);
}

#[test]
fn anthropics_python_library_works_with_every_provider_dialect() {
    python(&["anthropic"]);
}

#[test]
fn googles_python_library_works_with_every_provider_dialect() {
    python(&["gemini"]);
}

#[test]
fn amazons_python_library_works_with_every_provider_dialect() {
    python(&["bedrock"]);
}

#[test]
fn coheres_python_library_works_with_every_provider_dialect() {
    python(&["cohere"]);
}

#[test]
fn langchain_works_with_every_provider_dialect() {
    framework(&["langchain-openai", "langchain-anthropic"]);
}

#[test]
fn agents_of_pydantic_ai_work_with_every_provider_dialect() {
    framework(&[
        "pydantic-ai-openai",
        "pydantic-ai-responses",
        "pydantic-ai-anthropic",
        "pydantic-ai-google",
        "pydantic-ai-bedrock",
        "pydantic-ai-cohere",
    ]);
}

#[test]
fn official_node_libraries_work_with_every_provider_dialect() {
    node(&["openai", "responses", "anthropic", "gemini"]);
}

#[test]
fn the_vercel_sdk_works_with_every_provider_dialect() {
    node(&[
        "vercel-openai",
        "vercel-openai-chat",
        "vercel-openai-compatible",
        "vercel-anthropic",
        "vercel-google",
        "vercel-bedrock",
    ]);
}

#[test]
fn amazons_library_shows_a_bearer_token_over_tls() {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
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
    let mut command = Command::new(python);
    command.args(["tests/sdk/python/run.py", "bedrock"]);
    command.env("AWS_CA_BUNDLE", bundle);
    suite(command, &gateway);
}

fn python(clients: &[&str]) {
    let python = part(".parts/venv-sdk/bin/python");
    measure(From::Python, python, "tests/sdk/python/run.py", clients);
}

fn framework(clients: &[&str]) {
    let python = part(".parts/venv-frameworks/bin/python");
    measure(From::Framework, python, "tests/sdk/python/run.py", clients);
}

fn node(clients: &[&str]) {
    let node = part(".parts/bin/node").filter(|_| part("tests/sdk/node_modules").is_some());
    measure(From::Node, node, "tests/sdk/node/run.mjs", clients);
}

/// Runs the cases of some clients, and holds the document to what they showed.
fn measure(from: From, runs: Option<std::path::PathBuf>, script: &str, clients: &[&str]) {
    let Some(runs) = runs else { return };
    let sim = SimThread::start(SCRIPT);
    let gateway = Program::start(&configuration(&sim.sim.url()));
    let mut command = Command::new(runs);
    command.arg(script).args(clients);
    PROVIDERS.measured(from, &suite(command, &gateway));
}

/// Runs a suite and fails with every case that failed; gives what it printed, a case each.
pub(crate) fn suite(mut command: Command, gateway: &Program) -> Vec<Value> {
    let output = command
        .current_dir(root())
        .env("BONDGATE_BASE", &gateway.url)
        .env("BONDGATE_KEY", KEY)
        .output()
        .expect("the suite starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let cases: Vec<Value> = stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let failed: Vec<&Value> = cases.iter().filter(|case| case["ok"] != true).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!cases.is_empty(), "no case ran\n{stdout}\n{stderr}");
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{failed:#?}\n{stderr}",
        failed.len(),
        cases.len()
    );
    assert!(output.status.success(), "the suite failed\n{stderr}");
    cases
}

/// The models, keys and budgets that the suites ask for. A bare host suffices for each dialect.
pub(crate) fn configuration(sim: &str) -> String {
    let (mut providers, mut models, mut prices) = (String::new(), String::new(), String::new());
    for (provider, dialect) in DIALECTS {
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
        // Most of what a request costs is for the request itself, so that few spend the budget.
        writeln!(
            prices,
            "  - {{ target: {provider}/echo, input: 1 USD, output: 2 USD, request: 0.005 USD }}"
        )
        .unwrap();
    }
    format!(
        // What is down for one client must be found down by the next one too.
        "defaults: {{ breaker: {{ failures: 100000, ratio: 100%, minimum: 100000 }} }}\n\
         providers:\n{providers}models:\n{models}keys:\n  test: {{ secret: {KEY} }}\n  \
         poor: {{ secret: {KEY}-poor }}\n  \
         busy: {{ secret: {KEY}-busy, limits: {{ concurrent: 1 }} }}\n\
         budgets:\n  poor: {{ on: key:poor, limit: 0.02 USD, per: total }}\nprices:\n{prices}"
    )
}
