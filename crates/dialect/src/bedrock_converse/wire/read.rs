//! Reads content blocks.
//!
//! A block is an object whose one member says what it is. What the hub has no word
//! for is kept where it stood, and a block of a form that is not known is kept
//! whole. Reading must never change what a block says.

use super::format::media_type;
use super::{BESIDE, REDACTED, SIGNATURE, cache_point, own, required, spelled, text};
use crate::chat::{
    CacheMarker, Citation, Extra, Media, MediaSource, Opaque, Part, PartKind, Reasoning, ToolCall,
    ToolCallKind, ToolResult, given,
};
use crate::json::{Invalid, Json, Kind, Reader, Text};

/// How deep known blocks may stand in one another; what stands deeper is kept whole.
const LEVELS: u8 = 3;

/// Members that say what a block is, where the hub has a word for it.
const KINDS: [&str; 11] = [
    "text",
    "toolUse",
    "toolResult",
    "reasoningContent",
    "image",
    "document",
    "cachePoint",
    "json",
    "citationsContent",
    "video",
    "audio",
];

/// Reads a list of blocks.
pub(crate) fn blocks(reader: &mut Reader<'_>) -> Result<Vec<Part>, Invalid> {
    blocks_at(reader, 0)
}

fn blocks_at(reader: &mut Reader<'_>, level: u8) -> Result<Vec<Part>, Invalid> {
    let mut parts: Vec<Part> = Vec::new();
    reader.array(|_, element| {
        let mut whole = element.clone();
        match block(element, level)? {
            Block::Part(part) => parts.push(*part),
            Block::Cache(marker) => match parts.last_mut().filter(|last| last.cache.is_none()) {
                Some(last) => last.cache = Some(marker),
                None => parts.push(PartKind::Opaque(own("cachePoint", whole.json()?)).into()),
            },
        }
        Ok(())
    })?;
    Ok(parts)
}

enum Block {
    Part(Box<Part>),
    Cache(CacheMarker),
}

/// The member that says what a block is: the first that the hub has a word for and that
/// is no `null`, else the first of all.
fn kind_of(reader: &Reader<'_>) -> Result<String, Invalid> {
    let (mut known, mut any) = (None, None);
    let read = reader.clone().object(|key, member| {
        let guarded = key == "guardContent";
        if (guarded || KINDS.contains(&key)) && member.peek()? != Kind::Null {
            known = Some(key.to_owned());
            // Mostly the only member: it is read with the kind known.
            return Err(Invalid::new(""));
        }
        any.get_or_insert_with(|| key.to_owned());
        member.skip().map(drop)
    });
    match known {
        Some(known) => Ok(known),
        None => {
            read?;
            any.ok_or_else(|| Invalid::new("a block says nothing"))
        }
    }
}

fn block(reader: &mut Reader<'_>, level: u8) -> Result<Block, Invalid> {
    let kind = kind_of(reader)?;
    let mut whole = reader.clone();
    let mut part = Part::from(PartKind::Text(Text::default()));
    let (mut known, mut marker) = (None, None);
    let mut beside = Extra::default();
    reader.object(|key, member| {
        if key != kind {
            beside.push(key, member.json()?);
        } else if kind == "cachePoint" {
            marker = Some(cache_point(member)?);
        } else {
            known = content(member, &mut part, &kind, level)?;
        }
        Ok(())
    })?;
    if let Some(marker) = marker.filter(|_| beside.is_empty()) {
        return Ok(Block::Cache(marker));
    }
    match known {
        Some(known) => {
            part.kind = known;
            part.extra.keep_inner(BESIDE, &beside);
        }
        None => part = PartKind::Opaque(own(&kind, whole.json()?)).into(),
    }
    Ok(Block::Part(Box::new(part)))
}

/// Reads what a block of that kind holds; none where it is of a form that is not known.
fn content(
    reader: &mut Reader<'_>,
    part: &mut Part,
    kind: &str,
    level: u8,
) -> Result<Option<PartKind>, Invalid> {
    Ok(match kind {
        "text" => Some(PartKind::Text(reader.text()?)),
        "json" => {
            part.extra.note(spelled::JSON);
            Some(PartKind::Text(reader.raw()?.into()))
        }
        "image" | "document" | "video" | "audio" => read_media(reader, part, kind, level)?,
        "toolUse" => read_tool_use(reader, part)?,
        "toolResult" if level == 0 => read_tool_result(reader, part)?,
        "reasoningContent" => read_reasoning(reader, part)?,
        "citationsContent" => read_cited(reader, part)?,
        "guardContent" => read_guarded(reader, part)?,
        _ => {
            reader.skip()?;
            None
        }
    })
}

