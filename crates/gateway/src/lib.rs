//! Floor 3: the road over HTTP.
//!
//! Start with [`serve`]: the whole story of a request, one stage after the other.
//! Each stage has a file of its own, in the road's order. What is shared by the
//! cores is in [`Shared`]; everything else belongs to one core's [`Gateway`].
//!
//! Nothing here decides policy or knows a wire format: floors 1 and 0 do.

mod admit;
mod answer;
mod attempt;
mod attribute;
mod bill;
pub mod choice;
mod clock;
mod conceal;
mod conclude;
mod count;
mod credentials;
mod dispatch;
mod ending;
mod endpoint;
mod exchange;
mod holdback;
mod identify;
pub mod intake;
pub mod listener;
pub mod memory;
mod meter;
mod names;
pub mod notice;
mod options;
mod outgoing;
mod plan;
mod pump;
pub mod reasoning;
mod recall;
mod refuse;
mod relay;
mod rescue;
mod reserve;
mod respond;
mod route;
mod screen;
pub mod serve;
mod speech;
mod spend;
pub mod stored;
mod stored_calls;
pub mod tasks;
pub mod telemetry;
mod through;
pub mod tls;
mod translation;
pub mod upstream;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use policy::accounts::Accounts;
use policy::snapshot::Snapshot;
use store::journal::Recorder;
use store::keys::KeyHasher;

use crate::choice::Choice;
use crate::memory::Memory;
use crate::notice::Notices;
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use crate::upstream::Upstream;

/// What all cores share.
pub struct Shared {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// Turns secrets into the hashes that the snapshot knows.
    pub hasher: KeyHasher,
    /// The bound of all buffers together.
    pub memory: Memory,
    /// What is spent and held of every limit.
    pub accounts: Accounts,
    /// What the choice among targets goes by.
    pub choice: Choice,
    /// The figures of all requests.
    pub telemetry: Telemetry,
    /// Reasoning that clients cannot carry from one turn to the next.
    pub reasoning: reasoning::Store,
    /// Answers that providers keep.
    pub stored: stored::Stored,
    /// What operators are told.
    pub notices: Notices,
    /// How long clients are left without a sign of life.
    pub timings: Timings,
    /// Tells the time of day.
    pub clock: WallClock,
    /// What does not work as it should, in a sentence each; probes are told.
    pub degraded: ArcSwap<Vec<String>>,
}

/// Tells the time of day, by which windows begin, prices hold and keys end.
///
/// It may go back: whatever is counted by it must bear that.
pub struct WallClock(Box<dyn Fn() -> i64 + Send + Sync>);

impl WallClock {
    /// A clock that tells what `now_ms` says, in milliseconds since 1970.
    #[must_use]
    pub fn new(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Box::new(now_ms))
    }

    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl Default for WallClock {
    /// The system's.
    fn default() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
        })
    }
}

/// How long clients of streams are left without a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long the status line waits for the first semantic event.
    pub head_waits: Duration,
    /// Longest silence after the status line.
    pub keep_alive: Duration,
}

impl Default for Timings {
    /// 10 s and 15 s.
    fn default() -> Self {
        Self {
            head_waits: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
        }
    }
}

impl Shared {
    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

/// One core's gateway: its connections and its tasks. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// What all cores share.
    pub shared: Arc<Shared>,
    /// Where this core writes what requests may cost and what they cost.
    pub journal: Arc<dyn Recorder>,
    /// This core's connections to providers.
    pub upstream: Upstream,
    /// This core's tasks.
    pub tasks: Tasks,
}
