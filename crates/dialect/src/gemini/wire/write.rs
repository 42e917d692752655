//! Writes the parts of a content.
//!
//! What came from this dialect is written as it was read; what came from another is
//! fitted to what the API takes. What cannot be written is a reported loss, never left
//! out in silence.

mod media;

use std::borrow::Cow;
use std::collections::HashMap;

use super::{OWN, UNSIGNED, envelope, is_stand_in, names, opaque, spelled};
use crate::chat::{Extra, Media, Part, PartKind, Reasoning, ToolCall, ToolCallKind, ToolResult};
use crate::json::{Json, Text, Writer};
use crate::loss::{LossKind, Losses};

/// Reports the fields of another dialect that stood at a node.
pub(crate) fn lose_extra(losses: &mut Losses, under: &str, extra: &Extra) {
    for (name, _) in extra.said().filter(|(_, value)| !idle(value)) {
        let joint = if under.is_empty() { "" } else { "." };
        let why = "contents have no such field";
        losses.tuning(format!("{under}{joint}{name}"), LossKind::Dropped, why);
    }
}

/// Whether a field is an empty list or object, which says nothing.
pub(crate) fn idle(value: &Json) -> bool {
    let inner = value.text().strip_prefix(['[', '{']);
    let inner = inner.and_then(|inner| inner.strip_suffix([']', '}']));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Writes parts.
pub(crate) struct Parts<'a> {
    /// Whether what is written came from this dialect.
    pub(crate) ours: bool,
    /// Whether it is an answer and not a request.
    pub(crate) answer: bool,
    /// Names of the tools called, by the call's id.
    pub(crate) called: &'a HashMap<&'a str, &'a str>,
    /// Signatures that wait for what they sign: their kind and value.
    pub(crate) waiting: Vec<(&'a str, &'a Json)>,
    /// Whether the turn's first call was written: only that one is signed.
    pub(crate) first_call_written: bool,
    /// Whether the model is to think, so that a call without its thoughts is one with less.
    pub(crate) thinks: bool,
    /// Takes what cannot be written.
    pub(crate) losses: &'a mut Losses,
}

