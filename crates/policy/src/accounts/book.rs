//! The accounts of one limit: a bucket each, a counter for each of its windows.
//!
//! Finding a counter takes no lock and no calendar while the time lies in the
//! bucket's current window. A window is known by its start, so a clock that goes
//! back finds what was spent in the earlier window, and one that goes on again
//! finds the later one. A book holds at most [`BUCKETS_MAX`] buckets.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use papaya::HashMap;
use parking_lot::Mutex;

use super::counter::Counter;
use crate::limit::{Limit, Period};
use crate::window::Window;

/// How many live buckets a limit has at most; a further one is refused.
pub const BUCKETS_MAX: usize = 100_000;

/// How long a window that is over is kept at most, against clocks that go back.
const KEEP_MS: i64 = 24 * 3_600_000;

/// How long a run is known after its last request.
const RUN_IDLE_MS: i64 = 24 * 3_600_000;

/// The last use of what was restored and not used since.
const RESTORED: i64 = 0;

/// One window of one bucket.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) bucket: Arc<str>,
    pub(super) window: Window,
    pub(super) counter: Counter,
    /// When it was last taken from; kept for runs only.
    last_ms: AtomicI64,
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Account {
    /// The latest window that there was.
    current: ArcSwap<Cell>,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// Earlier windows: those with something held, and those that ended lately.
    older: Vec<Arc<Cell>>,
    /// Whether the account has left its book.
    closed: bool,
}

/// Tells the accounts of one process from others.
#[derive(Debug, Default)]
pub(super) struct Owner {
    /// Something, so that no two have one address.
    _place: u8,
}

/// The buckets of one limit.
#[derive(Debug)]
pub(super) struct Book {
    /// The accounts that it is one of.
    owner: Arc<Owner>,
    /// The one bucket of a limit that has no others; it stays.
    only: OnceLock<Account>,
    buckets: HashMap<Arc<str>, Arc<Account>>,
    live: AtomicUsize,
    /// The end of the last window that was swept away.
    swept_ms: AtomicI64,
}

/// All places of a book are taken.
#[derive(Debug)]
pub(super) struct BookFull;

impl Book {
    pub(super) fn new(owner: &Arc<Owner>) -> Self {
        Self {
            owner: Arc::clone(owner),
            only: OnceLock::new(),
            buckets: HashMap::new(),
            live: AtomicUsize::new(0),
            swept_ms: AtomicI64::new(i64::MIN),
        }
    }

    pub(super) fn is_of(&self, owner: &Arc<Owner>) -> bool {
        Arc::ptr_eq(&self.owner, owner)
    }

    /// When a request of that time counts. What a window that was swept away has spent is not
    /// known any more, so it is not begun again: a request that came in it, and asks for
    /// something so late, counts in the one after it.
    fn counts_at(&self, at_ms: i64) -> i64 {
        at_ms.max(self.swept_ms.load(Ordering::SeqCst))
    }

    /// The counter of that bucket at that time, made where there is none.
    pub(super) fn cell(
        &self,
        limit: &Limit,
        bucket: &str,
        at_ms: i64,
    ) -> Result<Arc<Cell>, BookFull> {
        let at_ms = self.counts_at(at_ms);
        if limit.each.is_none() {
            let make = || Account::new(bucket.into(), limit.window(at_ms));
            let only = self.only.get_or_init(make);
            let cell = only.at(at_ms).or_else(|| only.roll(limit.window(at_ms)));
            return cell.ok_or(BookFull);
        }
        let buckets = self.buckets.pin();
        loop {
            let Some(account) = buckets.get(bucket) else {
                self.open(bucket, limit.window(at_ms))?;
                continue;
            };
            if let Some(cell) = account.at(at_ms) {
                return Ok(cell);
            }
            match account.roll(limit.window(at_ms)) {
                Some(cell) => return Ok(cell),
                None => self.forget(bucket, account),
            }
        }
    }

    /// The counter of that bucket at that time, if there is one.
    pub(super) fn find(&self, limit: &Limit, bucket: &str, at_ms: i64) -> Option<Arc<Cell>> {
        let at_ms = self.counts_at(at_ms);
        let find = |account: &Account| {
            let older = || account.older(limit.window(at_ms));
            account.at(at_ms).or_else(older)
        };
        if limit.each.is_none() {
            return self.only.get().and_then(find);
        }
        self.buckets.pin().get(bucket).and_then(|known| find(known))
    }

    /// After a retired counter was seen: takes its account out of the book if that is closed.
    pub(super) fn refresh(&self, bucket: &str) {
        let buckets = self.buckets.pin();
        if let Some(account) = buckets.get(bucket)
            && account.rest.lock().closed
        {
            self.forget(bucket, account);
        }
    }

