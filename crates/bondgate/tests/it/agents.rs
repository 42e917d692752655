//! Coding agents, unmodified and without a terminal, started by `bondgate run`, against
//! providers of all six dialects.
//!
//! They are large programs that others make: `scripts/test --agents` installs and runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compatibility::{From, PROVIDERS};
use crate::program::{KEY, Program, SimThread, part, root};
use crate::sdk::{DIALECTS, SCRIPT, configuration};

/// An agent, and how it is asked for one answer without a terminal.
struct Agent {
    name: &'static str,
    /// Arguments before the prompt.
    arguments: &'static [&'static str],
    /// A prompt by which the simulated provider calls a tool that runs a command.
    use_tool: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

/// How a run ended.
struct Ended {
    well: bool,
    said: String,
}

const CLAUDE: Agent = Agent {
    name: "claude",
    arguments: &["--allowedTools", "Bash", "-p"],
    use_tool: "USE_TOOL Bash",
    variables: &[
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("CLAUDE_CODE_MAX_RETRIES", "0"),
        ("DISABLE_AUTOUPDATER", "1"),
    ],
};

const CODEX: Agent = Agent {
    name: "codex",
    arguments: &[
        "exec",
        "--skip-git-repo-check",
        "-s",
        "danger-full-access",
        "-c",
        "model_providers.bondgate.request_max_retries=0",
        "-c",
        "model_providers.bondgate.stream_max_retries=0",
    ],
    use_tool: "USE_TOOL exec_command",
    variables: &[],
};

const GEMINI: Agent = Agent {
    name: "gemini",
    arguments: &["-y", "-p"],
    use_tool: "USE_TOOL please",
    variables: &[("GEMINI_CLI_TRUST_WORKSPACE", "true")],
};

#[test]
#[ignore = "the agents are large: `scripts/test --agents` installs and runs them"]
fn claude_code_works_with_every_provider_dialect() {
    CLAUDE.measure();
}

#[test]
#[ignore = "the agents are large: `scripts/test --agents` installs and runs them"]
fn codex_works_with_every_provider_dialect() {
    CODEX.measure();
}

#[test]
#[ignore = "the agents are large: `scripts/test --agents` installs and runs them"]
fn gemini_cli_works_with_every_provider_dialect() {
    GEMINI.measure();
}

impl Agent {
    fn measure(&self) {
        let path = format!(".parts/agents/node_modules/.bin/{}", self.name);
        let Some(program) = part(&path) else { return };
        let sim = SimThread::start(SCRIPT);
        let gateway = Program::start(&configuration(&sim.sim.url()));
        // Not below a folder that others may write to: an agent takes no settings from there.
        let home = TempDir::new_in(root().join("target")).unwrap();
        let mut cases = Vec::new();
        for (provider, _) in DIALECTS {
            let ask = |model: &str, prompt: &str| {
                let model = format!("{model}-{provider}");
                self.ask(&program, &gateway, home.path(), [&model, prompt])
            };
            let mut passed = |case: &str| cases.push(self.passed(provider, case));

            let told = ask("via", "apricot harvest");
            assert!(
                told.well && told.said.contains("apricot harvest"),
                "{provider}: {}",
                told.said
            );
            passed("stream");
            let told = ask("via", self.use_tool);
            assert!(
                told.well && told.said.contains("The tool answered"),
                "{provider}: {}",
                told.said
            );
            passed("tools");
            let told = ask("no-such", "apricot");
            assert!(!told.well, "{provider}: an unknown model: {}", told.said);
            passed("error_unknown_model");
            let told = ask("cut", "apricot harvest");
            assert!(!told.well, "{provider}: a cut stream: {}", told.said);
            passed("cut_stream");
        }
        PROVIDERS.measured(From::Agent, &cases);
    }

    fn passed(&self, provider: &str, case: &str) -> Value {
        json!({ "client": self.name, "provider": provider, "case": case, "ok": true })
    }

    /// Runs it for one answer.
    fn ask(
        &self,
        program: &Path,
        gateway: &Program,
        home: &Path,
        [model, prompt]: [&str; 2],
    ) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
            .args(["run", "--gateway", &gateway.url, "--model", model, "--"])
            .arg(program)
            .args(self.arguments)
            .arg(prompt)
            .current_dir(home)
            .env_clear()
            .env("PATH", path())
            .env("HOME", home)
            .env("BONDGATE_KEY", KEY)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ended {
            // One of them says so only.
            well: output.status.success() && !said.contains("[ERROR]"),
            said,
        }
    }
}

/// The machine's programs, and the Node that the tests have.
fn path() -> std::ffi::OsString {
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&machine);
    let all: Vec<PathBuf> = std::iter::once(root().join(".parts/bin"))
        .chain(folders)
        .collect();
    std::env::join_paths(all).unwrap()
}
