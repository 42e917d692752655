//! What is read from the ledger, and who may read it.

use std::sync::Arc;
use std::time::Duration;

use policy::money::Nanos;
use policy::viewer::Viewer;
use store::ledger::{
    By, Corrections, EntryFilter, ExchangeFilter, External, Ledger, LedgerError, LedgerWriter,
    Rated, SpendQuery, SpendReport,
};
use store::record::Record;
use store::sqlite::MAIN_FILE;

use super::ledger_kit::*;

fn filled(count: u64, days: i64) -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    drop(write_all(dir.path(), &traffic(count, days)));
    let ledger = Ledger::open(dir.path()).unwrap();
    (dir, ledger)
}

fn spend(ledger: &Ledger, viewer: &Viewer, by: &[&str]) -> SpendReport {
    let query = SpendQuery {
        by: by.iter().map(|by| by.parse().unwrap()).collect(),
        ..SpendQuery::default()
    };
    ledger.spend(viewer, &query).unwrap()
}

#[test]
fn spend_over_any_time_is_the_sum_of_its_entries() {
    let (dir, ledger) = filled(900, 6);
    let main = dir.path().join(MAIN_FILE);
    let mut dice = Dice(1);
    for _ in 0..40 {
        let since = MARCH - DAY + dice.roll(7 * DAY as u64) as i64;
        let until = since + dice.roll(4 * DAY as u64) as i64;
        for (since_ms, until_ms) in [
            (Some(since), Some(until)),
            (None, Some(until)),
            (Some(since), None),
        ] {
            let query = SpendQuery {
                by: vec![By::Day, By::Team],
                since_ms,
                until_ms,
            };
            let report = ledger.spend(&operator(), &query).unwrap();
            let (from, to) = (since_ms.unwrap_or(0), until_ms.unwrap_or(i64::MAX));
            let range = format!("at_ms >= {from} AND at_ms < {to}");
            let cost: i64 = value(
                &main,
                &format!("SELECT coalesce(sum(cost_nanos), 0) FROM entries WHERE {range}"),
            );
            let requests: i64 = value(
                &main,
                &format!("SELECT coalesce(sum(requests), 0) FROM entries WHERE {range}"),
            );
            assert_eq!(
                (report.total.cost, report.total.requests),
                (Nanos(cost), requests)
            );
            let rows = report
                .rows
                .iter()
                .fold(0, |sum, row| sum + row.figures.cost.0);
            assert_eq!(rows, cost);
        }
    }
}

#[test]
fn spend_by_every_dimension_adds_up_and_tells_what_belongs_to_nobody() {
    let (_dir, ledger) = filled(500, 3);
    let all = spend(&ledger, &operator(), &[]);
    assert_eq!(all.rows.len(), 1);
    assert!(all.total.unpriced > 0);
    for by in [
        "team",
        "key",
        "user",
        "organisation",
        "model",
        "provider",
        "target",
        "day",
        "tag:app",
        "tag:none",
    ] {
        let report = spend(&ledger, &operator(), &[by, "model"]);
        let sum = report
            .rows
            .iter()
            .fold(0, |sum, row| sum + row.figures.cost.0);
        assert_eq!(Nanos(sum), all.total.cost, "{by}");
    }
    let teams = spend(&ledger, &operator(), &["team"]);
    let none = teams.rows.iter().find(|row| row.by == [""]).unwrap();
    assert_eq!(none.figures, all.unattributed);
    assert!(all.unattributed.requests > 0);
    let apps = spend(&ledger, &operator(), &["tag:app"]);
    assert_eq!(apps.rows.len(), 3);
    assert!(
        "colour"
            .parse::<By>()
            .unwrap_err()
            .to_string()
            .contains("tag:NAME")
    );
}

#[test]
fn a_viewer_of_a_team_sees_that_team_only() {
    let (_dir, ledger) = filled(400, 40);
    let lead = of_team("team-1");
    let all = spend(&ledger, &operator(), &["team"]);
    let own = all.rows.iter().find(|row| row.by == ["team-1"]).unwrap();
    let seen = spend(&ledger, &lead, &["team", "key"]);
    assert_eq!(seen.total, own.figures);
    assert!(seen.rows.iter().all(|row| row.by[0] == "team-1"));

    let page = ledger
        .exchanges(&lead, &ExchangeFilter::default(), None, 1_000)
        .unwrap();
    assert!(!page.items.is_empty());
    assert!(page.items.iter().all(|row| row.team == "team-1"));
    let entries = ledger
        .entries(&lead, &EntryFilter::default(), None, 1_000)
        .unwrap();
    assert!(!entries.items.is_empty());
    assert!(entries.items.iter().all(|row| row.team == "team-1"));

    let other = ExchangeFilter {
        equal: vec![("team".to_owned(), "team-2".to_owned())],
        ..ExchangeFilter::default()
    };
    assert!(
        ledger
            .exchanges(&lead, &other, None, 10)
            .unwrap()
            .items
            .is_empty()
    );
    let of_other = ledger
        .exchanges(&operator(), &other, None, 1)
        .unwrap()
        .items
        .remove(0);
    assert!(ledger.exchange(&lead, &of_other.id).unwrap().is_none());
    assert!(
        ledger
            .exchange(&operator(), &of_other.id)
            .unwrap()
            .is_some()
    );
    let limit = budget("company", None);
    assert!(ledger.balances(&lead, &limit, MARCH).is_err());
    let sql = "SELECT 1 FROM exchanges";
    assert!(
        ledger
            .query(&lead, sql, &Default::default(), &Default::default())
            .is_err()
    );
}

