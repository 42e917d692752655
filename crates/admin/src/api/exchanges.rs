//! Requests and what became of them.

use std::collections::BTreeMap;

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::ledger::{AttemptRow, ExchangeFilter, ExchangeRow, Follow};
use store::objects::{Moment, Usd};
use ulid::Ulid;

use super::shape::{Tokens, json, ms, some, tags};
use crate::App;
use crate::error::ApiError;
use crate::page::{self, Page};
use crate::reading::{now_ms, range};
use crate::route::Answer;

/// Everything known of one request.
#[derive(Serialize, JsonSchema)]
pub(super) struct Exchange {
    /// Its id, a ULID.
    id: String,
    /// When it came.
    at: Moment,
    /// `open`, `settled`, `presumed`, `released` or `refused`.
    state: String,
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
    /// The dialect that the client spoke.
    dialect: Option<String>,
    /// The operation, such as `chat`.
    operation: Option<String>,
    /// The logical model.
    model: Option<String>,
    /// The target that answered or was tried last.
    target: Option<String>,
    /// HTTP status that the client saw.
    status: Option<u16>,
    /// How it failed; null where it was answered, or is under way.
    failure: Option<String>,
    /// Whether the client wanted a stream.
    stream: bool,
    /// What it used.
    usage: Tokens,
    /// What it cost; of one under way, what is held.
    cost_usd: Usd,
    /// Version of the price row; null where no price is known.
    price_id: Option<String>,
    /// Every try.
    attempts: Vec<Attempt>,
    /// What translations lost.
    losses: Value,
    /// What guardrails said.
    verdicts: Value,
    /// The model that served, in the provider's words.
    served_model: Option<String>,
    /// Hash of the configuration in force.
    config_revision: Option<String>,
    /// Why these targets in this order, and what limits said.
    decision: Value,
    /// Microseconds that the gateway added.
    overhead_us: i64,
    /// Milliseconds until the first token.
    first_token_ms: Option<f64>,
    /// Milliseconds until its end.
    total_ms: f64,
    /// Whether counts are not the provider's.
    estimated: bool,
    /// Whether no price is known.
    unpriced: bool,
    /// Whether it cost more than was held.
    overrun: bool,
    /// Whether a limit in mode `report` would have refused it.
    would_refuse: bool,
    /// Whether texts of the record were cut.
    shortened: bool,
}

/// One try at one target.
#[derive(Serialize, JsonSchema)]
struct Attempt {
    /// Which try, from 1.
    n: u32,
    /// `initial`, `retry` or `fallback`.
    kind: String,
    /// The target.
    target: String,
    /// `answered`, or the failure's kind.
    outcome: String,
    /// Why it failed.
    why: Option<String>,
    /// The phase in which it failed.
    phase: Option<String>,
    /// The provider's status.
    status: Option<u16>,
    /// Milliseconds until the connection stood.
    connect_ms: f64,
    /// Milliseconds until the first token.
    first_token_ms: Option<f64>,
    /// Milliseconds until its end.
    total_ms: f64,
    /// Whether one of our own timeouts ended it.
    cut_by_us: bool,
    /// What it used.
    usage: Tokens,
    /// What it cost.
    cost_usd: Usd,
}

/// Which requests.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExchangeQuery {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Came then or later: a moment, a date, or a time before now such as `30d`.
    since: Option<String>,
    /// Came before then.
    until: Option<String>,
    /// `settled`, `presumed`, `released` or `refused`.
    state: Option<String>,
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
    /// The dialect that the client spoke.
    dialect: Option<String>,
    /// The operation.
    operation: Option<String>,
    /// The logical model.
    model: Option<String>,
    /// The target that answered or was tried last.
    target: Option<String>,
    /// The model that served, in the provider's words.
    served_model: Option<String>,
    /// HTTP status that the client saw.
    status: Option<u16>,
    /// How it failed; `answered` for those that did not.
    failure: Option<String>,
}

/// Exchanges, the newest first.
pub(super) fn list(app: &App, viewer: &Viewer, query: &ExchangeQuery) -> Answer<Page<Exchange>> {
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    if let Some(cursor) = cursor {
        Ulid::from_string(cursor).map_err(|_| {
            let message = "is none that a list gave; begin again without it";
            ApiError::invalid("cursor", message)
        })?;
    }
    let filter = query.filter()?;
    let rows = app.ledger.exchanges(viewer, &filter, cursor, limit);
    let page: Page<ExchangeRow> = rows?.into();
    Ok(page.map(shown))
}

