//! What is measured: the gateways, each a process pinned to its own core, and
//! "direct", which is none.
//!
//! Each is configured for one upstream, without logs of requests where that
//! can be. A subject that is not installed is skipped, and says so; one that
//! does not come up is an error with the end of its output.

use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::client::Connection;
use super::machine::{GATEWAY_CORE, tree};
use super::switches::Switches;
use super::wire::{Ask, KEY, Shape, Wire};

/// How long a gateway may take to give its first good answer.
const BOOT: Duration = Duration::from_secs(60);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The upstream itself, without a gateway.
    Direct,
    /// The yardstick under `xtask/src/bin`.
    BareProxy,
    /// nginx, where installed.
    Nginx,
    /// Ours, with these switches.
    Bondgate(Switches),
    /// LiteLLM's proxy, from PyPI.
    LiteLlm,
    /// Portkey's gateway, from npm.
    Portkey,
}

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The repository.
    pub root: PathBuf,
    /// Bondgate's program.
    pub bondgate: PathBuf,
    /// The upstream.
    pub upstream: SocketAddr,
}

/// A running gateway; ended when dropped.
#[derive(Debug)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    /// Headers that it needs from a client.
    pub headers: String,
    child: Option<Child>,
    // Kept until the end: its configuration and data.
    folder: TempDir,
}