#[test]
fn pages_give_every_exchange_once_newest_first_across_months() {
    let (dir, ledger) = filled(300, 70);
    let mut months = store::sqlite::Month::list(dir.path()).unwrap();
    assert_eq!(months.len(), 4);
    months.dedup();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = ledger
            .exchanges(
                &operator(),
                &ExchangeFilter::default(),
                cursor.as_deref(),
                7,
            )
            .unwrap();
        seen.extend(page.items.into_iter().map(|row| row.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 300);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));

    let filter = ExchangeFilter {
        equal: vec![
            ("outcome".to_owned(), "broken".to_owned()),
            ("tag:app".to_owned(), "app-1".to_owned()),
            ("status".to_owned(), "502".to_owned()),
        ],
        since_ms: Some(MARCH),
        until_ms: Some(MARCH + 20 * DAY),
    };
    let found = ledger
        .exchanges(&operator(), &filter, None, 100)
        .unwrap()
        .items;
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|row| row.outcome == "broken" && &*row.tags[0].1 == "app-1")
    );
    let unknown = ExchangeFilter {
        equal: vec![("1=1 OR state".to_owned(), "x".to_owned())],
        ..ExchangeFilter::default()
    };
    let why = ledger
        .exchanges(&operator(), &unknown, None, 1)
        .unwrap_err()
        .to_string();
    assert!(why.contains("there is no filter"), "{why}");
}

#[test]
fn pages_of_entries_give_every_entry_once() {
    let (dir, ledger) = filled(100, 2);
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = ledger
            .entries(&operator(), &EntryFilter::default(), cursor.as_deref(), 9)
            .unwrap();
        seen.extend(page.items.into_iter().map(|row| row.number));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let count: i64 = value(&dir.path().join(MAIN_FILE), "SELECT count(*) FROM entries");
    let expected: Vec<i64> = (1..=count).rev().collect();
    assert_eq!(seen, expected);
    assert!(
        ledger
            .entries(&operator(), &EntryFilter::default(), Some("x"), 9)
            .is_err()
    );
}

#[test]
fn an_exchange_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let written = closed(34, MARCH);
    drop(write_all(
        dir.path(),
        &[Record::Closed(Box::new(written.clone()))],
    ));
    let ledger = Ledger::open(dir.path()).unwrap();
    let id = written.id.to_string();
    let read = ledger
        .exchange(&operator(), &id.to_lowercase())
        .unwrap()
        .unwrap();
    assert_eq!(read.id, id);
    assert_eq!(read.tags, written.who.tags);
    assert_eq!(
        (read.cost, read.flags, read.status),
        (written.cost, written.flags, written.status)
    );
    assert_eq!(read.tokens.cache_read as u64, written.usage.cache_read);
    assert_eq!(
        (&*read.decision, &*read.outcome),
        (&*written.decision, &*written.outcome)
    );
    assert_eq!(
        read.losses,
        r#"[{"functional":false,"path":"seed","why":"not there"}]"#
    );
    let [attempt] = &read.attempts[..] else {
        panic!("one attempt")
    };
    assert_eq!(
        (attempt.n, attempt.connect_us, attempt.cost),
        (1, 900, written.cost)
    );
    assert!(ledger.exchange(&operator(), "no-id").unwrap().is_none());
}

