//! Ending without cutting anybody off.
//!
//! Two steps: no new work (listeners stop, idle connections close, each response in flight is
//! finished), and after the deadline no work at all. It knows connections only: what must outlive
//! them, such as a settlement, waits elsewhere.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The end of serving, shared by all listeners of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    begun: CancellationToken,
    over: CancellationToken,
    open: TaskTracker,
}

impl Drain {
    /// A drain that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins: listeners stop and connections end when they have nothing to do.
    pub fn begin(&self) {
        self.begun.cancel();
        self.open.close();
    }

    /// Whether it has begun; a readiness probe says no from then on.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Begins, and waits until the last connection has ended. Those that are left after `deadline` are
    /// closed. True if none had to be.
    pub async fn finish(&self, deadline: Duration) -> bool {
        self.begin();
        let in_time = tokio::time::timeout(deadline, self.open.wait())
            .await
            .is_ok();
        self.over.cancel();
        self.open.wait().await;
        in_time
    }

    /// How many listeners and connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Counts a listener or connection as open until dropped.
    pub(super) fn enter(&self) -> TaskTrackerToken {
        self.open.token()
    }

    pub(super) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}
