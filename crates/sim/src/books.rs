//! The provider's own books: every request as it arrived, how each exchange
//! went, and the bill.
//!
//! They are kept by this crate's own reckoning and share nothing with any
//! gateway, so that the two can be compared. What was only seen is bounded in
//! bytes and what was billed in rows; the bill's total covers all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, broadcast};

use crate::script::{CancelledBill, Price};

/// What the provider charges for, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// All calls ever, in nano-dollars; also those no longer listed.
    pub total_nanos: u64,
    /// Number of calls ever charged for.
    pub call_count: u64,
    /// The latest calls charged for (at most 100,000), oldest first.
    pub calls: Vec<Call>,
}

/// One call on the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The exchange's number, counted from 1.
    pub n: u64,
    /// When it arrived, in milliseconds of Unix time.
    pub at: u64,
    /// The dialect it was asked in.
    pub dialect: &'static str,
    /// What was asked for, such as `chat` or `embed`.
    pub operation: &'static str,
    /// The model it named.
    pub model: String,
    /// Input that was not read from a cache.
    pub input_tokens: u64,
    /// Input read from a cache; not part of `input_tokens`.
    pub cached_tokens: u64,
    /// Output that was generated, reasoning included.
    pub output_tokens: u64,
    /// The price of all three, in nano-dollars.
    pub cost_nanos: u64,
    /// Whether the answer went out whole.
    pub completed: bool,
    /// What ended it early: `client`, `fin`, `rst`, `stall`, `clean`, `error_event`.
    pub cut: Option<String>,
    /// The id this provider gave the exchange.
    pub request_id: String,
    /// The caller's `idempotency-key`.
    pub idempotency_key: Option<String>,
}

/// A request as it was received, and how it went.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The exchange's number, counted from 1.
    pub n: u64,
    /// When it arrived, in milliseconds of Unix time.
    pub at: u64,
    /// The connection it came over, counted from 1.
    pub connection: u64,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: http::Version,
    /// The method.
    pub method: http::Method,
    /// Path and query as sent.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The status that was answered, once it was.
    pub status: Option<u16>,
    /// The faults of the script that took effect.
    pub faults: Vec<&'static str>,
    /// Events of the answer given to the transport so far.
    pub events_sent: u64,
    /// Bytes of the answer's body given to the transport so far.
    pub bytes_sent: u64,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was to be sent was given to the transport.
    Finished,
    /// The script ended it early, as named.
    Cut(&'static str),
    /// The peer went away first.
    ClosedByPeer,
}

/// Something that happened to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The exchange's number, counted from 1.
    pub exchange: u64,
    /// What happened.
    pub what: What,
}

/// What can happen to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The whole request was read.
    Arrived,
    /// The head of the answer was given to the transport.
    HeadSent,
    /// So many events of the body were given to the transport.
    Sent(u64),
    /// It stands still until the peer goes, as scripted.
    Stalled,
    /// It ended.
    Ended(Outcome),
}

pub(crate) const SEEN_BYTES: usize = 64 << 20;
const CALLS_KEPT: usize = 100_000;
const EVENTS_KEPT: usize = 4_096;

/// The books of one [`crate::Sim`].
#[derive(Debug)]
pub(crate) struct Books {
    pages: Mutex<Pages>,
    pub(crate) changed: Notify,
    events: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    total_nanos: u64,
    call_count: u64,
    calls: VecDeque<Call>,
    open: HashMap<u64, (Call, Price)>,
    seen: VecDeque<Seen>,
    seen_bytes: usize,
}

