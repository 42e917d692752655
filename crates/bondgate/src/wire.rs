//! Where the parts meet: threads, sockets, signals.
//!
//! One thread a core, each with a single-threaded runtime, its own listening
//! socket and its own connections to providers. The main thread waits for
//! signals. Nothing else in the program starts threads that serve or opens
//! listeners.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use gateway::listener::{self, Door, DoorOptions, Drain};
use gateway::memory::Memory;
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Upstream, UpstreamConfig};
use gateway::{Gateway, Shared, serve};
use sim::{Script, Sim};
use store::journal::MemoryJournal;
use store::keys::KeyHasher;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::announce;
use crate::certificate::Certificate;
use crate::cli::ServeOptions;
use crate::config::data_dir::DataDir;
use crate::config::interpolate::Commands;
use crate::config::watch::{Handle, Watcher};
use crate::config::{
    Config, Extra, Loaded, Mode, Overrides, Source, load, snapshot, source, zero_config,
};
use crate::log;
use crate::say::say;

/// How long answers under way may take to end after the first signal to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// How long tasks that are left may take after that.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// How often the certificate's files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(1);

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// Where it cannot start; says what mends it.
pub fn serve(options: &ServeOptions) -> Result<()> {
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
            let mut config = zero_config(&environment, &sim.url())?;
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
    let hasher = data.hasher(loaded.config.master_key.as_ref())?;
    let config = Arc::new(loaded.config);
    let house = House::build(&config, hasher.clone())?;
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
    announce::started(&config, house.address, simulated.is_some(), data.path());
    runtime.block_on(house.until_stopped(signals, watcher))?;
    drop(simulated);
    Ok(())
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn event_loop() -> Result<Runtime> {
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
    certificate: Option<Certificate>,
    drain: Drain,
    stopped: CancellationToken,
    cores: Vec<JoinHandle<()>>,
}

/// What one core serves with.
struct Core {
    number: usize,
    socket: TcpListener,
    door: Door,
    upstream: UpstreamConfig,
    shared: Arc<Shared>,
    drain: Drain,
    stopped: CancellationToken,
}

impl House {
    fn build(config: &Config, hasher: KeyHasher) -> Result<Self> {
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot(config, &Extra::default(), &hasher)),
            hasher,
            memory: Memory::new(config.memory),
            journal: Arc::new(MemoryJournal::default()),
            timings: gateway::Timings::default(),
        });
        let certificate = config
            .listen
            .tls
            .as_ref()
            .map(Certificate::load)
            .transpose()?;
        let extra: Vec<PathBuf> = config.upstream.ca.iter().cloned().collect();
        let upstream = UpstreamConfig {
            proxy: config.upstream.proxy.clone(),
            ..UpstreamConfig::new(client_config(&extra)?)
        };
        let address = config.listen.address;
        let sockets = listener::bind(
            address,
            thread::available_parallelism().map_or(1, usize::from),
        )
        .with_context(|| {
            format!("cannot listen on {address} · give another address with `--listen`")
        })?;
        let address = sockets
            .first()
            .map_or(Ok(address), TcpListener::local_addr)?;
        let tls = certificate.as_ref().map(Certificate::tls);
        let door = Door::new(DoorOptions {
            tls,
            ..DoorOptions::default()
        });
        let (drain, stopped) = (Drain::new(), CancellationToken::new());
        let mut cores = Vec::with_capacity(sockets.len());
        for (number, socket) in sockets.into_iter().enumerate() {
            let core = Core {
                number,
                socket,
                door: door.clone(),
                upstream: upstream.clone(),
                shared: Arc::clone(&shared),
                drain: drain.clone(),
                stopped: stopped.clone(),
            };
            cores.push(core.start()?);
        }
        Ok(Self {
            address,
            shared,
            certificate,
            drain,
            stopped,
            cores,
        })
    }

    /// Follows the configuration: what is accepted serves from the next request on.
    fn follow(&self, watcher: Watcher) -> Result<Handle> {
        let (shared, certificate) = (Arc::clone(&self.shared), self.certificate.clone());
        let handle = watcher.watch(move |accepted| {
            let next = snapshot(&accepted.config, &Extra::default(), &shared.hasher);
            let revision = next.revision.clone();
            shared.snapshot.store(Arc::new(next));
            say(&format!("configuration {revision} is in force"));
            if let (Some(certificate), Some(files)) = (&certificate, &accepted.config.listen.tls) {
                certificate.follow(files);
            }
        })?;
        Ok(handle)
    }

    /// Waits for the signal to stop, then lets what is under way end.
    async fn until_stopped(self, signals: Signals, watcher: Option<Handle>) -> Result<()> {
        let Signals {
            mut hang_up,
            mut terminate,
            mut interrupt,
        } = signals;
        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        loop {
            tokio::select! {
                _ = look.tick(), if self.certificate.is_some() => {
                    self.certificate.iter().for_each(Certificate::look);
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
        Ok(())
    }
}

impl Core {
    fn start(self) -> Result<JoinHandle<()>> {
        let runtime = event_loop()?;
        let thread = thread::Builder::new().name(format!("core-{}", self.number));
        thread
            .spawn(move || runtime.block_on(self.run()))
            .context("the system gives no thread")
    }

    async fn run(self) {
        let tasks = Tasks::new();
        let upstream = Upstream::new(self.upstream, tasks.clone());
        let gateway = Gateway {
            shared: self.shared,
            upstream,
            tasks: tasks.clone(),
        };
        let service = {
            let gateway = gateway.clone();
            // Boxed, so that a connection keeps no room for a request while it relays a stream.
            move |request, _from| Box::pin(serve::serve(gateway.clone(), request))
        };
        if let Err(error) =
            listener::serve(self.socket, self.door, service, tasks.clone(), self.drain).await
        {
            say(&format!("core {} cannot serve: {error}", self.number));
        }
        self.stopped.cancelled().await;
        drop(gateway);
        tasks.close();
        // Connections to providers that do not end by themselves end with the runtime.
        let _ = tokio::time::timeout(LAST_TASKS, tasks.wait()).await;
    }
}