impl<'a> Parts<'a> {
    /// Writes a part; says whether something was written.
    pub(crate) fn write(&mut self, out: &mut Writer, part: &'a Part, path: &str) -> bool {
        match &part.kind {
            PartKind::Text(words) => self.text(out, part, words, path),
            PartKind::Refusal(words) => {
                let why = "a refusal goes on as text";
                self.losses.tuning(path, LossKind::Approximated, why);
                self.text(out, part, &words.as_str().into(), path)
            }
            PartKind::Image(media)
            | PartKind::Audio(media)
            | PartKind::Video(media)
            | PartKind::Document(media) => self.media(out, part, media, path),
            PartKind::Reasoning(reasoning) => self.reasoning(out, part, reasoning, path),
            PartKind::ToolCall(call) => self.call(out, part, call, path),
            PartKind::ToolResult(result) => self.result(out, part, result, path),
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

    /// Writes what signs the end of a content, and reports signatures that found nothing to sign.
    pub(crate) fn flush(&mut self, out: &mut Writer, path: &str) -> bool {
        let mut wrote = false;
        for (kind, value) in std::mem::take(&mut self.waiting) {
            if kind == opaque::OF_TEXT {
                wrote = true;
                out.object(|out| {
                    out.key("text").string("");
                    out.key("thoughtSignature").json(value);
                });
            } else {
                let why = "what it signs is not there";
                let path = format!("{path}.thoughtSignature");
                self.losses.tuning(path, LossKind::Dropped, why);
            }
        }
        wrote
    }

    fn refuse(&mut self, path: &str, why: &'static str) -> bool {
        self.losses.functional(path, LossKind::Dropped, why);
        false
    }

    /// Writes a part with what `inner` writes, its signature, and what any part may have.
    fn object(
        &mut self,
        out: &mut Writer,
        (part, signature): (&'a Part, Option<Cow<'a, Json>>),
        path: &str,
        inner: impl FnOnce(&mut Self, &mut Writer),
    ) -> bool {
        out.object(|out| {
            inner(self, out);
            if let Some(signature) = &signature {
                let name = names::write("thoughtSignature", &part.extra);
                out.key(name).json(signature);
            }
            if self.ours {
                part.extra.write_but(out, &INNER);
            }
        });
        if !self.ours {
            lose_extra(self.losses, path, &part.extra);
        }
        self.uncached(part, path);
        true
    }

    /// Reports a cache marker.
    fn uncached(&mut self, part: &Part, path: &str) {
        if part.cache.is_some() {
            let why = "contents are cached by themselves";
            let path = format!("{path}.cache_control");
            self.losses.tuning(path, LossKind::Dropped, why);
        }
    }

    /// The signature of that kind that waits, if one does.
    fn signature(&mut self, kind: &str) -> Option<Cow<'a, Json>> {
        let at = self.waiting.iter().position(|(waits, _)| *waits == kind)?;
        Some(Cow::Borrowed(self.waiting.remove(at).1))
    }

    /// Empty texts of other dialects are left out: the API refuses them.
    fn text(&mut self, out: &mut Writer, part: &'a Part, words: &Text, path: &str) -> bool {
        if words.is_empty() && !self.ours {
            if part.cache.is_some() {
                let why = "the API takes no empty text to mark";
                let path = format!("{path}.cache_control");
                self.losses.tuning(path, LossKind::Dropped, why);
            }
            return false;
        }
        let foreign = part.citations.iter().any(|c| c.raw.origin != OWN);
        if foreign && !self.answer {
            let why = "past citations stay with their provider";
            let path = format!("{path}.citations");
            self.losses.tuning(path, LossKind::Dropped, why);
        }
        let signature = self.signature(opaque::OF_TEXT);
        self.object(out, (part, signature), path, |_, out| {
            out.key("text").text(words);
        })
    }

    fn reasoning(
        &mut self,
        out: &mut Writer,
        part: &'a Part,
        reasoning: &'a Reasoning,
        path: &str,
    ) -> bool {
        let known = reasoning.opaque.as_ref().filter(|o| o.origin == OWN);
        if let Some(value) = known.filter(|o| is_stand_in(&o.kind) && reasoning.text.is_empty()) {
            if part.extra.noted(spelled::EMPTY) {
                return self.object(
                    out,
                    (part, Some(Cow::Borrowed(&value.value))),
                    path,
                    |_, out| {
                        out.key("text").string("");
                    },
                );
            }
            self.waiting.push((&value.kind, &value.value));
            return false;
        }
        let foreign = reasoning.opaque.as_ref().filter(|o| o.origin != OWN);
        if foreign.is_some() && !self.answer {
            let why = "only its maker can use it";
            let all = match reasoning.text.is_empty() {
                true => path.to_owned(),
                false => format!("{path}.signature"),
            };
            self.losses.tuning(all, LossKind::Dropped, why);
        }
        if known.is_none() && !self.ours && !self.answer {
            let why = "past reasoning stays with its provider";
            self.losses.tuning(path, LossKind::Dropped, why);
            return false;
        }
        let signature = match (known, foreign) {
            (Some(value), _) => Some(Cow::Borrowed(&value.value)),
            (None, Some(value)) if self.answer => Some(Cow::Owned(envelope::wrap(value))),
            (None, _) => None,
        };
        if signature.is_none() && !self.ours && reasoning.text.is_empty() {
            return false;
        }
        self.object(out, (part, signature), path, |_, out| {
            out.key("text").string(&reasoning.text);
            out.key("thought").bool(true);
        })
    }

    fn call(&mut self, out: &mut Writer, part: &'a Part, call: &'a ToolCall, path: &str) -> bool {
        let extra = &part.extra;
        let args = self.args(call, path);
        let mut signature = self.signature(&format!("{}{}", opaque::OF_CALL, call.id));
        let first = !std::mem::replace(&mut self.first_call_written, true);
        let unsigned = if self.ours {
            extra.noted(spelled::UNSIGNED)
        } else {
            // Newer models refuse a turn whose first call is not signed.
            first && signature.is_none() && !self.answer
        };
        if unsigned {
            if self.thinks {
                let why = "its thoughts are not known; Google's word for that stands for them";
                self.losses.tuning(path, LossKind::Approximated, why);
            }
            signature = Some(Cow::Owned(Json::string(UNSIGNED)));
        }
        self.object(out, (part, signature), path, |parts, out| {
            out.key(names::write("functionCall", extra)).object(|out| {
                if !(parts.ours && extra.noted(spelled::NO_ID)) {
                    out.key("id").string(&call.id);
                }
                out.key("name").string(&call.name);
                if !(parts.ours && extra.noted(spelled::NO_ARGS)) {
                    out.key("args").raw(&args);
                }
                if parts.ours {
                    extra.write_inner(out, "functionCall");
                }
            });
        })
    }

    /// A call's arguments as the object that the dialect wants.
    fn args<'c>(&mut self, call: &'c ToolCall, path: &str) -> Cow<'c, str> {
        let (args, lost) = args(&call.arguments, call.kind);
        if let Some((kind, member, why)) = lost {
            self.losses
                .functional(format!("{path}.{member}"), kind, why);
        }
        args
    }

    fn result(
        &mut self,
        out: &mut Writer,
        part: &'a Part,
        result: &'a ToolResult,
        path: &str,
    ) -> bool {
        let extra = &part.extra;
        let inner = extra.get("functionResponse").filter(|_| self.ours);
        let named = inner.is_some_and(|inner| has_member(inner, "name"));
        let called = self.called.get(result.call_id.as_str()).copied();
        if called.is_none() && !named {
            let why = "the tool's name is not known, so its call's id stands for it";
            let path = format!("{path}.tool_call_id");
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        let is_text = |part: &&Part| matches!(part.kind, PartKind::Text(_));
        let texts: Vec<&Part> = result.parts.iter().filter(is_text).collect();
        let first = result.parts.iter().position(|part| is_text(&part));
        let more = |at: &usize| Some(*at) != first || !self.ours;
        let others: Vec<(usize, &Part)> = result
            .parts
            .iter()
            .enumerate()
            .filter(|(at, part)| !is_text(part) && more(at))
            .collect();
        self.object(out, (part, None), path, |parts, out| {
            out.key(names::write("functionResponse", extra))
                .object(|out| {
                    if !(parts.ours && extra.noted(spelled::NO_ID)) {
                        out.key("id").string(&result.call_id);
                    }
                    if !named {
                        out.key("name").string(called.unwrap_or(&result.call_id));
                    }
                    parts.response(out, (result, &texts), extra, path);
                    if !others.is_empty() {
                        out.attempt(|out| {
                            let mut wrote = false;
                            out.key("parts").array(|out| {
                                for (at, part) in &others {
                                    let path = result.place(path, *at);
                                    wrote |= parts.write(out, part, &path);
                                }
                            });
                            wrote
                        });
                    }
                    if parts.ours {
                        extra.write_inner(out, "functionResponse");
                    }
                });
        })
    }

    /// Writes what a tool answered as an object: an object as itself, other words under the
    /// name that Google gives them.
    fn response(
        &mut self,
        out: &mut Writer,
        (result, texts): (&ToolResult, &[&Part]),
        extra: &Extra,
        path: &str,
    ) {
        if self.ours && extra.noted(spelled::NO_RESPONSE) {
            return;
        }
        let theirs = if self.ours { &[][..] } else { &result.parts };
        let said = |(_, part): &(usize, &Part)| words(part).is_some();
        for (at, part) in theirs.iter().enumerate().filter(said) {
            let path = result.place(path, at);
            lose_extra(self.losses, &path, &part.extra);
            self.uncached(part, &path);
        }
        let words: Cow<'_, str> = match texts
            .iter()
            .filter_map(|part| words(part))
            .collect::<Vec<_>>()
            .as_slice()
        {
            [] => "".into(),
            [only] => Cow::Owned((*only).to_owned()),
            several => {
                let why = "a result's texts are one, line by line";
                self.losses
                    .tuning(format!("{path}.result"), LossKind::Approximated, why);
                Cow::Owned(several.join("\n"))
            }
        };
        let notes = [
            (spelled::OUTPUT, "output"),
            (spelled::RESULT, "result"),
            (spelled::ERROR, "error"),
        ];
        let noted = notes
            .iter()
            .find(|(note, _)| self.ours && extra.noted(note));
        let named = match noted {
            Some((_, name)) => Some(*name),
            None if result.is_error == Some(true) => Some("error"),
            None if words.starts_with('{') && Json::parse(&words).is_ok() => None,
            None => Some("output"),
        };
        out.key("response");
        match named {
            Some(name) => {
                out.object(|out| {
                    out.key(name).string(&words);
                });
            }
            None => {
                out.raw(words.trim_ascii_end());
            }
        }
    }
}

