//! Records come back as they were written, in order.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use dialect::chat::Usage;
use dialect::json::Json;
use policy::caller::Attribution;
use policy::limit::Resource;
use policy::money::Nanos;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use store::journal::Journal;
use store::journal::{Options, Positions, Recorder};
use store::record::{
    Attempt, Dispatched, Exchange, Extended, Flags, Held, LossNote, Record, State, Word,
};
use ulid::Ulid;

use super::support::{all, dispatched, exchange, ids, open, options, read, until};

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,12}".prop_map(Arc::from)
}

fn word() -> impl Strategy<Value = Word> {
    "\\PC{0,12}".prop_map(Word::Owned)
}

prop_compose! {
    fn who()(
        key in text(), team in option::of(text()), organisation in option::of(text()),
        user in option::of(text()), run in option::of(text()), tags in vec((text(), text()), 0..3),
    ) -> Attribution {
        Attribution { key, team, organisation, user, run, tags }
    }
}

prop_compose! {
    fn held()(
        limit in text(), bucket in text(), window_ms in any::<i64>(), amount in any::<i64>(),
        resource in prop_oneof![
            Just(Resource::Money), Just(Resource::Tokens),
            Just(Resource::Requests), Just(Resource::Concurrent),
        ],
    ) -> Held {
        Held { limit, bucket, resource, window_ms, amount }
    }
}

prop_compose! {
    fn usage()(counts in any::<[u64; 8]>(), raw in option::of(any::<u32>())) -> Usage {
        let [input, cache_read, cache_write, cache_write_1h, audio_in, output, reasoning, audio_out] = counts;
        let raw = raw.map(|n| Json::parse(&format!("{{\"n\":{n}}}")).expect("is JSON"));
        Usage { input, cache_read, cache_write, cache_write_1h, audio_in, output, reasoning, audio_out, raw, ..Usage::default() }
    }
}

prop_compose! {
    fn attempt()(
        words in (word(), word(), word()), target in text(), why in "\\PC{0,20}",
        times in any::<[u64; 3]>(), cut_by_us in any::<bool>(), usage in usage(),
        cost in any::<i64>(), status in any::<u16>(),
    ) -> Attempt {
        let [connect_us, first_us, total_us] = times;
        let (kind, outcome, phase) = words;
        Attempt {
            kind, target, outcome, why, phase, connect_us, first_us, total_us, cut_by_us, usage,
            cost: Nanos(cost), status,
        }
    }
}

prop_compose! {
    fn loss()(path in "\\PC{0,12}", why in "\\PC{0,12}", functional in any::<bool>()) -> LossNote {
        LossNote { path, why, functional }
    }
}

prop_compose! {
    fn flags()(bits in any::<[bool; 5]>()) -> Flags {
        let [estimated, unpriced, overrun, would_refuse, shortened] = bits;
        Flags { estimated, unpriced, overrun, would_refuse, shortened }
    }
}

prop_compose! {
    fn closed()(
        (id, at_ms, cost, status, stream) in any::<(u128, i64, i64, u16, bool)>(),
        state in prop_oneof![
            Just(State::Open), Just(State::Settled), Just(State::Presumed),
            Just(State::Released), Just(State::Refused),
        ],
        who in who(), words in (word(), word(), word()),
        texts in (text(), text(), text(), text(), text()),
        usage in usage(), flags in flags(), charges in vec(held(), 0..3),
        attempts in vec(attempt(), 0..3),
        (losses, decision, times) in (vec(loss(), 0..3), "\\PC{0,40}", any::<[u64; 3]>()),
    ) -> Exchange {
        let (dialect, operation, outcome) = words;
        let (model, target, served_model, price_id, config_revision) = texts;
        let [overhead_us, took_us, first_us] = times;
        Exchange {
            id: Ulid(id), at_ms, state, who, dialect, operation, model, target, served_model,
            status, outcome, stream, usage, cost: Nanos(cost), price_id, flags, charges, attempts,
            losses, decision, config_revision, overhead_us, took_us, first_us,
        }
    }
}

prop_compose! {
    fn sent()(
        (id, at_ms, held) in any::<(u128, i64, i64)>(), who in who(),
        (model, target, config_revision) in (text(), text(), text()), holds in vec(held(), 0..3),
    ) -> Dispatched {
        Dispatched { id: Ulid(id), at_ms, who, model, target, config_revision, held: Nanos(held), holds }
    }
}

