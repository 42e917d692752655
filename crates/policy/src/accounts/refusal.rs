//! Why a request was not let through by a limit, and what that means for a retry.

use std::fmt;
use std::sync::Arc;

use crate::limit::{Limit, Resource};
use crate::money::Nanos;
use crate::window::Window;

/// What stood in the way; a graver one is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// Only what other requests hold: it may be retried soon.
    Held,
    /// What is settled: no retry helps before the window ends.
    Settled,
    /// The limit has as many buckets as it may have; a retry may help once others are over.
    TooManyBuckets,
    /// The request is larger than the whole limit: it never fits.
    NeverFits,
}

/// A limit that has no room for a request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The limit.
    pub limit: Arc<Limit>,
    /// The bucket within it; empty where it has one for all.
    pub bucket: Arc<str>,
    /// What is settled in the window.
    pub settled: i64,
    /// What other requests hold of it.
    pub held: i64,
    /// What was asked for.
    pub asked: i64,
    /// When the next window begins, in milliseconds since 1970; `None` where none does.
    pub resets_ms: Option<i64>,
    /// What stood in the way.
    pub kind: RefusalKind,
}

impl Refusal {
    /// Judges an amount that does not fit beside what is settled and held.
    pub(super) fn of_room(
        limit: &Arc<Limit>,
        bucket: &Arc<str>,
        window: Window,
        room: Room,
    ) -> Self {
        let whole = room.asked.saturating_add(room.own);
        let kind = if whole > limit.amount {
            RefusalKind::NeverFits
        } else if whole > limit.amount.saturating_sub(room.settled) {
            RefusalKind::Settled
        } else {
            RefusalKind::Held
        };
        Self {
            limit: Arc::clone(limit),
            bucket: Arc::clone(bucket),
            settled: room.settled,
            held: room.held,
            asked: room.asked,
            resets_ms: window.end_ms,
            kind,
        }
    }
}

/// What an account has and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) settled: i64,
    pub(super) held: i64,
    /// What the request itself holds already. It is given back at its end only, so it is nothing to wait for.
    pub(super) own: i64,
    pub(super) asked: i64,
}

impl fmt::Display for Refusal {
    /// Names the limit, what is settled and held, and what was asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.limit.resource;
        let say = |amount: i64| match resource {
            Resource::Money => format!("{} USD", Nanos(amount)),
            Resource::Tokens | Resource::Requests | Resource::Concurrent => amount.to_string(),
        };
        write!(f, "limit `{}`", self.limit.name)?;
        if !self.bucket.is_empty() {
            write!(f, " for `{}`", self.bucket)?;
        }
        let limit = say(self.limit.amount);
        if self.kind == RefusalKind::TooManyBuckets {
            return write!(f, " counts as many values as it can; this one is new");
        }
        write!(
            f,
            " of {limit} ({resource}): {} settled, {} held by requests under way, {} asked for",
            say(self.settled),
            say(self.held),
            say(self.asked)
        )
    }
}
