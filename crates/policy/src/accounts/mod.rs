//! Accounts: what is settled and held of every limit, in memory, for the whole process.
//!
//! Shared by the cores and kept over reloads. For limits that refuse,
//! `settled + held ≤ amount` holds at every moment: an amount is taken by
//! compare-and-set, of all accounts that apply or of none, and given back once.
//! Nothing here may lock, wait or ask the time on a request's way; the only locks
//! are at the turn of a window and in [`Accounts::sweep`].

mod book;
mod counter;
mod hold;
mod refusal;
mod set;
mod sync;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use papaya::HashMap;

pub use book::BUCKETS_MAX;
pub use counter::State;
pub use hold::{Actual, Alert, Billed, ExtendError, Hold, Settlement, Share};
pub use refusal::{Refusal, RefusalKind};
pub use set::LimitSet;
pub use view::{Affordable, Balance, Drift, Remaining};

use crate::caller::Attribution;
use crate::limit::{Limit, Resource};
use crate::window::Window;
use book::{Book, BookFull, Cell, Owner};
use counter::Take;
use refusal::Room;
use set::Slot;

/// The most that one request holds of an account that does not refuse it: so much that no price
/// and no model comes near, and so little that a hundred thousand of them are counted exactly.
const UNREFUSED_MAX: i64 = i64::MAX / 100_000;

/// What a request asks of the accounts.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// On whose account it runs.
    pub who: &'a Attribution,
    /// The logical model.
    pub model: &'a str,
    /// The providers that may serve it: all of its plan.
    pub providers: &'a [&'a str],
    /// The time, in milliseconds since 1970.
    pub at_ms: i64,
    /// How much of what; each resource at most once. A limit on a resource that is not here is not asked.
    pub amounts: &'a [(Resource, i64)],
}

impl Ask<'_> {
    /// How much of a resource it asks for; never less than nothing.
    fn amount(&self, resource: Resource) -> Option<i64> {
        amount(self.amounts, resource)
    }
}

/// What is held of an amount that is asked for.
fn countable(asked: i64, within: Option<i64>) -> i64 {
    match within {
        Some(_) => asked,
        None => asked.min(UNREFUSED_MAX),
    }
}

fn amount(amounts: &[(Resource, i64)], resource: Resource) -> Option<i64> {
    let mut amounts = amounts.iter();
    let found = amounts.find(|(known, _)| *known == resource);
    found.map(|(_, amount)| (*amount).max(0))
}

/// The accounts of a process.
///
/// It grows with the limits that ever were configured in its life, and with at
/// most [`BUCKETS_MAX`] live buckets of each.
#[derive(Debug, Default)]
pub struct Accounts {
    owner: Arc<Owner>,
    /// Books by the shape of their limit.
    books: HashMap<Arc<str>, Arc<Book>>,
}

impl Accounts {
    /// Accounts that know of nothing spent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what is asked of every account that counts the request, or of none.
    ///
    /// Limits in mode `report` and soft ones are counted and never refuse;
    /// [`Hold::would_refuse`] lists them.
    ///
    /// # Errors
    /// A limit has no room: of several, the one for which a retry helps least.
    pub fn take(&self, set: &LimitSet, ask: &Ask<'_>) -> Result<Hold, Refusal> {
        let slots = set.asked(ask);
        let mut hold = Hold::with_capacity(slots.len());
        for (n, slot) in slots.iter().enumerate() {
            if let Err(refusal) = self.take_one(slot, ask, &mut hold) {
                hold.undo();
                let rest = slots.iter().skip(n + 1);
                let refusals = rest.filter_map(|slot| self.foresee(slot, ask));
                return Err(refusals.fold(refusal, |gravest, other| {
                    if other.kind > gravest.kind {
                        other
                    } else {
                        gravest
                    }
                }));
            }
        }
        Ok(hold)
    }

    /// Drops what is over or empty and not held; to be called now and then with the
    /// time. Tells how many buckets went. The latest window of a limit without
    /// `each` stays until the next one begins.
    ///
    /// A window that is over is kept for as long again, at most a day, and a run
    /// for a day after its last request, so a clock that goes back by less finds
    /// what was spent.
    pub fn sweep(&self, now_ms: i64) -> usize {
        let books = self.books.pin();
        books.values().map(|book| book.sweep(now_ms)).sum()
    }

