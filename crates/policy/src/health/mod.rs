//! How targets and credentials are, as the gateway's own requests found them.
//!
//! Shared by all cores; locks are held for a few instructions and never over a wait. What is known
//! stays over a reload of the configuration: a target is known by its name, a credential by its
//! secret. Time is how long ago some fixed moment was, as the caller counts it.

mod breaker;
mod credentials;
mod latency;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::failure::AttemptFailure;
use crate::model::Target;
use crate::provider::Auth;
use crate::secret::ProviderKey;

pub use breaker::{Breaker, BreakerRules, Change, End, Gate};
pub use credentials::{Credentials, Place, STRIKES};
pub use latency::Latency;

/// Most targets that are known. Names that callers choose freely may be many: further ones are held
/// to be well until those that nobody uses are forgotten.
const TARGETS_MAX: usize = 10_000;

/// What is known of all targets and credentials.
#[derive(Default)]
pub struct Health {
    targets: papaya::HashMap<Arc<str>, Arc<TargetHealth>, RandomState>,
    credentials: Credentials,
}

/// Why a target or credential is not used, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When it may be used again.
    pub until: Duration,
    /// Why.
    pub cause: Cause,
}

/// Why a target or credential is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It failed too often: its breaker is open.
    Breaker,
    /// Its provider refused the credential too often.
    Quarantined,
    /// A quota or credit is used up.
    Exhausted,
    /// Its provider lets no more through for the moment.
    RateLimited,
}

impl Cause {
    /// The word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::Breaker => "breaker_open",
            Cause::Quarantined => "credential_quarantined",
            Cause::Exhausted => "exhausted",
            Cause::RateLimited => "rate_limited",
        }
    }
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be tried.
    Well,
    /// It may be tried, and its last try failed a moment ago.
    Failing,
    /// It may be tried once, to see whether it is well again.
    ProbeDue,
    /// It may not be tried.
    Closed(Closed),
}

/// What is known of one target.
#[derive(Debug, Default)]
pub struct TargetHealth {
    busy: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    latency: Latency,
    used: Duration,
}

impl Health {
    /// How a target is, its credentials included.
    #[must_use]
    pub fn standing(&self, target: &Target, now: Duration) -> Standing {
        if let Err(closed) = self.credential(target, now) {
            return Standing::Closed(closed);
        }
        let targets = self.targets.pin();
        let Some(known) = targets.get(target.name()) else {
            return Standing::Well;
        };
        let state = known.state.lock();
        match state.breaker.gate(now) {
            Gate::Open { until } => Standing::Closed(Closed {
                until,
                cause: Cause::Breaker,
            }),
            Gate::Probe => Standing::ProbeDue,
            Gate::Closed if state.breaker.is_failing(now) => Standing::Failing,
            Gate::Closed => Standing::Well,
        }
    }

    /// Whether one of a target's credentials may be shown; the soonest of their times where none may.
    fn credential(&self, target: &Target, now: Duration) -> Result<(), Closed> {
        let provider = &target.provider;
        if provider.keys.is_empty() || provider.auth == Auth::None {
            return Ok(());
        }
        let mut soonest: Option<Closed> = None;
        for key in &provider.keys {
            match self.check(key, target, now) {
                Ok(()) => return Ok(()),
                Err(closed) if soonest.is_none_or(|soon| closed.until < soon.until) => {
                    soonest = Some(closed);
                }
                Err(_) => {}
            }
        }
        soonest.map_or(Ok(()), Err)
    }

    /// Whether a credential may be shown at a target.
    ///
    /// # Errors
    /// [`Closed`] with the time and cause.
    pub fn check(&self, key: &ProviderKey, target: &Target, now: Duration) -> Result<(), Closed> {
        self.credentials.check(key.identity(), target.number(), now)
    }

    /// Begins a try at a target with that credential. It is under way until the ticket is dropped.
    ///
    /// # Errors
    /// [`Closed`] where its breaker lets nothing through, or another request shows the credential.
    pub fn begin(
        &self,
        target: &Target,
        key: Option<&ProviderKey>,
        now: Duration,
    ) -> Result<Ticket, Closed> {
        let known = self.known(target, now);
        let gate = {
            let mut state = known.state.lock();
            state.used = now;
            state.breaker.enter(now)
        };
        if let Gate::Open { until } = gate {
            let cause = Cause::Breaker;
            return Err(Closed { until, cause });
        }
        let credential = key.map(ProviderKey::identity);
        let taken = credential.map_or(Ok(()), |credential| {
            self.credentials.take(credential, target.number(), now)
        });
        if let Err(closed) = taken {
            if gate == Gate::Probe {
                known.state.lock().breaker.give_back();
            }
            return Err(closed);
        }
        known.busy.fetch_add(1, Ordering::Relaxed);
        Ok(Ticket {
            known,
            target: target.number(),
            credential,
            probe: gate == Gate::Probe,
            answered: None,
        })
    }

    /// A try began to answer, so long after it had begun.
    pub fn answered(
        &self,
        ticket: &mut Ticket,
        (now, took): (Duration, Duration),
        rules: &BreakerRules,
    ) -> Option<Change> {
        if let Some(credential) = ticket.credential {
            self.credentials.good(credential, ticket.target, now);
        }
        let probe = std::mem::take(&mut ticket.probe);
        ticket.answered = (!probe).then_some(now);
        let mut state = ticket.known.state.lock();
        state.latency.observe(now, took);
        state.breaker.end((now, probe), End::Good, rules)
    }

