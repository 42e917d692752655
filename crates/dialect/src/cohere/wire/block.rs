//! Content blocks: text, reasoning, pictures, documents of tools.
//!
//! A block of a form that is not known is kept whole and returns as it was; it
//! must never be half understood.

use super::{OWN, own, planned, spelled, text};
use crate::chat::{Extra, Media, MediaSource, Part, PartKind, Reasoning, given};
use crate::json::{Invalid, Kind, Reader, Text, Writer};

/// Reads content that is a string or a list of blocks; says whether it was a string.
pub(crate) fn content(reader: &mut Reader<'_>) -> Result<(Vec<Part>, bool), Invalid> {
    if reader.peek()? == Kind::String {
        return Ok((vec![Part::text(reader.text()?)], true));
    }
    let mut parts = Vec::new();
    reader.array(|_, element| {
        parts.push(block(element)?);
        Ok(())
    })?;
    Ok((parts, false))
}

/// Reads one content block.
fn block(reader: &mut Reader<'_>) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let (mut kind, mut extra) = (String::new(), Extra::default());
    let (mut words, mut thought, mut picture, mut document) = (None, None, None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => kind = text(member)?,
            ("text", _) => words = given(member, &mut extra, key, Reader::text)?,
            ("thinking", Kind::String) => thought = Some(text(member)?),
            ("image_url", Kind::Object) => picture = image(member, &mut extra)?,
            ("document", Kind::Object) => document = data(member, &mut extra)?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let known = match (kind.as_str(), words, thought, picture, document) {
        ("text", Some(words), None, None, None) => Some(PartKind::Text(words)),
        ("thinking", None, Some(text), None, None) => Some(PartKind::Reasoning(Reasoning {
            text,
            ..Reasoning::default()
        })),
        ("image_url", None, None, Some(media), None) => Some(PartKind::Image(media)),
        ("document", None, None, None, Some(words)) => {
            extra.note(spelled::DOCUMENT);
            Some(PartKind::Text(words))
        }
        _ => None,
    };
    let Some(known) = known else {
        return Ok(PartKind::Opaque(own(&kind, whole.json()?)).into());
    };
    let mut part = Part::from(known);
    part.extra = extra;
    Ok(part)
}

fn image(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Option<Media>, Invalid> {
    let mut rest = Extra::default();
    let (mut url, mut detail) = (None, None);
    reader.object(|key, member| {
        match key {
            "url" => url = Some(text(member)?),
            "detail" => detail = given(member, &mut rest, key, text)?,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner("image_url", &rest);
    Ok(url.map(|url| {
        let (media_type, source) = address(url);
        Media {
            media_type,
            source,
            name: None,
            detail,
        }
    }))
}

/// Takes `data:<type>;base64,<data>` apart; any other address stays one.
fn address(url: String) -> (Option<String>, MediaSource) {
    let data = url.strip_prefix("data:");
    match data.and_then(|rest| rest.split_once(";base64,")) {
        Some((kind, data)) => {
            let kind = Some(kind).filter(|kind| !kind.is_empty());
            let source = MediaSource::Base64(data.to_owned());
            (kind.map(str::to_owned), source)
        }
        None => (None, MediaSource::Url(url)),
    }
}

/// Reads the data of a document that a tool gave: a string, or an object as its text.
fn data(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Option<Text>, Invalid> {
    let (mut words, mut rest) = (None, Extra::default());
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("data", Kind::String) => words = Some(member.text()?),
            ("data", Kind::Object) => {
                extra.note(spelled::OBJECT_DATA);
                words = Some(member.raw()?.into());
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner("document", &rest);
    Ok(words)
}

/// Whether the part stands in a message's content rather than beside it.
pub(crate) fn in_content(part: &Part) -> bool {
    match &part.kind {
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Refusal(_) => true,
        PartKind::Reasoning(_) => planned(part).is_none(),
        PartKind::Opaque(opaque) => opaque.origin == OWN && opaque.kind != super::TOOL_CALL,
        PartKind::ToolCall(_) | PartKind::ToolResult(_) => false,
    }
}

/// The words of a text part.
pub(crate) fn words(part: &Part) -> Option<&Text> {
    if let PartKind::Text(text) = &part.kind {
        Some(text)
    } else {
        None
    }
}

/// Writes a content block that the dialect has; otherwise writes nothing and says why.
/// `ours` is whether the part came from this dialect.
pub(crate) fn write_block(out: &mut Writer, part: &Part, ours: bool) -> Result<(), &'static str> {
    let node = Node { part, ours };
    match &part.kind {
        PartKind::Text(words) if ours && part.extra.noted(spelled::DOCUMENT) => {
            node.document(out, words);
        }
        PartKind::Text(words) => node.write(out, "text", |out| {
            out.key("text").text(words);
        }),
        PartKind::Refusal(words) => node.write(out, "text", |out| {
            out.key("text").string(words);
        }),
        PartKind::Reasoning(reasoning) => node.write(out, "thinking", |out| {
            out.key("thinking").string(&reasoning.text);
        }),
        PartKind::Image(media) => node.image(out, media)?,
        PartKind::Opaque(opaque) if opaque.origin == OWN => {
            out.json(&opaque.value);
        }
        PartKind::Opaque(_) => return Err("only the dialect it came from knows it"),
        PartKind::Audio(_) => return Err("Cohere's chat takes no sound"),
        PartKind::Video(_) => return Err("Cohere's chat takes no film"),
        PartKind::Document(_) => return Err("Cohere's chat takes no files"),
        PartKind::ToolCall(_) | PartKind::ToolResult(_) => {
            return Err("it cannot stand among the content of a message");
        }
    }
    Ok(())
}

/// A content block about to be written.
struct Node<'a> {
    part: &'a Part,
    ours: bool,
}

impl Node<'_> {
    fn write(&self, out: &mut Writer, kind: &str, inner: impl FnOnce(&mut Writer)) {
        out.object(|out| {
            out.key("type").string(kind);
            inner(out);
            if self.ours {
                self.part.extra.write_but(out, &["image_url", "document"]);
            }
        });
    }

    fn image(&self, out: &mut Writer, media: &Media) -> Result<(), &'static str> {
        let url = match &media.source {
            MediaSource::Url(url) => url.clone(),
            MediaSource::Base64(data) => {
                let media_type = media.media_type.as_deref().unwrap_or_default();
                format!("data:{media_type};base64,{data}")
            }
            MediaSource::File(_) => return Err("the file is stored at another provider"),
            MediaSource::Text(_) | MediaSource::Parts(_) => return Err("it is no picture"),
        };
        self.write(out, "image_url", |out| {
            out.key("image_url").object(|out| {
                out.key("url").string(&url);
                if let Some(detail) = &media.detail {
                    out.key("detail").string(detail);
                }
                if self.ours {
                    self.part.extra.write_inner(out, "image_url");
                }
            });
        });
        Ok(())
    }

    fn document(&self, out: &mut Writer, words: &Text) {
        self.write(out, "document", |out| {
            out.key("document").object(|out| {
                out.key("data");
                if self.part.extra.noted(spelled::OBJECT_DATA) {
                    out.raw(words);
                } else {
                    out.text(words);
                }
                self.part.extra.write_inner(out, "document");
            });
        });
    }
}
