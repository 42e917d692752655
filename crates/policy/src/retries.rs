//! The budget of retries: one for the house, so that a provider's bad hour is not made worse.
//!
//! Within any second further tries may be a fifth of the requests, or ten, whichever is more. Above
//! fifty requests a second everything may fail and there are still at most 1.2 tries a request. Time is
//! how long ago some fixed moment was, as the caller counts it.

use std::time::Duration;

use parking_lot::Mutex;

/// Parts into which the second is cut.
const SLOTS: usize = 10;

/// How much further tries may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Share of the requests, in per cent.
    pub ratio_percent: u8,
    /// So many a second always.
    pub floor: u32,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            ratio_percent: 20,
            floor: 10,
        }
    }
}

/// The budget.
#[derive(Debug, Default)]
pub struct RetryBudget(Mutex<[Slot; SLOTS]>);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tick: u128,
    requests: u64,
    tries: u64,
}

impl RetryBudget {
    /// Counts a request, which earns a share of a further try.
    pub fn earn(&self, now: Duration) {
        with(&mut self.0.lock(), tick(now), |slot| slot.requests += 1);
    }

    /// Takes a further try out of the budget; false where it is used up.
    pub fn take(&self, now: Duration, rules: &RetryRules) -> bool {
        let mut slots = self.0.lock();
        let tick = tick(now);
        let recent = |slot: &&Slot| slot.tick.saturating_add(SLOTS as u128) > tick;
        let (mut requests, mut tries) = (0_u64, 0_u64);
        for slot in slots.iter().filter(recent) {
            requests = requests.saturating_add(slot.requests);
            tries = tries.saturating_add(slot.tries);
        }
        let share = requests.saturating_mul(u64::from(rules.ratio_percent)) / 100;
        let is_allowed = tries < share.max(u64::from(rules.floor));
        if is_allowed {
            with(&mut slots, tick, |slot| slot.tries += 1);
        }
        is_allowed
    }
}

fn tick(now: Duration) -> u128 {
    now.as_millis() * SLOTS as u128 / 1_000
}

fn with(slots: &mut [Slot; SLOTS], tick: u128, change: impl FnOnce(&mut Slot)) {
    let at = usize::try_from(tick % SLOTS as u128).unwrap_or_default();
    let Some(slot) = slots.get_mut(at) else {
        return;
    };
    if slot.tick != tick {
        *slot = Slot {
            tick,
            ..Slot::default()
        };
    }
    change(slot);
}
