//! What the ledger writes: each record exactly once, whatever fails in between.

use std::fs;
use std::time::Duration;

use policy::limit::Resource;
use policy::money::Nanos;
use rusqlite::Connection;
use store::ledger::{Ledger, LedgerWriter, Options, Standing};
use store::record::{Exchange, Opened, Record, State};
use store::sqlite::{MAIN_FILE, Month};

use super::ledger_kit::*;

#[test]
fn any_prefix_and_the_rest_is_the_same_as_all_at_once() {
    let records = traffic(60, 3);
    let whole = tempfile::tempdir().unwrap();
    write_some(whole.path(), &records, records.len(), 0);
    let expected = contents(whole.path());
    for cut in 0..records.len() {
        let dir = tempfile::tempdir().unwrap();
        write_some(dir.path(), &records, cut, 0);
        // The source begins at its beginning again: what is known is passed over.
        let again_from = cut as u64 / 2;
        write_some(dir.path(), &records, records.len(), again_from);
        assert_eq!(contents(dir.path()), expected, "cut at {cut}");
    }
}

/// Writes the first records as a process would that is killed before it presumes anything.
fn write_some(dir: &std::path::Path, records: &[Record], count: usize, after: u64) {
    let writer = LedgerWriter::open(dir, quick()).unwrap();
    let source = Memory::of(&records[..count], after);
    assert!(while_running(writer, &source, || {}));
}

#[test]
fn a_kill_between_the_two_commits_changes_nothing() {
    let records = traffic(300, 2);
    let whole = tempfile::tempdir().unwrap();
    write_some(whole.path(), &records, records.len(), 0);

    let dir = tempfile::tempdir().unwrap();
    write_some(dir.path(), &records, 100, 0);
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let before: i64 = value(&dir.path().join(MAIN_FILE), "SELECT count(*) FROM entries");
    let main = Connection::open(dir.path().join(MAIN_FILE)).unwrap();
    main.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let source = Memory::of(&records, 100);
    let months_count = || -> i64 {
        let months = Month::list(dir.path()).unwrap();
        let files = months
            .iter()
            .map(|month| dir.path().join(month.file_name()));
        let count = |file| {
            let file = Connection::open(file)?;
            file.query_row("SELECT count(*) FROM exchanges", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        // A file that is just being made has no table yet.
        files.map(|file| count(file).unwrap_or(0)).sum()
    };
    let known = months_count();
    // The months' files take the batch, the main file does not: then the writer is gone.
    let wrote_all = while_running(writer, &source, || {
        until("the months' files are ahead", || months_count() > known);
    });
    assert!(!wrote_all);
    main.execute_batch("ROLLBACK").unwrap();
    let after: i64 = value(&dir.path().join(MAIN_FILE), "SELECT count(*) FROM entries");
    assert_eq!(before, after);

    write_some(dir.path(), &records, records.len(), 0);
    assert_eq!(contents(dir.path()), contents(whole.path()));
}

#[test]
fn a_locked_store_loses_nothing_and_says_so() {
    let records = traffic(200, 1);
    let dir = tempfile::tempdir().unwrap();
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let health = writer.health();
    let main = Connection::open(dir.path().join(MAIN_FILE)).unwrap();
    main.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let source = Memory::of(&records, 0);
    assert!(while_running(writer, &source, || {
        until("the writer fails", || match health.standing() {
            Standing::Failing { why, waiting } => why.contains("locked") && waiting > 0,
            Standing::Ok | Standing::Behind(_) => false,
        });
        assert_eq!(source.committed_to(), 0);
        main.execute_batch("ROLLBACK").unwrap();
        until("all is committed", || {
            source.committed_to() == records.len() as u64
        });
        until("the writer is well", || health.standing() == Standing::Ok);
    }));
    let whole = tempfile::tempdir().unwrap();
    write_some(whole.path(), &records, records.len(), 0);
    assert_eq!(contents(dir.path()), contents(whole.path()));
}

#[test]
fn a_store_that_is_locked_for_more_than_a_second_is_told_before_the_lock_is_given_up() {
    let records = traffic(20, 1);
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        busy_timeout: Duration::from_secs(600),
        ..quick()
    };
    let writer = LedgerWriter::open(dir.path(), options).unwrap();
    let health = writer.health();
    let main = Connection::open(dir.path().join(MAIN_FILE)).unwrap();
    main.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let source = Memory::of(&records, 0);
    assert!(while_running(writer, &source, || {
        until("it is told", || match health.standing() {
            Standing::Failing { why, waiting } => why.contains("locked") && waiting > 0,
            Standing::Ok | Standing::Behind(_) => false,
        });
        assert_eq!(source.committed_to(), 0);
        main.execute_batch("ROLLBACK").unwrap();
        until("the writer is well", || health.standing() == Standing::Ok);
        until("all is committed", || {
            source.committed_to() == records.len() as u64
        });
    }));
}

#[test]
fn a_main_file_that_was_taken_away_is_not_written_on_and_not_begun_anew() {
    let records = traffic(50, 1);
    let dir = tempfile::tempdir().unwrap();
    let (file, aside) = (dir.path().join(MAIN_FILE), dir.path().join("aside"));
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let health = writer.health();
    let source = Memory::default();
    assert!(while_running(writer, &source, || {
        fs::rename(&file, &aside).unwrap();
        source.push(&records, 1, 0);
        until("the writer fails", || {
            matches!(health.standing(), Standing::Failing { .. })
        });
        assert!(!file.exists());
        assert_eq!(source.committed_to(), 0);
        fs::rename(&aside, &file).unwrap();
        until("all is committed", || {
            source.committed_to() == records.len() as u64
        });
    }));
}

#[test]
fn a_months_file_may_be_removed_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let source = Memory::default();
    let month = Month::of_ms(MARCH);
    let file = dir.path().join(month.file_name());
    assert!(while_running(writer, &source, || {
        source.push(&[Record::Closed(Box::new(closed(1, MARCH)))], 1, 0);
        until("the first is committed", || source.committed_to() == 1);
        let next = Month::of_ms(MARCH + 40 * DAY);
        let gone = store::ledger::remove_months_before(dir.path(), next).unwrap();
        assert_eq!(gone, [month]);
        assert!(!file.exists());
        source.push(&[Record::Closed(Box::new(closed(2, MARCH)))], 2, 0);
        until("the second is committed", || source.committed_to() == 2);
    }));
    assert_eq!(value::<i64>(&file, "SELECT count(*) FROM exchanges"), 1);
    let entries: i64 = value(&dir.path().join(MAIN_FILE), "SELECT count(*) FROM entries");
    assert_eq!(entries, 2);
}

