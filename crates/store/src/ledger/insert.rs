//! Rows as they are inserted by the thousand: several in one statement, and of each only what is
//! not bound yet.
//!
//! Most columns of a row say what those of an earlier one said. A parameter keeps its value from one
//! execution to the next, so it is bound again only where the value is another. A row stands in the
//! file only once [`Insert::flush`] was called.

use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::LedgerError;

/// Rows of one statement.
const AT_ONCE: usize = 16;

/// What is in a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Integer(i64),
    Text(&'a str),
}

impl Cell<'_> {
    fn to_value(self) -> Value {
        match self {
            Cell::Integer(value) => Value::Integer(value),
            Cell::Text(value) => Value::Text(value.to_owned()),
        }
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Cell::Integer(value)
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Cell::Integer(i64::from(value))
    }
}

impl From<u16> for Cell<'_> {
    fn from(value: u16) -> Self {
        Cell::Integer(i64::from(value))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Cell::Text(value)
    }
}

/// How the rows of a batch are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// No row is there yet. One that is undoes the whole transaction, which is then to be done again
    /// by [`Pace::Each`]: undoing single statements costs a copy of every page.
    AllNew,
    /// A row that is there already is met as the statement says.
    Each,
}

impl Pace {
    /// Does it as if all rows were new, and again where one was not.
    pub(super) fn try_both<T>(
        mut act: impl FnMut(Pace) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match act(Pace::AllNew) {
            Err(LedgerError::Sqlite(why))
                if why.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
            {
                act(Pace::Each)
            }
            done => done,
        }
    }
}

/// The texts of an insert.
#[derive(Debug)]
pub(super) struct InsertSql {
    each: String,
    one: String,
    many: String,
    columns: usize,
}

impl InsertSql {
    /// Of these columns; `met` is what `ON CONFLICT` follows where rows are written by each.
    pub(super) fn new(table: &str, columns: &[&str], met: &str) -> Self {
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let into = format!("INTO {table} ({}) VALUES", columns.join(", "));
        let rows = vec![row.as_str(); AT_ONCE].join(", ");
        Self {
            each: format!("INSERT {into} {row} ON CONFLICT {met}"),
            one: format!("INSERT OR ROLLBACK {into} {row}"),
            many: format!("INSERT OR ROLLBACK {into} {rows}"),
            columns: columns.len(),
        }
    }
}

/// Inserts rows into one table, within one transaction.
pub(super) struct Insert<'c> {
    one: Bound<'c>,
    /// None where rows are written by each.
    many: Option<Bound<'c>>,
    columns: usize,
    /// Rows that are bound in `many` and wait for others.
    waiting: usize,
}

impl<'c> Insert<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        sql: &InsertSql,
        pace: Pace,
    ) -> rusqlite::Result<Self> {
        let (one, many) = match pace {
            Pace::AllNew => (&sql.one, Some(Bound::new(connection, &sql.many)?)),
            Pace::Each => (&sql.each, None),
        };
        Ok(Self {
            one: Bound::new(connection, one)?,
            many,
            columns: sql.columns,
            waiting: 0,
        })
    }

    /// Inserts a row; false where it was there already and stays as it was.
    pub(super) fn push(&mut self, row: &[Cell<'_>]) -> rusqlite::Result<bool> {
        let Some(many) = &mut self.many else {
            self.one.bind(0, row)?;
            return Ok(self.one.statement.raw_execute()? > 0);
        };
        many.bind(self.waiting * self.columns, row)?;
        self.waiting += 1;
        if self.waiting == AT_ONCE {
            self.waiting = 0;
            many.statement.raw_execute()?;
        }
        Ok(true)
    }

    /// Inserts what waits for others.
    pub(super) fn flush(&mut self) -> rusqlite::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some(many) = &self.many else {
            return Ok(());
        };
        for values in many.values.chunks(self.columns).take(waiting) {
            let row: Vec<Cell<'_>> = values.iter().map(Value::cell).collect();
            self.one.bind(0, &row)?;
            self.one.statement.raw_execute()?;
        }
        Ok(())
    }
}

/// A statement, and what its parameters are bound to.
struct Bound<'c> {
    statement: CachedStatement<'c>,
    values: Vec<Value>,
}

/// What a parameter is bound to.
#[derive(Debug)]
enum Value {
    Integer(i64),
    Text(String),
}

impl Value {
    fn cell(&self) -> Cell<'_> {
        match self {
            Value::Integer(value) => Cell::Integer(*value),
            Value::Text(value) => Cell::Text(value),
        }
    }
}

impl<'c> Bound<'c> {
    fn new(connection: &'c Connection, sql: &str) -> rusqlite::Result<Self> {
        Ok(Self {
            statement: connection.prepare_cached(sql)?,
            values: Vec::new(),
        })
    }

    /// Binds these from the parameter after that many on. No parameter before them may be unbound.
    fn bind(&mut self, from: usize, cells: &[Cell<'_>]) -> rusqlite::Result<()> {
        for (at, cell) in (from..).zip(cells) {
            let bound = self.values.get_mut(at);
            match (bound, cell) {
                (Some(Value::Integer(bound)), Cell::Integer(value)) if bound == value => continue,
                (Some(Value::Text(bound)), Cell::Text(value)) if bound == value => continue,
                (Some(Value::Integer(bound)), Cell::Integer(value)) => *bound = *value,
                (Some(Value::Text(bound)), Cell::Text(value)) => {
                    bound.clear();
                    bound.push_str(value);
                }
                (Some(bound), _) => *bound = cell.to_value(),
                (None, _) => self.values.push(cell.to_value()),
            }
            match *cell {
                Cell::Integer(value) => self.statement.raw_bind_parameter(at + 1, value)?,
                Cell::Text(value) => self.statement.raw_bind_parameter(at + 1, value)?,
            }
        }
        Ok(())
    }
}
