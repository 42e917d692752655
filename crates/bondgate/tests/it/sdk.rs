//! The official client libraries, unmodified, and a real engine, through the real program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::program::{KEY, Program, SimThread, part, root};

/// The simulated provider cuts the answers of `cut/*` and refuses those of `down/*`.
pub(crate) const SCRIPT: &str = r#"{ "rules": [
    { "when": { "model": "cut/*" }, "do": { "cut": { "at_fraction": 0.5 } } },
    { "when": { "model": "down/*" }, "do": { "status": { "status": 503 } } }
] }"#;

/// A gateway with the models that the suites ask for.
fn gateway(sim: &SimThread) -> Program {
    let mut text = sim.providers();
    text.push_str("models:\n");
    for provider in ["chat", "anthropic"] {
        for (name, model) in [("via", "echo"), ("cut", "cut/echo"), ("down", "down/echo")] {
            text.push_str(&format!(
                "  {name}-{provider}: {{ targets: [\"{provider}/{model}\"] }}\n"
            ));
        }
    }
    text.push_str(&format!(
        "keys:\n  test: {{ secret: {KEY} }}\n  poor: {{ secret: {KEY}-poor }}\n  \
         busy: {{ secret: {KEY}-busy, limits: {{ concurrent: 1 }} }}\n\
         budgets:\n  poor: {{ on: key:poor, limit: 0.02 USD, per: total }}\nprices:\n"
    ));
    // Most of what a request costs is for the request itself, so that few spend the budget.
    for provider in ["chat", "anthropic"] {
        text.push_str(&format!(
            "  - {{ target: {provider}/echo, input: 1 USD, output: 2 USD, request: 0.005 USD }}\n"
        ));
    }
    Program::start(&text)
}

/// Runs a suite and fails with every case that failed.
pub(crate) fn suite(mut command: Command, gateway: &Program) {
    let output = command
        .current_dir(root())
        .env("BONDGATE_BASE", &gateway.url)
        .env("BONDGATE_KEY", KEY)
        .output()
        .expect("the suite starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let cases: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let failed: Vec<&&str> = cases
        .iter()
        .filter(|line| !line.replace(' ', "").contains("\"ok\":true"))
        .collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!cases.is_empty(), "no case ran\n{stdout}\n{stderr}");
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{failed:#?}\n{stderr}",
        failed.len(),
        cases.len()
    );
    assert!(output.status.success(), "the suite failed\n{stderr}");
}

#[test]
fn official_python_libraries_work_in_all_four_pairs() {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = gateway(&sim);
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/run.py");
    suite(command, &gateway);
}

#[test]
fn official_node_libraries_work_in_all_four_pairs() {
    let (Some(node), Some(_)) = (part(".parts/bin/node"), part("tests/sdk/node_modules")) else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = gateway(&sim);
    let mut command = Command::new(node);
    command.arg("tests/sdk/node/run.mjs");
    suite(command, &gateway);
}

#[test]
fn a_real_engine_answers_whole_and_streamed_in_all_four_pairs() {
    let (Some(engine), Some(python)) = (
        part(".parts/venv-engine/bin/python"),
        part(".parts/venv-sdk/bin/python"),
    ) else {
        return;
    };
    let engine = Engine::start(&engine);
    let url = &engine.url;
    let gateway = Program::start(&format!(
        "providers:\n  engine: {{ base_url: \"{url}\", dialect: openai-chat, key: none }}\n  \
         engine-messages: {{ base_url: \"{url}\", dialect: anthropic-messages, key: none }}\n\
         models:\n  engine-chat: {{ targets: [engine/tiny-random] }}\n  \
         engine-anthropic: {{ targets: [engine-messages/tiny-random] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n"
    ));
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/engine.py");
    suite(command, &gateway);
}

/// llama.cpp's own server on a tiny random model. Ends with this.
struct Engine {
    url: String,
    child: Child,
}

impl Engine {
    fn start(python: &std::path::Path) -> Self {
        let mut child = Command::new(python)
            .current_dir(root())
            .arg("tests/engine/serve.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the engine starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("LISTEN ").map(str::to_owned))
            .expect("the engine says where it listens");
        Self {
            url: format!("http://{address}"),
            child,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends when its stdin closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
