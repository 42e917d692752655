//! Writes a request's turns.
//!
//! Ours stand as they stood. Of those of other dialects a tool's answer becomes a
//! message of its own; what that cannot hold follows in a message of the user's.
//! Nothing may be left out without a loss.

use super::encode::Writing;
use std::borrow::Cow;

use crate::chat::{
    MediaSource, Message, Part, PartKind, Place, Request, Role, ToolCallKind, ToolResult,
    places_in_messages,
};
use crate::cohere::wire::block::{words, write_block};
use crate::cohere::wire::message::{result, role_word, write_beside, write_own_message};
use crate::cohere::wire::{lose_extra, planned};
use crate::json::{Text, Writer};
use crate::loss::LossKind;

impl Writing<'_> {
    /// Writes the turns.
    pub(super) fn messages(&mut self, out: &mut Writer) {
        let request = self.request;
        out.key("messages").array(|out| {
            if self.ours {
                let own = request.messages.iter();
                own.for_each(|message| write_own_message(out, message));
                return;
            }
            for (message, place) in request.messages.iter().zip(request.places()) {
                self.message(out, message, &place);
            }
        });
    }

    /// Writes another dialect's message, as one or several, and tells what is lost in the words
    /// of the place where it stood.
    fn message(&mut self, out: &mut Writer, message: &Message, stood: &Place) {
        let at = &stood.turn;
        lose_extra(self.losses, at, &message.extra);
        if message.name.is_some() {
            self.left(format!("{at}.name"), "Cohere's chat names nobody");
        }
        let mut moved = Vec::new();
        let (mut content, mut beside) = (Vec::new(), Vec::new());
        let parts = message.parts.iter().enumerate();
        let parts: Vec<(&str, &Part)> = parts.map(|(at, part)| (stood.part(at), part)).collect();
        // A tool's answer must follow its call at once, so it comes before what else was said.
        for (path, part) in &parts {
            if let Some(result) = result(part) {
                self.about(part, path);
                self.result(out, result, path, &mut moved);
            } else {
                self.choose(message.role, part, path, (&mut content, &mut beside));
            }
        }
        let unsaid = content.is_empty() && beside.is_empty() && moved.is_empty();
        if unsaid && !parts.is_empty() {
            // It was an answer of tools alone, or all of it stays behind and is named.
            return;
        }
        let speaker = match message.role {
            Role::Developer => Role::System,
            Role::Tool => Role::User,
            Role::System | Role::User | Role::Assistant => message.role,
        };
        moved.append(&mut content);
        out.object(|out| {
            out.key("role").string(role_word(speaker));
            if !moved.is_empty() || beside.is_empty() {
                out.key("content");
                write_blocks(out, &moved);
            }
            write_beside(out, beside.iter().copied(), false);
        });
    }

    /// Puts a part where it stands here, in the content or beside it, or reports it.
    fn choose<'p>(
        &mut self,
        role: Role,
        part: &'p Part,
        path: &str,
        (content, beside): (&mut Vec<Cow<'p, Part>>, &mut Vec<&'p Part>),
    ) {
        self.about(part, path);
        let (user, model) = (role == Role::User, role == Role::Assistant);
        match &part.kind {
            PartKind::Text(_) => content.push(Cow::Borrowed(part)),
            PartKind::Refusal(_) => {
                self.near(path, "a refusal goes on as text");
                content.push(Cow::Borrowed(part));
            }
            PartKind::ToolCall(call) if model => {
                if call.kind == ToolCallKind::Custom {
                    let why = "free text goes on as the member `input`";
                    let path = format!("{path}.input");
                    self.losses.functional(path, LossKind::Approximated, why);
                }
                beside.push(part);
            }
            PartKind::Reasoning(_) if planned(part).is_some() => beside.push(part),
            PartKind::Reasoning(reasoning) if model => {
                let foreign = reasoning.opaque.is_some();
                if reasoning.text.is_empty() {
                    self.left(path, "only its maker can use it");
                    return;
                }
                if foreign {
                    self.left(format!("{path}.signature"), "only its maker can use it");
                }
                content.push(Cow::Borrowed(part));
            }
            PartKind::Image(_) | PartKind::Document(_) if user => {
                content.extend(self.form(part, path));
            }
            PartKind::Opaque(opaque) if opaque.kind.contains("reasoning") => {
                self.left(path, "only its maker can use it");
            }
            PartKind::Opaque(_) => self.dropped(path, "only the dialect it came from knows it"),
            PartKind::Audio(_) | PartKind::Video(_) if user => {
                let why = write_block(&mut Writer::default(), part, false).err();
                self.dropped(path, why.unwrap_or_default());
            }
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_) => self.dropped(path, "this role cannot say it"),
        }
    }

    /// A picture as it is, a document as its words; none where there is no form for it.
    fn form<'p>(&mut self, part: &'p Part, path: &str) -> Option<Cow<'p, Part>> {
        if let PartKind::Document(media) = &part.kind
            && let Some(words) = document_words(&media.source)
        {
            self.near(path, "the document goes as text");
            if media.name.is_some() {
                self.left(format!("{path}.title"), "the words alone are sent");
            }
            if let MediaSource::Parts(inner) = &media.source {
                for (at, part) in inner.iter().enumerate() {
                    self.about(part, &format!("{path}.source.content[{at}]"));
                }
            }
            return Some(Cow::Owned(Part::text(words)));
        }
        match write_block(&mut Writer::default(), part, false) {
            Ok(()) => Some(Cow::Borrowed(part)),
            Err(why) => {
                self.dropped(path, why);
                None
            }
        }
    }

    /// What may stand on any part and cannot go along.
    fn about(&mut self, part: &Part, path: &str) {
        if part.cache.is_some() {
            let path = format!("{path}.cache_control");
            self.left(path, "Cohere caches by itself");
        }
        if !part.citations.is_empty() {
            let why = "past citations stay with their provider";
            self.left(format!("{path}.citations"), why);
        }
        lose_extra(self.losses, path, &part.extra);
    }

    /// Writes a tool's message; what is no text is left in `moved` for the message behind it.
    fn result<'p>(
        &mut self,
        out: &mut Writer,
        result: &'p ToolResult,
        path: &str,
        moved: &mut Vec<Cow<'p, Part>>,
    ) {
        if result.is_error == Some(true) {
            self.left(
                format!("{path}.is_error"),
                "a tool's message has no such flag",
            );
        }
        let mut texts = Vec::new();
        for (at, part) in result.parts.iter().enumerate() {
            let path = result.place(path, at);
            self.about(part, &path);
            if words(part).is_some() {
                texts.push(Cow::Borrowed(part));
                continue;
            }
            match self.form(part, &path) {
                Some(form) if words(&form).is_some() => texts.push(form),
                Some(form) => {
                    let why = "a tool's message holds text only, so it follows in a user message";
                    self.losses.tuning(path, LossKind::Moved, why);
                    moved.push(form);
                }
                None => {}
            }
        }
        out.object(|out| {
            out.key("role").string("tool");
            out.key("tool_call_id").string(&result.call_id);
            out.key("content");
            write_blocks(out, &texts);
        });
    }
}

