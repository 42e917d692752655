//! How alerts name things: amounts, limits, times, and the keys that tell one event from another.

use aws_lc_rs::digest;
use jiff::Timestamp;
use policy::limit::{Limit, Period, Resource};
use policy::money::Nanos;
use policy::window::Window;
use serde_json::{Map, Value};
use store::keys::hex;

/// Longest key, in bytes; the end of a longer one is replaced by the hash of the whole.
const KEY_MAX: usize = 300;

/// What stands before that hash, in characters.
const KEY_HEAD: usize = 50;

/// The text in so many characters at most, without control characters.
pub(super) fn clip(text: &str, chars_max: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut chars = text.chars().map(plain);
    let mut clipped: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        clipped.pop();
        clipped.push('…');
    }
    clipped
}

/// A key of words and numbers, which is short and has no two readings.
pub(super) fn key(words: &[&str], numbers: &[i64]) -> String {
    let words = words
        .iter()
        .map(|word| word.replace('%', "%25").replace('/', "%2F"));
    let numbers = numbers.iter().map(i64::to_string);
    let whole: Vec<String> = words.chain(numbers).collect();
    let whole = whole.join("/");
    if whole.len() <= KEY_MAX {
        return whole;
    }
    let head: String = whole.chars().take(KEY_HEAD).collect();
    let hash = hex(digest::digest(&digest::SHA256, whole.as_bytes()).as_ref());
    format!("{head}…{hash}")
}

/// The limit and its bucket, as a sentence names them.
pub(super) fn named(limit: &Limit, bucket: &str) -> String {
    let name = clip(&limit.name, 200);
    if bucket.is_empty() {
        format!("`{name}`")
    } else {
        format!("`{name}` for `{bucket}`")
    }
}

/// That much of a resource, as a sentence says it.
pub(super) fn amount(resource: Resource, n: i64) -> String {
    match resource {
        Resource::Money => dollars(n),
        Resource::Tokens => format!("{n} tokens"),
        Resource::Requests | Resource::Concurrent => format!("{n} requests"),
    }
}

/// ` in the month since …`; nothing where the window has no end.
pub(super) fn within(period: Period, window: Window) -> String {
    match window.end_ms {
        Some(_) => format!(" in the {period} since {}", rfc3339(window.start_ms)),
        None => String::new(),
    }
}

/// The limit, its bucket and the window, for programs.
pub(super) fn about(limit: &Limit, bucket: &str, window: Window) -> Map<String, Value> {
    let mut details = Map::new();
    let mut say = |name: &str, text: String| {
        details.insert(name.to_owned(), text.into());
    };
    say("budget", clip(&limit.name, 200));
    say("on", clip(&limit.scope.to_string(), 200));
    if let Some(each) = &limit.each {
        say("each", clip(&each.to_string(), 200));
        say("bucket", bucket.to_owned());
    }
    say("per", limit.period.to_string());
    if let Some(end_ms) = window.end_ms {
        say("window_start", rfc3339(window.start_ms));
        say("window_end", rfc3339(end_ms));
    }
    details.insert("refuses".to_owned(), limit.refuses().into());
    details
}

/// Adds amounts: money as decimal text under `…_usd`, the rest as numbers.
pub(super) fn put<const N: usize>(
    details: &mut Map<String, Value>,
    resource: Resource,
    amounts: [(&str, i64); N],
) {
    for (name, n) in amounts {
        match resource {
            Resource::Money => {
                details.insert(format!("{name}_usd"), Nanos(n).to_string().into());
            }
            Resource::Tokens | Resource::Requests | Resource::Concurrent => {
                details.insert(format!("{name}_{resource}"), n.into());
            }
        }
    }
}

/// A time in milliseconds since 1970, in UTC.
pub(super) fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

/// Dollars with the places that say something, and two at least.
fn dollars(nanos: i64) -> String {
    let whole = Nanos(nanos).to_string();
    let short = whole.trim_end_matches('0');
    let places = short.split_once('.').map_or(0, |(_, places)| places.len());
    format!("{short}{} USD", "0".repeat(2_usize.saturating_sub(places)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_short() {
        assert_eq!(dollars(400_000_000_000), "400.00 USD");
        assert_eq!(dollars(1_500_000_001), "1.500000001 USD");
        assert_eq!(dollars(-500_000_000), "-0.50 USD");
        assert_eq!(dollars(0), "0.00 USD");
    }

    #[test]
    fn keys_are_bounded_and_differ() {
        let long = "x".repeat(70_000);
        let keys = [
            key(&["a", "b/c"], &[1]),
            key(&["a/b", "c"], &[1]),
            key(&["a", "b%2Fc"], &[1]),
            key(&["a", &long], &[1]),
            key(&["a", &long], &[2]),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(one.len() <= KEY_MAX);
            assert!(!keys.iter().skip(at + 1).any(|other| other == one), "{one}");
        }
    }

    #[test]
    fn a_text_has_no_control_characters_and_an_end() {
        assert_eq!(clip("a\nb\u{1b}[31m", 100), "a b [31m");
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}
