//! Which rows are asked for: filters as they are given, and the SQL that they become.
//!
//! Names of columns come from the lists here; every value is bound, none is written
//! into the SQL. A viewer's bound is a condition like the others and always there.

use policy::viewer::Viewer;
use rusqlite::types::Value;
use ulid::Ulid;

use super::LedgerError;
use crate::sqlite::DAY_MS;

/// Which exchanges; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// Columns that equal a text: `state`, `key`, `team`, `organisation`, `user`, `run`,
    /// `dialect`, `operation`, `model`, `target`, `served_model`, `outcome`, `status`, or `tag:NAME`.
    pub equal: Vec<(String, String)>,
    /// Came at that time or later.
    pub since_ms: Option<i64>,
    /// Came before that time.
    pub until_ms: Option<i64>,
}

/// Which entries; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Columns that equal a text: `exchange`, `kind`, `key`, `team`, `organisation`, `user`,
    /// `run`, `model`, `provider`, `target`, `price_id`, or `tag:NAME`.
    pub equal: Vec<(String, String)>,
    /// At that time or later.
    pub since_ms: Option<i64>,
    /// Before that time.
    pub until_ms: Option<i64>,
}

/// A condition of SQL with its values.
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    pub(super) fn new() -> Self {
        Self {
            sql: "1".to_owned(),
            values: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, sql: &str, value: Value) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(value);
    }

    pub(super) fn add2(&mut self, sql: &str, first: Value, second: Value) {
        self.add(sql, first);
        self.values.push(second);
    }

    /// Columns that equal a text: `known` names them and says what they are in SQL.
    fn equal(
        &mut self,
        equal: &[(String, String)],
        known: &[(&str, &str)],
        tags: &str,
    ) -> Result<(), LedgerError> {
        for (column, value) in equal {
            if let Some(name) = column.strip_prefix("tag:") {
                let sql = format!("{tags} ->> ? = ?");
                self.add2(
                    &sql,
                    Value::from(tag_path(name)),
                    Value::from(value.clone()),
                );
                continue;
            }
            let Some((_, sql)) = known.iter().find(|(name, _)| name == column) else {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(LedgerError::Refused(format!(
                    "there is no filter `{column}`; there are {} and tag:NAME",
                    names.join(", ")
                )));
            };
            self.add(&format!("{sql} = ?"), Value::from(value.clone()));
        }
        Ok(())
    }
}

/// Where SQLite finds that tag in a JSON object.
pub(super) fn tag_path(name: &str) -> String {
    format!("$.{}", serde_json::Value::from(name))
}

pub(super) fn exchange_conditions(
    viewer: &Viewer,
    filter: &ExchangeFilter,
) -> Result<Conditions, LedgerError> {
    const KNOWN: &[(&str, &str)] = &[
        ("state", "state"),
        ("key", "key"),
        ("team", "team"),
        ("organisation", "organisation"),
        ("user", "user"),
        ("run", "run"),
        ("dialect", "dialect"),
        ("operation", "operation"),
        ("model", "model"),
        ("target", "target"),
        ("served_model", "served_model"),
        ("outcome", "outcome"),
        ("status", "CAST(status AS TEXT)"),
    ];
    let mut wanted = Conditions::new();
    if let Some(team) = viewer.team() {
        wanted.add("team = ?", Value::from(team.to_owned()));
    }
    wanted.equal(&filter.equal, KNOWN, "tags")?;
    if let Some(since) = filter.since_ms {
        wanted.add("at_ms >= ?", since.into());
        // A ULID is made when its request comes, give or take; a day is much.
        let earliest = u64::try_from(since.saturating_sub(DAY_MS)).unwrap_or(0);
        wanted.add("id >= ?", Ulid::from_parts(earliest, 0).to_string().into());
    }
    if let Some(until) = filter.until_ms {
        wanted.add("at_ms < ?", until.into());
        let latest = u64::try_from(until.saturating_add(DAY_MS)).unwrap_or(0);
        let latest = Ulid::from_parts(latest.min((1 << 48) - 1), 0);
        wanted.add("id <= ?", latest.to_string().into());
    }
    Ok(wanted)
}

pub(super) fn entry_conditions(
    viewer: &Viewer,
    filter: &EntryFilter,
) -> Result<Conditions, LedgerError> {
    const KNOWN: &[(&str, &str)] = &[
        ("exchange", "e.exchange"),
        ("kind", "e.kind"),
        ("run", "e.run"),
        ("price_id", "e.price_id"),
        ("key", "d.key"),
        ("team", "d.team"),
        ("organisation", "d.organisation"),
        ("user", "d.user"),
        ("model", "d.model"),
        ("provider", "d.provider"),
        ("target", "d.target"),
    ];
    let mut wanted = Conditions::new();
    if let Some(team) = viewer.team() {
        wanted.add("d.team = ?", Value::from(team.to_owned()));
    }
    wanted.equal(&filter.equal, KNOWN, "t.tags")?;
    if let Some(since) = filter.since_ms {
        wanted.add("e.at_ms >= ?", since.into());
    }
    if let Some(until) = filter.until_ms {
        wanted.add("e.at_ms < ?", until.into());
    }
    Ok(wanted)
}
