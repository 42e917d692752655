//! Spend, summed by any dimension over any time.
//!
//! Whole days come from the rollups, the edges from the entries: the sums are
//! exact. What belongs to no team and what has no price are figures of their own.

use std::fmt;
use std::str::FromStr;

use policy::money::Nanos;
use policy::viewer::Viewer;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::LedgerError;
use super::filter::tag_path;
use super::read::Ledger;
use super::rows::TokenCounts;
use crate::sqlite::DAY_MS;

/// Rows of a report at most.
pub(super) const SPEND_ROWS_MAX: usize = 10_000;

/// What spend is summed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The team.
    Team,
    /// The key.
    Key,
    /// The user.
    User,
    /// The organisation.
    Organisation,
    /// The logical model.
    Model,
    /// The provider.
    Provider,
    /// The target, `provider/model`.
    Target,
    /// The day in UTC, `YYYY-MM-DD`.
    Day,
    /// The value of a tag.
    Tag(String),
}

impl FromStr for By {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        Ok(match text {
            "team" => By::Team,
            "key" => By::Key,
            "user" => By::User,
            "organisation" => By::Organisation,
            "model" => By::Model,
            "provider" => By::Provider,
            "target" => By::Target,
            "day" => By::Day,
            _ => match text.strip_prefix("tag:") {
                Some(name) if !name.is_empty() => By::Tag(name.to_owned()),
                _ => {
                    return Err(LedgerError::Refused(format!(
                        "spend is not summed by `{text}`; there are team, key, user, organisation, model, provider, target, day and tag:NAME"
                    )));
                }
            },
        })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Team => f.write_str("team"),
            By::Key => f.write_str("key"),
            By::User => f.write_str("user"),
            By::Organisation => f.write_str("organisation"),
            By::Model => f.write_str("model"),
            By::Provider => f.write_str("provider"),
            By::Target => f.write_str("target"),
            By::Day => f.write_str("day"),
            By::Tag(name) => write!(f, "tag:{name}"),
        }
    }
}

/// What is summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendQuery {
    /// By what; one sum where nothing is named. At most eight.
    pub by: Vec<By>,
    /// From that time, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Before that time.
    pub until_ms: Option<i64>,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were billed, or are presumed to have been.
    pub requests: i64,
    /// Those of them that ended otherwise than with a whole answer.
    pub failures: i64,
    /// What they used.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost: Nanos,
    /// Those of them for which no price is known; they cost nothing in these sums.
    pub unpriced: i64,
}

/// One row of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendRow {
    /// The values of what was summed by, in the order of the query; empty where there is none.
    pub by: Vec<String>,
    /// The sums.
    pub figures: Figures,
}

/// Spend over a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendReport {
    /// The most expensive first, or by day where a day is asked for first.
    pub rows: Vec<SpendRow>,
    /// Of all rows together, also of those that did not fit.
    pub total: Figures,
    /// What belongs to no team.
    pub unattributed: Figures,
    /// Whether there are more than the 10,000 rows given.
    pub more: bool,
}

impl Ledger {
    /// What was spent.
    ///
    /// # Errors
    /// Where the file cannot be read, or more than eight dimensions are asked for.
    pub fn spend(&self, viewer: &Viewer, query: &SpendQuery) -> Result<SpendReport, LedgerError> {
        if query.by.len() > 8 {
            return Err(LedgerError::Refused(
                "spend is summed by eight dimensions at most".to_owned(),
            ));
        }
        let lines = Lines::of(viewer, query);
        self.main_until(self.deadline(), |main| {
            // One picture of the book for rows and totals.
            let seen = main.unchecked_transaction()?;
            let mut report = rows(&seen, &lines, &query.by)?;
            (report.total, report.unattributed) = totals(&seen, &lines)?;
            Ok(report)
        })
    }
}

/// The lines that are summed: rollups and entries, as SQL with its values.
pub(super) struct Lines {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

const SUMMED: &str = "dimension, requests, failures, input, cache_read, cache_write,
    cache_write_1h, audio_in, output, reasoning, audio_out, cost_nanos, unpriced";

impl Lines {
    pub(super) fn of(viewer: &Viewer, query: &SpendQuery) -> Self {
        let since = query.since_ms.unwrap_or(i64::MIN);
        let until = query.until_ms.unwrap_or(i64::MAX);
        let first_day = since.saturating_add(DAY_MS - 1).div_euclid(DAY_MS);
        let end_day = if query.until_ms.is_none() {
            i64::MAX
        } else {
            until.div_euclid(DAY_MS)
        };
        let mut lines = Lines {
            sql: String::new(),
            values: Vec::new(),
        };
        if first_day > end_day {
            lines.entries(since, until);
        } else {
            lines.sql = format!("SELECT day, {SUMMED} FROM rollups WHERE day >= ? AND day < ?");
            lines.values.extend([first_day.into(), end_day.into()]);
            if query.since_ms.is_some() {
                lines.entries(since, first_day.saturating_mul(DAY_MS));
            }
            if query.until_ms.is_some() {
                lines.entries(end_day.saturating_mul(DAY_MS), until);
            }
        }
        let team = if let Some(team) = viewer.team() {
            lines.values.push(Value::from(team.to_owned()));
            "WHERE d.team = ?"
        } else {
            ""
        };
        // Summed by dimension first: what names and tags are is then asked once each.
        lines.sql = format!(
            "(SELECT l.day, l.dimension, {} FROM ({}) l GROUP BY l.day, l.dimension) l
             JOIN dimensions d ON d.id = l.dimension JOIN tagsets t ON t.id = d.tagset {team}",
            sums("l", true),
            lines.sql
        );
        lines
    }

