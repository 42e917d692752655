//! What an alert says, and how often: made here from what the road, the auditor and the parts tell.
//!
//! Texts are bounded and hold no control characters. Nothing here is a secret: limits, buckets,
//! targets and the states of parts are what an operator may read.

use std::fmt;

use gateway::notice::Notice;
use policy::accounts::{Balance, Drift};
use policy::limit::{Limit, Period};
use policy::window::Window;
use serde_json::{Map, Value};

use super::text::{about, amount, clip, key, named, put, within};

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a step of a run is remembered: runs have no end of their own.
const RUN_MS: i64 = 30 * DAY_MS;

/// Longest text of a message, in characters.
const MESSAGE_MAX: usize = 1000;

/// Longest name within a message or a detail, in characters.
pub(super) const NAME_MAX: usize = 200;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step of a budget was reached.
    Budget,
    /// A target without a price was used.
    Unpriced,
    /// A target fails, is well again, or has no such model any more.
    Target,
    /// A credential of a provider is out of use.
    Credential,
    /// An account differs from the ledger.
    Drift,
    /// A part that stores is in trouble, or no longer.
    Storage,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Budget => "budget",
            Kind::Unpriced => "unpriced",
            Kind::Target => "target",
            Kind::Credential => "credential",
            Kind::Drift => "drift",
            Kind::Storage => "storage",
        })
    }
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know: a trouble that is over.
    Info,
    /// Worth a look on the same day.
    Warning,
    /// Requests are refused or may soon be, or the books are wrong.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// How often it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    /// Once until then, in milliseconds since 1970.
    Until(i64),
    /// Once until it is said to be over.
    Begins,
    /// What began is over.
    Ends,
}

/// Something that operators are told.
#[derive(Clone, Debug)]
pub struct Alert {
    pub(super) kind: Kind,
    pub(super) severity: Severity,
    pub(super) message: String,
    /// The same for what is the same event, over restarts too.
    pub(super) key: String,
    pub(super) once: Once,
    pub(super) details: Map<String, Value>,
}

impl Alert {
    /// What the road noticed at that time, in milliseconds since 1970.
    #[must_use]
    pub fn notice(notice: &Notice, at_ms: i64) -> Self {
        match notice {
            Notice::Limit {
                limit,
                bucket,
                window_ms,
                percent,
                settled,
            } => Self::step(limit, bucket, (*window_ms, at_ms), (*percent, *settled)),
            Notice::Unpriced { target } => Self::unpriced(target, at_ms),
            Notice::Breaker {
                target,
                open_until_ms,
            } => Self::breaker(target, *open_until_ms),
            Notice::Credential {
                target,
                name,
                cause,
                until_ms,
            } => Self::credential((target, name), *cause, *until_ms),
            Notice::ModelGone { target } => Self::model_gone(target, at_ms),
        }
    }

    /// The steps of an account that are reached with what is settled at that time.
    #[must_use]
    pub fn steps(balance: &Balance, at_ms: i64) -> Vec<Self> {
        let settled = balance.settled;
        let reached = |percent: &&u8| {
            let step = i128::from(balance.amount) * i128::from(**percent);
            i128::from(settled) * 100 >= step && settled > 0
        };
        let steps = balance.limit.alert_at_percent.iter().filter(reached);
        steps
            .map(|percent| {
                let times = (balance.window.start_ms, at_ms);
                Self::step(&balance.limit, &balance.bucket, times, (*percent, settled))
            })
            .collect()
    }

