//! Reading the ledger: exchanges, entries, balances.
//!
//! On read-only connections of its own, a few kept at hand; the writer never
//! waits for a reader. Every read names a viewer and shows what they may see.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy::limit::{Each, Limit};
use policy::viewer::Viewer;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use ulid::Ulid;

use super::effects::presumed_exchange;
use super::filter::{EntryFilter, ExchangeFilter, entry_conditions, exchange_conditions};
use super::main_file::find_open;
use super::rows::{
    ATTEMPT_COLUMNS, AttemptRow, BalanceRow, ENTRY_SELECT, EXCHANGE_COLUMNS, EntryRow, ExchangeRow,
};
use super::{LedgerError, text};
use crate::sqlite::{DAY_MS, Month, OpenError, OpenMode, open_main, open_month};

/// Rows of one page at most.
pub(super) const PAGE_MAX: usize = 1_000;

/// Connections kept at hand.
const IDLE_MAX: usize = 4;

/// How long a read of many rows may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 1_000;

/// Reads the ledger of a data directory.
pub struct Ledger {
    dir: PathBuf,
    idle: Mutex<Vec<Connection>>,
    time_max: Duration,
}

/// Some rows, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

impl Ledger {
    /// A reader of that directory's ledger.
    ///
    /// # Errors
    /// Where the main file is missing, damaged, or of another version.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let first = open_main(dir, OpenMode::ReadOnly)?;
        Ok(Self {
            dir: dir.to_owned(),
            idle: Mutex::new(vec![first]),
            time_max: TIME_MAX,
        })
    }

    /// The same, whose reads of many rows (exchanges, entries, spend) may take that long; 10 s where
    /// nothing is said.
    #[must_use]
    pub fn with_time_max(self, time_max: Duration) -> Self {
        Self { time_max, ..self }
    }

    /// One exchange with its attempts; one that is under way too, with what is held for it.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn exchange(&self, viewer: &Viewer, id: &str) -> Result<Option<ExchangeRow>, LedgerError> {
        let Ok(ulid) = Ulid::from_string(id) else {
            return Ok(None);
        };
        let id = ulid.to_string();
        let found = match self.month(Month::of(ulid))? {
            Some(month) => find_exchange(&month, &id)?,
            None => None,
        };
        let found = match found {
            Some(found) => Some(found),
            None => self.main(|main| open_exchange(main, &id))?,
        };
        Ok(found.filter(|row| viewer.team().is_none_or(|team| row.team == team)))
    }

    /// Exchanges, newest first.
    ///
    /// # Errors
    /// Where a file cannot be read, or a filter has a column that there is not.
    pub fn exchanges(
        &self,
        viewer: &Viewer,
        filter: &ExchangeFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ExchangeRow>, LedgerError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut wanted = exchange_conditions(viewer, filter)?;
        if let Some(cursor) = cursor {
            wanted.add("id < ?", Value::from(cursor.to_owned()));
        }
        let below = cursor.and_then(|cursor| Ulid::from_string(cursor).ok());
        let deadline = self.deadline();
        let mut items: Vec<ExchangeRow> = Vec::new();
        for month in self.months(filter)? {
            if below.is_some_and(|below| month > Month::of(below)) {
                continue;
            }
            if let Some(file) = self.month_until(month, deadline)? {
                let sql = format!(
                    "SELECT {} FROM exchanges WHERE {} ORDER BY id DESC LIMIT {}",
                    EXCHANGE_COLUMNS.join(", "),
                    wanted.sql,
                    limit - items.len()
                );
                items.extend(read_exchanges(&file, &sql, &wanted.values)?);
            }
            if items.len() >= limit {
                break;
            }
        }
        let full = items.len() >= limit;
        let last = items.last().map(|row| row.id.clone());
        Ok(Page {
            next_cursor: last.filter(|_| full),
            items,
        })
    }

    /// Exchanges in the order in which they were written, after that place; without
    /// one, none, and the place of what comes next.
    ///
    /// # Errors
    /// As for [`Ledger::exchanges`].
    pub fn follow(
        &self,
        viewer: &Viewer,
        filter: &ExchangeFilter,
        after: Option<&Follow>,
        limit: usize,
    ) -> Result<(Vec<ExchangeRow>, Follow), LedgerError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let wanted = exchange_conditions(viewer, filter)?;
        let deadline = self.deadline();
        let mut items: Vec<ExchangeRow> = Vec::new();
        let mut reached = Follow(Vec::new());
        let mut months = Month::list(&self.dir)?;
        // Requests end a while after they began: two months may grow at once.
        months.truncate(2);
        for month in months.into_iter().rev() {
            let Some(file) = self.month_until(month, deadline)? else {
                continue;
            };
            let end: i64 =
                file.query_row("SELECT coalesce(max(rowid), 0) FROM exchanges", [], |row| {
                    row.get(0)
                })?;
            let Some(after) = after else {
                reached.0.push((month, end));
                continue;
            };
            let known = after.0.iter().find(|(known, _)| *known == month);
            let start = known.map_or(0, |(_, row)| *row);
            let room = limit - items.len();
            let sql = format!(
                "SELECT {}, rowid FROM exchanges WHERE rowid > {start} AND rowid <= {end} AND {}
                 ORDER BY rowid LIMIT {room}",
                EXCHANGE_COLUMNS.join(", "),
                wanted.sql,
            );
            let mut statement = file.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(&wanted.values), |row| {
                Ok((
                    ExchangeRow::read(row)?,
                    row.get::<_, i64>(EXCHANGE_COLUMNS.len())?,
                ))
            })?;
            let (mut found, mut last) = (Vec::new(), start);
            for row in rows {
                let (row, number) = row?;
                last = number;
                found.push(row);
            }
            add_attempts(&file, &mut found)?;
            let count = found.len();
            items.append(&mut found);
            reached
                .0
                .push((month, if count < room { end } else { last }));
        }
        Ok((items, reached))
    }

    /// Entries, newest first.
    ///
    /// # Errors
    /// Where a file cannot be read, or a filter has a column that there is not.
    pub fn entries(
        &self,
        viewer: &Viewer,
        filter: &EntryFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<EntryRow>, LedgerError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut wanted = entry_conditions(viewer, filter)?;
        if let Some(cursor) = cursor {
            let parsed = cursor
                .split_once('.')
                .and_then(|(writer, number)| {
                    Some((writer.parse::<i64>().ok()?, number.parse::<i64>().ok()?))
                })
                .ok_or_else(|| {
                    LedgerError::Refused(format!("`{cursor}` is no cursor; use a `next_cursor`"))
                })?;
            wanted.add2(
                "(e.writer, e.number) < (?, ?)",
                parsed.0.into(),
                parsed.1.into(),
            );
        }
        let sql = format!(
            "{ENTRY_SELECT} WHERE {} ORDER BY e.writer DESC, e.number DESC LIMIT {limit}",
            wanted.sql
        );
        let items = self.main_until(self.deadline(), |main| {
            let mut statement = main.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(&wanted.values), EntryRow::read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let full = items.len() >= limit;
        let last = items
            .last()
            .map(|row| format!("{}.{}", row.writer, row.number));
        Ok(Page {
            next_cursor: last.filter(|_| full),
            items,
        })
    }

    /// What was charged to the buckets of a limit in the window that is now. Of a limit of each
    /// run, those of runs that asked for something within the last day: others are forgotten.
    ///
    /// # Errors
    /// Where the file cannot be read, or the viewer does not see everything.
    pub fn balances(
        &self,
        viewer: &Viewer,
        limit: &Limit,
        now_ms: i64,
    ) -> Result<Vec<BalanceRow>, LedgerError> {
        if viewer.team().is_some() {
            return Err(LedgerError::Refused(
                "balances are shown to those who see everything".to_owned(),
            ));
        }
        let runs = match limit.each {
            Some(Each::Run) => {
                "AND bucket IN (SELECT run FROM entries WHERE at_ms >= ?4 AND run <> '')"
            }
            Some(Each::Key | Each::User | Each::Tag(_)) | None => "AND ?4 IS NOT NULL",
        };
        let sql = format!(
            "SELECT bucket, settled FROM balances
             WHERE \"limit\" = ?1 AND resource = ?2 AND window_ms = ?3 {runs}"
        );
        let window_ms = limit.window(now_ms).start_ms;
        let (resource, recent) = (limit.resource.name(), now_ms.saturating_sub(DAY_MS));
        self.main(|main| {
            let mut statement = main.prepare_cached(&sql)?;
            let values = params![limit.name, resource, window_ms, recent];
            let rows = statement.query_map(values, |row| {
                Ok(BalanceRow {
                    limit: limit.name.to_string(),
                    bucket: row.get(0)?,
                    resource: limit.resource,
                    window_ms,
                    settled: row.get(1)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The data directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the main file.
    pub(super) fn main<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.kept(|main| read(main))
    }

    /// Gives one of the few connections at hand.
    fn kept<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let kept = self.idle.lock().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => open_main(&self.dir, OpenMode::ReadOnly)?,
        };
        // After an error the connection is not kept: it may be the file that is gone.
        let result = read(&mut connection)?;
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(result)
    }

    /// When a read that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.time_max
    }

    /// Reads the main file until that time at most.
    pub(super) fn main_until<T>(
        &self,
        deadline: Instant,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.kept(|main| {
            end_at(main, deadline)?;
            let found = read(main)?;
            main.progress_handler(0, None::<fn() -> bool>)?;
            Ok(found)
        })
    }

    fn month(&self, month: Month) -> Result<Option<Connection>, LedgerError> {
        ready_month(&self.dir, month)
    }

    /// The file of a month, whose reads end at that time.
    fn month_until(
        &self,
        month: Month,
        deadline: Instant,
    ) -> Result<Option<Connection>, LedgerError> {
        let mut file = self.month(month)?;
        if let Some(file) = &mut file {
            end_at(file, deadline)?;
        }
        Ok(file)
    }

    /// The months that may hold such exchanges, newest first.
    fn months(&self, filter: &ExchangeFilter) -> Result<Vec<Month>, LedgerError> {
        let mut months = Month::list(&self.dir)?;
        let from = filter.since_ms.map(|ms| Month::of_ms(ms - DAY_MS));
        let to = filter
            .until_ms
            .map(|ms| Month::of_ms(ms.saturating_add(DAY_MS)));
        months.retain(|month| {
            from.is_none_or(|from| *month >= from) && to.is_none_or(|to| *month <= to)
        });
        Ok(months)
    }
}

/// Ends whatever that connection reads at that time.
fn end_at(connection: &mut Connection, deadline: Instant) -> rusqlite::Result<()> {
    connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))
}

/// The file of a month to read; none where there is none, or none yet.
pub(super) fn ready_month(dir: &Path, month: Month) -> Result<Option<Connection>, LedgerError> {
    match open_month(dir, month, OpenMode::ReadOnly) {
        Ok(file) => Ok(Some(file)),
        Err(OpenError::Missing { .. }) => Ok(None),
        // Being made at this moment by the writer.
        Err(OpenError::Older { found: 0, .. }) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// A place in the order in which exchanges are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow(Vec<(Month, i64)>);

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (month, row)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{month}:{row}")?;
        }
        Ok(())
    }
}

impl FromStr for Follow {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let place = |part: &str| {
            let (month, row) = part.split_once(':')?;
            let month = Month::of_file(&format!("exchanges-{month}.db"))?;
            Some((month, row.parse().ok()?))
        };
        let places: Option<Vec<_>> = text
            .split(',')
            .filter(|part| !part.is_empty())
            .map(place)
            .collect();
        places.map(Follow).ok_or_else(|| {
            LedgerError::Refused(format!(
                "`{text}` is no place in the log; use the last one given"
            ))
        })
    }
}

