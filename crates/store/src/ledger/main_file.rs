//! Writing the main file: entries with what follows from them, what is open, and the checkpoint.
//!
//! One transaction a batch. What stands in memory here (the checkpoint, what is
//! open) is what the file holds; after an error the file is opened and read anew.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policy::money::Nanos;
use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};
use ulid::Ulid;

use super::book::{Book, Kind, Line, REQUEST_COST_MAX, Sums, tokens};
use super::dimensions::Dimensions;
use super::effects::{Effects, Open, OpenMap, presumed_exchange};
use super::insert::Pace;
use super::{LedgerError, text};
use crate::journal::Positions;
use crate::record::{Dispatched, Exchange, State};
use crate::sqlite::{MAIN_FILE, OpenMode, open_main};

/// The main file, open for writing.
pub(super) struct MainFile {
    connection: Connection,
    path: PathBuf,
    inode: u64,
    writer: i64,
    dimensions: Dimensions,
    prices: HashSet<Arc<str>>,
    pub(super) checkpoint: Positions,
    pub(super) open: OpenMap,
}

/// Versions of prices that are remembered to be in the file.
const PRICES_MAX: usize = 4_096;

impl MainFile {
    pub(super) fn open(
        dir: &Path,
        mode: OpenMode,
        writer: i64,
        busy_timeout: Duration,
    ) -> Result<Self, LedgerError> {
        let path = dir.join(MAIN_FILE);
        let connection = open_main(dir, mode)?;
        connection.busy_timeout(busy_timeout)?;
        // What is written here are words of our own enums. SQLite makes a table for the list in a CHECK
        // at every row, which was a quarter of what an entry costs.
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        // Nor does it look up the dimension of each entry: its number comes from that very table.
        connection.pragma_update(None, "foreign_keys", false)?;
        let checkpoint = read_checkpoint(&connection)?;
        let open = read_open(&connection)?;
        Ok(Self {
            inode: fs::metadata(&path)?.ino(),
            path,
            writer,
            dimensions: Dimensions::default(),
            prices: HashSet::new(),
            checkpoint,
            open,
            connection,
        })
    }

    /// Writes what a batch comes to, and that it holds all up to there.
    ///
    /// After an error this must be thrown away.
    pub(super) fn write(
        &mut self,
        effects: &Effects<'_>,
        reached: &Positions,
    ) -> Result<(), LedgerError> {
        // A file that was removed or replaced would take the entries with it.
        if fs::metadata(&self.path).map_or(true, |now| now.ino() != self.inode) {
            return Err(LedgerError::Replaced {
                path: self.path.clone(),
                what: "was removed or replaced while the gateway runs",
            });
        }
        let new_prices = Pace::try_both(|pace| {
            // What an attempt before has numbered is undone.
            if pace == Pace::Each {
                self.dimensions = Dimensions::default();
            }
            self.write_once(effects, reached, pace)
        })?;
        self.prices.extend(new_prices);
        if self.prices.len() > PRICES_MAX {
            self.prices.clear();
        }
        for id in &effects.gone {
            self.open.remove(id);
        }
        for open in &effects.opened {
            self.open.insert(open.dispatched.id, open.clone());
        }
        for (writer, sequence) in reached {
            self.checkpoint.insert(*writer, *sequence);
        }
        Ok(())
    }

    /// Writes it in one transaction; answers which prices it is the first to name.
    fn write_once(
        &mut self,
        effects: &Effects<'_>,
        reached: &Positions,
        pace: Pace,
    ) -> Result<Vec<Arc<str>>, LedgerError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut book = Book::new(&transaction, &mut self.dimensions, self.writer, pace)?;
        let mut id = [0; ulid::ULID_LEN];
        for open in &effects.presumed {
            let exchange = presumed_exchange(&open.dispatched);
            enter(&mut book, &exchange, exchange.id.array_to_str(&mut id))?;
        }
        write_open(&transaction, effects)?;
        for exchange in &effects.closed {
            let id: &str = exchange.id.array_to_str(&mut id);
            let may_be_presumed =
                exchange.state != State::Refused && !effects.dispatched.contains(&exchange.id);
            match may_be_presumed.then(|| take_presumed(&transaction, id)) {
                None => enter(&mut book, exchange, id)?,
                Some(found) => match found? {
                    None => enter(&mut book, exchange, id)?,
                    Some(presumed) => adjust(&mut book, &transaction, exchange, &presumed)?,
                },
            }
        }
        book.finish()?;
        let new_prices = write_prices(&transaction, effects, &self.prices)?;
        write_checkpoint(&transaction, reached)?;
        transaction.commit()?;
        Ok(new_prices)
    }
}

/// The first entry of an exchange, and what it charges.
fn enter(book: &mut Book<'_>, exchange: &Exchange, id: &str) -> rusqlite::Result<()> {
    let kind = match exchange.state {
        State::Presumed => Kind::Presumed,
        State::Settled => Kind::Settled,
        State::Open | State::Released | State::Refused => {
            book.charge(&exchange.charges, 1);
            return Ok(());
        }
    };
    let line = line(exchange, id, kind, billed(exchange));
    if book.post(&line)? {
        book.charge(&exchange.charges, 1);
    }
    Ok(())
}

/// A request that was presumed has turned out otherwise.
fn adjust(
    book: &mut Book<'_>,
    connection: &Connection,
    exchange: &Exchange,
    presumed: &Dispatched,
) -> rusqlite::Result<()> {
    let id = exchange.id.to_string();
    book.flush()?;
    let revision = next_revision(connection, &id)?;
    let is = match exchange.state {
        State::Settled | State::Presumed => billed(exchange),
        State::Open | State::Released | State::Refused => Sums::default(),
    };
    let was = billed(&presumed_exchange(presumed));
    let difference = Sums {
        requests: is.requests - was.requests,
        failures: is.failures - was.failures,
        tokens: is.tokens,
        cost: is.cost.saturating_sub(was.cost),
        unpriced: is.unpriced,
    };
    let line = Line {
        revision,
        note: "was presumed",
        ..line(exchange, &id, Kind::Adjusted, difference)
    };
    if book.post(&line)? {
        book.charge(&presumed.holds, -1);
        book.charge(&exchange.charges, 1);
    }
    Ok(())
}

