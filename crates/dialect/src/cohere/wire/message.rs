//! What a message holds, in requests and in answers.
//!
//! Its members come in any order and become parts in one: the plan, the content,
//! the calls. It must keep what it does not know.

use super::block::{content, in_content, words, write_block};
use super::call::{tool_call, write_tool_call};
use super::citation::{citation, is_citable, write_citation};
use super::{OWN, TOOL_CALL, empty_list, list, plan, planned, required, spelled, text};
use crate::chat::{Citation, Extra, Message, Opaque, Part, PartKind, Role, ToolResult, given};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// A message being read.
#[derive(Default)]
struct Members {
    role: Option<Role>,
    call_id: Option<String>,
    plan: Option<String>,
    content: Vec<Part>,
    bare: bool,
    calls: Vec<Part>,
    citations: Vec<(Citation, Option<u64>)>,
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
        members.role = Some(Role::Assistant);
        members.extra.note(spelled::NO_ROLE);
    }
    members.into_message()
}

impl Members {
    fn take(&mut self, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        let mut kept = false;
        match (key, reader.peek()?) {
            ("role", _) => self.role = Some(role(&reader.string()?)?),
            ("content" | "tool_calls" | "tool_plan" | "citations" | "tool_call_id", Kind::Null) => {
                self.extra.push(key, reader.json()?);
            }
            ("content", _) => {
                (self.content, self.bare) = content(reader)?;
                kept = self.content.is_empty();
            }
            ("tool_calls", _) => {
                kept = !list(reader, |element| {
                    self.calls.push(tool_call(element)?);
                    Ok(())
                })?;
            }
            ("tool_plan", _) => match text(reader)? {
                words if words.is_empty() => self.extra.push(key, Json::string("")),
                words => self.plan = Some(words),
            },
            ("citations", _) => {
                kept = !list(reader, |element| {
                    self.citations.push(citation(element)?);
                    Ok(())
                })?;
            }
            ("tool_call_id", _) => self.call_id = given(reader, &mut self.extra, key, text)?,
            _ => self.extra.push(key, reader.json()?),
        }
        if kept {
            self.extra.push(key, empty_list());
        }
        Ok(())
    }

    fn into_message(mut self) -> Result<Message, Invalid> {
        let role = required(self.role, "role")?;
        self.cite();
        let mut parts: Vec<Part> = self.plan.take().map(plan).into_iter().collect();
        if role == Role::Tool {
            let result = ToolResult {
                call_id: required(self.call_id.take(), "tool_call_id")?,
                is_error: None,
                parts: self.content,
                bare: self.bare,
            };
            parts.push(PartKind::ToolResult(result).into());
        } else {
            if let Some(id) = &self.call_id {
                self.extra.push("tool_call_id", Json::string(id));
            }
            parts.append(&mut self.content);
        }
        parts.append(&mut self.calls);
        Ok(Message {
            role,
            parts,
            bare: self.bare,
            apart: false,
            name: None,
            extra: self.extra,
        })
    }

    /// Hands the citations to the blocks that they are about, as long as their order stays;
    /// those of no block stay with the message.
    fn cite(&mut self) {
        let ordered = self.citations.is_sorted_by_key(|(_, index)| *index);
        let first = self.content.iter().position(|part| words(part).is_some());
        let mut homeless = Vec::new();
        for (citation, index) in std::mem::take(&mut self.citations) {
            let told = index.and_then(|index| usize::try_from(index).ok());
            let at = told
                .filter(|at| ordered && *at < self.content.len())
                .or(first);
            match at.and_then(|at| self.content.get_mut(at)) {
                Some(part) => part.citations.push(citation),
                None => homeless.push(citation),
            }
        }
        if !homeless.is_empty() {
            let kept = Json::written(|out| {
                out.array(|out| {
                    homeless.iter().for_each(|citation| {
                        out.json(&citation.raw.value);
                    });
                });
            });
            self.extra.push("citations", kept);
        }
    }
}

fn role(word: &str) -> Result<Role, Invalid> {
    Ok(match word {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => {
            return Err(Invalid::new(
                "`system`, `user`, `assistant` or `tool` was expected",
            ));
        }
    })
}

/// The dialect's word for a role.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// Writes one of our own messages as it stood.
pub(crate) fn write_own_message(out: &mut Writer, message: &Message) {
    out.object(|out| {
        out.key("role").string(role_word(message.role));
        let (parts, bare) = match message.parts.iter().find_map(result) {
            Some(result) => {
                out.key("tool_call_id").string(&result.call_id);
                (result.parts.as_slice(), result.bare)
            }
            None => (message.parts.as_slice(), message.bare),
        };
        write_content(out, parts, bare);
        write_beside(out, message.parts.iter(), true);
        message.extra.write(out);
    });
}

/// Writes the content of our own message, if it has any.
pub(crate) fn write_content(out: &mut Writer, parts: &[Part], bare: bool) {
    if bare && let Some(only) = parts.iter().find_map(words) {
        out.key("content").text(only);
    } else if parts.iter().any(in_content) {
        out.key("content").array(|out| {
            for part in parts.iter().filter(|part| in_content(part)) {
                // What came from this dialect has its form here.
                let _ = write_block(out, part, true);
            }
        });
    }
}

/// Writes what stands beside a message's content: the plan, the calls, the sources cited.
pub(crate) fn write_beside<'p>(
    out: &mut Writer,
    parts: impl Iterator<Item = &'p Part> + Clone,
    ours: bool,
) {
    if parts.clone().any(|part| planned(part).is_some()) {
        let words: String = parts.clone().filter_map(planned).collect();
        out.key("tool_plan").string(&words);
    }
    if parts.clone().any(is_call) {
        out.key("tool_calls").array(|out| {
            for part in parts.clone() {
                if let PartKind::ToolCall(call) = &part.kind {
                    write_tool_call(out, call, &part.extra, ours);
                } else if let Some(other) = other_call(part) {
                    out.json(&other.value);
                }
            }
        });
    }
    let mut cited = parts.clone().flat_map(|part| &part.citations);
    if cited.any(is_citable) {
        out.key("citations").array(|out| {
            let mut index = 0;
            for part in parts {
                for citation in part.citations.iter().filter(|c| is_citable(c)) {
                    write_citation(out, citation, index);
                }
                index += u64::from(in_content(part));
            }
        });
    }
}

fn is_call(part: &Part) -> bool {
    matches!(part.kind, PartKind::ToolCall(_)) || other_call(part).is_some()
}

/// A call of a form that is not known.
fn other_call(part: &Part) -> Option<&Opaque> {
    if let PartKind::Opaque(opaque) = &part.kind {
        Some(opaque).filter(|opaque| opaque.origin == OWN && opaque.kind == TOOL_CALL)
    } else {
        None
    }
}

/// What a tool answered, if the part is that.
pub(crate) fn result(part: &Part) -> Option<&ToolResult> {
    if let PartKind::ToolResult(result) = &part.kind {
        Some(result)
    } else {
        None
    }
}
