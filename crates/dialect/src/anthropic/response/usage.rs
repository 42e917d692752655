//! Why an answer ended and what it used: two small tables that whole answers and streams share.
//!
//! The API's input excludes what a cache served or stored and its output
//! includes thinking; nothing here may count a token twice.

use crate::anthropic::wire::kind_of;
use crate::chat::{Finish, FinishReason, Usage};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// The API's word for why an answer ended, and the hub's.
pub(crate) const REASONS: [(&str, FinishReason); 7] = [
    ("end_turn", FinishReason::Stop),
    ("stop_sequence", FinishReason::StopSequence),
    ("max_tokens", FinishReason::Length),
    ("tool_use", FinishReason::ToolCalls),
    ("refusal", FinishReason::Refusal),
    ("pause_turn", FinishReason::Pause),
    ("model_context_window_exceeded", FinishReason::ContextWindow),
];

pub(crate) fn finish(raw: String, stop_sequence: Option<String>) -> Finish {
    let known = REASONS.iter().find(|(word, _)| *word == raw);
    Finish {
        reason: known.map_or(FinishReason::Other, |(_, reason)| *reason),
        raw,
        stop_sequence,
        service_tier: None,
    }
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

/// The API's word for why an answer ended. Words that it has go on as they are, and
/// so do those that nobody knows.
pub(crate) fn finish_word<'a>(end: &'a Finish, turned: &Turned) -> &'a str {
    let own = (end.raw.as_str(), end.reason);
    if turned.ours || REASONS.contains(&own) {
        return &end.raw;
    }
    let reason = match end.reason {
        FinishReason::Stop | FinishReason::Other if turned.refusal => FinishReason::Refusal,
        FinishReason::Stop | FinishReason::Other if turned.tools => FinishReason::ToolCalls,
        FinishReason::ContentFilter => FinishReason::Refusal,
        FinishReason::Stop
        | FinishReason::Other
        | FinishReason::StopSequence
        | FinishReason::Length
        | FinishReason::ToolCalls
        | FinishReason::Refusal
        | FinishReason::Pause
        | FinishReason::ContextWindow => end.reason,
    };
    let known = REASONS.iter().find(|(_, known)| *known == reason);
    match known {
        Some((word, _)) => word,
        None if end.raw.is_empty() => "end_turn",
        None => &end.raw,
    }
}

/// Most members of a usage object that are kept.
const MEMBERS: usize = 64;

/// A usage object, or several of one stream together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    output: u64,
    thinking: u64,
    /// Input and output of compactions, which are billed and not in the counts above.
    aside: (u64, u64),
    service_tier: Option<String>,
    /// Whether that is the fast one.
    fast: bool,
    /// The members as they stood, the later ones in place of the earlier; at most [`MEMBERS`].
    members: Vec<(String, Json)>,
}

/// Reads the usage object of a whole answer, and the tier that served.
pub(crate) fn read_usage(reader: &mut Reader<'_>) -> Result<(Usage, Option<String>), Invalid> {
    let mut counts = Counts::default();
    let raw = reader.kept_object(|key, member| counts.take(key, member))?;
    Ok((counts.usage(raw), counts.service_tier))
}

