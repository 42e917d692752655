//! Writing the months' files: each exchange and its attempts, by the exchange's id.
//!
//! Written before the main file. What is written twice, because the main file
//! did not follow, is the same row again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use policy::caller::Tags;
use rusqlite::{Connection, TransactionBehavior};

use super::book::tokens;
use super::insert::{Cell, Insert, InsertSql, Pace};
use super::rows::{ATTEMPT_COLUMNS, EXCHANGE_COLUMNS};
use super::{LedgerError, text};
use crate::record::{Attempt, Exchange};
use crate::sqlite::{Month, OpenMode, open_month};

/// Files that stay open; the month that is, and the one before at its turn.
const OPEN_MAX: usize = 3;

/// The months' files of a data directory, as far as they are open.
pub(super) struct Months {
    dir: PathBuf,
    files: Vec<File>,
    busy_timeout: std::time::Duration,
    exchange: InsertSql,
    attempt: InsertSql,
    last_tags: (Tags, String),
}

struct File {
    month: Month,
    connection: Connection,
    inode: u64,
}

impl Months {
    pub(super) fn new(dir: &Path, busy_timeout: std::time::Duration) -> Self {
        Self {
            dir: dir.to_owned(),
            files: Vec::new(),
            busy_timeout,
            exchange: upsert("exchanges", &EXCHANGE_COLUMNS, 1),
            attempt: upsert("attempts", &ATTEMPT_COLUMNS, 2),
            last_tags: (Tags::new(), "{}".to_owned()),
        }
    }

    /// Closes all files, so that the next write opens them again.
    pub(super) fn close(&mut self) {
        self.files.clear();
    }

    /// Writes these exchanges, each month in one transaction.
    pub(super) fn write<'x>(
        &mut self,
        exchanges: impl Iterator<Item = &'x Exchange>,
    ) -> Result<(), LedgerError> {
        let mut by_month: BTreeMap<Month, Vec<&Exchange>> = BTreeMap::new();
        for exchange in exchanges {
            let month = Month::of(exchange.id);
            by_month.entry(month).or_default().push(exchange);
        }
        for (month, exchanges) in by_month {
            let mut file = self.take(month)?;
            Pace::try_both(|pace| self.write_month(&mut file.connection, &exchanges, pace))?;
            self.files.push(file);
        }
        Ok(())
    }

    /// The file of a month, taken out of the open ones.
    fn take(&mut self, month: Month) -> Result<File, LedgerError> {
        let path = self.dir.join(month.file_name());
        if let Some(at) = self.files.iter().position(|file| file.month == month) {
            let file = self.files.remove(at);
            // A file that retention removed under us is begun anew, not written into the void.
            if fs::metadata(&path).is_ok_and(|now| now.ino() == file.inode) {
                return Ok(file);
            }
        }
        while self.files.len() >= OPEN_MAX {
            self.files.remove(0);
        }
        let connection = open_month(&self.dir, month, OpenMode::Create)?;
        connection.busy_timeout(self.busy_timeout)?;
        Ok(File {
            month,
            connection,
            inode: fs::metadata(&path)?.ino(),
        })
    }

    fn write_month(
        &mut self,
        connection: &mut Connection,
        exchanges: &[&Exchange],
        pace: Pace,
    ) -> Result<(), LedgerError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut rows = Insert::new(&transaction, &self.exchange, pace)?;
            let mut tries = Insert::new(&transaction, &self.attempt, pace)?;
            let mut id = [0; ulid::ULID_LEN];
            for exchange in exchanges {
                let id: &str = exchange.id.array_to_str(&mut id);
                if exchange.who.tags != self.last_tags.0 {
                    let tags = text::tags(&exchange.who.tags);
                    self.last_tags = (exchange.who.tags.clone(), tags);
                }
                write_exchange(&mut rows, exchange, id, &self.last_tags.1)?;
                for (n, attempt) in (1_i64..).zip(&exchange.attempts) {
                    write_attempt(&mut tries, attempt, id, n)?;
                }
            }
            rows.flush()?;
            tries.flush()?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn write_exchange(
    rows: &mut Insert<'_>,
    exchange: &Exchange,
    id: &str,
    tags: &str,
) -> rusqlite::Result<bool> {
    let who = &exchange.who;
    let used = tokens(&exchange.usage);
    let losses = text::losses(&exchange.losses);
    let row: [Cell<'_>; EXCHANGE_COLUMNS.len()] = [
        id.into(),
        exchange.at_ms.into(),
        exchange.state.name().into(),
        (&*who.key).into(),
        text::or_empty(who.team.as_ref()).into(),
        text::or_empty(who.organisation.as_ref()).into(),
        text::or_empty(who.user.as_ref()).into(),
        text::or_empty(who.run.as_ref()).into(),
        tags.into(),
        (&*exchange.dialect).into(),
        (&*exchange.operation).into(),
        (&*exchange.model).into(),
        (&*exchange.target).into(),
        (&*exchange.served_model).into(),
        exchange.status.into(),
        (&*exchange.outcome).into(),
        exchange.stream.into(),
        used.input.into(),
        used.cache_read.into(),
        used.cache_write.into(),
        used.cache_write_1h.into(),
        used.audio_in.into(),
        used.output.into(),
        used.reasoning.into(),
        used.audio_out.into(),
        exchange.cost.0.into(),
        (&*exchange.price_id).into(),
        text::flag_bits(exchange.flags).into(),
        (exchange.attempts.len() as i64).into(),
        losses.as_str().into(),
        "".into(),
        (&*exchange.decision).into(),
        (&*exchange.config_revision).into(),
        integer(exchange.overhead_us).into(),
        integer(exchange.first_us).into(),
        integer(exchange.took_us).into(),
    ];
    rows.push(&row)
}

fn write_attempt(
    rows: &mut Insert<'_>,
    attempt: &Attempt,
    id: &str,
    n: i64,
) -> rusqlite::Result<bool> {
    let used = tokens(&attempt.usage);
    let row: [Cell<'_>; ATTEMPT_COLUMNS.len()] = [
        id.into(),
        n.into(),
        (&*attempt.kind).into(),
        (&*attempt.target).into(),
        (&*attempt.outcome).into(),
        (&*attempt.why).into(),
        (&*attempt.phase).into(),
        attempt.status.into(),
        integer(attempt.connect_us).into(),
        integer(attempt.first_us).into(),
        integer(attempt.total_us).into(),
        attempt.cut_by_us.into(),
        used.input.into(),
        used.cache_read.into(),
        used.cache_write.into(),
        used.cache_write_1h.into(),
        used.audio_in.into(),
        used.output.into(),
        used.reasoning.into(),
        used.audio_out.into(),
        attempt.cost.0.into(),
    ];
    rows.push(&row)
}

fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Writes over a row with the same first columns, which are its key.
fn upsert(table: &str, columns: &[&str], key: usize) -> InsertSql {
    let (key, others) = columns.split_at_checked(key).unwrap_or_default();
    let others = others.iter();
    let updates: Vec<String> = others
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let met = format!("({}) DO UPDATE SET {}", key.join(", "), updates.join(", "));
    InsertSql::new(table, columns, &met)
}
