//! Read-only SQL over the documented views, within bounds.
//!
//! Each query has a connection of its own: the main file opened read-only, the
//! newest months attached, the views made, and then a guard set that allows
//! nothing but reading them. A query must never write, never reach a base table,
//! and never run without an end.

use std::path::Path;
use std::time::{Duration, Instant};

use policy::viewer::Viewer;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::AuthContext;
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use super::LedgerError;
use super::guard::{self, Roots};
use super::read::{Ledger, ready_month};
use super::views::{VIEWS, definitions};
use crate::keys::{hex, random_256};
use crate::sqlite::{Month, OpenMode, open_main};

/// Months that SQLite attaches at once.
const MONTHS_MAX: usize = 10;

/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 1_000;

/// What a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// Rows that it may give.
    pub rows: usize,
    /// Bytes of text that it may give.
    pub bytes: usize,
    /// The first month that `exchanges` and `attempts` show.
    pub since: Option<Month>,
    /// The last month that they show; of the range, the newest ten are shown.
    pub until: Option<Month>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            rows: 10_000,
            bytes: 16 * 1024 * 1024,
            since: None,
            until: None,
        }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number; money in nano-dollars.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text; bytes as hexadecimal.
    Text(String),
}

/// Rows of the views that the ledger does not know, each with the columns of [`VIEWS`].
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Rows of `budgets`.
    pub budgets: Vec<Vec<Cell>>,
    /// Rows of `keys`.
    pub keys: Vec<Vec<Cell>>,
    /// Rows of `targets`.
    pub targets: Vec<Vec<Cell>>,
    /// Rows of `paths`.
    pub paths: Vec<Vec<Cell>>,
}

/// What a query gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Whether rows were left out, because there are more than the limits let through.
    pub more: bool,
    /// Months of the range that `exchanges` and `attempts` did not show.
    pub months_left_out: Vec<Month>,
}

impl Ledger {
    /// Runs one `SELECT` over the views.
    ///
    /// # Errors
    /// Where the viewer does not see everything, the statement is no single `SELECT`
    /// over the views, or it takes longer than it may; the text says what is allowed.
    pub fn query(
        &self,
        viewer: &Viewer,
        sql: &str,
        given: &Given,
        limits: &Limits,
    ) -> Result<Answer, LedgerError> {
        if viewer.team().is_some() {
            return Err(refused(
                "queries are for those who see everything; use spend and exchanges",
            ));
        }
        let random = random_256().map_err(|why| refused(&why.to_string()))?;
        let inner = format!("inner_{}_", hex(&random));
        let (mut connection, roots, months_left_out) = prepare(self.dir(), given, limits, &inner)?;
        let deadline = Instant::now() + limits.time;
        connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))?;
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            guard::rule(&asked, &inner)
        }))?;
        let mut answer = run(&connection, &roots, sql, limits)?;
        answer.months_left_out = months_left_out;
        Ok(answer)
    }
}

/// A connection with the views, what they read, and the months that they do not show.
fn prepare(
    dir: &Path,
    given: &Given,
    limits: &Limits,
    inner: &str,
) -> Result<(Connection, Roots, Vec<Month>), LedgerError> {
    let connection = open_main(dir, OpenMode::ReadOnly)?;
    let mut months = Month::list(dir)?;
    months.retain(|month| {
        limits.since.is_none_or(|since| *month >= since)
            && limits.until.is_none_or(|until| *month <= until)
    });
    let left_out = months.split_off(months.len().min(MONTHS_MAX));
    // Opened once for its version: a file that is just being made is not there yet, and one
    // that cannot be read is told, not passed over.
    let mut ready = Vec::with_capacity(months.len());
    for month in months {
        if ready_month(dir, month)?.is_some() {
            ready.push(month);
        }
    }
    let months = ready;
    for (at, month) in months.iter().enumerate() {
        let path = dir.join(month.file_name());
        // Attached files are opened as the main one is: read-only.
        connection.execute(
            &format!("ATTACH DATABASE ?1 AS m{at}"),
            [path.to_string_lossy()],
        )?;
    }
    connection.execute_batch(&definitions(&months, inner))?;
    fill(&connection, "budgets", &given.budgets)?;
    fill(&connection, "keys", &given.keys)?;
    fill(&connection, "targets", &given.targets)?;
    fill(&connection, "paths", &given.paths)?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 64 * 1024),
        // A step may search one text in another, and nothing ends a step.
        (Limit::SQLITE_LIMIT_LENGTH, 1024 * 1024),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
        (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    let roots = Roots::of(&connection, months.len())?;
    Ok((connection, roots, left_out))
}