#[test]
fn what_a_dead_process_left_open_is_charged_with_what_was_held_and_put_right_later() {
    let dir = tempfile::tempdir().unwrap();
    let main = dir.path().join(MAIN_FILE);
    let mut records = vec![
        Record::Opened(Opened {
            epoch: 1,
            at_ms: MARCH,
        }),
        Record::Dispatched(Box::new(dispatched(1, MARCH))),
        Record::Extended(store::record::Extended {
            id: id(MARCH, 1),
            more: Nanos(7),
            holds: vec![held("company", Resource::Money, 7)],
        }),
        Record::Dispatched(Box::new(dispatched(2, MARCH))),
        Record::Closed(Box::new(closed(2, MARCH))),
    ];
    let mut writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let recovered = writer.recover(&mut Memory::of(&records, 0)).unwrap();
    assert_eq!((recovered.records, recovered.presumed), (5, 1));
    drop(writer);

    let ledger = Ledger::open(dir.path()).unwrap();
    let presumed = ledger
        .exchange(&operator(), &id(MARCH, 1).to_string())
        .unwrap()
        .unwrap();
    assert_eq!(
        (&*presumed.state, presumed.cost),
        ("presumed", Nanos(5_000_007))
    );
    let company = || {
        value::<i64>(
            &main,
            "SELECT settled FROM balances WHERE \"limit\" = 'company'",
        )
    };
    assert_eq!(company(), 5_000_007 + 1_002);
    let open: i64 = value(
        &main,
        "SELECT count(*) FROM balances WHERE resource = 'concurrent'",
    );
    assert_eq!(open, 0, "what is under way at once is not kept");

    // Recovering again finds nothing to do.
    drop(write_all(dir.path(), &records));
    assert_eq!(company(), 5_000_007 + 1_002);

    records.push(Record::Closed(Box::new(closed(1, MARCH))));
    drop(write_all(dir.path(), &records));
    assert_eq!(company(), 1_001 + 1_002);
    let total: i64 = value(&main, "SELECT sum(cost_nanos) FROM entries");
    assert_eq!(total, 1_001 + 1_002);
    let requests: i64 = value(&main, "SELECT sum(requests) FROM rollups");
    assert_eq!(requests, 2);
    let settled = ledger
        .exchange(&operator(), &id(MARCH, 1).to_string())
        .unwrap()
        .unwrap();
    assert_eq!(
        (&*settled.state, settled.cost, settled.attempts.len()),
        ("settled", Nanos(1_001), 1)
    );
}

#[test]
fn a_new_process_ends_what_the_one_before_left_on_the_same_stream() {
    let dir = tempfile::tempdir().unwrap();
    let records = [
        Record::Dispatched(Box::new(dispatched(1, MARCH))),
        Record::Opened(Opened {
            epoch: 2,
            at_ms: MARCH,
        }),
        Record::Dispatched(Box::new(dispatched(2, MARCH))),
    ];
    write_some(dir.path(), &records, 3, 0);
    let ledger = Ledger::open(dir.path()).unwrap();
    let state = |n| {
        ledger
            .exchange(&operator(), &id(MARCH, n).to_string())
            .unwrap()
            .unwrap()
            .state
    };
    assert_eq!((&*state(1), &*state(2)), ("presumed", "open"));
}

