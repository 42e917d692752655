//! A circuit breaker: lets nothing through to what fails, and one try after a while.
//!
//! A state machine without a clock: `now` is the time since some fixed moment. At most one probe is
//! under way, and an open breaker always lets one through once its time has come.

use std::time::Duration;

/// Parts into which the window is cut.
const SLOTS: usize = 10;

/// How long a failure speaks against further tries.
const RECENT: Duration = Duration::from_secs(10);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Share of failures in the window that opens it, in per cent.
    pub ratio_percent: u8,
    /// The fewest tries in the window by which that share is judged.
    pub minimum: u32,
    /// How long a try counts for the share.
    pub window: Duration,
    /// How long it stays open at first; doubled each time that a probe fails.
    pub open: Duration,
    /// The longest that it stays open.
    pub open_max: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: 5,
            ratio_percent: 50,
            minimum: 20,
            window: Duration::from_secs(30),
            open: Duration::from_secs(10),
            open_max: Duration::from_secs(300),
        }
    }
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Everything.
    Closed,
    /// One try, which decides.
    Probe,
    /// Nothing.
    Open {
        /// Until then at least; the time that was asked where a probe is under way.
        until: Duration,
    },
}

/// What a try changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It opened.
    Opened {
        /// Until then.
        until: Duration,
    },
    /// It closed.
    Closed,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered, if only by a refusal of the request itself.
    Good,
    /// It failed.
    Bad {
        /// When the provider asks to come back.
        retry_after: Option<Duration>,
    },
}

/// A breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// Until when it is open; none while it is closed.
    open_until: Option<Duration>,
    /// Whether a probe is under way.
    probing: bool,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Failures in a row.
    in_a_row: u32,
    /// When the last of them was.
    failed_at: Duration,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tick: u128,
    tries: u32,
    failures: u32,
}

impl Breaker {
    /// What it lets through at that time.
    #[must_use]
    pub fn gate(&self, now: Duration) -> Gate {
        match self.open_until {
            None => Gate::Closed,
            Some(until) if now < until => Gate::Open { until },
            Some(_) if self.probing => Gate::Open { until: now },
            Some(_) => Gate::Probe,
        }
    }

    /// Whether the last try failed, and not long ago: what failed once an hour ago is as good as any.
    #[must_use]
    pub fn is_failing(&self, now: Duration) -> bool {
        self.in_a_row > 0 && now.saturating_sub(self.failed_at) < RECENT
    }

    /// Asks to pass; a probe that it lets through is under way until [`end`](Self::end) or
    /// [`give_back`](Self::give_back).
    pub fn enter(&mut self, now: Duration) -> Gate {
        let gate = self.gate(now);
        self.probing |= gate == Gate::Probe;
        gate
    }

    /// The probe came to nothing: another one may pass.
    pub fn give_back(&mut self) {
        self.probing = false;
    }

    /// Takes note of how a try ended; `probe` says whether it was let through as one.
    pub fn end(
        &mut self,
        (now, probe): (Duration, bool),
        end: End,
        rules: &BreakerRules,
    ) -> Option<Change> {
        if probe {
            self.probing = false;
        } else if self.open_until.is_some() {
            // It began before the breaker opened, and says nothing new.
            return None;
        }
        match end {
            End::Good if probe => {
                *self = Self::default();
                Some(Change::Closed)
            }
            End::Good => {
                self.in_a_row = 0;
                self.count(now, 0, rules);
                None
            }
            End::Bad { retry_after } => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.failed_at = now;
                self.count(now, 1, rules);
                if !probe && !self.is_too_much(now, rules) {
                    return None;
                }
                let doubled = rules.open.saturating_mul(1 << self.openings.min(16));
                let open = doubled.max(retry_after.unwrap_or_default());
                let until = now.saturating_add(open.min(rules.open_max));
                self.openings = self.openings.saturating_add(1);
                self.open_until = Some(until);
                Some(Change::Opened { until })
            }
        }
    }

    /// The try that was entered as good at that time broke later on: it will be entered as that instead.
    pub fn take_back(&mut self, then: Duration, rules: &BreakerRules) {
        let tick = tick(then, rules);
        let mut slots = self.slots.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.tick == tick) {
            slot.tries = slot.tries.saturating_sub(1).max(slot.failures);
        }
    }

    fn count(&mut self, now: Duration, failures: u32, rules: &BreakerRules) {
        let tick = tick(now, rules);
        let at = usize::try_from(tick % SLOTS as u128).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        if slot.tick != tick {
            *slot = Slot {
                tick,
                ..Slot::default()
            };
        }
        slot.tries = slot.tries.saturating_add(1);
        slot.failures = slot.failures.saturating_add(failures);
    }

    fn is_too_much(&self, now: Duration, rules: &BreakerRules) -> bool {
        if self.in_a_row >= rules.failures {
            return true;
        }
        let tick = tick(now, rules);
        let recent = |slot: &&Slot| slot.tick.saturating_add(SLOTS as u128) > tick;
        let (mut tries, mut failures) = (0_u64, 0_u64);
        for slot in self.slots.iter().filter(recent) {
            tries += u64::from(slot.tries);
            failures += u64::from(slot.failures);
        }
        let ratio = u64::from(rules.ratio_percent);
        tries >= u64::from(rules.minimum.max(1)) && failures * 100 >= ratio * tries
    }
}

/// The number of the slot that a time falls into.
fn tick(now: Duration, rules: &BreakerRules) -> u128 {
    let slot = rules.window.as_nanos() / SLOTS as u128;
    now.as_nanos() / slot.max(1)
}
