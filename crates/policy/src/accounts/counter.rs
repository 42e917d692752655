//! The counters beneath accounts and holds: three atomics each, no lock.
//!
//! A [`Counter`] has what is settled and what is used (settled and held), so that
//! `used ≤ amount` is one compare-and-set. A [`Stake`] is what one request holds of
//! one counter and can be closed once. A [`Course`] is where a request stands.
//! Nothing here knows limits, windows or time; it must never take a lock.

use super::sync::{AtomicI64, AtomicU8, Ordering};

/// What `used` says of a counter that is no longer in use.
const RETIRED: i64 = i64::MIN;

/// What a stake holds once it is closed.
const CLOSED: i64 = i64::MIN;

/// What came of asking a counter for an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// It is held; so much is used with it.
    Taken {
        /// Settled and held.
        used: i64,
    },
    /// There is no room; nothing changed.
    Full,
    /// The counter is no longer in use: another one has taken its place.
    Retired,
}

/// What is settled and held in one window of one account.
#[derive(Debug)]
pub(crate) struct Counter {
    /// Settled and held together.
    used: AtomicI64,
    /// Settled. Changed after `used`, so that it never leads it.
    settled: AtomicI64,
    /// Stakes that hold nothing and still need the counter.
    pins: AtomicI64,
    /// The highest alert step that was told.
    told: AtomicI64,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self {
            used: AtomicI64::new(0),
            settled: AtomicI64::new(0),
            pins: AtomicI64::new(0),
            told: AtomicI64::new(0),
        }
    }

    /// Holds `asked` where that keeps what is used within `within`; where it is `None`, within what
    /// can be counted.
    ///
    /// Nothing always fits; it pins the counter.
    pub(crate) fn take(&self, asked: i64, within: Option<i64>) -> Take {
        if asked == 0 {
            return self.pin();
        }
        let mut used = self.used.load(Ordering::Acquire);
        loop {
            if used == RETIRED {
                return Take::Retired;
            }
            // What did not fit into the sum could not be given back exactly.
            let next = used.checked_add(asked);
            let Some(next) = next.filter(|next| within.is_none_or(|amount| *next <= amount)) else {
                return Take::Full;
            };
            match self.swap(used, next) {
                Ok(()) => return Take::Taken { used: next },
                Err(now) => used = now,
            }
        }
    }

    /// Undoes a take of that amount.
    pub(crate) fn undo(&self, taken: i64) {
        if taken == 0 {
            self.unpin();
        } else {
            self.move_used(-taken);
        }
    }

    /// Ends a pin.
    pub(crate) fn unpin(&self) {
        self.pins.fetch_sub(1, Ordering::SeqCst);
    }

    /// Turns what was held into what it came to; tells what is settled now.
    pub(crate) fn charge(&self, held: i64, actual: i64) -> i64 {
        let by = actual.saturating_sub(held);
        // Settled must not reach used on the way: it would look as if nothing were held.
        if actual < 0 {
            let settled = self.move_settled(actual);
            self.move_used(by);
            settled
        } else {
            self.move_used(by);
            self.move_settled(actual)
        }
    }

    fn move_settled(&self, by: i64) -> i64 {
        let mut settled = self.settled.load(Ordering::Acquire);
        if by == 0 {
            return settled;
        }
        loop {
            let next = settled.saturating_add(by);
            let swapped =
                self.settled
                    .compare_exchange(settled, next, Ordering::SeqCst, Ordering::Acquire);
            match swapped {
                Ok(_) => return next,
                Err(now) => settled = now,
            }
        }
    }

    /// What is settled and what is held.
    ///
    /// Their sum is exact at one moment; a settlement under way may still count as held.
    pub(crate) fn read(&self) -> (i64, i64) {
        let settled = self.settled.load(Ordering::SeqCst);
        let used = self.used.load(Ordering::SeqCst);
        if used == RETIRED {
            return (settled, 0);
        }
        // Given back in between, what is used may have fallen, but not below what was settled.
        (settled, used.saturating_sub(settled).max(0))
    }

    /// Marks a step as told; the steps from the first up to the second are new.
    pub(crate) fn tell(&self, step: i64) -> (i64, i64) {
        (self.told.fetch_max(step, Ordering::SeqCst), step)
    }

    /// Ends the counter unless something is held or pinned. No take succeeds after it.
    pub(crate) fn retire(&self) -> bool {
        if self.pins.load(Ordering::SeqCst) != 0 {
            return false;
        }
        let settled = self.settled.load(Ordering::SeqCst);
        if self.swap(settled, RETIRED).is_err() {
            return false;
        }
        // Either a pin is seen here, or whoever pins sees that this is retired.
        if self.pins.load(Ordering::SeqCst) != 0 {
            // Where this fails, whoever pinned has charged and brought it back already.
            let _ = self.swap(RETIRED, settled);
            return false;
        }
        self.used.load(Ordering::SeqCst) == RETIRED
    }

    fn pin(&self) -> Take {
        self.pins.fetch_add(1, Ordering::SeqCst);
        let used = self.used.load(Ordering::SeqCst);
        if used == RETIRED {
            self.unpin();
            return Take::Retired;
        }
        Take::Taken { used }
    }

    fn move_used(&self, by: i64) {
        if by == 0 {
            return;
        }
        let mut used = self.used.load(Ordering::Acquire);
        loop {
            // Only somebody with a pin can see this, before the retirement is undone for that pin.
            let before = if used == RETIRED {
                self.settled.load(Ordering::SeqCst)
            } else {
                used
            };
            match self.swap(used, before.saturating_add(by)) {
                Ok(()) => return,
                Err(now) => used = now,
            }
        }
    }

    fn swap(&self, from: i64, to: i64) -> Result<(), i64> {
        self.used
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::Acquire)
            .map(|_| ())
    }
}

