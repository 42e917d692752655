//! Content parts: text, pictures, sound, files.
//!
//! A part of a form that is not known is kept whole, and returns as it was;
//! it must never be half understood.

use super::{OWN, cache_marker, own, spelled, text, write_cache};
use crate::chat::{Extra, Media, MediaSource, Part, PartKind, Reasoning, given};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Reads one part of a message's content.
pub(crate) fn part(reader: &mut Reader<'_>) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let mut kind = String::new();
    let mut media = None;
    let mut words = None;
    let mut thinking = None;
    let mut cache = None;
    let mut odd = false;
    let mut extra = Extra::default();
    reader.object(|key, member| {
        match key {
            "type" => kind = text(member)?,
            "text" | "refusal" => words = given(member, &mut extra, key, Reader::text)?,
            "image_url" | "video_url" => media = url(member, key, &mut extra)?,
            "input_audio" => media = sound(member, &mut extra)?,
            "file" => media = file(member, &mut extra)?,
            "thinking" if member.peek()? == Kind::Array => thinking = lone_text(member)?,
            "cache_control" => cache = given(member, &mut extra, key, cache_marker)?,
            _ => extra.push(key, member.json()?),
        }
        odd |= matches!(key, "image_url" | "video_url" | "input_audio" | "file") && media.is_none();
        Ok(())
    })?;
    let known = match (kind.as_str(), words, media) {
        _ if odd => None,
        ("text", Some(words), None) => Some(PartKind::Text(words)),
        ("refusal", Some(words), None) => {
            extra.note(spelled::IN_CONTENT);
            Some(PartKind::Refusal(words.into_string()))
        }
        ("image_url", None, Some(media)) => Some(PartKind::Image(media)),
        ("video_url", None, Some(media)) => Some(PartKind::Video(media)),
        ("input_audio", None, Some(media)) => Some(PartKind::Audio(media)),
        ("file", None, Some(media)) => Some(PartKind::Document(media)),
        ("thinking", None, None) => thinking.map(|text| thought(text, &mut extra)),
        _ => None,
    };
    let Some(known) = known else {
        return Ok(PartKind::Opaque(own(&kind, whole.json()?)).into());
    };
    let mut part = Part::from(known);
    part.cache = cache;
    part.extra = extra;
    Ok(part)
}

/// The text of a list of one plain text part; none where the list is anything else.
fn lone_text(reader: &mut Reader<'_>) -> Result<Option<String>, Invalid> {
    let (mut texts, mut odd) = (Vec::new(), false);
    reader.array(|_, element| {
        if element.peek()? != Kind::Object {
            odd = true;
            return element.skip().map(drop);
        }
        element.object(|key, member| match (key, member.peek()?) {
            ("type", Kind::String) => {
                odd |= member.string()? != "text";
                Ok(())
            }
            ("text", Kind::String) => {
                texts.push(text(member)?);
                Ok(())
            }
            _ => {
                odd = true;
                member.skip().map(drop)
            }
        })
    })?;
    Ok(texts.pop().filter(|_| texts.is_empty() && !odd))
}

/// Mistral's reasoning, a part of the content.
fn thought(text: String, extra: &mut Extra) -> PartKind {
    extra.note(spelled::THINKING);
    if extra
        .get("closed")
        .is_some_and(|value| value.text() == "true")
    {
        extra.take("closed");
        extra.note(spelled::CLOSED);
    }
    PartKind::Reasoning(Reasoning {
        text,
        ..Reasoning::default()
    })
}

fn url(reader: &mut Reader<'_>, key: &str, extra: &mut Extra) -> Result<Option<Media>, Invalid> {
    let mut rest = Extra::default();
    let mut url = None;
    let mut detail = None;
    match reader.peek()? {
        Kind::String => {
            extra.note(spelled::BARE_URL);
            url = Some(text(reader)?);
        }
        Kind::Object => reader.object(|key, member| {
            match key {
                "url" => url = Some(text(member)?),
                "detail" => detail = given(member, &mut rest, key, text)?,
                _ => rest.push(key, member.json()?),
            }
            Ok(())
        })?,
        Kind::Array | Kind::Number | Kind::Bool | Kind::Null => {
            reader.skip()?;
        }
    }
    extra.keep_inner(key, &rest);
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
    match url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
    {
        Some(("", data)) => (None, MediaSource::Base64(data.to_owned())),
        Some((kind, data)) => (Some(kind.to_owned()), MediaSource::Base64(data.to_owned())),
        None => (None, MediaSource::Url(url)),
    }
}

