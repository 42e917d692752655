//! Turns of a conversation, ours as they stood and those of other dialects.
//!
//! A tool's answer is a message of its own here; what it cannot hold follows in
//! a user message. Nothing may be left out without a loss.

use super::Pen;
use crate::chat::{Extra, MediaSource, Message, Part, PartKind, Place, Request, Role, ToolResult};
use crate::json::{Text, Writer};
use crate::loss::LossKind;
use crate::openai_chat::response::message::{
    in_content, words, write_joined, write_list, write_said,
};
use crate::openai_chat::response::report_extra;
use crate::openai_chat::wire::part::write_part;
use crate::openai_chat::wire::spelled;
use crate::reasoning::RETURNED;

/// Writes one of our own messages as it stood.
pub(crate) fn write_own_message(out: &mut Writer, message: &Message) {
    out.object(|out| {
        let extra = &message.extra;
        if extra.get("role").is_none() {
            out.key("role").string(role(message.role));
        }
        if let Some(name) = &message.name {
            out.key("name").string(name);
        }
        let (parts, bare) = match message.parts.iter().find_map(result) {
            Some(result) => {
                out.key("tool_call_id").string(&result.call_id);
                (&result.parts, result.bare)
            }
            None => (&message.parts, message.bare),
        };
        if bare {
            out.key("content");
            write_joined(out, parts);
        } else if parts.iter().any(in_content) {
            out.key("content");
            write_list(out, parts.iter(), true);
        } else if extra.get("content").is_none() && !extra.noted(spelled::ABSENT) {
            out.key("content").null();
        }
        let all: Vec<&Part> = message.parts.iter().collect();
        write_said(out, &all, extra, true);
        extra.write(out);
    });
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn result(part: &Part) -> Option<&ToolResult> {
    if let PartKind::ToolResult(result) = &part.kind {
        Some(result)
    } else {
        None
    }
}

impl Pen<'_> {
    /// Writes another dialect's message, as one or several, and tells what is lost in the
    /// words of the place where it stood.
    pub(super) fn message(&mut self, out: &mut Writer, message: &Message, stood: &Place) {
        report_extra(&message.extra, &format!("{}.", stood.turn), self.losses);
        // A tool's answer must follow its call at once, so it comes before what else was said.
        let mut moved = Vec::new();
        for (place, part) in message.parts.iter().enumerate() {
            if let Some(result) = result(part) {
                let at = stood.part(place);
                self.beside(part, at);
                self.result(out, result, at, &mut moved);
            }
        }
        let rest: Vec<(String, &Part)> = message
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| result(part).is_none())
            .map(|(place, part)| (stood.part(place).to_owned(), part))
            .collect();
        if rest.is_empty() && moved.is_empty() && !message.parts.is_empty() {
            return;
        }
        let speaker = if message.role == Role::Tool {
            Role::User
        } else {
            message.role
        };
        let (content, said) = self.choose(message.role, &rest);
        let parts: Vec<&Part> = moved.into_iter().chain(content).collect();
        if parts.is_empty() && said.is_empty() && !message.parts.is_empty() {
            // All that was said stays behind, and is named.
            return;
        }
        out.object(|out| {
            out.key("role").string(role(speaker));
            if let Some(name) = &message.name {
                out.key("name").string(name);
            }
            out.key("content");
            match parts.as_slice() {
                [] if said
                    .iter()
                    .any(|part| matches!(part.kind, PartKind::ToolCall(_))) =>
                {
                    out.null();
                }
                [] => {
                    out.string("");
                }
                [only] if words(only).is_some() => write_joined(out, [*only]),
                several => {
                    out.array(|out| {
                        for part in several {
                            self.part(out, part);
                        }
                    });
                }
            }
            write_said(out, &said, &Extra::default(), false);
        });
    }

    /// Parts that stand in the content and parts that stand beside it; the rest is reported.
    fn choose<'p>(
        &mut self,
        role: Role,
        parts: &[(String, &'p Part)],
    ) -> (Vec<&'p Part>, Vec<&'p Part>) {
        let (mut content, mut said) = (Vec::new(), Vec::new());
        for (at, part) in parts {
            self.beside(part, at);
            let user = matches!(role, Role::User | Role::Tool);
            match &part.kind {
                PartKind::Text(_) => content.push(*part),
                PartKind::Refusal(_) | PartKind::ToolCall(_) if role == Role::Assistant => {
                    said.push(*part);
                }
                PartKind::Reasoning(_) if part.extra.noted(RETURNED) => said.push(*part),
                PartKind::Reasoning(_) => self.left(at, "past reasoning stays with its provider"),
                PartKind::Image(_)
                | PartKind::Audio(_)
                | PartKind::Video(_)
                | PartKind::Document(_)
                    if user =>
                {
                    match self.form(part, at) {
                        Ok(()) => content.push(*part),
                        Err(why) => self.dropped(at, why),
                    }
                }
                PartKind::Image(_)
                | PartKind::Audio(_)
                | PartKind::Video(_)
                | PartKind::Document(_)
                | PartKind::Refusal(_)
                | PartKind::ToolCall(_)
                | PartKind::ToolResult(_) => self.dropped(at, "this role cannot say it"),
                PartKind::Opaque(_) => self.dropped(at, "only the dialect it came from knows it"),
            }
        }
        (content, said)
    }

    /// Whether the part has a form here, be it as plain text.
    fn form(&mut self, part: &Part, at: &str) -> Result<(), &'static str> {
        if plain(part).is_some() {
            self.losses
                .tuning(at, LossKind::Approximated, "the document goes as text");
            self.within(part, at);
            return Ok(());
        }
        write_part(&mut Writer::default(), part, false)
    }

    /// What a document that goes as text leaves behind beside its words.
    fn within(&mut self, part: &Part, at: &str) {
        let PartKind::Document(media) = &part.kind else {
            return;
        };
        if media.name.is_some() {
            self.left(format!("{at}.title"), "the words alone are sent");
        }
        if let MediaSource::Parts(parts) = &media.source {
            for (place, part) in parts.iter().enumerate() {
                self.beside(part, &format!("{at}.source.content[{place}]"));
            }
        }
    }

    fn part(&mut self, out: &mut Writer, part: &Part) {
        // What has no form was left out by `choose`.
        let _ = match plain(part) {
            Some(text) => write_part(out, &Part::text(text), false),
            None => write_part(out, part, false),
        };
    }

    /// What may stand on any part and cannot go along.
    fn beside(&mut self, part: &Part, at: &str) {
        if part.cache.is_some() {
            self.left(
                format!("{at}.cache_control"),
                "chat completions cache by themselves",
            );
        }
        if !part.citations.is_empty() {
            self.left(
                format!("{at}.citations"),
                "past citations stay with their provider",
            );
        }
        report_extra(&part.extra, &format!("{at}."), self.losses);
    }

    /// Writes a tool message; what is no text is left in `moved` for the message behind it.
    fn result<'p>(
        &mut self,
        out: &mut Writer,
        result: &'p ToolResult,
        at: &str,
        moved: &mut Vec<&'p Part>,
    ) {
        if result.is_error == Some(true) {
            self.losses.tuning(
                format!("{at}.is_error"),
                LossKind::Dropped,
                "a tool message has no error flag",
            );
        }
        let mut texts = Vec::new();
        for (place, part) in result.parts.iter().enumerate() {
            let at = result.place(at, place);
            self.beside(part, &at);
            if words(part).is_some() {
                texts.push(part);
                continue;
            }
            match self.form(part, &at) {
                Ok(()) => {
                    self.losses.tuning(
                        at,
                        LossKind::Moved,
                        "a tool message holds text only, so it follows in a user message",
                    );
                    moved.push(part);
                }
                Err(why) => self.dropped(at, why),
            }
        }
        out.object(|out| {
            out.key("role").string("tool");
            out.key("tool_call_id").string(&result.call_id);
            out.key("content");
            match texts.as_slice() {
                [] => {
                    out.string("");
                }
                [only] => write_joined(out, [*only]),
                several => write_list(out, several.iter().copied(), false),
            }
        });
    }
}

