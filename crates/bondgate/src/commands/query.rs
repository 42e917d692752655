//! `bondgate query`: one SELECT over the documented views.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::answers::{self, Shown};
use super::{print, tell_empty};
use crate::cli::Format;
use crate::cli::operate::QueryOptions;
use crate::client::{Client, member};
use crate::say::say;

/// The longest statement that is read from stdin, in bytes.
const SQL_MAX: u64 = 64 << 10;

/// Runs the statement and prints its rows.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses the statement.
pub(super) fn run(options: &QueryOptions) -> anyhow::Result<()> {
    let sql = statement(&options.sql)?;
    let answer = Client::open(&options.admin)?.post("/query", &json!({ "sql": sql }))?;
    let (names, rows) = parts(&answer)?;
    tell_empty(&rows, "the statement gives no rows");
    print(&match options.format {
        Format::Table => table(&names, &rows),
        Format::Csv => csv(&names, &rows),
        Format::Json => answers::json(&objects(&names, &rows)),
    })?;
    if member(&answer, "more").as_bool() == Some(true) {
        say("there are more rows than a query gives: narrow the statement, or sum in it");
    }
    let left_out = member(&answer, "months_left_out").as_array();
    if left_out.is_some_and(|months| !months.is_empty()) {
        let months = answers::csv_value(member(&answer, "months_left_out"));
        say(&format!(
            "months too many to be looked at were left out: {months}"
        ));
    }
    Ok(())
}

fn statement(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut sql = String::new();
    let read = std::io::stdin().take(SQL_MAX + 1).read_to_string(&mut sql);
    read.context("the statement cannot be read from stdin")?;
    if sql.len() as u64 > SQL_MAX {
        bail!("the statement on stdin is longer than {SQL_MAX} bytes");
    }
    Ok(sql)
}

/// The names of the columns, each once, and the rows.
fn parts(answer: &Value) -> anyhow::Result<(Vec<String>, Vec<Value>)> {
    let (Some(columns), Some(rows)) = (
        member(answer, "columns").as_array(),
        member(answer, "rows").as_array(),
    ) else {
        bail!(
            "the answer to a query has no `columns` and `rows`: is it a gateway of this version?"
        );
    };
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let name = column.as_str().unwrap_or_default();
        let mut unique = name.to_owned();
        let mut n = 2;
        while names.contains(&unique) {
            unique = format!("{name}_{n}");
            n += 1;
        }
        names.push(unique);
    }
    Ok((names, rows.clone()))
}

fn cells(row: &Value) -> &[Value] {
    row.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Columns whose values are all numbers stand at the right.
fn table(names: &[String], rows: &[Value]) -> String {
    let numeric = |n: usize| {
        let mut values = rows.iter().filter_map(|row| cells(row).get(n));
        values.all(|value| value.is_number() || value.is_null())
    };
    let shown = |n| {
        if numeric(n) {
            Shown::Number
        } else {
            Shown::Text
        }
    };
    let titles: Vec<String> = names
        .iter()
        .map(|name| crate::client::printable(name))
        .collect();
    let heads = titles.iter().enumerate();
    answers::grid(
        heads.map(|(n, name)| (name.as_str(), shown(n))),
        rows.iter().map(|row| {
            let cells = cells(row).iter();
            cells
                .map(|value| answers::cell(value, Shown::Text))
                .collect()
        }),
    )
}

fn csv(names: &[String], rows: &[Value]) -> String {
    let heads = names.iter().map(|name| answers::csv_value(&json!(name)));
    let rows = rows
        .iter()
        .map(|row| cells(row).iter().map(answers::csv_value).collect());
    answers::csv_lines(heads.collect(), rows)
}

fn objects(names: &[String], rows: &[Value]) -> Value {
    let objects = rows.iter().map(|row| {
        let members = names.iter().cloned().zip(cells(row).iter().cloned());
        Value::Object(members.collect::<Map<_, _>>())
    });
    Value::Array(objects.collect())
}
