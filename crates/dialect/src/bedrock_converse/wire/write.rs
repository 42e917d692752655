//! Writes content blocks.
//!
//! What came from this dialect is written as it was read; what came from
//! another is fitted to what the API takes. What cannot be written is a
//! reported loss, never left out in silence.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::format::{own_word, word};
use super::letters::{free_text, plain_id, plain_name};
use super::{BESIDE, OWN, REDACTED, SIGNATURE, spelled, write_cache};
use crate::chat::{
    Citation, Extra, Media, MediaSource, Part, PartKind, Reasoning, ToolCall, ToolCallKind,
    ToolResult,
};
use crate::json::{Json, Text, Writer};
use crate::loss::{LossKind, Losses};

/// Reports the fields of another dialect that stood at a node.
pub(crate) fn lose_extra(losses: &mut Losses, under: &str, extra: &Extra) {
    for (name, _) in extra.said().filter(|(_, value)| !idle(value)) {
        let joint = if under.is_empty() { "" } else { "." };
        let why = "Converse has no such field";
        losses.tuning(format!("{under}{joint}{name}"), LossKind::Dropped, why);
    }
}

/// Whether a field is an empty list or object, which says nothing.
pub(crate) fn idle(value: &Json) -> bool {
    let inner = value.text().strip_prefix(['[', '{']);
    let inner = inner.and_then(|inner| inner.strip_suffix([']', '}']));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Writes content blocks; one writer a document, since documents must have names of their own.
pub(crate) struct Blocks<'a> {
    /// Whether what is written came from this dialect.
    ours: bool,
    /// Whether it is an answer and not a request.
    answer: bool,
    names: BTreeSet<String>,
    /// Takes what cannot be written.
    pub(crate) losses: &'a mut Losses,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new((ours, answer): (bool, bool), losses: &'a mut Losses) -> Self {
        Self {
            ours,
            answer,
            names: BTreeSet::new(),
            losses,
        }
    }

    /// Writes a part that the dialect has a block for, and the cache boundary after it; else
    /// reports it. Says whether it was written.
    pub(crate) fn write(&mut self, out: &mut Writer, part: &Part, path: &str) -> bool {
        let written = self.block(out, part, path);
        let Some(marker) = &part.cache else {
            return written;
        };
        if !written {
            let why = "nothing stands before it";
            let path = format!("{path}.cache_control");
            self.losses.tuning(path, LossKind::Dropped, why);
            return false;
        }
        write_cache(out, marker, self.ours);
        if !self.ours {
            lose_extra(self.losses, &format!("{path}.cache_control"), &marker.extra);
        }
        written
    }

    fn block(&mut self, out: &mut Writer, part: &Part, path: &str) -> bool {
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
            PartKind::Audio(media) => self.media(out, part, ("audio", media), path),
            PartKind::Video(media) => self.media(out, part, ("video", media), path),
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

    /// Writes a block of that kind: what `inner` writes, and what stood beside it.
    fn object(
        &mut self,
        out: &mut Writer,
        (kind, part): (&str, &Part),
        path: &str,
        inner: impl FnOnce(&mut Self, &mut Writer),
    ) -> bool {
        out.object(|out| {
            inner(self, out.key(kind));
            if self.ours {
                part.extra.write_inner(out, BESIDE);
            }
        });
        if !self.ours {
            lose_extra(self.losses, path, &part.extra);
        }
        true
    }

    /// What was kept of the inside of a block, as members of it.
    fn rest(&self, out: &mut Writer, part: &Part) {
        if self.ours {
            part.extra.write_but(out, &[BESIDE, "s3Location"]);
        }
    }

    /// The API refuses blank texts, so those of other dialects are left out.
    fn text(&mut self, out: &mut Writer, part: &Part, words: &Text, path: &str) -> bool {
        if !self.ours && words.trim().is_empty() {
            if !words.is_empty() {
                let why = "the API refuses white space alone";
                self.losses.tuning(path, LossKind::Dropped, why);
            }
            return false;
        }
        if self.ours && part.extra.noted(spelled::JSON) {
            return self.object(out, ("json", part), path, |_, out| {
                out.raw(words);
            });
        }
        if self.ours && part.extra.noted(spelled::GUARDED) {
            return self.object(out, ("guardContent", part), path, |blocks, out| {
                out.object(|out| {
                    out.key("text").object(|out| {
                        out.key("text").text(words);
                        blocks.rest(out, part);
                    });
                });
            });
        }
        let citations = self.citations(&part.citations, path);
        if citations.is_empty() && !(self.ours && part.extra.noted(spelled::CITED)) {
            return self.object(out, ("text", part), path, |_, out| {
                out.text(words);
            });
        }
        self.object(out, ("citationsContent", part), path, |blocks, out| {
            out.object(|out| {
                out.key("content").array(|out| {
                    out.object(|out| {
                        out.key("text").text(words);
                    });
                });
                out.key("citations").array(|out| {
                    citations.iter().for_each(|citation| {
                        out.json(citation);
                    });
                });
                blocks.rest(out, part);
            });
        })
    }

    /// Citations in the dialect's form; of others, those that name a page, in answers alone.
    fn citations(&mut self, citations: &[Citation], path: &str) -> Vec<Json> {
        let told = citations.iter().filter(|_| self.ours || self.answer);
        let written: Vec<Json> = told.filter_map(own_citation).collect();
        if written.len() < citations.len() {
            let why = "citations have another form here";
            let path = format!("{path}.citations");
            self.losses.tuning(path, LossKind::Dropped, why);
        } else if !self.ours && !written.is_empty() {
            let why = "address, title and words of a source are told";
            let path = format!("{path}.citations");
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        written
    }

    fn media(
        &mut self,
        out: &mut Writer,
        part: &Part,
        (kind, media): (&str, &Media),
        path: &str,
    ) -> bool {
        let word = if self.ours {
            own_word(kind, media, &part.extra)
        } else {
            match fitting(kind, media) {
                Ok(word) => Some(word),
                Err(why) => return self.refuse(path, why),
            }
        };
        if media.detail.as_deref().is_some_and(|d| d != "auto") {
            let why = "Converse has no such field";
            self.losses
                .tuning(format!("{path}.detail"), LossKind::Dropped, why);
        }
        let name = self.name((kind, media), path);
        self.object(out, (kind, part), path, |blocks, out| {
            out.object(|out| {
                if let Some(word) = word {
                    out.key("format").string(word);
                }
                if let Some(name) = &name {
                    out.key("name").string(name);
                }
                out.key("source")
                    .object(|out| blocks.source(out, part, media, path));
                blocks.rest(out, part);
            });
        })
    }

    fn source(&mut self, out: &mut Writer, part: &Part, media: &Media, path: &str) {
        match &media.source {
            MediaSource::Base64(data) => {
                out.key("bytes").string(data);
            }
            MediaSource::Text(words) => {
                out.key("text").string(words);
            }
            MediaSource::Parts(parts) => {
                out.key("content").array(|out| {
                    for (at, part) in parts.iter().enumerate() {
                        self.write(out, part, &format!("{path}.source.content[{at}]"));
                    }
                });
            }
            MediaSource::File(uri) | MediaSource::Url(uri) => {
                out.key("s3Location").object(|out| {
                    out.key("uri").string(uri);
                    if self.ours {
                        part.extra.write_inner(out, "s3Location");
                    }
                });
            }
        }
    }

    /// A document's name, which the API demands, in the letters that it takes.
    fn name<'m>(&mut self, (kind, media): (&str, &'m Media), path: &str) -> Option<Cow<'m, str>> {
        if self.ours || kind != "document" {
            return media.name.as_deref().map(Cow::Borrowed);
        }
        let given = media.name.as_deref().unwrap_or_default();
        let plain = plain_name(given);
        let mut name = plain.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{plain} ({number})");
        }
        if media.name.is_some() && name != given {
            let why = "its name is written in the letters that the API takes";
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        Some(Cow::Owned(name))
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
            let all = if reasoning.text.is_empty() {
                path.to_owned()
            } else {
                format!("{path}.signature")
            };
            self.losses.tuning(all, LossKind::Dropped, why);
        }
        if let Some(data) = known.filter(|opaque| opaque.kind == REDACTED) {
            return self.object(out, ("reasoningContent", part), path, |_, out| {
                out.object(|out| {
                    out.key(REDACTED).json(&data.value);
                });
            });
        }
        let signed = known.filter(|opaque| opaque.kind == SIGNATURE);
        if signed.is_none() && !self.ours && !self.answer {
            let why = "models refuse reasoning without its signature";
            self.losses.tuning(path, LossKind::Dropped, why);
            return false;
        }
        if signed.is_none() && !self.ours && reasoning.text.is_empty() {
            return false;
        }
        self.object(out, ("reasoningContent", part), path, |blocks, out| {
            out.object(|out| {
                out.key("reasoningText").object(|out| {
                    out.key("text").string(&reasoning.text);
                    if let Some(signature) = signed {
                        out.key("signature").json(&signature.value);
                    }
                    blocks.rest(out, part);
                });
            });
        })
    }

    fn tool_use(&mut self, out: &mut Writer, part: &Part, call: &ToolCall, path: &str) -> bool {
        let input = self.input(call, path);
        let id = self.id(&call.id, &format!("{path}.id"));
        self.object(out, ("toolUse", part), path, |blocks, out| {
            out.object(|out| {
                out.key("toolUseId").string(&id);
                out.key("name").string(&call.name);
                out.key("input").raw(&input);
                if blocks.ours && part.extra.noted(spelled::TYPED) {
                    out.key("type").string("tool_use");
                }
                blocks.rest(out, part);
            });
        })
    }

    /// A call's arguments as the object that the models want.
    fn input<'c>(&mut self, call: &'c ToolCall, path: &str) -> Cow<'c, str> {
        let arguments = call.arguments.trim();
        if call.kind == ToolCallKind::Custom {
            let why = "free text goes on as the member `input`";
            self.losses
                .functional(format!("{path}.input"), LossKind::Approximated, why);
            return Cow::Owned(free_text(&call.arguments));
        }
        if arguments.is_empty() {
            return Cow::Borrowed("{}");
        }
        if (self.ours || arguments.starts_with('{')) && Json::parse(arguments).is_ok() {
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
            let why = "the API takes 64 letters, digits, `_`, `-`, `.` and `:`";
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
        self.object(out, ("toolResult", part), path, |blocks, out| {
            out.object(|out| {
                out.key("toolUseId").string(&id);
                out.key("content").array(|out| {
                    for (at, part) in result.parts.iter().enumerate() {
                        blocks.write(out, part, &result.place(path, at));
                    }
                });
                match result.is_error {
                    Some(true) => {
                        out.key("status").string("error");
                    }
                    Some(false) if blocks.ours => {
                        out.key("status").string("success");
                    }
                    Some(false) | None => {}
                }
                blocks.rest(out, part);
            });
        })
    }
}

