//! The load generator: a closed loop that keeps connections busy, and an open
//! loop that sends at a stated rate whatever the answers do.
//!
//! In the open loop a latency counts from the schedule where the send was
//! late, so that a stall is felt by all it delayed. Errors are counted, with
//! the first one's words.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::client::Connection;
use super::wire::Wire;

/// A send later than this counts from its schedule: beyond the timer's grain.
const LATE: Duration = Duration::from_millis(2);

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// A prepared request and where it goes.
#[derive(Debug, Clone)]
pub struct Job {
    /// The gateway.
    pub address: SocketAddr,
    /// What the client speaks.
    pub wire: Wire,
    /// The whole HTTP request.
    pub request: Bytes,
    /// A good answer has at least this many events.
    pub events: u64,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Whole answers.
    pub answers: AtomicU64,
    /// Events, those of answers under way too.
    pub events: AtomicU64,
    /// Events of whole answers.
    pub whole_events: AtomicU64,
    /// Answers that were not whole, or none.
    pub errors: AtomicU64,
    first_error: Mutex<Option<String>>,
    stopping: AtomicBool,
}

impl Counts {
    fn failed(&self, error: &anyhow::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut first = self
            .first_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("{error:#}"));
    }

    /// The first error's words.
    pub fn first_error(&self) -> Option<String> {
        self.first_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A closed loop under way.
#[derive(Debug)]
pub struct Closed {
    /// What it has done.
    pub counts: Arc<Counts>,
    workers: JoinSet<()>,
}

impl Closed {
    /// Starts this many connections, spread over `spread`, each with one
    /// request at a time.
    pub fn start(job: &Job, connections: u32, spread: Duration) -> Self {
        let counts = Arc::new(Counts::default());
        let mut workers = JoinSet::new();
        for n in 0..connections {
            let wait = spread * n / connections;
            workers.spawn(work(job.clone(), Arc::clone(&counts), wait));
        }
        Self { counts, workers }
    }

    /// Lets answers under way end, and no more begin.
    pub async fn stop(self) -> Arc<Counts> {
        self.counts.stopping.store(true, Ordering::Relaxed);
        self.workers.join_all().await;
        self.counts
    }
}

async fn work(job: Job, counts: Arc<Counts>, wait: Duration) {
    tokio::time::sleep(wait).await;
    let mut connection = None;
    while !counts.stopping.load(Ordering::Relaxed) {
        let seen = |events| {
            counts.events.fetch_add(events, Ordering::Relaxed);
        };
        match exchange(&job, connection.take(), seen).await {
            Ok((kept, done)) => {
                connection = Some(kept);
                counts.answers.fetch_add(1, Ordering::Relaxed);
                counts
                    .whole_events
                    .fetch_add(done.events, Ordering::Relaxed);
            }
            Err(error) => {
                counts.failed(&error);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Sends at `rate` a second for `length` over this many connections, each with one request at a time:
/// where answers are too slow for that rate fewer are sent, and none pile up.
pub async fn steady(job: Job, rate: u32, length: Duration, connections: u32) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let mut workers = JoinSet::new();
    let start = tokio::time::Instant::now();
    for n in 0..connections {
        let (job, counts) = (job.clone(), Arc::clone(&counts));
        workers.spawn(async move {
            let mut kept = None;
            let mut due = start + Duration::from_secs(1) * n / rate;
            while due < start + length && start.elapsed() < length {
                tokio::time::sleep_until(due).await;
                due += Duration::from_secs(1) * connections / rate;
                match exchange(&job, kept.take(), |_| {}).await {
                    Ok((connection, _)) => {
                        kept = Some(connection);
                        counts.answers.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => counts.failed(&error),
                }
            }
        });
    }
    workers.join_all().await;
    counts
}

/// When an exchange went out, gave its first byte, and ended.
#[derive(Debug, Clone, Copy)]
struct Done {
    sent: Instant,
    first: Instant,
    end: Instant,
    events: u64,
}

async fn exchange(
    job: &Job,
    kept: Option<Connection>,
    seen: impl Fn(u64),
) -> anyhow::Result<(Connection, Done)> {
    let run = async {
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(job.address, job.wire).await?,
        };
        let sent = Instant::now();
        connection.send(&job.request).await?;
        let answer = connection.answer(seen).await?;
        let end = Instant::now();
        anyhow::ensure!(
            answer.events >= job.events,
            "{} events of {}",
            answer.events,
            job.events
        );
        let first = answer.first.unwrap_or(end);
        Ok((
            connection,
            Done {
                sent,
                first,
                end,
                events: answer.events,
            },
        ))
    };
    tokio::time::timeout(PATIENCE, run).await?
}

/// What an open loop saw; times in nanoseconds, sorted.
#[derive(Debug, Default)]
pub struct Latencies {
    /// To the end of each answer.
    pub whole: Vec<u64>,
    /// To the first byte of each body.
    pub first: Vec<u64>,
    /// Answers that were not whole, or none.
    pub errors: u64,
    /// The first error's words.
    pub first_error: Option<String>,
}

/// Sends at `rate` a second for `length`, and waits for what is under way.
pub async fn open(job: &Job, rate: u32, length: Duration) -> Latencies {
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let counts = Arc::new(Counts::default());
    let mut running = JoinSet::new();
    let mut seen = Latencies::default();
    let start = tokio::time::Instant::now();
    let sends = u32::try_from(u128::from(rate) * length.as_millis() / 1000).unwrap_or(u32::MAX);
    for n in 0..sends {
        let due = start + Duration::from_secs(1) * n / rate;
        tokio::time::sleep_until(due).await;
        let (job, idle, counts) = (job.clone(), Arc::clone(&idle), Arc::clone(&counts));
        running.spawn(async move {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match exchange(&job, kept, |_| {}).await {
                Ok((connection, done)) => {
                    idle.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(connection);
                    let late = done.sent.saturating_duration_since(due.into_std()) > LATE;
                    let from = if late { due.into_std() } else { done.sent };
                    Some((done.end - from, done.first.saturating_duration_since(from)))
                }
                Err(error) => {
                    counts.failed(&error);
                    None
                }
            }
        });
        while let Some(Ok(done)) = running.try_join_next() {
            seen.note(done);
        }
    }
    while let Some(Ok(done)) = running.join_next().await {
        seen.note(done);
    }
    seen.whole.sort_unstable();
    seen.first.sort_unstable();
    seen.errors = counts.errors.load(Ordering::Relaxed);
    seen.first_error = counts.first_error();
    seen
}

impl Latencies {
    fn note(&mut self, done: Option<(Duration, Duration)>) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some((whole, first)) = done {
            self.whole.push(nanos(whole));
            self.first.push(nanos(first));
        }
    }
}

/// The value below which this share (0 to 100) of sorted values lies.
pub fn percentile(sorted: &[u64], share: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * share / 100).min(last)).copied()
}
