//! Requests into the hub.
//!
//! What the hub has no word for stays at its node, explicit `null`s too, so
//! that writing the request again gives what was read.

use super::head::candidates;
use crate::chat::{
    Effort, Extra, Logprobs, OutputFormat, ReasoningRequest, Request, Tool, ToolChoice, ToolKind,
    given,
};
use crate::json::{Invalid, Json, Kind, Reader};
use crate::openai_chat::response::message::message;
use crate::openai_chat::wire::{
    OWN, WEIGHTY, cache_marker, number, object, required, spelled, text,
};

/// Reads a whole request.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut request = Request::new(OWN, "");
    request.extra.set_weighty(&WEIGHTY);
    let mut limits = [None, None];
    let mut top_logprobs = None;
    let mut spoken = None;
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        let extra = &mut request.extra;
        match key {
            "model" => request.model = text(member)?,
            "messages" => {
                spoken = Some(());
                member.array(|_, element| {
                    request.messages.push(message(element)?);
                    Ok(())
                })?;
            }
            "max_completion_tokens" => limits[0] = given(member, extra, key, Reader::u64)?,
            "max_tokens" => limits[1] = given(member, extra, key, Reader::u64)?,
            "top_logprobs" => top_logprobs = given(member, extra, key, Reader::u64)?,
            _ => member_of(&mut request, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    required(spoken, "messages")?;
    request.max_output_tokens = match limits {
        [Some(newer), older] => {
            if let Some(older) = older {
                request.extra.push("max_tokens", whole_number(older));
            }
            Some(newer)
        }
        [None, older] => {
            request.extra.note(spelled::MAX_TOKENS);
            older
        }
    };
    match (&mut request.logprobs, top_logprobs) {
        (Some(logprobs), top) => logprobs.top = top,
        (None, Some(top)) => request.extra.push("top_logprobs", whole_number(top)),
        (None, None) => {}
    }
    Ok(request)
}

fn whole_number(number: u64) -> Json {
    Json::written(|out| {
        out.number(number);
    })
}

fn member_of(request: &mut Request, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let extra = &mut request.extra;
    let sampling = &mut request.sampling;
    match (key, reader.peek()?) {
        (_, Kind::Null) => extra.push(key, reader.json()?),
        ("temperature", _) => sampling.temperature = Some(number(reader)?),
        ("top_p", _) => sampling.top_p = Some(number(reader)?),
        ("top_k", _) => sampling.top_k = Some(number(reader)?),
        ("frequency_penalty", _) => sampling.frequency_penalty = Some(number(reader)?),
        ("presence_penalty", _) => sampling.presence_penalty = Some(number(reader)?),
        ("seed", _) => sampling.seed = Some(number(reader)?),
        ("logit_bias", _) => sampling.logit_bias = Some(object(reader)?),
        ("stop", Kind::String) => {
            request.stop_bare = true;
            request.stop.push(text(reader)?);
        }
        ("stop", _) => {
            let mut whole = reader.clone();
            reader.array(|_, element| {
                request.stop.push(text(element)?);
                Ok(())
            })?;
            if request.stop.is_empty() {
                extra.push(key, whole.json()?);
            }
        }
        ("n", _) => request.candidates = Some(candidates(reader)?),
        ("stream", _) => {
            request.stream = reader.bool()?;
            if !request.stream {
                extra.note(spelled::STREAM_OFF);
            }
        }
        ("stream_options", _) => stream_options(request, reader)?,
        ("tools", _) => {
            let mut whole = reader.clone();
            reader.array(|_, element| {
                request.tools.push(tool(element)?);
                Ok(())
            })?;
            if request.tools.is_empty() {
                extra.push(key, whole.json()?);
            }
        }
        ("tool_choice", _) => request.tool_choice = Some(tool_choice(reader, extra)?),
        ("parallel_tool_calls", _) => request.parallel_tool_calls = Some(reader.bool()?),
        // Some engines take a number of alternatives here.
        ("logprobs", Kind::Number) => extra.push(key, reader.json()?),
        ("logprobs", _) => {
            let enabled = reader.bool()?;
            request.logprobs = Some(Logprobs { enabled, top: None });
        }
        ("response_format", _) => response_format(request, reader)?,
        ("reasoning_effort" | "reasoning", _) if request.reasoning.is_some() => {
            extra.push(key, reader.json()?);
        }
        ("reasoning_effort", _) => {
            request.reasoning = Some(ReasoningRequest {
                effort: Some(Effort::by_name(&reader.string()?)),
                ..ReasoningRequest::default()
            });
        }
        ("reasoning", Kind::Object) => request.reasoning = Some(reasoning(reader)?),
        ("modalities", _) => modalities(extra, reader)?,
        ("service_tier", _) => request.service_tier = Some(text(reader)?),
        ("user", _) => request.user = Some(text(reader)?),
        _ => extra.push(key, reader.json()?),
    }
    Ok(())
}

/// Text alone is what every answer is, so that asking for it says nothing.
fn modalities(extra: &mut Extra, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let value = reader.json()?;
    if value.text().split_whitespace().collect::<String>() == r#"["text"]"# {
        extra.set_asides(&["modalities"]);
    }
    extra.push("modalities", value);
    Ok(())
}

