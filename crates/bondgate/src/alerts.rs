//! Alerts: what operators are told, each once, beside records and figures.
//!
//! ```text
//! road ──notices──┐                         ┌─▶ receiver "webhook": queue ─▶ signed POST, tried again
//! auditor ──tell──┼─▶ desk: once each ─▶ say┤
//! parts ──health──┘                         └─▶ receiver "slack":   queue ─▶ POST, tried again
//! ```
//!
//! All of it runs on one thread of its own: a receiver that is slow, a name that does not resolve
//! or a disk that hangs delays alerts and nothing else. Who tells something never waits. Every queue
//! is bounded; beyond it the oldest goes, and is counted. A credential within a URL is never said.

mod alert;
mod format;
mod queue;
mod receiver;
mod text;
mod told;
mod troubles;
mod upstream;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use gateway::notice::Notice;
use gateway::tasks::Tasks;
use gateway::upstream::{Upstream, UpstreamConfig};
use parking_lot::Mutex;
use policy::accounts::Balance;
use policy::control::Part;
use policy::secret::Secret;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

pub use alert::{Alert, Kind, Severity};

use crate::config::{Alerts, Webhook};
use crate::say::say;
use format::Said;
use queue::Queue;
use receiver::{Receiver, To};
use told::Told;
use troubles::Troubles;

/// The file in the data folder that says what was told.
pub const FILE: &str = "alerts.jsonl";

/// What may wait for the desk, and for each receiver.
const WAITING_MAX: usize = 1024;

/// How often what is over is forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// How long receivers may take to be told what is left when the program ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How often and how long things are tried.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often parts are looked at.
    pub look: Duration,
    /// How long a part must be unwell, or well again, before that is told.
    pub patience: Duration,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long one try may take, connecting included.
    pub timeout: Duration,
    /// How many times an alert is tried.
    pub tries_max: u32,
    /// The first pause between tries; each next one is twice as long, less up to half at random.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl Default for Pace {
    /// Looks each second, 5 s of patience; 8 tries of 10 s (5 s to connect), pauses from 1 s to 60 s.
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            patience: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            tries_max: 8,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
        }
    }
}

/// What alerts are made from and sent with.
pub struct Setup {
    /// What the road notices.
    pub notices: mpsc::Receiver<Notice>,
    /// How all parts are that store something, the same ones each time; must not wait.
    pub health: Box<dyn Fn() -> Vec<Part> + Send>,
    /// The data folder; the file [`FILE`] is made there.
    pub data: PathBuf,
    /// The way out: TLS and proxy, as to providers.
    pub upstream: UpstreamConfig,
    /// How often and how long things are tried.
    pub pace: Pace,
}

/// How many alerts came to what, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// A receiver took it; an alert to two receivers counts twice.
    pub sent: u64,
    /// A try that failed and was followed by another.
    pub retried: u64,
    /// No try worked, or one was refused for good.
    pub given_up: u64,
    /// Dropped where too many waited.
    pub dropped: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

/// The alerts of a running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    inbox: Queue<Word>,
    settings: Arc<ArcSwap<Alerts>>,
    counters: Arc<Counters>,
    stopping: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is told to the desk.
enum Word {
    Alert(Box<Alert>),
    Reached(Vec<Balance>),
}

/// Starts the thread of alerts.
///
/// # Errors
/// Where the system gives no thread or no event loop.
pub fn start(setup: Setup, alerts: &Alerts) -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = Handle(Arc::new(Inner {
        inbox: Queue::new(WAITING_MAX),
        settings: Arc::new(ArcSwap::from_pointee(copy(alerts))),
        counters: Arc::default(),
        stopping: CancellationToken::new(),
        thread: Mutex::default(),
    }));
    let inner = Arc::clone(&handle.0);
    let thread = thread::Builder::new().name("alerts".to_owned());
    let thread = thread.spawn(move || runtime.block_on(run(&inner, setup)))?;
    *handle.0.thread.lock() = Some(thread);
    Ok(handle)
}

impl Handle {
    /// Tells an alert, unless it was told already. Never waits.
    pub fn tell(&self, alert: Alert) {
        self.say(Word::Alert(Box::new(alert)));
    }

    /// Tells the steps that these accounts have reached, unless they were told already: what the
    /// last process had no time to tell. For the start, after the accounts are built from the ledger.
    pub fn reached(&self, mut balances: Vec<Balance>) {
        balances.retain(|balance| !balance.limit.alert_at_percent.is_empty());
        self.say(Word::Reached(balances));
    }

    /// Tells these receivers from now on.
    pub fn follow(&self, alerts: &Alerts) {
        self.0.settings.store(Arc::new(copy(alerts)));
    }