    /// An account that differs from the ledger; told once a day.
    #[must_use]
    pub fn drift(drift: &Drift, at_ms: i64) -> Self {
        let account = &drift.account;
        let (limit, bucket) = (&account.limit, clip(&account.bucket, NAME_MAX));
        let amount = |n| amount(limit.resource, n);
        let message = format!(
            "The account of {} is not what the ledger says: settled {}, held {}; \
             by the ledger {} and {}",
            named(limit, &bucket),
            amount(account.settled),
            amount(account.held),
            amount(drift.ledger_settled),
            amount(drift.ledger_held),
        );
        let day = at_ms.div_euclid(DAY_MS);
        let window_ms = account.window.start_ms;
        let mut details = about(limit, &bucket, account.window);
        put(
            &mut details,
            limit.resource,
            [
                ("account_settled", account.settled),
                ("account_held", account.held),
                ("ledger_settled", drift.ledger_settled),
                ("ledger_held", drift.ledger_held),
            ],
        );
        Self {
            kind: Kind::Drift,
            severity: Severity::Critical,
            message: clip(&message, MESSAGE_MAX),
            key: key(&["drift", &limit.name, &account.bucket], &[window_ms, day]),
            once: Once::Until((day + 1).saturating_mul(DAY_MS)),
            details,
        }
    }

    /// A part that is in trouble, where it is not well, or else no longer.
    pub(super) fn storage(part: &str, well: bool, state: &str) -> Self {
        let (name, state) = (clip(part, NAME_MAX), clip(state, MESSAGE_MAX / 2));
        let message = if well {
            format!("`{name}` works again: {state}")
        } else {
            format!("`{name}` is in trouble: {state}")
        };
        let phase = if well { "over" } else { "begun" };
        Self {
            kind: Kind::Storage,
            severity: if well {
                Severity::Info
            } else {
                Severity::Critical
            },
            message,
            key: trouble_key(part),
            once: if well { Once::Ends } else { Once::Begins },
            details: texts([("part", &name), ("state", &state), ("phase", phase)]),
        }
    }

    fn step(
        limit: &Limit,
        bucket: &str,
        (window_ms, at_ms): (i64, i64),
        (percent, settled): (u8, i64),
    ) -> Self {
        let whole_key = key(
            &["budget", &limit.name, bucket],
            &[window_ms, i64::from(percent)],
        );
        let window = Window::of(limit.period, &limit.time_zone, window_ms);
        let bucket = clip(bucket, NAME_MAX);
        let refused = percent >= 100 && limit.refuses();
        let then = if refused {
            "; further requests are refused"
        } else {
            ""
        };
        let message = format!(
            "{percent} % of {} is used: {} of {}{}{then}",
            named(limit, &bucket),
            amount(limit.resource, settled),
            amount(limit.resource, limit.amount),
            within(limit.period, window),
        );
        let until_ms = match limit.period {
            Period::Run => at_ms.saturating_add(RUN_MS),
            Period::Minute
            | Period::Hour
            | Period::Day
            | Period::Week
            | Period::Month
            | Period::Quarter
            | Period::Year
            | Period::Total => window.end_ms.unwrap_or(i64::MAX),
        };
        let mut details = about(limit, &bucket, window);
        details.insert("percent".to_owned(), percent.into());
        let amounts = [("settled", settled), ("limit", limit.amount)];
        put(&mut details, limit.resource, amounts);
        Self {
            kind: Kind::Budget,
            severity: if refused {
                Severity::Critical
            } else {
                Severity::Warning
            },
            message: clip(&message, MESSAGE_MAX),
            key: whole_key,
            once: Once::Until(until_ms),
            details,
        }
    }

    fn unpriced(target: &str, at_ms: i64) -> Self {
        let day = at_ms.div_euclid(DAY_MS);
        let name = clip(target, NAME_MAX);
        Self {
            kind: Kind::Unpriced,
            severity: Severity::Warning,
            message: format!(
                "`{name}` was used and has no price, so its cost is not known; \
                 add a row to `prices`"
            ),
            key: key(&["unpriced", target], &[day]),
            once: Once::Until((day + 1).saturating_mul(DAY_MS)),
            details: texts([("target", &name)]),
        }
    }
}

/// The key of a part's trouble.
pub(super) fn trouble_key(part: &str) -> String {
    key(&["storage", part], &[])
}

pub(super) fn texts<const N: usize>(said: [(&str, &str); N]) -> Map<String, Value> {
    said.into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect()
}
