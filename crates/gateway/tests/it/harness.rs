//! A gateway as it runs in production, between simulated providers and the tests' own client.
//!
//! The gateway has a thread and a current-thread runtime of its own, its configuration is made in
//! code, and its journal is one that tests can read. Every port is 0. Nothing here sleeps and hopes:
//! what is waited for is asked again and again until a generous deadline.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use dialect::Dialect;
use dialect::loss::Fidelity;
use gateway::choice::Choice;
use gateway::listener::{self, Door, DoorOptions, Drain};
use gateway::memory::Memory;
use gateway::notice::Notices;
use gateway::tasks::Tasks;
use gateway::telemetry::Telemetry;
use gateway::upstream::{Upstream, UpstreamConfig};
use gateway::{Gateway, Shared, Timings, WallClock};
use policy::accounts::Accounts;
use policy::caller::VirtualKey;
use policy::health::BreakerRules;
use policy::model::{Balance, Fallback, Model, Recovery, Retry, Target, Timeouts, ToolCalls};
use policy::origin::{Origin, Scheme};
use policy::provider::{Auth, Provider, Quirks};
use policy::secret::{ProviderKey, Secret};
use policy::snapshot::Snapshot;
use serde_json::Value;
use sim::{Script, Sim};
use store::journal::StorageError;
use store::journal::{MemoryRecorder, Receipt, Recorder};
use store::keys::KeyHasher;
use store::record::{Dispatched, Exchange, Extended};
use tokio_util::sync::CancellationToken;

use crate::speaking;

/// Far above what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The virtual key of clients.
pub(crate) const KEY: &str = "bg-the-key-that-every-client-shows-its-gateway";

/// The dialects whose bytes the tests that look at bytes know; what holds in all is in `road_dialects`.
pub(crate) const WRITTEN: [Dialect; 2] = [Dialect::OpenaiChat, Dialect::AnthropicMessages];

/// What each client of these speaks and what each provider speaks.
pub(crate) const PAIRS: [(Dialect, Dialect); 4] = [
    (Dialect::OpenaiChat, Dialect::OpenaiChat),
    (Dialect::OpenaiChat, Dialect::AnthropicMessages),
    (Dialect::AnthropicMessages, Dialect::OpenaiChat),
    (Dialect::AnthropicMessages, Dialect::AnthropicMessages),
];

/// Fails the test instead of hanging.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("took too long")
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let asked = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, asked).await.is_err() {
        panic!("it never came to this: {what}");
    }
}

/// A provider that behaves.
pub(crate) async fn sim() -> Sim {
    Sim::start("127.0.0.1:0", Script::default()).await.unwrap()
}

/// A provider that does this to every request.
pub(crate) async fn faulty(fault: Value) -> Sim {
    scripted(serde_json::json!({ "rules": [{ "do": fault }] })).await
}

/// A provider that follows a script.
pub(crate) async fn scripted(script: Value) -> Sim {
    let sim = sim().await;
    sim.set_script(Script::from_json(&script.to_string()).unwrap());
    sim
}

/// An address at which nobody listens: it was free a moment ago.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// The secret that the gateway holds for a provider of that name.
pub(crate) fn credential(name: &str) -> String {
    format!("sk-only-for-{name}-0123456789")
}

/// A provider of that name at that address.
pub(crate) fn provider(name: &str, dialect: Dialect, address: SocketAddr) -> Provider {
    let origin = Origin {
        scheme: Scheme::Http,
        host: "127.0.0.1".to_owned(),
        port: address.port(),
    };
    let secret = Secret::new(credential(name));
    Provider {
        name: name.to_owned(),
        origin: origin.clone(),
        base_path: speaking::root(dialect).to_owned(),
        dialect,
        auth: match dialect {
            Dialect::OpenaiChat
            | Dialect::OpenaiResponses
            | Dialect::BedrockConverse
            | Dialect::Cohere => Auth::Bearer,
            Dialect::AnthropicMessages => Auth::Header("x-api-key"),
            Dialect::Gemini => Auth::Header("x-goog-api-key"),
        },
        keys: vec![Arc::new(ProviderKey::new(name.to_owned(), secret, origin))],
        quirks: Quirks::default(),
        headers: Vec::new(),
        catalogue_id: "",
        residency: None,
        region: None,
        paths: policy::provider::Paths::default(),
    }
}

