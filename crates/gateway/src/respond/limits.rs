//! What is left of the tightest limits of requests and tokens, in the names that each dialect's SDKs know.

use dialect::Dialect;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use policy::accounts::{Ask, Remaining};
use policy::limit::Resource;

use crate::exchange::Exchange;

/// Names of one resource's headers: limit, remaining, reset.
type Names = [HeaderName; 3];

/// Headers of the tightest limits.
pub(crate) fn limits(headers: &mut HeaderMap, dialect: Dialect, exchange: &Exchange) {
    let limits = &exchange.snapshot.limits;
    let (Some(who), false) = (&exchange.who, limits.is_empty()) else {
        return;
    };
    let ask = Ask {
        who,
        model: exchange.model.as_ref().map_or("", |model| &model.name),
        providers: &[],
        at_ms: exchange.at_ms,
        amounts: &[],
    };
    for resource in [Resource::Requests, Resource::Tokens] {
        let tightest = exchange.accounts().tightest(limits, &ask, resource);
        if let (Some(left), Some(names)) = (tightest, names(dialect, resource)) {
            insert(headers, (dialect, names), &left, exchange.at_ms);
        }
    }
}

fn insert(
    headers: &mut HeaderMap,
    (dialect, names): (Dialect, Names),
    left: &Remaining,
    at_ms: i64,
) {
    let [limit, remaining, reset] = names;
    headers.insert(limit, HeaderValue::from(left.limit.amount));
    headers.insert(remaining, HeaderValue::from(left.remaining));
    if let Some(resets) = left.reset_ms {
        let text = match dialect {
            Dialect::OpenaiChat => until(resets.saturating_sub(at_ms)),
            Dialect::AnthropicMessages => match Timestamp::from_millisecond(resets) {
                Ok(at) => at.to_string(),
                Err(_) => return,
            },
        };
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(reset, value);
        }
    }
}

/// A time as OpenAI writes it, which is how Go prints one: `20ms`, `1s`, `6m0s`, `1h0m12.5s`.
fn until(ms: i64) -> String {
    let ms = ms.max(0);
    if (1..1000).contains(&ms) {
        return format!("{ms}ms");
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let (seconds, thousandths) = (ms / 1000 % 60, ms % 1000);
    let mut text = match (hours, minutes) {
        (0, 0) => String::new(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    text.push_str(&seconds.to_string());
    if thousandths > 0 {
        let digits = format!(".{thousandths:03}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('s');
    text
}

/// OpenAI's names, and Anthropic's in its dialect.
fn names(dialect: Dialect, resource: Resource) -> Option<Names> {
    let names = match (dialect, resource) {
        (Dialect::OpenaiChat, Resource::Requests) => [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ],
        (Dialect::OpenaiChat, Resource::Tokens) => [
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
        ],
        (Dialect::AnthropicMessages, Resource::Requests) => [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
        (Dialect::AnthropicMessages, Resource::Tokens) => [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
        (_, Resource::Money | Resource::Concurrent) => return None,
    };
    Some(names.map(HeaderName::from_static))
}

#[cfg(test)]
mod tests {
    use super::until;

    #[test]
    fn a_time_is_written_as_openai_writes_it() {
        for (ms, text) in [
            (-5, "0s"),
            (0, "0s"),
            (20, "20ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (3_612_500, "1h0m12.5s"),
            (86_399_001, "23h59m59.001s"),
        ] {
            assert_eq!(until(ms), text);
        }
    }
}