impl Kind {
    /// The name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::BareProxy => "bare proxy",
            Self::Nginx => "nginx",
            Self::Bondgate(switches) => switches.name(),
            Self::LiteLlm => "litellm",
            Self::Portkey => "portkey",
        }
    }

    /// What is on in it while it is measured.
    pub const fn on(self) -> &'static str {
        match self {
            Self::Direct => "no gateway: client to upstream",
            Self::BareProxy => "hyper server and pooled client, both bodies streamed, nothing read",
            Self::Nginx => "1 worker, upstream keep-alive, proxy_buffering off, access_log off",
            Self::Bondgate(switches) => switches.on(),
            Self::LiteLlm => "1 worker, master key, no database, logs at ERROR",
            Self::Portkey => "no authentication, provider and host by header, headless",
        }
    }

    /// Whether it is there only to tell what a switch costs.
    pub fn is_variation(self) -> bool {
        match self {
            Self::Bondgate(switches) => switches.is_variation(),
            Self::Direct | Self::BareProxy | Self::Nginx | Self::LiteLlm | Self::Portkey => false,
        }
    }

    /// Slow streams held open at once.
    pub fn slow_streams(self) -> u32 {
        match self {
            Self::LiteLlm | Self::Portkey => 100,
            Self::Direct | Self::BareProxy | Self::Nginx | Self::Bondgate(_) => 1000,
        }
    }

    /// The most requests a second that it is sent in the open loop: where one
    /// that cannot keep up would only show its queue.
    pub fn highest_rate(self) -> u32 {
        match self {
            Self::LiteLlm => 24,
            Self::Portkey => 200,
            Self::Direct | Self::BareProxy | Self::Nginx | Self::Bondgate(_) => u32::MAX,
        }
    }

    /// Whether it is installed; else why not.
    pub fn missing(self, root: &Path) -> Option<String> {
        match self {
            Self::Direct | Self::BareProxy | Self::Bondgate(_) => None,
            Self::Nginx => (!runs("nginx", "-v")).then(|| "nginx is not on the PATH".to_owned()),
            Self::LiteLlm => install_litellm(root)
                .err()
                .map(|error| format!("{error:#}")),
            Self::Portkey => install_portkey(root)
                .err()
                .map(|error| format!("{error:#}")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Subject {
    /// Starts it and waits for a first good answer.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer within a minute.
    pub async fn start(kind: Kind, places: &Places) -> anyhow::Result<Self> {
        // On the disk of the build, not in a memory file system: the journal is measured too.
        let folder = TempDir::with_prefix_in("bench-", places.root.join("target"))?;
        let address = if kind == Kind::Direct {
            places.upstream
        } else {
            free_address()?
        };
        let command = command(kind, places, address, folder.path())?;
        let log = folder.path().join("log");
        let child = command.map(|command| spawn(command, &log)).transpose()?;
        let headers = match kind {
            Kind::Portkey => format!(
                "x-portkey-provider: openai\r\nx-portkey-custom-host: http://{}/v1\r\n",
                places.upstream
            ),
            Kind::Bondgate(switches) => switches.headers().to_owned(),
            Kind::Direct | Kind::BareProxy | Kind::Nginx | Kind::LiteLlm => String::new(),
        };
        let mut subject = Self {
            kind,
            address,
            headers,
            child,
            folder,
        };
        if let Err(error) = subject.answers().await {
            let output = fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<&str> = output.lines().rev().take(5).collect();
            bail!(
                "{kind} does not answer: {error:#}; its output ends: {:?}",
                end.into_iter().rev().collect::<Vec<_>>()
            );
        }
        Ok(subject)
    }

    /// Kills it, and starts it again on what it left; how long until it answers.
    ///
    /// # Errors
    /// As [`Subject::start`].
    pub async fn again(&mut self, places: &Places) -> anyhow::Result<Duration> {
        if let Some(child) = &mut self.child {
            child.kill()?;
            child.wait()?;
        }
        let folder = self.folder.path();
        let command = command(self.kind, places, self.address, folder)?;
        let began = Instant::now();
        self.child = command
            .map(|command| spawn(command, &folder.join("log")))
            .transpose()?;
        self.answers().await?;
        Ok(began.elapsed())
    }

    /// The root of its processes.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its folder: configuration, log, and in `data` what it keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its operators' listener, where its metrics are to be read while it works.
    pub fn scraped(&self) -> Option<SocketAddr> {
        let Kind::Bondgate(switches) = self.kind else {
            return None;
        };
        let told = fs::read_to_string(self.folder().join("data/admin.address")).ok()?;
        let address = told.trim().strip_prefix("http://")?.parse().ok()?;
        switches.is_scraped().then_some(address)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let ask = Ask {
            wire: Wire::Chat,
            model: "bench",
            size: 1024,
            turns: 0,
            shape: Shape::Whole,
            delay_ms: 0,
            id: 0,
        };
        let request = ask.http(&self.headers);
        let start = Instant::now();
        loop {
            let answer = async {
                let mut connection = Connection::open(self.address, Wire::Chat).await?;
                connection.send(&request).await?;
                connection.answer(|_| {}).await
            };
            let Err(error) = tokio::time::timeout(BOOT, answer).await? else {
                return Ok(());
            };
            if let Some(status) = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().transpose())
            {
                bail!("it ended with {}", status?);
            }
            if start.elapsed() > BOOT {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        // Asked first: a master that is killed leaves its workers behind.
        let processes = tree(child.id());
        let ids = |processes: &[u32]| processes.iter().map(u32::to_string).collect::<Vec<_>>();
        let _ = Command::new("kill")
            .arg("-TERM")
            .args(ids(&processes))
            .status();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(ids(&processes))
            .status();
        let _ = child.wait();
    }
}

/// The command that serves at `address` with its files in `folder`.
fn command(
    kind: Kind,
    places: &Places,
    address: SocketAddr,
    folder: &Path,
) -> anyhow::Result<Option<Command>> {
    let release = places.root.join("target/release");
    let upstream = places.upstream;
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map(|()| path)
    };
    let mut command;
    match kind {
        Kind::Direct => return Ok(None),
        Kind::BareProxy => {
            command = pinned(&release.join("bareproxy"));
            command.args([address.to_string(), upstream.to_string()]);
        }
        Kind::Nginx => {
            command = pinned(Path::new("nginx"));
            command
                .arg("-p")
                .arg(folder)
                .arg("-c")
                .arg(file("nginx.conf", nginx(address, upstream))?);
        }
        Kind::Bondgate(switches) => {
            command = pinned(&places.bondgate);
            let data = folder.join("data");
            let config = file("bondgate.yaml", switches.config(address, upstream, &data))?;
            command.arg("serve").arg("--config").arg(config);
        }
        Kind::LiteLlm => {
            command = pinned(&parts(&places.root).join("litellm/bin/litellm"));
            command
                .arg("--config")
                .arg(file("litellm.yaml", litellm(upstream))?);
            command.args([
                "--host",
                "127.0.0.1",
                "--num_workers",
                "1",
                "--port",
                &address.port().to_string(),
            ]);
            command.envs([
                ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
                ("LITELLM_LOG", "ERROR"),
                ("LITELLM_MODE", "PRODUCTION"),
            ]);
        }
        Kind::Portkey => {
            command = pinned(Path::new("node"));
            command.arg(
                parts(&places.root)
                    .join("portkey/node_modules/@portkey-ai/gateway/build/start-server.js"),
            );
            command.args([
                "--headless".to_owned(),
                format!("--port={}", address.port()),
            ]);
        }
    }
    command.current_dir(folder);
    Ok(Some(command))
}

/// A command on the gateways' core, with files enough for thousands of
/// connections. The shell and taskset replace themselves: one process.
fn pinned(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(r#"ulimit -n "$(ulimit -Hn)"; exec taskset -c "$0" "$@""#);
    command.arg(GATEWAY_CORE.to_string()).arg(program);
    command
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let output = File::create(log)?;
    command
        .stdin(std::process::Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    command
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn nginx(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream mock {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}

fn litellm(upstream: SocketAddr) -> String {
    format!(
        r#"model_list:
  - model_name: bench
    litellm_params: {{ model: openai/bench, api_base: "http://{upstream}/v1", api_key: sk-upstream-0123456789 }}
general_settings: {{ master_key: {KEY} }}
litellm_settings: {{ telemetry: false }}
"#
    )
}

/// Where installed peers are kept between runs.
fn parts(root: &Path) -> PathBuf {
    root.join(".parts/bench")
}

fn install_litellm(root: &Path) -> anyhow::Result<()> {
    let place = parts(root).join("litellm");
    if place.join("bin/litellm").exists() {
        return Ok(());
    }
    done(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    done(Command::new(place.join("bin/pip")).args(["install", "--quiet", "litellm[proxy]"]))
}

fn install_portkey(root: &Path) -> anyhow::Result<()> {
    let place = parts(root).join("portkey");
    if place
        .join("node_modules/@portkey-ai/gateway/build/start-server.js")
        .exists()
    {
        return Ok(());
    }
    fs::create_dir_all(&place)?;
    done(
        Command::new("npm")
            .args(["install", "--silent", "--prefix"])
            .arg(&place)
            .arg("@portkey-ai/gateway"),
    )
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn runs(program: &str, argument: &str) -> bool {
    let quiet = std::process::Stdio::null;
    Command::new(program)
        .arg(argument)
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok_and(|status| status.success())
}
