//! What operators are told beside answers, records and figures.

use std::sync::Arc;

use policy::limit::Limit;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Notices that may wait; further ones are dropped, since the same is said again when it happens again.
const WAITING_MAX: usize = 1024;

/// Something that operators want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A step of a limit was reached; told once a window.
    Limit {
        /// The limit.
        limit: Arc<Limit>,
        /// The bucket within it; empty where it has one for all.
        bucket: Arc<str>,
        /// When the window began, in milliseconds since 1970.
        window_ms: i64,
        /// The step, in per cent.
        percent: u8,
        /// What is settled.
        settled: i64,
    },
    /// A target was used whose price is unknown.
    Unpriced {
        /// `provider/model`
        target: Arc<str>,
    },
}

/// The road's end: it never waits.
#[derive(Clone, Debug)]
pub struct Notices(Sender<Notice>);

impl Notices {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Receiver<Notice>) {
        let (sender, receiver) = channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Says it, unless too much waits already.
    pub(crate) fn tell(&self, notice: Notice) {
        let _ = self.0.try_send(notice);
    }
}
