//! What one request holds of all accounts that count it: taken whole, resolved once.
//!
//! `Reserved → Dispatched → Settled`, and `Released` from either. A hold that is
//! dropped resolves itself: released where nothing was sent, else charged in full,
//! since it may be billed. It must never be resolved twice nor leave something held.

use std::sync::Arc;

use thiserror::Error;

use super::book::Cell;
use super::counter::{Closed, Course, Stake, State, Take};
use super::refusal::{Refusal, Room};
use super::view::{self, Remaining};
use crate::limit::{Limit, Resource, Scope};

/// An amount of one account, told by a hold.
#[derive(Clone, Copy, Debug)]
pub struct Share<'h> {
    /// The limit; it says the resource.
    pub limit: &'h Arc<Limit>,
    /// The bucket within it; empty where it has one for all.
    pub bucket: &'h Arc<str>,
    /// When the window began, in milliseconds since 1970.
    pub window_ms: i64,
    /// Nano-dollars, tokens, requests.
    pub amount: i64,
}

/// What one provider billed for a request, over all attempts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Nano-dollars.
    pub money: i64,
    /// Tokens of input and output.
    pub tokens: i64,
    /// Attempts that reached it.
    pub requests: i64,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actual<'a> {
    /// This, by the providers that billed.
    ///
    /// A limit on a provider is charged with that provider's part, every other
    /// one with the sum; as a request of the caller it counts once.
    Billed(&'a [Billed<'a>]),
    /// Nobody knows: what was held is charged.
    Presumed,
}

/// What resolving a hold came to.
#[derive(Clone, Debug, Default)]
pub struct Settlement<'h> {
    /// What was charged, in account-id order; accounts that were charged nothing are left out.
    pub charged: Vec<Share<'h>>,
    /// Accounts that are settled beyond their limit, since the actual was more than was held.
    pub overrun: Vec<Share<'h>>,
    /// Alert steps that were crossed; each is told once a window.
    pub alerts: Vec<Alert<'h>>,
}

/// A share of a limit that is spent.
#[derive(Clone, Copy, Debug)]
pub struct Alert<'h> {
    /// The limit.
    pub limit: &'h Arc<Limit>,
    /// The bucket within it; empty where it has one for all.
    pub bucket: &'h Arc<str>,
    /// When the window began, in milliseconds since 1970.
    pub window_ms: i64,
    /// The step of [`Limit::alert_at_percent`].
    pub percent: u8,
    /// What is settled.
    pub settled: i64,
}

/// Why a hold was not extended. It holds what it held.
#[derive(Clone, Debug, Error)]
pub enum ExtendError {
    /// A limit has no room.
    #[error("{0}")]
    Refused(Refusal),
    /// It is settled or released.
    #[error("the request is settled already, so nothing more is held for it")]
    Resolved,
}

/// What a request holds.
#[derive(Debug)]
pub struct Hold {
    course: Course,
    lines: Vec<Line>,
    would_refuse: Vec<Refusal>,
}

#[derive(Debug)]
struct Line {
    limit: Arc<Limit>,
    cell: Arc<Cell>,
    stake: Stake,
}

/// How a hold ends.
#[derive(Clone, Copy)]
enum Ending<'a> {
    Settled(Actual<'a>),
    Released,
}

impl Hold {
    pub(super) fn with_capacity(lines: usize) -> Self {
        Self {
            course: Course::new(),
            lines: Vec::with_capacity(lines),
            would_refuse: Vec::new(),
        }
    }

    /// Notes what was taken of a counter.
    pub(super) fn push(&mut self, limit: &Arc<Limit>, cell: Arc<Cell>, taken: i64) {
        self.lines.push(Line {
            limit: Arc::clone(limit),
            cell,
            stake: Stake::new(taken),
        });
    }

    /// Notes a limit that would have refused.
    pub(super) fn would_have_refused(&mut self, refusal: Refusal) {
        self.would_refuse.push(refusal);
    }

    /// Gives back everything, requests too: it never was.
    pub(super) fn undo(&self) {
        if self.course.step(State::Reserved, State::Released) {
            for line in &self.lines {
                line.stake.close(&line.cell.counter, |_| 0);
            }
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.course.state()
    }

    /// Limits in mode `report`, and soft ones, that would have refused the request.
    #[must_use]
    pub fn would_refuse(&self) -> &[Refusal] {
        &self.would_refuse
    }

    /// What it holds, in account-id order; nothing once it is resolved.
    pub fn held(&self) -> impl ExactSizeIterator<Item = Share<'_>> {
        let lines = self.lines.iter();
        lines.map(|line| line.share(line.stake.held()))
    }

    /// Of the limits on a resource that refuse and of which it holds something: the one of which
    /// the least is left.
    #[must_use]
    pub fn tightest(&self, resource: Resource) -> Option<Remaining> {
        let lines = self.lines.iter();
        let told = lines.filter(|line| line.limit.resource == resource && line.limit.refuses());
        let remaining = told.map(|line| {
            let (settled, held) = line.cell.counter.read();
            Remaining {
                limit: Arc::clone(&line.limit),
                remaining: view::left(&line.limit, settled, held),
                reset_ms: line.cell.window.end_ms,
            }
        });
        remaining.min_by_key(|one| one.remaining)
    }

    /// From here on the request may be billed. True the first time.
    pub fn dispatch(&self) -> bool {
        self.course.step(State::Reserved, State::Dispatched)
    }

