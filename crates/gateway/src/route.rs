//! The walk along a plan: which target is tried next, given how the last attempt failed.
//!
//! Moves on before it repeats: a healthy next target costs the client less time
//! than a second try on one that just failed. Pure: waiting is the caller's.

use std::sync::Arc;
use std::time::Duration;

use policy::failure::{AttemptFailure, Next};
use policy::model::{Model, Recovery, Target};
use policy::plan::Plan;

/// Where a request is on its plan.
pub(crate) struct Route {
    model: Arc<Model>,
    targets: Vec<Arc<Target>>,
    at: usize,
    /// Attempts made on the target at `at`.
    tries_here: u32,
    /// Attempts made.
    attempts: u32,
    /// Whether the one further attempt that may be billed has been used.
    rebilled: bool,
    /// Whether the special fallbacks were entered, which happens once.
    diverted: bool,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Try the target at hand, after this wait at most.
    Try {
        /// Upper bound of the wait; the caller draws below it.
        backoff: Duration,
    },
    /// Nothing is left to try.
    Stop,
}

impl Route {
    /// The start of a plan.
    #[must_use]
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            model: Arc::clone(&plan.model),
            targets: plan
                .steps
                .iter()
                .map(|step| Arc::clone(&step.target))
                .collect(),
            at: 0,
            tries_here: 0,
            attempts: 0,
            rebilled: false,
            diverted: false,
        }
    }

    /// The target at hand.
    #[must_use]
    pub(crate) fn target(&self) -> Option<&Arc<Target>> {
        self.targets.get(self.at)
    }

    /// Counts an attempt on the target at hand.
    pub(crate) fn count(&mut self) {
        self.attempts += 1;
        self.tries_here += 1;
    }

    /// Leaves the target at hand, which cannot carry the request; no attempt was made.
    pub(crate) fn pass(&mut self) -> Move {
        self.onward().unwrap_or(Move::Stop)
    }

    /// Decides what follows a failed attempt; `another_key` says whether the target at hand
    /// may be shown another credential, for which the failure says nothing.
    pub(crate) fn after(&mut self, failure: AttemptFailure, another_key: bool) -> Move {
        if self.attempts >= self.model.retry.max_attempts {
            return Move::Stop;
        }
        if another_key {
            self.tries_here = 0;
            return Move::Try {
                backoff: Duration::ZERO,
            };
        }
        if failure.may_be_billed() {
            if self.model.recovery == Recovery::Off || self.rebilled {
                return Move::Stop;
            }
            self.rebilled = true;
            return self.onward().unwrap_or(Move::Try {
                backoff: Duration::ZERO,
            });
        }
        match failure.next() {
            Next::Plan => self
                .onward()
                .or_else(|| self.again(failure))
                .unwrap_or(Move::Stop),
            Next::ContextWindow => self.divert(self.model.fallback.context_window.clone()),
            Next::ContentPolicy => self.divert(self.model.fallback.content_policy.clone()),
            Next::Nothing => Move::Stop,
        }
    }

    fn onward(&mut self) -> Option<Move> {
        self.targets.get(self.at + 1)?;
        self.at += 1;
        self.tries_here = 0;
        Some(Move::Try {
            backoff: Duration::ZERO,
        })
    }

    fn again(&self, failure: AttemptFailure) -> Option<Move> {
        let retry = &self.model.retry;
        if !failure.same_target() || self.tries_here > retry.same_target {
            return None;
        }
        let doublings = self.tries_here.saturating_sub(1).min(16);
        Some(Move::Try {
            backoff: (retry.backoff_initial * 2u32.pow(doublings)).min(retry.backoff_max),
        })
    }

    fn divert(&mut self, targets: Vec<Arc<Target>>) -> Move {
        if self.diverted || targets.is_empty() {
            return Move::Stop;
        }
        self.diverted = true;
        self.targets = targets;
        self.at = 0;
        self.tries_here = 0;
        Move::Try {
            backoff: Duration::ZERO,
        }
    }
}
