//! Keeps the credentials of providers fresh: a thread and a runtime of its own, away from the road.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use gateway::tasks::Tasks;
use gateway::upstream::sign::renew::{Givers, Renewer, renewed};
use gateway::upstream::{Upstream, UpstreamConfig};
use gateway::{Shared, WallClock};
use policy::snapshot::Snapshot;
use tokio_util::sync::CancellationToken;

use super::{environment, event_loop};
use crate::say::say;

/// How long a start waits for the first credentials; what comes later serves from then on.
const FIRST: Duration = Duration::from_secs(3);

/// The thread.
pub(super) struct Credentials {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Credentials {
    /// Starts it, and waits a moment for the first credentials.
    pub(super) fn start(shared: &Arc<Shared>, upstream: &UpstreamConfig) -> Result<Self> {
        let stop = CancellationToken::new();
        let runtime = event_loop()?;
        let thread = thread::Builder::new().name("credentials".to_owned());
        let thread = thread.spawn({
            let (shared, upstream, stop) = (Arc::clone(shared), upstream.clone(), stop.clone());
            move || {
                runtime.block_on(async {
                    let renewer = renewer(&upstream);
                    renewer.run(&shared.snapshot, stop).await;
                });
            }
        });
        wait_for_first(&shared.snapshot.load());
        Ok(Self {
            stop,
            thread: Some(thread.context("the system gives no thread")?),
        })
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.end();
    }
}

/// The way to those who give credentials, on the runtime at hand.
pub(crate) fn givers(upstream: &UpstreamConfig, tasks: &Tasks) -> Givers {
    let direct = UpstreamConfig {
        proxy: None,
        ..upstream.clone()
    };
    Givers {
        upstream: Upstream::new(upstream.clone(), tasks.clone()),
        direct: Upstream::new(direct, tasks.clone()),
        env: Arc::new(environment),
    }
}

fn renewer(upstream: &UpstreamConfig) -> Renewer {
    let tasks = Tasks::new();
    Renewer {
        givers: givers(upstream, &tasks),
        clock: Arc::new(WallClock::default()),
        tasks,
        tell: Arc::new(say),
    }
}

fn wait_for_first(snapshot: &Snapshot) {
    let began = Instant::now();
    let waits = |snapshot| {
        let mut renewals = renewed(snapshot).filter_map(|(_, key)| key.renewal());
        renewals.any(|renewal| renewal.last().is_none() && renewal.trouble().is_none())
    };
    while waits(snapshot) && began.elapsed() < FIRST {
        thread::sleep(Duration::from_millis(5));
    }
}

/// What is not well, in a sentence each.
pub(super) fn troubles(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    renewed(snapshot).filter_map(|(provider, key)| {
        let why = key.renewal()?.trouble()?;
        Some(format!("credential of {}: {why}", provider.name))
    })
}
