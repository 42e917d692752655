//! What the ledger knows of limits: their balances, and what a new one begins with.

use policy::accounts::LimitSet;
use policy::limit::{Each, Limit, Period, Resource, Scope};
use store::ledger::Ledger;
use store::record::Record;
use store::sqlite::MAIN_FILE;

use super::ledger_kit::*;

/// What a limit's buckets are charged with, by name.
fn balances(ledger: &Ledger, limit: &Limit, now_ms: i64) -> Vec<(String, i64)> {
    let rows = ledger.balances(&operator(), limit, now_ms).unwrap();
    rows.into_iter()
        .map(|row| (row.bucket, row.settled))
        .collect()
}

fn open(ledger: &Ledger, limits: &[&Limit], now_ms: i64) {
    let limits = limits.iter().copied().cloned().collect();
    ledger.open_limits(&LimitSet::new(limits), now_ms).unwrap();
}

#[test]
fn balances_are_those_of_the_window_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<Record> = (0..5_i64)
        .map(|n| {
            let mut exchange = closed(n as u64, MARCH + n * DAY);
            for charge in &mut exchange.charges {
                charge.window_ms = MARCH + n * DAY;
            }
            Record::Closed(Box::new(exchange))
        })
        .collect();
    drop(write_all(dir.path(), &records[..4]));
    drop(write_all(dir.path(), &records));
    let ledger = Ledger::open(dir.path()).unwrap();
    let company = Limit {
        period: Period::Day,
        ..budget("company", None)
    };
    for n in 0..5 {
        let found = balances(&ledger, &company, MARCH + n * DAY + 7);
        assert_eq!(found, [(String::new(), 1_000 + n)]);
    }
    assert!(balances(&ledger, &company, MARCH + 5 * DAY).is_empty());
    let main = dir.path().join(MAIN_FILE);
    let windows = |limit: &str| {
        value::<i64>(
            &main,
            &format!("SELECT count(*) FROM balances WHERE \"limit\" = '{limit}'"),
        )
    };
    assert_eq!(windows("company"), 5, "money is never forgotten");
    assert_eq!(windows("rate"), 2, "what only shapes is");
}

#[test]
fn of_runs_only_those_of_the_last_day_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let of_run = |n: u64, at_ms: i64| {
        let mut exchange = closed(n, at_ms);
        exchange.who.run = Some(format!("run-{n}").into());
        exchange.charges = vec![store::record::Held {
            bucket: format!("run-{n}").into(),
            window_ms: 0,
            ..held("runs", Resource::Money, 7)
        }];
        Record::Closed(Box::new(exchange))
    };
    let records = [
        of_run(1, MARCH),
        of_run(2, MARCH + DAY),
        of_run(3, MARCH + 2 * DAY),
    ];
    drop(write_all(dir.path(), &records));
    let ledger = Ledger::open(dir.path()).unwrap();
    let runs = Limit {
        period: Period::Run,
        ..budget("runs", Some(Each::Run))
    };
    let told = balances(&ledger, &runs, MARCH + 2 * DAY);
    assert_eq!(told, [("run-2".to_owned(), 7), ("run-3".to_owned(), 7)]);
}

#[test]
fn a_new_budget_begins_with_what_its_window_has_spent() {
    let dir = tempfile::tempdir().unwrap();
    // Half a day of February, and two days of March.
    let records: Vec<Record> = (0..200)
        .map(|n| Record::Closed(Box::new(closed(n, MARCH - DAY / 2 + n as i64 * DAY / 80))))
        .collect();
    drop(write_all(dir.path(), &records));
    let ledger = Ledger::open(dir.path()).unwrap();
    let now = MARCH + 2 * DAY;
    let everything = budget("everything", None);
    let team = Limit {
        scope: Scope::Team("team-1".into()),
        ..budget("team", None)
    };
    let users = Limit {
        scope: Scope::Tag {
            name: "app".into(),
            value: "app-0".into(),
        },
        period: Period::Total,
        ..budget("users", Some(Each::User))
    };
    let other = Limit {
        scope: Scope::Provider("anthropic".into()),
        ..budget("other", None)
    };
    open(&ledger, &[&everything, &team, &users, &other], now);
    let main = dir.path().join(MAIN_FILE);
    let sum = |condition: &str| {
        let sql = format!(
            "SELECT sum(cost_nanos) FROM entries e JOIN dimensions d ON d.id = e.dimension
             JOIN tagsets t ON t.id = d.tagset WHERE {condition}"
        );
        value::<i64>(&main, &sql)
    };
    let march = format!("at_ms >= {MARCH}");
    let one = |nanos: i64| vec![(String::new(), nanos)];
    assert_eq!(balances(&ledger, &everything, now), one(sum(&march)));
    assert_eq!(
        balances(&ledger, &team, now),
        one(sum(&format!("{march} AND team = 'team-1'")))
    );
    let found = balances(&ledger, &users, now);
    assert!(found.len() > 1);
    for (user, nanos) in found {
        let condition = format!("tags ->> 'app' = 'app-0' AND user = '{user}'");
        assert_eq!(nanos, sum(&condition), "{user}");
    }
    assert!(balances(&ledger, &other, now).is_empty());
}

#[test]
fn a_budget_that_goes_on_is_not_opened_again_and_one_that_comes_back_is() {
    let dir = tempfile::tempdir().unwrap();
    let record = |n: u64| Record::Closed(Box::new(closed(n, MARCH + n as i64)));
    // `closed` charges `company` and `team` as if they were in force.
    drop(write_all(dir.path(), &[record(1), record(2)]));
    let ledger = Ledger::open(dir.path()).unwrap();
    let now = MARCH + DAY;
    let company = budget("company", None);
    let team = Limit {
        scope: Scope::Team("team-3".into()),
        ..budget("team", None)
    };
    let settled = |limit: &Limit| {
        balances(&ledger, limit, now)
            .iter()
            .map(|(_, n)| n)
            .sum::<i64>()
    };
    open(&ledger, &[&company], now);
    assert_eq!(settled(&company), 1_001 + 1_002);
    drop(write_all(dir.path(), &[record(1), record(2), record(3)]));
    let larger = Limit {
        amount: 1,
        ..company.clone()
    };
    open(&ledger, &[&larger], now);
    assert_eq!(settled(&company), 1_001 + 1_002 + 1_003, "it goes on");
    // Whose requests count is another question now: nobody's of that team.
    open(&ledger, &[&company, &team], now);
    assert_eq!((settled(&company), settled(&team)), (3_006, 0));
    open(&ledger, &[&team], now);
    let again = Limit {
        scope: Scope::Key("key-2".into()),
        ..company.clone()
    };
    open(&ledger, &[&again], now);
    assert_eq!(settled(&again), 1_002);
    open(&ledger, &[], now);
    open(&ledger, &[&company], now);
    assert_eq!(settled(&company), 3_006);
}
