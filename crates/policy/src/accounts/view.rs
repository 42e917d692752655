//! What accounts tell: what is left, what stands in the books, where they differ from the ledger.
//!
//! Reading takes nothing and changes nothing; figures may be old by the time they are used.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Accounts, Ask, LimitSet, set};
use crate::limit::{Each, Limit, Resource, WhenUnbounded};
use crate::window::Window;

/// What a request can spend, in nano-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affordable {
    /// The least that is left of an account.
    pub remainder: i64,
    /// What one request should take of it: a quarter of an account of which others hold something.
    pub share: i64,
    /// The least that is left of an account whose limit says `when_unbounded: refuse`.
    pub unclampable: Option<i64>,
}

/// What is left of the tightest limit.
#[derive(Clone, Debug)]
pub struct Remaining {
    /// The limit.
    pub limit: Arc<Limit>,
    /// What is neither settled nor held.
    pub remaining: i64,
    /// When the next window begins, in milliseconds since 1970; `None` where none does.
    pub reset_ms: Option<i64>,
}

/// One account in one window.
#[derive(Clone, Debug)]
pub struct Balance {
    /// The limit.
    pub limit: Arc<Limit>,
    /// The bucket within it; empty where it has one for all.
    pub bucket: Arc<str>,
    /// The window.
    pub window: Window,
    /// What the window allows.
    pub amount: i64,
    /// What is settled.
    pub settled: i64,
    /// What is held.
    pub held: i64,
}

/// An account that is not what the ledger and the open requests make of it.
#[derive(Clone, Debug)]
pub struct Drift {
    /// What the accounts say.
    pub account: Balance,
    /// What the ledger says is settled.
    pub ledger_settled: i64,
    /// What open requests say is held.
    pub ledger_held: i64,
}

impl Accounts {
    /// What the request can spend by the limits on money that refuse; `None` where there is none.
    #[must_use]
    pub fn affordable(&self, set: &LimitSet, ask: &Ask<'_>) -> Option<Affordable> {
        let wanted = |limit: &Limit| limit.resource == Resource::Money && limit.refuses();
        let mut least: Option<Affordable> = None;
        for slot in set.concerned(ask, wanted) {
            let Some(bucket) = set::bucket(&slot.limit, ask.who) else {
                continue;
            };
            let (_, settled, held) = self.read(slot, bucket, ask.at_ms);
            let remainder = left(&slot.limit, settled, held);
            let one = Affordable {
                remainder,
                share: if held > 0 { remainder / 4 } else { remainder },
                unclampable: match slot.limit.when_unbounded {
                    WhenUnbounded::Refuse => Some(remainder),
                    WhenUnbounded::Clamp => None,
                },
            };
            least = Some(least.map_or(one, |least| least.and(one)));
        }
        least
    }

    /// The limit on requests, or tokens, that refuses and of which the least is left.
    #[must_use]
    pub fn tightest(&self, set: &LimitSet, ask: &Ask<'_>, resource: Resource) -> Option<Remaining> {
        let slots = set.concerned(ask, |limit| limit.resource == resource && limit.refuses());
        let remaining = slots.into_iter().filter_map(|slot| {
            let bucket = set::bucket(&slot.limit, ask.who)?;
            let (window, settled, held) = self.read(slot, bucket, ask.at_ms);
            Some(Remaining {
                limit: Arc::clone(&slot.limit),
                remaining: left(&slot.limit, settled, held),
                reset_ms: window.end_ms,
            })
        });
        remaining.min_by_key(|one| one.remaining)
    }

    /// Every account of a configuration's limits, in account-id order.
    #[must_use]
    pub fn balances(&self, set: &LimitSet) -> Vec<Balance> {
        let books = self.books.pin();
        let mut balances = Vec::new();
        for slot in set.slots() {
            let Some(book) = books.get(&*slot.shape) else {
                continue;
            };
            balances.extend(book.cells().into_iter().map(|cell| {
                let (settled, held) = cell.counter.read();
                Balance {
                    limit: Arc::clone(&slot.limit),
                    bucket: Arc::clone(&cell.bucket),
                    window: cell.window,
                    amount: slot.limit.amount,
                    settled,
                    held,
                }
            }));
        }
        balances.sort_by(|a, b| key(a).cmp(&key(b)));
        balances
    }

    /// Compares the accounts with the sums of the ledger (`settled`) and of open
    /// requests (`held`), taken while nothing moves. What is told is a fault.
    ///
    /// A window that is over at `at_ms` and that is no longer kept here is passed over.
    #[must_use]
    pub fn audit(&self, set: &LimitSet, ledger: &[Balance], at_ms: i64) -> Vec<Drift> {
        let balances = self.balances(set);
        let mut told: HashMap<Key<'_>, &Balance> =
            ledger.iter().map(|told| (key(told), told)).collect();
        let mut drifts = Vec::new();
        for account in &balances {
            let entry = told.remove(&key(account));
            // Only what costs is in the ledger whatever happens, and a run may be told no more.
            let limit = &account.limit;
            let may_lack = limit.resource != Resource::Money || limit.each == Some(Each::Run);
            if entry.is_none() && may_lack {
                continue;
            }
            let sums = entry.map_or((0, 0), |entry| (entry.settled, entry.held));
            if sums != (account.settled, account.held) {
                drifts.push(drift(account.clone(), sums));
            }
        }
        let missing = told
            .into_values()
            .filter(|entry| (entry.settled, entry.held) != (0, 0) && !entry.window.is_over(at_ms));
        drifts.extend(missing.map(|entry| {
            let nothing = Balance {
                settled: 0,
                held: 0,
                ..entry.clone()
            };
            drift(nothing, (entry.settled, entry.held))
        }));
        drifts
    }
}

impl Affordable {
    fn and(self, other: Self) -> Self {
        let unclampable = self.unclampable.into_iter().chain(other.unclampable);
        Self {
            remainder: self.remainder.min(other.remainder),
            share: self.share.min(other.share),
            unclampable: unclampable.min(),
        }
    }
}

type Key<'a> = (&'a str, &'a str, Window);

fn key(balance: &Balance) -> Key<'_> {
    (&balance.limit.name, &balance.bucket, balance.window)
}

fn drift(account: Balance, (ledger_settled, ledger_held): (i64, i64)) -> Drift {
    Drift {
        account,
        ledger_settled,
        ledger_held,
    }
}

/// What of a limit is neither settled nor held.
pub(super) fn left(limit: &Limit, settled: i64, held: i64) -> i64 {
    limit
        .amount
        .saturating_sub(settled)
        .saturating_sub(held)
        .max(0)
}