/// The number of an exchange's next correction.
pub(super) fn next_revision(connection: &Connection, exchange: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(max(revision), -1) + 1 FROM entries WHERE exchange = ?1")?
        .query_row([exchange], |row| row.get(0))
}

fn line<'a>(exchange: &'a Exchange, id: &'a str, kind: Kind, sums: Sums) -> Line<'a> {
    Line {
        exchange: id,
        revision: 0,
        kind,
        at_ms: exchange.at_ms,
        who: &exchange.who,
        model: &exchange.model,
        target: &exchange.target,
        sums,
        price_id: &exchange.price_id,
        flags: text::flag_bits(exchange.flags),
        note: "",
    }
}

fn billed(exchange: &Exchange) -> Sums {
    Sums {
        requests: 1,
        failures: i64::from(exchange.outcome != "answered"),
        tokens: tokens(&exchange.usage),
        // As it is in the book: a correction is the difference to that.
        cost: exchange.cost.0.clamp(-REQUEST_COST_MAX, REQUEST_COST_MAX),
        unpriced: i64::from(exchange.flags.unpriced),
    }
}

fn write_open(connection: &Connection, effects: &Effects<'_>) -> rusqlite::Result<()> {
    let mut id = [0; ulid::ULID_LEN];
    if !effects.gone.is_empty() {
        let mut delete = connection.prepare_cached("DELETE FROM open WHERE id = ?1")?;
        for gone in &effects.gone {
            let gone: &str = gone.array_to_str(&mut id);
            delete.execute([gone])?;
        }
    }
    if effects.presumed.is_empty() && effects.opened.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO open VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for open in &effects.presumed {
        insert_open(&mut insert, open, "presumed")?;
    }
    for open in &effects.opened {
        insert_open(&mut insert, open, "open")?;
    }
    Ok(())
}

fn insert_open(insert: &mut CachedStatement<'_>, open: &Open, state: &str) -> rusqlite::Result<()> {
    let dispatched = &open.dispatched;
    insert.execute(params![
        dispatched.id.to_string(),
        state,
        open.writer,
        dispatched.at_ms,
        text::who(&dispatched.who),
        dispatched.model,
        dispatched.target,
        dispatched.config_revision,
        dispatched.held.0,
        text::holds(&dispatched.holds),
    ])?;
    Ok(())
}

fn write_prices(
    connection: &Connection,
    effects: &Effects<'_>,
    known: &HashSet<Arc<str>>,
) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut new: Vec<Arc<str>> = Vec::new();
    let mut last: &str = "";
    for exchange in &effects.closed {
        let id = &exchange.price_id;
        if **id == *std::mem::replace(&mut last, id)
            || id.is_empty()
            || known.contains(id)
            || new.contains(id)
        {
            continue;
        }
        connection
            .prepare_cached("INSERT INTO prices VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![id, exchange.at_ms])?;
        new.push(Arc::clone(id));
    }
    Ok(new)
}

fn write_checkpoint(connection: &Connection, reached: &Positions) -> rusqlite::Result<()> {
    let mut write = connection.prepare_cached(
        "INSERT INTO checkpoint VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET sequence = excluded.sequence",
    )?;
    for (writer, sequence) in reached {
        // The bits of it: SQLite has signed integers only.
        write.execute((writer, sequence.cast_signed()))?;
    }
    Ok(())
}

fn read_checkpoint(connection: &Connection) -> rusqlite::Result<Positions> {
    let mut statement = connection.prepare("SELECT writer, sequence FROM checkpoint")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })?;
    rows.collect()
}

const OPEN_COLUMNS: &str =
    "id, writer, at_ms, who, model, target, config_revision, held_nanos, holds";

fn read_open(connection: &Connection) -> rusqlite::Result<OpenMap> {
    let sql = format!("SELECT {OPEN_COLUMNS} FROM open WHERE state = 'open'");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], open_row)?;
    rows.map(|open| open.map(|open| (open.dispatched.id, open)))
        .collect()
}

/// A request that is open or presumed, for those who read.
pub(super) fn find_open(
    connection: &Connection,
    id: &str,
    state: &str,
) -> rusqlite::Result<Option<Open>> {
    let sql = format!("SELECT {OPEN_COLUMNS} FROM open WHERE id = ?1 AND state = ?2");
    connection
        .prepare_cached(&sql)?
        .query_row([id, state], open_row)
        .optional()
}

fn take_presumed(connection: &Connection, id: &str) -> rusqlite::Result<Option<Dispatched>> {
    let found = find_open(connection, id, "presumed")?;
    if found.is_some() {
        connection
            .prepare_cached("DELETE FROM open WHERE id = ?1")?
            .execute([id])?;
    }
    Ok(found.map(|open| open.dispatched))
}

fn open_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Open> {
    let id: String = row.get(0)?;
    Ok(Open {
        writer: row.get(1)?,
        dispatched: Dispatched {
            id: Ulid::from_string(&id).unwrap_or_default(),
            at_ms: row.get(2)?,
            who: text::who_of(&row.get::<_, String>(3)?),
            model: row.get(4)?,
            target: row.get(5)?,
            config_revision: row.get(6)?,
            held: Nanos(row.get(7)?),
            holds: text::holds_of(&row.get::<_, String>(8)?),
        },
    })
}
