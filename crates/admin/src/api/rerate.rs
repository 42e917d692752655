//! Rating anew: what requests of the past cost by the prices that are known now.
//!
//! Each attempt is rated as it was the first time: by its own target and the price that held
//! when the request came. The difference is appended to the ledger; nothing in it changes, and
//! no budget's window does. The audit trail says who did it, for which time, and what it came to.

use dialect::chat::Usage;
use policy::money::Nanos;
use policy::price::{PriceBook, Stored};
use policy::snapshot::Snapshot;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::ledger::{AttemptRow, Charged, LedgerError, Options, Rated, TokenCounts};
use store::objects::{Deed, Moment, Usd};

use super::shape::house;
use crate::App;
use crate::error::ApiError;
use crate::reading::{moment, now_ms};
use crate::route::Answer;

/// The longest time that is rated at once, in milliseconds: 93 days.
const RANGE_MAX_MS: i64 = 93 * 86_400_000;

/// Which requests.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rerating")]
pub(super) struct Wanted {
    /// Those that came then or later: a moment, a date, or a time before now such as `30d`.
    since: String,
    /// Those that came before then; until now when absent. At most 93 days after `since`.
    #[serde(default)]
    until: Option<String>,
}

/// What it came to.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rerated {
    /// From when.
    since: Moment,
    /// Until when.
    until: Moment,
    /// Requests that were looked at.
    seen: u64,
    /// Those that cost another amount; each has a new entry.
    adjusted: u64,
    /// Those left as they are, since no price is known or their record is gone.
    left: u64,
    /// By how much all together cost more, or less.
    difference_usd: Usd,
}

/// Rates requests anew.
pub(super) fn rerate(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Rerated> {
    house(viewer, "rate requests anew")?;
    let now_ms = now_ms();
    let since = moment("since", Some(&wanted.since), now_ms)?.unwrap_or_default();
    let until = moment("until", wanted.until.as_deref(), now_ms)?.unwrap_or(now_ms);
    if until < since || until - since > RANGE_MAX_MS {
        let message =
            "is at most 93 days after `since`, and not before it; longer times are rated in parts";
        return Err(ApiError::invalid("until", message));
    }
    let snapshot = app.control.snapshot();
    let Some(book) = snapshot.prices.clone() else {
        return Err(ApiError::conflict(
            "no prices are known; give some with `POST /prices`",
        ));
    };
    let mut failed = None;
    let mut sum = Rerated {
        since: Moment(since),
        until: Moment(until),
        seen: 0,
        adjusted: 0,
        left: 0,
        difference_usd: Usd::default(),
    };
    let mut rate = |charged: &Charged| {
        let rated = match app.ledger.exchange(viewer, &charged.exchange) {
            Ok(found) => found
                .filter(|row| COUNTED.contains(&row.operation.as_str()))
                .and_then(|row| rate(&snapshot, &book, charged.at_ms, &row.attempts)),
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        sum.count(charged, rated.as_ref());
        rated
    };
    let mut corrections = app.ledger.corrections(Options::default().writer)?;
    let done = corrections.rerate(since, until, now_ms, &mut rate);
    if let Ok(done) = &done {
        sum.seen = done.seen;
        sum.adjusted = done.adjusted;
        sum.difference_usd = Usd(done.difference);
    }
    let error = done.err().or(failed);
    // What was appended before it failed stays, so that is told too.
    sum.record(app, viewer, error.as_ref(), now_ms)?;
    match error {
        None => Ok(sum),
        Some(error) => Err(error.into()),
    }
}

impl Rerated {
    /// Counts a request that was looked at.
    fn count(&mut self, charged: &Charged, rated: Option<&Rated>) {
        self.seen += 1;
        let Some(rated) = rated else {
            self.left += 1;
            return;
        };
        let difference = rated.cost.0.saturating_sub(charged.cost.0);
        if difference != 0 || charged.unpriced {
            self.adjusted += 1;
            let Usd(sum) = self.difference_usd;
            self.difference_usd = Usd(sum.plus(Nanos(difference)));
        }
    }

    /// Writes it into the audit trail. With an error, the counts are the most that was appended.
    fn record(
        &self,
        app: &App,
        viewer: &Viewer,
        error: Option<&LedgerError>,
        now_ms: i64,
    ) -> Answer<()> {
        let facts = json!({
            "since": self.since,
            "until": self.until,
            "seen": self.seen,
            "adjusted": self.adjusted,
            "left": self.left,
            "difference_usd": self.difference_usd,
            "error": error.map(ToString::to_string),
        });
        let deed = Deed {
            action: "rerate",
            kind: "ledger",
            name: &format!("{}/{}", self.since, self.until),
            facts,
        };
        Ok(app.objects.record_deed(viewer, deed, now_ms)?)
    }
}

/// Operations whose usage is kept as it was charged: tokens. Of others, images, characters, seconds and
/// searches are charged too, and are not kept apart.
const COUNTED: [&str; 3] = ["chat", "complete", "embed"];

/// What all attempts together cost; none where one of them has no price.
fn rate(
    snapshot: &Snapshot,
    book: &PriceBook,
    at_ms: i64,
    attempts: &[AttemptRow],
) -> Option<Rated> {
    let mut rated: Option<Rated> = None;
    let nothing = TokenCounts::default();
    let billed = attempts
        .iter()
        .filter(|one| one.tokens != nothing || one.cost.0 != 0);
    for attempt in billed {
        let (provider_name, model) = attempt.target.split_once('/')?;
        let provider = snapshot.providers.get(provider_name);
        let usage = usage(&attempt.tokens)?;
        let stored = Stored {
            provider_name,
            catalogue_id: provider.map_or("", |provider| provider.catalogue_id),
            model,
            at_ms,
            usage: &usage,
            tier: None,
            requests: 1,
        };
        let (row, cost) = book.rerate(&stored)?;
        if cost.unpriced || cost.saturated {
            return None;
        }
        let before = rated.map_or_else(Default::default, |rated| rated.cost);
        rated = Some(Rated {
            cost: before.plus(cost.nanos),
            price_id: row.id.clone(),
        });
    }
    rated
}

fn usage(tokens: &TokenCounts) -> Option<Usage> {
    let count = |number: i64| u64::try_from(number).ok();
    Some(Usage {
        input: count(tokens.input)?,
        cache_read: count(tokens.cache_read)?,
        cache_write: count(tokens.cache_write)?,
        cache_write_1h: count(tokens.cache_write_1h)?,
        audio_in: count(tokens.audio_in)?,
        output: count(tokens.output)?,
        reasoning: count(tokens.reasoning)?,
        audio_out: count(tokens.audio_out)?,
        ..Usage::default()
    })
}
