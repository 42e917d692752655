//! Where the parts meet: threads, sockets, signals.
//!
//! One thread a core, each with a single-threaded runtime, its own listening
//! socket and its own connections to providers; one thread for the ledger, one for
//! operators. The main thread waits for signals. Nothing else in the program
//! starts threads that serve or opens listeners.

mod audit;
pub(crate) mod books;
mod control;
mod core;
pub(crate) mod credentials;
mod operators;
pub(crate) mod rules;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin::App;
use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use gateway::Shared;
use gateway::listener::{self, Door, DoorOptions, Drain};
use gateway::memory::Memory;
use gateway::notice::{Notice, Notices};
use gateway::stored::Stored;
use gateway::telemetry::Telemetry;
use gateway::tls::client_config;
use gateway::upstream::UpstreamConfig;
use parking_lot::Mutex;
use policy::accounts::Accounts;
use policy::control::{Control, Listener, Running};
use policy::secret::Secret;
use policy::viewer::Viewer;
use sim::{Script, Sim};
use store::keys::KeyHasher;
use store::objects::{KeySpec, New};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use self::audit::Auditor;
use self::books::{Books, BooksOptions};
use self::control::Live;
use self::core::Core;
use self::credentials::Credentials;
use self::operators::Operators;
use self::rules::Rules;
use crate::alerts::{self, Alert};
use crate::announce;
use crate::certificate::Certificate;
use crate::cli::ServeOptions;
use crate::config::data_dir::DataDir;
use crate::config::interpolate::Commands;
use crate::config::watch::{Handle, Watcher};
use crate::config::zero::DEFAULT_KEY;
use crate::config::{Admin, Config, Loaded, Mode, Overrides, Source, load, source, zero_config};
use crate::say::say;
use crate::{log, no_core};

/// How long answers under way may take to end after the first signal to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// How often the certificates' files and the accounts are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often windows that are over are swept away.
const SWEEP: Duration = Duration::from_secs(60);

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// Where it cannot start; says what mends it.
pub fn serve(options: &ServeOptions) -> Result<()> {
    no_core::forbid()?;
    log::install()?;
    let runtime = event_loop()?;
    let overrides = Overrides {
        listen: options.listen,
        admin_listen: options.admin_listen,
        data: options.data.clone(),
    };
    let mut commands = Commands::default();
    let origin = source(options.config.as_deref());
    let (loaded, simulated) = match &origin {
        Source::File(path) => (
            load(path, &overrides, &environment, Mode::Serve(&mut commands))?,
            None,
        ),
        Source::Environment => {
            let sim = start_sim(&runtime)?;
            let mut config = zero_config(&environment, &sim.url());
            overrides.apply(&mut config);
            (
                Loaded {
                    config,
                    warnings: Vec::new(),
                    files: BTreeSet::new(),
                },
                Some(sim),
            )
        }
    };
    let data = DataDir::open(&loaded.config.data)?;
    let master_key = data.master_key(loaded.config.master_key.as_ref())?;
    let hasher = KeyHasher::new(master_key.reveal().as_bytes());
    let config = Arc::new(loaded.config);
    let mut house = House::build((&config, origin.path()), &data, &master_key)?;
    let new_key = match &origin {
        Source::File(_) => None,
        Source::Environment => house.default_key()?,
    };
    for warning in &loaded.warnings {
        say(&warning.line(origin.path()));
    }
    // Before anybody is told that it runs: a signal or a change may follow at once.
    let signals = Signals::install(&runtime)?;
    let watcher = match origin {
        Source::File(path) => {
            let first = (Arc::clone(&config), loaded.files);
            Some(house.follow(Watcher::new(path, overrides, commands, hasher, first))?)
        }
        Source::Environment => None,
    };
    data.tell_admin_address(&house.operators.url)?;
    announce::started(&announce::Start {
        config: &config,
        address: house.address,
        admin: &house.operators.url,
        without_file: simulated.is_some().then_some(new_key.as_ref()),
        data: data.path(),
    });
    runtime.block_on(house.until_stopped(signals, watcher))?;
    drop(simulated);
    Ok(())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(crate) fn event_loop() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no event loop")
}

/// The simulated provider runs on the main thread, which has nothing else to do.
fn start_sim(runtime: &Runtime) -> Result<Sim> {
    let sim = runtime.block_on(Sim::start("127.0.0.1:0", Script::default()));
    sim.context("the simulated provider cannot start")
}

/// The signals that are listened to.
struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install(runtime: &Runtime) -> Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Everything that serves.
struct House {
    /// Where it listens, which port 0 leaves to the system.
    address: SocketAddr,
    shared: Arc<Shared>,
    live: Arc<Live>,
    operators: Operators,
    certificate: Option<Certificate>,
    drain: Drain,
    stopped: CancellationToken,
    cores: Vec<JoinHandle<()>>,
    books: Books,
    alerts: alerts::Handle,
    credentials: Credentials,
}

