//! The real program as a child process, and the means to write its configuration.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sim::{Script, Sim};
use tempfile::TempDir;

/// The key that every configuration of these tests issues.
pub(crate) const KEY: &str = "test-key-0123456789abcdef";

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A gateway that runs, and its folder. Ends with this.
pub(crate) struct Program {
    /// Where it listens.
    pub(crate) url: String,
    /// Holds `bondgate.yaml` and the data.
    pub(crate) folder: TempDir,
    child: Child,
}

impl Program {
    /// Starts it with that configuration, which says nothing of `listen` and `data`.
    pub(crate) fn start(configuration: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let text = format!("listen: 127.0.0.1:0\ndata: data\n{configuration}");
        std::fs::write(folder.path().join("bondgate.yaml"), text).expect("the file is written");
        Self::start_in(folder, &[])
    }

    /// Starts it in a folder.
    pub(crate) fn start_in(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bondgate"))
            .current_dir(folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let Some(Ok(first)) = lines.next() else {
            let mut why = String::new();
            child
                .stderr
                .take()
                .map(|mut stderr| stderr.read_to_string(&mut why));
            panic!("the program ended: {why}");
        };
        let url = first
            .rsplit(' ')
            .next()
            .expect("the line ends in a URL")
            .to_owned();
        // Read on, so that the program never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { url, folder, child }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces its configuration.
    pub(crate) fn rewrite(&self, configuration: &str) {
        let text = format!("listen: 127.0.0.1:0\ndata: data\n{configuration}");
        std::fs::write(self.folder.path().join("bondgate.yaml"), text)
            .expect("the file is written");
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it has ended; gives its exit code and what it wrote to stderr.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let by = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            assert!(Instant::now() < by, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut written = String::new();
        self.child
            .stderr
            .take()
            .map(|mut stderr| stderr.read_to_string(&mut written));
        (status.code(), written)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A simulated provider that runs on a thread of its own.
pub(crate) struct SimThread {
    /// The provider.
    pub(crate) sim: std::sync::Arc<Sim>,
    _runtime: tokio::runtime::Runtime,
}

impl SimThread {
    /// Starts it with that script.
    pub(crate) fn start(script: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("an event loop");
        let script = Script::from_json(script).expect("the script is right");
        let sim = runtime
            .block_on(Sim::start("127.0.0.1:0", script))
            .expect("the sim starts");
        Self {
            sim: std::sync::Arc::new(sim),
            _runtime: runtime,
        }
    }

    /// Providers of both dialects on it, for a configuration.
    pub(crate) fn providers(&self) -> String {
        let url = self.sim.url();
        format!(
            "providers:\n  chat: {{ base_url: \"{url}\", dialect: openai-chat, key: sk-upstream-0123456789 }}\n  \
             anthropic: {{ base_url: \"{url}\", dialect: anthropic-messages, key: sk-upstream-0123456789 }}\n"
        )
    }
}

/// The path of a part that `scripts/test` installs, or a loud word that a test is skipped.
///
/// # Panics
/// Where the part must be there and is not.
pub(crate) fn part(path: &str) -> Option<PathBuf> {
    let path = root().join(path);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("BONDGATE_REQUIRE_PARTS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "{} is missing: run scripts/test --setup",
        path.display()
    );
    eprintln!(
        "SKIPPED: {} is missing; `scripts/test --setup` installs it",
        path.display()
    );
    None
}