fn sound(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Option<Media>, Invalid> {
    let mut rest = Extra::default();
    let mut data = None;
    let mut format = None;
    reader.object(|key, member| {
        match key {
            "data" => data = Some(text(member)?),
            "format" => format = Some(text(member)?),
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner("input_audio", &rest);
    Ok(data.zip(format).map(|(data, format)| Media {
        media_type: Some(match format.as_str() {
            "mp3" => "audio/mpeg".to_owned(),
            other => format!("audio/{other}"),
        }),
        source: MediaSource::Base64(data),
        name: None,
        detail: None,
    }))
}

fn file(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Option<Media>, Invalid> {
    let mut rest = Extra::default();
    let (mut data, mut id, mut name) = (None, None, None);
    reader.object(|key, member| {
        match key {
            "file_data" => data = given(member, &mut rest, key, text)?,
            "file_id" => id = given(member, &mut rest, key, text)?,
            "filename" => name = given(member, &mut rest, key, text)?,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    let (media_type, source) = match (data, id) {
        (Some(data), None) => match address(data) {
            (None, MediaSource::Url(url)) if !url.starts_with("http") => {
                (None, MediaSource::Base64(url))
            }
            known => known,
        },
        (None, Some(id)) => (None, MediaSource::File(id)),
        (Some(_), Some(_)) | (None, None) => return Ok(None),
    };
    extra.keep_inner("file", &rest);
    Ok(Some(Media {
        media_type,
        source,
        name,
        detail: None,
    }))
}

/// Writes a content part that the dialect has a form for; otherwise writes nothing
/// and says why. `ours` is whether the part came from this dialect.
pub(crate) fn write_part(out: &mut Writer, part: &Part, ours: bool) -> Result<(), &'static str> {
    let node = Node { part, ours };
    match &part.kind {
        PartKind::Text(text) => node.write(out, "text", |out| {
            out.key("text").text(text);
        }),
        PartKind::Refusal(text) => node.write(out, "refusal", |out| {
            out.key("refusal").string(text);
        }),
        PartKind::Image(media) => node.url(out, "image_url", media)?,
        PartKind::Video(media) if ours => node.url(out, "video_url", media)?,
        PartKind::Video(_) => return Err("chat completions take no video"),
        PartKind::Audio(media) => node.sound(out, media)?,
        PartKind::Document(media) => node.document(out, media)?,
        PartKind::Opaque(opaque) if opaque.origin == OWN => {
            out.json(&opaque.value);
        }
        PartKind::Reasoning(reasoning) if part.extra.noted(spelled::THINKING) => {
            node.thought(out, &reasoning.text);
        }
        PartKind::Opaque(_) => return Err("only the dialect it came from knows it"),
        PartKind::Reasoning(_) | PartKind::ToolCall(_) | PartKind::ToolResult(_) => {
            return Err("it cannot stand among the content of a message");
        }
    }
    Ok(())
}

/// A content part about to be written.
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
                if let Some(cache) = &self.part.cache {
                    write_cache(out, cache);
                }
                const WRITTEN: [&str; 4] = ["image_url", "video_url", "input_audio", "file"];
                self.part.extra.write_but(out, &WRITTEN);
            }
        });
    }

    /// Writes what this dialect kept of the inner object.
    fn rest(&self, out: &mut Writer, name: &str) {
        if self.ours {
            self.part.extra.write_inner(out, name);
        }
    }

    fn url(&self, out: &mut Writer, kind: &str, media: &Media) -> Result<(), &'static str> {
        let url = match &media.source {
            MediaSource::Url(url) => url.clone(),
            MediaSource::Base64(data) => data_url(media.media_type.as_deref(), data),
            MediaSource::File(_) if self.ours => return Err("a stored file has no form here"),
            MediaSource::File(_) => return Err("the file is stored at another provider"),
            MediaSource::Text(_) | MediaSource::Parts(_) => return Err("it is no picture"),
        };
        self.write(out, kind, |out| {
            if self.part.extra.noted(spelled::BARE_URL) {
                out.key(kind).string(&url);
                return;
            }
            out.key(kind).object(|out| {
                out.key("url").string(&url);
                if let Some(detail) = &media.detail {
                    out.key("detail").string(detail);
                }
                self.rest(out, kind);
            });
        });
        Ok(())
    }

    fn sound(&self, out: &mut Writer, media: &Media) -> Result<(), &'static str> {
        let MediaSource::Base64(data) = &media.source else {
            return Err("sound must be given in base64");
        };
        let format = match media.media_type.as_deref().unwrap_or("audio/wav") {
            "audio/mpeg" => "mp3",
            "audio/x-wav" | "audio/wave" => "wav",
            other => other.strip_prefix("audio/").unwrap_or(other),
        };
        self.write(out, "input_audio", |out| {
            out.key("input_audio").object(|out| {
                out.key("data").string(data);
                out.key("format").string(format);
                self.rest(out, "input_audio");
            });
        });
        Ok(())
    }

    fn thought(&self, out: &mut Writer, text: &str) {
        self.write(out, "thinking", |out| {
            out.key("thinking").array(|out| {
                out.object(|out| {
                    out.key("type").string("text");
                    out.key("text").string(text);
                });
            });
            if self.part.extra.noted(spelled::CLOSED) {
                out.key("closed").bool(true);
            }
        });
    }

    fn document(&self, out: &mut Writer, media: &Media) -> Result<(), &'static str> {
        let (field, value) = match &media.source {
            MediaSource::Base64(data) if media.media_type.is_none() => ("file_data", data.clone()),
            MediaSource::Base64(data) => ("file_data", data_url(media.media_type.as_deref(), data)),
            MediaSource::File(id) if self.ours => ("file_id", id.clone()),
            MediaSource::Url(url) if self.ours => ("file_data", url.clone()),
            MediaSource::File(_) => return Err("the file is stored at another provider"),
            MediaSource::Url(_) => return Err("chat completions fetch no documents"),
            MediaSource::Text(_) | MediaSource::Parts(_) => return Err("it is no file"),
        };
        let name = match (&media.name, self.ours) {
            (Some(name), _) => Some(name.as_str()),
            (None, true) => None,
            (None, false) if media.media_type.as_deref() == Some("application/pdf") => {
                Some("document.pdf")
            }
            (None, false) => Some("document"),
        };
        self.write(out, "file", |out| {
            out.key("file").object(|out| {
                out.key(field).string(&value);
                if let Some(name) = name {
                    out.key("filename").string(name);
                }
                self.rest(out, "file");
            });
        });
        Ok(())
    }
}

fn data_url(media_type: Option<&str>, data: &str) -> String {
    format!("data:{};base64,{data}", media_type.unwrap_or_default())
}