/// Members of a part that are written with what they belong to.
const INNER: [&str; 4] = ["inlineData", "fileData", "functionCall", "functionResponse"];

fn words(part: &Part) -> Option<&str> {
    match &part.kind {
        PartKind::Text(words) => Some(words.as_str()),
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_)
        | PartKind::Refusal(_)
        | PartKind::Opaque(_) => None,
    }
}

fn media_of(part: &Part) -> Option<&Media> {
    match &part.kind {
        PartKind::Image(media)
        | PartKind::Audio(media)
        | PartKind::Video(media)
        | PartKind::Document(media) => Some(media),
        PartKind::Text(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_)
        | PartKind::Refusal(_)
        | PartKind::Opaque(_) => None,
    }
}

fn has_member(object: &Json, wanted: &str) -> bool {
    let mut has = false;
    let _ = object.reader().object(|key, member| {
        has |= key == wanted;
        member.skip().map(drop)
    });
    has
}

/// What of a call's arguments is lost: how, the member, why.
pub(crate) type LostArgs = (LossKind, &'static str, &'static str);

/// A call's arguments as an object, and what is lost by that.
pub(crate) fn args(arguments: &str, kind: ToolCallKind) -> (Cow<'_, str>, Option<LostArgs>) {
    if kind == ToolCallKind::Custom {
        let why = "free text goes on as the member `input`";
        let wrapped = Json::written(|out| {
            out.object(|out| {
                out.key("input").string(arguments);
            });
        });
        let lost = (LossKind::Approximated, "input", why);
        return (Cow::Owned(wrapped.text().to_owned()), Some(lost));
    }
    let plain = arguments.trim();
    if plain.is_empty() {
        return (Cow::Borrowed("{}"), None);
    }
    if plain.starts_with('{') && Json::parse(plain).is_ok() {
        return (Cow::Borrowed(plain), None);
    }
    let why = "the arguments are no JSON object";
    (
        Cow::Borrowed("{}"),
        Some((LossKind::Dropped, "arguments", why)),
    )
}
