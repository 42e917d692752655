//! Reads content blocks.
//!
//! What the hub has no word for is kept where it stood, and a block of a form
//! that is not known is kept whole. Reading must never change what a block says.

use super::{REDACTED, SIGNATURE, cache_marker, kind_of, own, required, spelled, text};
use crate::chat::{
    Citation, Extra, Media, MediaSource, Opaque, Part, PartKind, Reasoning, ToolCall, ToolCallKind,
    ToolResult, given,
};
use crate::json::{Invalid, Kind, Reader, Text};

/// How deep known blocks may stand in one another; what stands deeper is kept whole.
const LEVELS: u8 = 3;

/// Reads content that is a string or a list of blocks; says whether it was a string.
pub(crate) fn content(reader: &mut Reader<'_>) -> Result<(Vec<Part>, bool), Invalid> {
    content_at(reader, 0)
}

fn content_at(reader: &mut Reader<'_>, level: u8) -> Result<(Vec<Part>, bool), Invalid> {
    if reader.peek()? == Kind::String {
        return Ok((vec![Part::text(reader.text()?)], true));
    }
    let mut parts = Vec::new();
    reader.array(|_, element| {
        parts.push(block(element, level)?);
        Ok(())
    })?;
    Ok((parts, false))
}

/// Reads one content block.
fn block(reader: &mut Reader<'_>, level: u8) -> Result<Part, Invalid> {
    let kind = kind_of(reader)?;
    let mut part = Part::from(PartKind::Text(Text::default()));
    let whole = reader.clone();
    let known = match &*kind {
        "text" => Some(read_text(reader, &mut part)?),
        "image" | "document" => read_media(reader, &mut part, &kind, level)?,
        "tool_use" => Some(read_tool_use(reader, &mut part)?),
        "tool_result" if level == 0 => Some(read_tool_result(reader, &mut part)?),
        "thinking" | REDACTED => Some(read_thinking(reader, &mut part, &kind)?),
        _ => None,
    };
    match known {
        Some(known) => part.kind = known,
        None => {
            let mut again = whole;
            let value = again.json()?;
            *reader = again;
            part = PartKind::Opaque(own(&kind, value)).into();
        }
    }
    Ok(part)
}

/// Reads a member that any block may have.
fn common(part: &mut Part, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    match key {
        "type" => {
            member.skip()?;
        }
        "cache_control" => {
            part.cache = given(member, &mut part.extra, key, cache_marker)?;
        }
        _ => part.extra.push(key, member.json()?),
    }
    Ok(())
}

fn read_text(reader: &mut Reader<'_>, part: &mut Part) -> Result<PartKind, Invalid> {
    let mut words = None;
    reader.object(|key, member| match key {
        "text" => {
            words = Some(member.text()?);
            Ok(())
        }
        "citations" => {
            let raw = member.clone();
            if member.peek()? == Kind::Array {
                member.array(|_, citation| {
                    part.citations.push(read_citation(citation)?);
                    Ok(())
                })?;
            } else {
                member.skip()?;
            }
            if part.citations.is_empty() {
                part.extra.push(key, raw.clone().json()?);
            }
            Ok(())
        }
        _ => common(part, key, member),
    })?;
    Ok(PartKind::Text(required(words, "text")?))
}

/// Reads one citation of a text.
pub(crate) fn read_citation(reader: &mut Reader<'_>) -> Result<Citation, Invalid> {
    let value = reader.json()?;
    let (mut kind, mut url, mut title, mut words) = (String::new(), None, None, None);
    value.reader().object(|key, member| {
        let slot = match key {
            "type" => {
                kind = text(member)?;
                return Ok(());
            }
            "url" => &mut url,
            "title" | "document_title" => &mut title,
            "cited_text" => &mut words,
            _ => return member.skip().map(drop),
        };
        if !member.null()? {
            *slot = Some(text(member)?);
        }
        Ok(())
    })?;
    Ok(Citation {
        url,
        title,
        text: words,
        raw: own(&kind, value),
    })
}

/// Reads a picture or document; none where its source is of a form that is not known.
fn read_media(
    reader: &mut Reader<'_>,
    part: &mut Part,
    kind: &str,
    level: u8,
) -> Result<Option<PartKind>, Invalid> {
    let mut name = None;
    let mut found = None;
    reader.object(|key, member| match key {
        "source" => {
            found = Some(read_source(member, &mut part.extra, level)?);
            Ok(())
        }
        "title" if kind == "document" => {
            name = given(member, &mut part.extra, key, text)?;
            Ok(())
        }
        _ => common(part, key, member),
    })?;
    Ok(required(found, "source")?.map(|(media_type, source)| {
        let media = Media {
            media_type,
            source,
            name,
            detail: None,
        };
        match kind {
            "image" => PartKind::Image(media),
            _ => PartKind::Document(media),
        }
    }))
}

