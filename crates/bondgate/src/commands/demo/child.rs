//! The gateway of the demonstration: this very program, as a child process over a folder of its own.
//!
//! The child ends, and the folder goes, with what holds them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A folder with a configuration and data that outlive the gateway.
pub(super) struct Place {
    folder: TempDir,
    starts: u32,
}

/// A gateway that runs.
pub(super) struct Running {
    child: Child,
    /// Where applications call.
    pub(super) url: String,
    /// Where operators call.
    pub(super) admin: String,
    errors: PathBuf,
}

impl Place {
    /// A folder with that configuration.
    pub(super) fn new(configuration: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("bondgate-demo-")
            .tempdir()
            .context("a temporary folder cannot be made · set TMPDIR to one that can be written")?;
        std::fs::write(folder.path().join("bondgate.yaml"), configuration)?;
        Ok(Self { folder, starts: 0 })
    }

    /// Where the gateway's data is.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the gateway and waits until it serves.
    pub(super) async fn start(&mut self) -> anyhow::Result<Running> {
        self.starts += 1;
        let folder = self.folder.path();
        let output = folder.join(format!("stdout-{}", self.starts));
        let errors = folder.join(format!("stderr-{}", self.starts));
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(folder.join("bondgate.yaml"))
            .arg("--data")
            .arg(self.data())
            .env_remove("BONDGATE_LOG")
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(&errors)?)
            .spawn()
            .context("the gateway cannot be started")?;
        let mut running = Running {
            child,
            url: String::new(),
            admin: String::new(),
            errors,
        };
        running.serves(&output).await?;
        Ok(running)
    }
}

impl Running {
    async fn serves(&mut self, output: &Path) -> anyhow::Result<()> {
        let by = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(output)?;
            if let (Some(url), Some(admin)) = (word(&text, " listens on "), word(&text, "Admin: "))
            {
                (self.url, self.admin) = (url, admin);
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                bail!("the gateway did not start: {}", self.said()?);
            }
            if Instant::now() > by {
                bail!("the gateway did not start within {} s", PATIENCE.as_secs());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    pub(super) fn said(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.errors)?.trim().to_owned())
    }

    /// Ends it at once, as `kill -9` does.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id")?, Signal::TERM)?;
        let by = Instant::now() + PATIENCE + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > by {
                bail!("the gateway does not stop");
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The word after a mark, on a line that has been written whole.
fn word(text: &str, mark: &str) -> Option<String> {
    let (_, rest) = text.split_once(mark)?;
    let (line, _) = rest.split_once('\n')?;
    line.split(' ').next().map(str::to_owned)
}
