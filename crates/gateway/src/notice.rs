//! What operators are told beside answers, records and figures.

use std::sync::Arc;

use policy::health::Cause;
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
    /// A target failed too often and is left alone, or is well again.
    Breaker {
        /// `provider/model`
        target: Arc<str>,
        /// When it is tried again, in milliseconds since 1970; none where it is well.
        open_until_ms: Option<i64>,
    },
    /// A credential is out of use.
    Credential {
        /// The target at which that was found, `provider/model`.
        target: Arc<str>,
        /// What stands for the credential.
        name: Arc<str>,
        /// Why.
        cause: Cause,
        /// When it is shown again, in milliseconds since 1970.
        until_ms: i64,
    },
    /// A provider does not have a model any more.
    ModelGone {
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
