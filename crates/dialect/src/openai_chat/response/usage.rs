//! Usage: counts that overlap on the wire, taken apart for the hub.
//!
//! Providers of this dialect differ in names and in what contains what; no
//! count may make another negative.

use crate::chat::Usage;
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Reads a usage object, whose counts overlap, into counts that do not.
pub(crate) fn usage(reader: &mut Reader<'_>) -> Result<Usage, Invalid> {
    let mut counts = Counts::default();
    let raw = reader.kept_object(|key, member| {
        match key {
            "prompt_tokens" => counts.prompt = count(member)?,
            "completion_tokens" => counts.completion = count(member)?,
            "total_tokens" => counts.total = count(member)?,
            // DeepSeek's and Moonshot's names beside OpenAI's details.
            "prompt_cache_hit_tokens" | "cached_tokens" => counts.cached = count(member)?,
            "prompt_tokens_details" | "completion_tokens_details"
                if member.peek()? == Kind::Object =>
            {
                let output = key == "completion_tokens_details";
                member.object(|key, member| {
                    match (key, output) {
                        ("cached_tokens", false) => {
                            counts.cached = counts.cached.max(count(member)?);
                        }
                        ("cache_write_tokens", false) => counts.written = count(member)?,
                        ("audio_tokens", false) => counts.audio_in = count(member)?,
                        ("audio_tokens", true) => counts.audio_out = count(member)?,
                        ("reasoning_tokens", true) => counts.reasoning = count(member)?,
                        _ => {
                            member.skip()?;
                        }
                    }
                    Ok(())
                })?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(counts.apart(raw))
}

#[derive(Default)]
struct Counts {
    prompt: u64,
    completion: u64,
    total: u64,
    cached: u64,
    written: u64,
    audio_in: u64,
    audio_out: u64,
    reasoning: u64,
}

impl Counts {
    /// Absurd numbers saturate: no part is larger than what is left of its whole, but for
    /// what was written to a cache beside it.
    fn apart(&self, raw: Json) -> Usage {
        let mut input = self.prompt;
        let mut output = self.completion;
        let take = |from: &mut u64, wanted: u64| {
            let part = wanted.min(*from);
            *from -= part;
            part
        };
        // xAI and Gemini leave reasoning out of the completion but not out of the total.
        let hidden = self
            .total
            .saturating_sub(self.prompt.saturating_add(self.completion));
        let reasoning = if hidden > 0 {
            hidden
        } else {
            take(&mut output, self.reasoning)
        };
        let cache_read = take(&mut input, self.cached);
        // OpenRouter charges what Gemini stored beside the prompt, which it was read in before.
        let cache_write = if self.written > input {
            self.written
        } else {
            take(&mut input, self.written)
        };
        Usage {
            cache_read,
            cache_write,
            cache_write_1h: 0,
            audio_in: take(&mut input, self.audio_in),
            input,
            audio_out: take(&mut output, self.audio_out),
            output,
            reasoning,
            raw: Some(raw),
            ..Usage::default()
        }
    }
}

/// A count; whatever is no whole number counts nothing.
fn count(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    Ok(reader.raw()?.parse().unwrap_or_default())
}

/// Writes a usage object from disjoint counts.
pub(crate) fn write_usage(out: &mut Writer, usage: &Usage) {
    let (input, output) = (usage.total_input(), usage.total_output());
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    out.object(|out| {
        out.key("prompt_tokens").number(input);
        out.key("completion_tokens").number(output);
        out.key("total_tokens").number(input.saturating_add(output));
        out.key("prompt_tokens_details").object(|out| {
            out.key("cached_tokens").number(usage.cache_read);
            out.key("audio_tokens").number(usage.audio_in);
            if written > 0 {
                out.key("cache_write_tokens").number(written);
            }
        });
        out.key("completion_tokens_details").object(|out| {
            out.key("reasoning_tokens").number(usage.reasoning);
            out.key("audio_tokens").number(usage.audio_out);
        });
    });
}