    /// A try failed; one that broke after it had begun to answer counts as that alone.
    pub fn failed(
        &self,
        ticket: &mut Ticket,
        (now, failed): (Duration, &Failed),
        rules: &BreakerRules,
    ) -> Found {
        let closed = self.put_aside(ticket, now, failed);
        let Some(end) = failed.end() else {
            // It says nothing of the target: a probe was none.
            if std::mem::take(&mut ticket.probe) {
                ticket.known.state.lock().breaker.give_back();
            }
            return Found {
                closed,
                change: None,
            };
        };
        let probe = std::mem::take(&mut ticket.probe);
        let mut state = ticket.known.state.lock();
        if let End::Bad { .. } = end {
            state.latency.at_least(now, failed.took);
        }
        if let Some(then) = ticket.answered.take() {
            state.breaker.take_back(then, rules);
        }
        let change = state.breaker.end((now, probe), end, rules);
        Found { closed, change }
    }

    fn put_aside(&self, ticket: &Ticket, now: Duration, failed: &Failed) -> Option<Closed> {
        let credential = ticket.credential?;
        let here = Some(ticket.target);
        let place = |everywhere: bool| Place {
            credential,
            target: here.filter(|_| !everywhere),
        };
        let (known, told) = (&self.credentials, failed.retry_after);
        match failed.kind {
            AttemptFailure::Credential => known.refused(place(!failed.at_target), now),
            AttemptFailure::Exhausted => known.exhausted(place(!failed.at_target), now, told),
            AttemptFailure::RateLimited => known.limited(place(false), now, told),
            AttemptFailure::NotSent
            | AttemptFailure::Overloaded
            | AttemptFailure::BadRequest
            | AttemptFailure::ModelGone
            | AttemptFailure::ContextWindow
            | AttemptFailure::ContentPolicy
            | AttemptFailure::Ambiguous
            | AttemptFailure::MidStream => None,
        }
    }

    /// An answer said that nothing of a limit remains, which is renewed after that time.
    pub fn emptied(&self, ticket: &Ticket, now: Duration, renewed: Duration) {
        if let Some(credential) = ticket.credential {
            let target = Some(ticket.target);
            let place = Place { credential, target };
            self.credentials.limited(place, now, Some(renewed));
        }
    }

    /// Tries under way at a target.
    #[must_use]
    pub fn busy(&self, target: &Target) -> u32 {
        let targets = self.targets.pin();
        let known = targets.get(target.name());
        known.map_or(0, |known| known.busy.load(Ordering::Relaxed))
    }

    /// What a further try at a target costs in time, as a number to compare: its latency times the
    /// tries that share it. One that was never measured costs nothing at first, and everything while
    /// its first try is under way.
    #[must_use]
    pub fn load(&self, target: &Target, now: Duration) -> f64 {
        let targets = self.targets.pin();
        let Some(known) = targets.get(target.name()) else {
            return 0.0;
        };
        let latency = known.state.lock().latency.faded(now);
        let busy = known.busy.load(Ordering::Relaxed);
        if latency <= 0.0 && busy > 0 {
            return f64::MAX;
        }
        latency * (f64::from(busy) + 1.0)
    }

    fn known(&self, target: &Target, now: Duration) -> Arc<TargetHealth> {
        let targets = self.targets.pin();
        if let Some(known) = targets.get(target.name()) {
            return Arc::clone(known);
        }
        if targets.len() >= TARGETS_MAX {
            targets.retain(|_, known| known.is_of_use(now));
            if targets.len() >= TARGETS_MAX {
                return Arc::default();
            }
        }
        let name = Arc::clone(target.name());
        Arc::clone(targets.get_or_insert_with(name, Arc::default))
    }
}

impl TargetHealth {
    /// Whether it is worth remembering: something is under way, or its breaker is open, or it was used
    /// within ten minutes.
    fn is_of_use(&self, now: Duration) -> bool {
        let state = self.state.lock();
        self.busy.load(Ordering::Relaxed) > 0
            || state.breaker.gate(now) != Gate::Closed
            || now.saturating_sub(state.used) < Duration::from_secs(600)
    }
}

/// How a try failed, as far as health asks.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What kind.
    pub kind: AttemptFailure,
    /// Whether it says something of the credential at that target alone.
    pub at_target: bool,
    /// When the provider asks to come back.
    pub retry_after: Option<Duration>,
    /// How long the try took.
    pub took: Duration,
}

impl Failed {
    /// What it says of the target itself; none where it says only something of a credential.
    fn end(&self) -> Option<End> {
        match self.kind {
            AttemptFailure::NotSent
            | AttemptFailure::Overloaded
            | AttemptFailure::ModelGone
            | AttemptFailure::Ambiguous
            | AttemptFailure::MidStream => Some(End::Bad {
                retry_after: self.retry_after,
            }),
            AttemptFailure::BadRequest
            | AttemptFailure::ContextWindow
            | AttemptFailure::ContentPolicy => Some(End::Good),
            AttemptFailure::RateLimited
            | AttemptFailure::Exhausted
            | AttemptFailure::Credential => None,
        }
    }
}

/// What a failed try changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The credential is out of use, everywhere or at that target.
    pub closed: Option<Closed>,
    /// The target's breaker opened or closed.
    pub change: Option<Change>,
}

/// A try under way. Dropped, it is over; a probe that came to no end lets another one through.
#[derive(Debug)]
pub struct Ticket {
    known: Arc<TargetHealth>,
    target: u64,
    credential: Option<u64>,
    probe: bool,
    /// When it began to answer, where that was counted.
    answered: Option<Duration>,
}

impl Ticket {
    /// Whether it is the one try that an open breaker let through.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.known.busy.fetch_sub(1, Ordering::Relaxed);
        if self.probe {
            self.known.state.lock().breaker.give_back();
        }
    }
}
