//! The counters under a scheduler that tries the orders in which threads can meet.
//!
//! The very source of the counters is compiled here against that scheduler's atomics.

use shuttle::sync::Arc;
use shuttle::thread;

use counter::{Closed, Counter, Course, Stake, State, Take};

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicI64, AtomicU8, Ordering};
}

#[expect(unreachable_pub, reason = "the crate exports the state of a hold")]
#[path = "../../src/accounts/counter.rs"]
mod counter;

const AMOUNT: i64 = 10;

fn orders() -> usize {
    if std::env::var_os("BONDGATE_LONG").is_some() {
        200_000
    } else {
        5_000
    }
}

/// Runs it in many orders, some at random and some that switch rarely.
fn in_many_orders(test: fn()) {
    shuttle::check_random(test, orders());
    shuttle::check_pct(test, orders(), 3);
}

fn taken(take: Take) -> bool {
    match take {
        Take::Taken { .. } => true,
        Take::Full | Take::Retired => false,
    }
}

/// A request that holds an amount of one counter.
struct Held {
    counter: Counter,
    stake: Stake,
    course: Course,
}

impl Held {
    fn new(held: i64) -> Arc<Self> {
        let counter = Counter::new();
        assert!(taken(counter.take(held, Some(AMOUNT))));
        let course = Course::new();
        assert_eq!(course.state(), State::Reserved);
        Arc::new(Self {
            counter,
            stake: Stake::new(held),
            course,
        })
    }

    fn resolve(&self, from: State, to: State, actual: i64) -> bool {
        let mine = self.course.step(from, to);
        if mine {
            let closed: Option<Closed> = self.stake.close(&self.counter, |_| actual);
            assert!(closed.is_some_and(|closed| closed.charged == actual && closed.held >= 0));
            assert!(closed.is_some_and(|closed| closed.settled >= closed.charged));
        }
        mine
    }

    /// As an extension does: takes, adds, and undoes where the stake was closed meanwhile.
    fn extend(&self, more: i64) -> bool {
        if !taken(self.counter.take(more, Some(AMOUNT))) {
            return false;
        }
        let added = self.stake.add(more);
        if !added {
            self.counter.undo(more);
        }
        added
    }
}

#[test]
fn a_request_that_is_settled_and_released_at_once_resolves_once() {
    in_many_orders(|| {
        let held = Held::new(6);
        assert!(held.course.step(State::Reserved, State::Dispatched));
        let other = Arc::clone(&held);
        let release = thread::spawn(move || other.resolve(State::Dispatched, State::Released, 0));
        let settled = held.resolve(State::Dispatched, State::Settled, 4);
        let released = release.join().unwrap();
        assert!(settled != released);
        let expected = if settled { (4, 0) } else { (0, 0) };
        assert_eq!(held.counter.read(), expected);
        assert_eq!(held.stake.held(), 0);
    });
}

#[test]
fn a_request_that_is_cancelled_while_it_is_sent_is_either_sent_or_gone() {
    in_many_orders(|| {
        let held = Held::new(6);
        let other = Arc::clone(&held);
        let cancel = thread::spawn(move || other.resolve(State::Reserved, State::Released, 0));
        let sent = held.course.step(State::Reserved, State::Dispatched);
        let settled = sent && held.resolve(State::Dispatched, State::Settled, 3);
        let cancelled = cancel.join().unwrap();
        assert!(sent != cancelled);
        assert_eq!(settled, sent);
        assert_eq!(held.counter.read(), (if sent { 3 } else { 0 }, 0));
    });
}

#[test]
fn an_extension_beside_a_settlement_leaves_nothing_held() {
    in_many_orders(|| {
        let held = Held::new(6);
        assert!(held.course.step(State::Reserved, State::Dispatched));
        let other = Arc::clone(&held);
        let extend = thread::spawn(move || other.extend(3));
        assert!(held.resolve(State::Dispatched, State::Settled, 5));
        extend.join().unwrap();
        assert_eq!(held.counter.read(), (5, 0));
    });
}

#[test]
fn takes_beside_each_other_and_a_settlement_never_exceed_the_amount() {
    in_many_orders(|| {
        let held = Held::new(6);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let held = Arc::clone(&held);
                thread::spawn(move || taken(held.counter.take(5, Some(AMOUNT))))
            })
            .collect();
        let observer = Arc::clone(&held);
        let observer = thread::spawn(move || {
            for _ in 0..3 {
                let (settled, held) = observer.counter.read();
                assert!(settled + held <= AMOUNT, "{settled} + {held}");
            }
        });
        assert!(held.resolve(State::Reserved, State::Settled, 2));
        let taken = takers.into_iter().map(|taker| taker.join().unwrap());
        let taken = i64::try_from(taken.filter(|taken| *taken).count()).unwrap();
        observer.join().unwrap();
        assert_eq!(held.counter.read(), (2, taken * 5));
        assert!(taken <= 1);
    });
}

#[test]
fn a_counter_that_retires_loses_nothing_that_is_held_or_charged() {
    for asked in [0, 4] {
        shuttle::check_random(move || retire_beside(asked), orders());
        shuttle::check_pct(move || retire_beside(asked), orders(), 3);
    }
}

fn retire_beside(asked: i64) {
    let counter = Arc::new(Counter::new());
    let users: Vec<_> = (0..2)
        .map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let taken = taken(counter.take(asked, Some(AMOUNT)));
                taken && Stake::new(asked).close(&counter, |_| 3).is_some()
            })
        })
        .collect();
    let retirer = Arc::clone(&counter);
    let retirer = thread::spawn(move || retirer.retire());
    let charged = users.into_iter().map(|user| user.join().unwrap());
    let charged = i64::try_from(charged.filter(|charged| *charged).count()).unwrap();
    let retired = retirer.join().unwrap();
    assert_eq!(counter.read(), (charged * 3, 0));
    let after = counter.take(1, None);
    assert_eq!(after == Take::Retired, retired, "{after:?}");
    if !retired {
        assert_eq!(counter.read(), (charged * 3, 1));
    }
}

#[test]
fn each_alert_step_is_told_by_one_settlement() {
    in_many_orders(|| {
        let counter = Arc::new(Counter::new());
        let other = Arc::clone(&counter);
        let beside = thread::spawn(move || other.tell(80));
        let (first, second) = (counter.tell(80), beside.join().unwrap());
        let news = [first, second].into_iter().filter(|(from, to)| from < to);
        assert_eq!(news.count(), 1);
    });
}
