//! One core: its thread, its runtime, its socket, its connections to providers.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gateway::listener::{self, Door, Drain};
use gateway::tasks::Tasks;
use gateway::upstream::{Upstream, UpstreamConfig};
use gateway::{Gateway, Shared, serve};
use store::journal::Recorder;
use tokio_util::sync::CancellationToken;

use super::event_loop;
use crate::say::say;

/// How long tasks that are left when the answers have ended may take.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// What one core serves with.
pub(super) struct Core {
    pub(super) number: usize,
    pub(super) socket: TcpListener,
    pub(super) door: Door,
    pub(super) upstream: UpstreamConfig,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Arc<dyn Recorder>,
    pub(super) drain: Drain,
    pub(super) stopped: CancellationToken,
}

impl Core {
    pub(super) fn start(self) -> Result<JoinHandle<()>> {
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
            journal: self.journal,
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
