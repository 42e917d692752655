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
            Dialect::OpenaiChat => format!("{}ms", resets.saturating_sub(at_ms).max(0)),
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
