//! What an answer used: counts that overlap on the wire, taken apart for the hub.
//!
//! What came from a cache is in the prompt's count; thoughts and what hosted tools put
//! into the prompt stand beside the other counts. No count may make another negative.

use crate::chat::Usage;
use crate::json::{Invalid, Kind, Reader, Writer};

/// Sound among the modalities, as a word and as its number.
const SOUND: [&str; 2] = ["\"AUDIO\"", "4"];

#[derive(Default)]
struct Counts {
    prompt: u64,
    cached: u64,
    candidates: u64,
    thoughts: u64,
    tool_use: u64,
    sound_in: u64,
    sound_cached: u64,
    sound_out: u64,
}

/// Reads a usage object, and the tier that served.
pub(crate) fn read_usage(reader: &mut Reader<'_>) -> Result<(Usage, Option<String>), Invalid> {
    let (mut counts, mut tier) = (Counts::default(), None);
    let raw = reader.kept_object(|key, member| {
        match (key, member.peek()?) {
            (_, Kind::Null) => {
                member.skip()?;
            }
            ("promptTokenCount", _) => counts.prompt = member.u64()?,
            ("cachedContentTokenCount", _) => counts.cached = member.u64()?,
            ("candidatesTokenCount", _) => counts.candidates = member.u64()?,
            ("thoughtsTokenCount", _) => counts.thoughts = member.u64()?,
            ("toolUsePromptTokenCount", _) => counts.tool_use = member.u64()?,
            ("promptTokensDetails", Kind::Array) => counts.sound_in = sound(member)?,
            ("cacheTokensDetails", Kind::Array) => counts.sound_cached = sound(member)?,
            ("candidatesTokensDetails", Kind::Array) => counts.sound_out = sound(member)?,
            ("serviceTier", Kind::String) => tier = Some(member.string()?.into_owned()),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    let cached = counts.cached.min(counts.prompt);
    let fresh = counts.prompt - cached;
    let sound_in = counts
        .sound_in
        .saturating_sub(counts.sound_cached)
        .min(fresh);
    let sound_out = counts.sound_out.min(counts.candidates);
    let usage = Usage {
        input: (fresh - sound_in).saturating_add(counts.tool_use),
        cache_read: cached,
        audio_in: sound_in,
        output: counts.candidates - sound_out,
        reasoning: counts.thoughts,
        audio_out: sound_out,
        raw: Some(raw),
        ..Usage::default()
    };
    Ok((usage, tier))
}

/// Whether a usage object counts anything yet: those within a stream may not.
pub(crate) fn counts_something(usage: &Usage) -> bool {
    usage.total_input() > 0 || usage.total_output() > 0
}

fn sound(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    let mut sum = 0u64;
    reader.array(|_, entry| {
        let (mut is_sound, mut tokens) = (false, 0);
        entry.object(|key, member| {
            match (key, member.peek()?) {
                ("modality", _) => is_sound = SOUND.contains(&member.raw()?),
                ("tokenCount", Kind::Number) => tokens = member.u64()?,
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        if is_sound {
            sum = sum.saturating_add(tokens);
        }
        Ok(())
    })?;
    Ok(sum)
}

/// Writes a usage object.
pub(crate) fn write_usage(out: &mut Writer, usage: &Usage, ours: bool, tier: Option<&str>) {
    if let Some(raw) = usage.raw.as_ref().filter(|_| ours) {
        out.json(raw);
        return;
    }
    let (input, output) = (usage.total_input(), usage.total_output());
    out.object(|out| {
        out.key("promptTokenCount").number(input);
        if usage.cache_read > 0 {
            out.key("cachedContentTokenCount").number(usage.cache_read);
        }
        out.key("candidatesTokenCount")
            .number(output.saturating_sub(usage.reasoning));
        if usage.reasoning > 0 {
            out.key("thoughtsTokenCount").number(usage.reasoning);
        }
        out.key("totalTokenCount")
            .number(input.saturating_add(output));
        for (name, tokens) in [
            ("promptTokensDetails", usage.audio_in),
            ("candidatesTokensDetails", usage.audio_out),
        ] {
            if tokens > 0 {
                out.key(name).array(|out| write_sound(out, tokens));
            }
        }
        if let Some(tier) = tier.and_then(tier_word) {
            out.key("serviceTier").string(tier);
        }
    });
}

/// Google's word for the tier that served, where it has one.
pub(crate) fn tier_word(tier: &str) -> Option<&'static str> {
    match tier {
        "default" | "standard" => Some("standard"),
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        _ => None,
    }
}

fn write_sound(out: &mut Writer, tokens: u64) {
    out.object(|out| {
        out.key("modality").string("AUDIO");
        out.key("tokenCount").number(tokens);
    });
}