/// Where a medium's content is; none where its source is of a form that is not known.
struct Found {
    source: Option<MediaSource>,
    rest: Extra,
}

fn read_media(
    reader: &mut Reader<'_>,
    part: &mut Part,
    kind: &str,
    level: u8,
) -> Result<Option<PartKind>, Invalid> {
    let (mut word, mut name, mut found) = (None, None, None);
    let extra = &mut part.extra;
    reader.object(|key, member| {
        match key {
            "format" => word = given(member, extra, key, text)?,
            "name" if kind == "document" => name = given(member, extra, key, text)?,
            "source" => found = Some(read_source(member, level)?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let found = required(found, "source")?;
    let Some(source) = found.source else {
        return Ok(None);
    };
    let media_type = word.as_deref().and_then(|word| {
        let known = media_type(kind, word, &mut part.extra);
        if known.is_none() {
            part.extra.push("format", Json::string(word));
        }
        known
    });
    part.extra.keep_inner("s3Location", &found.rest);
    let media = Media {
        media_type,
        source,
        name,
        detail: None,
    };
    Ok(Some(match kind {
        "image" => PartKind::Image(media),
        "video" => PartKind::Video(media),
        "audio" => PartKind::Audio(media),
        _ => PartKind::Document(media),
    }))
}

fn read_source(reader: &mut Reader<'_>, level: u8) -> Result<Found, Invalid> {
    let mut found = Found {
        source: None,
        rest: Extra::default(),
    };
    let mut members = 0;
    reader.object(|key, member| {
        members += 1;
        match key {
            "bytes" => found.source = Some(MediaSource::Base64(text(member)?)),
            "text" => found.source = Some(MediaSource::Text(text(member)?)),
            "content" if level < LEVELS => {
                found.source = Some(MediaSource::Parts(blocks_at(member, level + 1)?));
            }
            "s3Location" => {
                let mut uri = None;
                member.object(|key, inner| {
                    match key {
                        "uri" => uri = Some(text(inner)?),
                        _ => found.rest.push(key, inner.json()?),
                    }
                    Ok(())
                })?;
                found.source = Some(MediaSource::File(required(uri, "uri")?));
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    // Two sources at once are of no form that is known.
    found.source = found.source.filter(|_| members == 1);
    Ok(found)
}

fn read_tool_use(reader: &mut Reader<'_>, part: &mut Part) -> Result<Option<PartKind>, Invalid> {
    let (mut id, mut name, mut input) = (None, None, None);
    let extra = &mut part.extra;
    let mut hosted = false;
    reader.object(|key, member| {
        match key {
            "toolUseId" => id = Some(text(member)?),
            "name" => name = Some(text(member)?),
            "input" => input = Some(member.raw()?.to_owned()),
            "type" => match given(member, extra, key, text)?.as_deref() {
                Some("tool_use") => extra.note(spelled::TYPED),
                Some(_) => hosted = true,
                None => {}
            },
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if hosted {
        return Ok(None);
    }
    Ok(Some(PartKind::ToolCall(ToolCall {
        id: required(id, "toolUseId")?,
        name: required(name, "name")?,
        arguments: required(input, "input")?,
        kind: ToolCallKind::Function,
    })))
}

fn read_tool_result(reader: &mut Reader<'_>, part: &mut Part) -> Result<Option<PartKind>, Invalid> {
    let (mut call_id, mut is_error, mut answer) = (None, None, None);
    let extra = &mut part.extra;
    let mut hosted = false;
    reader.object(|key, member| {
        match key {
            "toolUseId" => call_id = Some(text(member)?),
            "content" => answer = Some(blocks_at(member, 1)?),
            "status" => {
                let status = member.json()?;
                match status.text() {
                    "\"error\"" => is_error = Some(true),
                    "\"success\"" => is_error = Some(false),
                    _ => extra.push(key, status),
                }
            }
            // What ran the tool tells itself so.
            "type" => hosted = given(member, extra, key, text)?.is_some(),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if hosted {
        return Ok(None);
    }
    Ok(Some(PartKind::ToolResult(ToolResult {
        call_id: required(call_id, "toolUseId")?,
        is_error,
        parts: required(answer, "content")?,
        bare: false,
    })))
}

fn read_reasoning(reader: &mut Reader<'_>, part: &mut Part) -> Result<Option<PartKind>, Invalid> {
    let (mut words, mut opaque, mut members) = (None, None, 0);
    let extra = &mut part.extra;
    reader.object(|key, member| {
        members += 1;
        match key {
            "reasoningText" => member.object(|key, member| {
                match key {
                    "text" => words = Some(text(member)?),
                    "signature" => opaque = given(member, extra, key, signature)?.flatten(),
                    _ => extra.push(key, member.json()?),
                }
                Ok(())
            }),
            REDACTED => {
                let mut value = member.clone();
                member.string()?;
                opaque = Some(own(REDACTED, value.json()?));
                Ok(())
            }
            _ => member.skip().map(drop),
        }
    })?;
    let redacted = opaque.as_ref().is_some_and(|known| known.kind == REDACTED);
    if members != 1 || words.is_none() && !redacted {
        return Ok(None);
    }
    Ok(Some(PartKind::Reasoning(Reasoning {
        text: words.unwrap_or_default(),
        summary: false,
        opaque,
    })))
}

/// Reads a signature; an empty one is kept too, since it was given.
pub(crate) fn signature(reader: &mut Reader<'_>) -> Result<Option<Opaque>, Invalid> {
    let mut value = reader.clone();
    reader.string()?;
    Ok(Some(own(SIGNATURE, value.json()?)))
}

/// Reads text that cites: one text, or it is kept whole.
fn read_cited(reader: &mut Reader<'_>, part: &mut Part) -> Result<Option<PartKind>, Invalid> {
    let (mut words, mut plain) = (None, true);
    let extra = &mut part.extra;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("content", Kind::Array) => member.array(|at, piece| {
                piece.object(|key, member| {
                    if key == "text" && at == 0 {
                        words = Some(member.text()?);
                        return Ok(());
                    }
                    plain = false;
                    member.skip().map(drop)
                })
            })?,
            ("citations", Kind::Array) => member.array(|_, citation| {
                part.citations.push(read_citation(citation)?);
                Ok(())
            })?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    part.extra.note(spelled::CITED);
    Ok(words.filter(|_| plain).map(PartKind::Text))
}

/// Reads one citation of a text.
pub(crate) fn read_citation(reader: &mut Reader<'_>) -> Result<Citation, Invalid> {
    let value = reader.json()?;
    let (mut url, mut title, mut source, mut words) = (None, None, None, String::new());
    value.reader().object(|key, member| {
        match (key, member.peek()?) {
            ("title", Kind::String) => title = Some(text(member)?),
            ("source", Kind::String) => source = Some(text(member)?),
            ("sourceContent", Kind::Array) => member.array(|_, piece| {
                piece.object(|key, member| match (key, member.peek()?) {
                    ("text", Kind::String) => {
                        words.push_str(&member.string()?);
                        Ok(())
                    }
                    _ => member.skip().map(drop),
                })
            })?,
            ("location", Kind::Object) => member.object(|key, place| {
                if key != "web" || place.peek()? != Kind::Object {
                    return place.skip().map(drop);
                }
                place.object(|key, member| {
                    if key == "url" && member.peek()? == Kind::String {
                        url = Some(text(member)?);
                        return Ok(());
                    }
                    member.skip().map(drop)
                })
            })?,
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    let url = url.or(source.filter(|source| source.starts_with("http")));
    Ok(Citation {
        url,
        title,
        text: Some(words).filter(|words| !words.is_empty()),
        raw: own("citation", value),
    })
}

/// Reads text that a guardrail is to look at; anything else so marked is kept whole.
fn read_guarded(reader: &mut Reader<'_>, part: &mut Part) -> Result<Option<PartKind>, Invalid> {
    let (mut words, mut plain) = (None, true);
    let extra = &mut part.extra;
    reader.object(|key, member| {
        if key != "text" {
            plain = false;
            return member.skip().map(drop);
        }
        member.object(|key, member| {
            match key {
                "text" => words = Some(member.text()?),
                _ => extra.push(key, member.json()?),
            }
            Ok(())
        })
    })?;
    part.extra.note(spelled::GUARDED);
    Ok(words.filter(|_| plain).map(PartKind::Text))
}
