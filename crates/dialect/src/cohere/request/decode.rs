//! Reads a request into the hub.
//!
//! Each member is read once, at its place; what the hub has no word for stays there
//! as an extra field, explicit `null`s too, so that writing the request again gives
//! what was read.

use crate::chat::{
    Extra, Logprobs, OutputFormat, ReasoningRequest, Request, Tool, ToolChoice, ToolKind, given,
};
use crate::cohere::wire::message::message;
use crate::cohere::wire::{
    OWN, WEIGHTY, empty_list, list, number, object, required, spelled, text,
};
use crate::json::{Invalid, Kind, Reader};

/// Reads a whole request.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut request = Request::new(OWN, String::new());
    request.extra.set_weighty(&WEIGHTY);
    request.stream_usage = true;
    let mut spoken = None;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("model", _) => request.model = text(member)?,
            ("messages", _) => {
                spoken = Some(());
                member.array(|_, element| {
                    request.messages.push(message(element)?);
                    Ok(())
                })?;
            }
            (_, Kind::Null) => request.extra.push(key, member.json()?),
            _ => read_member(&mut request, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    required(spoken, "messages")?;
    let strict = request.extra.noted(spelled::STRICT).then_some(true);
    for tool in &mut request.tools {
        if let ToolKind::Function { strict: each, .. } = &mut tool.kind {
            *each = strict;
        }
    }
    Ok(request)
}

fn read_member(request: &mut Request, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    let extra = &mut request.extra;
    let sampling = &mut request.sampling;
    let mut kept = false;
    match key {
        "max_tokens" => request.max_output_tokens = Some(member.u64()?),
        "stream" => {
            request.stream = member.bool()?;
            if !request.stream {
                extra.note(spelled::STREAM_OFF);
            }
        }
        "temperature" => sampling.temperature = Some(number(member)?),
        "p" => sampling.top_p = Some(number(member)?),
        "k" => sampling.top_k = Some(number(member)?),
        "seed" => sampling.seed = Some(number(member)?),
        "frequency_penalty" => sampling.frequency_penalty = Some(number(member)?),
        "presence_penalty" => sampling.presence_penalty = Some(number(member)?),
        "logprobs" => {
            let enabled = member.bool()?;
            request.logprobs = Some(Logprobs { enabled, top: None });
        }
        "stop_sequences" => {
            kept = !list(member, |element| {
                request.stop.push(text(element)?);
                Ok(())
            })?;
        }
        "tools" => {
            kept = !list(member, |element| {
                request.tools.push(tool(element)?);
                Ok(())
            })?;
        }
        "raw_prompting" if member.clone().raw()? == "false" => {
            member.skip()?;
            extra.note(spelled::NOT_RAW);
        }
        "strict_tools" => extra.note(match member.bool()? {
            true => spelled::STRICT,
            false => spelled::LENIENT,
        }),
        "tool_choice" => {
            let mut whole = member.clone();
            request.tool_choice = Some(match &*member.string()? {
                "REQUIRED" => ToolChoice::Required,
                "NONE" => ToolChoice::None,
                _ => ToolChoice::Other(whole.json()?),
            });
        }
        "response_format" => format(request, member)?,
        "thinking" => request.reasoning = Some(thinking(member)?),
        _ => extra.push(key, member.json()?),
    }
    if kept {
        request.extra.push(key, empty_list());
    }
    Ok(())
}

fn tool(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let mut whole = reader.clone();
    let (mut extra, mut inner) = (Extra::default(), Extra::default());
    let (mut kind, mut named, mut description, mut parameters) = (None, None, None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => kind = Some(text(member)?),
            ("function", Kind::Object) => member.object(|key, member| {
                match key {
                    "name" => named = Some(text(member)?),
                    "description" => description = given(member, &mut inner, key, text)?,
                    "parameters" => parameters = given(member, &mut inner, key, object)?,
                    _ => inner.push(key, member.json()?),
                }
                Ok(())
            })?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if let Some(kind) = kind.as_ref().filter(|kind| *kind != "function") {
        return Ok(Tool {
            kind: ToolKind::Hosted {
                kind: kind.clone(),
                raw: whole.json()?,
            },
            cache: None,
            extra: Extra::default(),
        });
    }
    if kind.is_none() {
        extra.note(spelled::UNTYPED);
    }
    extra.keep_inner("function", &inner);
    Ok(Tool {
        kind: ToolKind::Function {
            name: required(named, "function.name")?,
            description,
            parameters,
            strict: None,
        },
        cache: None,
        extra,
    })
}

/// Reads `{"type": "json_object", "json_schema": …}`; one of another form is kept whole.
fn format(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let (mut kind, mut schema, mut odd) = (String::new(), None, false);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => kind = text(member)?,
            ("json_schema", Kind::Object) => schema = Some(member.json()?),
            _ => {
                odd = true;
                member.skip()?;
            }
        }
        Ok(())
    })?;
    request.output = match (kind.as_str(), &schema) {
        ("text", None) => Some(OutputFormat::Text),
        ("json_object", None) => Some(OutputFormat::Json),
        ("json_object", Some(_)) => Some(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
            extra: Extra::default(),
        }),
        _ => {
            odd = true;
            None
        }
    };
    if odd {
        request.extra.push("response_format", whole.json()?);
    }
    Ok(())
}

fn thinking(reader: &mut Reader<'_>) -> Result<ReasoningRequest, Invalid> {
    let mut asked = ReasoningRequest::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => {
                let mut value = member.clone();
                match &*member.string()? {
                    "enabled" => asked.enabled = Some(true),
                    "disabled" => asked.enabled = Some(false),
                    _ => asked.extra.push(key, value.json()?),
                }
            }
            ("token_budget", Kind::Number) => asked.budget_tokens = Some(member.u64()?),
            _ => asked.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(asked)
}
