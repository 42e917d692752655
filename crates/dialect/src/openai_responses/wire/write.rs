//! Writes items and their content, the same in requests and answers.
//!
//! What came from this dialect is written as it was read. What has no form here
//! is a reported loss; nothing may be left out without one.

use super::content::in_content;
use super::media::{document, image, plain};
use super::reasoning::{is_unsealed, write_reasoning};
use super::{ITEM, MESSAGE, OWN, spelled};
use crate::chat::{
    CacheMarker, Citation, Extra, Media, MediaSource, Part, PartKind, ToolCall, ToolCallKind,
};
use crate::json::{Json, Text, Writer};
use crate::loss::{LossKind, Losses};

/// Why an item or a piece of content of another dialect stays behind.
pub(crate) const UNKNOWN: &str = "only the dialect it came from knows it";

/// Writes items.
pub(crate) struct Items<'a> {
    /// Whether what is written came from this dialect.
    pub(crate) ours: bool,
    /// Whether it is an answer, and its id.
    pub(crate) answer: Option<&'a str>,
    /// How many items were written.
    pub(crate) written: usize,
    /// The list of the answer's probabilities, until the text that they belong to.
    pub(crate) logprobs: Option<Json>,
    /// Takes what cannot be written.
    pub(crate) losses: &'a mut Losses,
}

/// The id of an answer's item: the same each time, and another in each answer.
pub(crate) fn item_id(prefix: &str, answer: &str, index: usize) -> String {
    let answer = answer.strip_prefix("resp_").unwrap_or(answer);
    let answer = answer
        .get(..answer.floor_char_boundary(48))
        .unwrap_or_default();
    match answer {
        "" => format!("{prefix}_{index}"),
        answer => format!("{prefix}_{answer}_{index}"),
    }
}

