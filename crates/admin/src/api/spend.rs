//! Spend, summed by what is asked for.

use std::collections::BTreeMap;

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ledger::{By, Figures, SpendQuery, SpendRow};
use store::objects::{Moment, Usd};

use super::shape::{Tokens, some};
use crate::App;
use crate::error::ApiError;
use crate::reading::{now_ms, range};
use crate::route::Answer;

/// Spend over a time.
#[derive(Serialize, JsonSchema)]
pub(super) struct Spend {
    /// From when; null for the beginning.
    since: Option<Moment>,
    /// Until when; null for now.
    until: Option<Moment>,
    /// What it is summed by, in order.
    by: Vec<String>,
    /// The most expensive first, or by day where a day is asked for first; at most 10,000.
    items: Vec<Row>,
    /// Whether there are more rows than these; `total` counts them.
    more: bool,
    /// All together.
    total: Sums,
    /// What belongs to no team.
    unattributed: Sums,
}

/// One sum.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SpendRow")]
struct Row {
    /// What it is the sum of: a value, or null where there is none, for each of `by`.
    by: BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    sums: Sums,
}

/// Figures.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SpendSums")]
struct Sums {
    /// Requests that were billed, or are presumed to have been.
    requests: i64,
    /// Those of them that did not end with a whole answer.
    failures: i64,
    /// Those of them without a known price; they cost nothing in these sums.
    unpriced: i64,
    /// What they used.
    usage: Tokens,
    /// What they cost.
    cost_usd: Usd,
}

/// What is summed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// `team`, `key`, `user`, `organisation`, `model`, `provider`, `target`, `day` or `tag:NAME`; several times for several, at most eight.
    by: Vec<String>,
    /// From then: a moment, a date, or a time before now such as `30d`.
    since: Option<String>,
    /// Before then.
    until: Option<String>,
}

/// What was spent.
pub(super) fn spend(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Spend> {
    let (since_ms, until_ms) = range(wanted.since.as_deref(), wanted.until.as_deref(), now_ms())?;
    let by: Result<Vec<By>, _> = wanted.by.iter().map(|by| by.parse()).collect();
    let by = by.map_err(|error| ApiError::invalid("by", error.to_string()))?;
    let names: Vec<String> = by.iter().map(ToString::to_string).collect();
    let twice = names
        .iter()
        .enumerate()
        .find(|(n, name)| names.iter().take(*n).any(|other| other == *name));
    if let Some((_, name)) = twice {
        return Err(ApiError::invalid(
            "by",
            format!("`{name}` stands there twice"),
        ));
    }
    let query = SpendQuery {
        by,
        since_ms,
        until_ms,
    };
    let report = app.ledger.spend(viewer, &query)?;
    Ok(Spend {
        since: since_ms.map(Moment),
        until: until_ms.map(Moment),
        items: report
            .rows
            .into_iter()
            .map(|line| row(&names, line))
            .collect(),
        by: names,
        more: report.more,
        total: report.total.into(),
        unattributed: report.unattributed.into(),
    })
}

fn row(names: &[String], line: SpendRow) -> Row {
    let values = line.by.into_iter().map(some);
    Row {
        by: names.iter().cloned().zip(values).collect(),
        sums: line.figures.into(),
    }
}

impl From<Figures> for Sums {
    fn from(figures: Figures) -> Self {
        Self {
            requests: figures.requests,
            failures: figures.failures,
            unpriced: figures.unpriced,
            usage: figures.tokens.into(),
            cost_usd: Usd(figures.cost),
        }
    }
}