type Source = Option<(Option<String>, MediaSource)>;

fn read_source(reader: &mut Reader<'_>, extra: &mut Extra, level: u8) -> Result<Source, Invalid> {
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(None);
    }
    let kind = kind_of(reader)?;
    let (mut media_type, mut value, mut parts) = (None, None, None);
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match (&*kind, key) {
            (_, "type") => {
                member.skip()?;
            }
            ("base64" | "text", "media_type") => {
                media_type = given(member, &mut rest, key, text)?;
            }
            ("base64" | "text", "data") | ("url", "url") | ("file", "file_id") => {
                value = Some(text(member)?);
            }
            ("content", "content") if level < LEVELS => {
                let (inner, bare) = content_at(member, level + 1)?;
                if bare {
                    extra.note(spelled::BARE_SOURCE);
                }
                parts = Some(inner);
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner("source", &rest);
    let source = match (&*kind, value, parts) {
        ("base64", Some(data), _) => MediaSource::Base64(data),
        ("text", Some(data), _) => MediaSource::Text(data),
        ("url", Some(url), _) => MediaSource::Url(url),
        ("file", Some(id), _) => MediaSource::File(id),
        ("content", _, Some(parts)) => MediaSource::Parts(parts),
        _ => return Ok(None),
    };
    Ok(Some((media_type, source)))
}

fn read_tool_use(reader: &mut Reader<'_>, part: &mut Part) -> Result<PartKind, Invalid> {
    let (mut id, mut name, mut input) = (None, None, None);
    reader.object(|key, member| {
        match key {
            "id" => id = Some(text(member)?),
            "name" => name = Some(text(member)?),
            "input" => input = Some(member.raw()?.to_owned()),
            _ => common(part, key, member)?,
        }
        Ok(())
    })?;
    Ok(PartKind::ToolCall(ToolCall {
        id: required(id, "id")?,
        name: required(name, "name")?,
        arguments: required(input, "input")?,
        kind: ToolCallKind::Function,
    }))
}

fn read_tool_result(reader: &mut Reader<'_>, part: &mut Part) -> Result<PartKind, Invalid> {
    let (mut call_id, mut is_error, mut answer) = (None, None, None);
    reader.object(|key, member| {
        match key {
            "tool_use_id" => call_id = Some(text(member)?),
            "is_error" => is_error = given(member, &mut part.extra, key, Reader::bool)?,
            "content" => {
                answer = given(member, &mut part.extra, key, |r| content_at(r, 1))?;
            }
            _ => common(part, key, member)?,
        }
        Ok(())
    })?;
    let (parts, bare) = answer.unwrap_or_else(|| {
        part.extra.note(spelled::NO_CONTENT);
        (Vec::new(), false)
    });
    Ok(PartKind::ToolResult(ToolResult {
        call_id: required(call_id, "tool_use_id")?,
        is_error,
        parts,
        bare,
    }))
}

fn read_thinking(
    reader: &mut Reader<'_>,
    part: &mut Part,
    kind: &str,
) -> Result<PartKind, Invalid> {
    let (mut words, mut opaque, mut signed) = (None, None, false);
    reader.object(|key, member| {
        match (kind, key) {
            ("thinking", "thinking") => words = Some(text(member)?),
            ("thinking", "signature") => {
                signed = true;
                opaque = signature(member)?;
            }
            (REDACTED, "data") => {
                let mut value = member.clone();
                member.string()?;
                opaque = Some(own(REDACTED, value.json()?));
            }
            _ => common(part, key, member)?,
        }
        Ok(())
    })?;
    if kind == REDACTED {
        required(opaque.as_ref(), "data")?;
    } else if !signed {
        part.extra.note(spelled::UNSIGNED);
    }
    let text = match kind {
        REDACTED => String::new(),
        _ => required(words, "thinking")?,
    };
    Ok(PartKind::Reasoning(Reasoning {
        text,
        summary: false,
        opaque,
    }))
}

/// Reads a signature; an empty one is none.
pub(crate) fn signature(reader: &mut Reader<'_>) -> Result<Option<Opaque>, Invalid> {
    let mut value = reader.clone();
    let empty = reader.string()?.is_empty();
    Ok((!empty).then_some(own(SIGNATURE, value.json()?)))
}
