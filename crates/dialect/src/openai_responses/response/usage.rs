//! Usage: counts that overlap on the wire, taken apart for the hub.
//!
//! Input contains what came from a cache and what went into one, output contains
//! reasoning; no count may make another negative.

use crate::chat::Usage;
use crate::json::{Invalid, Json, Kind, Reader, Writer};

#[derive(Default)]
struct Counts {
    input: u64,
    output: u64,
    total: u64,
    cached: u64,
    written: u64,
    reasoning: u64,
}

/// Reads a usage object, whose counts overlap, into counts that do not.
pub(crate) fn usage(reader: &mut Reader<'_>) -> Result<Usage, Invalid> {
    let mut counts = Counts::default();
    let raw = reader.kept_object(|key, member| {
        match (key, member.peek()?) {
            ("input_tokens", _) => counts.input = count(member)?,
            ("output_tokens", _) => counts.output = count(member)?,
            ("total_tokens", _) => counts.total = count(member)?,
            ("input_tokens_details", Kind::Object) => member.object(|key, member| {
                match key {
                    "cached_tokens" => counts.cached = count(member)?,
                    "cache_write_tokens" => counts.written = count(member)?,
                    _ => {
                        member.skip()?;
                    }
                }
                Ok(())
            })?,
            ("output_tokens_details", Kind::Object) => member.object(|key, member| {
                if key == "reasoning_tokens" {
                    counts.reasoning = count(member)?;
                    return Ok(());
                }
                member.skip().map(drop)
            })?,
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(counts.apart(raw))
}

impl Counts {
    /// Absurd numbers saturate: no part is larger than what is left of its whole.
    fn apart(&self, raw: Json) -> Usage {
        let (mut input, mut output) = (self.input, self.output);
        let take = |from: &mut u64, wanted: u64| {
            let part = wanted.min(*from);
            *from -= part;
            part
        };
        // Some leave reasoning out of the output but not out of the total.
        let hidden = self
            .total
            .saturating_sub(self.input.saturating_add(self.output));
        let reasoning = if hidden > 0 {
            hidden
        } else {
            take(&mut output, self.reasoning)
        };
        Usage {
            cache_read: take(&mut input, self.cached),
            cache_write: take(&mut input, self.written),
            cache_write_1h: 0,
            audio_in: 0,
            input,
            audio_out: 0,
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

/// Writes a usage object: as it came, where it is ours, else from disjoint counts.
pub(crate) fn write_usage(out: &mut Writer, usage: &Usage, ours: bool) {
    if let Some(raw) = usage.raw.as_ref().filter(|_| ours) {
        out.json(raw);
        return;
    }
    let (input, output) = (usage.total_input(), usage.total_output());
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    out.object(|out| {
        out.key("input_tokens").number(input);
        out.key("input_tokens_details").object(|out| {
            out.key("cached_tokens").number(usage.cache_read);
            out.key("cache_write_tokens").number(written);
        });
        out.key("output_tokens").number(output);
        out.key("output_tokens_details").object(|out| {
            out.key("reasoning_tokens").number(usage.reasoning);
        });
        out.key("total_tokens").number(input.saturating_add(output));
    });
}
