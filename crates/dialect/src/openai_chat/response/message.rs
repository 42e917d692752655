//! What a message holds, in requests and in answers.
//!
//! Its members come in any order and become parts in one: reasoning, content,
//! refusal, calls. It must keep what it does not know.

use super::reasoning::{detail, thought_text, write_reasoning};
use crate::chat::{Citation, Extra, Message, Part, PartKind, Reasoning, Role, ToolResult, given};
use crate::json::{Invalid, Json, Kind, Reader, Text, Writer};
use crate::openai_chat::wire::call::{citation, tool_call, write_citation, write_tool_call};
use crate::openai_chat::wire::part::{part, write_part};
use crate::openai_chat::wire::{OWN, opaque, own, required, spelled, text};

/// A message being read: its members come in any order, its parts in one.
#[derive(Default)]
struct Members {
    role: Option<String>,
    call_id: Option<String>,
    name: Option<String>,
    bare: bool,
    content: Vec<Part>,
    said: bool,
    calls: Vec<Part>,
    beside: Vec<Part>,
    details: Vec<Part>,
    reasoning: Vec<(&'static str, String)>,
    citations: Vec<Citation>,
    extra: Extra,
}

/// Reads a message of a request.
pub(crate) fn message(reader: &mut Reader<'_>) -> Result<Message, Invalid> {
    let mut members = Members::default();
    reader.object(|key, member| members.take(key, member))?;
    members.into_message()
}

/// Reads the message of an answer, whose role goes without saying.
pub(crate) fn answer(reader: &mut Reader<'_>) -> Result<Message, Invalid> {
    let mut members = Members::default();
    reader.object(|key, member| members.take(key, member))?;
    if members.role.is_none() {
        members.role = Some("assistant".to_owned());
        members.extra.note(spelled::NO_ROLE);
    }
    members.into_message()
}

impl Members {
    fn take(&mut self, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        let kind = reader.peek()?;
        match (key, kind) {
            ("role", _) => self.role = Some(text(reader)?),
            ("content", Kind::String) => {
                self.bare = true;
                let words = reader.text()?;
                if !words.is_empty() {
                    self.content.push(Part::text(words));
                }
            }
            ("content", Kind::Array) => list(key, reader, &mut self.extra, |_, element| {
                self.content.push(part(element)?);
                Ok(())
            })?,
            ("content", Kind::Null) => self.extra.push(key, reader.json()?),
            ("content", Kind::Object | Kind::Number | Kind::Bool) => {
                text(reader)?;
            }
            ("tool_calls", Kind::Array) => list(key, reader, &mut self.extra, |place, element| {
                self.calls.push(tool_call(element, place)?);
                Ok(())
            })?,
            ("reasoning_details", Kind::Array) => {
                list(key, reader, &mut self.extra, |place, element| {
                    self.details.push(detail(element, place)?);
                    Ok(())
                })?;
            }
            ("annotations", Kind::Array) => list(key, reader, &mut self.extra, |_, element| {
                self.citations.push(citation(element)?);
                Ok(())
            })?,
            ("reasoning", Kind::String) => self.thought(spelled::REASONING, text(reader)?),
            ("reasoning_content", Kind::String) => {
                self.thought(spelled::REASONING_CONTENT, text(reader)?);
            }
            ("refusal", Kind::String) => match text(reader)? {
                refusal if refusal.is_empty() => self.extra.push(key, Json::string("")),
                refusal => self.beside.push(PartKind::Refusal(refusal).into()),
            },
            ("audio", Kind::Object) => {
                let audio = own(opaque::AUDIO, reader.json()?);
                self.beside.push(PartKind::Opaque(audio).into());
            }
            ("tool_call_id", _) => {
                self.call_id = given(reader, &mut self.extra, key, text)?;
            }
            ("name", _) => self.name = given(reader, &mut self.extra, key, text)?,
            _ => self.extra.push(key, reader.json()?),
        }
        self.said |= key == "content";
        Ok(())
    }

    fn thought(&mut self, name: &'static str, words: String) {
        if words.is_empty() {
            self.extra.push(name, Json::string(""));
        } else {
            self.reasoning.push((name, words));
        }
    }

    fn into_message(mut self) -> Result<Message, Invalid> {
        let mut parts = self.join_reasoning();
        if !self.said {
            self.extra.note(spelled::ABSENT);
        }
        let role = match required(self.role.take(), "role")?.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            // Legacy `function` and what engines add: kept in its own word.
            other => {
                self.extra.push("role", Json::string(other));
                Role::User
            }
        };
        if role == Role::Tool {
            let result = ToolResult {
                call_id: required(self.call_id.take(), "tool_call_id")?,
                is_error: None,
                parts: std::mem::take(&mut self.content),
                bare: self.bare,
            };
            parts.push(PartKind::ToolResult(result).into());
        } else if let Some(id) = &self.call_id {
            self.extra.push("tool_call_id", Json::string(id));
        }
        let cites = self.content.iter_mut().find(|part| words(part).is_some());
        match cites {
            Some(part) => part.citations = self.citations,
            None if self.citations.is_empty() => {}
            None => self.extra.push(
                "annotations",
                Json::written(|out| {
                    out.array(|out| {
                        for citation in &self.citations {
                            out.json(&citation.raw.value);
                        }
                    });
                }),
            ),
        }
        parts.append(&mut self.content);
        parts.append(&mut self.beside);
        parts.append(&mut self.calls);
        Ok(Message {
            role,
            parts,
            bare: self.bare,
            apart: false,
            name: self.name,
            extra: self.extra,
        })
    }

