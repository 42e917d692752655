//! Writes a request's instructions and turns.
//!
//! Ours stand as they stood. Those of other dialects are fitted: instructions stand
//! apart, and the results of one turn's calls are one content. No turn may be left out
//! without a loss.

use std::collections::HashMap;

use super::encode::Writing;
use crate::chat::{
    Effort, Message, Opaque, Part, PartKind, Place, ReasoningRequest, Request, Role,
};
use crate::gemini::wire::write::{Parts, lose_extra};
use crate::gemini::wire::{OWN, names, opaque, spelled};
use crate::json::Writer;
use crate::loss::LossKind;

/// A message and where it stood.
type Turn<'a> = (Place, &'a Message);

/// Names of the tools called, by the call's id.
type Called<'a> = HashMap<&'a str, &'a str>;

impl Writing<'_> {
    /// Writes the instructions and the turns.
    pub(super) fn turns(&mut self, out: &mut Writer) {
        let request = self.request;
        let called = called(&request.messages);
        if self.ours {
            self.own_turns(out, &called);
            return;
        }
        let (mut system, mut turns): (Vec<Turn<'_>>, Vec<Turn<'_>>) = Default::default();
        for (place, message) in request.places().into_iter().zip(&request.messages) {
            if !Self::instructs(message.role) {
                turns.push((place, message));
                continue;
            }
            if !turns.is_empty() {
                let why = "instructions stand before the conversation";
                self.losses
                    .tuning(place.turn.as_str(), LossKind::Moved, why);
            }
            system.push((place, message));
        }
        self.system(out, &system);
        out.key("contents").array(|out| {
            // The API wants the results of one turn's calls together.
            let together =
                |a: &Turn<'_>, b: &Turn<'_>| a.1.role == Role::Tool && b.1.role == Role::Tool;
            turns
                .chunk_by(together)
                .for_each(|turns| self.turn(out, turns, &called));
        });
    }

    fn own_turns(&mut self, out: &mut Writer, called: &Called<'_>) {
        let notes = &self.request.extra;
        let messages = self.request.messages.iter();
        let (system, turns): (Vec<&Message>, Vec<&Message>) =
            messages.partition(|message| message.apart);
        if let Some(message) = system.first() {
            out.key(names::write("systemInstruction", notes));
            self.own_content(out, message, called);
        }
        out.key("contents");
        if notes.noted(spelled::ONE_CONTENT) {
            turns
                .iter()
                .for_each(|turn| self.own_content(out, turn, called));
            return;
        }
        out.array(|out| {
            turns
                .iter()
                .for_each(|turn| self.own_content(out, turn, called));
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
    fn parts(&mut self, out: &mut Writer, parts: &[(&str, &Part)], called: &Called<'_>) -> bool {
        let mut writing = Parts {
            ours: self.ours,
            answer: false,
            thinks: !self.ours && self.request.reasoning.as_ref().is_some_and(wanted),
            called,
            waiting: Vec::new(),
            first_call_written: false,
            losses: self.losses,
        };
        let mut wrote = false;
        for (path, part) in parts {
            wrote |= writing.write(out, part, path);
        }
        let path = parts.first().map_or("", |(path, _)| *path);
        wrote | writing.flush(out, path)
    }

    /// Writes instructions from wherever they stood.
    fn system(&mut self, out: &mut Writer, system: &[Turn<'_>]) {
        let mut written = Vec::new();
        for turn in system {
            self.about(turn);
            for (path, part) in parts_of(turn) {
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
    fn about(&mut self, (place, message): &Turn<'_>) {
        if message.name.is_some() {
            self.lost(format!("{}.name", place.turn), "contents name nobody");
        }
        lose_extra(self.losses, &place.turn, &message.extra);
    }

    /// Writes one turn made of one or several messages.
    fn turn(&mut self, out: &mut Writer, turn: &[Turn<'_>], called: &Called<'_>) {
        let Some((place, first)) = turn.first() else {
            return;
        };
        turn.iter().for_each(|turn| self.about(turn));
        let parts: Vec<(&str, &Part)> = turn.iter().flat_map(parts_of).collect();
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
            self.losses
                .functional(place.turn.as_str(), LossKind::Dropped, why);
        }
    }
}

/// Whether reasoning is asked for.
fn wanted(reasoning: &ReasoningRequest) -> bool {
    reasoning.enabled != Some(false) && reasoning.effort != Some(Effort::None)
}

/// Where the turns of a request of this dialect stand in its contents.
pub(crate) fn places(request: &Request) -> Vec<Place> {
    let one = request.extra.noted(spelled::ONE_CONTENT);
    let mut contents = 0usize;
    let place = |message: &Message| {
        let turn = if message.apart {
            names::write("systemInstruction", &request.extra).to_owned()
        } else if one {
            "contents".to_owned()
        } else {
            contents += 1;
            format!("contents[{}]", contents - 1)
        };
        Place {
            parts: part_places(message, &turn),
            turn,
        }
    };
    request.messages.iter().map(place).collect()
}

/// Paths of the parts of a content. A signature stands in the part behind it, which it signs,
/// or is a part of its own.
fn part_places(message: &Message, turn: &str) -> Vec<String> {
    if message.extra.noted(spelled::STRING) {
        return vec![turn.to_owned(); message.parts.len()];
    }
    let one = message.extra.noted(spelled::ONE_PART);
    let mut at = 0usize;
    let path = |part: &Part| {
        let path = match one {
            true => format!("{turn}.parts"),
            false => format!("{turn}.parts[{at}]"),
        };
        if signs_the_next(part) {
            return format!("{path}.thoughtSignature");
        }
        at += 1;
        path
    };
    message.parts.iter().map(path).collect()
}

fn signs_the_next(part: &Part) -> bool {
    let PartKind::Reasoning(reasoning) = &part.kind else {
        return false;
    };
    let signs = |opaque: &Opaque| opaque.origin == OWN && opaque.kind != opaque::SIGNATURE;
    reasoning.opaque.as_ref().is_some_and(signs) && !part.extra.noted(spelled::EMPTY)
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

fn own_parts(message: &Message) -> Vec<(&str, &Part)> {
    message.parts.iter().map(|part| ("", part)).collect()
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
fn parts_of<'a>((place, message): &'a Turn<'_>) -> impl Iterator<Item = (&'a str, &'a Part)> {
    let parts = message.parts.iter().enumerate();
    parts.map(|(index, part)| (place.part(index), part))
}
