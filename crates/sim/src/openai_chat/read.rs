//! Reading chat completion requests into an [`Ask`], with the provider's own
//! complaints about those that are wrong.
//!
//! Only what the content of an answer depends on is read; unknown fields are
//! let through. Writes nothing.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::model_of;
use crate::ask::{Ask, Format, Thinking, Tool, ToolChoice};
use crate::dialect::{Head, Refusal, type_error};
use crate::json::{Content, Str};

/// Reads the body of a chat request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    read_ask(head, body)
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Option<Str<'a>>,
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(borrow, default)]
    stop: Content<'a, Str<'a>>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<u64>,
    #[serde(borrow, default)]
    tools: Option<Vec<ToolDef<'a>>>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(default)]
    reasoning_effort: Option<String>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
    #[serde(default)]
    include_obfuscation: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow, default)]
    content: Content<'a, Part<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<CallIn<'a>>>,
    #[serde(borrow, default)]
    tool_call_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct CallIn<'a> {
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow, default)]
    function: Option<FunctionIn<'a>>,
}

#[derive(Deserialize)]
struct FunctionIn<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    arguments: Str<'a>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Str<'a>>,
    #[serde(borrow, default)]
    image_url: Option<ImageUrl<'a>>,
}

#[derive(Deserialize)]
struct ImageUrl<'a> {
    #[serde(borrow)]
    url: Str<'a>,
}

#[derive(Deserialize)]
struct ToolDef<'a> {
    #[serde(borrow, default)]
    function: Option<FunctionDef<'a>>,
}

#[derive(Deserialize)]
struct FunctionDef<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow, default)]
    description: Option<Str<'a>>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    json_schema: Option<JsonSchema<'a>>,
}

#[derive(Deserialize)]
struct JsonSchema<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

fn read_ask(head: &Head<'_>, body: Body<'_>) -> Result<Ask, Refusal> {
    let model = model_of(head, body.model.as_deref())?;
    let messages = body.messages.as_deref().unwrap_or_default();
    if messages.is_empty() {
        return Err(missing("messages"));
    }
    check_calls(messages)?;
    check_options(&body)?;
    if model.contains("reasoner") {
        check_reasoning(messages)?;
    }
    let options = body.stream_options.as_ref();
    let named = model.contains("deepseek") || model.contains("reasoner");
    let effort = body
        .reasoning_effort
        .as_deref()
        .is_some_and(|e| e != "none");
    let mut ask = Ask {
        model,
        stream: body.stream.unwrap_or(false),
        include_usage: options.and_then(|o| o.include_usage).unwrap_or(false),
        obfuscate: options.and_then(|o| o.include_obfuscation).unwrap_or(true),
        max_tokens: body.max_completion_tokens.or(body.max_tokens),
        stop: match body.stop {
            Content::None => Vec::new(),
            Content::Text(one) => vec![one.to_string()],
            Content::Parts(several) => several.iter().map(|s| s.to_string()).collect(),
        },
        seed: body.seed.map(i64::cast_unsigned),
        tool_choice: read_choice(body.tool_choice.as_ref()),
        one_call_only: body.parallel_tool_calls == Some(false),
        thinking: match (named, effort) {
            (true, _) => Thinking::Shown,
            (false, true) => Thinking::Hidden,
            (false, false) => Thinking::Off,
        },
        choices: body.n.unwrap_or(1),
        logprobs: body
            .logprobs
            .unwrap_or(false)
            .then(|| body.top_logprobs.unwrap_or(0)),
        ..Ask::default()
    };
    if !(1..=128).contains(&ask.choices) {
        return Err(Refusal::bad("'n' must be between 1 and 128").at("n"));
    }
    read_format(&mut ask, body.response_format);
    for tool in body.tools.into_iter().flatten().filter_map(|t| t.function) {
        ask.hear(tool.description.as_deref().unwrap_or_default())
            .map_err(Refusal::bad)?;
        ask.hear(&tool.name).map_err(Refusal::bad)?;
        ask.input_tokens += crate::words::tokens(tool.parameters.map_or("", RawValue::get));
        let schema = tool.parameters.map(RawValue::to_owned);
        ask.tools.push(Tool {
            name: tool.name.to_string(),
            schema,
        });
    }
    for message in messages {
        read_message(&mut ask, message)?;
    }
    Ok(ask)
}