fn fill(connection: &Connection, name: &str, rows: &[Vec<Cell>]) -> Result<(), LedgerError> {
    let columns = VIEWS
        .iter()
        .find(|view| view.name == name)
        .map_or(0, |view| view.columns.len());
    let places = vec!["?"; columns].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO temp.{name} VALUES ({places})"))?;
    for row in rows {
        insert.execute(rusqlite::params_from_iter(row.iter().map(value)))?;
    }
    Ok(())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(n) => Value::Integer(*n),
        Cell::Real(x) => Value::Real(*x),
        Cell::Text(text) => Value::Text(text.clone()),
    }
}

fn run(
    connection: &Connection,
    roots: &Roots,
    sql: &str,
    limits: &Limits,
) -> Result<Answer, LedgerError> {
    // SQLite would read up to it and pass over the rest.
    if sql.contains('\0') {
        return Err(refused("there is a NUL in the text; write one SELECT"));
    }
    let mut statements = Batch::new(connection, sql);
    let says = |why: rusqlite::Error| explain(&why, limits);
    let Some(mut statement) = statements.next().map_err(says)? else {
        return Err(refused("there is no statement; write one SELECT"));
    };
    // What follows is looked for before anything runs.
    if !matches!(statements.next(), Ok(None)) {
        return Err(refused("one statement at a time; write one SELECT"));
    }
    if !statement.readonly() || statement.is_explain() != 0 || statement.column_count() == 0 {
        return Err(refused("only SELECT is allowed"));
    }
    if statement.parameter_count() != 0 {
        return Err(refused(
            "there is nothing to put in place of `?`; write the values",
        ));
    }
    if !roots.hold(connection, sql).map_err(says)? {
        return Err(refused(
            "it reads a table that no view shows; name views only",
        ));
    }
    collect(&mut statement, limits).map_err(says)
}

fn collect(statement: &mut Statement<'_>, limits: &Limits) -> rusqlite::Result<Answer> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut answer = Answer {
        rows: Vec::new(),
        more: false,
        months_left_out: Vec::new(),
        columns,
    };
    let mut bytes = 0_usize;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if answer.rows.len() >= limits.rows {
            answer.more = true;
            break;
        }
        let mut cells = Vec::with_capacity(answer.columns.len());
        for at in 0..answer.columns.len() {
            let cell = read(row.get_ref(at)?);
            bytes = bytes.saturating_add(match &cell {
                Cell::Text(text) => text.len(),
                Cell::Null | Cell::Integer(_) | Cell::Real(_) => 8,
            });
            cells.push(cell);
        }
        if bytes > limits.bytes {
            answer.more = true;
            break;
        }
        answer.rows.push(cells);
    }
    Ok(answer)
}

fn read(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Integer(n),
        ValueRef::Real(x) => Cell::Real(x),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Text(hex(bytes)),
    }
}

fn refused(why: &str) -> LedgerError {
    LedgerError::Refused(format!("query: {why}"))
}

fn explain(why: &rusqlite::Error, limits: &Limits) -> LedgerError {
    let names: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
    let names = names.join(", ");
    match why.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => refused(&format!(
            "it took longer than {} ms; ask for less, such as a shorter time or fewer columns",
            limits.time.as_millis()
        )),
        Some(ErrorCode::AuthorizationForStatementDenied) => refused(&format!(
            "{why}; only one SELECT over {names} is allowed, with functions that compute"
        )),
        _ => refused(&format!("{why}; the tables are {names}")),
    }
}