    /// One reasoning may stand under three names; each name is noted, the rest kept.
    fn join_reasoning(&mut self) -> Vec<Part> {
        let mut parts = std::mem::take(&mut self.details);
        if !parts.is_empty() {
            self.extra.note(spelled::DETAILS);
        } else if let Some((_, words)) = self.reasoning.first() {
            let reasoning = Reasoning {
                text: words.clone(),
                ..Reasoning::default()
            };
            parts.push(PartKind::Reasoning(reasoning).into());
        }
        let joined: String = parts.iter().map(thought_text).collect();
        for (name, words) in std::mem::take(&mut self.reasoning) {
            if words == joined {
                self.extra.note(name);
            } else {
                self.extra.push(name, Json::string(&words));
            }
        }
        parts
    }
}

/// Reads an array; an empty one is kept under its name, since it means something to some.
fn list<'a>(
    key: &str,
    reader: &mut Reader<'a>,
    extra: &mut Extra,
    mut element: impl FnMut(usize, &mut Reader<'a>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let mut any = false;
    reader.array(|place, reader| {
        any = true;
        element(place, reader)
    })?;
    if !any {
        extra.push(
            key,
            Json::written(|out| {
                out.array(|_| ());
            }),
        );
    }
    Ok(())
}

/// Writes those of our own parts that stand in a message's content, as a list.
pub(crate) fn write_list<'a>(out: &mut Writer, parts: impl Iterator<Item = &'a Part>, ours: bool) {
    out.array(|out| {
        for part in parts.filter(|part| in_content(part)) {
            // What has no form was reported by whoever chose the parts.
            let _ = write_part(out, part, ours);
        }
    });
}

/// Whether the part stands in a message's content rather than beside it.
pub(crate) fn in_content(part: &Part) -> bool {
    match &part.kind {
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_) => true,
        PartKind::Refusal(_) => part.extra.noted(spelled::IN_CONTENT),
        PartKind::Reasoning(_) => part.extra.noted(spelled::THINKING),
        PartKind::Opaque(opaque) => opaque.origin == OWN && !opaque.kind.starts_with("message."),
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

/// Writes the words of these parts as one string.
pub(crate) fn write_joined<'a>(out: &mut Writer, parts: impl IntoIterator<Item = &'a Part>) {
    let mut words = parts.into_iter().filter_map(words);
    match (words.next(), words.next()) {
        (None, _) => out.string(""),
        (Some(only), None) => out.text(only),
        (Some(first), Some(second)) => {
            let rest = [first, second].into_iter().chain(words);
            out.string(&rest.map(Text::as_str).collect::<String>())
        }
    };
}

/// Writes what stands beside a message's content: reasoning, refusal, calls, sound, sources.
/// Fields of another dialect, which are none of `ours`, stay behind.
pub(crate) fn write_said(out: &mut Writer, parts: &[&Part], extra: &Extra, ours: bool) {
    write_reasoning(out, parts, extra, ours);
    for part in parts.iter().filter(|part| !in_content(part)) {
        if let PartKind::Refusal(text) = &part.kind {
            out.key("refusal").string(text);
        }
        if let PartKind::Opaque(opaque) = &part.kind
            && opaque.origin == OWN
            && opaque.kind == opaque::AUDIO
        {
            out.key("audio").json(&opaque.value);
        }
    }
    let is_call = |part: &&&Part| match &part.kind {
        PartKind::ToolCall(_) => true,
        PartKind::Opaque(opaque) => opaque.origin == OWN && opaque.kind == opaque::TOOL_CALL,
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolResult(_)
        | PartKind::Refusal(_) => false,
    };
    if parts.iter().any(|part| is_call(&part)) {
        out.key("tool_calls").array(|out| {
            for part in parts.iter().filter(is_call) {
                if let PartKind::ToolCall(call) = &part.kind {
                    let none = Extra::default();
                    write_tool_call(out, call, if ours { &part.extra } else { &none });
                } else if let PartKind::Opaque(opaque) = &part.kind {
                    out.json(&opaque.value);
                }
            }
        });
    }
    let cited = || parts.iter().flat_map(|part| &part.citations);
    if cited().any(|c| c.url.is_some() || c.raw.origin == OWN) {
        out.key("annotations").array(|out| {
            for citation in cited() {
                write_citation(out, citation);
            }
        });
    }
}
