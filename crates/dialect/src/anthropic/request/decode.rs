//! Reads a request into the hub.
//!
//! Each member is read once, at its place; what the hub has no word for stays
//! there as an extra field. Reading must keep all that writing needs to give the
//! same request back.

use crate::anthropic::wire::read::content;
use crate::anthropic::wire::{OWN, WEIGHTY, cache_marker, kind_of, required, spelled, text};
use crate::chat::{
    Effort, Extra, Message, OutputFormat, Request, Role, Tool, ToolChoice, ToolKind, given,
};
use crate::json::{Invalid, Json, Kind, Reader};

/// Reads a whole request into the hub.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut request = Request::new(OWN, String::new());
    request.extra.set_weighty(&WEIGHTY);
    request.stream_usage = true;
    let (mut messages, mut system) = (None, None);
    reader.object(|key, member| {
        match key {
            "model" => request.model = text(member)?,
            "messages" => messages = Some(read_messages(member)?),
            "system" => {
                let read = content;
                system = given(member, &mut request.extra, key, read)?;
            }
            _ => read_member(&mut request, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    request.messages = required(messages, "messages")?;
    required(request.max_output_tokens, "max_tokens")?;
    if let Some((parts, bare)) = system {
        let mut message = Message::new(Role::System, parts);
        message.bare = bare;
        message.apart = true;
        request.messages.insert(0, message);
    }
    Ok(request)
}

fn read_member(request: &mut Request, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    let extra = &mut request.extra;
    let sampling = &mut request.sampling;
    let number = |member: &mut Reader<'_>| {
        let mut value = member.clone();
        member.number()?;
        value.json()
    };
    match key {
        "max_tokens" => request.max_output_tokens = Some(member.u64()?),
        "stream" => {
            let stream = given(member, extra, key, Reader::bool)?;
            request.stream = stream == Some(true);
            if stream == Some(false) {
                extra.note(spelled::STREAM_OFF);
            }
        }
        "temperature" => sampling.temperature = given(member, extra, key, number)?,
        "top_p" => sampling.top_p = given(member, extra, key, number)?,
        "top_k" => sampling.top_k = given(member, extra, key, number)?,
        "stop_sequences" => {
            let stop = given(member, extra, key, read_strings)?;
            if stop.as_ref().is_some_and(Vec::is_empty) {
                extra.note(spelled::NO_STOPS);
            }
            request.stop = stop.unwrap_or_default();
        }
        "service_tier" => request.service_tier = given(member, extra, key, text)?,
        "tools" => {
            let tools = given(member, extra, key, read_tools)?;
            if tools.as_ref().is_some_and(Vec::is_empty) {
                extra.note(spelled::NO_TOOLS);
            }
            request.tools = tools.unwrap_or_default();
        }
        _ if member.peek()? != Kind::Object => extra.push(key, member.json()?),
        "metadata" => read_metadata(request, member)?,
        "tool_choice" => read_tool_choice(request, member)?,
        "thinking" => read_thinking(request, member)?,
        "output_config" => read_output_config(request, member)?,
        "output_format" => match read_format(member)? {
            Ok(mut format) => {
                if let OutputFormat::JsonSchema { extra, .. } = &mut format {
                    extra.note(spelled::OUTPUT_FORMAT);
                }
                request.output = Some(format);
            }
            Err(other) => extra.push(key, other),
        },
        _ => extra.push(key, member.json()?),
    }
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
        let (mut role, mut said) = (None, None);
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
                "content" => said = Some(content(member)?),
                _ => extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        let (parts, bare) = required(said, "content")?;
        let mut message = Message::new(required(role, "role")?, parts);
        message.bare = bare;
        message.extra = extra;
        list.push(message);
        Ok(())
    })?;
    Ok(list)
}