fn read_exchanges(
    file: &Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<Vec<ExchangeRow>> {
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map(params_from_iter(values), ExchangeRow::read)?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    add_attempts(file, &mut rows)?;
    Ok(rows)
}

/// Reads the attempts of exchanges that the same file has.
fn add_attempts(file: &Connection, rows: &mut [ExchangeRow]) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {} FROM attempts WHERE exchange = ?1 ORDER BY n",
        ATTEMPT_COLUMNS.join(", ")
    );
    let mut statement = file.prepare(&sql)?;
    for row in rows.iter_mut().filter(|row| row.attempt_count > 0) {
        let attempts = statement.query_map([&row.id], AttemptRow::read)?;
        row.attempts = attempts.collect::<rusqlite::Result<_>>()?;
    }
    Ok(())
}

fn find_exchange(file: &Connection, id: &str) -> rusqlite::Result<Option<ExchangeRow>> {
    let sql = format!(
        "SELECT {} FROM exchanges WHERE id = ?1",
        EXCHANGE_COLUMNS.join(", ")
    );
    let found = file.query_row(&sql, [id], ExchangeRow::read).optional()?;
    let Some(mut exchange) = found else {
        return Ok(None);
    };
    add_attempts(file, std::slice::from_mut(&mut exchange))?;
    Ok(Some(exchange))
}

fn open_exchange(main: &Connection, id: &str) -> rusqlite::Result<Option<ExchangeRow>> {
    let Some(open) = find_open(main, id, "open")? else {
        return Ok(None);
    };
    let exchange = presumed_exchange(&open.dispatched);
    let who = &exchange.who;
    Ok(Some(ExchangeRow {
        id: id.to_owned(),
        at_ms: exchange.at_ms,
        state: "open".to_owned(),
        key: who.key.to_string(),
        team: text::or_empty(who.team.as_ref()).to_owned(),
        organisation: text::or_empty(who.organisation.as_ref()).to_owned(),
        user: text::or_empty(who.user.as_ref()).to_owned(),
        run: text::or_empty(who.run.as_ref()).to_owned(),
        tags: who.tags.clone(),
        model: exchange.model.to_string(),
        target: exchange.target.to_string(),
        cost: exchange.cost,
        flags: exchange.flags,
        config_revision: exchange.config_revision.to_string(),
        ..ExchangeRow::default()
    }))
}
