//! Limits as they are said: on whom, of what, how much, in which window.
//!
//! A budget is a limit on money. Nothing here counts; accounts do.

use std::sync::Arc;

use jiff::tz::TimeZone;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Nano-dollars.
    Money,
    /// Tokens of input and output.
    Tokens,
    /// Requests.
    Requests,
    /// Requests under way.
    Concurrent,
}

impl Resource {
    /// The word in errors and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resource::Money => "money",
            Resource::Tokens => "tokens",
            Resource::Requests => "requests",
            Resource::Concurrent => "concurrent",
        }
    }
}

/// Whose requests a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Everything,
    /// Those of one organisation.
    Organisation(Arc<str>),
    /// Those of one team.
    Team(Arc<str>),
    /// Those of one key.
    Key(Arc<str>),
    /// Those of one user.
    User(Arc<str>),
    /// Those that carry one tag.
    Tag {
        /// Its name.
        name: Arc<str>,
        /// Its value.
        value: Arc<str>,
    },
    /// Those that a provider may serve.
    Provider(Arc<str>),
    /// Those that ask for one logical model.
    Model(Arc<str>),
}

/// What has a bucket of its own within a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Each {
    /// Each key.
    Key,
    /// Each user; a request without one is not counted.
    User,
    /// Each value of a tag; a request without it is not counted.
    Tag(Arc<str>),
    /// Each run; a request without one is not counted.
    Run,
}

/// The window in which a limit counts; calendar windows begin in the limit's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From a full minute to the next.
    Minute,
    /// From a full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months from January, April, July or October.
    Quarter,
    /// A calendar year.
    Year,
    /// For ever.
    Total,
    /// As long as the run is known; only with [`Each::Run`].
    Run,
}

/// Whether a limit refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It refuses.
    #[default]
    Enforce,
    /// It would have refused, and that is recorded.
    Report,
}

/// What happens where a request's output has no bound or its hold does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnbounded {
    /// Its output is limited to what the remainder affords.
    #[default]
    Clamp,
    /// It is refused.
    Refuse,
}

/// One limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Its name, unique: a budget's own, or `team:support requests` for a limit that stands at an object.
    pub name: Arc<str>,
    /// Whose requests count.
    pub scope: Scope,
    /// What has a bucket of its own; one bucket for all where absent.
    pub each: Option<Each>,
    /// What is limited.
    pub resource: Resource,
    /// How much a window allows: nano-dollars, tokens, requests.
    pub amount: i64,
    /// The window; of no meaning for [`Resource::Concurrent`].
    pub period: Period,
    /// Where the calendar is read.
    pub time_zone: TimeZone,
    /// Whether it refuses; else it only alerts.
    pub hard: bool,
    /// Whether it refuses yet.
    pub mode: Mode,
    /// What happens where an output has no bound.
    pub when_unbounded: WhenUnbounded,
    /// Per cent of the amount at which an alert goes out, ascending.
    pub alert_at_percent: Vec<u8>,
}

impl Limit {
    /// Whether it ever refuses a request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.hard && self.mode == Mode::Enforce
    }
}
