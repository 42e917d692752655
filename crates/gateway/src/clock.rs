//! The time of a stream: how long it may take, stand still, or leave its client without a sign of life.
//!
//! One timer for all of it, which is not moved with each event: it may wake early and is set again,
//! it is never late. It must not read what an event means; it is told.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::Timings;
use crate::answer::TOTAL;

/// How long an answer may take, and its client be left without a sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When all of it must be over.
    pub deadline: Instant,
    /// The rest.
    pub timings: Timings,
}

/// The timeouts of a stream, on one timer.
pub(crate) struct Clock {
    timer: Option<Pin<Box<Sleep>>>,
    idle: Duration,
    pace: Pace,
    last_said: Instant,
    last_sent: Instant,
}

/// What the clock says.
pub(crate) enum Tick {
    /// The client should be told that it is not forgotten.
    KeepAlive,
    /// The stream has run out of this phase's time.
    TimedOut(&'static str),
}

impl Clock {
    /// Starts now; `idle` is the longest time between two semantic events.
    pub(crate) fn new(idle: Duration, pace: Pace) -> Self {
        let now = Instant::now();
        Self {
            timer: None,
            idle,
            pace,
            last_said: now,
            last_sent: now,
        }
    }

    /// Takes note of a semantic event.
    pub(crate) fn said(&mut self) {
        self.last_said = Instant::now();
    }

    /// Takes note that bytes go out; says whether all of it should be over.
    pub(crate) fn sent(&mut self) -> bool {
        self.last_sent = Instant::now();
        self.last_sent >= self.pace.deadline
    }

    /// Waits for the first of its times to come.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Tick> {
        loop {
            let idle = self.last_said + self.idle;
            let silent = self.last_sent + self.pace.timings.keep_alive;
            let due = idle.min(self.pace.deadline).min(silent);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= self.pace.deadline {
                return Poll::Ready(Tick::TimedOut(TOTAL));
            }
            if now >= idle {
                return Poll::Ready(Tick::TimedOut("idle"));
            }
            if now >= silent {
                self.last_sent = now;
                self.timer = None;
                return Poll::Ready(Tick::KeepAlive);
            }
            timer.as_mut().reset(due);
        }
    }
}
