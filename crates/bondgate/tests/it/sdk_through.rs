//! The official client libraries, unmodified, count tokens, list models and pass through to a
//! provider's own paths.

use std::process::Command;

use crate::program::{KEY, Program, SimThread, part};
use crate::sdk::configuration;
use crate::sdk::{SCRIPT, suite};

#[test]
fn official_libraries_count_list_and_pass_through() {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let url = sim.sim.url();
    let openai =
        format!("providers:\n  openai: {{ base_url: \"{url}\", key: sk-upstream-0123456789 }}\n");
    let passing = format!("{{ secret: {KEY}, passthrough: [openai] }}");
    let text = configuration(&url)
        .replace("providers:\n", &openai)
        .replace(&format!("{{ secret: {KEY} }}"), &passing);
    let gateway = Program::start(&text);
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/through.py");
    suite(command, &gateway);
}
