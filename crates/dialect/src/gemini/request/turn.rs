//! Writes a request's instructions and turns.
//!
//! Ours stand as they stood. Those of other dialects are fitted: instructions stand
//! apart, and the results of one turn's calls are one content. No turn may be left out
//! without a loss.

use std::collections::HashMap;

use super::encode::Writing;
use crate::chat::{Message, Part, PartKind, Role};
use crate::gemini::wire::write::{Parts, lose_extra};
use crate::gemini::wire::{names, spelled};
use crate::json::Writer;
use crate::loss::LossKind;

/// A message and where it stood.
type Turn<'a> = (usize, &'a Message);

/// Names of the tools called, by the call's id.
type Called<'a> = HashMap<&'a str, &'a str>;

impl Writing<'_> {
    /// Writes the instructions and the turns.
    pub(super) fn turns(&mut self, out: &mut Writer) {
        let request = self.request;
        let called = called(&request.messages);
        let turns = request.numbered();
        if self.ours {
            self.own_turns(out, turns.collect(), &called);
            return;
        }
        let (system, turns): (Vec<Turn<'_>>, Vec<Turn<'_>>) =
            turns.partition(|(_, message)| Self::instructs(message.role));
        self.system(out, &system, turns.first().map_or(usize::MAX, |t| t.0));
        out.key("contents").array(|out| {
            // The API wants the results of one turn's calls together.
            let together =
                |a: &Turn<'_>, b: &Turn<'_>| a.1.role == Role::Tool && b.1.role == Role::Tool;
            turns
                .chunk_by(together)
                .for_each(|turns| self.turn(out, turns, &called));
        });
    }

    fn own_turns(&mut self, out: &mut Writer, turns: Vec<Turn<'_>>, called: &Called<'_>) {
        let notes = &self.request.extra;
        let (system, turns): (Vec<Turn<'_>>, Vec<Turn<'_>>) =
            turns.into_iter().partition(|(_, message)| message.apart);
        if let Some((_, message)) = system.first() {
            out.key(names::write("systemInstruction", notes));
            self.own_content(out, message, called);
        }
        out.key("contents");
        if notes.noted(spelled::ONE_CONTENT) {
            turns
                .iter()
                .for_each(|turn| self.own_content(out, turn.1, called));
            return;
        }
        out.array(|out| {
            turns
                .iter()
                .for_each(|turn| self.own_content(out, turn.1, called));
        });
    }

    fn own_content(&mut self, out: &mut Writer, message: &Message, called: &Called<'_>) {
        let extra = &message.extra;
        if let (true, [part]) = (extra.noted(spelled::STRING), message.parts.as_slice())
            && let PartKind::Text(words) = &part.kind
        {
            out.text(words);
            return;
        }
        out.object(|out| {
            if let Some(role) = own_role(message) {
                out.key("role").string(role);
            }
            if !extra.noted(spelled::NO_PARTS) {
                out.key("parts");
                if extra.noted(spelled::ONE_PART) {
                    self.parts(out, &own_parts(message), called);
                } else {
                    out.array(|out| {
                        self.parts(out, &own_parts(message), called);
                    });
                }
            }
            extra.write(out);
        });
    }

    /// Writes parts with their paths; says whether there was anything to write.
    fn parts(&mut self, out: &mut Writer, parts: &[(String, &Part)], called: &Called<'_>) -> bool {
        let mut writing = Parts {
            ours: self.ours,
            answer: false,
            called,
            waiting: Vec::new(),
            first_call_written: false,
            losses: self.losses,
        };
        let mut wrote = false;
        for (path, part) in parts {
            wrote |= writing.write(out, part, path);
        }
        let path = parts.first().map_or("", |(path, _)| path.as_str());
        wrote | writing.flush(out, path)
    }

    /// Writes instructions from wherever they stood; `first` is where the conversation begins.
    fn system(&mut self, out: &mut Writer, system: &[Turn<'_>], first: usize) {
        let mut written = Vec::new();
        for (at, message) in system {
            self.about(*at, message);
            if *at > first {
                let why = "instructions stand before the conversation";
                let path = format!("messages[{at}]");
                self.losses.tuning(path, LossKind::Moved, why);
            }
            for (path, part) in parts_of(&(*at, message)) {
                match &part.kind {
                    PartKind::Text(words) if words.is_empty() => {}
                    PartKind::Text(_) => written.push((path, part)),
                    PartKind::Image(_)
                    | PartKind::Audio(_)
                    | PartKind::Video(_)
                    | PartKind::Document(_)
                    | PartKind::Reasoning(_)
                    | PartKind::ToolCall(_)
                    | PartKind::ToolResult(_)
                    | PartKind::Refusal(_)
                    | PartKind::Opaque(_) => {
                        let why = "instructions are text";
                        self.losses.functional(path, LossKind::Dropped, why);
                    }
                }
            }
        }
        if !written.is_empty() {
            out.key("systemInstruction").object(|out| {
                out.key("parts").array(|out| {
                    self.parts(out, &written, &Called::new());
                });
            });
        }
    }

    /// Reports what is said of a message beside its parts.
    fn about(&mut self, at: usize, message: &Message) {
        if message.name.is_some() {
            self.lost(format!("messages[{at}].name"), "contents name nobody");
        }
        lose_extra(self.losses, &format!("messages[{at}]"), &message.extra);
    }

    /// Writes one turn made of one or several messages.
    fn turn(&mut self, out: &mut Writer, turn: &[Turn<'_>], called: &Called<'_>) {
        let Some((at, first)) = turn.first() else {
            return;
        };
        for (at, message) in turn {
            self.about(*at, message);
        }
        let parts: Vec<(String, &Part)> = turn.iter().flat_map(parts_of).collect();
        let role = if first.role == Role::Assistant {
            "model"
        } else {
            "user"
        };
        let wrote = out.attempt(|out| {
            let mut wrote = false;
            out.object(|out| {
                out.key("role").string(role);
                out.key("parts")
                    .array(|out| wrote = self.parts(out, &parts, called));
            });
            wrote
        });
        if !wrote {
            let why = "the API takes no empty contents";
            let path = format!("messages[{at}]");
            self.losses.functional(path, LossKind::Dropped, why);
        }
    }
}

/// The role that one of our own contents named.
fn own_role(message: &Message) -> Option<&'static str> {
    let extra = &message.extra;
    let noted = [
        (spelled::FUNCTION, "function"),
        (spelled::TOOL, "tool"),
        (spelled::SYSTEM_ROLE, "system"),
        (spelled::USER, "user"),
    ];
    let said = noted.iter().find(|(note, _)| extra.noted(note));
    match (said, message.role) {
        (Some((_, role)), _) => Some(role),
        _ if extra.noted(spelled::NO_ROLE) || extra.get("role").is_some() => None,
        (None, Role::Assistant) => Some("model"),
        (None, Role::User | Role::Tool) => Some("user"),
        (None, Role::System | Role::Developer) => (!message.apart).then_some("system"),
    }
}

fn own_parts(message: &Message) -> Vec<(String, &Part)> {
    let parts = message.parts.iter();
    parts.map(|part| (String::new(), part)).collect()
}

fn called(messages: &[Message]) -> Called<'_> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match &part.kind {
            PartKind::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolResult(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_) => None,
        })
        .collect()
}

/// A message's parts with their paths in the client's words.
fn parts_of<'a>((at, message): &Turn<'a>) -> Vec<(String, &'a Part)> {
    let mut calls = 0;
    let path = |(index, part): (usize, &'a Part)| {
        let path = if matches!(part.kind, PartKind::ToolCall(_)) {
            calls += 1;
            format!("messages[{at}].tool_calls[{}]", calls - 1)
        } else if matches!(part.kind, PartKind::ToolResult(_)) && message.role == Role::Tool {
            format!("messages[{at}]")
        } else if message.bare {
            format!("messages[{at}].content")
        } else {
            format!("messages[{at}].content[{index}]")
        };
        (path, part)
    };
    message.parts.iter().enumerate().map(path).collect()
}
