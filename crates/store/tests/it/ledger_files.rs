//! The files themselves: damaged, newer, altered, older, and who may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use store::ledger::{Ledger, LedgerWriter};
use store::sqlite::{MAIN_FILE, MAIN_MIGRATIONS, OpenError, OpenMode, open_main};

use super::ledger_kit::*;

#[test]
fn a_damaged_file_is_refused_and_keeps_every_byte() {
    for damaged in [
        &b"not a database, not at all"[..],
        b"SQLite format 3\0 and then nonsense that is no page",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(MAIN_FILE);
        fs::write(&file, damaged).unwrap();
        for mode in [OpenMode::Create, OpenMode::Existing, OpenMode::ReadOnly] {
            let why = open_main(dir.path(), mode).unwrap_err();
            assert!(matches!(why, OpenError::Corrupt { .. }), "{why}");
            assert!(why.to_string().contains("bondgate.db is damaged"), "{why}");
        }
        assert!(LedgerWriter::open(dir.path(), quick()).is_err());
        assert!(Ledger::open(dir.path()).is_err());
        assert_eq!(fs::read(&file).unwrap(), damaged);
    }
}

#[test]
fn a_newer_schema_is_refused_and_both_versions_named() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_main(dir.path(), OpenMode::Create).unwrap());
    let file = dir.path().join(MAIN_FILE);
    let known = MAIN_MIGRATIONS.len() as i64;
    let connection = Connection::open(&file).unwrap();
    connection
        .execute(
            "INSERT INTO schema_migrations VALUES (77, 'later', 'x')",
            [],
        )
        .unwrap();
    connection.close().unwrap();
    let before = fs::read(&file).unwrap();
    let why = open_main(dir.path(), OpenMode::Create).unwrap_err();
    assert!(
        matches!(why, OpenError::Newer { found: 77, known: k, .. } if k == known),
        "{why}"
    );
    assert!(
        why.to_string().contains("schema 77")
            && why.to_string().contains(&format!("knows {known}"))
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn an_altered_migration_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let connection = open_main(dir.path(), OpenMode::Create).unwrap();
    connection
        .execute(
            "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1",
            [],
        )
        .unwrap();
    drop(connection);
    let why = open_main(dir.path(), OpenMode::Create).unwrap_err();
    assert!(
        matches!(why, OpenError::Altered { version: 1, .. }),
        "{why}"
    );
}

#[test]
fn an_older_file_is_copied_and_then_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(MAIN_FILE);
    drop(write_all(dir.path(), &traffic(30, 1)));
    let entries: i64 = value(&file, "SELECT count(*) FROM entries");
    // Back to the first version: all that later ones made is taken out again.
    let connection = Connection::open(&file).unwrap();
    connection
        .execute("DELETE FROM schema_migrations WHERE version > 1", [])
        .unwrap();
    let later: Vec<(String, String)> = connection
        .prepare("SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let first = Connection::open_in_memory().unwrap();
    first.execute_batch(MAIN_MIGRATIONS[0].sql).unwrap();
    for (kind, name) in later.iter().rev() {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
        let known: i64 = first.query_row(sql, [name], |row| row.get(0)).unwrap();
        if known == 0 && name != "schema_migrations" {
            connection
                .execute_batch(&format!("DROP {kind} IF EXISTS \"{name}\""))
                .unwrap();
        }
    }
    drop(connection);
    assert!(matches!(
        open_main(dir.path(), OpenMode::ReadOnly),
        Err(OpenError::Older { found: 1, .. })
    ));
    drop(open_main(dir.path(), OpenMode::Existing).unwrap());
    let newest: i64 = value(&file, "SELECT max(version) FROM schema_migrations");
    assert_eq!(newest, MAIN_MIGRATIONS.len() as i64);
    let copy = dir.path().join(format!("{MAIN_FILE}.before-2"));
    assert_eq!(value::<i64>(&copy, "SELECT count(*) FROM entries"), entries);
    assert_eq!(
        value::<i64>(&copy, "SELECT max(version) FROM schema_migrations"),
        1
    );
    assert_eq!(mode_of(&copy), 0o600);
}

#[test]
fn files_are_their_owners_only_and_every_commit_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let writer = write_all(dir.path(), &traffic(30, 1));
    let mut seen = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        assert_eq!(mode_of(&entry.unwrap().path()), 0o600);
        seen += 1;
    }
    assert!(seen >= 2);
    drop(writer);
    let main = open_main(dir.path(), OpenMode::Existing).unwrap();
    let setting = |name: &str| {
        main.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(setting("journal_mode"), "wal".to_owned().into());
    assert_eq!(setting("synchronous"), 2_i64.into());
    assert_eq!(setting("foreign_keys"), 1_i64.into());
}

#[test]
fn a_missing_file_is_made_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [OpenMode::Existing, OpenMode::ReadOnly] {
        assert!(matches!(
            open_main(dir.path(), mode),
            Err(OpenError::Missing { .. })
        ));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    drop(open_main(dir.path(), OpenMode::Create).unwrap());
    assert!(open_main(dir.path(), OpenMode::ReadOnly).is_ok());
}

fn mode_of(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