    /// Every counter.
    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        let buckets = self.buckets.pin();
        let accounts = buckets.values().map(|account| &**account);
        let accounts = accounts.chain(self.only.get());
        accounts.flat_map(|account| account.cells()).collect()
    }

    /// Drops what is over or empty and not held; tells how many buckets went.
    pub(super) fn sweep(&self, now_ms: i64) -> usize {
        if let Some(only) = self.only.get() {
            let mut rest = only.rest.lock();
            rest.older
                .retain(|cell| !cell.sweep(now_ms, &self.swept_ms));
        }
        let buckets = self.buckets.pin();
        let mut gone = 0;
        for (bucket, account) in &buckets {
            if account.sweep(now_ms, &self.swept_ms) {
                self.forget(bucket, account);
                gone += 1;
            }
        }
        gone
    }

    fn open(&self, bucket: &str, window: Window) -> Result<(), BookFull> {
        let more = |live: usize| (live < BUCKETS_MAX).then_some(live + 1);
        let counted = self
            .live
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if counted.is_err() {
            return Err(BookFull);
        }
        let bucket: Arc<str> = bucket.into();
        let account = Arc::new(Account::new(Arc::clone(&bucket), window));
        if self.buckets.pin().try_insert(bucket, account).is_err() {
            self.live.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn forget(&self, bucket: &str, account: &Arc<Account>) {
        let buckets = self.buckets.pin();
        let removed = buckets.remove_if(bucket, |_, known| Arc::ptr_eq(known, account));
        if matches!(removed, Ok(Some(_))) {
            self.live.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Account {
    fn new(bucket: Arc<str>, window: Window) -> Self {
        Self {
            current: ArcSwap::from_pointee(Cell::new(bucket, window)),
            rest: Mutex::default(),
        }
    }

    /// The current window, if the time lies in it.
    fn at(&self, at_ms: i64) -> Option<Arc<Cell>> {
        let current = self.current.load();
        current
            .window
            .contains(at_ms)
            .then(|| Arc::clone(&*current))
    }

    /// The counter of that window, made where there is none; `None` where the account is closed.
    fn roll(&self, window: Window) -> Option<Arc<Cell>> {
        let mut rest = self.rest.lock();
        if rest.closed {
            return None;
        }
        let current = self.current.load_full();
        if current.window == window {
            return Some(current);
        }
        if let Some(cell) = find(&rest.older, window) {
            return Some(cell);
        }
        let cell = Arc::new(Cell::new(Arc::clone(&current.bucket), window));
        if window.start_ms > current.window.start_ms {
            rest.older.push(current);
            self.current.store(Arc::clone(&cell));
        } else {
            rest.older.push(Arc::clone(&cell));
        }
        Some(cell)
    }

    fn older(&self, window: Window) -> Option<Arc<Cell>> {
        find(&self.rest.lock().older, window)
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = self.rest.lock().older.clone();
        cells.push(self.current.load_full());
        cells
    }

    /// Drops windows; closes the account, and says so, where none is left.
    fn sweep(&self, now_ms: i64, swept_ms: &AtomicI64) -> bool {
        let mut rest = self.rest.lock();
        if rest.closed {
            return true;
        }
        rest.older.retain(|cell| !cell.sweep(now_ms, swept_ms));
        // The current window goes last: a retired one always means a closed account.
        rest.closed = rest.older.is_empty() && self.current.load().sweep(now_ms, swept_ms);
        rest.closed
    }
}

impl Cell {
    fn new(bucket: Arc<str>, window: Window) -> Self {
        Self {
            bucket,
            window,
            counter: Counter::new(),
            last_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Notes that it was restored, so that its run is known from the next sweep on.
    pub(super) fn mark_restored(&self) {
        self.touch(RESTORED);
    }

    /// Notes that its run is still known.
    pub(super) fn touch(&self, at_ms: i64) {
        self.last_ms.fetch_max(at_ms, Ordering::Relaxed);
    }

    /// Retires it where nothing of it is needed; true where it is gone. One that is over moves
    /// `swept_ms` first, so that nobody begins its window again.
    fn sweep(&self, now_ms: i64, swept_ms: &AtomicI64) -> bool {
        let (settled, held) = self.counter.read();
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        if last_ms == RESTORED {
            self.touch(now_ms);
        }
        let idle = last_ms > RESTORED && last_ms.saturating_add(RUN_IDLE_MS) <= now_ms;
        let ended_ms = self.window.end_ms.filter(|end_ms| {
            let kept_ms = (end_ms - self.window.start_ms).min(KEEP_MS);
            end_ms.saturating_add(kept_ms) <= now_ms
        });
        if held != 0 || !(settled == 0 || idle || ended_ms.is_some()) {
            return false;
        }
        if let Some(ended_ms) = ended_ms {
            swept_ms.fetch_max(ended_ms, Ordering::SeqCst);
        }
        self.counter.retire()
    }
}

fn find(cells: &[Arc<Cell>], window: Window) -> Option<Arc<Cell>> {
    cells.iter().find(|cell| cell.window == window).cloned()
}

/// Whether a limit's buckets are forgotten some time after their last use.
pub(super) fn is_of_runs(limit: &Limit) -> bool {
    limit.period == Period::Run
}
