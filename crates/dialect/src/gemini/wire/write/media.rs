//! Pictures, sound, films and documents: here, or at an address.

use std::borrow::Cow;

use super::{Parts, lose_extra};
use crate::chat::{Media, MediaSource, Part};
use crate::gemini::wire::{names, spelled};
use crate::json::Writer;
use crate::loss::LossKind;

/// The member that holds a medium, the member in that, its value and media type.
type Held<'a> = (&'static str, &'static str, &'a str, Option<&'a str>);

impl<'a> Parts<'a> {
    pub(super) fn media(
        &mut self,
        out: &mut Writer,
        part: &'a Part,
        media: &'a Media,
        path: &str,
    ) -> bool {
        if media.detail.as_deref().is_some_and(|d| d != "auto") {
            let why = "contents have no such field";
            let path = format!("{path}.detail");
            self.losses.tuning(path, LossKind::Dropped, why);
        }
        if media.name.is_some() && !self.ours {
            let why = "it goes without its name";
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        match &media.source {
            MediaSource::Text(words) => self.as_text(out, part, words, path),
            MediaSource::Parts(parts) => self.as_parts(out, part, parts, path),
            MediaSource::File(_) if !self.ours => {
                self.refuse(path, "the file is stored at another provider")
            }
            MediaSource::File(uri) | MediaSource::Url(uri) => {
                let given = media.media_type.as_deref();
                let known = given.or_else(|| by_ending(uri).filter(|_| !self.ours));
                let value = ("fileData", "fileUri", uri.as_str(), known);
                self.holder(out, part, value, path)
            }
            MediaSource::Base64(data) => {
                let given = media.media_type.as_deref();
                let known = given.or_else(|| sniff(data).filter(|_| !self.ours));
                if known.is_none() && !self.ours {
                    return self.refuse(path, "the API must be told its media type");
                }
                let data = if self.ours && part.extra.noted(spelled::URL_SAFE) {
                    Cow::Owned(data.replace('+', "-").replace('/', "_"))
                } else {
                    Cow::Borrowed(data.as_str())
                };
                self.holder(out, part, ("inlineData", "data", &data, known), path)
            }
        }
    }

    fn holder(
        &mut self,
        out: &mut Writer,
        part: &'a Part,
        (holder, member, value, media_type): Held<'_>,
        path: &str,
    ) -> bool {
        let extra = &part.extra;
        let signature = self.signature(super::opaque::OF_PART);
        self.object(out, (part, signature), path, |parts, out| {
            out.key(names::write(holder, extra)).object(|out| {
                if let Some(media_type) = media_type {
                    out.key(names::write("mimeType", extra)).string(media_type);
                }
                out.key(names::write(member, extra)).string(value);
                if parts.ours {
                    if let Some(name) = parts.name_of(part) {
                        out.key(names::write("displayName", extra)).string(name);
                    }
                    extra.write_inner(out, holder);
                }
            });
        })
    }

    fn name_of(&self, part: &'a Part) -> Option<&'a str> {
        super::media_of(part)?.name.as_deref()
    }

    fn as_text(&mut self, out: &mut Writer, part: &'a Part, words: &str, path: &str) -> bool {
        let why = "the document goes as text";
        self.losses.tuning(path, LossKind::Approximated, why);
        if words.is_empty() {
            return false;
        }
        self.object(out, (part, None), path, |_, out| {
            out.key("text").string(words);
        })
    }

    fn as_parts(
        &mut self,
        out: &mut Writer,
        part: &'a Part,
        parts: &'a [Part],
        path: &str,
    ) -> bool {
        let why = "the document goes as its parts";
        self.losses.tuning(path, LossKind::Approximated, why);
        lose_extra(self.losses, path, &part.extra);
        self.uncached(part, path);
        let mut wrote = false;
        for (at, part) in parts.iter().enumerate() {
            wrote |= self.write(out, part, &format!("{path}.source.content[{at}]"));
        }
        wrote
    }
}

/// The media type that an address ends in.
fn by_ending(uri: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 12] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("pdf", "application/pdf"),
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("txt", "text/plain"),
    ];
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit_once('.')?;
    let known = ENDINGS
        .iter()
        .find(|(known, _)| ending.eq_ignore_ascii_case(known));
    known.map(|(_, media_type)| *media_type)
}

/// The media type that the first bytes tell, in base64.
fn sniff(data: &str) -> Option<&'static str> {
    const SIGNS: [(&str, &str); 5] = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0K", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    let sign = SIGNS.iter().find(|(sign, _)| data.starts_with(sign));
    sign.map(|(_, media_type)| *media_type)
}
