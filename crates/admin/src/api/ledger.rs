//! Entries of the ledger.

use std::collections::BTreeMap;

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::ledger::{EntryFilter, EntryRow};
use store::objects::{Moment, Usd};

use super::exchanges::equal;
use super::shape::{Tokens, some, tags};
use crate::App;
use crate::page::{self, Page};
use crate::reading::{now_ms, range};
use crate::route::Answer;

/// One entry of the book; corrections are entries too.
#[derive(Serialize, JsonSchema)]
pub(super) struct Entry {
    /// Who numbered it.
    writer: i64,
    /// Its number there, without gaps.
    number: i64,
    /// The request's id; one of its own for spend from outside.
    exchange: String,
    /// 0 for the first entry of a request, one more for each correction.
    revision: i64,
    /// `settled`, `presumed`, `adjusted` or `external`.
    kind: String,
    /// When the request came, or the correction was made.
    at: Moment,
    /// The key's name.
    key: Option<String>,
    /// The team's name.
    team: Option<String>,
    /// The organisation's name.
    organisation: Option<String>,
    /// The user.
    user: Option<String>,
    /// The run.
    run: Option<String>,
    /// The tags.
    tags: BTreeMap<String, String>,
    /// The logical model.
    model: Option<String>,
    /// The provider.
    provider: Option<String>,
    /// The target.
    target: Option<String>,
    /// 1, or 0 in corrections.
    requests: i64,
    /// 1 where it failed.
    failures: i64,
    /// What was used.
    usage: Tokens,
    /// What it cost; the difference in corrections.
    cost_usd: Usd,
    /// Version of the price row.
    price_id: Option<String>,
    /// 1 where no price is known, -1 where one was found later.
    unpriced: i64,
    /// Whether counts are not the provider's.
    estimated: bool,
    /// Why, in corrections and spend from outside.
    note: Option<String>,
}

/// Which entries.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EntryQuery {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At that time or later: a moment, a date, or a time before now such as `30d`.
    since: Option<String>,
    /// Before that time.
    until: Option<String>,
    /// The request's id.
    exchange: Option<String>,
    /// `settled`, `presumed`, `adjusted` or `external`.
    kind: Option<String>,
    /// The key's name.
    key: Option<String>,
    /// The team's name.
    team: Option<String>,
    /// The organisation's name.
    organisation: Option<String>,
    /// The user.
    user: Option<String>,
    /// The run.
    run: Option<String>,
    /// A tag as `name=value`; all that are given must be there.
    tag: Vec<String>,
    /// The logical model.
    model: Option<String>,
    /// The provider.
    provider: Option<String>,
    /// The target.
    target: Option<String>,
    /// Version of the price row.
    price_id: Option<String>,
}

/// Entries, the newest first.
pub(super) fn list(app: &App, viewer: &Viewer, query: &EntryQuery) -> Answer<Page<Entry>> {
    let limit = page::limit(query.limit)?;
    let (since_ms, until_ms) = range(query.since.as_deref(), query.until.as_deref(), now_ms())?;
    let given = [
        ("exchange", &query.exchange),
        ("kind", &query.kind),
        ("key", &query.key),
        ("team", &query.team),
        ("organisation", &query.organisation),
        ("user", &query.user),
        ("run", &query.run),
        ("model", &query.model),
        ("provider", &query.provider),
        ("target", &query.target),
        ("price_id", &query.price_id),
    ];
    let filter = EntryFilter {
        equal: equal(given, &query.tag)?,
        since_ms,
        until_ms,
    };
    let rows = app
        .ledger
        .entries(viewer, &filter, query.cursor.as_deref(), limit);
    let page: Page<EntryRow> = rows?.into();
    Ok(page.map(shown))
}

fn shown(row: EntryRow) -> Entry {
    Entry {
        writer: row.writer,
        number: row.number,
        exchange: row.exchange,
        revision: row.revision,
        kind: row.kind,
        at: Moment(row.at_ms),
        key: some(row.key),
        team: some(row.team),
        organisation: some(row.organisation),
        user: some(row.user),
        run: some(row.run),
        tags: tags(&row.tags),
        model: some(row.model),
        provider: some(row.provider),
        target: some(row.target),
        requests: row.requests,
        failures: row.failures,
        usage: row.tokens.into(),
        cost_usd: Usd(row.cost),
        price_id: some(row.price_id),
        unpriced: row.unpriced,
        estimated: row.flags.estimated,
        note: some(row.note),
    }
}
