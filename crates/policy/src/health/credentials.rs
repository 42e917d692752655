//! Which credentials are out of use, everywhere or at one target.
//!
//! Only those that are not well are remembered, so that asking costs nothing while all are. A
//! credential that providers refuse three times in a row is put aside; one whose quota is used up or
//! that is limited rests until its time. What was put aside is shown again after its time by one
//! request at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::{Cause, Closed};

/// Refusals in a row after which a credential is put aside.
pub const STRIKES: u32 = 3;

/// How long it is put aside at first, and at most; doubled each time.
const QUARANTINE: Duration = Duration::from_secs(5 * 60);
const QUARANTINE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long a limit lasts where the provider does not say, and the longest that is believed.
const LIMITED: Duration = Duration::from_secs(5);
const LIMITED_MAX: Duration = Duration::from_secs(60 * 60);

/// How long a used-up quota rests at least: the times that providers tell with it are often those of
/// another limit.
const EXHAUSTED: Duration = Duration::from_secs(5 * 60);

/// How long the one request has that shows again what was put aside.
const PROBE: Duration = Duration::from_secs(30);

/// Most that are remembered; of more, those whose time has come are forgotten, then all.
const KNOWN_MAX: usize = 10_000;

/// A credential, at one target or everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The credential's [`identity`](crate::secret::ProviderKey::identity).
    pub credential: u64,
    /// The target by its number; none for everywhere.
    pub target: Option<u64>,
}

/// The credentials that are not well.
#[derive(Debug, Default)]
pub struct Credentials {
    unwell: RwLock<HashMap<Place, Standing, RandomState>>,
    count: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Refusals in a row.
    strikes: u32,
    /// How often it was put aside.
    times: u32,
    rests: Option<(Duration, Cause)>,
}

impl Credentials {
    /// Whether a credential may be shown at a target at that time.
    ///
    /// # Errors
    /// [`Closed`] with the time and cause.
    pub fn check(&self, credential: u64, target: u64, now: Duration) -> Result<(), Closed> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let unwell = self.unwell.read();
        let rests = places(credential, target)
            .into_iter()
            .filter_map(|place| unwell.get(&place)?.rests)
            .filter(|(until, _)| *until > now);
        match rests.max_by_key(|(until, _)| *until) {
            None => Ok(()),
            Some((until, cause)) => Err(Closed { until, cause }),
        }
    }

    /// Takes a credential to show it: of those that were put aside and whose time has come, one
    /// request shows each at a time.
    ///
    /// # Errors
    /// [`Closed`] where another request was first.
    pub fn take(&self, credential: u64, target: u64, now: Duration) -> Result<(), Closed> {
        if !self.knows(credential, target) {
            return Ok(());
        }
        let mut unwell = self.unwell.write();
        for place in places(credential, target) {
            let Some(standing) = unwell.get_mut(&place) else {
                continue;
            };
            if let Some((until, cause @ Cause::Quarantined)) = standing.rests {
                if until > now {
                    return Err(Closed { until, cause });
                }
                standing.rests = Some((now.saturating_add(PROBE), cause));
            }
        }
        Ok(())
    }

    /// Whether anything is held against a credential.
    fn knows(&self, credential: u64, target: u64) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let unwell = self.unwell.read();
        let mut places = places(credential, target).into_iter();
        places.any(|place| unwell.contains_key(&place))
    }

    /// It was taken: that it was refused before is forgotten. A limit that was reached meanwhile stays
    /// until its time.
    pub fn good(&self, credential: u64, target: u64, now: Duration) {
        if !self.knows(credential, target) {
            return;
        }
        let mut unwell = self.unwell.write();
        for place in places(credential, target) {
            let Some(standing) = unwell.get_mut(&place) else {
                continue;
            };
            match standing.rests {
                Some((until, Cause::Exhausted | Cause::RateLimited)) if until > now => {
                    standing.strikes = 0;
                }
                Some(_) | None => {
                    unwell.remove(&place);
                }
            }
        }
        self.count.store(unwell.len(), Ordering::Release);
    }

    /// It was refused. Says until when it is put aside, where that is news.
    pub fn refused(&self, place: Place, now: Duration) -> Option<Closed> {
        self.change(place, now, |standing| {
            standing.strikes = standing.strikes.saturating_add(1);
            if standing.strikes < STRIKES {
                return None;
            }
            let doubled = QUARANTINE.saturating_mul(1 << standing.times.min(8));
            standing.times = standing.times.saturating_add(1);
            Some((doubled.min(QUARANTINE_MAX), Cause::Quarantined))
        })
    }

    /// Its quota is used up, for so long where the provider said so. Says until when, where that is news.
    pub fn exhausted(&self, place: Place, now: Duration, told: Option<Duration>) -> Option<Closed> {
        let rest = told.unwrap_or_default().max(EXHAUSTED);
        self.change(place, now, |_| Some((rest, Cause::Exhausted)))
    }

    /// It is limited, for so long where the provider said so. Says until when, where that is news.
    pub fn limited(&self, place: Place, now: Duration, told: Option<Duration>) -> Option<Closed> {
        let rest = told.unwrap_or(LIMITED).min(LIMITED_MAX);
        self.change(place, now, |_| Some((rest, Cause::RateLimited)))
    }

    fn change(
        &self,
        place: Place,
        now: Duration,
        decide: impl FnOnce(&mut Standing) -> Option<(Duration, Cause)>,
    ) -> Option<Closed> {
        let mut unwell = self.unwell.write();
        if unwell.len() >= KNOWN_MAX && !unwell.contains_key(&place) {
            unwell.retain(|_, standing| standing.rests.is_some_and(|(until, _)| until > now));
            if unwell.len() >= KNOWN_MAX {
                unwell.clear();
            }
        }
        let standing = unwell.entry(place).or_default();
        let decided = decide(standing);
        let closed = decided.and_then(|(rest, cause)| {
            let until = now.saturating_add(rest);
            let before = standing.rests.filter(|(until, _)| *until > now);
            // A shorter word does not end what a longer one began.
            if before.is_none_or(|(before, _)| before < until) {
                standing.rests = Some((until, cause));
            }
            let is_news = before.is_none_or(|(_, known)| known != cause);
            is_news.then_some(Closed { until, cause })
        });
        self.count.store(unwell.len(), Ordering::Release);
        closed
    }
}

fn places(credential: u64, target: u64) -> [Place; 2] {
    [None, Some(target)].map(|target| Place { credential, target })
}
