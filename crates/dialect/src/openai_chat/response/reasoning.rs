//! Reasoning: a string under one of two names, and a list of details.
//!
//! The details carry what only the maker of the reasoning can use, signatures
//! of other dialects among it; such a value must return exactly as it came.

use super::message::in_content;
use crate::Dialect;
use crate::chat::{Extra, Opaque, Part, PartKind, Reasoning};
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::openai_chat::wire::{OWN, opaque, own, spelled, text};
use crate::reasoning::RETURNED;

/// Writes the reasoning of a message as members; `ours` is whether its fields are of this dialect.
pub(crate) fn write_reasoning(out: &mut Writer, parts: &[&Part], extra: &Extra, ours: bool) {
    let thoughts: Vec<(&Reasoning, &Extra)> = parts
        .iter()
        .filter(|part| !in_content(part))
        .filter_map(|part| {
            if let PartKind::Reasoning(reasoning) = &part.kind {
                Some((reasoning, &part.extra))
            } else {
                None
            }
        })
        .collect();
    if thoughts.is_empty() {
        return;
    }
    // To a provider that signed it, the words go back beside their signature alone.
    let said = thoughts
        .iter()
        .filter(|(r, extra)| !(extra.noted(RETURNED) && r.opaque.is_some()));
    let joined: String = said.map(|(r, _)| r.text.as_str()).collect();
    let detailed = extra.noted(spelled::DETAILS);
    let mut named = false;
    for name in [spelled::REASONING, spelled::REASONING_CONTENT] {
        if extra.noted(name) {
            named = true;
            out.key(name).string(&joined);
        }
    }
    if !named && !detailed && !joined.is_empty() {
        out.key(spelled::REASONING_CONTENT).string(&joined);
    }
    if detailed || thoughts.iter().any(|(r, _)| r.opaque.is_some()) {
        out.key(spelled::DETAILS).array(|out| {
            let none = Extra::default();
            for (index, (reasoning, extra)) in thoughts.iter().enumerate() {
                write_detail(out, index, reasoning, if ours { extra } else { &none });
            }
        });
    }
}

/// Writes one entry of `reasoning_details`.
///
/// The shape is OpenRouter's (<https://openrouter.ai/docs/use-cases/reasoning-tokens>); with the
/// name of a dialect as its `format`, an entry carries that dialect's own value back unchanged.
pub(crate) fn write_detail(out: &mut Writer, index: usize, reasoning: &Reasoning, extra: &Extra) {
    let text = &reasoning.text;
    out.object(|out| match &reasoning.opaque {
        Some(raw) if raw.origin == OWN => {
            // A stream brings the signature apart from the text that it signs.
            if raw.kind == "reasoning.text" && !text.is_empty() {
                raw.value.write_members(out, &["text"]);
                out.key("text").string(text);
            } else {
                raw.value.write_members(out, &[]);
            }
        }
        Some(raw) => {
            if raw.kind == "signature" {
                out.key("type").string("reasoning.text");
                out.key("text").string(text);
                out.key("signature").json(&raw.value);
            } else {
                out.key("type").string("reasoning.encrypted");
                if !text.is_empty() {
                    out.key("text").string(text);
                }
                out.key("data").json(&raw.value);
                out.key("kind").string(&raw.kind);
            }
            if reasoning.summary {
                out.key("summarized").bool(true);
            }
            out.key("format").string(raw.origin.name());
            if extra.get("index").is_none() {
                out.key("index").number(index);
            }
            extra.write(out);
        }
        None => {
            out.key("type").string("reasoning.text");
            out.key("text").string(text);
            out.key("index").number(index);
        }
    });
}

/// Reads one entry of `reasoning_details`, the `place`th there.
pub(crate) fn detail(reader: &mut Reader<'_>, place: usize) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let mut reasoning = Reasoning::default();
    let mut extra = Extra::default();
    let (mut kind, mut format, mut name, mut value) = (String::new(), None, None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => kind = text(member)?,
            ("text" | "summary", Kind::String) => reasoning.text = text(member)?,
            ("format", Kind::String) => format = Dialect::by_name(&member.string()?),
            ("kind", Kind::String) => name = Some(text(member)?),
            ("signature" | "data", _) => value = Some(member.json()?),
            ("summarized", Kind::Bool) => reasoning.summary = member.bool()?,
            ("index", Kind::Number) if member.clone().number()? == place.to_string() => {
                member.skip()?;
            }
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let foreign = format.filter(|dialect| *dialect != OWN).zip(value);
    let Some((origin, value)) = foreign else {
        reasoning.summary = kind == "reasoning.summary";
        let known = kind.starts_with("reasoning.");
        let kind = if known { &kind } else { opaque::DETAIL };
        reasoning.opaque = Some(own(kind, whole.json()?));
        return Ok(PartKind::Reasoning(reasoning).into());
    };
    reasoning.opaque = Some(Opaque {
        origin,
        kind: name.unwrap_or_else(|| "signature".to_owned()),
        value,
    });
    let mut part = Part::from(PartKind::Reasoning(reasoning));
    part.extra = extra;
    Ok(part)
}

/// The words of a reasoning part.
pub(crate) fn thought_text(part: &Part) -> &str {
    if let PartKind::Reasoning(reasoning) = &part.kind {
        &reasoning.text
    } else {
        ""
    }
}
