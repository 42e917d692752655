//! Migrations: an ordered list for each kind of file, kept with checksums in the file.
//!
//! What was applied once is never changed: a later version mends an earlier one.
//! A file moves from any older version to the newest in one transaction, after a
//! copy was made beside it. A file from the future is refused.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{OpenError, refused};
use crate::keys::hex;

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its version; the first is 1, each next is one more.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// The steps of the main file, in order.
pub const MAIN_MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "ledger",
        sql: include_str!("migrations/0001_ledger.sql"),
    },
    Migration {
        version: 2,
        name: "objects",
        sql: include_str!("migrations/0002_objects.sql"),
    },
    Migration {
        version: 3,
        name: "counted",
        sql: include_str!("migrations/0003_counted.sql"),
    },
];

/// The steps of a month's file, in order.
pub const MONTH_MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "exchanges",
    sql: include_str!("migrations/month_0001_exchanges.sql"),
}];

/// The steps of the file of answers that providers keep.
pub const RESPONSES_MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "responses",
    sql: include_str!("migrations/responses_0001.sql"),
}];

/// The newest version of a list.
pub(super) fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |last| last.version)
}

/// The version of a file; its migrations are checked against the known ones.
pub(super) fn version(
    connection: &Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<i64, OpenError> {
    let applied = applied(connection).map_err(|why| refused(path, why))?;
    let found = applied.last().map_or(0, |(version, _, _)| *version);
    let known = newest(migrations);
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (version, name, sum) in applied {
        let ours = migrations.iter().find(|m| m.version == version);
        if ours.is_none_or(|ours| checksum(ours.sql) != sum) {
            return Err(OpenError::Altered {
                path: path.to_owned(),
                version,
                name,
            });
        }
    }
    Ok(found)
}

/// Brings a file up to date in one transaction, after a copy of it was made.
pub(super) fn apply(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), OpenError> {
    let found = version(connection, path, migrations)?;
    if found > 0 {
        copy(connection, path, found)?;
    }
    let failed = |why| refused(path, why);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Another connection may have been quicker.
    let found = version(&transaction, path, migrations)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
             ) STRICT",
        )
        .map_err(failed)?;
    for step in migrations.iter().filter(|m| m.version > found) {
        transaction.execute_batch(step.sql).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, ?2, ?3)",
                (step.version, step.name, checksum(step.sql)),
            )
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Copies a file to `<name>.before-<version>` beside it; an older copy of that name is replaced.
fn copy(connection: &Connection, path: &Path, found: i64) -> Result<(), OpenError> {
    let copy = with_suffix(path, &format!(".before-{}", found + 1));
    let unfinished = with_suffix(&copy, ".unfinished");
    let io = |why| OpenError::Io {
        path: copy.clone(),
        why,
    };
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(io)?;
    connection
        .execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])
        .map_err(|why| refused(path, why))?;
    fs::rename(&unfinished, &copy).map_err(io)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<(i64, String, String)>> {
    let known: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if known.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = connection
        .prepare("SELECT version, name, checksum FROM schema_migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn checksum(sql: &str) -> String {
    hex(digest::digest(&digest::SHA256, sql.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up_by_one() {
        for list in [MAIN_MIGRATIONS, MONTH_MIGRATIONS] {
            for (at, step) in list.iter().enumerate() {
                assert_eq!(step.version, at as i64 + 1, "{}", step.name);
            }
        }
    }
}