impl Items<'_> {
    /// Writes the parts of an assistant's turn as items; `at` gives a part's path.
    pub(crate) fn said(&mut self, out: &mut Writer, parts: &[Part], at: &dyn Fn(usize) -> String) {
        let parts: Vec<(usize, &Part)> = parts
            .iter()
            .enumerate()
            .filter(|(place, part)| self.has_form(part, || at(*place)))
            .collect();
        let mut rest = parts.as_slice();
        while let Some((first, more)) = rest.split_first() {
            let (place, part) = *first;
            if !in_content(part) {
                self.item(out, part, &at(place));
                rest = more;
                continue;
            }
            let more = more.iter().take_while(|(_, part)| {
                in_content(part) && !(self.ours && part.extra.noted(spelled::ITEM))
            });
            let (run, behind) = rest.split_at_checked(1 + more.count()).unwrap_or_default();
            self.message(out, run, at);
            rest = behind;
        }
    }

    /// Whether the part has a form here; one that has none is reported.
    fn has_form(&mut self, part: &Part, at: impl Fn() -> String) -> bool {
        match &part.kind {
            PartKind::Opaque(opaque) if opaque.origin != OWN => {
                self.losses.functional(at(), LossKind::Dropped, UNKNOWN);
                false
            }
            PartKind::Reasoning(reasoning) => {
                let foreign = reasoning.opaque.as_ref().is_none_or(|o| o.origin != OWN);
                if foreign && self.answer.is_none() {
                    let why = "past reasoning stays with its provider";
                    self.losses.tuning(at(), LossKind::Dropped, why);
                    return false;
                }
                let unsealed = reasoning.opaque.as_ref().is_some_and(is_unsealed);
                if !self.ours && self.answer.is_none() && unsealed {
                    let why = "it came without its encrypted content, and is not stored";
                    self.losses.tuning(at(), LossKind::Dropped, why);
                    return false;
                }
                !reasoning.text.is_empty() || reasoning.opaque.is_some()
            }
            PartKind::ToolResult(_) => {
                let why = "this role cannot say it";
                self.losses.functional(at(), LossKind::Dropped, why);
                false
            }
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::ToolCall(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_) => true,
        }
    }

    /// Writes a part that is an item of its own.
    fn item(&mut self, out: &mut Writer, part: &Part, at: &str) {
        match &part.kind {
            PartKind::ToolCall(call) => self.call(out, call, &part.extra),
            PartKind::Reasoning(reasoning) => {
                let id = self.id("rs");
                let none = Extra::default();
                let extra = if self.ours { &part.extra } else { &none };
                write_reasoning(out, reasoning, extra, &id);
                self.written += 1;
            }
            PartKind::Opaque(opaque) => {
                out.json(&opaque.value);
                self.written += 1;
            }
            // These stand in content, or were taken out before.
            PartKind::ToolResult(_)
            | PartKind::Text(_)
            | PartKind::Refusal(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_) => {}
        }
        if !self.ours {
            self.beside(part, at);
        }
    }

    fn id(&self, prefix: &str) -> String {
        item_id(prefix, self.answer.unwrap_or_default(), self.written)
    }

    fn call(&mut self, out: &mut Writer, call: &ToolCall, extra: &Extra) {
        let (kind, field, prefix) = call_words(call.kind);
        if !self.ours && call.kind == ToolCallKind::Function && call.arguments.trim().is_empty() {
            // A call without arguments has none, however that is written.
            let call = ToolCall {
                arguments: "{}".to_owned(),
                ..call.clone()
            };
            self.call(out, &call, extra);
            return;
        }
        let generated = self.answer.is_some() && (!self.ours || extra.is_empty());
        let id = self.id(prefix);
        out.object(|out| {
            out.key("type").string(kind);
            if generated {
                out.key("id").string(&id);
                out.key("status").string("completed");
            }
            out.key("call_id").string(&call.id);
            out.key("name").string(&call.name);
            out.key(field).string(&call.arguments);
            if self.ours {
                extra.write(out);
            }
        });
        self.written += 1;
    }

    /// Writes a message of the assistant.
    fn message(
        &mut self,
        out: &mut Writer,
        parts: &[(usize, &Part)],
        at: &dyn Fn(usize) -> String,
    ) {
        let Some(head) = parts.first().map(|(_, part)| &part.extra) else {
            return;
        };
        let id = self.id("msg");
        let generated = self.answer.is_some() && !(self.ours && head.noted(spelled::ITEM));
        let empty = head.noted(spelled::EMPTY_ITEM);
        let mut any = empty || self.ours;
        let wrote = out.attempt(|out| {
            out.object(|out| {
                if !(self.ours && head.noted(spelled::UNTYPED)) {
                    out.key("type").string("message");
                }
                if generated {
                    out.key("id").string(&id);
                    out.key("status").string("completed");
                }
                out.key("role").string("assistant");
                out.key("content");
                match parts {
                    [(place, only)] if self.is_bare(only) => {
                        any = true;
                        bare(out, only);
                        self.done(only, &at(*place));
                    }
                    _ if empty => {
                        out.array(|_| ());
                    }
                    list => {
                        out.array(|out| {
                            for (place, part) in list {
                                any |= self.content(out, part, &at(*place), true);
                            }
                        });
                    }
                }
                if self.ours {
                    head.write_inner(out, ITEM);
                    head.write_inner(out, MESSAGE);
                }
            });
            any
        });
        self.written += usize::from(wrote);
    }

    /// Whether the only part of a message stands there as a string.
    fn is_bare(&self, part: &Part) -> bool {
        if self.ours {
            return part.extra.noted(spelled::BARE);
        }
        self.answer.is_none() && matches!(part.kind, PartKind::Text(_))
    }

    /// Writes content of a message or a result; says whether it had a form.
    pub(crate) fn content(
        &mut self,
        out: &mut Writer,
        part: &Part,
        at: &str,
        assistant: bool,
    ) -> bool {
        let media = match &part.kind {
            PartKind::Text(words) => {
                let said = match self.ours {
                    true if part.extra.noted(spelled::INPUT_TEXT) => false,
                    true => assistant || part.extra.noted(spelled::OUTPUT_TEXT),
                    false => assistant,
                };
                self.words(out, (part, words), at, said);
                return self.done(part, at);
            }
            PartKind::Refusal(words) => {
                self.node(out, "refusal", part, |_, out| {
                    out.key("refusal").string(words);
                });
                return self.done(part, at);
            }
            PartKind::Opaque(opaque) if opaque.origin == OWN => {
                out.json(&opaque.value);
                return true;
            }
            _ if assistant && !self.ours => Err("this role cannot say it"),
            PartKind::Image(media) => image(media, self.ours).map(|list| ("input_image", list)),
            PartKind::Document(media) => {
                if let Some(words) = plain(media) {
                    let why = "the document goes as text";
                    self.losses.tuning(at, LossKind::Approximated, why);
                    if media.name.is_some() {
                        let why = "the words alone are sent";
                        self.losses
                            .tuning(format!("{at}.title"), LossKind::Dropped, why);
                    }
                    self.node(out, "input_text", part, |_, out| {
                        out.key("text").string(&words);
                    });
                    return self.done(part, at);
                }
                document(media, self.ours).map(|list| ("input_file", list))
            }
            PartKind::Audio(media) if self.ours => return self.sound(out, part, media, at),
            PartKind::Audio(_) => Err("responses take no sound"),
            PartKind::Video(_) => Err("responses take no video"),
            PartKind::Opaque(_) => Err(UNKNOWN),
            PartKind::Reasoning(_) | PartKind::ToolCall(_) | PartKind::ToolResult(_) => {
                Err("it cannot stand among the content of a message")
            }
        };
        match media {
            Ok((kind, members)) => {
                self.node(out, kind, part, |_, out| {
                    for (name, value) in members {
                        out.key(name).string(&value);
                    }
                });
                self.done(part, at)
            }
            Err(why) => {
                self.losses.functional(at, LossKind::Dropped, why);
                false
            }
        }
    }

    /// Writes a text; whether it was `said` by the model.
    fn words(&mut self, out: &mut Writer, (part, words): (&Part, &Text), at: &str, said: bool) {
        let kind = if said { "output_text" } else { "input_text" };
        self.node(out, kind, part, |pen, out| {
            out.key("text").text(words);
            if said {
                pen.beside_text(out, part, at);
            }
        });
    }

    fn node(
        &mut self,
        out: &mut Writer,
        kind: &str,
        part: &Part,
        inner: impl FnOnce(&mut Self, &mut Writer),
    ) {
        out.object(|out| {
            out.key("type").string(kind);
            inner(self, out);
            if self.ours {
                if let Some(CacheMarker { extra, .. }) = &part.cache {
                    out.key("prompt_cache_breakpoint")
                        .object(|out| extra.write(out));
                }
                part.extra.write_but(out, &[ITEM, MESSAGE, "input_audio"]);
            }
        });
    }

    fn done(&mut self, part: &Part, at: &str) -> bool {
        if !self.ours {
            self.beside(part, at);
        }
        true
    }

    /// What may stand on any part and cannot go along.
    pub(crate) fn beside(&mut self, part: &Part, at: &str) {
        if let Some(cache) = &part.cache {
            let why = "responses cache by themselves";
            let path = format!("{at}.cache_control");
            self.losses.tuning(path, LossKind::Dropped, why);
            report_extra(&cache.extra, &format!("{at}.cache_control."), self.losses);
        }
        if !part.citations.is_empty() && self.answer.is_none() {
            let why = "past citations stay with their provider";
            let path = format!("{at}.citations");
            self.losses.tuning(path, LossKind::Dropped, why);
        }
        report_extra(&part.extra, &format!("{at}."), self.losses);
    }

    /// Writes the sources that an output text cites, and its probabilities.
    fn beside_text(&mut self, out: &mut Writer, part: &Part, at: &str) {
        let extra = &part.extra;
        if self.answer.is_none() && !self.ours {
            return;
        }
        if !(self.ours && extra.noted(spelled::NO_ANNOTATIONS)) {
            out.key("annotations").array(|out| {
                for citation in &part.citations {
                    let form = write_citation(out, citation);
                    report_citation(citation, form, &format!("{at}.citations"), self.losses);
                }
            });
        }
        let marked = extra.noted(spelled::LOGPROBS);
        let list = match &self.logprobs {
            Some(_) if marked || !extra.noted(spelled::NO_LOGPROBS) => self.logprobs.take(),
            Some(_) | None => None,
        };
        match list {
            Some(list) => {
                out.key("logprobs").json(&list);
            }
            None if self.ours
                && (extra.noted(spelled::NO_LOGPROBS) || extra.get("logprobs").is_some()) => {}
            None => {
                out.key("logprobs").array(|_| ());
            }
        }
    }

    /// Writes sound as it was read.
    fn sound(&mut self, out: &mut Writer, part: &Part, media: &Media, at: &str) -> bool {
        let MediaSource::Base64(data) = &media.source else {
            return false;
        };
        let format = match media.media_type.as_deref().unwrap_or("audio/wav") {
            "audio/mpeg" => "mp3",
            "audio/x-wav" | "audio/wave" => "wav",
            other => other.strip_prefix("audio/").unwrap_or(other),
        };
        self.node(out, "input_audio", part, |_, out| {
            out.key("input_audio").object(|out| {
                out.key("data").string(data);
                out.key("format").string(format);
                part.extra.write_inner(out, "input_audio");
            });
        });
        self.done(part, at)
    }
}

