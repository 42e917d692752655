//! What a request holds of the accounts, from its admission to its end.
//!
//! Two holds: requests and concurrency are taken when it is admitted, money and tokens when it is planned.
//! Both are resolved once, together.

use std::sync::Arc;

use policy::accounts::{
    Actual, Alert, Billed, ExtendError, Hold, Refusal, Remaining, Share, State,
};
use policy::limit::Resource;
use policy::money::Nanos;
use store::record::Held;

use crate::notice::Notice;

/// What a request holds.
#[derive(Debug, Default)]
pub(crate) struct Spend {
    /// Requests and concurrency.
    admission: Option<Hold>,
    /// Money and tokens.
    spending: Option<Hold>,
    /// The most that one attempt can cost.
    pub bound: Nanos,
    /// What is held in all: an attempt may follow one that is billed.
    pub held: Nanos,
    /// Whether a limit on money that refuses depends on it.
    pub is_hard: bool,
    /// Whether what is held is only the operator's word, since nothing bounds what it can cost.
    pub is_word: bool,
    /// The most tokens of output of one attempt, all answers together, where they have a bound.
    pub output_max: Option<u64>,
    /// What is charged where no price is known, by the operator's word.
    pub ceiling: Option<Nanos>,
    /// The output limit that the budget imposed.
    pub clamped: Option<u64>,
}

/// What resolving came to.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// What each account was charged.
    pub charges: Vec<Held>,
    /// Whether an account is over its limit for it.
    pub overrun: bool,
    /// Steps that were reached.
    pub notices: Vec<Notice>,
}

impl Spend {
    /// Takes over what admission took.
    pub(crate) fn admitted(&mut self, hold: Hold) {
        self.admission = Some(hold);
    }

    /// Takes over what planning took.
    pub(crate) fn reserved(&mut self, hold: Hold, bound: Nanos) {
        self.spending = Some(hold);
        self.bound = bound;
        self.held = bound;
    }

    /// Whether money is held for it, so that it may be sent.
    pub(crate) fn is_reserved(&self) -> bool {
        self.spending.is_some()
    }

    /// From here on the request may be billed.
    pub(crate) fn dispatch(&self) {
        for hold in self.holds() {
            hold.dispatch();
        }
    }

    /// Holds more money; what of each account.
    ///
    /// # Errors
    /// A limit has no room. It holds what it held.
    pub(crate) fn extend(&mut self, more: Nanos) -> Result<Vec<Held>, Refusal> {
        let Some(hold) = &self.spending else {
            return Ok(Vec::new());
        };
        match hold.extend(&[(Resource::Money, more.0)]) {
            Ok(()) => {}
            Err(ExtendError::Refused(refusal)) => return Err(refusal),
            // Resolved meanwhile: nothing is held any more, and nothing more is sent.
            Err(ExtendError::Resolved) => return Ok(Vec::new()),
        }
        self.held = self.held.plus(more);
        let money = hold
            .held()
            .filter(|share| share.limit.resource == Resource::Money);
        Ok(money
            .map(|share| Held {
                amount: more.0,
                ..held(&share)
            })
            .collect())
    }

    /// Whether it may have been billed and is not settled.
    pub(crate) fn is_dispatched(&self) -> bool {
        self.spending
            .as_ref()
            .is_some_and(|hold| hold.state() == State::Dispatched)
    }

    /// Charges what was billed.
    pub(crate) fn settle(&self, billed: &[Billed<'_>]) -> Resolved {
        let mut resolved = self.unresolved();
        for hold in self.holds() {
            if let Some(settlement) = hold.settle(&Actual::Billed(billed)) {
                resolved.charges.extend(settlement.charged.iter().map(held));
                resolved.overrun |= !settlement.overrun.is_empty();
                resolved
                    .notices
                    .extend(settlement.alerts.iter().map(notice));
            }
        }
        resolved
    }

    /// Gives back what is held, but for the request itself.
    pub(crate) fn release(&self) -> Resolved {
        let mut resolved = self.unresolved();
        for hold in self.holds() {
            if let Some(settlement) = hold.release() {
                resolved.charges.extend(settlement.charged.iter().map(held));
            }
        }
        resolved
    }

    /// What is held of each account that lasts.
    pub(crate) fn held_of_accounts(&self) -> Vec<Held> {
        let mut all = Vec::with_capacity(self.shares());
        for hold in self.holds() {
            let lasting = hold.held();
            let lasting = lasting.filter(|share| share.limit.resource != Resource::Concurrent);
            all.extend(lasting.map(|share| held(&share)));
        }
        all
    }

    /// What is left of the tightest limit on requests or tokens of which it holds something;
    /// [`None`] outside while nothing of the kind was asked for yet.
    pub(crate) fn tightest(&self, resource: Resource) -> Option<Option<Remaining>> {
        let hold = match resource {
            Resource::Requests | Resource::Concurrent => &self.admission,
            Resource::Tokens | Resource::Money => &self.spending,
        };
        hold.as_ref().map(|hold| hold.tightest(resource))
    }

    /// The names of limits that would have refused it.
    pub(crate) fn would_refuse(&self) -> impl Iterator<Item = &Arc<str>> {
        let refusals = self.holds().flat_map(Hold::would_refuse);
        refusals.map(|refusal| &refusal.limit.name)
    }

    /// Nothing resolved yet, with room for the charges of all accounts.
    fn unresolved(&self) -> Resolved {
        Resolved {
            charges: Vec::with_capacity(self.shares()),
            ..Resolved::default()
        }
    }

    /// Of how many accounts something is held.
    fn shares(&self) -> usize {
        self.holds().map(|hold| hold.held().len()).sum()
    }

    fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.admission.iter().chain(&self.spending)
    }
}

fn held(share: &Share<'_>) -> Held {
    Held {
        limit: Arc::clone(&share.limit.name),
        bucket: Arc::clone(share.bucket),
        resource: share.limit.resource,
        window_ms: share.window_ms,
        amount: share.amount,
    }
}

fn notice(alert: &Alert<'_>) -> Notice {
    Notice::Limit {
        limit: Arc::clone(alert.limit),
        bucket: Arc::clone(alert.bucket),
        window_ms: alert.window_ms,
        percent: alert.percent,
        settled: alert.settled,
    }
}
