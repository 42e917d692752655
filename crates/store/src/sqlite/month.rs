//! Months, as files are named by them.
//!
//! An exchange belongs to the UTC month of its ULID, so whoever has an id knows
//! the file. Pure calendar arithmetic; no clock.

use std::fmt;
use std::path::Path;

use ulid::Ulid;

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// The year, from 0 to 9999 in names.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
}

impl Month {
    /// The month of a time in milliseconds since 1970.
    #[must_use]
    pub fn of_ms(at_ms: i64) -> Self {
        // Days to civil date, after Howard Hinnant's `civil_from_days`.
        let days = at_ms.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: i32::try_from(year).unwrap_or(9999),
            month: u8::try_from(month).unwrap_or(1),
        }
    }

    /// The month of an exchange.
    #[must_use]
    pub fn of(id: Ulid) -> Self {
        Self::of_ms(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX / 2))
    }

    /// Name of its file within the data directory.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("exchanges-{self}.db")
    }

    /// The month that many before it.
    #[must_use]
    pub fn back(self, months: u32) -> Self {
        let all = i64::from(self.year) * 12 + i64::from(self.month) - 1 - i64::from(months);
        Self {
            year: i32::try_from(all.div_euclid(12)).unwrap_or(0),
            month: u8::try_from(all.rem_euclid(12) + 1).unwrap_or(1),
        }
    }

    /// The month of a file of that name, if it is one of ours.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        Self::of_name(name.strip_prefix("exchanges-")?.strip_suffix(".db")?)
    }

    /// The month of a text such as `2026-01`.
    #[must_use]
    pub fn of_name(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let month = Self {
            year: year.parse().ok()?,
            month: month.parse().ok()?,
        };
        (month.to_string() == text && (1..=12).contains(&month.month)).then_some(month)
    }

    /// The months that have a file in a data directory, newest first.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn list(dir: &Path) -> std::io::Result<Vec<Self>> {
        let mut months = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            months.extend(entry?.file_name().to_str().and_then(Self::of_file));
        }
        months.sort_unstable_by(|a, b| b.cmp(a));
        Ok(months)
    }
}

impl fmt::Display for Month {
    /// `YYYY-MM`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        // 2024-02-29T23:59:59.999Z and the millisecond after it.
        assert_eq!(Month::of_ms(1_709_251_199_999).to_string(), "2024-02");
        assert_eq!(Month::of_ms(1_709_251_200_000).to_string(), "2024-03");
        assert_eq!(Month::of_ms(0).to_string(), "1970-01");
        assert_eq!(Month::of_ms(1_704_067_199_999).to_string(), "2023-12");
        assert_eq!(Month::of_ms(1_704_067_200_000).to_string(), "2024-01");
    }

    #[test]
    fn a_file_is_named_by_its_month_and_nothing_else_is_one() {
        let month = Month {
            year: 2026,
            month: 3,
        };
        assert_eq!(Month::of_file(&month.file_name()), Some(month));
        for other in [
            "exchanges-2026-13.db",
            "exchanges-2026-3.db",
            "exchanges-2026-03.db-wal",
            "bondgate.db",
        ] {
            assert_eq!(Month::of_file(other), None, "{other}");
        }
        assert_eq!(month.back(3).to_string(), "2025-12");
    }
}