fn record() -> impl Strategy<Value = Record> {
    let extended = (any::<u128>(), any::<i64>(), vec(held(), 0..3));
    prop_oneof![
        sent().prop_map(|record| Record::Dispatched(Box::new(record))),
        extended.prop_map(|(id, more, holds)| Record::Extended(Extended {
            id: Ulid(id),
            more: Nanos(more),
            holds,
        })),
        closed().prop_map(|record| Record::Closed(Box::new(record))),
    ]
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    let tail = RefCell::new(journal.tail(&Positions::new()));
    proptest!(ProptestConfig::with_cases(128), |(records in vec(record(), 1..8))| {
        for record in &records {
            match record {
                Record::Opened(_) => {}
                Record::Dispatched(record) => drop(writer.dispatched(record).expect("is taken")),
                Record::Extended(record) => drop(writer.extended(record).expect("is taken")),
                Record::Closed(record) => drop(writer.closed(record)),
            }
        }
        let read = read(&mut tail.borrow_mut(), records.len());
        let read: Vec<_> = read.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(read, records);
    });
}

#[test]
fn each_opening_is_told_and_marks_what_died() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    for number in [1, 2] {
        drop(writer.dispatched(&dispatched(number)).expect("is taken"));
    }
    drop(writer.closed(&exchange(2)));
    assert_eq!(journal.stats().open, 1);
    drop((writer, journal));

    let journal = open(dir.path());
    assert_eq!(journal.epoch(), 2);
    let boundary = journal.boundaries()[&0];
    let records = all(&journal);
    assert_eq!(ids(&records), [1, 2, 2]);
    assert!(records.iter().all(|(at, _)| at.sequence < boundary));
    drop(
        journal
            .writer(0)
            .dispatched(&dispatched(3))
            .expect("is taken"),
    );
    let mut tail = journal.tail(&[(0, boundary - 1)].into());
    tail.wait(super::support::PATIENCE);
    let first = tail.next_batch(1).expect("reads").records.remove(0);
    assert_eq!(first.0.sequence, boundary);
    assert!(matches!(first.1, Record::Opened(opened) if opened.epoch == 2));
    let new = read(&mut tail, 1);
    assert_eq!(ids(&new), [3]);
    assert!(new[0].0.sequence > boundary);
}

#[test]
fn no_stream_is_lost_when_the_number_of_writers_changes() {
    let dir = tempfile::tempdir().expect("a folder");
    for (round, writers) in [3_u32, 1, 4].into_iter().enumerate() {
        let options = Options {
            writers,
            ..options().0
        };
        let journal = Journal::open(dir.path(), options).expect("opens");
        for core in 0..writers {
            let number = (round as u128) * 10 + u128::from(core);
            drop(
                journal
                    .writer(core as usize)
                    .dispatched(&dispatched(number))
                    .expect("is taken"),
            );
        }
    }
    let mut found = ids(&all(&open(dir.path())));
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 10, 20, 21, 22, 23]);
}

#[test]
fn many_writers_at_once_lose_nothing_and_number_without_gaps() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options {
        writers: 4,
        ..options().0
    };
    let journal = Journal::open(dir.path(), options).expect("opens");
    let mut tail = journal.tail(&Positions::new());
    let records = std::thread::scope(|scope| {
        for thread in 0..8_u128 {
            let writer = journal.writer(usize::try_from(thread).expect("is small"));
            scope.spawn(move || {
                for n in 0..300 {
                    let number = thread * 1000 + n;
                    // The disk may be behind for a moment: that is told, and tried again.
                    until("there is room", || {
                        writer.dispatched(&dispatched(number)).is_ok()
                    });
                    assert!(writer.closed(&exchange(number)).is_durable());
                }
            });
        }
        read(&mut tail, 8 * 300 * 2)
    });
    assert_eq!(records.len(), 8 * 300 * 2);
    for writer in 0..4 {
        let own = records.iter().filter(|(at, _)| at.writer == writer);
        let numbers: Vec<_> = own.map(|(at, _)| at.sequence).collect();
        assert_eq!(numbers, (2..2 + 1200).collect::<Vec<_>>());
    }
}

#[test]
fn refused_exchanges_reach_the_tail_up_to_a_bound_and_are_counted_beyond() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options {
        refused_bytes: 20_000,
        ..options().0
    };
    let journal = Journal::open(dir.path(), options).expect("opens");
    let writer = journal.writer(0);
    for number in 0..100 {
        writer.refused(Box::new(exchange(number)));
    }
    let dropped = journal.stats().refused_dropped;
    let mut tail = journal.tail(&Positions::new());
    let mut given = Vec::new();
    until("the refused ones are given", || {
        tail.wait(std::time::Duration::from_millis(10));
        given.extend(tail.next_batch(7).expect("reads").refused);
        given.len() as u64 + dropped == 100
    });
    assert!(dropped > 0 && given.len() > 10, "{dropped} dropped");
    writer.refused(Box::new(exchange(1)));
    assert_eq!(
        journal.stats().refused_dropped,
        dropped,
        "there is room again"
    );
}

#[test]
fn nobody_else_may_read_the_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = dir.path().join("journal");
    let _journal = Journal::open(&place, Options::default()).expect("opens");
    let mode =
        |path: &std::path::Path| path.metadata().expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    assert_eq!(mode(&place.join("0")), 0o700);
    for segment in super::support::segments(&place, 0) {
        assert_eq!(mode(&segment), 0o600);
    }
}
