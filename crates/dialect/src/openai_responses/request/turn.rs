//! The input: instructions, turns and results as items.
//!
//! Ours stand as they stood. Of another dialect each message becomes the items
//! that it is made of. Nothing may be left out without a loss.

use std::collections::HashSet;

use super::Pen;
use crate::chat::{Message, Part, PartKind, Place, Request, Role, ToolCallKind, ToolResult};
use crate::json::Writer;
use crate::loss::LossKind;
use crate::openai_responses::wire::content::in_content;
use crate::openai_responses::wire::spelled;
use crate::openai_responses::wire::write::{Items, report_extra};

impl Pen<'_> {
    /// Writes `instructions` and `input`.
    pub(super) fn input(&mut self, out: &mut Writer, request: &Request) {
        let extra = &request.extra;
        let stands_apart = |message: &&Message| self.ours && message.apart;
        let instructions = request.messages.iter().find(stands_apart);
        if let Some(Part {
            kind: PartKind::Text(words),
            ..
        }) = instructions.and_then(|message| message.parts.first())
        {
            out.key("instructions").text(words);
        }
        let rest: Vec<(usize, &Message)> = request
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| !stands_apart(message))
            .collect();
        if self.ours && extra.noted(spelled::NO_INPUT) {
            return;
        }
        if let ([(_, only)], true) = (
            rest.as_slice(),
            self.ours && extra.noted(spelled::BARE_INPUT),
        ) && let [
            Part {
                kind: PartKind::Text(words),
                ..
            },
        ] = only.parts.as_slice()
        {
            out.key("input").text(words);
            return;
        }
        let custom = custom_calls(request);
        let places = request.places();
        let nowhere = Place::default();
        out.key("input").array(|out| {
            for (at, message) in rest {
                self.turn(out, message, places.get(at).unwrap_or(&nowhere), &custom);
            }
        });
    }

    fn items(&mut self) -> Items<'_> {
        Items {
            ours: self.ours,
            answer: None,
            written: 0,
            logprobs: None,
            losses: self.losses,
        }
    }

    /// Writes one message as one item or several, and tells what is lost in the words of the
    /// place where it stood.
    fn turn(&mut self, out: &mut Writer, message: &Message, stood: &Place, custom: &HashSet<&str>) {
        if !self.ours {
            report_extra(&message.extra, &format!("{}.", stood.turn), self.losses);
            if message.name.is_some() {
                self.left(format!("{}.name", stood.turn), "responses name nobody");
            }
        }
        if message.role == Role::Assistant {
            let path = |place| stood.part(place).to_owned();
            self.items().said(out, &message.parts, &path);
            return;
        }
        let mut rest = Vec::new();
        for (place, part) in message.parts.iter().enumerate() {
            let at = stood.part(place).to_owned();
            // An answer must follow its call, so it comes before what else was said.
            if let PartKind::ToolResult(result) = &part.kind {
                let custom = custom.contains(result.call_id.as_str());
                self.result(out, (part, result), &at, custom);
            } else {
                rest.push((at, part));
            }
        }
        if rest.is_empty() && !message.parts.is_empty() {
            return;
        }
        self.message(out, message, &rest);
    }

    fn message(&mut self, out: &mut Writer, message: &Message, parts: &[(String, &Part)]) {
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let ours = self.ours;
        let mut items = self.items();
        let mut any = ours || parts.is_empty();
        out.attempt(|out| {
            out.object(|out| {
                if ours && !message.extra.noted(spelled::UNTYPED) {
                    out.key("type").string("message");
                }
                out.key("role").string(role);
                out.key("content");
                if let ([(at, part)], true) = (parts, message.bare)
                    && let PartKind::Text(words) = &part.kind
                {
                    out.text(words);
                    any = true;
                    if !ours {
                        items.beside(part, at);
                    }
                } else {
                    out.array(|out| {
                        for (at, part) in parts {
                            any |= items.content(out, part, at, false);
                        }
                    });
                }
                if ours {
                    message.extra.write(out);
                }
            });
            any
        });
    }

    /// Writes what a tool answered.
    fn result(
        &mut self,
        out: &mut Writer,
        (part, result): (&Part, &ToolResult),
        at: &str,
        custom: bool,
    ) {
        if result.is_error == Some(true) {
            let why = "a tool's output has no error flag";
            let path = format!("{at}.is_error");
            self.losses.tuning(path, LossKind::Dropped, why);
        }
        let ours = self.ours;
        let custom = if ours {
            part.extra.noted(spelled::CUSTOM)
        } else {
            custom
        };
        let mut items = self.items();
        if !ours {
            items.beside(part, at);
        }
        out.object(|out| {
            out.key("type").string(if custom {
                "custom_tool_call_output"
            } else {
                "function_call_output"
            });
            out.key("call_id").string(&result.call_id);
            out.key("output");
            match result.parts.as_slice() {
                [] if !ours => {
                    out.string("");
                }
                [only] if (result.bare || !ours) && text(only).is_some() => {
                    out.string(text(only).unwrap_or_default());
                    if !ours {
                        items.beside(only, &result.place(at, 0));
                    }
                }
                several => {
                    let mut any = ours;
                    let wrote = out.attempt(|out| {
                        out.array(|out| {
                            for (place, part) in several.iter().enumerate() {
                                let at = result.place(at, place);
                                any |= items.content(out, part, &at, false);
                            }
                        });
                        any
                    });
                    if !wrote {
                        out.string("");
                    }
                }
            }
            if ours {
                part.extra.write(out);
            }
        });
    }
}

