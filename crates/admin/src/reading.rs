//! What callers send, read so that every mistake is named: query strings, bodies, times.
//!
//! Unknown and repeated keys are errors. A moment is RFC 3339, a date, or a length of time
//! that reaches back from now.

use serde::de::DeserializeOwned;
use store::objects::Moment;

use crate::error::ApiError;
use crate::route::Answer;

/// 9999-12-30, in milliseconds since 1970: a day before the calendar's end.
const LAST_MS: i64 = 253_402_128_000_000;

/// Reads a query string.
///
/// # Errors
/// The key that is unknown, stands there twice, or has no possible value.
pub fn read_query<Q: DeserializeOwned>(query: &str) -> Answer<Q> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs = serde_html_form::Deserializer::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        refused(&path, message)
    })
}

/// Reads a body; an empty one is one without members.
///
/// # Errors
/// Where it is no JSON, or the member that is unknown, stands there twice, or has no possible value.
pub fn read_body<B: DeserializeOwned>(body: &[u8]) -> Answer<B> {
    let body = if body.is_empty() { b"{}" } else { body };
    // A list whose members fit would be read as the members of an object in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::invalid("", "the body is no JSON object"));
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        refused(&path, message)
    })?;
    text.end()
        .map_err(|error| ApiError::invalid("", error.to_string()))?;
    Ok(value)
}

/// The time now, in milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A moment in milliseconds since 1970: RFC 3339, a date for its beginning, or a length of
/// time before now such as `30d`.
///
/// # Errors
/// Where it is none of them, or lies before 1970 or after 9999.
pub fn moment(field: &str, text: Option<&str>, now_ms: i64) -> Answer<Option<i64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let at = match back(text) {
        Some(length_ms) => Some(now_ms.saturating_sub(length_ms)),
        None => text.parse::<Moment>().ok().map(|Moment(at)| at),
    };
    match at {
        Some(at) if (0..=LAST_MS).contains(&at) => Ok(Some(at)),
        Some(_) => {
            let message = "lies before 1970 or after 9999";
            Err(ApiError::invalid(field, message))
        }
        None => Err(ApiError::invalid(
            field,
            "is a moment such as `2026-11-01T00:00:00Z`, a date such as `2026-11-01`, or a time before now such as `30d`",
        )),
    }
}

/// The times of a range, `since` before `until`.
///
/// # Errors
/// As for [`moment`], or where it ends before it begins.
pub fn range(
    since: Option<&str>,
    until: Option<&str>,
    now_ms: i64,
) -> Answer<(Option<i64>, Option<i64>)> {
    let since = moment("since", since, now_ms)?;
    let until = moment("until", until, now_ms)?;
    match (since, until) {
        (Some(since), Some(until)) if until < since => Err(ApiError::invalid(
            "until",
            "is before `since`: nothing lies between them",
        )),
        range => Ok(range),
    }
}

/// A length of time such as `90s`, `15m`, `24h`, `30d` or `4w`, in milliseconds.
#[must_use]
pub fn back(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let unit_ms: i64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// A refusal; serde names an unknown or repeated field in its words only.
fn refused(path: &str, message: String) -> ApiError {
    let path = if path == "." || path == "?" { "" } else { path };
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'));
    let field = match named {
        Some((field, _)) if path.is_empty() => field.to_owned(),
        Some(_) | None => path.to_owned(),
    };
    ApiError::invalid(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_three_ways() {
        let read = |text| moment("since", Some(text), 100 * 86_400_000);
        assert_eq!(read("1970-01-02"), Ok(Some(86_400_000)));
        assert_eq!(read("1970-01-01T00:00:01Z"), Ok(Some(1_000)));
        assert_eq!(read("30d"), Ok(Some(70 * 86_400_000)));
        assert_eq!(moment("since", None, 0), Ok(None));
        for text in [
            "",
            "d",
            "-1d",
            "30",
            "yesterday",
            "101d",
            "99999999999999999999d",
            "-009999-01-02",
            "9999-12-31",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(range(Some("1d"), Some("2d"), 100 * 86_400_000).is_err());
    }
}