impl Books {
    pub(crate) fn new() -> Arc<Books> {
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        Arc::new(Books {
            pages: Mutex::default(),
            changed: Notify::new(),
            events,
        })
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn bill(&self) -> Bill {
        let pages = self.pages.lock();
        let mut calls: Vec<Call> = pages.calls.iter().cloned().collect();
        calls.extend(pages.open.values().map(|(call, price)| {
            let mut call = call.clone();
            call.cost_nanos = price.cost(&call);
            call
        }));
        calls.sort_by_key(|call| call.n);
        let open: u64 = pages
            .open
            .values()
            .map(|(call, price)| price.cost(call))
            .sum();
        Bill {
            total_nanos: pages.total_nanos.saturating_add(open),
            call_count: pages.call_count + pages.open.len() as u64,
            calls,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.pages.lock().seen.iter().cloned().collect()
    }

    pub(crate) fn find(&self, n: u64) -> Option<Seen> {
        self.pages.lock().row(n).map(|row| row.clone())
    }

    /// The number of the latest exchange.
    pub(crate) fn last(&self) -> u64 {
        self.pages.lock().last
    }

    /// Forgets everything but the numbering, which exchanges still open rely on.
    pub(crate) fn reset(&self) {
        let mut pages = self.pages.lock();
        *pages = Pages {
            last: pages.last,
            ..Pages::default()
        };
        drop(pages);
        self.changed.notify_waiters();
    }

    /// Enters a request and gives it its number.
    pub(crate) fn arrived(self: &Arc<Self>, mut seen: Seen) -> Ticket {
        let mut pages = self.pages.lock();
        pages.last += 1;
        let n = pages.last;
        seen.n = n;
        seen.at = now_ms();
        let at = seen.at;
        pages.seen_bytes += weight(&seen);
        pages.seen.push_back(seen);
        while pages.seen_bytes > SEEN_BYTES && pages.seen.len() > 1 {
            if let Some(old) = pages.seen.pop_front() {
                pages.seen_bytes = pages.seen_bytes.saturating_sub(weight(&old));
            }
        }
        drop(pages);
        self.tell(n, What::Arrived);
        Ticket {
            books: Arc::clone(self),
            n,
            at,
            charge: None,
            entered: false,
            outcome: None,
            stalled: false,
        }
    }

    fn tell(&self, exchange: u64, what: What) {
        // Nobody listening is the usual case.
        let _ = self.events.send(Event { exchange, what });
        self.changed.notify_waiters();
    }
}

impl Pages {
    fn row(&mut self, n: u64) -> Option<&mut Seen> {
        let first = self.seen.front()?.n;
        let at = usize::try_from(n.checked_sub(first)?).ok()?;
        self.seen.get_mut(at)
    }

    fn settle(&mut self, mut call: Call, price: Price) {
        call.cost_nanos = price.cost(&call);
        self.total_nanos = self.total_nanos.saturating_add(call.cost_nanos);
        self.call_count += 1;
        self.calls.push_back(call);
        if self.calls.len() > CALLS_KEPT {
            self.calls.pop_front();
        }
    }
}

/// What a call will be charged, agreed before its answer begins.
#[derive(Debug)]
pub(crate) struct Charge {
    pub(crate) call: Call,
    pub(crate) price: Price,
    /// Output tokens of the whole answer.
    pub(crate) output_full: u64,
    pub(crate) input_on_start: bool,
    pub(crate) cancelled: CancelledBill,
}

/// One exchange's entry. Dropped before its end, it says that the peer left.
#[derive(Debug)]
pub(crate) struct Ticket {
    books: Arc<Books>,
    pub(crate) n: u64,
    pub(crate) at: u64,
    pub(crate) charge: Option<Charge>,
    /// Whether the call is on the bill as an open one.
    entered: bool,
    outcome: Option<Outcome>,
    stalled: bool,
}

impl Ticket {
    /// The head is about to go out.
    pub(crate) fn head(&mut self, status: u16, faults: Vec<&'static str>) {
        let mut pages = self.books.pages.lock();
        if let Some(row) = pages.row(self.n) {
            row.status = Some(status);
            row.faults = faults;
        }
        if let Some(charge) = self.charge.as_ref().filter(|c| c.input_on_start) {
            pages
                .open
                .insert(self.n, (charge.call.clone(), charge.price));
            self.entered = true;
        }
        drop(pages);
        self.books.tell(self.n, What::HeadSent);
    }

    /// A fault took effect without an answer.
    pub(crate) fn fault(&self, fault: &'static str) {
        if let Some(row) = self.books.pages.lock().row(self.n) {
            row.faults.push(fault);
        }
    }

    /// Bytes went out; `out` holds events and output tokens that are out in full.
    pub(crate) fn sent(&mut self, bytes: u64, out: Option<(u64, u64)>) {
        let mut pages = self.books.pages.lock();
        if let Some(row) = pages.row(self.n) {
            row.bytes_sent += bytes;
            row.events_sent = out.map_or(row.events_sent, |(events, _)| events);
        }
        if let (Some(charge), Some((_, tokens))) = (&mut self.charge, out) {
            charge.call.output_tokens = tokens;
            if !self.entered && tokens > 0 {
                pages
                    .open
                    .insert(self.n, (charge.call.clone(), charge.price));
                self.entered = true;
            } else if let Some((call, _)) = pages.open.get_mut(&self.n) {
                call.output_tokens = tokens;
            }
        }
        drop(pages);
        if let Some((events, _)) = out {
            self.books.tell(self.n, What::Sent(events));
        }
    }

    /// It stands still from here on.
    pub(crate) fn stalled(&mut self) {
        if self.stalled {
            return;
        }
        self.stalled = true;
        self.books.tell(self.n, What::Stalled);
    }

    pub(crate) fn complete(&mut self) {
        self.end(Outcome::Finished, None);
    }

    pub(crate) fn cut(&mut self, why: &'static str) {
        self.end(Outcome::Cut(why), Some(why));
    }

    fn end(&mut self, outcome: Outcome, cut: Option<&'static str>) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(outcome);
        let mut pages = self.books.pages.lock();
        if let Some(row) = pages.row(self.n) {
            row.outcome = Some(outcome);
        }
        let open = pages.open.remove(&self.n).is_some();
        if let Some(mut charge) = self.charge.take() {
            let gone = outcome == Outcome::ClosedByPeer;
            let full = gone && charge.cancelled == CancelledBill::Full;
            if full {
                charge.call.output_tokens = charge.output_full;
            }
            let whole = outcome == Outcome::Finished;
            charge.call.completed = whole;
            charge.call.cut = cut.map(str::to_owned);
            // After a reset of the books there is no open entry to settle.
            if open || full || (whole && !self.entered) {
                pages.settle(charge.call, charge.price);
            }
        }
        drop(pages);
        self.books.tell(self.n, What::Ended(outcome));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let why = if self.stalled { "stall" } else { "client" };
        self.end(Outcome::ClosedByPeer, Some(why));
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn weight(seen: &Seen) -> usize {
    let headers: usize = seen
        .headers
        .iter()
        .map(|(k, v)| k.as_str().len() + v.len() + 64)
        .sum();
    headers + seen.body.len() + seen.path.len() + 256
}