fn text(part: &Part) -> Option<&str> {
    if let PartKind::Text(words) = &part.kind {
        Some(words.as_str())
    } else {
        None
    }
}

/// Where the turns of a request of this dialect stand in its items.
pub(crate) fn places(request: &Request) -> Vec<Place> {
    let mut items = 0usize;
    let mut next = || {
        items += 1;
        format!("input[{}]", items - 1)
    };
    let place = |message: &Message| {
        if message.apart {
            return alone("instructions", message);
        }
        if request.extra.noted(spelled::BARE_INPUT) {
            return alone("input", message);
        }
        if message.role != Role::Assistant {
            let turn = next();
            let parts = (0..message.parts.len()).map(|at| {
                if message.role == Role::Tool {
                    turn.clone()
                } else if message.bare {
                    format!("{turn}.content")
                } else {
                    format!("{turn}.content[{at}]")
                }
            });
            return Place {
                parts: parts.collect(),
                turn,
            };
        }
        let (mut item, mut content) = (String::new(), 0usize);
        let parts = message.parts.iter().map(|part| {
            if !in_content(part) {
                item.clear();
                return next();
            }
            if item.is_empty() || part.extra.noted(spelled::ITEM) {
                (item, content) = (next(), 0);
            }
            content += 1;
            if part.extra.noted(spelled::EMPTY_ITEM) {
                return item.clone();
            }
            if part.extra.noted(spelled::BARE) {
                return format!("{item}.content");
            }
            format!("{item}.content[{}]", content - 1)
        });
        let parts: Vec<String> = parts.collect();
        Place {
            turn: parts.first().cloned().unwrap_or_default(),
            parts,
        }
    };
    request.messages.iter().map(place).collect()
}

/// The place of a turn that is one bare string.
fn alone(path: &str, message: &Message) -> Place {
    Place {
        turn: path.to_owned(),
        parts: vec![path.to_owned(); message.parts.len()],
    }
}

/// Ids of the calls of custom tools, whose results are items of another type.
fn custom_calls(request: &Request) -> HashSet<&str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let calls = parts.filter_map(|part| {
        if let PartKind::ToolCall(call) = &part.kind {
            Some(call)
        } else {
            None
        }
    });
    let custom = calls.filter(|call| call.kind == ToolCallKind::Custom);
    custom.map(|call| call.id.as_str()).collect()
}
