//! Writes content blocks.
//!
//! What came from this dialect is written as it was read; what came from
//! another is fitted to what the API takes. What cannot be written is a
//! reported loss, never left out in silence.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{OWN, REDACTED, SIGNATURE, spelled, write_cache};
use crate::chat::{
    Extra, Media, MediaSource, Part, PartKind, Reasoning, ToolCall, ToolCallKind, ToolResult,
};
use crate::json::{Json, Text, Writer};
use crate::loss::{LossKind, Losses};

/// Reports the fields of another dialect that stood at a node, but for those named.
pub(crate) fn lose_extra(losses: &mut Losses, under: &str, extra: &Extra) {
    for (name, _) in extra.said() {
        let joint = if under.is_empty() { "" } else { "." };
        losses.tuning(
            format!("{under}{joint}{name}"),
            LossKind::Dropped,
            "messages have no such field",
        );
    }
}

/// Writes content blocks.
pub(crate) struct Blocks<'a> {
    /// Whether what is written came from this dialect.
    pub(crate) ours: bool,
    /// Whether it is an answer and not a request.
    pub(crate) answer: bool,
    /// Takes what cannot be written.
    pub(crate) losses: &'a mut Losses,
}

impl Blocks<'_> {
    /// Writes a part that the dialect has a block for, else reports it; says whether it was written.
    pub(crate) fn write(&mut self, out: &mut Writer, part: &Part, path: &str) -> bool {
        match &part.kind {
            PartKind::Text(words) => self.text(out, part, words, path),
            PartKind::Refusal(words) => {
                if !self.answer {
                    let why = "a refusal goes on as text";
                    self.losses.tuning(path, LossKind::Approximated, why);
                }
                self.text(out, part, &words.as_str().into(), path)
            }
            PartKind::Image(media) => self.media(out, part, ("image", media), path),
            PartKind::Document(media) => self.media(out, part, ("document", media), path),
            PartKind::Audio(_) => self.refuse(path, "messages carry no sound"),
            PartKind::Video(_) => self.refuse(path, "messages carry no film"),
            PartKind::Reasoning(reasoning) => self.reasoning(out, part, reasoning, path),
            PartKind::ToolCall(call) => self.tool_use(out, part, call, path),
            PartKind::ToolResult(result) => self.tool_result(out, part, result, path),
            PartKind::Opaque(opaque) if opaque.origin == OWN => {
                out.json(&opaque.value);
                true
            }
            PartKind::Opaque(opaque) if opaque.kind.contains("reasoning") => {
                let why = "only its maker can use it";
                self.losses.tuning(path, LossKind::Dropped, why);
                false
            }
            PartKind::Opaque(_) => self.refuse(path, "only its own dialect knows it"),
        }
    }

    fn refuse(&mut self, path: &str, why: &'static str) -> bool {
        self.losses.functional(path, LossKind::Dropped, why);
        false
    }

    /// Writes a block of that type, what `inner` writes, and what any block may have.
    fn object(
        &mut self,
        out: &mut Writer,
        (kind, part): (&str, &Part),
        path: &str,
        inner: impl FnOnce(&mut Self, &mut Writer),
    ) -> bool {
        out.object(|out| {
            out.key("type").string(kind);
            inner(self, out);
            if let Some(cache) = &part.cache {
                write_cache(out, cache, self.ours);
            }
            if self.ours {
                part.extra.write_but(out, &["source"]);
            }
        });
        if !self.ours {
            lose_extra(self.losses, path, &part.extra);
            if let Some(cache) = &part.cache {
                lose_extra(self.losses, &format!("{path}.cache_control"), &cache.extra);
            }
        }
        true
    }

    /// The API refuses empty texts, so those of other dialects are left out.
    fn text(&mut self, out: &mut Writer, part: &Part, words: &Text, path: &str) -> bool {
        if words.is_empty() && !self.ours {
            if part.cache.is_some() {
                let why = "the API takes no empty text to mark";
                let path = format!("{path}.cache_control");
                self.losses.tuning(path, LossKind::Dropped, why);
            }
            return false;
        }
        self.object(out, ("text", part), path, |blocks, out| {
            out.key("text").text(words);
            let (ours, others): (Vec<_>, Vec<_>) =
                part.citations.iter().partition(|c| c.raw.origin == OWN);
            if !ours.is_empty() {
                out.key("citations").array(|out| {
                    for citation in ours {
                        out.json(&citation.raw.value);
                    }
                });
            }
            if !others.is_empty() {
                let why = "citations have another form here";
                blocks
                    .losses
                    .tuning(format!("{path}.citations"), LossKind::Dropped, why);
            }
        })
    }

    fn media(
        &mut self,
        out: &mut Writer,
        part: &Part,
        (kind, media): (&str, &Media),
        path: &str,
    ) -> bool {
        if self.answer && !self.ours {
            return self.refuse(path, "answers hold no media");
        }
        let source = match source(kind, media, self.ours) {
            Ok(source) => source,
            Err(why) => return self.refuse(path, why),
        };
        if media.detail.as_deref().is_some_and(|d| d != "auto") {
            let why = "messages have no such field";
            self.losses
                .tuning(format!("{path}.detail"), LossKind::Dropped, why);
        }
        self.object(out, (kind, part), path, |blocks, out| {
            if let Some(name) = media.name.as_deref().filter(|_| kind == "document") {
                out.key("title").string(name);
            }
            out.key("source").object(|out| {
                out.key("type").string(source.kind);
                if let Some(media_type) = &source.media_type {
                    out.key("media_type").string(media_type);
                }
                match &media.source {
                    MediaSource::Parts(parts) => {
                        out.key("content");
                        let bare = part.extra.noted(spelled::BARE_SOURCE);
                        blocks.content(out, (parts, bare), &format!("{path}.source"));
                    }
                    MediaSource::Base64(_)
                    | MediaSource::Text(_)
                    | MediaSource::Url(_)
                    | MediaSource::File(_) => {
                        out.key(source.member).string(&source.value);
                    }
                }
                if blocks.ours {
                    part.extra.write_inner(out, "source");
                }
            });
        })
    }

    /// Writes content as a string where it is one, else as a list of blocks.
    pub(crate) fn content(&mut self, out: &mut Writer, content: (&[Part], bool), path: &str) {
        if let (
            [
                Part {
                    kind: PartKind::Text(words),
                    ..
                },
            ],
            true,
        ) = content
        {
            out.text(words);
            return;
        }
        out.array(|out| {
            for (at, part) in content.0.iter().enumerate() {
                self.write(out, part, &format!("{path}.result[{at}]"));
            }
        });
    }

    fn reasoning(
        &mut self,
        out: &mut Writer,
        part: &Part,
        reasoning: &Reasoning,
        path: &str,
    ) -> bool {
        let opaque = reasoning.opaque.as_ref();
        let known = opaque.filter(|opaque| opaque.origin == OWN);
        if opaque.is_some() && known.is_none() {
            let why = "only its maker can use it";
            let all = match reasoning.text.is_empty() {
                true => path.to_owned(),
                false => format!("{path}.signature"),
            };
            self.losses.tuning(all, LossKind::Dropped, why);
        }
        if let Some(data) = known.filter(|opaque| opaque.kind == REDACTED) {
            return self.object(out, (REDACTED, part), path, |_, out| {
                out.key("data").json(&data.value);
            });
        }
        let signed = known.filter(|opaque| opaque.kind == SIGNATURE);
        if signed.is_none() && !self.ours && !self.answer {
            let why = "the API refuses reasoning without its signature";
            self.losses.tuning(path, LossKind::Dropped, why);
            return false;
        }
        if signed.is_none() && !self.ours && reasoning.text.is_empty() {
            return false;
        }
        self.object(out, ("thinking", part), path, |_, out| {
            out.key("thinking").string(&reasoning.text);
            match signed {
                Some(signature) => {
                    out.key("signature").json(&signature.value);
                }
                None if part.extra.noted(spelled::UNSIGNED) => {}
                None => {
                    out.key("signature").string("");
                }
            }
        })
    }

    fn tool_use(&mut self, out: &mut Writer, part: &Part, call: &ToolCall, path: &str) -> bool {
        let input = self.input(call, path);
        let id = self.id(&call.id, &format!("{path}.id"));
        self.object(out, ("tool_use", part), path, |_, out| {
            out.key("id").string(&id);
            out.key("name").string(&call.name);
            out.key("input").raw(&input);
        })
    }

    /// A call's arguments as the object that the dialect wants.
    fn input<'c>(&mut self, call: &'c ToolCall, path: &str) -> Cow<'c, str> {
        let arguments = call.arguments.trim();
        if call.kind == ToolCallKind::Custom {
            let why = "free text goes on as the member `input`";
            self.losses
                .functional(format!("{path}.input"), LossKind::Approximated, why);
            let wrapped = Json::written(|out| {
                out.object(|out| {
                    out.key("input").string(&call.arguments);
                });
            });
            return Cow::Owned(wrapped.text().to_owned());
        }
        if arguments.is_empty() {
            return Cow::Borrowed("{}");
        }
        if arguments.starts_with('{') && Json::parse(arguments).is_ok() {
            return Cow::Borrowed(arguments);
        }
        let why = "the arguments are no JSON object";
        self.losses
            .functional(format!("{path}.arguments"), LossKind::Dropped, why);
        Cow::Borrowed("{}")
    }

    /// An id in the letters that the API takes for calls; answers keep theirs.
    fn id<'c>(&mut self, id: &'c str, path: &str) -> Cow<'c, str> {
        if self.ours || self.answer {
            return Cow::Borrowed(id);
        }
        let plain = plain_id(id);
        if plain != id {
            let why = "the API takes letters, digits, `_` and `-` only";
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        plain
    }

    fn tool_result(
        &mut self,
        out: &mut Writer,
        part: &Part,
        result: &ToolResult,
        path: &str,
    ) -> bool {
        let id = self.id(&result.call_id, &format!("{path}.tool_call_id"));
        self.object(out, ("tool_result", part), path, |blocks, out| {
            out.key("tool_use_id").string(&id);
            let absent = part.extra.noted(spelled::NO_CONTENT)
                || blocks.ours && part.extra.get("content").is_some()
                || !blocks.ours && result.parts.iter().all(says_nothing);
            if !absent {
                out.key("content");
                blocks.content(out, (&result.parts, result.bare), path);
            }
            if let Some(is_error) = result.is_error {
                out.key("is_error").bool(is_error);
            }
        })
    }
}