#[test]
fn an_exchange_that_comes_twice_is_entered_once() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::Closed(Box::new(closed(5, MARCH)));
    write_some(dir.path(), &[record.clone(), record.clone()], 2, 0);
    write_some(dir.path(), &[record.clone(), record.clone(), record], 3, 0);
    let main = dir.path().join(MAIN_FILE);
    assert_eq!(value::<i64>(&main, "SELECT count(*) FROM entries"), 1);
    assert_eq!(value::<i64>(&main, "SELECT number FROM writers"), 1);
    let company: i64 = value(
        &main,
        "SELECT settled FROM balances WHERE \"limit\" = 'company'",
    );
    assert_eq!(company, 1_005);
}

#[test]
fn refused_exchanges_are_kept_and_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let source = Memory::default();
    source.refuse(Exchange {
        state: State::Refused,
        status: 429,
        outcome: "budget_exceeded".into(),
        cost: Nanos::ZERO,
        charges: Vec::new(),
        attempts: Vec::new(),
        ..closed(3, MARCH)
    });
    assert!(while_running(writer, &source, || {}));
    let ledger = Ledger::open(dir.path()).unwrap();
    let refused = ledger
        .exchange(&operator(), &id(MARCH, 3).to_string())
        .unwrap()
        .unwrap();
    assert_eq!((&*refused.state, refused.status), ("refused", 429));
    let main = dir.path().join(MAIN_FILE);
    assert_eq!(value::<i64>(&main, "SELECT count(*) FROM entries"), 0);
}

#[test]
fn numbers_have_no_gaps_and_the_days_sums_are_those_of_the_entries() {
    for seed in [40, 333, 2_000] {
        let dir = tempfile::tempdir().unwrap();
        drop(write_all(dir.path(), &traffic(seed, 5)));
        let main = dir.path().join(MAIN_FILE);
        let gapless: bool = value(
            &main,
            "SELECT count(*) = max(number) AND min(number) = 1 AND count(*) = (SELECT number FROM writers)
             FROM entries",
        );
        assert!(gapless);
        let sums = |table: &str, day: &str| {
            format!(
                "SELECT group_concat(x, ';') FROM (SELECT {day} || ',' || dimension || ',' || sum(requests)
                 || ',' || sum(failures) || ',' || sum(input) || ',' || sum(cache_read) || ',' ||
                 sum(output) || ',' || sum(cost_nanos) || ',' || sum(unpriced) AS x
                 FROM {table} GROUP BY {day}, dimension ORDER BY {day}, dimension)"
            )
        };
        let rollups: String = value(&main, &sums("rollups", "day"));
        let entries: String = value(&main, &sums("entries", "(at_ms / 86400000)"));
        assert_eq!(rollups, entries);
        let charged: i64 = value(
            &main,
            "SELECT settled FROM balances WHERE \"limit\" = 'company'",
        );
        let entered: i64 = value(&main, "SELECT sum(cost_nanos) FROM entries");
        assert_eq!(charged, entered);
    }
}

#[test]
fn entries_are_only_ever_appended() {
    let dir = tempfile::tempdir().unwrap();
    drop(write_all(dir.path(), &traffic(10, 1)));
    let main = Connection::open(dir.path().join(MAIN_FILE)).unwrap();
    for sql in ["UPDATE entries SET cost_nanos = 0", "DELETE FROM entries"] {
        let why = main.execute(sql, []).unwrap_err().to_string();
        assert!(why.contains("only ever appended"), "{why}");
    }
}

#[test]
fn absurd_amounts_do_not_stop_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<Record> = (0..20)
        .map(|n| {
            let mut exchange = closed(n, MARCH);
            exchange.cost = Nanos(i64::MAX);
            exchange.usage.input = u64::MAX;
            exchange.charges = vec![held("company", Resource::Money, i64::MAX)];
            Record::Closed(Box::new(exchange))
        })
        .collect();
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    assert!(while_running(writer, &Memory::of(&records, 0), || {}));
    let ledger = Ledger::open(dir.path()).unwrap();
    let report = ledger
        .spend(&operator(), &store::ledger::SpendQuery::default())
        .unwrap();
    assert_eq!(report.total.requests, 20);
}

#[test]
fn a_thousand_absurd_requests_of_a_dead_process_do_not_fill_the_sums() {
    let dir = tempfile::tempdir().unwrap();
    let mut records: Vec<Record> = (0..1_000)
        .map(|n| {
            let mut open = dispatched(n, MARCH);
            open.held = Nanos(i64::MAX);
            open.holds = vec![held("company", Resource::Money, i64::MAX)];
            Record::Dispatched(Box::new(open))
        })
        .collect();
    drop(write_all(dir.path(), &records));
    // They turn out to have cost something, after all, and others follow.
    records.extend((0..1_100).map(|n| Record::Closed(Box::new(closed(n, MARCH)))));
    drop(write_all(dir.path(), &records));
    let ledger = Ledger::open(dir.path()).unwrap();
    let report = ledger
        .spend(&operator(), &store::ledger::SpendQuery::default())
        .unwrap();
    let expected: i64 = (0..1_100).map(|n| closed(n, MARCH).cost.0).sum();
    assert_eq!(
        (report.total.requests, report.total.cost.0),
        (1_100, expected)
    );
}
