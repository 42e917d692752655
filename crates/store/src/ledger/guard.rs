//! What a query may do: read the views, and call functions that compute.
//!
//! SQLite asks before it compiles each part of a statement. Whatever is not
//! allowed here by name is refused: a new feature of SQLite is refused too.

use std::collections::HashSet;
use std::iter;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::views::VIEWS;

/// Functions that compute from their arguments and nothing else.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "avg",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_set",
    "json_tree",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "median",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "tan",
    "time",
    "timediff",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
];

/// SQLite's number of the database that holds what is temporary: here the views and what was given.
const TEMPORARY: i64 = 1;

/// The tables that the views read.
const COUNTED: &[&str] = &[
    "attempts",
    "dimensions",
    "entries",
    "exchanges",
    "rollups",
    "tagsets",
];

/// Whether a part of a statement is allowed; names that begin with `inner` are
/// those of the views that read tables, see [`super::views::definitions`].
pub(super) fn rule(asked: &AuthContext<'_>, inner: &str) -> Authorization {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what SQLite may learn to do is refused until it is named here"
    )]
    let allowed = match asked.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => FUNCTIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(function_name)),
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            // What a view of ours reads is what it was written to show.
            let through_view = asked.accessor.is_some_and(|name| name.starts_with(inner));
            let in_temp = asked.database_name.is_none_or(|name| name == "temp");
            // A table of a view of which no column is asked for comes without its view.
            // That there are so many rows is all that is read of it then.
            let only_counted = column_name.is_empty() && COUNTED.contains(&table_name);
            through_view
                || only_counted
                || (in_temp && (is_view(table_name) || table_name.starts_with(inner)))
                || matches!(table_name, "json_each" | "json_tree")
        }
        _ => false,
    };
    if allowed {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

/// Where the tables of the views and their indexes begin: database and page, as SQLite's programs have them.
pub(super) struct Roots(HashSet<(i64, i64)>);

impl Roots {
    /// Of the main file, and of so many months attached as `m0`, `m1` and so on.
    pub(super) fn of(connection: &Connection, months: usize) -> rusqlite::Result<Self> {
        let mut roots = HashSet::new();
        let attached = (0..months).map(|at| format!("m{at}"));
        let databases = iter::once("main".to_owned()).chain(attached);
        // 0 is the main file, 1 what is temporary, and the attached ones follow.
        for (at, name) in iter::once(0).chain(2..).zip(databases) {
            let sql = format!("SELECT tbl_name, rootpage FROM {name}.sqlite_schema");
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (table, page): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
                roots.extend(
                    page.filter(|_| COUNTED.contains(&&*table))
                        .map(|page| (at, page)),
                );
            }
        }
        Ok(Self(roots))
    }

    /// Whether a statement opens nothing else. SQLite does not ask before it reads the columns by
    /// which `NATURAL` and `USING` join, so what [`rule`] has let through is looked at once more,
    /// as the program that it became.
    ///
    /// # Errors
    /// Where it cannot be compiled.
    pub(super) fn hold(&self, connection: &Connection, sql: &str) -> rusqlite::Result<bool> {
        let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
        let mut steps = statement.query([])?;
        while let Some(step) = steps.next()? {
            let (what, page, database): (String, i64, i64) =
                (step.get(1)?, step.get(3)?, step.get(4)?);
            let opens = match what.as_str() {
                "OpenEphemeral" | "OpenAutoindex" | "OpenPseudo" | "OpenDup" => false,
                _ => what.starts_with("Open") || what == "ReopenIdx",
            };
            if opens && database != TEMPORARY && !self.0.contains(&(database, page)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_view(name: &str) -> bool {
    VIEWS
        .iter()
        .any(|view| view.name.eq_ignore_ascii_case(name))
}
