//! What is left of the tightest limits of requests and tokens, in the names that each dialect's SDKs know.

use dialect::Spoken;
use dialect::codec::Resets;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use policy::accounts::{Ask, Remaining};
use policy::limit::Resource;

use crate::exchange::Exchange;
use crate::names;

/// Headers of the tightest limits.
pub(crate) fn limits(headers: &mut HeaderMap, dialect: Spoken, exchange: &Exchange) {
    if exchange.snapshot.limits.is_empty() {
        return;
    }
    let names = names::of(dialect);
    for (resource, told) in [
        (Resource::Requests, &names.requests),
        (Resource::Tokens, &names.tokens),
    ] {
        if let Some(left) = tightest(exchange, resource) {
            insert(headers, (told, names.resets), &left, exchange.at_ms);
        }
    }
}

/// Of what the request holds; where it was refused before it held any, of what would count it.
fn tightest(exchange: &Exchange, resource: Resource) -> Option<Remaining> {
    if let Some(held) = exchange.spend.tightest(resource) {
        return held;
    }
    let ask = Ask {
        who: exchange.who.as_ref()?,
        model: match &exchange.model {
            Some(model) => &model.name,
            None => &exchange.asked,
        },
        providers: &[],
        at_ms: exchange.at_ms,
        amounts: &[],
    };
    let limits = &exchange.snapshot.limits;
    exchange.accounts().tightest(limits, &ask, resource)
}

fn insert(
    headers: &mut HeaderMap,
    ([limit, remaining, reset], form): (&[HeaderName; 3], Resets),
    left: &Remaining,
    at_ms: i64,
) {
    headers.insert(limit, HeaderValue::from(left.limit.amount));
    headers.insert(remaining, HeaderValue::from(left.remaining));
    let Some(resets) = left.reset_ms else {
        return;
    };
    let text = match form {
        Resets::In => until(resets.saturating_sub(at_ms)),
        Resets::At => match Timestamp::from_millisecond(resets) {
            Ok(at) => at.to_string(),
            Err(_) => return,
        },
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(reset, value);
    }
}

/// A time as Go prints one: `20ms`, `1s`, `6m0s`, `1h0m12.5s`.
fn until(ms: i64) -> String {
    let ms = ms.max(0);
    let mut text = String::with_capacity(24);
    let number = |text: &mut String, number: i64, unit: &str| {
        text.push_str(itoa::Buffer::new().format(number));
        text.push_str(unit);
    };
    if (1..1000).contains(&ms) {
        number(&mut text, ms, "ms");
        return text;
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let (seconds, thousandths) = (ms / 1000 % 60, ms % 1000);
    if hours > 0 {
        number(&mut text, hours, "h");
    }
    if hours > 0 || minutes > 0 {
        number(&mut text, minutes, "m");
    }
    number(&mut text, seconds, "");
    if thousandths > 0 {
        // A one before the places keeps their leading zeros.
        let mut digits = itoa::Buffer::new();
        let places = digits
            .format(1000 + thousandths)
            .get(1..)
            .unwrap_or_default();
        text.push('.');
        text.push_str(places.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::until;

    #[test]
    fn a_time_is_written_as_go_prints_it() {
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
            (61_111, "1m1.111s"),
        ] {
            assert_eq!(until(ms), text);
        }
    }
}
