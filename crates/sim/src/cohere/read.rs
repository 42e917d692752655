//! Reading chats into an [`Ask`], with the provider's own complaints about
//! those that are wrong: unknown fields and tool results without a call among
//! them.
//!
//! Writes nothing.

use serde_json::{Value, json};

use super::check;
use crate::ask::{Ask, Document, Format, Thinking, ToolChoice};
use crate::dialect::Refusal;
use crate::json::{array, flag, number, raw, text};
use crate::openai_chat::see_image;

const REQUEST: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
];
const MESSAGE: &[&str] = &[
    "role",
    "content",
    "tool_calls",
    "tool_plan",
    "tool_call_id",
    "citations",
];
const TOOL: &[&str] = &["type", "function"];
const FUNCTION: &[&str] = &["name", "description", "parameters"];

/// Reads the body of a chat.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(body: &Value) -> Result<Ask, Refusal> {
    check(body, REQUEST)?;
    let model = text(body, "model").filter(|m| !m.is_empty());
    let model = model.ok_or_else(|| Refusal::bad("invalid request: model is required"))?;
    let thinking = body.get("thinking").and_then(|t| text(t, "type"));
    let named = model.contains("reason") || thinking == Some("enabled");
    let stops = array(body, "stop_sequences").iter();
    let mut ask = Ask {
        model: model.to_owned(),
        stream: flag(body, "stream").unwrap_or(false),
        max_tokens: number(body, "max_tokens"),
        stop: stops
            .filter_map(|s| s.as_str().map(str::to_owned))
            .collect(),
        seed: number(body, "seed"),
        thinking: if named && thinking != Some("disabled") {
            Thinking::Shown
        } else {
            Thinking::Off
        },
        // Only what is said is charged here, at the full price of its input.
        free_thoughts: true,
        format: format(body),
        logprobs: (flag(body, "logprobs") == Some(true)).then_some(0),
        choices: 1,
        ..Ask::default()
    };
    read_tools(&mut ask, body)?;
    read_documents(&mut ask, body)?;
    let messages = array(body, "messages");
    if messages.is_empty() {
        return Err(Refusal::bad(
            "invalid request: list of messages must contain at least one message",
        ));
    }
    check_calls(messages)?;
    for message in messages {
        read_message(&mut ask, message)?;
    }
    ask.own = json!({ "cached": ask.cached_tokens() });
    ask.cached = false;
    Ok(ask)
}

fn format(body: &Value) -> Format {
    let format = body.get("response_format").unwrap_or(&Value::Null);
    if text(format, "type") != Some("json_object") {
        return Format::Text;
    }
    let schema = format.get("json_schema").or_else(|| format.get("schema"));
    match schema.filter(|s| s.is_object()) {
        Some(schema) => Format::Schema(raw(schema)),
        None => Format::Object,
    }
}

fn read_tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    for tool in array(body, "tools") {
        check(tool, TOOL)?;
        let function = tool.get("function").unwrap_or(&Value::Null);
        check(function, FUNCTION)?;
        let name = text(function, "name")
            .ok_or_else(|| Refusal::bad("invalid request: tool function name is required"))?;
        let schema = function.get("parameters").and_then(raw);
        let description = text(function, "description").unwrap_or_default();
        ask.offer(name, description, schema.as_deref())
            .map_err(Refusal::bad)?;
    }
    let choice = text(body, "tool_choice");
    if choice.is_some() && ask.tools.is_empty() {
        return Err(Refusal::bad(
            "invalid request: tool_choice may only be used with tools",
        ));
    }
    ask.tool_choice = match choice {
        None => ToolChoice::Auto,
        Some("NONE") => ToolChoice::None,
        Some("REQUIRED") => ToolChoice::Any,
        Some(other) => {
            return Err(Refusal::bad(format!(
                "invalid request: tool_choice '{other}' must be one of REQUIRED, NONE"
            )));
        }
    };
    Ok(())
}

fn read_documents(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    for (i, document) in array(body, "documents").iter().enumerate() {
        let own = document.get("data").unwrap_or(document);
        let words = own.as_str().or_else(|| text(own, "text"));
        let words = words.map_or_else(|| own.to_string(), str::to_owned);
        ask.hear(&words).map_err(Refusal::bad)?;
        let id = text(document, "id").map_or_else(|| format!("doc:{i}"), str::to_owned);
        ask.documents.push(Document { id, text: words });
    }
    Ok(())
}

fn read_message(ask: &mut Ask, message: &Value) -> Result<(), Refusal> {
    check(message, MESSAGE)?;
    let words = read_content(ask, message.get("content").unwrap_or(&Value::Null))?;
    ask.hear(text(message, "tool_plan").unwrap_or_default())
        .map_err(Refusal::bad)?;
    for call in array(message, "tool_calls") {
        let function = call.get("function").unwrap_or(&Value::Null);
        for field in ["name", "arguments"] {
            ask.hear(text(function, field).unwrap_or_default())
                .map_err(Refusal::bad)?;
        }
    }
    ask.tool_result = None;
    match text(message, "role") {
        Some("user") => ask.last_text = words,
        Some("tool") => ask.tool_result = Some(words),
        Some("assistant" | "system" | "developer") => {}
        other => {
            let other = other.unwrap_or_default();
            return Err(Refusal::bad(format!(
                "invalid request: role '{other}' must be one of user, assistant, system, tool"
            )));
        }
    }
    Ok(())
}

fn read_content(ask: &mut Ask, content: &Value) -> Result<String, Refusal> {
    let mut words = String::new();
    if let Some(one) = content.as_str() {
        ask.hear(one).map_err(Refusal::bad)?;
        return Ok(one.to_owned());
    }
    for part in content.as_array().into_iter().flatten() {
        match text(part, "type").unwrap_or_default() {
            "text" => {
                let own = text(part, "text").unwrap_or_default();
                ask.hear(own).map_err(Refusal::bad)?;
                words.push_str(own);
            }
            "thinking" => ask
                .hear(text(part, "thinking").unwrap_or_default())
                .map_err(Refusal::bad)?,
            "image_url" => {
                let url = part.pointer("/image_url/url").and_then(Value::as_str);
                see_image(ask, url.unwrap_or_default());
            }
            "document" => {
                let data = part.pointer("/document/data").unwrap_or(&Value::Null);
                let own = data
                    .as_str()
                    .map_or_else(|| data.to_string(), str::to_owned);
                ask.hear(&own).map_err(Refusal::bad)?;
                words.push_str(&own);
            }
            other => {
                return Err(Refusal::bad(format!(
                    "invalid request: content type '{other}' is not supported"
                )));
            }
        }
    }
    Ok(words)
}

/// Each tool call is answered, and each tool message answers one.
fn check_calls(messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        if text(message, "role") == Some("tool") {
            let id = text(message, "tool_call_id").unwrap_or_default();
            let Some(at) = open.iter().position(|o| *o == id) else {
                return Err(Refusal::bad(format!(
                    "invalid request: tool call id {id} not found in previous tool calls"
                )));
            };
            open.remove(at);
        } else if open.is_empty() {
            let calls = array(message, "tool_calls").iter();
            open.extend(calls.filter_map(|c| text(c, "id")));
        } else {
            break;
        }
    }
    match open.first() {
        None => Ok(()),
        Some(id) => Err(Refusal::bad(format!(
            "invalid request: no tool result found for tool call id {id}"
        ))),
    }
}