#[test]
fn whoever_follows_sees_each_exchange_once_in_the_order_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    let records = traffic(60, 40);
    let ends: Vec<String> = records
        .iter()
        .filter_map(|record| match record {
            Record::Closed(exchange) => Some(exchange.id.to_string()),
            Record::Opened(_) | Record::Dispatched(_) | Record::Extended(_) => None,
        })
        .collect();
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let all = ExchangeFilter::default();
    let (none, mut at) = ledger.follow(&operator(), &all, None, 5).unwrap();
    assert!(none.is_empty());
    let (source, mut seen) = (Memory::default(), Vec::new());
    assert!(while_running(writer, &source, || {
        for (first, records) in (1..).step_by(10).zip(records.chunks(10)) {
            source.push(records, first, 0);
            let end = first - 1 + records.len() as u64;
            until("they are committed", || source.committed_to() == end);
            loop {
                let (rows, next) = ledger.follow(&operator(), &all, Some(&at), 3).unwrap();
                at = next.to_string().parse().unwrap();
                if rows.is_empty() {
                    break;
                }
                seen.extend(rows.into_iter().map(|row| row.id));
            }
        }
    }));
    seen.sort();
    let mut expected = ends;
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn rating_anew_appends_the_difference_once() {
    let (dir, ledger) = filled(200, 2);
    let main = dir.path().join(MAIN_FILE);
    let mut corrections = Corrections::open(dir.path(), 0).unwrap();
    let before = spend(&ledger, &operator(), &[]).total;
    let settled: i64 = value(&main, "SELECT count(*) FROM entries WHERE kind = 'settled'");
    let presumed: i64 = value(
        &main,
        "SELECT sum(cost_nanos) FROM entries WHERE kind = 'presumed'",
    );
    let mut rate = |charged: &store::ledger::Charged| {
        assert!(!charged.exchange.is_empty());
        Some(Rated {
            cost: Nanos(charged.tokens.output * 10),
            price_id: Arc::from("p2"),
        })
    };
    let now = MARCH + 9 * DAY;
    let done = corrections.rerate(0, i64::MAX, now, &mut rate).unwrap();
    assert_eq!(done.seen as i64, settled);
    let after = spend(&ledger, &operator(), &[]).total;
    assert_eq!(after.cost.0 - before.cost.0, done.difference.0);
    assert_eq!(after.cost.0 - presumed, after.tokens.output * 10);
    assert_eq!((after.requests, after.unpriced), (before.requests, 0));
    let again = corrections.rerate(0, i64::MAX, now, &mut rate).unwrap();
    assert_eq!((again.adjusted, again.difference), (0, Nanos::ZERO));
    let gapless: bool = value(&main, "SELECT count(*) = max(number) FROM entries");
    assert!(gapless);
    // The writer goes on where corrections ended.
    let more = Record::Closed(Box::new(closed(7_000, MARCH)));
    let writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let source = Memory::default();
    source.push(&[more], 100_000, 0);
    assert!(while_running(writer, &source, || {}));
    assert!(value::<bool>(
        &main,
        "SELECT count(*) = max(number) FROM entries"
    ));
}

#[test]
fn spend_from_outside_is_entered_once() {
    let (dir, ledger) = filled(20, 1);
    let before = spend(&ledger, &operator(), &[]).total;
    let mut corrections = Corrections::open(dir.path(), 0).unwrap();
    let invoice = External {
        id: id(MARCH, 999_999),
        at_ms: MARCH,
        target: Arc::from("acme"),
        cost: Nanos(5_000_000_000),
        note: "invoice 7".to_owned(),
        ..External::default()
    };
    assert!(corrections.external(&invoice).unwrap());
    assert!(!corrections.external(&invoice).unwrap());
    let report = spend(&ledger, &operator(), &["provider"]);
    assert_eq!(report.total.cost.0, before.cost.0 + 5_000_000_000);
    assert_eq!(report.total.requests, before.requests);
    assert!(report.rows.iter().any(|row| row.by == ["acme"]));
    let too_much = External {
        cost: Nanos(i64::MAX),
        ..invoice
    };
    assert!(corrections.external(&too_much).is_err());
}

#[test]
fn a_read_of_many_rows_that_takes_too_long_is_ended_and_says_what_to_do() {
    let (_dir, ledger) = filled(900, 6);
    let ledger = ledger.with_time_max(Duration::ZERO);
    let all = ExchangeFilter {
        equal: vec![("outcome".to_owned(), "never".to_owned())],
        ..ExchangeFilter::default()
    };
    let reads = [
        ledger.spend(&operator(), &SpendQuery::default()).err(),
        ledger.exchanges(&operator(), &all, None, 1_000).err(),
        ledger
            .entries(&operator(), &EntryFilter::default(), None, 1_000)
            .err(),
    ];
    for error in reads {
        let error = error.expect("it was not ended");
        assert!(matches!(error, LedgerError::TooLong), "{error}");
        assert!(error.to_string().contains("a shorter time"), "{error}");
    }
    // What is not ended by the clock is as it was.
    let ledger = ledger.with_time_max(Duration::from_secs(60));
    let spend = ledger.spend(&operator(), &SpendQuery::default()).unwrap();
    assert!(spend.total.requests > 0);
}
