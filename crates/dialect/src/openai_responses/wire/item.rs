//! Items: what stands in `input` and `output`, read one by one.
//!
//! Messages, calls, results and reasoning have words in the hub; any other item
//! is kept whole. Reading must keep all that writing needs to give it back.

use super::content::content;
use super::reasoning::reasoning;
use super::{ITEM, MESSAGE, item_extra, kind_of, own, required, spelled, text};
use crate::chat::{Extra, Message, Part, PartKind, Role, ToolCall, ToolCallKind, ToolResult};
use crate::json::{Invalid, Reader};

/// What an item is.
pub(crate) enum Item {
    /// A message of the application or the user.
    Message(Message),
    /// What the assistant says or does.
    Said(Vec<Part>),
    /// What a tool answered.
    Result(Part),
}

/// Reads one item.
pub(crate) fn item(reader: &mut Reader<'_>) -> Result<Item, Invalid> {
    let kind = kind_of(reader)?;
    match &*kind {
        "" | "message" => message(reader),
        "function_call" => call(reader, ToolCallKind::Function).map(one),
        "custom_tool_call" => call(reader, ToolCallKind::Custom).map(one),
        "function_call_output" => result(reader, false),
        "custom_tool_call_output" => result(reader, true),
        "reasoning" => reasoning(reader).map(one),
        other => Ok(whole(other, reader)?),
    }
}

fn one(part: Part) -> Item {
    Item::Said(vec![part])
}

fn whole(kind: &str, reader: &mut Reader<'_>) -> Result<Item, Invalid> {
    Ok(one(PartKind::Opaque(own(kind, reader.json()?)).into()))
}

fn message(reader: &mut Reader<'_>) -> Result<Item, Invalid> {
    let mut all = reader.clone();
    let (mut role, mut said, mut typed) = (None, None, false);
    // What the item says of itself, and what else stands there.
    let (mut about, mut beside) = (Extra::default(), Extra::default());
    reader.object(|key, member| {
        match key {
            "type" => {
                typed = true;
                member.skip()?;
            }
            "role" => role = Some(text(member)?),
            "content" => said = Some(content(member)?),
            "id" | "status" => about.push(key, member.json()?),
            _ => beside.push(key, member.json()?),
        }
        Ok(())
    })?;
    let role = match required(role, "role")?.as_str() {
        "user" => Role::User,
        "system" => Role::System,
        "developer" => Role::Developer,
        "assistant" => {
            let (parts, bare) = required(said, "content")?;
            return Ok(Item::Said(spoken((parts, bare), typed, &about, &beside)));
        }
        _ => return whole("message", &mut all),
    };
    let (parts, bare) = required(said, "content")?;
    let mut message = Message::new(role, parts);
    message.bare = bare;
    message.extra.set_asides(&super::ASIDES);
    for (name, value) in about.iter().chain(beside.iter()) {
        message.extra.push(name, value.clone());
    }
    if !typed {
        message.extra.note(spelled::UNTYPED);
    }
    Ok(Item::Message(message))
}

/// The parts of the assistant's message, of which the first knows the item.
fn spoken(
    (mut parts, bare): (Vec<Part>, bool),
    typed: bool,
    about: &Extra,
    beside: &Extra,
) -> Vec<Part> {
    if parts.is_empty() {
        let mut nothing = Part::text("");
        nothing.extra.note(spelled::EMPTY_ITEM);
        parts.push(nothing);
    }
    if let Some(first) = parts.first_mut() {
        let extra = &mut first.extra;
        extra.set_asides(&super::ASIDES);
        extra.note(spelled::ITEM);
        if bare {
            extra.note(spelled::BARE);
        }
        if !typed {
            extra.note(spelled::UNTYPED);
        }
        extra.keep_inner(ITEM, about);
        extra.keep_inner(MESSAGE, beside);
    }
    parts
}

/// Reads a call of one of the application's tools.
pub(crate) fn call(reader: &mut Reader<'_>, kind: ToolCallKind) -> Result<Part, Invalid> {
    let mut extra = item_extra();
    let (mut id, mut name, mut arguments) = (None, None, None);
    let field = match kind {
        ToolCallKind::Function => "arguments",
        ToolCallKind::Custom => "input",
    };
    reader.object(|key, member| {
        match key {
            "type" => {
                member.skip()?;
            }
            "call_id" => id = Some(text(member)?),
            "name" => name = Some(text(member)?),
            _ if key == field => arguments = Some(text(member)?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let mut part = Part::from(PartKind::ToolCall(ToolCall {
        id: required(id, "call_id")?,
        name: required(name, "name")?,
        arguments: required(arguments, field)?,
        kind,
    }));
    part.extra = extra;
    Ok(part)
}

fn result(reader: &mut Reader<'_>, custom: bool) -> Result<Item, Invalid> {
    let mut extra = item_extra();
    let (mut id, mut answer) = (None, None);
    reader.object(|key, member| {
        match key {
            "type" => {
                member.skip()?;
            }
            "call_id" => id = Some(text(member)?),
            "output" => answer = Some(content(member)?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if custom {
        extra.note(spelled::CUSTOM);
    }
    let (parts, bare) = required(answer, "output")?;
    let mut part = Part::from(PartKind::ToolResult(ToolResult {
        call_id: required(id, "call_id")?,
        is_error: None,
        parts,
        bare,
    }));
    part.extra = extra;
    Ok(Item::Result(part))
}