/// Where the turns of a request of this dialect stand: as in lists of messages, with the plan
/// beside the content.
pub(crate) fn places(request: &Request) -> Vec<Place> {
    let mut places = places_in_messages(request);
    for (place, message) in places.iter_mut().zip(&request.messages) {
        let mut content = 0usize;
        for (path, part) in place.parts.iter_mut().zip(&message.parts) {
            let beside = matches!(part.kind, PartKind::ToolCall(_) | PartKind::ToolResult(_));
            if planned(part).is_some() {
                *path = format!("{}.tool_plan", place.turn);
            } else if !beside && !message.bare {
                *path = format!("{}.content[{content}]", place.turn);
                content += 1;
            }
        }
    }
    places
}

/// Writes content as a string where it is one text, else as a list of blocks.
fn write_blocks(out: &mut Writer, parts: &[Cow<'_, Part>]) {
    match parts {
        [] => {
            out.string("");
        }
        [only] if words(only).is_some() => {
            words(only).map(|words| out.text(words));
        }
        several => {
            out.array(|out| {
                for part in several {
                    // What has no form was left out before.
                    let _ = write_block(out, part, false);
                }
            });
        }
    }
}

/// The words of a document that is no file.
fn document_words(source: &MediaSource) -> Option<String> {
    match source {
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
