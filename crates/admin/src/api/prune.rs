//! Retention: records of requests of months gone by are removed, a month at a time.
//!
//! Entries of the ledger, its sums and balances are never removed: what was spent stays known.

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::objects::Deed;
use store::sqlite::Month;

use super::shape::house;
use crate::App;
use crate::error::ApiError;
use crate::reading::now_ms;
use crate::route::Answer;

/// How far back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pruning")]
pub(super) struct Wanted {
    /// The first month that stays, such as `2026-01`: the last one at most.
    before: String,
}

/// What was removed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Pruned {
    /// The first month that stays.
    before: String,
    /// The months whose exchanges and attempts are gone, the newest first.
    removed: Vec<String>,
}

/// Removes the exchanges and attempts of all months before one.
pub(super) fn prune(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Pruned> {
    house(viewer, "remove records")?;
    let now_ms = now_ms();
    let first_kept = first_kept(&wanted.before, now_ms)?;
    let months = app.ledger.months_before(first_kept)?;
    let done = Pruned {
        before: first_kept.to_string(),
        removed: months.iter().map(ToString::to_string).collect(),
    };
    if months.is_empty() {
        return Ok(done);
    }
    // Written first: of what is gone nobody could tell who removed it.
    let deed = Deed {
        action: "prune",
        kind: "exchanges",
        name: &format!("before {first_kept}"),
        facts: json!({ "before": done.before, "months": done.removed }),
    };
    app.objects.record_deed(viewer, deed, now_ms)?;
    app.ledger.remove_months_before(first_kept)?;
    Ok(done)
}

/// Requests end a while after they began: this month and the last one still grow.
fn first_kept(text: &str, now_ms: i64) -> Answer<Month> {
    let Some(month) = Month::of_name(text) else {
        let message = "is a month such as `2026-01`, the first that stays";
        return Err(ApiError::invalid("before", message));
    };
    let last = Month::of_ms(now_ms).back(1);
    if month > last {
        let message = format!("is {last} at most: this month and the last one stay");
        return Err(ApiError::invalid("before", message));
    }
    Ok(month)
}