fn check_options(body: &Body<'_>) -> Result<(), Refusal> {
    if body.stream_options.is_some() && body.stream != Some(true) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::bad(message).at("stream_options"));
    }
    if body.tool_choice.is_some() && body.tools.as_ref().is_none_or(Vec::is_empty) {
        let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
        return Err(Refusal::bad(message).at("tool_choice"));
    }
    Ok(())
}

fn read_message(ask: &mut Ask, message: &Message<'_>) -> Result<(), Refusal> {
    let mut text = String::new();
    match &message.content {
        Content::None => {}
        Content::Text(one) => {
            ask.hear(one).map_err(Refusal::bad)?;
            text.push_str(one);
        }
        Content::Parts(parts) => {
            for part in parts {
                if let Some(own) = part.text.as_ref().or(part.refusal.as_ref()) {
                    ask.hear(own).map_err(Refusal::bad)?;
                    text.push_str(own);
                } else if let Some(image) = &part.image_url {
                    see_image(ask, &image.url);
                } else if !matches!(&*part.kind, "input_audio" | "file") {
                    let message = format!("Invalid value: '{}'.", &*part.kind);
                    return Err(Refusal::bad(message).at("messages"));
                }
            }
        }
    }
    for call in message
        .tool_calls
        .iter()
        .flatten()
        .filter_map(|c| c.function.as_ref())
    {
        ask.hear(&call.name).map_err(Refusal::bad)?;
        ask.hear(&call.arguments).map_err(Refusal::bad)?;
    }
    (ask.tool_result, ask.prefill) = (None, None);
    match &*message.role {
        "user" => ask.last_text = text,
        "tool" | "function" => ask.tool_result = Some(text),
        "assistant" => ask.prefill = Some(text),
        "system" | "developer" => {}
        other => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            return Err(Refusal::bad(message).at("messages[].role"));
        }
    }
    Ok(())
}

/// Takes note of an image by its address, which may hold it.
pub(crate) fn see_image(ask: &mut Ask, url: &str) {
    let inline = url
        .strip_prefix("data:")
        .and_then(|u| u.split_once(";base64,"));
    match inline {
        Some((media_type, data)) => ask.look(media_type, data.len() / 4 * 3),
        None => ask.look("url", url.len()),
    }
}

/// Each tool call is answered, and each tool message answers one.
fn check_calls(messages: &[Message<'_>]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    let unanswered = |open: &[&str]| {
        let ids = open.join(", ");
        Refusal::bad(format!("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {ids}")).at("messages")
    };
    for (i, message) in messages.iter().enumerate() {
        if &*message.role == "tool" {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            let at = open.iter().position(|o| *o == id).ok_or_else(|| {
                Refusal::bad("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.").at(&format!("messages.[{i}].role"))
            })?;
            open.remove(at);
        } else if open.is_empty() {
            open.extend(message.tool_calls.iter().flatten().map(|c| &*c.id));
        } else {
            return Err(unanswered(&open));
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(&open))
    }
}

/// As DeepSeek wants it: what led to a call comes back with it until the user speaks again.
fn check_reasoning(messages: &[Message<'_>]) -> Result<(), Refusal> {
    let turn = messages.iter().rposition(|m| &*m.role == "user");
    let mut since = messages.iter().skip(turn.unwrap_or(0));
    let lacks = since.any(|m| {
        let calls = m.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        calls && m.reasoning_content.as_ref().is_none_or(|r| r.is_empty())
    });
    if lacks {
        return Err(Refusal::bad(
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
        ));
    }
    Ok(())
}

fn read_choice(choice: Option<&Value>) -> ToolChoice {
    let named = choice
        .and_then(|c| c.pointer("/function/name"))
        .and_then(Value::as_str);
    match (choice.and_then(Value::as_str), named) {
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        (Some("none"), None) => ToolChoice::None,
        (Some("required"), None) => ToolChoice::Any,
        (Some(_) | None, None) => ToolChoice::Auto,
    }
}

fn read_format(ask: &mut Ask, format: Option<ResponseFormat<'_>>) {
    let Some(format) = format else { return };
    ask.format = match &*format.kind {
        "json_object" => Format::Object,
        "json_schema" => {
            let schema = format.json_schema.and_then(|s| s.schema);
            Format::Schema(schema.map(RawValue::to_owned))
        }
        _ => Format::Text,
    };
}

fn missing(name: &str) -> Refusal {
    Refusal {
        code: Some("missing_required_parameter".to_owned()),
        ..Refusal::bad(format!("Missing required parameter: '{name}'.")).at(name)
    }
}
