//! `bondgate spend`: the ledger, summed.

use anyhow::bail;
use serde_json::Value;
use store::objects::Moment;

use super::answers::{self, Shown};
use super::{now_ms, print, tell_empty};
use crate::cli::Format;
use crate::cli::operate::SpendOptions;
use crate::client::{Client, member};
use crate::say::say;

/// A figure of a sum: the title of a table's column, where the API has it, how it is shown.
type Figure = (&'static str, &'static str, Shown);

/// What tables show.
const FIGURES: [Figure; 8] = [
    ("REQUESTS", "/requests", Shown::Number),
    ("FAILED", "/failures", Shown::Number),
    ("IN", "/usage/input", Shown::Number),
    ("CACHED", "/usage/cache_read", Shown::Number),
    ("OUT", "/usage/output", Shown::Number),
    ("REASONING", "/usage/reasoning", Shown::Number),
    ("UNPRICED", "/unpriced", Shown::Number),
    ("USD", "/cost_usd", Shown::Usd),
];

/// What CSV has after those.
const FURTHER: [&str; 4] = [
    "/usage/cache_write",
    "/usage/cache_write_1h",
    "/usage/audio_in",
    "/usage/audio_out",
];

/// Prints what was spent.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses.
pub(super) fn run(options: &SpendOptions) -> anyhow::Result<()> {
    let now_ms = now_ms();
    let mut query: Vec<(&str, String)> = options.by.iter().map(|by| ("by", by.clone())).collect();
    query.push(("since", Moment(options.since.ago(now_ms)).to_string()));
    let until = options.until.as_ref();
    query.extend(until.map(|until| ("until", Moment(until.ago(now_ms)).to_string())));
    let client = Client::open(&options.admin)?;
    let report = client.get("/spend", &query)?;
    let Some(items) = member(&report, "items").as_array() else {
        bail!(
            "{} answers without `items`: is it a gateway of this version?",
            client.whom()
        );
    };
    tell_empty(items, "nothing was spent in that time");
    print(&match options.format {
        Format::Table => table(&options.by, items, member(&report, "total")),
        Format::Csv => csv(&options.by, items),
        Format::Json => answers::json(&report),
    })?;
    if member(&report, "more").as_bool() == Some(true) {
        say(
            "there are more rows than these; `total` counts all of them · sum by less, or over less time",
        );
    }
    Ok(())
}

fn table(by: &[String], items: &[Value], total: &Value) -> String {
    let titles: Vec<String> = by.iter().map(|by| by.to_uppercase()).collect();
    let heads = titles.iter().map(|title| (title.as_str(), Shown::Text));
    let heads = heads.chain(FIGURES.map(|(title, _, shown)| (title, shown)));
    let row = |names: Vec<String>, sums: &Value| {
        let figures = FIGURES
            .map(|(_, at, shown)| answers::cell(sums.pointer(at).unwrap_or(&Value::Null), shown));
        names.into_iter().chain(figures).collect::<Vec<String>>()
    };
    let sums = items.iter().filter(|_| !by.is_empty()).map(|item| {
        let names = by.iter().map(|by| {
            let value = member(member(item, "by"), by);
            if value.is_null() {
                "(none)".to_owned()
            } else {
                answers::cell(value, Shown::Text)
            }
        });
        row(names.collect(), item)
    });
    let names = by.iter().enumerate();
    let names = names.map(|(n, _)| if n == 0 { "total" } else { "" }.to_owned());
    let total = row(names.collect(), total);
    answers::grid(heads, sums.chain(std::iter::once(total)))
}

fn csv(by: &[String], items: &[Value]) -> String {
    let figures: Vec<&str> = FIGURES
        .iter()
        .map(|(_, at, _)| *at)
        .chain(FURTHER)
        .collect();
    let names = figures
        .iter()
        .map(|at| at.trim_start_matches('/').replace('/', "_"));
    let heads = by
        .iter()
        .map(|by| answers::csv_value(&Value::from(by.as_str())));
    let rows = items.iter().map(|item| {
        let values = by.iter().map(|by| member(member(item, "by"), by));
        let figures = figures.iter();
        let figures = figures.map(|at| item.pointer(at).unwrap_or(&Value::Null));
        values.chain(figures).map(answers::csv_value).collect()
    });
    answers::csv_lines(heads.chain(names).collect(), rows)
}
