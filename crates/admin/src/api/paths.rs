//! Who reaches what: every key, the models that it may call, and the targets behind them.

use policy::caller::VirtualKey;
use policy::model::{Model, Target};
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ledger::Cell;

use super::models::{Seen, targets};
use crate::App;
use crate::page::{self, Page};
use crate::route::Answer;

/// One key and one target that it reaches.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Path")]
pub(super) struct Shown {
    /// The key's name.
    key: String,
    /// Its team.
    team: Option<String>,
    /// Its organisation.
    organisation: Option<String>,
    /// The logical model; `*` where the key may call any `provider/model`.
    model: String,
    /// `provider/model`; `provider/*` where the key may call any of it.
    target: String,
    /// The provider.
    provider: String,
    /// Where data stays, in the operator's words.
    residency: Option<String>,
    /// The failure after which it is reached; null where it is the model's own target.
    fallback: Option<&'static str>,
}

/// Which paths.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// The key's name.
    key: Option<String>,
    /// The key's team.
    team: Option<String>,
    /// The logical model.
    model: Option<String>,
    /// The target.
    target: Option<String>,
    /// The provider.
    provider: Option<String>,
}

/// Paths, by key and model.
pub(super) fn list(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Page<Shown>> {
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let keys = seen.keys();
    let is = |given: &Option<String>, value: &str| given.as_ref().is_none_or(|text| text == value);
    let keys = keys.iter().filter(|key| {
        let team = key.team.as_ref().map_or("", |team| &team.name);
        is(&wanted.key, &key.name) && is(&wanted.team, team)
    });
    let rows = keys.flat_map(|key| of_key(&seen, key)).filter(|row| {
        is(&wanted.model, &row.model)
            && is(&wanted.target, &row.target)
            && is(&wanted.provider, &row.provider)
    });
    page::of(rows, wanted.limit, wanted.cursor.as_deref())
}

/// Rows of the view `paths`, up to `most`; none where there are more.
pub(super) fn cells(seen: &Seen<'_>, most: usize) -> Option<Vec<Vec<Cell>>> {
    let maybe = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
    let mut rows = Vec::new();
    for key in seen.keys() {
        rows.extend(of_key(seen, key).map(|row| {
            vec![
                Cell::Text(row.key),
                maybe(row.team),
                maybe(row.organisation),
                Cell::Text(row.model),
                Cell::Text(row.target),
                Cell::Text(row.provider),
                maybe(row.residency),
                maybe(row.fallback.map(str::to_owned)),
            ]
        }));
        if rows.len() > most {
            return None;
        }
    }
    Some(rows)
}

/// What one key reaches.
fn of_key<'s>(seen: &'s Seen<'_>, key: &'s VirtualKey) -> impl Iterator<Item = Shown> + use<'s> {
    let models = seen.snapshot.callable(key);
    let named = models.flat_map(move |(name, model)| of_model(key, name, model));
    let providers = seen.snapshot.providers.values().filter(|_| key.direct);
    let direct = providers.map(move |provider| Shown {
        model: "*".to_owned(),
        target: format!("{}/*", provider.name),
        provider: provider.name.clone(),
        residency: provider.residency.clone(),
        fallback: None,
        ..of_caller(key)
    });
    let own = seen.snapshot.providers.values();
    let own = own.filter(|provider| key.passthrough.contains(&provider.name));
    let through = own.map(move |provider| Shown {
        model: format!("/provider/{}/*", provider.name),
        target: format!("{}/*", provider.name),
        provider: provider.name.clone(),
        residency: provider.residency.clone(),
        fallback: None,
        ..of_caller(key)
    });
    named.chain(direct).chain(through)
}

fn of_model<'s>(
    key: &'s VirtualKey,
    name: &'s str,
    model: &'s Model,
) -> impl Iterator<Item = Shown> + use<'s> {
    targets(model).map(move |(target, fallback): (_, _)| {
        let target: &Target = target;
        Shown {
            model: name.to_owned(),
            target: target.name().to_string(),
            provider: target.provider.name.clone(),
            residency: target.provider.residency.clone(),
            fallback,
            ..of_caller(key)
        }
    })
}

fn of_caller(key: &VirtualKey) -> Shown {
    Shown {
        key: key.name.to_string(),
        team: key.team.as_ref().map(|team| team.name.to_string()),
        organisation: key.organisation().map(|group| group.name.to_string()),
        model: String::new(),
        target: String::new(),
        provider: String::new(),
        residency: None,
        fallback: None,
    }
}
