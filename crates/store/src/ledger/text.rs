//! What columns hold as text: tags, attributions, holds and losses as JSON, and the bits of flags.
//!
//! Read back only where we wrote it; a text that is not ours reads as nothing.

use std::sync::Arc;

use policy::caller::{Attribution, Tags};
use policy::limit::Resource;
use serde_json::{Map, Value, json};

use crate::record::{Flags, Held, LossNote};

/// Bit of [`Flags::estimated`].
pub(super) const ESTIMATED: i64 = 1;
/// Bit of [`Flags::unpriced`].
pub(super) const UNPRICED: i64 = 2;
/// Bit of [`Flags::overrun`].
pub(super) const OVERRUN: i64 = 4;
/// Bit of [`Flags::would_refuse`].
pub(super) const WOULD_REFUSE: i64 = 8;
/// Bit of [`Flags::shortened`].
pub(super) const SHORTENED: i64 = 16;

pub(super) fn flag_bits(flags: Flags) -> i64 {
    let bit = |set: bool, bit: i64| if set { bit } else { 0 };
    bit(flags.estimated, ESTIMATED)
        | bit(flags.unpriced, UNPRICED)
        | bit(flags.overrun, OVERRUN)
        | bit(flags.would_refuse, WOULD_REFUSE)
        | bit(flags.shortened, SHORTENED)
}

pub(super) fn flags_of(bits: i64) -> Flags {
    Flags {
        estimated: bits & ESTIMATED != 0,
        unpriced: bits & UNPRICED != 0,
        overrun: bits & OVERRUN != 0,
        would_refuse: bits & WOULD_REFUSE != 0,
        shortened: bits & SHORTENED != 0,
    }
}

/// The text, or an empty one.
pub(super) fn or_empty(text: Option<&Arc<str>>) -> &str {
    text.map_or("", |text| text)
}

/// The provider of a target.
pub(super) fn provider(target: &str) -> &str {
    target.split_once('/').map_or(target, |(name, _)| name)
}

/// Tags as a JSON object, in the order of their names.
pub(super) fn tags(tags: &Tags) -> String {
    if tags.is_empty() {
        return "{}".to_owned();
    }
    tag_map(tags).to_string()
}

fn tag_map(tags: &Tags) -> Value {
    let pairs = tags
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(&**value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// The tags of a JSON object.
pub(super) fn tags_of(text: &str) -> Tags {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => map
            .into_iter()
            .filter_map(|(name, value)| Some((Arc::from(name), Arc::from(value.as_str()?))))
            .collect(),
        _ => Vec::new(),
    }
}

/// An attribution as a JSON object.
pub(super) fn who(who: &Attribution) -> String {
    json!({
        "key": &*who.key,
        "team": who.team.as_deref(),
        "organisation": who.organisation.as_deref(),
        "user": who.user.as_deref(),
        "run": who.run.as_deref(),
        "tags": tag_map(&who.tags),
    })
    .to_string()
}

/// The attribution of a JSON object.
pub(super) fn who_of(text: &str) -> Attribution {
    let read: Value = serde_json::from_str(text).unwrap_or_default();
    let named = |name: &str| read.get(name).and_then(Value::as_str).map(Arc::from);
    Attribution {
        key: named("key").unwrap_or_default(),
        team: named("team"),
        organisation: named("organisation"),
        user: named("user"),
        run: named("run"),
        tags: read
            .get("tags")
            .map(|tags| tags_of(&tags.to_string()))
            .unwrap_or_default(),
    }
}

/// Holds as JSON: an array of `[limit, bucket, resource, window_ms, amount]`.
pub(super) fn holds(holds: &[Held]) -> String {
    let rows = holds.iter().map(|held| {
        json!([
            &*held.limit,
            &*held.bucket,
            held.resource.name(),
            held.window_ms,
            held.amount
        ])
    });
    Value::Array(rows.collect()).to_string()
}

/// The holds of such an array.
pub(super) fn holds_of(text: &str) -> Vec<Held> {
    let rows: Vec<(String, String, String, i64, i64)> =
        serde_json::from_str(text).unwrap_or_default();
    rows.into_iter()
        .filter_map(|(limit, bucket, resource, window_ms, amount)| {
            Some(Held {
                limit: Arc::from(limit),
                bucket: Arc::from(bucket),
                resource: resource_of(&resource)?,
                window_ms,
                amount,
            })
        })
        .collect()
}

/// The resource of that name.
pub(super) fn resource_of(name: &str) -> Option<Resource> {
    [
        Resource::Money,
        Resource::Tokens,
        Resource::Requests,
        Resource::Concurrent,
    ]
    .into_iter()
    .find(|resource| resource.name() == name)
}

/// Losses as JSON; nothing for none.
pub(super) fn losses(losses: &[LossNote]) -> String {
    if losses.is_empty() {
        return String::new();
    }
    let rows = losses
        .iter()
        .map(|loss| json!({ "path": loss.path, "why": loss.why, "functional": loss.functional }));
    Value::Array(rows.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let whole = Attribution {
            key: Arc::from("bot"),
            team: Some(Arc::from("sup\"port")),
            organisation: None,
            user: Some(Arc::from("é\u{1f}")),
            run: None,
            tags: vec![
                (Arc::from("a"), Arc::from("1")),
                (Arc::from("b"), Arc::from("{}")),
            ],
        };
        assert_eq!(who_of(&who(&whole)), whole);
        let held = vec![Held {
            limit: Arc::from("team:support requests"),
            bucket: Arc::from("x"),
            resource: Resource::Tokens,
            window_ms: -1,
            amount: i64::MAX,
        }];
        assert_eq!(holds_of(&holds(&held)), held);
        for bits in 0..32 {
            assert_eq!(flag_bits(flags_of(bits)), bits);
        }
    }
}