/// OpenRouter's form: `{"effort": …, "max_tokens": …, "enabled": …}`.
fn reasoning(reader: &mut Reader<'_>) -> Result<ReasoningRequest, Invalid> {
    let mut asked = ReasoningRequest::default();
    let extra = &mut asked.extra;
    extra.note(spelled::REASONING);
    reader.object(|key, member| {
        match key {
            "effort" => {
                asked.effort = given(member, extra, key, text)?.map(|w| Effort::by_name(&w));
            }
            "max_tokens" => asked.budget_tokens = given(member, extra, key, Reader::u64)?,
            "enabled" => asked.enabled = given(member, extra, key, Reader::bool)?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(asked)
}

fn stream_options(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut inner = Extra::default();
    let mut switch = None;
    reader.object(|key, member| {
        if key == "include_usage" {
            switch = given(member, &mut inner, key, Reader::bool)?;
        } else {
            inner.push(key, member.json()?);
        }
        Ok(())
    })?;
    request.stream_usage = switch == Some(true);
    if switch == Some(false) {
        request.extra.note(spelled::USAGE_OFF);
    } else if switch.is_none() && inner.is_empty() {
        request.extra.push("stream_options", whole.json()?);
    }
    request.extra.keep_inner("stream_options", &inner);
    Ok(())
}

fn tool(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let mut whole = reader.clone();
    let (mut extra, mut inner) = (Extra::default(), Extra::default());
    let (mut kind, mut cache, mut named) = (None, None, None);
    let (mut description, mut parameters, mut strict) = (None, None, None);
    reader.object(|key, member| {
        match key {
            "type" => kind = Some(text(member)?),
            "cache_control" => cache = given(member, &mut extra, key, cache_marker)?,
            "function" if member.peek()? == Kind::Object => member.object(|key, member| {
                match key {
                    "name" => named = Some(text(member)?),
                    "description" => description = given(member, &mut inner, key, text)?,
                    "parameters" => parameters = given(member, &mut inner, key, object)?,
                    "strict" => strict = given(member, &mut inner, key, Reader::bool)?,
                    _ => inner.push(key, member.json()?),
                }
                Ok(())
            })?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if kind.is_none() {
        extra.note(spelled::UNTYPED);
    }
    let kind = match (kind.as_deref(), named) {
        (None | Some("function"), name) => {
            extra.keep_inner("function", &inner);
            ToolKind::Function {
                name: required(name, "function.name")?,
                description,
                parameters,
                strict,
            }
        }
        (Some(kind), _) => {
            extra = Extra::default();
            cache = None;
            ToolKind::Hosted {
                kind: kind.to_owned(),
                raw: whole.json()?,
            }
        }
    };
    Ok(Tool { kind, cache, extra })
}

fn tool_choice(reader: &mut Reader<'_>, extra: &mut Extra) -> Result<ToolChoice, Invalid> {
    let mut whole = reader.clone();
    if reader.peek()? == Kind::String {
        return Ok(match &*reader.string()? {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            "any" => {
                extra.note(spelled::ANY);
                ToolChoice::Required
            }
            _ => ToolChoice::Other(whole.json()?),
        });
    }
    let (mut name, mut odd) = (None, false);
    reader.object(|key, member| match (key, member.peek()?) {
        ("type", Kind::String) => {
            odd |= member.string()? != "function";
            Ok(())
        }
        ("function", Kind::Object) => member.object(|key, member| {
            if key == "name" {
                name = Some(text(member)?);
            } else {
                odd = true;
                member.skip()?;
            }
            Ok(())
        }),
        _ => {
            odd = true;
            member.skip().map(drop)
        }
    })?;
    Ok(match name {
        Some(name) if !odd => ToolChoice::Tool(name),
        Some(_) | None => ToolChoice::Other(whole.json()?),
    })
}

fn response_format(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let (mut kind, mut beside) = (String::new(), false);
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    let mut extra = Extra::default();
    reader.object(|key, member| match (key, member.peek()?) {
        ("type", _) => {
            kind = text(member)?;
            Ok(())
        }
        ("json_schema", Kind::Object) => member.object(|key, member| {
            match key {
                "name" => name = given(member, &mut extra, key, text)?,
                "description" => description = given(member, &mut extra, key, text)?,
                "schema" => schema = given(member, &mut extra, key, object)?,
                "strict" => strict = given(member, &mut extra, key, Reader::bool)?,
                _ => extra.push(key, member.json()?),
            }
            Ok(())
        }),
        _ => {
            beside = true;
            member.skip().map(drop)
        }
    })?;
    let schema = OutputFormat::JsonSchema {
        name,
        description,
        schema,
        strict,
        extra,
    };
    request.output = match kind.as_str() {
        "text" => Some(OutputFormat::Text),
        "json_object" => Some(OutputFormat::Json),
        "json_schema" => Some(schema),
        _ => {
            beside = true;
            None
        }
    };
    if beside {
        // Of a form that some engines have: kept whole, and understood as far as it goes.
        request.extra.push("response_format", whole.json()?);
    }
    Ok(())
}