impl Counts {
    /// Takes in a usage object; what it says replaces what was said before.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        reader.object(|key, member| {
            let value = member.clone();
            self.take(key, member)?;
            self.keep(key, value)
        })
    }

    fn take(&mut self, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
        if member.null()? {
            return Ok(());
        }
        match key {
            "input_tokens" => self.input = member.u64()?,
            "output_tokens" => self.output = member.u64()?,
            "cache_read_input_tokens" => self.cache_read = member.u64()?,
            "cache_creation_input_tokens" => self.cache_write = member.u64()?,
            "cache_creation" => {
                let long = &mut self.cache_write_1h;
                number_in(member, "ephemeral_1h_input_tokens", long)?;
            }
            "output_tokens_details" => {
                number_in(member, "thinking_tokens", &mut self.thinking)?;
            }
            "iterations" => self.aside = compactions(member)?,
            "service_tier" if !self.fast => {
                self.service_tier = Some(member.string()?.into_owned());
            }
            // A tier of its own price, told beside the other ones.
            "speed" if member.peek()? == Kind::String => {
                let speed = member.string()?;
                if speed == "fast" {
                    self.fast = true;
                    self.service_tier = Some(speed.into_owned());
                }
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    }

    /// Keeps a member as it stood; a `null` replaces nothing.
    fn keep(&mut self, key: &str, mut value: Reader<'_>) -> Result<(), Invalid> {
        let full = self.members.len() == MEMBERS;
        let old = self.members.iter_mut().find(|(name, _)| name == key);
        match old {
            Some(_) if value.peek()? == Kind::Null => {}
            Some((_, old)) => *old = value.json()?,
            None if full => {}
            None => self.members.push((key.to_owned(), value.json()?)),
        }
        Ok(())
    }

    /// The counts in the hub's words, and the tier that served.
    pub(crate) fn counted(&self) -> (Usage, Option<String>) {
        let raw = Json::written(|out| {
            out.object(|out| {
                for (name, value) in &self.members {
                    out.key(name).json(value);
                }
            });
        });
        (self.usage(raw), self.service_tier.clone())
    }

    fn usage(&self, raw: Json) -> Usage {
        let long = self.cache_write_1h.min(self.cache_write);
        let thinking = self.thinking.min(self.output);
        Usage {
            input: self.input.saturating_add(self.aside.0),
            cache_read: self.cache_read,
            cache_write: self.cache_write - long,
            cache_write_1h: long,
            output: (self.output - thinking).saturating_add(self.aside.1),
            reasoning: thinking,
            raw: Some(raw),
            ..Usage::default()
        }
    }
}

/// Reads one number of an object.
pub(crate) fn number_in(
    reader: &mut Reader<'_>,
    name: &str,
    into: &mut u64,
) -> Result<(), Invalid> {
    reader.object(|key, member| {
        if key == name && member.peek()? == Kind::Number {
            *into = member.u64()?;
        } else {
            member.skip()?;
        }
        Ok(())
    })
}

/// Input and output of the iterations that made room in the context. The API bills
/// them and leaves them out of the sums above the list.
pub(crate) fn compactions(reader: &mut Reader<'_>) -> Result<(u64, u64), Invalid> {
    let mut sum = (0u64, 0u64);
    if reader.peek()? != Kind::Array {
        reader.skip()?;
        return Ok(sum);
    }
    reader.array(|_, entry| {
        if kind_of(entry)? != "compaction" {
            return entry.skip().map(drop);
        }
        let mut counts = Counts::default();
        entry.object(|key, member| counts.take(key, member))?;
        let input = [counts.input, counts.cache_read, counts.cache_write];
        sum.0 = input.iter().fold(sum.0, |sum, n| sum.saturating_add(*n));
        sum.1 = sum.1.saturating_add(counts.output);
        Ok(())
    })?;
    Ok(sum)
}

/// Writes a usage object with all that the client libraries ask for.
pub(crate) fn write_usage(out: &mut Writer, usage: Option<&Usage>, ours: bool, tier: Option<&str>) {
    if let Some(raw) = usage.and_then(|usage| usage.raw.as_ref()).filter(|_| ours) {
        out.json(raw);
        return;
    }
    let none = Usage::default();
    let usage = usage.unwrap_or(&none);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    out.object(|out| {
        out.key("input_tokens")
            .number(usage.input.saturating_add(usage.audio_in));
        out.key("cache_creation_input_tokens").number(written);
        out.key("cache_read_input_tokens").number(usage.cache_read);
        out.key("cache_creation").object(|out| {
            out.key("ephemeral_5m_input_tokens")
                .number(usage.cache_write);
            out.key("ephemeral_1h_input_tokens")
                .number(usage.cache_write_1h);
        });
        out.key("output_tokens").number(usage.total_output());
        if usage.reasoning > 0 {
            out.key("output_tokens_details").object(|out| {
                out.key("thinking_tokens").number(usage.reasoning);
            });
        }
        out.key("server_tool_use").null();
        out.key("service_tier");
        match tier {
            Some("default" | "standard") => out.string("standard"),
            Some("priority") => out.string("priority"),
            Some("batch") => out.string("batch"),
            Some(_) | None => out.null(),
        };
    });
}
