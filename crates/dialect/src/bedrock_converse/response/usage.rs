//! Why an answer ended and what it used: two small tables that whole answers and streams share.
//!
//! The API's input excludes what a cache served or stored; nothing here may count
//! a token twice.

use crate::chat::{Finish, FinishReason, Usage};
use crate::codec::Broken;
use crate::json::{Invalid, Kind, Reader, Writer};

/// The API's word for why an answer ended, and the hub's; the first word for a reason is written.
pub(crate) const REASONS: [(&str, FinishReason); 7] = [
    ("end_turn", FinishReason::Stop),
    ("tool_use", FinishReason::ToolCalls),
    ("max_tokens", FinishReason::Length),
    ("stop_sequence", FinishReason::StopSequence),
    ("content_filtered", FinishReason::ContentFilter),
    ("guardrail_intervened", FinishReason::ContentFilter),
    ("model_context_window_exceeded", FinishReason::ContextWindow),
];

/// Words for what is no end but a breakdown: the model's output could not be read.
const MALFORMED: [&str; 2] = ["malformed_model_output", "malformed_tool_use"];

/// What a reason to stop means.
///
/// # Errors
/// [`Broken`] where the provider says that the answer is malformed.
pub(crate) fn finish(raw: String) -> Result<Finish, Broken> {
    if MALFORMED.contains(&raw.as_str()) {
        return Err(Broken::new(format!("the provider calls its answer {raw}")));
    }
    let known = REASONS.iter().find(|(word, _)| *word == raw);
    Ok(Finish {
        reason: known.map_or(FinishReason::Other, |(_, reason)| *reason),
        raw,
        stop_sequence: None,
        service_tier: None,
    })
}

/// What an answer's last word depends on beside its reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turned {
    /// Whether the answer came from this dialect.
    pub(crate) ours: bool,
    /// Whether it asks for tools.
    pub(crate) tools: bool,
    /// Whether it refuses.
    pub(crate) refusal: bool,
}

/// The API's word for why an answer ended. Words that it has go on as they are, and so do those
/// that nobody knows.
pub(crate) fn finish_word<'a>(end: &'a Finish, turned: &Turned) -> &'a str {
    let own = (end.raw.as_str(), end.reason);
    if turned.ours || REASONS.contains(&own) {
        return &end.raw;
    }
    let reason = match end.reason {
        FinishReason::Stop | FinishReason::Other if turned.refusal => FinishReason::ContentFilter,
        FinishReason::Stop | FinishReason::Other if turned.tools => FinishReason::ToolCalls,
        FinishReason::Refusal => FinishReason::ContentFilter,
        FinishReason::Pause => FinishReason::Stop,
        FinishReason::Stop
        | FinishReason::Other
        | FinishReason::StopSequence
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::ContentFilter
        | FinishReason::ContextWindow => end.reason,
    };
    let known = REASONS.iter().find(|(_, known)| *known == reason);
    match known {
        Some((word, _)) => word,
        None if end.raw.is_empty() => "end_turn",
        None => &end.raw,
    }
}

/// Reads a usage object.
pub(crate) fn read_usage(reader: &mut Reader<'_>) -> Result<Usage, Invalid> {
    let mut usage = Usage::default();
    // Some answers tell the cache's counts under an older name alone.
    let (mut read, mut written) = (None, None);
    let raw = reader.kept_object(|key, member| {
        if member.null()? {
            return Ok(());
        }
        match key {
            "inputTokens" => usage.input = member.u64()?,
            "outputTokens" => usage.output = member.u64()?,
            "cacheReadInputTokens" => usage.cache_read = member.u64()?,
            "cacheWriteInputTokens" => usage.cache_write = member.u64()?,
            "cacheReadInputTokenCount" => read = Some(member.u64()?),
            "cacheWriteInputTokenCount" => written = Some(member.u64()?),
            "cacheDetails" if member.peek()? == Kind::Array => {
                member.array(|_, detail| {
                    usage.cache_write_1h = usage.cache_write_1h.saturating_add(an_hour(detail)?);
                    Ok(())
                })?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    usage.cache_read = usage.cache_read.max(read.unwrap_or_default());
    usage.cache_write = usage.cache_write.max(written.unwrap_or_default());
    usage.cache_write_1h = usage.cache_write_1h.min(usage.cache_write);
    usage.cache_write -= usage.cache_write_1h;
    usage.raw = Some(raw);
    Ok(usage)
}

/// The tokens of an entry of `cacheDetails`, if they are kept for an hour.
fn an_hour(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    let (mut long, mut tokens) = (false, 0);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("ttl", Kind::String) => long = member.string()? == "1h",
            ("inputTokens", Kind::Number) => tokens = member.u64()?,
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(if long { tokens } else { 0 })
}

/// Writes a usage object with all that the client libraries ask for.
pub(crate) fn write_usage(out: &mut Writer, usage: Option<&Usage>, ours: bool) {
    if let Some(raw) = usage.and_then(|usage| usage.raw.as_ref()).filter(|_| ours) {
        out.json(raw);
        return;
    }
    let none = Usage::default();
    let usage = usage.unwrap_or(&none);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    out.object(|out| {
        out.key("inputTokens")
            .number(usage.input.saturating_add(usage.audio_in));
        out.key("outputTokens").number(usage.total_output());
        out.key("totalTokens")
            .number(usage.total_input().saturating_add(usage.total_output()));
        out.key("cacheReadInputTokens").number(usage.cache_read);
        out.key("cacheWriteInputTokens").number(written);
        if usage.cache_write_1h > 0 {
            let details = [("1h", usage.cache_write_1h), ("5m", usage.cache_write)];
            out.key("cacheDetails").array(|out| {
                for (ttl, tokens) in details.into_iter().filter(|(_, tokens)| *tokens > 0) {
                    out.object(|out| {
                        out.key("ttl").string(ttl);
                        out.key("inputTokens").number(tokens);
                    });
                }
            });
        }
    });
}
