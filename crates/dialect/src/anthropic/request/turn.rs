//! Writes a request's instructions and turns.
//!
//! Ours stand as they stood. Those of other dialects are fitted: instructions
//! come first, results of tools and what the user says after them are one turn.
//! No turn may be left out without a loss.

use super::encode::Writing;
use crate::anthropic::wire::write::lose_extra;
use crate::chat::{Message, Part, PartKind, Role};
use crate::json::Writer;
use crate::loss::LossKind;

/// A message and where it stood.
type Turn<'a> = (usize, &'a Message);

impl Writing<'_> {
    /// Writes the instructions and the turns.
    pub(super) fn messages(&mut self, out: &mut Writer) {
        let turns = self.request.messages.iter().enumerate();
        if self.ours {
            let (system, turns): (Vec<Turn<'_>>, Vec<Turn<'_>>) =
                turns.partition(|(_, message)| message.apart);
            if let Some((_, message)) = system.first() {
                out.key("system");
                self.blocks()
                    .content(out, (&message.parts, message.bare), "system");
            }
            out.key("messages").array(|out| {
                turns.iter().for_each(|turn| self.own_message(out, turn.1));
            });
            return;
        }
        let (system, turns): (Vec<Turn<'_>>, Vec<Turn<'_>>) =
            turns.partition(|(_, m)| matches!(m.role, Role::System | Role::Developer));
        self.system(
            out,
            &system,
            turns.first().map_or(usize::MAX, |turn| turn.0),
        );
        out.key("messages").array(|out| {
            // Results of tools, and what the user says after them, are one turn.
            let together = |a: &Turn<'_>, b: &Turn<'_>| {
                a.1.role == Role::Tool && matches!(b.1.role, Role::Tool | Role::User)
            };
            turns
                .chunk_by(together)
                .for_each(|turns| self.turn(out, turns));
        });
    }

    fn own_message(&mut self, out: &mut Writer, message: &Message) {
        out.object(|out| {
            out.key("role").string(role(message.role));
            out.key("content");
            self.blocks()
                .content(out, (&message.parts, message.bare), "");
            message.extra.write(out);
        });
    }

    /// Writes instructions from wherever they stood; `first` is where the conversation begins.
    fn system(&mut self, out: &mut Writer, system: &[Turn<'_>], first: usize) {
        for (at, message) in system {
            self.about(*at, message);
            if *at > first {
                let why = "instructions stand before the conversation";
                let path = self.path(*at);
                self.losses.tuning(path, LossKind::Moved, why);
            }
        }
        let mut written = Vec::new();
        let parts: Vec<_> = system.iter().flat_map(|turn| self.parts_of(turn)).collect();
        for (path, part) in parts {
            if matches!(part.kind, PartKind::Text(_)) {
                written.push((path, part));
            } else {
                let why = "instructions are text";
                self.losses.functional(path, LossKind::Dropped, why);
            }
        }
        written
            .retain(|(_, part)| !matches!(&part.kind, PartKind::Text(words) if words.is_empty()));
        match (written.as_slice(), system) {
            ([], _) => {}
            ([(_, part)], [(_, message)]) if message.bare => {
                out.key("system");
                let bare = std::slice::from_ref(*part);
                self.blocks().content(out, (bare, true), "");
            }
            (parts, _) => {
                out.key("system").array(|out| {
                    for (path, part) in parts {
                        self.blocks().write(out, part, path);
                    }
                });
            }
        }
    }

    /// Path of a turn in the client's words.
    fn path(&self, at: usize) -> String {
        self.places
            .get(at)
            .map_or_else(String::new, |place| place.turn.clone())
    }

    /// A message's parts with their paths in the client's words.
    fn parts_of<'m>(&self, (at, message): &Turn<'m>) -> Vec<(String, &'m Part)> {
        let place = self.places.get(*at);
        let path = |index| place.map_or_else(String::new, |place| place.part(index).to_owned());
        let parts = message.parts.iter().enumerate();
        parts.map(|(index, part)| (path(index), part)).collect()
    }

    /// Reports what is said of a message beside its parts.
    fn about(&mut self, at: usize, message: &Message) {
        if message.name.is_some() {
            self.lost(format!("{}.name", self.path(at)), "messages name nobody");
        }
        lose_extra(self.losses, &self.path(at), &message.extra);
    }

    /// Writes one turn made of one or several messages.
    fn turn(&mut self, out: &mut Writer, turn: &[Turn<'_>]) {
        let Some((at, first)) = turn.first() else {
            return;
        };
        for (at, message) in turn {
            self.about(*at, message);
        }
        let mut parts: Vec<(String, &Part)> =
            turn.iter().flat_map(|turn| self.parts_of(turn)).collect();
        // The API wants results and reasoning before all else.
        parts.sort_by_key(|(_, part)| {
            !matches!(part.kind, PartKind::ToolResult(_) | PartKind::Reasoning(_))
        });
        if let ([(_, only)], true) = (parts.as_slice(), first.bare)
            && let PartKind::Text(words) = &only.kind
            && !words.is_empty()
            && only.citations.is_empty()
        {
            out.object(|out| {
                out.key("role").string(role(first.role));
                out.key("content").text(words);
            });
            return;
        }
        let wrote = out.attempt(|out| {
            let mut wrote = false;
            out.object(|out| {
                out.key("role").string(role(first.role));
                out.key("content").array(|out| {
                    let mut blocks = self.blocks();
                    for (path, part) in &parts {
                        wrote |= blocks.write(out, part, path);
                    }
                });
            });
            wrote
        });
        if !wrote {
            let why = "the API takes no empty messages";
            let path = self.path(*at);
            self.losses.functional(path, LossKind::Dropped, why);
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}