impl House {
    fn build(
        (config, path): (&Arc<Config>, Option<&Path>),
        data: &DataDir,
        master_key: &Secret,
    ) -> Result<Self> {
        let address = config.listen.address;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let sockets = listener::bind(address, cores).with_context(|| {
            format!("cannot listen on {address} · give another address with `--listen`")
        })?;
        let address = sockets
            .first()
            .map_or(Ok(address), TcpListener::local_addr)?;
        let mut books = Books::open(&BooksOptions {
            dir: data.path(),
            cores: sockets.len(),
            durability: config.durability,
            master_key,
            now_ms: now_ms(),
        })?;
        let hasher = KeyHasher::new(master_key.reveal().as_bytes());
        let rules = books.rules(config, hasher.clone());
        let (notices, told) = Notices::new();
        let shared = shared(config, &rules, (hasher, books.stored()), notices)?;
        let usual = Admin::default();
        let admin = config.admin.as_ref().unwrap_or(&usual);
        let socket = Operators::bind(admin.address)?;
        let listeners = [
            ("applications", address, config.listen.tls.is_some()),
            ("operators", socket.local_addr()?, admin.tls.is_some()),
        ];
        let live = Arc::new(Live {
            shared: Arc::clone(&shared),
            rules,
            journal: Arc::clone(&books.journal),
            ledger: Arc::clone(&books.ledger_health),
            watcher: Mutex::new(None),
            running: running((config, path), data, listeners),
        });
        live.show_gauges();
        let app = App {
            control: Arc::clone(&live) as Arc<dyn Control>,
            objects: Arc::clone(&books.objects),
            ledger: Arc::clone(&books.ledger),
            token: data.admin_token(admin.token.as_ref())?,
            metrics_open: admin.metrics_open,
        };
        let operators = Operators::start(socket, admin, app)?;
        let upstream = upstream(config)?;
        let alerts = start_alerts(config, data, (&live, &upstream), told)?;
        let credentials = Credentials::start(&shared, &upstream)?;
        let (drain, stopped) = (Drain::new(), CancellationToken::new());
        let tls = config.listen.tls.as_ref();
        let certificate = tls.map(Certificate::load).transpose()?;
        let mut house = Self {
            address,
            shared,
            live,
            operators,
            certificate,
            drain,
            stopped,
            cores: Vec::with_capacity(sockets.len()),
            books,
            alerts,
            credentials,
        };
        house.start_cores(&upstream, sockets)?;
        Ok(house)
    }

    fn start_cores(&mut self, upstream: &UpstreamConfig, sockets: Vec<TcpListener>) -> Result<()> {
        let door = Door::new(DoorOptions {
            tls: self.certificate.as_ref().map(Certificate::tls),
            ..DoorOptions::default()
        });
        for (number, socket) in sockets.into_iter().enumerate() {
            let core = Core {
                number,
                socket,
                door: door.clone(),
                upstream: upstream.clone(),
                shared: Arc::clone(&self.shared),
                journal: self.books.recorder(number),
                drain: self.drain.clone(),
                stopped: self.stopped.clone(),
            };
            self.cores.push(core.start()?);
        }
        Ok(())
    }

    /// The key of a start without a file: made where the data folder has none, and then shown once.
    fn default_key(&self) -> Result<Option<Secret>> {
        let viewer = Viewer::operator("start");
        let stored = self.books.objects.load()?;
        if stored.keys.iter().any(|key| key.key.name == DEFAULT_KEY) {
            return Ok(None);
        }
        let spec = KeySpec {
            direct: true,
            ..KeySpec::default()
        };
        let made =
            self.books
                .objects
                .create_key(&viewer, New::named(DEFAULT_KEY, spec), now_ms())?;
        self.live.rules.put_in_force(&self.shared)?;
        Ok(Some(made.secret))
    }

    /// Follows the configuration: what is accepted serves from the next request on.
    fn follow(&mut self, watcher: Watcher) -> Result<Handle> {
        let (live, certificate) = (Arc::clone(&self.live), self.certificate.clone());
        let alerts = self.alerts.clone();
        let handle = watcher.watch(move |accepted| {
            alerts.follow(&accepted.config.alerts);
            match live.rules.accept(&accepted.config, &live.shared) {
                Ok(revision) => say(&format!("configuration {revision} is in force")),
                Err(error) => say(&format!(
                    "the configuration is good and cannot be put in force, the last one keeps serving: {error:#}"
                )),
            }
            if let (Some(certificate), Some(files)) = (&certificate, &accepted.config.listen.tls) {
                certificate.follow(files);
            }
        })?;
        *self.live.watcher.lock() = Some(handle.clone());
        Ok(handle)
    }

