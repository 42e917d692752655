//! The official client libraries, unmodified, in what they do beside chat, through the real program.

use std::process::Command;

use crate::program::{KEY, Program, SimThread, part};
use crate::sdk::{SCRIPT, suite};

/// Providers as the suites name them, and what each speaks.
const PROVIDERS: [(&str, &str); 3] = [
    ("chat", "openai-chat"),
    ("gemini", "gemini"),
    ("cohere", "cohere"),
];

#[test]
fn official_python_libraries_work_in_what_they_do_beside_chat() {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start(SCRIPT);
    let gateway = Program::start(&configuration(&sim.sim.url()));
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/tasks.py");
    suite(command, &gateway);
}

fn configuration(sim: &str) -> String {
    let each = PROVIDERS.map(|(name, dialect)| {
        let provider = format!(
            "  {name}: {{ base_url: \"{sim}\", dialect: {dialect}, key: sk-upstream-0123456789 }}\n"
        );
        let models = format!(
            "  via-{name}: {{ targets: [\"{name}/echo\"] }}\n  cut-{name}: {{ targets: [\"{name}/cut/echo\"] }}\n"
        );
        (provider, models)
    });
    let (providers, models): (Vec<_>, Vec<_>) = each.into_iter().unzip();
    format!(
        "providers:\n{}models:\n{}keys:\n  test: {{ secret: {KEY} }}\n",
        providers.concat(),
        models.concat()
    )
}
