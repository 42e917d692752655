//! Writing the months' files: each exchange and its attempts, by the exchange's id.
//!
//! Written before the main file. What is written twice, because the main file
//! did not follow, is the same row again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use policy::caller::Tags;
use rusqlite::{Connection, TransactionBehavior, params};

use super::book::tokens;
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
    upsert: String,
    attempt: String,
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
            upsert: upsert(),
            attempt: format!(
                "INSERT OR REPLACE INTO attempts ({}) VALUES ({})",
                ATTEMPT_COLUMNS.join(", "),
                places(ATTEMPT_COLUMNS.len())
            ),
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
            self.write_month(&mut file.connection, &exchanges)?;
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
    ) -> Result<(), LedgerError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut upsert = transaction.prepare_cached(&self.upsert)?;
            let mut insert = transaction.prepare_cached(&self.attempt)?;
            let mut id = [0; ulid::ULID_LEN];
            for exchange in exchanges {
                let id: &str = exchange.id.array_to_str(&mut id);
                if exchange.who.tags != self.last_tags.0 {
                    let tags = text::tags(&exchange.who.tags);
                    self.last_tags = (exchange.who.tags.clone(), tags);
                }
                write_exchange(&mut upsert, exchange, id, &self.last_tags.1)?;
                for (n, attempt) in (1_i64..).zip(&exchange.attempts) {
                    write_attempt(&mut insert, attempt, id, n)?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn write_exchange(
    upsert: &mut rusqlite::Statement<'_>,
    exchange: &Exchange,
    id: &str,
    tags: &str,
) -> rusqlite::Result<()> {
    let who = &exchange.who;
    let used = tokens(&exchange.usage);
    upsert.execute(params![
        id,
        exchange.at_ms,
        exchange.state.name(),
        who.key,
        text::or_empty(who.team.as_ref()),
        text::or_empty(who.organisation.as_ref()),
        text::or_empty(who.user.as_ref()),
        text::or_empty(who.run.as_ref()),
        tags,
        exchange.dialect,
        exchange.operation,
        exchange.model,
        exchange.target,
        exchange.served_model,
        exchange.status,
        exchange.outcome,
        exchange.stream,
        used.input,
        used.cache_read,
        used.cache_write,
        used.cache_write_1h,
        used.audio_in,
        used.output,
        used.reasoning,
        used.audio_out,
        exchange.cost.0,
        exchange.price_id,
        text::flag_bits(exchange.flags),
        exchange.attempts.len() as i64,
        text::losses(&exchange.losses),
        "",
        exchange.decision,
        exchange.config_revision,
        integer(exchange.overhead_us),
        integer(exchange.first_us),
        integer(exchange.took_us),
    ])?;
    Ok(())
}

fn write_attempt(
    insert: &mut rusqlite::Statement<'_>,
    attempt: &Attempt,
    id: &str,
    n: i64,
) -> rusqlite::Result<()> {
    let used = tokens(&attempt.usage);
    insert.execute(params![
        id,
        n,
        attempt.kind,
        attempt.target,
        attempt.outcome,
        attempt.why,
        attempt.phase,
        attempt.status,
        integer(attempt.connect_us),
        integer(attempt.first_us),
        integer(attempt.total_us),
        attempt.cut_by_us,
        used.input,
        used.cache_read,
        used.cache_write,
        used.cache_write_1h,
        used.audio_in,
        used.output,
        used.reasoning,
        used.audio_out,
        attempt.cost.0,
    ])?;
    Ok(())
}

fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|n| format!("?{n}")).collect();
    places.join(", ")
}

fn upsert() -> String {
    let updates: Vec<String> = EXCHANGE_COLUMNS
        .iter()
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(
        "INSERT INTO exchanges ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
        EXCHANGE_COLUMNS.join(", "),
        places(EXCHANGE_COLUMNS.len()),
        updates.join(", ")
    )
}