fn says_nothing(part: &Part) -> bool {
    matches!(&part.kind, PartKind::Text(words) if words.is_empty())
}

/// Each other byte becomes its value in two hexadecimal digits, so that ids stay apart.
fn plain_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !id.is_empty() && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    let mut out = String::from(if id.is_empty() { "none" } else { "" });
    for byte in id.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("_{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

/// The source of a picture or document, in the dialect's words.
struct Source<'a> {
    kind: &'static str,
    media_type: Option<Cow<'a, str>>,
    member: &'static str,
    value: Cow<'a, str>,
}

fn source<'a>(kind: &str, media: &'a Media, ours: bool) -> Result<Source<'a>, &'static str> {
    let given = media.media_type.as_deref().map(Cow::Borrowed);
    let made = |kind, media_type, member, value: &'a str| {
        Ok(Source {
            kind,
            media_type,
            member,
            value: Cow::Borrowed(value),
        })
    };
    match &media.source {
        MediaSource::Url(url) => made("url", None, "url", url),
        MediaSource::File(id) if ours => made("file", None, "file_id", id),
        MediaSource::File(_) => Err("the file is stored at another provider"),
        MediaSource::Parts(_) if kind == "document" => made("content", None, "content", ""),
        MediaSource::Text(words) if ours => made("text", given, "data", words),
        MediaSource::Text(words) if kind == "document" => {
            made("text", Some(Cow::Borrowed("text/plain")), "data", words)
        }
        MediaSource::Parts(_) | MediaSource::Text(_) => Err("it is no picture"),
        MediaSource::Base64(data) if ours => made("base64", given, "data", data),
        MediaSource::Base64(data) if kind == "image" => {
            let said = given.as_deref().filter(|said| PICTURES.contains(said));
            let known = said.or(sniff(data)).map(str::to_owned);
            let media_type = known.ok_or("messages take JPEG, PNG, GIF and WebP")?;
            made("base64", Some(Cow::Owned(media_type)), "data", data)
        }
        MediaSource::Base64(data) => match given.as_deref().or(sniff(data)) {
            Some("application/pdf") => made(
                "base64",
                Some(Cow::Borrowed("application/pdf")),
                "data",
                data,
            ),
            Some(text) if text.starts_with("text/") => Ok(Source {
                kind: "text",
                media_type: Some(Cow::Borrowed("text/plain")),
                member: "data",
                value: plain_text(data)
                    .ok_or("the document is no text in UTF-8")?
                    .into(),
            }),
            _ => Err("messages read PDF and plain text only"),
        },
    }
}

fn plain_text(data: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The pictures that the API takes.
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

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
