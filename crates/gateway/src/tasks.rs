//! The only place that spawns.
//!
//! Every task of the gateway is entered in one tracker, so that a shutdown can wait for what must
//! still be finished (a settlement, a connection). A panic ends the task it happened in and nothing
//! else. Nothing here may detach a task from the tracker.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// Where tasks are started and waited for. Cheap to clone; clones share the tracker.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// A tracker without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` on the current runtime. Must be called from within one.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Says that [`Tasks::wait`] may return as soon as no task is left. Tasks can still be started.
    pub fn close(&self) {
        self.tracker.close();
    }

    /// Waits until the tracker is closed and every task has ended.
    pub async fn wait(&self) {
        self.tracker.wait().await;
    }

    /// How many tasks run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether no task runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }
}

/// hyper starts one task for each HTTP/2 stream through this.
impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.tracker.spawn(task);
    }
}