    /// How many alerts came to what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counters = &self.0.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            sent: read(&counters.sent),
            retried: read(&counters.retried),
            given_up: read(&counters.given_up),
            dropped: read(&counters.dropped),
        }
    }

    /// Tells what is left, for some seconds at most, and ends the thread. Waits for that.
    pub fn stop(&self) {
        self.0.stopping.cancel();
        let thread = self.0.thread.lock().take();
        // A thread that panicked has said so; there is nothing left to wait for.
        let _ = thread.map(JoinHandle::join);
    }

    fn say(&self, word: Word) {
        if self.0.inbox.push(word).is_some() {
            self.0.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn run(inner: &Inner, setup: Setup) {
    let tasks = Tasks::new();
    let closing = CancellationToken::new();
    let told = Told::open(setup.data.join(FILE), now_ms());
    let told = Arc::new(Mutex::new(told));
    let upstream = Upstream::new(setup.upstream, tasks.clone());
    let receivers = [To::Webhook, To::Slack].map(|to| {
        let receiver = Arc::new(Receiver {
            to,
            queue: Queue::new(WAITING_MAX),
            full: AtomicBool::new(false),
            settings: Arc::clone(&inner.settings),
            told: Arc::clone(&told),
            counters: Arc::clone(&inner.counters),
            pace: setup.pace,
        });
        tasks.spawn(Arc::clone(&receiver).run(upstream.clone(), closing.clone()));
        receiver
    });
    drop(upstream);
    let desk = Desk {
        settings: &inner.settings,
        told,
        receivers,
    };
    desk.serve(inner, setup.notices, (setup.health, setup.pace))
        .await;
    closing.cancel();
    tasks.close();
    let _ = tokio::time::timeout(LAST_WORDS, tasks.wait()).await;
}

/// Where everything comes in, and goes to the receivers once.
struct Desk<'a> {
    settings: &'a ArcSwap<Alerts>,
    told: Arc<Mutex<Told>>,
    receivers: [Arc<Receiver>; 2],
}

impl Desk<'_> {
    async fn serve(
        &self,
        inner: &Inner,
        mut notices: mpsc::Receiver<Notice>,
        (health, pace): (Box<dyn Fn() -> Vec<Part> + Send>, Pace),
    ) {
        let (start, mut tidied) = (Instant::now(), Instant::now());
        let mut troubles = Troubles::new(pace.patience);
        let mut look = tokio::time::interval(pace.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut road_is_there = true;
        while !inner.stopping.is_cancelled() {
            tokio::select! {
                () = inner.stopping.cancelled() => {}
                notice = notices.recv(), if road_is_there => match notice {
                    Some(notice) => self.take(Alert::notice(&notice, now_ms())),
                    None => road_is_there = false,
                },
                word = inner.inbox.pop() => self.hear(word),
                _ = look.tick() => {
                    for alert in troubles.look(&health(), start.elapsed(), |part| self.is_open(part)) {
                        self.take(alert);
                    }
                    if tidied.elapsed() >= TIDY {
                        tidied = Instant::now();
                        self.told.lock().tidy(now_ms());
                    }
                }
            }
        }
        while let Ok(notice) = notices.try_recv() {
            self.take(Alert::notice(&notice, now_ms()));
        }
        while let Some(word) = inner.inbox.try_pop() {
            self.hear(word);
        }
    }

    fn hear(&self, word: Word) {
        match word {
            Word::Alert(alert) => self.take(*alert),
            Word::Reached(balances) => {
                let now_ms = now_ms();
                for balance in balances {
                    Alert::steps(&balance, now_ms)
                        .into_iter()
                        .for_each(|alert| self.take(alert));
                }
            }
        }
    }

    fn is_open(&self, part: &str) -> bool {
        self.told.lock().is_open(&alert::trouble_key(part))
    }

    fn take(&self, alert: Alert) {
        let at_ms = now_ms();
        let fresh = self.told.lock().begin("log", &alert.key, alert.once, at_ms);
        if fresh {
            say(&format!("alert ({}): {}", alert.kind, alert.message));
        }
        let time = u64::try_from(at_ms).unwrap_or_default();
        let id = Ulid::from_parts(time, fastrand::u128(..)).to_string();
        let said = Arc::new(Said { id, at_ms, alert });
        let settings = self.settings.load();
        for receiver in &self.receivers {
            if receiver.to.is_configured(&settings) {
                receiver.offer(Arc::clone(&said));
            }
        }
    }
}

/// The settings have no `Clone`, so that no secret is copied by accident.
fn copy(alerts: &Alerts) -> Alerts {
    let again = |secret: &Secret| Secret::new(secret.reveal().to_owned());
    Alerts {
        webhook: alerts.webhook.as_ref().map(|webhook| Webhook {
            url: again(&webhook.url),
            secret: again(&webhook.secret),
        }),
        slack: alerts.slack.as_ref().map(again),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