    /// Waits for the signal to stop, then lets what is under way end and be entered.
    async fn until_stopped(mut self, signals: Signals, watcher: Option<Handle>) -> Result<()> {
        let Signals {
            mut hang_up,
            mut terminate,
            mut interrupt,
        } = signals;
        let mut look = tokio::time::interval(LOOK);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut auditor = Auditor::default();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    self.look_at_certificates();
                    self.tell_probes();
                    for drift in auditor.look(&self.live, &self.books.ledger, now_ms()) {
                        self.alerts.tell(Alert::drift(&drift, now_ms()));
                    }
                }
                _ = sweep.tick() => {
                    self.shared.accounts.sweep(now_ms());
                }
                () = self.books.failed.cancelled() => {
                    bail!(
                        "the disk has lost records of the journal, so the gateway stops at once \
                         · look at the disk; at the next start what was left open is charged with what was held"
                    );
                }
                _ = hang_up.recv() => watcher.iter().for_each(Handle::reload),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        let patience = DRAIN.as_secs();
        say(&format!(
            "stopping; answers under way may take {patience} s (a second signal stops at once)"
        ));
        let in_time = tokio::select! {
            in_time = self.drain.finish(DRAIN) => in_time,
            _ = terminate.recv() => self.drain.finish(Duration::ZERO).await,
            _ = interrupt.recv() => self.drain.finish(Duration::ZERO).await,
        };
        if !in_time {
            say("some answers were cut off");
        }
        self.stopped.cancel();
        for core in self.cores {
            // A core that panicked has said so; there is nothing left to wait for.
            let _ = core.join();
        }
        self.operators.end();
        self.credentials.end();
        self.books.close();
        self.alerts.stop();
        Ok(())
    }

    /// Tells probes of the data listener what is not well.
    fn tell_probes(&self) {
        let parts = self.live.health().into_iter();
        let unwell = parts.filter(|part| !part.well);
        let degraded = unwell.map(|part| format!("{}: {}", part.name, part.state));
        let unwritten = self.books.responses.unwritten();
        let unwritten = (unwritten > 0).then(|| {
            format!("responses.db: {unwritten} changes could not be written; answers that providers keep may be unknown after a restart")
        });
        let degraded = degraded.chain(unwritten);
        let snapshot = self.shared.snapshot.load();
        let degraded = degraded.chain(credentials::troubles(&snapshot));
        self.shared.degraded.store(Arc::new(degraded.collect()));
    }

    fn look_at_certificates(&self) {
        let all = self.certificate.iter().chain(&self.operators.certificate);
        all.for_each(Certificate::look);
    }
}

fn running(
    (config, path): (&Config, Option<&Path>),
    data: &DataDir,
    listeners: [(&'static str, SocketAddr, bool); 2],
) -> Running {
    Running {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("BONDGATE_COMMIT")
            .unwrap_or_default()
            .to_owned(),
        started_ms: now_ms(),
        config: path.map(|path| path.display().to_string()),
        listeners: listeners
            .into_iter()
            .map(|(name, address, tls)| Listener { name, address, tls })
            .collect(),
        data: data.path().display().to_string(),
        store: "sqlite",
        durability: config.durability.name(),
        memory_bytes: config.memory as u64,
    }
}

/// What the cores share, with the accounts as the ledger knows them.
fn shared(
    config: &Config,
    rules: &Rules,
    (hasher, stored): (KeyHasher, Stored),
    notices: Notices,
) -> Result<Arc<Shared>> {
    let shared = Arc::new(Shared {
        snapshot: ArcSwap::from_pointee(rules.snapshot(now_ms())?),
        hasher,
        memory: Memory::new(config.memory),
        accounts: Accounts::new(),
        choice: gateway::choice::Choice::default(),
        telemetry: Telemetry::default(),
        reasoning: gateway::reasoning::Store::default(),
        stored,
        notices,
        timings: gateway::Timings::default(),
        clock: gateway::WallClock::default(),
        degraded: ArcSwap::default(),
    });
    rules.restore_all(&shared.snapshot.load().limits, &shared)?;
    Ok(shared)
}

fn start_alerts(
    config: &Config,
    data: &DataDir,
    (live, upstream): (&Arc<Live>, &UpstreamConfig),
    notices: Receiver<Notice>,
) -> Result<alerts::Handle> {
    let setup = alerts::Setup {
        notices,
        health: {
            let live = Arc::clone(live);
            Box::new(move || live.health())
        },
        data: data.path().to_owned(),
        upstream: upstream.clone(),
        pace: alerts::Pace::default(),
    };
    let alerts = alerts::start(setup, &config.alerts).context("the system gives no thread")?;
    alerts.reached(live.balances());
    live.show_alerts(alerts.clone());
    Ok(alerts)
}

/// The way to providers, and to whoever is told alerts.
pub(crate) fn upstream(config: &Config) -> Result<UpstreamConfig> {
    let extra: Vec<PathBuf> = config.upstream.ca.iter().cloned().collect();
    Ok(UpstreamConfig {
        proxy: config.upstream.proxy.clone(),
        ..UpstreamConfig::new(client_config(&extra)?)
    })
}
