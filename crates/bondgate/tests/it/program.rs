//! The real program as a child process, and the means to write its configuration.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{Script, Sim};
use tempfile::TempDir;
use tokio::sync::oneshot;

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
    data: PathBuf,
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

impl Program {
    /// Starts it with that configuration, which says nothing of `listen` and `data`.
    pub(crate) fn start(configuration: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        write(&folder, configuration);
        Self::start_in(folder, &[])
    }

    /// Starts it in a folder.
    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
        command.args(arguments).env_remove("BONDGATE_CONFIG");
        Self::start_by(command, folder)
    }

    /// Starts it in a folder by a command that was made for it.
    pub(crate) fn start_by(command: Command, folder: TempDir) -> Self {
        Self::spawn(command, folder, Stdio::piped())
    }

    /// Starts it with that configuration, and nobody who reads what it writes to stderr.
    pub(crate) fn start_unheard(configuration: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        write(&folder, configuration);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
        command
            .env_remove("BONDGATE_CONFIG")
            .env("BONDGATE_LOG", "debug");
        Self::spawn(command, folder, writer.into())
    }

    /// Starts it with that configuration over a data folder that outlives it.
    pub(crate) fn start_on(data: &Path, configuration: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        write(&folder, configuration);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
        command.arg("--data").arg(data);
        command.env_remove("BONDGATE_CONFIG");
        let mut program = Self::start_by(command, folder);
        data.clone_into(&mut program.data);
        program
    }

    fn spawn(mut command: Command, folder: TempDir, stderr: Stdio) -> Self {
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let stdout = Heard::of(child.stdout.take().expect("stdout is piped"));
        let stderr = match child.stderr.take() {
            Some(stderr) => Heard::of(stderr),
            None => Heard::of(std::io::empty()),
        };
        let Some(first) = stdout.line(|line| line.contains(" listens on ")) else {
            panic!("the program ended: {}", stderr.all());
        };
        let url = first.rsplit(' ').next().expect("the line ends in a URL");
        Self {
            url: url.to_owned(),
            data: folder.path().join("data"),
            folder,
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for a line on stdout that begins so.
    pub(crate) fn printed(&self, start: &str) -> String {
        let line = self.stdout.line(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line begins with {start}"))
    }

    /// Waits for a line on stderr that has this in it.
    pub(crate) fn said(&self, part: &str) -> String {
        let line = self.stderr.line(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no line has {part}"))
    }

    /// Waits for a line on stderr that has this in it; gives all that was said up to there.
    pub(crate) fn said_up_to(&self, part: &str) -> String {
        let mut said = String::new();
        loop {
            let line = self.stderr.line(|_| true);
            let line = line.unwrap_or_else(|| panic!("no line has {part}: {said}"));
            said.push_str(&line);
            said.push('\n');
            if line.contains(part) {
                return said;
            }
        }
    }

    /// Replaces its configuration.
    pub(crate) fn rewrite(&self, configuration: &str) {
        write(&self.folder, configuration);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where operators call.
    pub(crate) fn admin(&self) -> SocketAddr {
        let text = std::fs::read_to_string(self.data.join("admin.address"));
        let text = text.expect("it tells where operators call");
        let (_, address) = text.trim().split_once("://").expect("a URL");
        address.parse().expect("an address")
    }

    /// What operators show.
    pub(crate) fn admin_token(&self) -> String {
        let text = std::fs::read_to_string(self.data.join("admin.token"));
        text.expect("it made a token").trim().to_owned()
    }

    /// Kills it with SIGKILL and waits until it is gone; gives what it had said on stderr.
    pub(crate) fn killed(self) -> String {
        self.signal("KILL");
        self.ended().1
    }

    /// Stops it with SIGTERM and waits until it has ended well; gives what it had said on stderr.
    pub(crate) fn stopped(self) -> String {
        self.signal("TERM");
        let (code, said) = self.ended();
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// Stops it; gives all that it wrote and that nobody waited for.
    pub(crate) fn wrote(self) -> String {
        self.signal("TERM");
        let stdout = self.stdout.all();
        stdout + &self.stderr.all()
    }

    /// Waits until it has ended; gives its folder.
    pub(crate) fn at_rest(mut self) -> TempDir {
        self.child.wait().expect("the child can be waited for");
        std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"))
    }

    /// Waits until it has ended by a signal; gives how.
    pub(crate) fn crashed(&mut self) -> ExitStatus {
        self.child.wait().expect("the child can be waited for")
    }

    /// Waits until it has ended; gives its exit code and what it wrote to stderr.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let written = self.stderr.all();
        let status = self.child.wait().expect("the child can be waited for");
        (status.code(), written)
    }
}

fn write(folder: &TempDir, configuration: &str) {
    let admin = if configuration.contains("admin:") {
        ""
    } else {
        "admin: { listen: 127.0.0.1:0 }\n"
    };
    let text = format!("listen: 127.0.0.1:0\n{admin}data: data\n{configuration}");
    std::fs::write(folder.path().join("bondgate.yaml"), text).expect("the file is written");
}

/// What a program wrote to a pipe. It is read as it comes, so that the program never waits.
struct Heard {
    lines: Mutex<Receiver<String>>,
}

impl Heard {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (say, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            lines.for_each(|line| {
                let _ = say.send(line);
            });
        });
        let lines = Mutex::new(lines);
        Self { lines }
    }

    /// The next line of which this holds; none where the pipe ended before.
    fn line(&self, holds: impl Fn(&str) -> bool) -> Option<String> {
        let lines = self.lines.lock().expect("one reader");
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if holds(&line) => return Some(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("the program says nothing more"),
            }
        }
    }

    /// All that is left, up to the end of the pipe.
    fn all(&self) -> String {
        let mut all = String::new();
        while let Some(line) = self.line(|_| true) {
            all.push_str(&line);
            all.push('\n');
        }
        all
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
    pub(crate) sim: Arc<Sim>,
    /// Its thread ends with this.
    _stop: oneshot::Sender<()>,
}

impl SimThread {
    /// Starts it with that script.
    pub(crate) fn start(script: &str) -> Self {
        let script = Script::from_json(script).expect("the script is right");
        let (say, started) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("an event loop");
            runtime.block_on(async {
                let sim = Sim::start("127.0.0.1:0", script).await;
                let _ = say.send(Arc::new(sim.expect("the sim starts")));
                let _ = stopped.await;
            });
        });
        let sim = started.recv().expect("the sim starts");
        Self { sim, _stop: stop }
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