    /// Holds that much more of every account of these resources, or of none.
    ///
    /// # Errors
    /// A limit has no room, or the hold was resolved, which may be meanwhile.
    pub fn extend(&self, more: &[(Resource, i64)]) -> Result<(), ExtendError> {
        if !matches!(self.state(), State::Reserved | State::Dispatched) {
            return Err(ExtendError::Resolved);
        }
        let lines = self.lines.iter().filter_map(|line| {
            let more = super::amount(more, line.limit.resource)?;
            let more = super::countable(more, line.within());
            (more > 0).then_some((line, more))
        });
        for (n, (line, more)) in lines.clone().enumerate() {
            if matches!(line.take(more), Take::Taken { .. }) {
                continue;
            }
            for (taken, more) in lines.clone().take(n) {
                taken.cell.counter.undo(more);
            }
            return Err(ExtendError::Refused(line.refusal(more)));
        }
        // A stake that was closed meanwhile takes nothing more; what was taken for it goes back.
        let mut open = true;
        for (line, more) in lines {
            if !line.stake.add(more) {
                line.cell.counter.undo(more);
                open = false;
            }
        }
        open.then_some(()).ok_or(ExtendError::Resolved)
    }

    /// Charges what the request came to. `None` unless it is dispatched and not resolved.
    pub fn settle(&self, actual: &Actual<'_>) -> Option<Settlement<'_>> {
        let taken = self.course.step(State::Dispatched, State::Settled);
        taken.then(|| self.close(Ending::Settled(*actual)))
    }

    /// Gives back what is held: nothing was billed. The request itself stays
    /// counted where requests are limited. `None` where it is resolved.
    pub fn release(&self) -> Option<Settlement<'_>> {
        let taken = self.course.step(State::Reserved, State::Released)
            || self.course.step(State::Dispatched, State::Released);
        taken.then(|| self.close(Ending::Released))
    }

    fn close(&self, ending: Ending<'_>) -> Settlement<'_> {
        let mut settlement = Settlement {
            charged: Vec::with_capacity(self.lines.len()),
            ..Settlement::default()
        };
        for line in &self.lines {
            let actual = |held| line.actual(held, ending);
            if let Some(closed) = line.stake.close(&line.cell.counter, actual) {
                line.tell(closed, &mut settlement);
            }
        }
        settlement
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        match self.state() {
            State::Reserved => {
                self.release();
            }
            State::Dispatched => {
                self.settle(&Actual::Presumed);
            }
            State::Settled | State::Released => {}
        }
    }
}

impl Line {
    fn share(&self, amount: i64) -> Share<'_> {
        Share {
            limit: &self.limit,
            bucket: &self.cell.bucket,
            window_ms: self.cell.window.start_ms,
            amount,
        }
    }

    /// What the limit keeps its account within, where it refuses.
    fn within(&self) -> Option<i64> {
        self.limit.refuses().then_some(self.limit.amount)
    }

    fn take(&self, more: i64) -> Take {
        self.cell.counter.take(more, self.within())
    }

    fn refusal(&self, more: i64) -> Refusal {
        let own = self.stake.held();
        let (settled, held) = self.cell.counter.read();
        let room = Room {
            settled,
            held: held.saturating_sub(own),
            own,
            asked: more,
        };
        Refusal::of_room(&self.limit, &self.cell.bucket, self.cell.window, room)
    }

    /// What an ending charges where that much is held.
    fn actual(&self, held: i64, ending: Ending<'_>) -> i64 {
        let provider = match &self.limit.scope {
            Scope::Provider(name) => Some(&**name),
            Scope::Everything
            | Scope::Organisation(_)
            | Scope::Team(_)
            | Scope::Key(_)
            | Scope::User(_)
            | Scope::Tag { .. }
            | Scope::Model(_) => None,
        };
        let billed = match ending {
            Ending::Settled(Actual::Presumed) => None,
            Ending::Settled(Actual::Billed(billed)) => Some(billed),
            Ending::Released => Some([].as_slice()),
        };
        let sum = |part: fn(&Billed<'_>) -> i64| {
            let mine = |one: &&Billed<'_>| provider.is_none_or(|name| name == one.provider);
            let billed = billed?.iter().filter(mine).map(part);
            Some(billed.fold(0, |sum: i64, part| sum.saturating_add(part.max(0))))
        };
        match self.limit.resource {
            Resource::Money => sum(|one| one.money).unwrap_or(held),
            Resource::Tokens => sum(|one| one.tokens).unwrap_or(held),
            Resource::Requests if provider.is_some() => sum(|one| one.requests).unwrap_or(held),
            Resource::Requests => held,
            Resource::Concurrent => 0,
        }
    }

    fn tell<'h>(&'h self, closed: Closed, settlement: &mut Settlement<'h>) {
        if closed.charged == 0 {
            return;
        }
        settlement.charged.push(self.share(closed.charged));
        if closed.charged > closed.held && closed.settled > self.limit.amount {
            settlement.overrun.push(self.share(closed.charged));
        }
        for percent in self.cell.steps(&self.limit, closed.settled) {
            settlement.alerts.push(Alert {
                limit: &self.limit,
                bucket: &self.cell.bucket,
                window_ms: self.cell.window.start_ms,
                percent,
                settled: closed.settled,
            });
        }
    }
}

impl Cell {
    /// The alert steps of a limit that are reached with that much settled and were not told before.
    pub(super) fn steps(&self, limit: &Limit, settled: i64) -> impl Iterator<Item = u8> {
        let reached = |percent: &u8| {
            i128::from(settled) * 100 >= i128::from(limit.amount) * i128::from(*percent)
        };
        let steps = limit.alert_at_percent.iter().copied();
        let highest = steps.clone().filter(reached).max();
        let told = highest.map(|highest| self.counter.tell(i64::from(highest)));
        let (before, now) = told.unwrap_or((0, 0));
        steps.filter(move |step| before < i64::from(*step) && i64::from(*step) <= now)
    }
}
