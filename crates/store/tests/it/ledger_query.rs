//! Queries over the views: what they give, and all that they may not do.

use std::fs;
use std::time::Duration;

use store::ledger::{Answer, Cell, Given, Ledger, LedgerError, Limits, VIEWS};
use store::sqlite::{MAIN_FILE, Month};

use super::ledger_kit::*;

fn filled() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    drop(write_all(dir.path(), &traffic(200, 40)));
    let ledger = Ledger::open(dir.path()).unwrap();
    (dir, ledger)
}

fn given() -> Given {
    let row = |name: &str, cell: Cell| {
        let view = VIEWS.iter().find(|view| view.name == name).unwrap();
        vec![vec![cell; view.columns.len()]]
    };
    Given {
        budgets: row("budgets", Cell::Integer(7)),
        keys: row("keys", Cell::Text("bot".to_owned())),
        targets: row("targets", Cell::Null),
        paths: row("paths", Cell::Real(0.5)),
    }
}

fn ask(ledger: &Ledger, sql: &str) -> Result<Answer, LedgerError> {
    ledger.query(&operator(), sql, &given(), &Limits::default())
}

#[test]
fn every_view_has_the_columns_that_are_documented() {
    let (_dir, ledger) = filled();
    for view in VIEWS {
        let answer = ask(&ledger, &format!("SELECT * FROM {}", view.name)).unwrap();
        let named: Vec<&str> = view.columns.iter().map(|column| column.name).collect();
        assert_eq!(answer.columns, named, "{}", view.name);
        assert!(!answer.rows.is_empty(), "{}", view.name);
        for column in named {
            ask(
                &ledger,
                &format!(
                    "SELECT \"{column}\" FROM {} WHERE \"{column}\" IS NULL",
                    view.name
                ),
            )
            .unwrap();
        }
    }
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ledger.md")).unwrap();
    for view in VIEWS {
        assert!(
            page.contains(&format!("### `{}`", view.name)),
            "{} is not in the page",
            view.name
        );
        for column in view.columns {
            let row = format!("| `{}` | {} |", column.name, column.what);
            assert!(
                page.contains(&row),
                "{}: `{row}` is not in the page",
                view.name
            );
        }
    }
}

