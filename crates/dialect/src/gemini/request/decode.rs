//! Reads a request into the hub.
//!
//! Each member is read once, at its place, in whichever case its name is written; what
//! the hub has no word for stays there as an extra field. Reading must keep all that
//! writing needs to give the same request back.

use super::config::{read_config, read_tier};
use super::head::bare;
use super::tools::{read_choice, read_tools};
use crate::chat::{Extra, Message, Part, Request, Role, given};
use crate::gemini::wire::read::{Calls, parts};
use crate::gemini::wire::{
    OWN, WEIGHTY, is_empty, names, repeated, required, spelled, text, with_asides,
};
use crate::json::{Invalid, Json, Kind, Reader};

/// Reads a whole request into the hub.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut request = Request::new(OWN, String::new());
    request.extra = with_asides();
    request.extra.set_weighty(&WEIGHTY);
    request.stream_usage = true;
    let (mut contents, mut system) = (None, None);
    let mut seen = Once::default();
    reader.object(|key, member| {
        let extra = &mut request.extra;
        let key = names::read(key, extra);
        seen.note(key)?;
        match key {
            "model" => {
                request.model = bare(&text(member)?).to_owned();
                extra.note(spelled::MODEL);
            }
            "contents" => contents = Some(read_contents(member, extra)?),
            "systemInstruction" => system = given(member, extra, key, read_system)?,
            "generationConfig" => read_config(&mut request, member)?,
            "tools" if member.peek()? != Kind::Null => {
                if member.peek()? == Kind::Array && is_empty(member) {
                    extra.note(spelled::NO_TOOLS);
                }
                let (tools, one) = read_tools(member)?;
                request.tools = tools;
                if one {
                    request.extra.note(spelled::ONE_TOOL);
                }
            }
            "toolConfig" if member.peek()? == Kind::Object => read_choice(&mut request, member)?,
            "serviceTier" => request.service_tier = given(member, extra, key, read_tier)?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    request.messages = required(contents, "contents")?;
    if let Some(system) = system {
        request.messages.insert(0, system);
    }
    Ok(request)
}

/// Members that stood already, so that one in its other case is noticed.
#[derive(Default)]
pub(super) struct Once(Vec<&'static str>);

impl Once {
    /// Notes a member by its name without underscores.
    pub(super) fn note(&mut self, name: &str) -> Result<(), Invalid> {
        const KNOWN: [&str; 16] = [
            "systemInstruction",
            "generationConfig",
            "toolConfig",
            "serviceTier",
            "stopSequences",
            "candidateCount",
            "maxOutputTokens",
            "topP",
            "topK",
            "responseMimeType",
            "responseSchema",
            "responseJsonSchema",
            "responseLogprobs",
            "thinkingConfig",
            "presencePenalty",
            "frequencyPenalty",
        ];
        let Some(known) = KNOWN.iter().find(|known| **known == name) else {
            return Ok(());
        };
        if self.0.contains(known) {
            return Err(Invalid::new("this member stands here twice"));
        }
        self.0.push(known);
        Ok(())
    }
}

fn read_contents(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<Vec<Message>, Invalid> {
    let mut list = Vec::new();
    // A request's calls are numbered through, and a conversation only grows.
    let mut calls = Calls::of("turn".to_owned());
    let one = repeated(reader, |content| {
        list.push(read_content(content, &mut calls)?);
        Ok(())
    })?;
    if one {
        extra.note(spelled::ONE_CONTENT);
    }
    Ok(list)
}

/// Reads `{"role": …, "parts": […]}`, or a string that stands for a user's words.
fn read_content(reader: &mut Reader<'_>, calls: &mut Calls) -> Result<Message, Invalid> {
    let mut message = Message::new(Role::User, Vec::new());
    if reader.peek()? == Kind::String {
        message.parts = vec![Part::text(reader.text()?)];
        message.extra.note(spelled::STRING);
        return Ok(message);
    }
    let (mut role, mut said) = (None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("role", Kind::String) => role = Some(text(member)?),
            ("parts", Kind::Array | Kind::Object) => said = Some(parts(member, calls)?),
            _ => message.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let extra = &mut message.extra;
    message.role = match role.as_deref() {
        Some("user") => Role::User,
        Some("model") => Role::Assistant,
        Some("function") => {
            extra.note(spelled::FUNCTION);
            Role::User
        }
        Some("tool") => {
            extra.note(spelled::TOOL);
            Role::User
        }
        Some("system") => {
            extra.note(spelled::SYSTEM_ROLE);
            Role::System
        }
        None | Some("") => {
            extra.note(spelled::NO_ROLE);
            if role.is_some() {
                extra.push("role", Json::string(""));
            }
            Role::User
        }
        Some(_) => {
            return Err(Invalid::new("`user` or `model` was expected").under("role"));
        }
    };
    match said {
        Some((parts, one)) => {
            message.parts = parts;
            if one {
                extra.note(spelled::ONE_PART);
            }
        }
        None => extra.note(spelled::NO_PARTS),
    }
    Ok(message)
}

/// Reads the instructions, whose role says nothing.
fn read_system(reader: &mut Reader<'_>) -> Result<Message, Invalid> {
    let mut message = read_content(reader, &mut Calls::default())?;
    if message.role == Role::User && !message.extra.noted(spelled::NO_ROLE) {
        message.extra.note(spelled::USER);
    }
    if message.role == Role::Assistant {
        message.extra.push("role", Json::string("model"));
    }
    message.role = Role::System;
    message.apart = true;
    Ok(message)
}
