//! When a provider asks to come back, in all the forms in which providers say it.
//!
//! `retry-after-ms`; `retry-after` in seconds, with decimals, or as a date; the resets beside a
//! limit of which nothing remains (`1s`, `6m0s`, `120ms`, seconds, a time since 1970, a date); in the
//! body `RetryInfo` of Google and a number of seconds. What is absurd is bounded, what is no time is
//! passed over: a provider must not be able to take itself out of service for a year.

use std::time::Duration;

use dialect::failure::ProviderError;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::failure::table::members;

/// The longest time that is believed.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Seconds since 1970 in 2001, and the same in milliseconds: what is more is no length of time.
const EPOCH_S: f64 = 1e9;
const EPOCH_MS: f64 = 1e12;

/// An answer's headers, by their names in small letters.
pub trait Headers {
    /// The value of that header; none where it is absent or no text.
    fn get(&self, name: &str) -> Option<&str>;

    /// Shows every header whose value is text.
    fn each(&self, show: &mut dyn FnMut(&str, &str));
}

/// When a provider that refused asks to come back; none where it does not say.
///
/// `now_ms` is the time of day in milliseconds since 1970.
#[must_use]
pub fn after(headers: &dyn Headers, error: &ProviderError, now_ms: i64) -> Option<Duration> {
    let ms = headers.get("retry-after-ms").and_then(number);
    let ms = ms.and_then(|ms| seconds(ms / 1000.0));
    let plain = || {
        let told = headers.get("retry-after")?;
        time(told, now_ms)
    };
    // A provider may round the one down to nothing and the other up.
    let told = ms.filter(|ms| !ms.is_zero()).or_else(plain).or(ms);
    told.or_else(|| emptied(headers, now_ms))
        .or_else(|| in_body(error, now_ms))
}

/// When a limit of which nothing remains is renewed, by the headers of any answer; the last of them
/// where several are used up.
#[must_use]
pub fn emptied(headers: &dyn Headers, now_ms: i64) -> Option<Duration> {
    let mut last = None;
    headers.each(&mut |name, value| {
        if value != "0" {
            return;
        }
        let Some(reset) = reset_beside(name) else {
            return;
        };
        let told = headers.get(&reset).and_then(|told| time(told, now_ms));
        last = last.max(told.filter(|told| !told.is_zero()));
    });
    last
}

/// The header that says when the limit is renewed of which that one says what remains.
fn reset_beside(name: &str) -> Option<String> {
    if let Some(of) = name.strip_prefix("x-ratelimit-remaining") {
        return Some(format!("x-ratelimit-reset{of}"));
    }
    let of = name
        .strip_prefix("anthropic-ratelimit-")?
        .strip_suffix("-remaining")?;
    Some(format!("anthropic-ratelimit-{of}-reset"))
}

fn in_body(error: &ProviderError, now_ms: i64) -> Option<Duration> {
    const PATHS: [&[&str]; 4] = [
        &["details", "retryDelay"],
        &["retry_after"],
        &["retry_after_seconds"],
        &["metadata", "headers", "X-RateLimit-Reset"],
    ];
    let raw = error.raw.as_ref()?;
    PATHS.into_iter().find_map(|path| {
        let mut found = None;
        members(raw, path, &mut |text| {
            found = found.or_else(|| time(text, now_ms));
        });
        found
    })
}

/// A time in any of its forms, from now on; none for what is none, zero for one that is past.
fn time(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if let Some(n) = number(text) {
        let now = seconds_since_1970(now_ms);
        return match n {
            n if n >= EPOCH_MS => seconds((n / 1000.0 - now).max(0.0)),
            n if n >= EPOCH_S => seconds((n - now).max(0.0)),
            n => seconds(n),
        };
    }
    length(text).or_else(|| date(text, now_ms))
}

fn number(text: &str) -> Option<f64> {
    // Only what looks like one: words such as `nan` and `inf` are read as numbers too.
    let digits = text
        .trim()
        .starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.trim().parse::<f64>().ok().filter(|_| digits)?;
    Some(number)
}

/// So many seconds, bounded; none for what is no length.
fn seconds(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

/// `6m0s`, `120ms`, `1h2m3.5s`.
fn length(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (amount, behind) = rest.split_at_checked(unit_at)?;
        let end = behind.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, next) = behind.split_at_checked(end.unwrap_or(behind.len()))?;
        let each = match unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += number(amount)? * each;
        rest = next;
    }
    seconds(sum).filter(|_| !text.is_empty())
}

/// A date as HTTP or RFC 3339 writes it.
fn date(text: &str, now_ms: i64) -> Option<Duration> {
    let at: Timestamp = match text.parse() {
        Ok(at) => at,
        Err(_) => rfc2822::parse(text).ok()?.timestamp(),
    };
    let ahead = at.as_millisecond().saturating_sub(now_ms).max(0);
    let ahead = Duration::from_millis(u64::try_from(ahead).unwrap_or_default());
    Some(ahead.min(LONGEST))
}

fn seconds_since_1970(now_ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(now_ms).unwrap_or_default()).as_secs_f64()
}