#[test]
fn useful_questions_are_answered() {
    let (dir, ledger) = filled();
    let answer = ask(
        &ledger,
        "WITH slow AS (SELECT x.id, x.team, a.total_ms, x.tags ->> 'app' AS app FROM exchanges x
             JOIN attempts a ON a.exchange = x.id WHERE a.outcome = 'answered')
         SELECT team, app, count(*) AS n, round(avg(total_ms), 1), max(id) FROM slow
         GROUP BY team, app HAVING n > 1 ORDER BY n DESC, team LIMIT 5;",
    )
    .unwrap();
    assert_eq!(answer.rows.len(), 5);
    let sum = ask(&ledger, "SELECT sum(cost_nanos) FROM spend_daily").unwrap();
    let entries = ask(&ledger, "select SUM(cost_nanos) from LEDGER").unwrap();
    assert_eq!(sum.rows, entries.rows);
    let expected: i64 = value(
        &dir.path().join(MAIN_FILE),
        "SELECT sum(cost_nanos) FROM entries",
    );
    assert_eq!(sum.rows, [[Cell::Integer(expected)]]);
    for sql in [
        "SELECT count(*) FROM exchanges",
        "SELECT count(*) FROM ledger",
        "SELECT count(cost_nanos) FROM ledger",
        "SELECT count(*) FROM spend_daily, attempts",
        "SELECT 1",
        "-- a comment\nSELECT name FROM keys",
        "SELECT j.key, j.value FROM ledger l, json_each(l.tags) j LIMIT 3",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT x FROM n",
        "SELECT count(*) FROM exchanges JOIN ledger USING (target, key)",
        "SELECT team, count(*) FROM exchanges NATURAL JOIN spend_daily GROUP BY team ORDER BY 2",
        "SELECT count(*) FROM keys, budgets, targets, paths",
        "SELECT day, sum(cost_nanos) OVER (ORDER BY day) FROM spend_daily LIMIT 3",
        "SELECT at, strftime('%H', at) FROM exchanges LIMIT 1",
        "SELECT team FROM exchanges UNION SELECT team FROM ledger",
    ] {
        ask(&ledger, sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
    let at = ask(&ledger, "SELECT at FROM exchanges ORDER BY id LIMIT 1").unwrap();
    assert_eq!(
        at.rows,
        [[Cell::Text("2026-02-28T00:00:00.000Z".to_owned())]]
    );
}

/// What somebody may try.
const HOSTILE: &[&str] = &[
    "",
    ";",
    "-- nothing",
    "DELETE FROM entries",
    "DELETE FROM main.rollups",
    "UPDATE balances SET settled = 0",
    "INSERT INTO keys VALUES (1)",
    "INSERT INTO temp.keys SELECT * FROM keys RETURNING *",
    "DELETE FROM keys RETURNING *",
    "REPLACE INTO prices VALUES ('x', 1)",
    "DROP TABLE entries",
    "DROP VIEW exchanges",
    "CREATE TABLE x (y)",
    "CREATE TEMP VIEW ledger AS SELECT * FROM main.entries",
    "CREATE TEMP TABLE x AS SELECT * FROM keys",
    "CREATE TEMP TRIGGER t AFTER INSERT ON keys BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE v USING dbstat(main)",
    "ALTER TABLE entries RENAME TO x",
    "SELECT 1; DELETE FROM entries",
    "SELECT 1; SELECT 2",
    "SELECT * FROM entries",
    "SELECT * FROM main.entries",
    "SELECT count(*) FROM main.balances",
    "SELECT 1 FROM prices",
    "SELECT rowid FROM dimensions",
    "SELECT count(key) FROM dimensions",
    "SELECT 1 FROM entries WHERE cost_nanos > 0",
    "SELECT count(*) FROM entries ORDER BY number",
    "SELECT exists (SELECT 1 FROM main.checkpoint)",
    "SELECT (SELECT max(number) FROM writers) FROM ledger",
    "SELECT * FROM m0.exchanges",
    "SELECT * FROM ledger JOIN open USING (id)",
    "WITH ledger AS (SELECT * FROM entries) SELECT * FROM ledger",
    "SELECT * FROM (SELECT * FROM entries) AS ledger",
    "WITH Ledger AS MATERIALIZED (SELECT * FROM entries) SELECT * FROM Ledger",
    "WITH inner_ledger AS (SELECT * FROM entries) SELECT * FROM inner_ledger",
    "WITH keys AS (SELECT * FROM main.objects) SELECT * FROM keys",
    "WITH exchanges AS (SELECT * FROM main.open) SELECT * FROM exchanges",
    "SELECT count(*) FROM main.objects NATURAL JOIN (SELECT 'bot' AS name)",
    "SELECT count(*) FROM main.objects JOIN (SELECT 'bot' AS name) USING (name)",
    "SELECT count(*) FROM key_secrets NATURAL LEFT JOIN (SELECT 'abcd' AS hint)",
    "SELECT name FROM main.objects NATURAL FULL JOIN (SELECT 'bot' AS name)",
    "SELECT hint FROM (SELECT 'abcd' AS hint) NATURAL RIGHT JOIN main.key_secrets",
    "SELECT 1 FROM ledger l WHERE EXISTS (SELECT 1 FROM main.prices NATURAL JOIN (SELECT l.price_id AS id))",
    "SELECT count(*) FROM m0.payloads NATURAL JOIN (SELECT 'x' AS part)",
    "SELECT 'x' IN main.counted",
    "SELECT ('x', 'y') IN main.counted",
    "SELECT count(*) FROM master_key",
    "SELECT count(*) FROM main.audit ORDER BY who",
    "SELECT json_group_array(o.name) FROM ledger, json_each('[1]'), main.objects o",
    "SELECT (SELECT 1 FROM main.key_secrets LIMIT 1)",
    "SELECT count(*) FILTER (WHERE hint > 'a') FROM main.key_secrets",
    "WITH RECURSIVE ledger(x) AS (SELECT hint FROM key_secrets UNION SELECT x FROM ledger) SELECT x FROM ledger",
    "VALUES ((SELECT name FROM objects))",
    "SELECT * FROM sqlite_schema",
    "SELECT * FROM main.sqlite_master",
    "SELECT * FROM temp.sqlite_temp_master",
    "SELECT * FROM sqlite_temp_schema",
    "SELECT * FROM m0.sqlite_schema",
    "SELECT * FROM schema_migrations",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('entries')",
    "SELECT * FROM pragma_function_list",
    "SELECT * FROM dbstat",
    "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM bytecode('SELECT 1')",
    "PRAGMA database_list",
    "PRAGMA journal_mode = delete",
    "PRAGMA query_only = off",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
    "DETACH m0",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT x",
    "EXPLAIN SELECT * FROM ledger",
    "EXPLAIN QUERY PLAN SELECT * FROM ledger",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('x', 'y')",
    "SELECT fts3_tokenizer('x')",
    "SELECT randomblob(1000000000)",
    "SELECT zeroblob(1000000000)",
    "SELECT sqlite_compileoption_get(1)",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "SELECT replace(hex(replace(printf('%1000000d', 1), ' ', 'xxxx')), '7', '777777777')",
    "SELECT * FROM ledger WHERE number = ?",
    "SELECT nosuchfunction(1)",
    "SELECT * FROM nosuchtable",
    "SELECT 1 \u{0} DELETE",
];

#[test]
fn nothing_but_reading_the_views_is_possible() {
    let (dir, ledger) = filled();
    let before = contents(dir.path());
    let aside = dir.path().join("aside.db");
    let aside = aside.display();
    let made = [
        format!("ATTACH '{aside}' AS aside"),
        format!("VACUUM INTO '{aside}'"),
        format!("SELECT {}1{}", "abs(".repeat(500), ")".repeat(500)),
        format!("SELECT '{}'", "x".repeat(100_000)),
    ];
    let made = made.iter().map(String::as_str);
    for sql in HOSTILE.iter().copied().chain(made) {
        let shown: String = sql.chars().take(80).collect();
        match ask(&ledger, sql) {
            Err(LedgerError::Refused(why)) => assert!(why.starts_with("query: "), "{shown}: {why}"),
            other => panic!(
                "{shown}: {}",
                format!("{other:?}").chars().take(300).collect::<String>()
            ),
        }
    }
    assert!(!dir.path().join("aside.db").exists());
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn an_error_says_what_is_allowed() {
    let (_dir, ledger) = filled();
    let why = ask(&ledger, "SELECT * FROM main.entries")
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("only one SELECT over exchanges, attempts"),
        "{why}"
    );
}

#[test]
fn a_query_without_an_end_is_ended() {
    let (_dir, ledger) = filled();
    let limits = Limits {
        time: Duration::from_millis(50),
        ..Limits::default()
    };
    for sql in [
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
        "SELECT count(*) FROM exchanges a, exchanges b, exchanges c, exchanges d, exchanges e",
    ] {
        let why = ledger
            .query(&operator(), sql, &given(), &limits)
            .unwrap_err()
            .to_string();
        assert!(why.contains("longer than 50 ms"), "{why}");
    }
}

#[test]
fn rows_and_bytes_have_a_bound() {
    let (_dir, ledger) = filled();
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, 'some text' FROM n";
    let few = Limits {
        rows: 10,
        ..Limits::default()
    };
    let answer = ledger.query(&operator(), endless, &given(), &few).unwrap();
    assert_eq!((answer.rows.len(), answer.more), (10, true));
    let small = Limits {
        bytes: 100,
        ..Limits::default()
    };
    let answer = ledger
        .query(&operator(), endless, &given(), &small)
        .unwrap();
    assert_eq!((answer.rows.len(), answer.more), (5, true));
    let all = ask(&ledger, "SELECT 1").unwrap();
    assert!(!all.more);
}

#[test]
fn the_newest_ten_months_of_the_range_are_shown_and_the_others_named() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..13)
        .map(|n| store::record::Record::Closed(Box::new(closed(n, MARCH + n as i64 * 31 * DAY))))
        .collect();
    drop(write_all(dir.path(), &records));
    let months = Month::list(dir.path()).unwrap();
    assert_eq!(months.len(), 13);
    let ledger = Ledger::open(dir.path()).unwrap();
    let answer = ask(&ledger, "SELECT count(*) FROM exchanges").unwrap();
    assert_eq!(answer.rows, [[Cell::Integer(10)]]);
    assert_eq!(answer.months_left_out, months[10..]);
    let early = Limits {
        until: Some(months[9]),
        ..Limits::default()
    };
    let answer = ledger
        .query(
            &operator(),
            "SELECT count(*) FROM exchanges",
            &given(),
            &early,
        )
        .unwrap();
    assert_eq!(answer.rows, [[Cell::Integer(4)]]);
    assert!(answer.months_left_out.is_empty());
}

#[test]
fn a_month_that_cannot_be_read_is_told_and_not_passed_over() {
    let (dir, ledger) = filled();
    let months = Month::list(dir.path()).unwrap();
    let file = dir.path().join(months[1].file_name());
    fs::write(&file, "no longer a database").unwrap();
    let why = ask(&ledger, "SELECT count(*) FROM exchanges").unwrap_err();
    assert!(why.to_string().contains(&months[1].file_name()), "{why}");
}
