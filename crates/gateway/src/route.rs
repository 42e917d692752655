//! The walk along a plan: which target is tried next, given how the last attempt failed.
//!
//! Moves on before it repeats: a healthy next target costs the client less time
//! than a second try on one that just failed. Pure: waiting is the caller's.

use std::sync::Arc;
use std::time::Duration;

use dialect::Spoken;
use dialect::needs::{Need, Needs};
use policy::failure::{AttemptFailure, Next};
use policy::model::{Model, Recovery, Target};
use policy::plan::Plan;

use crate::admit::Admitted;
use crate::screen::Screened;

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
    /// The dialect in which the client asks its provider to keep the answer, if it does.
    stores: Option<Spoken>,
    /// Whether the special fallbacks were entered, which happens once.
    diverted: bool,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Try the target at hand, after this wait.
    Try {
        /// How long.
        wait: Wait,
    },
    /// Nothing is left to try.
    Stop,
}

/// How long to wait before a try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    /// So long in any case.
    pub at_least: Duration,
    /// And a part of this that the caller draws.
    pub up_to: Duration,
}

/// At once.
const NOW: Move = Move::Try {
    wait: Wait {
        at_least: Duration::ZERO,
        up_to: Duration::ZERO,
    },
};

/// What a provider keeps or does beside its answer: nothing of that is asked for twice.
const STATEFUL: [Need; 4] = [
    Need::HostedTools,
    Need::StoredFile,
    Need::ServerState,
    Need::Background,
];

/// Whether the request names what its provider keeps or runs, by its head or by a word in its body.
#[must_use]
pub(crate) fn names_kept(screened: &Screened) -> bool {
    let admitted = &screened.admitted;
    let server = admitted.call.speech.dialect.server();
    is_stateful(&admitted.head.needs) || server.media(&screened.body.bytes).unbounded.is_some()
}

fn is_stateful(needs: &Needs) -> bool {
    STATEFUL.into_iter().any(|need| needs.has(need))
}

impl Route {
    /// The start of a plan for a request.
    #[must_use]
    pub(crate) fn new(plan: &Plan, admitted: &Admitted) -> Self {
        let head = &admitted.head;
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
            rebilled: is_stateful(&head.needs),
            stores: head.stores.then_some(admitted.call.speech.dialect),
            diverted: false,
        }
    }

    /// The target at hand.
    #[must_use]
    pub(crate) fn target(&self) -> Option<&Arc<Target>> {
        self.targets.get(self.at)
    }

    /// Whether nothing was tried yet.
    #[must_use]
    pub(crate) fn is_first(&self) -> bool {
        self.attempts == 0
    }

    /// Whether the target at hand was tried just now.
    #[must_use]
    pub(crate) fn is_repeated(&self) -> bool {
        self.tries_here > 0
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
    ///
    /// `retry_after` is when the provider asks to come back.
    pub(crate) fn after(
        &mut self,
        failure: AttemptFailure,
        another_key: bool,
        retry_after: Option<Duration>,
    ) -> Move {
        if self.attempts >= self.model.retry.max_attempts {
            return Move::Stop;
        }
        if another_key {
            self.tries_here = 0;
            return NOW;
        }
        if failure.may_be_billed() {
            if self.model.recovery == Recovery::Off || self.rebilled || self.may_be_kept(failure) {
                return Move::Stop;
            }
            self.rebilled = true;
            return self.onward().unwrap_or(NOW);
        }
        match failure.next() {
            Next::Plan => self
                .onward()
                .or_else(|| self.again(failure, retry_after))
                .unwrap_or(Move::Stop),
            Next::ContextWindow => self.divert(self.model.fallback.context_window.clone()),
            Next::ContentPolicy => self.divert(self.model.fallback.content_policy.clone()),
            Next::Nothing => Move::Stop,
        }
    }

    /// Nothing of the request is asked for twice where it may already be under way.
    pub(crate) fn ask_once(&mut self) {
        self.rebilled = true;
    }

    /// Whether the target at hand may have made an answer that it keeps, and nobody saw.
    fn may_be_kept(&self, failure: AttemptFailure) -> bool {
        let spoken = self.target().map(|target| target.provider.spoken());
        failure == AttemptFailure::Ambiguous && self.stores.is_some() && self.stores == spoken
    }

    fn onward(&mut self) -> Option<Move> {
        self.targets.get(self.at + 1)?;
        self.at += 1;
        self.tries_here = 0;
        Some(NOW)
    }

    fn again(&self, failure: AttemptFailure, retry_after: Option<Duration>) -> Option<Move> {
        let retry = &self.model.retry;
        if self.tries_here > retry.same_target {
            return None;
        }
        // What is limited for a moment is waited for; what is limited for longer is left.
        if failure == AttemptFailure::RateLimited {
            let at_least = retry_after.filter(|after| *after <= retry.backoff_max)?;
            let up_to = retry.backoff_initial;
            return Some(Move::Try {
                wait: Wait { at_least, up_to },
            });
        }
        if !failure.same_target() {
            return None;
        }
        let doublings = self.tries_here.saturating_sub(1).min(16);
        let up_to = retry.backoff_initial.saturating_mul(1 << doublings);
        Some(Move::Try {
            wait: Wait {
                at_least: Duration::ZERO,
                up_to: up_to.min(retry.backoff_max),
            },
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
        NOW
    }
}
