//! Windows follow the calendar of their zone, without gap or overlap.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use policy::limit::Period;
use policy::window::Window;
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

fn of(period: Period, zone: &str, at: &str) -> (String, String) {
    let zone = TimeZone::get(zone).unwrap();
    let window = Window::of(period, &zone, ms(at));
    let local = |ms| {
        let at = Timestamp::from_millisecond(ms).unwrap();
        at.to_zoned(zone.clone()).datetime().to_string()
    };
    (local(window.start_ms), local(window.end_ms.unwrap()))
}

fn is(period: Period, at: &str, start: &str, end: &str) {
    let expected = (start.to_owned(), end.to_owned());
    assert_eq!(of(period, "Europe/Paris", at), expected, "{period} at {at}");
}

#[test]
fn windows_begin_with_the_calendar_of_their_zone() {
    let at = "2026-11-20T22:59:59.999Z";
    is(
        Period::Minute,
        at,
        "2026-11-20T23:59:00",
        "2026-11-21T00:00:00",
    );
    is(
        Period::Hour,
        at,
        "2026-11-20T23:00:00",
        "2026-11-21T00:00:00",
    );
    is(
        Period::Day,
        at,
        "2026-11-20T00:00:00",
        "2026-11-21T00:00:00",
    );
    is(
        Period::Week,
        at,
        "2026-11-16T00:00:00",
        "2026-11-23T00:00:00",
    );
    is(
        Period::Month,
        at,
        "2026-11-01T00:00:00",
        "2026-12-01T00:00:00",
    );
    is(
        Period::Quarter,
        at,
        "2026-10-01T00:00:00",
        "2027-01-01T00:00:00",
    );
    is(
        Period::Year,
        at,
        "2026-01-01T00:00:00",
        "2027-01-01T00:00:00",
    );
    let after = "2026-11-20T23:00:00Z";
    is(
        Period::Day,
        after,
        "2026-11-21T00:00:00",
        "2026-11-22T00:00:00",
    );
    for period in [Period::Total, Period::Run] {
        assert_eq!(Window::of(period, &TimeZone::UTC, 5), Window::ENDLESS);
    }
}

#[test]
fn a_day_on_which_the_clock_changes_is_shorter_or_longer() {
    let paris = TimeZone::get("Europe/Paris").unwrap();
    for (at, hours) in [("2026-03-29T12:00:00Z", 23), ("2026-10-25T12:00:00Z", 25)] {
        let day = Window::of(Period::Day, &paris, ms(at));
        assert_eq!(day.end_ms.unwrap() - day.start_ms, hours * HOUR_MS, "{at}");
    }
}

#[test]
fn a_day_whose_midnight_is_skipped_begins_right_after() {
    let (start, _) = of(Period::Day, "America/Santiago", "2026-09-06T12:00:00Z");
    assert_eq!(start, "2026-09-06T01:00:00");
}

proptest! {
    #[test]
    fn windows_tile_time_in_every_zone(
        zone in proptest::sample::select(vec![
            "UTC", "Europe/Paris", "America/New_York", "America/Santiago", "Asia/Kathmandu",
            "Australia/Lord_Howe", "America/Havana", "Pacific/Apia",
        ]),
        at_ms in 1_262_304_000_000i64..2_000_000_000_000,
        // Near a change of the clock, one time in two.
        near in proptest::option::of(-2 * HOUR_MS..2 * HOUR_MS),
        period in proptest::sample::select(vec![
            Period::Minute, Period::Hour, Period::Day, Period::Week,
            Period::Month, Period::Quarter, Period::Year,
        ]),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let at = Timestamp::from_millisecond(at_ms).unwrap();
        let change = near.and_then(|near| {
            let change = zone.following(at).next()?;
            Some(change.timestamp().as_millisecond() + near)
        });
        let at_ms = change.unwrap_or(at_ms);
        let window = Window::of(period, &zone, at_ms);
        let end_ms = window.end_ms.unwrap();
        prop_assert!(window.contains(at_ms) && window.start_ms < end_ms);
        prop_assert_eq!(Window::of(period, &zone, window.start_ms), window);
        prop_assert_eq!(Window::of(period, &zone, end_ms - 1), window);
        let next = Window::of(period, &zone, end_ms);
        prop_assert_eq!(next.start_ms, end_ms);
        prop_assert!(window.is_over(end_ms) && !window.is_over(end_ms - 1));
    }
}