/// A provider's model.
pub(crate) fn target(provider: Provider, model: &str) -> Arc<Target> {
    Arc::new(Target::new(Arc::new(provider), model.to_owned()))
}

/// The model `echo` of a simulated provider.
pub(crate) fn echo(name: &str, dialect: Dialect, sim: &Sim) -> Arc<Target> {
    target(provider(name, dialect, sim.addr()), "echo")
}

/// The model `m`, which these targets serve in this order.
pub(crate) fn model(targets: Vec<Arc<Target>>) -> Model {
    Model {
        name: "m".into(),
        description: None,
        targets,
        balance: Balance::Ordered,
        sticky: None,
        breaker: BreakerRules::default(),
        fallback: Fallback::default(),
        timeouts: Timeouts::default(),
        retry: Retry {
            backoff_initial: Duration::from_millis(2),
            ..Retry::default()
        },
        recovery: Recovery::Restart,
        fidelity: Fidelity::Report,
        tool_calls: ToolCalls::Live,
    }
}

/// A key with that secret that may call everything by its logical name.
pub(crate) fn key(name: &str, secret: &str) -> VirtualKey {
    VirtualKey {
        name: name.into(),
        hash: hasher().hash(secret),
        ..VirtualKey::default()
    }
}

fn hasher() -> KeyHasher {
    KeyHasher::new(b"the master key of tests")
}

/// A configuration with these models and the usual key.
pub(crate) fn snapshot(models: Vec<Model>) -> Snapshot {
    let mut snapshot = Snapshot {
        revision: "tests".into(),
        defaults: model(Vec::new()),
        ..Snapshot::default()
    };
    for model in models {
        for target in &model.targets {
            let provider = Arc::clone(&target.provider);
            snapshot.providers.insert(provider.name.clone(), provider);
        }
        snapshot
            .models
            .insert(model.name.to_string(), Arc::new(model));
    }
    add_key(&mut snapshot, key("default", KEY));
    snapshot
}

pub(crate) fn add_key(snapshot: &mut Snapshot, key: VirtualKey) {
    snapshot.keys.insert(key.hash, Arc::new(key));
}

/// What the road wrote, as tests ask for it.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) recorder: MemoryRecorder,
}

impl Recorder for Ledger {
    fn dispatched(&self, record: &Dispatched) -> Result<Receipt, StorageError> {
        self.recorder.dispatched(record)
    }

    fn extended(&self, record: &Extended) -> Result<Receipt, StorageError> {
        self.recorder.extended(record)
    }

    fn closed(&self, record: &Exchange) -> Receipt {
        self.recorder.closed(record)
    }

    fn refused(&self, record: Box<Exchange>) {
        self.recorder.refused(record);
    }
}

/// What one request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) id: String,
    pub(crate) input_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Whether all counts are the provider's.
    pub(crate) complete: bool,
    pub(crate) outcome: String,
}

impl Ledger {
    /// Records can, or cannot, be kept from now on.
    pub(crate) fn refuse(&self, refusing: bool) {
        let why = StorageError::Failed("the disk is full".into());
        self.recorder.refuse(refusing.then_some(why));
    }

    pub(crate) fn dispatched(&self) -> Vec<String> {
        let records = self.recorder.dispatched_records().into_iter();
        records.map(|record| record.id.to_string()).collect()
    }

    /// What was charged or given back after it was dispatched.
    pub(crate) fn closed(&self) -> Vec<Exchange> {
        self.recorder.closed_records()
    }

    /// What was refused before it was dispatched.
    pub(crate) fn refused(&self) -> Vec<Exchange> {
        self.recorder.refused_records()
    }

    pub(crate) fn settled(&self) -> Vec<Settled> {
        let records = self.closed().into_iter();
        records
            .map(|record| Settled {
                id: record.id.to_string(),
                input_tokens: record.usage.total_input(),
                cached_tokens: record.usage.cache_read,
                output_tokens: record.usage.total_output(),
                complete: !record.flags.estimated && record.outcome == "answered",
                outcome: record.outcome.into_owned(),
            })
            .collect()
    }
}