fn read_tools(reader: &mut Reader<'_>) -> Result<Vec<Tool>, Invalid> {
    let mut tools = Vec::new();
    reader.array(|_, element| {
        tools.push(match &*kind_of(element)? {
            "" | "custom" => read_tool(element)?,
            kind => Tool {
                kind: ToolKind::Hosted {
                    kind: kind.to_owned(),
                    raw: element.json()?,
                },
                cache: None,
                extra: Extra::default(),
            },
        });
        Ok(())
    })?;
    Ok(tools)
}

fn read_tool(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    let mut cache = None;
    let mut extra = Extra::default();
    reader.object(|key, member| {
        match key {
            "type" => {
                if given(member, &mut extra, key, text)?.is_some() {
                    extra.note(spelled::CUSTOM);
                }
            }
            "name" => name = Some(text(member)?),
            "description" => description = given(member, &mut extra, key, text)?,
            "input_schema" => parameters = given(member, &mut extra, key, Reader::json)?,
            "strict" => strict = given(member, &mut extra, key, Reader::bool)?,
            "cache_control" => cache = given(member, &mut extra, key, cache_marker)?,
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
        cache,
        extra,
    })
}

fn read_tool_choice(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let kind = kind_of(reader)?;
    if !matches!(&*kind, "auto" | "any" | "tool" | "none") {
        request.tool_choice = Some(ToolChoice::Other(reader.json()?));
        return Ok(());
    }
    let mut name = None;
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match key {
            "type" => {
                member.skip()?;
            }
            "name" if kind == "tool" => name = Some(text(member)?),
            "disable_parallel_tool_use" => {
                let single = given(member, &mut rest, key, Reader::bool)?;
                request.parallel_tool_calls = single.map(|single| !single);
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    request.extra.keep_inner("tool_choice", &rest);
    request.tool_choice = Some(match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Tool(required(name, "name")?),
        _ => ToolChoice::None,
    });
    Ok(())
}

fn read_metadata(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let whole = reader.clone();
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match key {
            "user_id" => request.user = given(member, &mut rest, key, text)?,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    if request.user.is_none() {
        request.extra.push("metadata", whole.clone().json()?);
    } else {
        request.extra.keep_inner("metadata", &rest);
    }
    Ok(())
}

fn read_thinking(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let reasoning = request.reasoning.get_or_insert_default();
    reader.object(|key, member| {
        match key {
            "type" => {
                let mut value = member.clone();
                match &*member.string()? {
                    "enabled" => reasoning.enabled = Some(true),
                    "disabled" => reasoning.enabled = Some(false),
                    "adaptive" => reasoning.extra.note(spelled::ADAPTIVE),
                    _ => reasoning.extra.push(key, value.json()?),
                }
            }
            "budget_tokens" => {
                reasoning.budget_tokens = given(member, &mut reasoning.extra, key, Reader::u64)?;
            }
            _ => reasoning.extra.push(key, member.json()?),
        }
        Ok(())
    })
}

fn read_output_config(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let whole = reader.clone();
    let mut rest = Extra::default();
    let mut understood = false;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("effort", Kind::String) => {
                let reasoning = request.reasoning.get_or_insert_default();
                reasoning.effort = Some(Effort::by_name(&member.string()?));
                understood = true;
            }
            ("format", Kind::Object) => match read_format(member)? {
                Ok(format) => {
                    request.output = Some(format);
                    understood = true;
                }
                Err(other) => rest.push(key, other),
            },
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    if understood {
        request.extra.keep_inner("output_config", &rest);
    } else {
        request.extra.push("output_config", whole.clone().json()?);
    }
    Ok(())
}

/// Reads `{"type": "json_schema", "schema": …}`, or gives back what else stood there.
fn read_format(reader: &mut Reader<'_>) -> Result<Result<OutputFormat, Json>, Invalid> {
    if kind_of(reader)? != "json_schema" {
        return Ok(Err(reader.json()?));
    }
    let mut schema = None;
    let mut extra = Extra::default();
    reader.object(|key, member| {
        match key {
            "type" => {
                member.skip()?;
            }
            "schema" => schema = Some(member.json()?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(Ok(OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema,
        strict: None,
        extra,
    }))
}
