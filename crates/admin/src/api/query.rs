//! Questions in SQL: one SELECT over the views of the ledger, and over what is in force.

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::ledger::{Cell, Given, Limits};
use store::objects::{Key, KeySpec, Moment, Query, Source};

use super::accounts::{account, current, source};
use super::models::Seen;
use super::shape::house;
use super::{paths, targets};
use crate::App;
use crate::error::ApiError;
use crate::reading::now_ms;
use crate::route::Answer;

/// Rows of a view that is made for a question, at most.
const ROWS_MAX: usize = 200_000;

/// A question.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Query")]
pub(super) struct Question {
    /// One `SELECT`, or `WITH … SELECT`.
    sql: String,
    /// Rows of the answer: 10,000 when absent, which is the most.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<u32>,
}

/// An answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QueryAnswer")]
pub(super) struct Answered {
    /// Names of the columns.
    columns: Vec<String>,
    /// The rows: texts, numbers, nulls.
    rows: Vec<Vec<Value>>,
    /// Whether rows were left out.
    more: bool,
    /// Months that `exchanges` and `attempts` did not show, such as `2026-01`.
    months_left_out: Vec<String>,
}

/// Answers a question.
pub(super) fn query(app: &App, viewer: &Viewer, question: &Question) -> Answer<Answered> {
    house(viewer, "query")?;
    let mut limits = Limits::default();
    match question.limit {
        None => {}
        Some(rows @ 1..=10_000) => limits.rows = usize::try_from(rows).unwrap_or(limits.rows),
        Some(_) => {
            return Err(ApiError::invalid("limit", "is a number from 1 to 10000"));
        }
    }
    let given = given(app, viewer, &question.sql)?;
    let answer = app.ledger.query(viewer, &question.sql, &given, &limits);
    let answer = answer.map_err(|error| ApiError {
        field: Some("sql".to_owned())
            .filter(|_| matches!(error, store::ledger::LedgerError::Refused(_))),
        ..ApiError::from(error)
    })?;
    Ok(Answered {
        columns: answer.columns,
        rows: answer
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(value).collect())
            .collect(),
        more: answer.more,
        months_left_out: answer
            .months_left_out
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}

/// The views that are named, as things stand. No text can name one without its letters.
fn given(app: &App, viewer: &Viewer, sql: &str) -> Answer<Given> {
    let sql = sql.to_ascii_lowercase();
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let mut given = Given::default();
    if sql.contains("targets") {
        given.targets = targets::cells(&seen);
    }
    if sql.contains("paths") {
        given.paths = paths::cells(&seen, ROWS_MAX).ok_or_else(|| {
            let message = format!("`paths` has more than {ROWS_MAX} rows here; ask `GET /paths` with a key, team or target");
            ApiError::invalid("sql", message)
        })?;
    }
    if sql.contains("keys") {
        given.keys = keys(app, viewer)?;
    }
    if sql.contains("budgets") {
        let accounts = current(&snapshot, app.control.balances(), now_ms());
        given.budgets = accounts
            .iter()
            .take(ROWS_MAX)
            .map(|one| {
                let limit = &one.limit;
                vec![
                    text(&limit.name),
                    account(limit).map_or(Cell::Null, Cell::Text),
                    maybe(Some(&one.bucket)),
                    text(limit.resource.name()),
                    Cell::Integer(one.amount),
                    text(limit.period.name()),
                    text(limit.time_zone.iana_name().unwrap_or("UTC")),
                    Cell::Integer(limit.hard.into()),
                    Cell::Text(limit.mode.to_string()),
                    Cell::Text(Moment(one.window.start_ms).to_string()),
                    Cell::Integer(one.settled),
                    Cell::Integer(one.held),
                    text(source(&snapshot, limit)),
                ]
            })
            .collect();
    }
    Ok(given)
}

fn keys(app: &App, viewer: &Viewer) -> Answer<Vec<Vec<Cell>>> {
    let mut rows = Vec::new();
    let mut query = Query {
        limit: Some(1000),
        ..Query::default()
    };
    loop {
        let page = app.objects.list::<KeySpec>(viewer, &query)?;
        rows.extend(page.items.iter().map(row_of_key));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || rows.len() > ROWS_MAX {
            return Ok(rows);
        }
    }
}

fn row_of_key(key: &Key) -> Vec<Cell> {
    let at = |at: &Option<Moment>| at.map_or(Cell::Null, |at| Cell::Text(at.to_string()));
    let spec = &key.spec;
    let json =
        |value: Result<String, _>| value.map_or_else(|_: serde_json::Error| Cell::Null, Cell::Text);
    vec![
        text(&key.id),
        text(&key.name),
        maybe(spec.team.as_deref()),
        maybe(spec.organisation.as_deref()),
        maybe(spec.user.as_deref()),
        maybe(spec.owner.as_deref()),
        json(serde_json::to_string(&spec.tags)),
        match &spec.models {
            Some(models) => json(serde_json::to_string(models)),
            None => Cell::Null,
        },
        at(&key.created_at),
        at(&spec.expires_at),
        at(&key.state.revoked_at),
        text(match key.source {
            Source::File => "file",
            Source::Store => "store",
        }),
    ]
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn maybe(text: Option<&str>) -> Cell {
    match text {
        Some(text) if !text.is_empty() => Cell::Text(text.to_owned()),
        Some(_) | None => Cell::Null,
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::from(number),
        Cell::Real(number) => Value::from(number),
        Cell::Text(text) => Value::String(text),
    }
}
