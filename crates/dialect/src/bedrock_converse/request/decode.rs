//! Reads a request into the hub.
//!
//! Each member is read once, at its place; what the hub has no word for stays
//! there as an extra field. Reading must keep all that writing needs to give the
//! same request back.

use super::family;
use crate::bedrock_converse::wire::read::blocks;
use crate::bedrock_converse::wire::{OWN, WEIGHTY, cache_point, required, spelled, text};
use crate::chat::{
    Effort, Extra, Message, OutputFormat, Request, Role, Tool, ToolChoice, ToolKind, given,
};
use crate::json::{Invalid, Json, Kind, Reader};

/// Reads a whole request into the hub. Model and form of the answer stand in the path.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut request = Request::new(OWN, String::new());
    request.extra.set_weighty(&WEIGHTY);
    request.stream_usage = true;
    let (mut messages, mut system) = (None, None);
    reader.object(|key, member| {
        match key {
            "messages" => messages = Some(read_messages(member)?),
            "system" => system = given(member, &mut request.extra, key, blocks)?,
            _ => read_member(&mut request, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    if messages.is_none() {
        request.extra.note(spelled::NO_MESSAGES);
    }
    family::take_limit(&mut request);
    request.messages = messages.unwrap_or_default();
    match system {
        Some(parts) if parts.is_empty() => request.extra.note(spelled::NO_SYSTEM),
        Some(parts) => {
            let mut message = Message::new(Role::System, parts);
            message.apart = true;
            request.messages.insert(0, message);
        }
        None => {}
    }
    Ok(request)
}

fn read_member(request: &mut Request, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    match (key, member.peek()?) {
        ("inferenceConfig", Kind::Object) => read_inference(request, member)?,
        ("toolConfig", Kind::Object) => read_tool_config(request, member)?,
        (family::FIELDS, Kind::Object) => family::read(request, member)?,
        ("serviceTier", Kind::Object) => {
            let mut rest = Extra::default();
            member.object(|key, inner| {
                match key {
                    "type" => request.service_tier = given(inner, &mut rest, key, text)?,
                    _ => rest.push(key, inner.json()?),
                }
                Ok(())
            })?;
            request.extra.keep_inner(key, &rest);
        }
        ("outputConfig", Kind::Object) => read_output(request, member)?,
        _ => request.extra.push(key, member.json()?),
    }
    Ok(())
}

fn number(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    let mut value = reader.clone();
    reader.number()?;
    value.json()
}

fn read_inference(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    request.extra.note(spelled::INFERENCE);
    let mut rest = Extra::default();
    let sampling = &mut request.sampling;
    reader.object(|key, member| {
        match key {
            "maxTokens" => {
                request.max_output_tokens = given(member, &mut rest, key, Reader::u64)?;
            }
            "temperature" => sampling.temperature = given(member, &mut rest, key, number)?,
            "topP" => sampling.top_p = given(member, &mut rest, key, number)?,
            "stopSequences" => {
                let stop = given(member, &mut rest, key, read_strings)?;
                if stop.as_ref().is_some_and(Vec::is_empty) {
                    request.extra.note(spelled::NO_STOPS);
                }
                request.stop = stop.unwrap_or_default();
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    request.extra.keep_inner("inferenceConfig", &rest);
    Ok(())
}

fn read_strings(reader: &mut Reader<'_>) -> Result<Vec<String>, Invalid> {
    let mut list = Vec::new();
    reader.array(|_, element| {
        list.push(text(element)?);
        Ok(())
    })?;
    Ok(list)
}

fn read_messages(reader: &mut Reader<'_>) -> Result<Vec<Message>, Invalid> {
    let mut list = Vec::new();
    reader.array(|_, element| {
        let (mut role, mut parts) = (None, None);
        let mut extra = Extra::default();
        element.object(|key, member| {
            match key {
                "role" => {
                    role = Some(match &*member.string()? {
                        "user" => Role::User,
                        "assistant" => Role::Assistant,
                        "system" => Role::System,
                        _ => {
                            return Err(Invalid::new(
                                "`user`, `assistant` or `system` was expected",
                            ));
                        }
                    });
                }
                "content" => parts = Some(blocks(member)?),
                _ => extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        let mut message = Message::new(required(role, "role")?, required(parts, "content")?);
        message.extra = extra;
        list.push(message);
        Ok(())
    })?;
    Ok(list)
}

fn read_tool_config(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    request.extra.note(spelled::TOOLS);
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("tools", Kind::Array) => request.tools = read_tools(member)?,
            ("toolChoice", Kind::Object) => {
                let (choice, extra) = read_choice(member)?;
                request.tool_choice = Some(choice);
                rest.keep_inner("toolChoice", &extra);
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    request.extra.keep_inner("toolConfig", &rest);
    Ok(())
}

/// The one member of a union, with its value; none where it has none or several.
fn only(reader: &mut Reader<'_>) -> Result<Option<(String, Json)>, Invalid> {
    let (mut found, mut members) = (None, 0);
    reader.object(|key, member| {
        members += 1;
        found = Some((key.to_owned(), member.json()?));
        Ok(())
    })?;
    Ok(found.filter(|_| members == 1))
}

fn read_tools(reader: &mut Reader<'_>) -> Result<Vec<Tool>, Invalid> {
    let mut tools: Vec<Tool> = Vec::new();
    reader.array(|_, element| {
        let mut whole = element.clone();
        let found = only(element)?;
        let raw = whole.json()?;
        let kind = match &found {
            Some((kind, value)) if kind == "toolSpec" => {
                tools.push(read_spec(&mut value.reader()).map_err(|e| e.under(kind))?);
                return Ok(());
            }
            Some((kind, value)) if kind == "cachePoint" => {
                if let Some(last) = tools.last_mut().filter(|last| last.cache.is_none()) {
                    last.cache = Some(cache_point(&mut value.reader())?);
                    return Ok(());
                }
                kind
            }
            Some((kind, _)) => kind,
            None => "",
        };
        tools.push(Tool {
            kind: ToolKind::Hosted {
                kind: kind.to_owned(),
                raw,
            },
            cache: None,
            extra: Extra::default(),
        });
        Ok(())
    })?;
    Ok(tools)
}

fn read_spec(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    let mut extra = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("name", _) => name = Some(text(member)?),
            ("description", _) => description = given(member, &mut extra, key, text)?,
            ("inputSchema", Kind::Object) => {
                let mut whole = member.clone();
                match only(member)? {
                    Some((kind, schema)) if kind == "json" => parameters = Some(schema),
                    _ => extra.push(key, whole.json()?),
                }
            }
            ("strict", _) => strict = given(member, &mut extra, key, Reader::bool)?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(Tool {
        kind: ToolKind::Function {
            name: required(name, "name")?,
            description,
            parameters,
            strict,
        },
        cache: None,
        extra,
    })
}

fn read_choice(reader: &mut Reader<'_>) -> Result<(ToolChoice, Extra), Invalid> {
    let mut whole = reader.clone();
    let mut rest = Extra::default();
    let found = only(reader)?;
    let choice = match found.as_ref().map(|(kind, value)| (kind.as_str(), value)) {
        Some(("auto", _)) => Some(ToolChoice::Auto),
        Some(("any", _)) => Some(ToolChoice::Required),
        Some(("tool", value)) => {
            let mut name = None;
            value.reader().object(|key, member| {
                match key {
                    "name" => name = Some(text(member)?),
                    _ => rest.push(key, member.json()?),
                }
                Ok(())
            })?;
            Some(ToolChoice::Tool(required(name, "name")?))
        }
        Some(_) | None => None,
    };
    let plain = match (&choice, &found) {
        (Some(ToolChoice::Tool(_)), _) => true,
        (Some(_), Some((_, value))) => super::super::wire::write::idle(value),
        (Some(_) | None, _) => false,
    };
    match choice.filter(|_| plain) {
        Some(choice) => Ok((choice, rest)),
        None => Ok((ToolChoice::Other(whole.json()?), Extra::default())),
    }
}

fn read_output(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut rest = Extra::default();
    let mut understood = false;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("effort", Kind::String) if !family::has_effort(request) => {
                let reasoning = request.reasoning.get_or_insert_default();
                reasoning.effort = Some(Effort::by_name(&member.string()?));
                understood = true;
            }
            ("textFormat", Kind::Object) => {
                let mut format = member.clone();
                member.skip()?;
                match read_format(&mut format.clone())? {
                    Some(known) => {
                        request.output = Some(known);
                        understood = true;
                    }
                    None => rest.push(key, format.json()?),
                }
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    if understood {
        request.extra.keep_inner("outputConfig", &rest);
    } else {
        request.extra.push("outputConfig", whole.json()?);
    }
    Ok(())
}

/// Reads `{"type": "json_schema", "structure": {"jsonSchema": {"schema": "…"}}}`; none where
/// anything else stands there, or the schema is no JSON.
fn read_format(reader: &mut Reader<'_>) -> Result<Option<OutputFormat>, Invalid> {
    let (mut structure, mut plain) = (None, true);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => plain &= member.string()? == "json_schema",
            ("structure", Kind::Object) => structure = only(member)?,
            _ => {
                plain = false;
                member.skip()?;
            }
        }
        Ok(())
    })?;
    let Some((_, definition)) = structure.filter(|(kind, _)| plain && kind == "jsonSchema") else {
        return Ok(None);
    };
    let (mut name, mut description, mut schema) = (None, None, None);
    let mut extra = Extra::default();
    definition.reader().object(|key, member| {
        match (key, member.peek()?) {
            ("schema", Kind::String) => {
                let words = member.string()?;
                schema = Json::parse(&words).ok().filter(|json| json.text() == words);
            }
            ("name", Kind::String) => name = Some(text(member)?),
            ("description", Kind::String) => description = Some(text(member)?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(schema.map(|schema| OutputFormat::JsonSchema {
        name,
        description,
        schema: Some(schema),
        strict: None,
        extra,
    }))
}