    fn entries(&mut self, since: i64, until: i64) {
        if since >= until && !self.sql.is_empty() {
            return;
        }
        if !self.sql.is_empty() {
            self.sql.push_str(" UNION ALL ");
        }
        // The whole-number division is that of days: no time is before 1970.
        self.sql.push_str(&format!(
            "SELECT at_ms / {DAY_MS} AS day, {SUMMED} FROM entries WHERE at_ms >= ? AND at_ms < ?"
        ));
        self.values.extend([since.into(), until.into()]);
    }
}

/// What is summed of entries and rollups, in the order of their columns.
pub(super) const FIGURES: [&str; 12] = [
    "requests",
    "failures",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "audio_in",
    "output",
    "reasoning",
    "audio_out",
    "cost_nanos",
    "unpriced",
];

fn sums(table: &str, named: bool) -> String {
    let sums = FIGURES.iter().map(|column| {
        let name = if named {
            format!(" AS {column}")
        } else {
            String::new()
        };
        format!("coalesce(sum({table}.{column}), 0){name}")
    });
    sums.collect::<Vec<_>>().join(", ")
}

impl Figures {
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            requests: row.get(first)?,
            failures: row.get(first + 1)?,
            tokens: TokenCounts::read(row, first + 2)?,
            cost: Nanos(row.get(first + 10)?),
            unpriced: row.get(first + 11)?,
        })
    }
}

fn rows(main: &Connection, lines: &Lines, by: &[By]) -> rusqlite::Result<SpendReport> {
    let mut values = Vec::new();
    let mut columns = String::new();
    for (at, by) in by.iter().enumerate() {
        let column = match by {
            By::Team => "d.team",
            By::Key => "d.key",
            By::User => "d.user",
            By::Organisation => "d.organisation",
            By::Model => "d.model",
            By::Provider => "d.provider",
            By::Target => "d.target",
            By::Day => "date(l.day * 86400, 'unixepoch')",
            By::Tag(name) => {
                values.push(Value::from(tag_path(name)));
                "coalesce(t.tags ->> ?, '')"
            }
        };
        columns.push_str(&format!("{column} AS by{at}, "));
    }
    values.extend(lines.values.iter().cloned());
    let names: Vec<String> = (0..by.len()).map(|at| format!("by{at}")).collect();
    let names = names.join(", ");
    let (group, order) = match by.first() {
        None => (String::new(), String::new()),
        Some(By::Day) => (format!("GROUP BY {names}"), format!("ORDER BY {names}")),
        Some(_) => (
            format!("GROUP BY {names}"),
            format!("ORDER BY sum(l.cost_nanos) DESC, {names}"),
        ),
    };
    let sql = format!(
        "SELECT {columns}{} FROM {} {group} {order} LIMIT {}",
        sums("l", false),
        lines.sql,
        SPEND_ROWS_MAX + 1
    );
    let mut statement = main.prepare_cached(&sql)?;
    let read = statement.query_map(params_from_iter(&values), |row| {
        let names = (0..by.len()).map(|at| row.get(at));
        Ok(SpendRow {
            by: names.collect::<rusqlite::Result<_>>()?,
            figures: Figures::read(row, by.len())?,
        })
    })?;
    let mut rows = read.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() > SPEND_ROWS_MAX;
    rows.truncate(SPEND_ROWS_MAX);
    Ok(SpendReport {
        rows,
        more,
        ..SpendReport::default()
    })
}

/// All, and what belongs to no team.
fn totals(main: &Connection, lines: &Lines) -> rusqlite::Result<(Figures, Figures)> {
    let sql = format!(
        "SELECT d.team = '', {} FROM {} GROUP BY 1",
        sums("l", false),
        lines.sql
    );
    let mut statement = main.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&lines.values), |row| {
        Ok((row.get::<_, bool>(0)?, Figures::read(row, 1)?))
    })?;
    let (mut all, mut unattributed) = (Figures::default(), Figures::default());
    for row in rows {
        let (no_team, figures) = row?;
        all = Figures {
            requests: all.requests.saturating_add(figures.requests),
            failures: all.failures.saturating_add(figures.failures),
            tokens: all.tokens.plus(&figures.tokens),
            cost: all.cost.plus(figures.cost),
            unpriced: all.unpriced.saturating_add(figures.unpriced),
        };
        if no_team {
            unattributed = figures;
        }
    }
    Ok((all, unattributed))
}
