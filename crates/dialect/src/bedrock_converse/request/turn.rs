//! Writes a request's instructions and turns.
//!
//! Ours stand as they stood. Those of other dialects are fitted: instructions
//! come first, and turns of one side are one turn, since the API wants the sides to
//! alternate. No turn may be left out without a loss.

use super::encode::Writing;
use crate::bedrock_converse::wire::spelled;
use crate::bedrock_converse::wire::write::{Blocks, lose_extra};
use crate::chat::{Message, Part, PartKind, Place, Request, Role};
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
            for group in groups(&turns) {
                write_group(out, &group, &mut blocks);
            }
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
const USER: &str = "user";

fn side(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => SYSTEM,
        Role::User | Role::Tool => USER,
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

/// Turns that become one: those of one side, and among them those of which nothing is left.
#[derive(Default)]
struct Group<'a> {
    /// Who speaks, once one does.
    side: Option<&'static str>,
    turns: Vec<&'a Turn<'a>>,
    /// Those of which nothing is left.
    silent: Vec<&'a Turn<'a>>,
}

/// Sides have to alternate, so a turn that falls silent must not part those beside it.
fn groups<'a>(turns: &'a [Turn<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for turn in turns {
        let side = says_something(turn).then(|| side(turn.1.role));
        let fits = |group: &Group<'_>| side.is_none() || group.side.is_none_or(|s| Some(s) == side);
        if !groups.last().is_some_and(fits) {
            groups.push(Group::default());
        }
        if let Some(group) = groups.last_mut() {
            group.side = group.side.or(side);
            group.turns.push(turn);
            group.silent.extend(side.is_none().then_some(turn));
        }
    }
    groups
}

/// Whether anything of a turn can be written.
fn says_something(turn: &Turn<'_>) -> bool {
    let mut losses = Losses::default();
    let mut blocks = Blocks::new((false, false), &mut losses);
    let mut writes = |part: &Part| match &part.kind {
        PartKind::Text(words) if !words.as_str().trim().is_empty() => true,
        PartKind::ToolCall(_) | PartKind::ToolResult(_) => true,
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Reasoning(_)
        | PartKind::Refusal(_)
        | PartKind::Opaque(_) => blocks.write(&mut Writer::default(), part, ""),
    };
    turn.1.parts.iter().any(&mut writes)
}

fn write_group(out: &mut Writer, group: &Group<'_>, blocks: &mut Blocks<'_>) {
    let turns = group.turns.iter().copied();
    let mut parts: Vec<(&str, &Part)> = turns.flat_map(parts_of).collect();
    // Models want results and reasoning before all else.
    parts.sort_by_key(|(_, part)| {
        !matches!(part.kind, PartKind::ToolResult(_) | PartKind::Reasoning(_))
    });
    out.attempt(|out| {
        let mut wrote = false;
        out.object(|out| {
            out.key("role").string(group.side.unwrap_or(USER));
            out.key("content").array(|out| {
                for (path, part) in &parts {
                    wrote |= blocks.write(out, part, path);
                }
            });
        });
        wrote
    });
    for (place, message) in group.silent.iter().copied() {
        // Beside others of its side it is not missed.
        if group.side != Some(side(message.role)) {
            let why = "the API takes no empty messages";
            let path = place.turn.as_str();
            blocks.losses.functional(path, LossKind::Dropped, why);
        }
    }
}

/// A message's parts with their paths in the client's words.
fn parts_of<'a>((place, message): &'a Turn<'_>) -> impl Iterator<Item = (&'a str, &'a Part)> {
    let parts = message.parts.iter().enumerate();
    parts.map(|(index, part)| (place.part(index), part))
}

/// Where the turns of a request of this dialect stand. Cache points are blocks, too.
pub(crate) fn places(request: &Request) -> Vec<Place> {
    let mut turns = 0usize;
    let place = |message: &Message| {
        let (turn, content) = if message.apart {
            (SYSTEM.to_owned(), SYSTEM.to_owned())
        } else {
            turns += 1;
            let turn = format!("messages[{}]", turns - 1);
            (turn.clone(), format!("{turn}.content"))
        };
        let mut block = 0usize;
        let path = |part: &Part| {
            let at = block;
            block += if part.cache.is_some() { 2 } else { 1 };
            let joint = if member(part).is_empty() { "" } else { "." };
            format!("{content}[{at}]{joint}{}", member(part))
        };
        Place {
            parts: message.parts.iter().map(path).collect(),
            turn,
        }
    };
    request.messages.iter().map(place).collect()
}

/// The member that says what a block is.
fn member(part: &Part) -> &'static str {
    let noted = |note| part.extra.noted(note);
    match &part.kind {
        PartKind::Text(_) if noted(spelled::JSON) => "json",
        PartKind::Text(_) if noted(spelled::GUARDED) => "guardContent.text",
        PartKind::Text(_) if noted(spelled::CITED) => "citationsContent",
        PartKind::Text(_) => "text",
        PartKind::Image(_) => "image",
        PartKind::Audio(_) => "audio",
        PartKind::Video(_) => "video",
        PartKind::Document(_) => "document",
        PartKind::Reasoning(reasoning) if reasoning.text.is_empty() => "reasoningContent",
        PartKind::Reasoning(_) => "reasoningContent.reasoningText",
        PartKind::ToolCall(_) => "toolUse",
        PartKind::ToolResult(_) => "toolResult",
        PartKind::Refusal(_) | PartKind::Opaque(_) => "",
    }
}