/// The text of a document that is no file; none for any other part.
fn plain(part: &Part) -> Option<String> {
    let PartKind::Document(media) = &part.kind else {
        return None;
    };
    match &media.source {
        MediaSource::Text(text) => Some(text.clone()),
        MediaSource::Parts(parts) if parts.iter().all(|part| words(part).is_some()) => {
            let texts: Vec<&str> = parts.iter().filter_map(words).map(Text::as_str).collect();
            Some(texts.join("\n"))
        }
        MediaSource::Parts(_)
        | MediaSource::Base64(_)
        | MediaSource::Url(_)
        | MediaSource::File(_) => None,
    }
}

/// Where the turns of a request of this dialect stand, with what stands beside their content.
pub(crate) fn places(request: &Request) -> Vec<Place> {
    let messages = request.messages.iter().enumerate();
    let place = |(at, message): (usize, &Message)| {
        let turn = format!("messages[{at}]");
        Place {
            parts: part_places(message, &turn),
            turn,
        }
    };
    messages.map(place).collect()
}

fn part_places(message: &Message, turn: &str) -> Vec<String> {
    let (mut content, mut calls, mut details) = (0usize, 0usize, 0usize);
    let next = |list: &str, count: &mut usize| {
        *count += 1;
        format!("{turn}.{list}[{}]", *count - 1)
    };
    let path = |part: &Part| match &part.kind {
        PartKind::ToolResult(_) => turn.to_owned(),
        PartKind::ToolCall(_) => next("tool_calls", &mut calls),
        _ if in_content(part) && message.bare => format!("{turn}.content"),
        _ if in_content(part) => next("content", &mut content),
        PartKind::Reasoning(_) if message.extra.noted(spelled::DETAILS) => {
            next(spelled::DETAILS, &mut details)
        }
        PartKind::Reasoning(_) if message.extra.noted(spelled::REASONING) => {
            format!("{turn}.{}", spelled::REASONING)
        }
        PartKind::Reasoning(_) => format!("{turn}.{}", spelled::REASONING_CONTENT),
        PartKind::Refusal(_) => format!("{turn}.refusal"),
        PartKind::Opaque(opaque) => match opaque.kind.strip_prefix("message.") {
            Some(name) => format!("{turn}.{name}"),
            None => turn.to_owned(),
        },
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_) => turn.to_owned(),
    };
    message.parts.iter().map(path).collect()
}