/// What one request holds of one counter.
#[derive(Debug)]
pub(crate) struct Stake {
    held: AtomicI64,
    /// Whether it pinned the counter, since it began with nothing.
    pinned: bool,
}

impl Stake {
    pub(crate) fn new(held: i64) -> Self {
        Self {
            held: AtomicI64::new(held),
            pinned: held == 0,
        }
    }

    /// What it holds; nothing once it is closed.
    pub(crate) fn held(&self) -> i64 {
        let held = self.held.load(Ordering::SeqCst);
        if held == CLOSED { 0 } else { held }
    }

    /// Adds to it what was taken of the counter. False where it was closed: the caller undoes the take.
    pub(crate) fn add(&self, taken: i64) -> bool {
        let mut held = self.held.load(Ordering::Acquire);
        loop {
            if held == CLOSED {
                return false;
            }
            let next = held.saturating_add(taken);
            let swapped =
                self.held
                    .compare_exchange(held, next, Ordering::SeqCst, Ordering::Acquire);
            match swapped {
                Ok(_) => return true,
                Err(now) => held = now,
            }
        }
    }

    /// Closes it and charges `actual(held)`; what is charged and settled after it. `None` the second time.
    pub(crate) fn close(
        &self,
        counter: &Counter,
        actual: impl FnOnce(i64) -> i64,
    ) -> Option<Closed> {
        let held = self.held.swap(CLOSED, Ordering::SeqCst);
        if held == CLOSED {
            return None;
        }
        let charged = actual(held);
        let settled = counter.charge(held, charged);
        if self.pinned {
            counter.unpin();
        }
        Some(Closed {
            held,
            charged,
            settled,
        })
    }
}

/// What closing a stake came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// What was held.
    pub(crate) held: i64,
    /// What was charged.
    pub(crate) charged: i64,
    /// What is settled of the counter with it.
    pub(crate) settled: i64,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Held; nothing was sent.
    Reserved,
    /// A request that may be billed was sent.
    Dispatched,
    /// What it came to is charged.
    Settled,
    /// Nothing was billed.
    Released,
}

impl State {
    const ALL: [State; 4] = [
        State::Reserved,
        State::Dispatched,
        State::Settled,
        State::Released,
    ];
}

/// The state of one hold: each step is taken once, by one thread.
#[derive(Debug)]
pub(crate) struct Course(AtomicU8);

impl Course {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(State::Reserved as u8))
    }

    pub(crate) fn state(&self) -> State {
        let state = self.0.load(Ordering::SeqCst);
        let known = State::ALL.into_iter().find(|known| *known as u8 == state);
        known.unwrap_or(State::Released)
    }

    /// Goes from the one to the other. True for one caller only.
    pub(crate) fn step(&self, from: State, to: State) -> bool {
        self.0
            .compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}
