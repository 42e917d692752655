//! Quantities as they stand in objects: money, moments, rates.
//!
//! Each reads one way and writes one way. Integers only.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use policy::limit::Period;
use policy::money::Nanos;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// US dollars, written `500.000000000`; read with fewer places and `USD` too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub Nanos);

/// A moment in milliseconds since 1970, written in RFC 3339, UTC; a date is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// How many in which window, written `600/min`, `10000/hour` or `1000000/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least one.
    pub amount: i64,
    /// The window: a minute, an hour or a day.
    pub period: Period,
}

/// A share, written `15%` or `12.5%`, with two places at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percent {
    /// In hundredths of a per cent.
    pub basis_points: u32,
}

/// The most that a limit may allow; far beyond what can happen, and safe to add up.
const MOST: i64 = 1_000_000_000_000_000;

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<Nanos>()
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let midnight = || {
            let date: jiff::civil::Date = text.parse().ok()?;
            let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(zoned.timestamp())
        };
        let timestamp = text.parse().ok().or_else(midnight);
        timestamp
            .map(|at: jiff::Timestamp| Self(at.as_millisecond()))
            .ok_or_else(|| {
                "a moment is written `2026-12-31T23:59:59Z`, or `2026-12-31` for its beginning"
                    .to_owned()
            })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        at.fmt(f)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a rate is written `600/min`, `10000/hour` or `1000000/day`".to_owned();
        let (amount, window) = text.split_once('/').ok_or_else(wrong)?;
        let period = match window.trim() {
            "m" | "min" | "minute" => Period::Minute,
            "h" | "hour" => Period::Hour,
            "d" | "day" => Period::Day,
            _ => return Err(wrong()),
        };
        let amount = amount.trim();
        if amount.is_empty() || !amount.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        match amount.parse() {
            Ok(0) => Err("a rate of nothing: allow at least 1".to_owned()),
            Ok(amount) if amount <= MOST => Ok(Self { amount, period }),
            Ok(_) | Err(_) => Err(format!("a rate is at most {MOST}")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.period {
            Period::Minute => "min",
            Period::Hour
            | Period::Day
            | Period::Week
            | Period::Month
            | Period::Quarter
            | Period::Year
            | Period::Total
            | Period::Run => self.period.name(),
        };
        write!(f, "{}/{window}", self.amount)
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is written `80%` or `12.5%`, with at most two places".to_owned();
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most| {
            let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<u32>().ok();
            number.filter(|_| all && text.len() <= most)
        };
        let whole = digits(whole, 6).ok_or_else(wrong)?;
        let places = digits(places, 2).and_then(|_| digits(&format!("{places:0<2}"), 2));
        Ok(Self {
            basis_points: whole * 100 + places.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.basis_points / 100, self.basis_points % 100);
        if places == 0 {
            return write!(f, "{whole}%");
        }
        let places = format!("{places:02}");
        write!(f, "{whole}.{}%", places.trim_end_matches('0'))
    }
}

/// A length of time such as `90d`, in milliseconds.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let unit_ms: i64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = number.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    (ms <= 3650 * 86_400_000).then_some(ms)
}

/// Reads and writes as text, in JSON and in its schema.
macro_rules! as_text {
    ($($name:ident: $schema:literal, $what:literal;)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($schema)
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $what })
            }
        }
    )*};
}

as_text! {
    Usd: "Usd", "US dollars as a decimal string, nine places at most.";
    Moment: "Moment", "A moment, RFC 3339.";
    Percent: "Percent", "A share such as `15%` or `12.5%`, with two places at most.";
    Rate: "Rate", "How many in a minute, an hour or a day, such as `600/min`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_as_itself() {
        for text in ["600/min", "1/hour", "1000000/day"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        let moment = "2026-12-31T23:59:59.001Z";
        assert_eq!(moment.parse::<Moment>().unwrap().to_string(), moment);
        for text in ["15%", "12.5%", "0.01%", "100%"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
        let usd = "12.500000000";
        assert_eq!(usd.parse::<Usd>().unwrap().to_string(), usd);
        assert_eq!("1970-01-02".parse(), Ok(Moment(86_400_000)));
        assert_eq!(duration_ms("90d"), Some(90 * 86_400_000));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "600",
            "0/min",
            "-1/min",
            "1/week",
            "9999999999999999999/min",
            "1.5/min",
            "/min",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "d", "-1d", "1w", "4000d", "99999999999999999999d"] {
            assert!(duration_ms(text).is_none(), "{text}");
        }
        for text in ["", "%", "15", "-1%", "1.%", "1.234%", ".5%", "1e1%"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
        for text in ["-1", "a lot", "1e9"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }
}
