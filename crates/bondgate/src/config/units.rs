//! Quantities as people write them: `250ms`, `16KiB`, `0.15 USD`, `600/min`, `80%`, dates.
//!
//! Each is a type with one way of reading it and an error that shows how it is written.
//! Integers throughout; nothing is rounded, what does not fit is an error.

use std::str::FromStr;
use std::time::Duration;

use policy::limit;
use policy::money::{MoneyError, Nanos};

/// A length of time, written `250ms`, `2s`, `5m`, `1h` or `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

/// A number of bytes, written `512B`, `16KiB`, `512MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// An amount of money, written `500 USD` or `0.15 USD`; at most nine places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usd(pub Nanos);

/// A moment, written `2026-12-31` (its beginning, UTC) or `2026-12-31T23:59:59Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub ms: i64,
}

/// So many in each window, written `600/min` or `10000/day`; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub amount: i64,
    /// In which window.
    pub period: limit::Period,
}

/// A share, written `80%` or `12.5%`; at most two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent {
    /// In hundredths of a per cent.
    pub basis_points: u32,
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a duration is written `250ms`, `2s`, `5m`, `1h` or `30d`".to_owned();
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let ms = number.checked_mul(ms).filter(|ms| *ms <= 3650 * 86_400_000);
        let ms = ms.ok_or("a duration is at most 3650d")?;
        Ok(Self(Duration::from_millis(ms)))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a size is written `512B`, `16KiB`, `512MiB` or `2GiB`".to_owned();
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        let bytes = number
            .checked_mul(factor)
            .and_then(|bytes| usize::try_from(bytes).ok());
        bytes
            .map(Self)
            .ok_or_else(|| "a size beyond what this machine can count".to_owned())
    }
}

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "money is written `500 USD` or `0.15 USD`, with at most nine places";
        if !text.ends_with("USD") {
            return Err(wrong.to_owned());
        }
        // The reader's own words repeat the text, which may be a secret in the wrong place.
        text.parse().map(Self).map_err(|error| {
            match error {
                MoneyError::Negative(_) => "an amount is 0 USD or more",
                MoneyError::TooLarge(_) => "more money than there is",
                MoneyError::NotAnAmount(_) | MoneyError::TooFine(_) | MoneyError::Currency(_) => {
                    wrong
                }
            }
            .to_owned()
        })
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a rate is written `600/min`, `1000/hour` or `10000/day`".to_owned();
        let (amount, window) = text.split_once('/').ok_or_else(wrong)?;
        let period = match window.trim() {
            "min" | "m" => limit::Period::Minute,
            "h" => limit::Period::Hour,
            "d" => limit::Period::Day,
            "run" | "total" => return Err(wrong()),
            word => word.parse().map_err(|_| wrong())?,
        };
        let amount: i64 = digits(amount.trim()).ok_or_else(wrong)?;
        if amount == 0 {
            return Err("a rate of zero would refuse every request: allow one or more".to_owned());
        }
        Ok(Self { amount, period })
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is written `80%` or `12.5%`, with at most two places".to_owned();
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
        if places.is_empty() || places.len() > 2 || whole.len() > 6 {
            return Err(wrong());
        }
        let whole: u32 = digits(whole).ok_or_else(wrong)?;
        let places: u32 = digits(&format!("{places:0<2}")).ok_or_else(wrong)?;
        Ok(Self {
            basis_points: whole * 100 + places,
        })
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
            let date: jiff::civil::Date = text.parse()?;
            date.to_zoned(jiff::tz::TimeZone::UTC)
                .map(|zoned| zoned.timestamp())
        });
        let timestamp = timestamp
            .map_err(|_| "a moment is written `2026-12-31` or `2026-12-31T23:59:59Z`".to_owned())?;
        Ok(Self {
            ms: timestamp.as_millisecond(),
        })
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    Some((digits(number)?, unit.trim_start()))
}

fn digits<T: FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_written() {
        assert_eq!("250ms".parse(), Ok(Period(Duration::from_millis(250))));
        assert_eq!("30d".parse(), Ok(Period(Duration::from_secs(30 * 86_400))));
        assert_eq!("16KiB".parse(), Ok(Size(16 << 10)));
        assert_eq!("500 USD".parse(), Ok(Usd(Nanos(500_000_000_000))));
        assert_eq!("0.15 USD".parse(), Ok(Usd(Nanos(150_000_000))));
        assert_eq!("0.000000001USD".parse(), Ok(Usd(Nanos(1))));
        let rate = |amount, period| Ok(Rate { amount, period });
        assert_eq!("600/min".parse(), rate(600, limit::Period::Minute));
        assert_eq!("1 / day".parse(), rate(1, limit::Period::Day));
        let percent = |basis_points| Ok(Percent { basis_points });
        assert_eq!("80%".parse(), percent(8_000));
        assert_eq!("12.5%".parse(), percent(1_250));
        assert_eq!("0.01 %".parse(), percent(1));
        assert_eq!("1970-01-02".parse(), Ok(Moment { ms: 86_400_000 }));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Moment { ms: 1_000 }));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "5 weeks",
            "1.5h",
            "99999999999999999999s",
            "4000d",
        ] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        for bad in ["", "16", "16KB", "16 kib", "-1MiB", "99999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        for bad in [
            "",
            "USD",
            "5",
            "5 EUR",
            "-5 USD",
            "1.0000000001 USD",
            "1. USD",
            ".5 USD",
        ] {
            assert!(bad.parse::<Usd>().is_err(), "{bad}");
        }
        for bad in [
            "",
            "600",
            "600/",
            "/min",
            "0/min",
            "-5/min",
            "1.5/min",
            "5/s",
            "5/run",
            "99999999999999999999/min",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        for bad in ["", "80", "%", "-1%", "1.%", ".5%", "1.234%", "9999999%"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
        for bad in ["", "tomorrow", "2026-13-01", "2026-12-31T25:00:00Z"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