    /// Takes over what a ledger knows to be settled in a window, as far as it is not counted here
    /// already: doing it twice, or for a limit that was counted before, adds nothing twice.
    ///
    /// Alerts for it count as told. False, and nothing is added, where no window
    /// of the limit begins at that time, or its buckets are all taken.
    pub fn restore(&self, balance: &Balance) -> bool {
        let limit = &balance.limit;
        let book = self.book(&limit.shape());
        loop {
            let Ok(cell) = book.cell(limit, &balance.bucket, balance.window.start_ms) else {
                return false;
            };
            if cell.window != balance.window {
                return false;
            }
            // Nothing is taken: it only keeps the counter from being swept meanwhile.
            if cell.counter.take(0, None) == Take::Retired {
                book.refresh(&balance.bucket);
                continue;
            }
            if book::is_of_runs(limit) {
                cell.mark_restored();
            }
            let (counted, _) = cell.counter.read();
            // What is settled in between is not in the ledger yet, so it comes on top.
            let missing = balance.settled.saturating_sub(counted).max(0);
            let settled = cell.counter.charge(0, missing);
            cell.counter.unpin();
            let _told = cell.steps(limit, settled).count();
            return true;
        }
    }

    fn take_one(&self, slot: &Slot, ask: &Ask<'_>, hold: &mut Hold) -> Result<(), Refusal> {
        let limit = &slot.limit;
        let Some(asked) = ask.amount(limit.resource) else {
            return Ok(());
        };
        let Some(bucket) = set::bucket(limit, ask.who) else {
            return Ok(());
        };
        let within = limit.refuses().then_some(limit.amount);
        let asked = countable(asked, within);
        let book = self.book_of(slot);
        loop {
            let cell = match book.cell(limit, bucket, ask.at_ms) {
                Ok(cell) => cell,
                Err(BookFull) if within.is_some() => return Err(too_many(limit, bucket, asked)),
                Err(BookFull) => {
                    hold.would_have_refused(too_many(limit, bucket, asked));
                    return Ok(());
                }
            };
            match cell.counter.take(asked, within) {
                Take::Taken { used } => {
                    if book::is_of_runs(limit) {
                        cell.touch(ask.at_ms);
                    }
                    if within.is_none() && asked > 0 && used > limit.amount {
                        let mut refusal = refused(limit, &cell, asked);
                        refusal.held = used.saturating_sub(asked.saturating_add(refusal.settled));
                        hold.would_have_refused(refusal);
                    }
                    hold.push(limit, cell, asked);
                    return Ok(());
                }
                Take::Full => return Err(refused(limit, &cell, asked)),
                Take::Retired => book.refresh(bucket),
            }
        }
    }

    /// Whether a limit would refuse, without taking.
    fn foresee(&self, slot: &Slot, ask: &Ask<'_>) -> Option<Refusal> {
        let limit = &slot.limit;
        let asked = ask.amount(limit.resource)?;
        if !limit.refuses() || asked == 0 {
            return None;
        }
        let bucket = set::bucket(limit, ask.who)?;
        let (window, settled, held) = self.read(slot, bucket, ask.at_ms);
        let room = Room {
            settled,
            held,
            own: 0,
            asked,
        };
        let fits = settled.saturating_add(held).saturating_add(asked) <= limit.amount;
        (!fits).then(|| Refusal::of_room(limit, &bucket.into(), window, room))
    }

    /// What is settled and held in the window of that time.
    fn read(&self, slot: &Slot, bucket: &str, at_ms: i64) -> (Window, i64, i64) {
        let limit = &slot.limit;
        match self.book_of(slot).find(limit, bucket, at_ms) {
            Some(cell) => {
                let (settled, held) = cell.counter.read();
                (cell.window, settled, held)
            }
            None => (limit.window(at_ms), 0, 0),
        }
    }

    fn book(&self, shape: &Arc<str>) -> Arc<Book> {
        let books = self.books.pin();
        match books.get(&**shape) {
            Some(book) => Arc::clone(book),
            None => {
                let make = || Arc::new(Book::new(&self.owner));
                Arc::clone(books.get_or_insert_with(Arc::clone(shape), make))
            }
        }
    }

    /// The book of a limit; the set remembers that of the first accounts that ask.
    fn book_of<'s>(&self, slot: &'s Slot) -> Cow<'s, Arc<Book>> {
        let known = slot.book.get_or_init(|| self.book(&slot.shape));
        if known.is_of(&self.owner) {
            Cow::Borrowed(known)
        } else {
            Cow::Owned(self.book(&slot.shape))
        }
    }
}

/// An amount for which a counter has no room.
fn refused(limit: &Arc<Limit>, cell: &Cell, asked: i64) -> Refusal {
    let (settled, held) = cell.counter.read();
    let room = Room {
        settled,
        held,
        own: 0,
        asked,
    };
    Refusal::of_room(limit, &cell.bucket, cell.window, room)
}

fn too_many(limit: &Arc<Limit>, bucket: &str, asked: i64) -> Refusal {
    Refusal {
        limit: Arc::clone(limit),
        bucket: bucket.into(),
        settled: 0,
        held: 0,
        asked,
        resets_ms: None,
        kind: RefusalKind::TooManyBuckets,
    }
}
