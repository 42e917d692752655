//! What the choice among targets goes by, shared by all cores, and what is told of it.
//!
//! The rules are floor 1's; here are the clock they are given, and the words for operators and
//! clients. Nothing here waits.

use std::sync::Arc;
use std::time::Duration;

use dialect::json::{Json, Writer};
use policy::affinity::Affinity;
use policy::failure::{AttemptFailure, Code, Failure};
use policy::health::{self, Cause, Change, Closed, Found, Health, Standing, Ticket};
use policy::model::{Model, Target};
use policy::plan::Excluded;
use policy::retries::{RetryBudget, RetryRules};
use policy::secret::ProviderKey;
use tokio::time::Instant;

use crate::Shared;
use crate::answer::{Failed, TOTAL};
use crate::exchange::Attempt;
use crate::notice::Notice;
use crate::refuse::quote;
use crate::route::Route;

/// How targets are, what further tries are left, and where conversations were answered.
pub struct Choice {
    /// How targets and credentials are.
    pub health: Health,
    /// What further tries are left.
    pub retries: RetryBudget,
    /// Where conversations were answered.
    pub affinity: Affinity,
    started: Instant,
}

impl Default for Choice {
    /// Nothing is known yet.
    fn default() -> Self {
        Self {
            health: Health::default(),
            retries: RetryBudget::default(),
            affinity: Affinity::default(),
            started: Instant::now(),
        }
    }
}

impl Choice {
    /// The time that all of it counts by: how long ago this was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Which further tries a request may make.
pub(crate) struct Tries {
    rules: RetryRules,
    /// Whether the client's library tries again by itself already.
    nested: bool,
}

impl Tries {
    /// Counts a request, which earns its share of a further try unless it is one itself.
    pub(crate) fn of(choice: &Choice, rules: RetryRules, nested: bool) -> Self {
        if !nested {
            choice.retries.earn(choice.now());
        }
        Self { rules, nested }
    }

