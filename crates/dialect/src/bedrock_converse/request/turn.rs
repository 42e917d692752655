//! Writes a request's instructions and turns.
//!
//! Ours stand as they stood. Those of other dialects are fitted: instructions
//! come first, and turns of one side are one turn, since the API wants the sides to
//! alternate. No turn may be left out without a loss.

use super::encode::Writing;
use crate::bedrock_converse::wire::spelled;
use crate::bedrock_converse::wire::write::{Blocks, lose_extra};
use crate::chat::{Message, Part, PartKind, Place, Role};
use crate::json::Writer;
use crate::loss::{LossKind, Losses};

/// A message and where it stood.
type Turn<'a> = (Place, &'a Message);

impl Writing<'_> {
    /// Writes the instructions and the turns.
    pub(super) fn messages(&mut self, out: &mut Writer) {
        let request = self.request;
        if self.ours {
            self.own_messages(out);
            return;
        }
        let mut begun = false;
        let (mut system, mut turns) = (Vec::new(), Vec::new());
        for (place, message) in request.places().into_iter().zip(&request.messages) {
            self.about(&place.turn, message);
            if side(message.role) == SYSTEM {
                if begun {
                    let why = "instructions stand before the conversation";
                    self.losses
                        .tuning(place.turn.as_str(), LossKind::Moved, why);
                }
                system.push((place, message));
            } else {
                begun = true;
                turns.push((place, message));
            }
        }
        let mut blocks = Blocks::new((false, false), self.losses);
        write_system(out, &system, &mut blocks);
        out.key("messages").array(|out| {
            turns
                .chunk_by(|a, b| side(a.1.role) == side(b.1.role))
                .for_each(|turns| write_turn(out, turns, &mut blocks));
        });
    }

    fn own_messages(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut blocks = Blocks::new((true, false), self.losses);
        let (system, turns): (Vec<&Message>, Vec<&Message>) =
            request.messages.iter().partition(|m| m.apart);
        let mut list = |out: &mut Writer, parts: &[Part]| {
            out.array(|out| {
                for part in parts {
                    blocks.write(out, part, "");
                }
            });
        };
        if let Some(message) = system.first() {
            list(out.key("system"), &message.parts);
        } else if request.extra.noted(spelled::NO_SYSTEM) {
            list(out.key("system"), &[]);
        }
        if turns.is_empty() && request.extra.noted(spelled::NO_MESSAGES) {
            return;
        }
        out.key("messages").array(|out| {
            for message in turns {
                out.object(|out| {
                    out.key("role").string(side(message.role));
                    list(out.key("content"), &message.parts);
                    message.extra.write(out);
                });
            }
        });
    }

    /// Reports what is said of a message beside its parts.
    fn about(&mut self, path: &str, message: &Message) {
        if message.name.is_some() {
            self.lost(format!("{path}.name"), "messages name nobody");
        }
        lose_extra(self.losses, path, &message.extra);
    }
}

const SYSTEM: &str = "system";

fn side(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => SYSTEM,
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}

/// Writes instructions from wherever they stood: text, and nothing else.
fn write_system(out: &mut Writer, system: &[Turn<'_>], blocks: &mut Blocks<'_>) {
    let parts = system.iter().flat_map(parts_of);
    let texts = |losses: &mut Losses, (path, part): &(&str, &Part)| {
        let text = matches!(part.kind, PartKind::Text(_));
        if !text {
            let why = "instructions are text";
            losses.functional(*path, LossKind::Dropped, why);
        }
        text
    };
    let written: Vec<_> = parts.filter(|part| texts(blocks.losses, part)).collect();
    out.attempt(|out| {
        let mut wrote = false;
        out.key("system").array(|out| {
            for (path, part) in &written {
                wrote |= blocks.write(out, part, path);
            }
        });
        wrote
    });
}

/// Writes one turn made of one or several messages of one side.
fn write_turn(out: &mut Writer, turns: &[Turn<'_>], blocks: &mut Blocks<'_>) {
    let Some((place, first)) = turns.first() else {
        return;
    };
    let mut parts: Vec<(&str, &Part)> = turns.iter().flat_map(parts_of).collect();
    // Models want results and reasoning before all else.
    parts.sort_by_key(|(_, part)| {
        !matches!(part.kind, PartKind::ToolResult(_) | PartKind::Reasoning(_))
    });
    let wrote = out.attempt(|out| {
        let mut wrote = false;
        out.object(|out| {
            out.key("role").string(side(first.role));
            out.key("content").array(|out| {
                for (path, part) in &parts {
                    wrote |= blocks.write(out, part, path);
                }
            });
        });
        wrote
    });
    if !wrote {
        let why = "the API takes no empty messages";
        blocks
            .losses
            .functional(place.turn.as_str(), LossKind::Dropped, why);
    }
}

/// A message's parts with their paths in the client's words.
fn parts_of<'a>((place, message): &'a Turn<'_>) -> impl Iterator<Item = (&'a str, &'a Part)> {
    let parts = message.parts.iter().enumerate();
    parts.map(|(index, part)| (place.part(index), part))
}