/// A gateway that serves. Dropped, it stops.
pub(crate) struct Road {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Arc<Ledger>,
    drain: Drain,
    stopped: CancellationToken,
    core: Option<JoinHandle<()>>,
}

impl Road {
    /// Serves the model `m` by these targets.
    pub(crate) fn to(targets: Vec<Arc<Target>>) -> Self {
        Self::with(model(targets))
    }

    /// Serves this model.
    pub(crate) fn with(model: Model) -> Self {
        Self::start(snapshot(vec![model]))
    }

    /// Serves this configuration.
    pub(crate) fn start(snapshot: Snapshot) -> Self {
        Self::tuned(snapshot, 512 << 20, Timings::default())
    }

    /// Serves with so much memory and so much patience.
    pub(crate) fn tuned(snapshot: Snapshot, memory: usize, timings: Timings) -> Self {
        Self::clocked(snapshot, (memory, timings), WallClock::default())
    }

    /// Serves by that clock.
    pub(crate) fn clocked(
        snapshot: Snapshot,
        (memory, timings): (usize, Timings),
        clock: WallClock,
    ) -> Self {
        let ledger = Arc::new(Ledger::default());
        let (notices, _unread) = Notices::new();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            hasher: hasher(),
            memory: Memory::new(memory),
            accounts: Accounts::new(),
            choice: Choice::default(),
            telemetry: Telemetry::default(),
            reasoning: gateway::reasoning::Store::default(),
            stored: gateway::stored::Stored::default(),
            notices,
            timings,
            clock,
            degraded: ArcSwap::default(),
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = listener::bind(any, 1).unwrap().remove(0);
        let address = socket.local_addr().unwrap();
        let (drain, stopped) = (Drain::new(), CancellationToken::new());
        let core = std::thread::spawn({
            let (shared, journal) = (Arc::clone(&shared), Arc::clone(&ledger));
            let end = (drain.clone(), stopped.clone());
            move || run(socket, (shared, journal), end)
        });
        Self {
            address,
            shared,
            ledger,
            drain,
            stopped,
            core: Some(core),
        }
    }

    /// Waits until so many requests are settled, and says how they ended.
    pub(crate) async fn settled(&self, count: usize) -> Vec<Settled> {
        let what = format!("{count} settled");
        until(&what, || self.ledger.settled().len() >= count).await;
        let settled = self.ledger.settled();
        assert_eq!(settled.len(), count, "{settled:?}");
        settled
    }

    /// Waits until one request is settled, and gives its record.
    pub(crate) async fn settled_record(&self) -> Exchange {
        self.settled(1).await;
        self.ledger.closed().remove(0)
    }

    /// Waits until the one request is settled, dispatched once and settled once, and says how it ended.
    pub(crate) async fn outcome(&self) -> String {
        let settled = self.settled(1).await.remove(0);
        assert_eq!(self.ledger.dispatched(), [settled.id.as_str()]);
        settled.outcome
    }

    /// Lets nobody in any more and finishes what is under way.
    pub(crate) fn drain(&self) -> Drain {
        self.drain.begin();
        self.drain.clone()
    }

    /// Waits until no memory is lent.
    pub(crate) async fn at_rest(&self) {
        until("no memory is lent", || self.shared.memory.held() == 0).await;
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.drain.begin();
        self.stopped.cancel();
        if let Some(core) = self.core.take() {
            let ended = core.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the core fell");
        }
    }
}

/// One core.
fn run(
    socket: std::net::TcpListener,
    (shared, ledger): (Arc<Shared>, Arc<Ledger>),
    (drain, stopped): (Drain, CancellationToken),
) {
    static TLS: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    let tls = TLS.get_or_init(|| gateway::tls::client_config(&[]).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks = Tasks::new();
        let gateway = Gateway {
            shared,
            journal: ledger,
            upstream: Upstream::new(UpstreamConfig::new(Arc::clone(tls)), tasks.clone()),
            tasks: tasks.clone(),
        };
        let service = move |request, _| gateway::serve::serve(gateway.clone(), request);
        let door = Door::new(DoorOptions::default());
        listener::serve(socket, door, service, tasks, drain)
            .await
            .unwrap();
        // What was under way when the drain began goes on.
        stopped.cancelled().await;
    });
}