/// The type of a call's item, the member that holds its arguments, and how its ids begin.
pub(crate) fn call_words(kind: ToolCallKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        ToolCallKind::Function => ("function_call", "arguments", "fc"),
        ToolCallKind::Custom => ("custom_tool_call", "input", "ctc"),
    }
}

/// Writes the words of a part as a string.
fn bare(out: &mut Writer, part: &Part) {
    if let PartKind::Text(words) = &part.kind {
        out.text(words);
    } else {
        out.string("");
    }
}

/// Writes a source as an entry of `annotations`; says whether there is a form for it.
pub(crate) fn write_citation(out: &mut Writer, citation: &Citation) -> bool {
    if citation.raw.origin == OWN {
        out.json(&citation.raw.value);
        return true;
    }
    let Some(url) = &citation.url else {
        return false;
    };
    out.object(|out| {
        out.key("type").string("url_citation");
        // Where in the text it belongs is not known, and clients need numbers.
        out.key("start_index").number(0);
        out.key("end_index").number(0);
        out.key("url").string(url);
        out.key("title")
            .string(citation.title.as_deref().unwrap_or_default());
    });
    true
}

/// Names what of a source did not go along; `form` is whether there was one for it.
pub(crate) fn report_citation(citation: &Citation, form: bool, at: &str, losses: &mut Losses) {
    if citation.raw.origin == OWN || losses.as_slice().iter().any(|loss| loss.path == at) {
        return;
    }
    let kind = if form {
        LossKind::Approximated
    } else {
        LossKind::Dropped
    };
    losses.tuning(at, kind, "responses cite addresses and titles only");
}

/// Reports the fields of another dialect that stay behind.
pub(crate) fn report_extra(extra: &Extra, under: &str, losses: &mut Losses) {
    for (name, _) in extra.said().filter(|(_, value)| !is_idle(value)) {
        let why = "responses have no such field";
        losses.tuning(format!("{under}{name}"), LossKind::Dropped, why);
    }
}

/// Whether a field is an empty list or object, which says nothing.
pub(crate) fn is_idle(value: &Json) -> bool {
    let inner = value.text().strip_prefix(['[', '{']);
    let inner = inner.and_then(|inner| inner.strip_suffix([']', '}']));
    inner.is_some_and(|inner| inner.trim().is_empty())
}
