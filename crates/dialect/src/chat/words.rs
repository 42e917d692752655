//! What dialects call the parts of a request that the hub has names of its own for.
//!
//! Losses are told in the client's words, so whoever writes a request asks here what its
//! dialect of origin says. Each dialect gives its own table; none knows another's.

use super::{Part, PartKind, Request, Role};
use crate::Dialect;
use crate::reasoning::RETURNED;

/// Paths of a request's parts in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Texts at which the answer ends.
    pub stop: &'static str,
    /// How many answers are wanted.
    pub candidates: &'static str,
    /// The form of the answer.
    pub output: &'static str,
    /// Its schema, with what stands beside it.
    pub schema: &'static str,
    /// How much reasoning is wanted, as a whole.
    pub reasoning: &'static str,
    /// The same in words.
    pub effort: &'static str,
    /// The same in tokens.
    pub budget: &'static str,
}

/// Where a turn of a request stands in the client's own document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path of the turn.
    pub turn: String,
    /// Paths of its parts.
    pub parts: Vec<String>,
}

impl Place {
    /// Path of the part at that place.
    #[must_use]
    pub fn part(&self, place: usize) -> &str {
        self.parts.get(place).unwrap_or(&self.turn)
    }
}

/// Places of turns that stand in a list of messages with their calls beside the content.
#[must_use]
pub fn places_in_messages(request: &Request) -> Vec<Place> {
    let turn = |(at, message): (usize, &super::Message)| {
        let turn = format!("messages[{at}]");
        let mut calls = 0;
        let parts = message.parts.iter().enumerate().map(|(index, part)| {
            if matches!(part.kind, PartKind::ToolCall(_)) {
                calls += 1;
                format!("{turn}.tool_calls[{}]", calls - 1)
            } else if matches!(part.kind, PartKind::ToolResult(_)) && message.role == Role::Tool {
                turn.clone()
            } else if message.bare {
                format!("{turn}.content")
            } else {
                format!("{turn}.content[{index}]")
            }
        });
        Place {
            parts: parts.collect(),
            turn,
        }
    };
    request.messages.iter().enumerate().map(turn).collect()
}

/// Places of turns that stand in a list of messages with all that they hold in blocks of
/// content, and of instructions beside that list.
#[must_use]
pub fn places_in_blocks(request: &Request) -> Vec<Place> {
    let mut turns = 0;
    let place = |message: &super::Message| {
        let (turn, content) = if message.apart {
            ("system".to_owned(), "system".to_owned())
        } else {
            turns += 1;
            let turn = format!("messages[{}]", turns - 1);
            (turn.clone(), format!("{turn}.content"))
        };
        let parts = (0..message.parts.len()).map(|index| match message.bare {
            true => content.clone(),
            false => format!("{content}[{index}]"),
        });
        Place {
            parts: parts.collect(),
            turn,
        }
    };
    request.messages.iter().map(place).collect()
}

impl Request {
    /// Whether a top-level field of the request means the same in that dialect.
    #[must_use]
    pub fn shares(&self, with: Dialect, name: &str) -> bool {
        let lists = |dialect: Dialect| dialect.server().shared_fields().contains(&name);
        lists(self.origin) && lists(with)
    }

    /// Where each turn stands in the document that the request was read from. Reasoning that was put
    /// back stands nowhere in it: its place is the turn.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let is_back = |part: &Part| part.extra.noted(RETURNED);
        let mut turns = self.messages.iter().map(|message| &message.parts);
        if !turns.any(|parts| parts.iter().any(is_back)) {
            return self.origin.server().places(self);
        }
        let mut read = self.clone();
        for message in &mut read.messages {
            message.parts.retain(|part| !is_back(part));
        }
        let mut places = self.origin.server().places(&read);
        for (place, message) in places.iter_mut().zip(&self.messages) {
            for (at, _) in message.parts.iter().enumerate().filter(|(_, p)| is_back(p)) {
                place
                    .parts
                    .insert(at.min(place.parts.len()), place.turn.clone());
            }
        }
        places
    }

    /// The words of the dialect that it was written in.
    #[must_use]
    pub fn words(&self) -> &'static Words {
        self.origin.server().words()
    }
}
