//! Windows of the calendar in which limits count: where one begins and ends in a time zone.
//!
//! The windows of one period in one zone follow each other without gap or
//! overlap, through changes of the clock too, so a time lies in exactly one of
//! them and its start names it. Nothing here knows what time it is.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::limit::Period;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// One window: from its start to just before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// When it begins, in milliseconds since 1970; its name among the windows of a limit.
    pub start_ms: i64,
    /// When the next one begins; `None` where it never ends.
    pub end_ms: Option<i64>,
}

impl Window {
    /// The window of what has none: it never ends.
    pub const ENDLESS: Window = Window {
        start_ms: 0,
        end_ms: None,
    };

    /// The window of that period in which that time lies.
    ///
    /// A time beyond the calendar (the year 9999) lies in [`Window::ENDLESS`].
    #[must_use]
    pub fn of(period: Period, zone: &TimeZone, at_ms: i64) -> Self {
        let window = match period {
            Period::Total | Period::Run => None,
            Period::Minute => clock(zone, at_ms, MINUTE_MS),
            Period::Hour => clock(zone, at_ms, HOUR_MS),
            Period::Day | Period::Week | Period::Month | Period::Quarter | Period::Year => {
                calendar(period, zone, at_ms)
            }
        };
        window.unwrap_or(Self::ENDLESS)
    }

    /// Whether that time lies in it. A window without an end holds every time.
    #[must_use]
    pub fn contains(&self, at_ms: i64) -> bool {
        self.end_ms
            .is_none_or(|end| self.start_ms <= at_ms && at_ms < end)
    }

    /// Whether it is over at that time.
    #[must_use]
    pub fn is_over(&self, at_ms: i64) -> bool {
        self.end_ms.is_some_and(|end| end <= at_ms)
    }
}

/// A window of days: from the start of its first day to that of the next one's first day.
fn calendar(period: Period, zone: &TimeZone, at_ms: i64) -> Option<Window> {
    let date = local(zone, at_ms)?.date();
    let first = first_day(period, date)?;
    let next = match period {
        Period::Week => first.checked_add(1.week()),
        Period::Month => first.checked_add(1.month()),
        Period::Quarter => first.checked_add(3.months()),
        Period::Year => first.checked_add(1.year()),
        Period::Minute | Period::Hour | Period::Day | Period::Total | Period::Run => {
            first.checked_add(1.day())
        }
    };
    Some(Window {
        start_ms: midnight(zone, first)?,
        end_ms: Some(midnight(zone, next.ok()?)?),
    })
}

fn first_day(period: Period, date: Date) -> Option<Date> {
    match period {
        Period::Week => {
            let since_monday = date.weekday().to_monday_zero_offset();
            date.checked_sub(i64::from(since_monday).days()).ok()
        }
        Period::Month => Some(date.first_of_month()),
        Period::Quarter => {
            let month = (date.month() - 1) / 3 * 3 + 1;
            Date::new(date.year(), month, 1).ok()
        }
        Period::Year => Some(date.first_of_year()),
        Period::Minute | Period::Hour | Period::Day | Period::Total | Period::Run => Some(date),
    }
}

/// When a day begins: at midnight, or where the clock skips it, right after.
fn midnight(zone: &TimeZone, date: Date) -> Option<i64> {
    let start = date.to_zoned(zone.clone()).ok()?;
    Some(start.timestamp().as_millisecond())
}

/// A full minute or hour of the local clock; cut where that clock is changed within it.
fn clock(zone: &TimeZone, at_ms: i64, length_ms: i64) -> Option<Window> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    let offset_ms = i64::from(zone.to_offset(at).seconds()) * 1000;
    let start = (at_ms + offset_ms).div_euclid(length_ms) * length_ms - offset_ms;
    let end = start + length_ms;
    let changed = zone.preceding(at.checked_add(1.millisecond()).ok()?).next();
    let changed = changed.map(|change| change.timestamp().as_millisecond());
    let changes = zone.following(at).next();
    let changes = changes.map(|change| change.timestamp().as_millisecond());
    Some(Window {
        start_ms: changed.map_or(start, |changed| start.max(changed)),
        end_ms: Some(changes.map_or(end, |changes| end.min(changes))),
    })
}

fn local(zone: &TimeZone, at_ms: i64) -> Option<Zoned> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(at.to_zoned(zone.clone()))
}
