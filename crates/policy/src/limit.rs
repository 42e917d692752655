//! Limits as they are said: on whom, of what, how much, in which window.
//!
//! A budget is a limit on money. Nothing here counts; accounts do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use thiserror::Error;

use crate::window::Window;

/// A word of a limit that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{found}` is no {what}; expected {expected}")]
pub struct WordError {
    /// What was said.
    pub found: String,
    /// What it stands for, such as `period`.
    pub what: &'static str,
    /// What may stand there.
    pub expected: &'static str,
}

impl WordError {
    fn new(found: &str, what: &'static str, expected: &'static str) -> Self {
        Self {
            found: found.to_owned(),
            what,
            expected,
        }
    }
}

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

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Resource {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "money" => Ok(Resource::Money),
            "tokens" => Ok(Resource::Tokens),
            "requests" => Ok(Resource::Requests),
            "concurrent" => Ok(Resource::Concurrent),
            _ => Err(WordError::new(
                text,
                "resource",
                "`money`, `tokens`, `requests` or `concurrent`",
            )),
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

impl fmt::Display for Scope {
    /// What stands at a budget's `on`; `everything` where nothing stands there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Everything => f.write_str("everything"),
            Scope::Organisation(name) => write!(f, "organisation:{name}"),
            Scope::Team(name) => write!(f, "team:{name}"),
            Scope::Key(name) => write!(f, "key:{name}"),
            Scope::User(name) => write!(f, "user:{name}"),
            Scope::Tag { name, value } => write!(f, "tag:{name}={value}"),
            Scope::Provider(name) => write!(f, "provider:{name}"),
            Scope::Model(name) => write!(f, "model:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let error = || {
            let expected = "`organisation:NAME`, `team:NAME`, `key:NAME`, `user:NAME`, \
                            `tag:NAME=VALUE`, `provider:NAME` or `model:NAME`";
            WordError::new(text, "scope", expected)
        };
        if text == "everything" {
            return Ok(Scope::Everything);
        }
        let (kind, name) = text.split_once(':').ok_or_else(error)?;
        if name.is_empty() {
            return Err(error());
        }
        match kind {
            "organisation" => Ok(Scope::Organisation(name.into())),
            "team" => Ok(Scope::Team(name.into())),
            "key" => Ok(Scope::Key(name.into())),
            "user" => Ok(Scope::User(name.into())),
            "provider" => Ok(Scope::Provider(name.into())),
            "model" => Ok(Scope::Model(name.into())),
            "tag" => match name.split_once('=') {
                Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(Scope::Tag {
                    name: name.into(),
                    value: value.into(),
                }),
                _ => Err(error()),
            },
            _ => Err(error()),
        }
    }
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

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Each::Key => f.write_str("key"),
            Each::User => f.write_str("user"),
            Each::Tag(name) => write!(f, "tag:{name}"),
            Each::Run => f.write_str("run"),
        }
    }
}

impl FromStr for Each {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let tag = text.strip_prefix("tag:");
        let tag = tag.filter(|name| !name.is_empty() && !name.contains('='));
        match (text, tag) {
            ("key", _) => Ok(Each::Key),
            ("user", _) => Ok(Each::User),
            ("run", _) => Ok(Each::Run),
            (_, Some(name)) => Ok(Each::Tag(name.into())),
            _ => Err(WordError::new(
                text,
                "`each`",
                "`key`, `user`, `run` or `tag:NAME`",
            )),
        }
    }
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

impl Period {
    /// The word in configurations, errors and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Period::Minute => "minute",
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Quarter => "quarter",
            Period::Year => "year",
            Period::Total => "total",
            Period::Run => "run",
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Period {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "minute" => Ok(Period::Minute),
            "hour" => Ok(Period::Hour),
            "day" => Ok(Period::Day),
            "week" => Ok(Period::Week),
            "month" => Ok(Period::Month),
            "quarter" => Ok(Period::Quarter),
            "year" => Ok(Period::Year),
            "total" => Ok(Period::Total),
            "run" => Ok(Period::Run),
            _ => Err(WordError::new(
                text,
                "period",
                "`minute`, `hour`, `day`, `week`, `month`, `quarter`, `year`, `total` or `run`",
            )),
        }
    }
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

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Enforce => "enforce",
            Mode::Report => "report",
        })
    }
}

impl FromStr for Mode {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "enforce" => Ok(Mode::Enforce),
            "report" => Ok(Mode::Report),
            _ => Err(WordError::new(text, "mode", "`enforce` or `report`")),
        }
    }
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

impl fmt::Display for WhenUnbounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhenUnbounded::Clamp => "clamp",
            WhenUnbounded::Refuse => "refuse",
        })
    }
}

impl FromStr for WhenUnbounded {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "clamp" => Ok(WhenUnbounded::Clamp),
            "refuse" => Ok(WhenUnbounded::Refuse),
            _ => Err(WordError::new(
                text,
                "`when_unbounded`",
                "`clamp` or `refuse`",
            )),
        }
    }
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

    /// The window in which it counts at that time, in milliseconds since 1970.
    #[must_use]
    pub fn window(&self, at_ms: i64) -> Window {
        match self.resource {
            Resource::Concurrent => Window::ENDLESS,
            Resource::Money | Resource::Tokens | Resource::Requests => {
                Window::of(self.period, &self.time_zone, at_ms)
            }
        }
    }

    /// Name, scope, buckets, resource and calendar: a limit that changes one of them counts anew,
    /// one that changes its amount or its mode goes on.
    #[must_use]
    pub fn shape(&self) -> Arc<str> {
        let Limit {
            name,
            scope,
            each,
            resource,
            period,
            time_zone,
            amount: _,
            hard: _,
            mode: _,
            when_unbounded: _,
            alert_at_percent: _,
        } = self;
        let zone = time_zone.iana_name().unwrap_or_default();
        format!("{name}\n{scope}\n{each:?}\n{resource}\n{period}\n{zone}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_as_written<T: FromStr<Err = WordError> + fmt::Display>(words: &[&str]) {
        for word in words {
            let read = word.parse::<T>().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(read.to_string(), *word);
        }
        for word in [
            "", "no", "tag:", "team:", "Day", " day", "tag:a=", "tag:=b", "team",
        ] {
            if let Err(error) = word.parse::<T>() {
                let text = error.to_string();
                assert!(
                    text.contains(error.expected) && text.contains(word),
                    "{text}"
                );
            } else {
                panic!("`{word}` was read");
            }
        }
    }

    #[test]
    fn each_word_reads_as_it_is_written_and_another_says_what_was_expected() {
        reads_as_written::<Scope>(&[
            "everything",
            "organisation:acme",
            "team:support",
            "key:bot",
            "user:ada@example.com",
            "tag:app=help=desk:2",
            "provider:openai",
            "model:fast",
        ]);
        reads_as_written::<Each>(&["key", "user", "run", "tag:app"]);
        reads_as_written::<Period>(&[
            "minute", "hour", "day", "week", "month", "quarter", "year", "total", "run",
        ]);
        reads_as_written::<Mode>(&["enforce", "report"]);
        reads_as_written::<WhenUnbounded>(&["clamp", "refuse"]);
        reads_as_written::<Resource>(&["money", "tokens", "requests", "concurrent"]);
    }

    #[test]
    fn a_tag_has_a_name_and_a_value() {
        let scope: Scope = "tag:app=a=b".parse().unwrap();
        let (name, value) = ("app".into(), "a=b".into());
        assert_eq!(scope, Scope::Tag { name, value });
    }
}