    /// Whether the target at hand may be tried. The first try of a request, and the first one at a
    /// further target that is well, are free; others come out of the budget.
    pub(crate) fn allow(&self, choice: &Choice, route: &Route, target: &Target) -> bool {
        if route.is_first() {
            return true;
        }
        let now = choice.now();
        let is_well = || choice.health.standing(target, now) == Standing::Well;
        let is_free = !route.is_repeated() && is_well();
        is_free || (!self.nested && choice.retries.take(now, &self.rules))
    }
}

/// A try began to answer: whatever spoke against its target is over.
pub(crate) fn answered(shared: &Shared, model: &Model, attempt: &mut Attempt) {
    let choice = &shared.choice;
    let Some(ticket) = &mut attempt.ticket else {
        return;
    };
    let now = choice.now();
    let change = choice
        .health
        .answered(ticket, (now, attempt.took), &model.breaker);
    if let Some(renewed) = attempt.emptied {
        choice.health.emptied(ticket, now, renewed);
    }
    let closed = None;
    tell(shared, attempt, Found { closed, change });
}

/// A try failed before it answered.
pub(crate) fn failed(shared: &Shared, model: &Model, (attempt, why): (&mut Attempt, &Failed)) {
    // What a caller has no time for says nothing of the target, or it could close it to all.
    let patience = model.timeouts.first_token.min(model.timeouts.total);
    let cut_short = why.timed_out == Some(TOTAL) && attempt.took < patience;
    if why.ours.is_some() || why.vague || cut_short {
        attempt.ticket = None;
        return;
    }
    let failed = health::Failed {
        kind: why.kind,
        at_target: why.at_target,
        retry_after: why.retry_after,
        took: attempt.took,
    };
    enter(shared, model, (attempt, &failed));
}

/// A request is over: an answer that broke after it had begun speaks against its target too.
pub(crate) fn over(shared: &Shared, model: Option<&Model>, attempts: &mut [Attempt]) {
    for attempt in attempts {
        if let (Some(model), Some(kind)) = (model, attempt.failure) {
            let failed = health::Failed {
                kind,
                at_target: false,
                retry_after: None,
                took: Duration::ZERO,
            };
            enter(shared, model, (attempt, &failed));
        }
        attempt.ticket = None;
    }
}

fn enter(shared: &Shared, model: &Model, (attempt, failed): (&mut Attempt, &health::Failed)) {
    let Some(mut ticket) = attempt.ticket.take() else {
        return;
    };
    let choice = &shared.choice;
    let found = choice
        .health
        .failed(&mut ticket, (choice.now(), failed), &model.breaker);
    // Names that callers choose freely are no model of the house.
    let is_ours = *model.name != *attempt.name;
    if failed.kind == AttemptFailure::ModelGone && is_ours {
        let target = Arc::clone(&attempt.name);
        shared.notices.tell(Notice::ModelGone { target });
    }
    tell(shared, attempt, found);
}

/// Tells operators what changed.
fn tell(shared: &Shared, attempt: &Attempt, found: Found) {
    let until_ms = |until: Duration| {
        let ahead = until.saturating_sub(shared.choice.now());
        let ahead = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
        shared.now_ms().saturating_add(ahead)
    };
    match found.closed {
        Some(Closed {
            until,
            cause: cause @ (Cause::Quarantined | Cause::Exhausted),
        }) => shared.notices.tell(Notice::Credential {
            target: Arc::clone(&attempt.name),
            name: attempt.key.as_deref().unwrap_or_default().into(),
            cause,
            until_ms: until_ms(until),
        }),
        Some(Closed {
            cause: Cause::RateLimited | Cause::Breaker,
            ..
        })
        | None => {}
    }
    let Some(change) = found.change else { return };
    shared.notices.tell(Notice::Breaker {
        target: Arc::clone(&attempt.name),
        open_until_ms: match change {
            Change::Opened { until } => Some(until_ms(until)),
            Change::Closed => None,
        },
    });
}

/// Begins a try at a target.
///
/// # Errors
/// Why its breaker lets nothing through.
pub(crate) fn begin(
    choice: &Choice,
    target: &Arc<Target>,
    key: Option<&ProviderKey>,
) -> Result<Ticket, Excluded> {
    let begun = choice.health.begin(target, key, choice.now());
    begun.map_err(|closed| Excluded {
        target: Arc::clone(target),
        closed,
    })
}

/// No target of the model may be tried at the moment: says which, why, and when the first one may.
#[must_use]
pub(crate) fn out_of_use(model: &Model, excluded: &[Excluded], now: Duration) -> Failure {
    let ahead = |one: &Excluded| one.closed.until.saturating_sub(now);
    let soonest = excluded.iter().map(ahead).min().unwrap_or_default();
    let soonest = soonest.max(Duration::from_secs(1));
    let mut told = String::new();
    for one in excluded {
        let (name, cause) = (one.target.name(), one.closed.cause.name());
        told.push_str(&format!(
            "{}{name} ({cause})",
            if told.is_empty() { "" } else { ", " }
        ));
    }
    let seconds = soonest.as_secs() + u64::from(soonest.subsec_nanos() > 0);
    let message = format!(
        "every target of the model {} is out of use: {told}; the first may be tried again in {seconds} s",
        quote(&model.name)
    );
    Failure::new(Code::NoTarget, message)
        .retry_after(soonest)
        .with("excluded", listed(excluded, now))
}

/// The targets that are out of use, for programs.
#[must_use]
pub(crate) fn listed(excluded: &[Excluded], now: Duration) -> Json {
    Json::written(|out| write(out, excluded, now))
}

/// Writes the targets that are out of use.
pub(crate) fn write(out: &mut Writer, excluded: &[Excluded], now: Duration) {
    out.array(|out| {
        for one in excluded {
            let ahead = one.closed.until.saturating_sub(now).as_millis();
            out.object(|out| {
                out.key("target").string(one.target.name());
                out.key("by").string(one.closed.cause.name());
                out.key("for_ms")
                    .number(u64::try_from(ahead).unwrap_or(u64::MAX));
            });
        }
    });
}