/// A citation in the dialect's form: its own, or one that names a page.
pub(crate) fn own_citation(citation: &Citation) -> Option<Json> {
    if citation.raw.origin == OWN {
        return Some(citation.raw.value.clone());
    }
    let url = citation.url.as_deref()?;
    Some(Json::written(|out| {
        out.object(|out| {
            if let Some(title) = &citation.title {
                out.key("title").string(title);
            }
            if let Some(words) = &citation.text {
                out.key("sourceContent").array(|out| {
                    out.object(|out| {
                        out.key("text").string(words);
                    });
                });
            }
            out.key("location").object(|out| {
                out.key("web").object(|out| {
                    out.key("url").string(url);
                });
            });
        });
    }))
}

/// The word for the format of another dialect's medium, if the API can take it at all.
fn fitting(kind: &str, media: &Media) -> Result<&'static str, &'static str> {
    match &media.source {
        MediaSource::Url(url) if !url.starts_with("s3://") => {
            return Err("Converse fetches nothing but objects of S3");
        }
        MediaSource::File(_) => return Err("the file is stored at another provider"),
        MediaSource::Text(_) | MediaSource::Parts(_) if kind != "document" => {
            return Err("it is no picture, sound or film");
        }
        MediaSource::Parts(parts)
            if !parts
                .iter()
                .all(|part| matches!(part.kind, PartKind::Text(_))) =>
        {
            return Err("documents are made of text alone");
        }
        MediaSource::Url(_)
        | MediaSource::Text(_)
        | MediaSource::Parts(_)
        | MediaSource::Base64(_) => {}
    }
    word(kind, media).ok_or("the API has no word for its format")
}
