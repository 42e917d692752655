//! Content of messages and results: text, refusals, pictures, files, sources cited.
//!
//! Content of a form that is not known is kept whole, and returns as it was; it
//! must never be half understood.

use super::{CONTENT, OWN, item_extra, own, spelled, text};
use crate::chat::{CacheMarker, Citation, Extra, Media, MediaSource, Part, PartKind, given};
use crate::json::{Invalid, Json, Kind, Reader, Text};

/// Reads content, a string or a list; says whether it was bare.
pub(crate) fn content(reader: &mut Reader<'_>) -> Result<(Vec<Part>, bool), Invalid> {
    if reader.peek()? == Kind::String {
        return Ok((vec![Part::text(reader.text()?)], true));
    }
    let mut parts = Vec::new();
    reader.array(|_, element| {
        parts.push(part(element)?);
        Ok(())
    })?;
    Ok((parts, false))
}

/// Members of one piece of content that the hub has words for.
#[derive(Default)]
struct Members {
    words: Option<Text>,
    url: Option<String>,
    file: Option<String>,
    data: Option<String>,
    name: Option<String>,
    detail: Option<String>,
    sound: Option<Media>,
    citations: Option<Vec<Citation>>,
    probabilities: bool,
}

/// Reads one piece of content.
pub(crate) fn part(reader: &mut Reader<'_>) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let mut kind = String::new();
    let mut found = Members::default();
    let mut cache = None;
    let mut extra = item_extra();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => kind = text(member)?,
            ("text" | "refusal", Kind::String) => found.words = Some(member.text()?),
            ("image_url" | "file_url", Kind::String) => found.url = Some(text(member)?),
            ("file_id", Kind::String) => found.file = Some(text(member)?),
            ("file_data", Kind::String) => found.data = Some(text(member)?),
            ("filename", Kind::String) => found.name = Some(text(member)?),
            ("detail", Kind::String) => found.detail = Some(text(member)?),
            ("input_audio", Kind::Object) => found.sound = sound(member, &mut extra)?,
            ("annotations", Kind::Array) => found.citations = Some(citations(member)?),
            ("logprobs", Kind::Array) => {
                found.probabilities = true;
                let list = member.json()?;
                if !is_empty(list.text()) {
                    extra.push(key, list);
                }
            }
            ("prompt_cache_breakpoint", Kind::Object) => cache = Some(breakpoint(member)?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let known = found.known(&kind, &mut extra);
    let Some((known, citations)) = known else {
        let kind = format!("{CONTENT}{kind}");
        return Ok(PartKind::Opaque(own(&kind, whole.json()?)).into());
    };
    let mut part = Part::from(known);
    part.citations = citations;
    part.cache = cache;
    part.extra = extra;
    Ok(part)
}

impl Members {
    /// What the members amount to, where every one of them belongs to that type.
    fn known(self, kind: &str, extra: &mut Extra) -> Option<(PartKind, Vec<Citation>)> {
        let says = self.words.is_some();
        let media = self.url.is_some() || self.file.is_some() || self.data.is_some();
        let stray = self.name.is_some() || self.detail.is_some();
        match kind {
            "input_text" | "output_text" if says && !media && !stray && self.sound.is_none() => {
                extra.note(if kind == "input_text" {
                    spelled::INPUT_TEXT
                } else {
                    spelled::OUTPUT_TEXT
                });
                if self.citations.is_none() {
                    extra.note(spelled::NO_ANNOTATIONS);
                }
                if !self.probabilities {
                    extra.note(spelled::NO_LOGPROBS);
                }
                let words = self.words?;
                Some((PartKind::Text(words), self.citations.unwrap_or_default()))
            }
            _ if self.citations.is_some() || self.probabilities => None,
            "refusal" if says && !media && !stray && self.sound.is_none() => {
                let words = self.words?.into_string();
                Some((PartKind::Refusal(words), Vec::new()))
            }
            _ if says => None,
            "input_image" if self.data.is_none() && self.name.is_none() => {
                let (media_type, source) = match (self.url, self.file) {
                    (Some(url), None) => address(url),
                    (None, Some(id)) => (None, MediaSource::File(id)),
                    (Some(_), Some(_)) | (None, None) => return None,
                };
                let image = Media {
                    media_type,
                    source,
                    name: None,
                    detail: self.detail,
                };
                Some((PartKind::Image(image), Vec::new()))
            }
            "input_file" => {
                if let Some(detail) = &self.detail {
                    extra.push("detail", Json::string(detail));
                }
                Some((PartKind::Document(self.document()?), Vec::new()))
            }
            "input_audio" if !media && !stray => Some((PartKind::Audio(self.sound?), Vec::new())),
            _ => None,
        }
    }

    fn document(self) -> Option<Media> {
        let (media_type, source) = match (self.data, self.file, self.url) {
            (Some(data), None, None) => match address(data) {
                (None, MediaSource::Url(data)) if data.contains(':') => {
                    drop(data);
                    return None;
                }
                (None, MediaSource::Url(data)) => (None, MediaSource::Base64(data)),
                known => known,
            },
            (None, Some(id), None) => (None, MediaSource::File(id)),
            (None, None, Some(url)) => (None, MediaSource::Url(url)),
            _ => return None,
        };
        Some(Media {
            media_type,
            source,
            name: self.name,
            detail: None,
        })
    }
}

/// Takes `data:<type>;base64,<data>` apart; any other address stays one.
fn address(url: String) -> (Option<String>, MediaSource) {
    match url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
    {
        Some(("", _)) | None => (None, MediaSource::Url(url)),
        Some((kind, data)) => (Some(kind.to_owned()), MediaSource::Base64(data.to_owned())),
    }
}

fn sound(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Option<Media>, Invalid> {
    let mut rest = Extra::default();
    let (mut data, mut format) = (None, None);
    reader.object(|key, member| {
        match key {
            "data" => data = given(member, &mut rest, key, text)?,
            "format" => format = given(member, &mut rest, key, text)?,
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

/// Reads a boundary of what the provider shall cache.
fn breakpoint(reader: &mut Reader<'_>) -> Result<CacheMarker, Invalid> {
    let mut extra = Extra::default();
    reader.object(|key, member| {
        let value = member.json()?;
        if key == "mode" && value.text() == r#""explicit""# {
            // That it is set by hand is what a marker means.
            extra.set_asides(&["mode"]);
        }
        extra.push(key, value);
        Ok(())
    })?;
    Ok(CacheMarker { ttl: None, extra })
}

/// Reads `annotations`.
fn citations(reader: &mut Reader<'_>) -> Result<Vec<Citation>, Invalid> {
    let mut list = Vec::new();
    reader.array(|_, element| {
        list.push(citation(element)?);
        Ok(())
    })?;
    Ok(list)
}

/// Reads one source that a text cites.
pub(crate) fn citation(reader: &mut Reader<'_>) -> Result<Citation, Invalid> {
    let mut whole = reader.clone();
    let (mut kind, mut url, mut title, mut file) = (String::new(), None, None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => kind = text(member)?,
            ("url", Kind::String) => url = Some(text(member)?),
            ("title", Kind::String) => title = Some(text(member)?),
            ("filename", Kind::String) => file = Some(text(member)?),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(Citation {
        url,
        title: title.or(file),
        text: None,
        raw: own(&kind, whole.json()?),
    })
}

/// Whether a JSON array is empty.
pub(crate) fn is_empty(array: &str) -> bool {
    let inner = array.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Whether the part stands in a message's content rather than being an item of its own.
pub(crate) fn in_content(part: &Part) -> bool {
    match &part.kind {
        PartKind::Text(_)
        | PartKind::Refusal(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_) => true,
        PartKind::Opaque(opaque) => opaque.origin == OWN && opaque.kind.starts_with(CONTENT),
        PartKind::Reasoning(_) | PartKind::ToolCall(_) | PartKind::ToolResult(_) => false,
    }
}