/// Exchanges in the order in which they were written. The first call gives no rows and a
/// cursor: the place of what comes next. Every later one gives a cursor too.
pub(super) fn follow(app: &App, viewer: &Viewer, query: &ExchangeQuery) -> Answer<Page<Exchange>> {
    let limit = page::limit(query.limit)?;
    let after: Option<Follow> = query.cursor.as_deref().map(str::parse).transpose()?;
    let filter = query.filter()?;
    let (rows, place) = app.ledger.follow(viewer, &filter, after.as_ref(), limit)?;
    Ok(Page {
        items: rows.into_iter().map(shown).collect(),
        next_cursor: Some(place.to_string()),
    })
}

/// One exchange.
pub(super) fn one(app: &App, viewer: &Viewer, id: &str) -> Answer<Exchange> {
    let found = app.ledger.exchange(viewer, id)?;
    let missing = || {
        ApiError::not_found(
            "there is no exchange of that id; one that just ended takes a moment to be written",
        )
    };
    found.map(shown).ok_or_else(missing)
}

impl ExchangeQuery {
    fn filter(&self) -> Answer<ExchangeFilter> {
        let (since_ms, until_ms) = range(self.since.as_deref(), self.until.as_deref(), now_ms())?;
        let given = [
            ("state", &self.state),
            ("key", &self.key),
            ("team", &self.team),
            ("organisation", &self.organisation),
            ("user", &self.user),
            ("run", &self.run),
            ("dialect", &self.dialect),
            ("operation", &self.operation),
            ("model", &self.model),
            ("target", &self.target),
            ("served_model", &self.served_model),
            ("status", &self.status.map(|status| status.to_string())),
            ("outcome", &self.failure),
        ];
        Ok(ExchangeFilter {
            equal: equal(given, &self.tag)?,
            since_ms,
            until_ms,
        })
    }
}

/// What is given, with tags as the ledger names them.
pub(super) fn equal<const N: usize>(
    given: [(&str, &Option<String>); N],
    tags: &[String],
) -> Answer<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = given
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value.clone()?)))
        .collect();
    if tags.len() > 32 {
        return Err(ApiError::invalid("tag", "32 tags at most"));
    }
    for tag in tags {
        let pair = tag.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) =
            pair.ok_or_else(|| ApiError::invalid("tag", "is written `name=value`"))?;
        all.push((format!("tag:{name}"), value.to_owned()));
    }
    Ok(all)
}

fn shown(row: ExchangeRow) -> Exchange {
    let failed = row.outcome != "answered" && row.state != "open";
    Exchange {
        id: row.id,
        at: Moment(row.at_ms),
        state: row.state,
        key: some(row.key),
        team: some(row.team),
        organisation: some(row.organisation),
        user: some(row.user),
        run: some(row.run),
        tags: tags(&row.tags),
        dialect: some(row.dialect),
        operation: some(row.operation),
        model: some(row.model),
        target: some(row.target),
        status: (row.status != 0).then_some(row.status),
        failure: some(row.outcome).filter(|_| failed),
        stream: row.stream,
        usage: row.tokens.into(),
        cost_usd: Usd(row.cost),
        price_id: some(row.price_id),
        attempts: row.attempts.into_iter().map(attempt).collect(),
        losses: json(&row.losses, Value::Array(Vec::new())),
        verdicts: json(&row.verdicts, Value::Array(Vec::new())),
        served_model: some(row.served_model),
        config_revision: some(row.config_revision),
        decision: json(&row.decision, Value::Null),
        overhead_us: row.overhead_us,
        first_token_ms: (row.first_us != 0).then(|| ms(row.first_us)),
        total_ms: ms(row.took_us),
        estimated: row.flags.estimated,
        unpriced: row.flags.unpriced,
        overrun: row.flags.overrun,
        would_refuse: row.flags.would_refuse,
        shortened: row.flags.shortened,
    }
}

fn attempt(row: AttemptRow) -> Attempt {
    Attempt {
        n: row.n,
        kind: row.kind,
        target: row.target,
        outcome: row.outcome,
        why: some(row.why),
        phase: some(row.phase),
        status: (row.status != 0).then_some(row.status),
        connect_ms: ms(row.connect_us),
        first_token_ms: (row.first_us != 0).then(|| ms(row.first_us)),
        total_ms: ms(row.total_us),
        cut_by_us: row.cut_by_us,
        usage: row.tokens.into(),
        cost_usd: Usd(row.cost),
    }
}
