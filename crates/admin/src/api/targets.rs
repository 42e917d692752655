//! Targets of models: who serves what, and at which price.

use policy::model::Target;
use policy::provider::Auth;
use policy::snapshot::Snapshot;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ledger::Cell;

use super::models::{Seen, targets};
use crate::App;
use crate::page::{self, Page};
use crate::reading::now_ms;
use crate::route::Answer;

/// One target of one model.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Target")]
pub(super) struct Shown {
    /// The logical model.
    pub(super) model: String,
    /// `provider/model`
    pub(super) target: String,
    /// The provider.
    pub(super) provider: String,
    /// The dialect that it speaks.
    dialect: &'static str,
    /// Which come first.
    priority: u32,
    /// Its share among equals.
    weight: u32,
    /// Where data stays, in the operator's words.
    residency: Option<String>,
    /// Data classes that may go there; null for all.
    approved_for: Option<Vec<String>>,
    /// The failure after which it is used: `failure`, `context_window` or `content_policy`; null for the model's own.
    fallback: Option<&'static str>,
    /// `ready`, or `no_credential` where it wants one and has none.
    state: &'static str,
    /// Version of the price row that holds now; null where no price is known.
    price_id: Option<String>,
}

/// Which targets.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// The logical model.
    model: Option<String>,
    /// The target.
    target: Option<String>,
    /// The provider.
    provider: Option<String>,
}

/// Targets, by the model's name and in its order.
pub(super) fn list(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Page<Shown>> {
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let is = |given: &Option<String>, value: &str| given.as_ref().is_none_or(|text| text == value);
    let rows = all(&seen).into_iter().filter(|row| {
        is(&wanted.model, &row.model)
            && is(&wanted.target, &row.target)
            && is(&wanted.provider, &row.provider)
    });
    page::of(rows, wanted.limit, wanted.cursor.as_deref())
}

/// Rows of the view `targets`.
pub(super) fn cells(seen: &Seen<'_>) -> Vec<Vec<Cell>> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let rows = all(seen).into_iter().map(|row| {
        vec![
            text(&row.model),
            text(&row.target),
            text(&row.provider),
            text(row.dialect),
            Cell::Integer(row.priority.into()),
            Cell::Integer(row.weight.into()),
            row.residency.map_or(Cell::Null, Cell::Text),
            Cell::Null,
            text(row.state),
        ]
    });
    rows.collect()
}

fn all(seen: &Seen<'_>) -> Vec<Shown> {
    let at_ms = now_ms();
    let rows = seen.models().flat_map(|(name, model)| {
        targets(model).map(move |(target, fallback)| (name, target, fallback))
    });
    rows.map(|(model, target, fallback)| shown(seen.snapshot, (model, target, fallback), at_ms))
        .collect()
}

fn shown(
    snapshot: &Snapshot,
    (model, target, fallback): (&str, &Target, Option<&'static str>),
    at_ms: i64,
) -> Shown {
    let provider = &target.provider;
    let book = snapshot.prices.as_ref();
    let price = book
        .and_then(|book| book.find(&provider.name, provider.catalogue_id, &target.model, at_ms));
    let lacks = provider.auth != Auth::None && provider.keys.is_empty();
    Shown {
        model: model.to_owned(),
        target: target.name().to_string(),
        provider: provider.name.clone(),
        dialect: provider.dialect.name(),
        priority: target.priority,
        weight: target.weight,
        residency: provider.residency.clone(),
        approved_for: None,
        fallback,
        state: if lacks { "no_credential" } else { "ready" },
        price_id: price.map(|row| row.id.to_string()),
    }
}
