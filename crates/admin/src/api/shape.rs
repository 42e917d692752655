//! What several answers have in common: tokens, texts that may be absent, lengths of time.

use policy::caller::Tags;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use store::ledger::TokenCounts;

use crate::error::ApiError;
use crate::route::Answer;

/// Tokens by kind; none is counted twice.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    /// Input that no cache served.
    input: i64,
    /// Input read from a cache.
    cache_read: i64,
    /// Input written to a cache.
    cache_write: i64,
    /// Input written to a cache for an hour.
    cache_write_1h: i64,
    /// Input that is sound.
    audio_in: i64,
    /// Output without reasoning, where that is told apart.
    output: i64,
    /// Reasoning.
    reasoning: i64,
    /// Output that is sound.
    audio_out: i64,
}

impl From<TokenCounts> for Tokens {
    fn from(counts: TokenCounts) -> Self {
        Self {
            input: counts.input,
            cache_read: counts.cache_read,
            cache_write: counts.cache_write,
            cache_write_1h: counts.cache_write_1h,
            audio_in: counts.audio_in,
            output: counts.output,
            reasoning: counts.reasoning,
            audio_out: counts.audio_out,
        }
    }
}

/// A text that is there.
pub(super) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Microseconds as milliseconds.
pub(super) fn ms(us: i64) -> f64 {
    // Exact up to 285 years.
    #[expect(
        clippy::cast_precision_loss,
        reason = "durations of requests are small"
    )]
    let us = us as f64;
    us / 1000.0
}

/// Tags as a JSON object.
pub(super) fn tags(tags: &Tags) -> std::collections::BTreeMap<String, String> {
    let pairs = tags.iter();
    pairs
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// A text that is JSON, or `empty` where there is none.
pub(super) fn json(text: &str, empty: Value) -> Value {
    if text.is_empty() {
        return empty;
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Refuses viewers of one team.
pub(super) fn house(viewer: &Viewer, what: &str) -> Answer<()> {
    match viewer.team() {
        None => Ok(()),
        Some(_) => Err(ApiError::forbidden(format!(
            "{} may not {what}: that needs a role for the whole house",
            viewer.name
        ))),
    }
}
