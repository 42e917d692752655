//! Reading requests for a response into an [`Ask`], with the provider's own
//! complaints about those that are wrong: forged reasoning, tool results
//! without a call, and earlier answers that it does not have among them.
//!
//! Only what the answer depends on is read; unknown fields are let through.
//! Writes nothing.

use serde_json::{Value, json};

use super::unseal;
use crate::ask::{Ask, Format, Thinking, ToolChoice};
use crate::dialect::{Head, Refusal, type_error};
use crate::json::{array, flag, number, raw, text};
use crate::openai_chat;
use crate::shelf::Kept;

/// Items that are read past: those of hosted and of custom tools, and references.
const ITEMS: [&str; 28] = [
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "image_generation_call",
    "item_reference",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "multi_agent_call",
    "multi_agent_call_output",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// Reads the body of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    let prompt = body.get("prompt").and_then(|p| text(p, "id"));
    let model = text(&body, "model").filter(|m| !m.is_empty());
    // A stored prompt names a model and may be all that is said.
    let model = model.or(prompt).ok_or_else(|| required("model"))?;
    let reasoning = body.get("reasoning").unwrap_or(&Value::Null);
    let effort = text(reasoning, "effort").is_some_and(|e| e != "none");
    let shown = text(reasoning, "summary").is_some();
    let mut ask = Ask {
        model: model.to_owned(),
        stream: flag(&body, "stream").unwrap_or(false),
        obfuscate: obfuscated(&body),
        max_tokens: number(&body, "max_output_tokens"),
        one_call_only: flag(&body, "parallel_tool_calls") == Some(false),
        tool_choice: choice(body.get("tool_choice")),
        format: format(&body),
        thinking: match (effort || shown || model.contains("reasoner"), shown) {
            (true, true) => Thinking::Shown,
            (true, false) => Thinking::Hidden,
            (false, _) => Thinking::Off,
        },
        logprobs: included(&body, "message.output_text.logprobs")
            .then(|| number(&body, "top_logprobs").unwrap_or(0)),
        choices: 1,
        ..Ask::default()
    };
    if ask.max_tokens.is_some_and(|most| most < 16) {
        let most = ask.max_tokens.unwrap_or(0);
        return Err(Refusal {
            code: Some("integer_below_min_value".to_owned()),
            ..Refusal::bad(format!("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {most} instead.")).at("max_output_tokens")
        });
    }
    let instructions = text(&body, "instructions").unwrap_or_default();
    ask.hear(instructions).map_err(Refusal::bad)?;
    read_tools(&mut ask, &body)?;
    let previous = previous(head, &body)?;
    if let Some(previous) = &previous {
        ask.input_tokens += previous.tokens;
    }
    let open = previous.map(|p| p.open_calls).unwrap_or_default();
    read_input(head, &mut ask, &body, open)?;
    ask.own = body;
    Ok(ask)
}

/// What is counted of a request; anything else is refused.
const COUNTED: [&str; 12] = [
    "conversation",
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "personality",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
];

/// Counts the input of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn count(head: &Head<'_>, body: &[u8]) -> Result<u64, Refusal> {
    let ask = read(head, body)?;
    let mut named = ask.own.as_object().into_iter().flatten();
    match named.find(|(name, _)| !COUNTED.contains(&name.as_str())) {
        Some((name, _)) => Err(Refusal {
            code: Some("unknown_parameter".to_owned()),
            ..Refusal::bad(format!("Unknown parameter: '{name}'.")).at(name)
        }),
        None => Ok(ask.input_tokens),
    }
}

/// Whether the request wants this included.
pub(super) fn included(body: &Value, what: &str) -> bool {
    array(body, "include")
        .iter()
        .any(|i| i.as_str() == Some(what))
}

/// Whether the answer is to be kept.
pub(super) fn stores(body: &Value) -> bool {
    flag(body, "store").unwrap_or(true)
}

fn required(name: &str) -> Refusal {
    Refusal {
        code: Some("missing_required_parameter".to_owned()),
        ..Refusal::bad(format!("Missing required parameter: '{name}'.")).at(name)
    }
}

fn obfuscated(body: &Value) -> bool {
    let options = body.get("stream_options").unwrap_or(&Value::Null);
    flag(options, "include_obfuscation").unwrap_or(true)
}

fn choice(choice: Option<&Value>) -> ToolChoice {
    let Some(choice) = choice else {
        return ToolChoice::Auto;
    };
    match (choice.as_str(), text(choice, "name")) {
        (Some("none"), _) => ToolChoice::None,
        (Some("required"), _) => ToolChoice::Any,
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => ToolChoice::Auto,
    }
}

fn format(body: &Value) -> Format {
    let format = body.pointer("/text/format").unwrap_or(&Value::Null);
    match text(format, "type") {
        Some("json_object") => Format::Object,
        Some("json_schema") => Format::Schema(format.get("schema").and_then(raw)),
        Some(_) | None => Format::Text,
    }
}

fn read_tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    for (i, tool) in array(body, "tools").iter().enumerate() {
        if text(tool, "type") != Some("function") {
            continue;
        }
        let at = format!("tools[{i}].name");
        let name = text(tool, "name").ok_or_else(|| required(&at))?;
        let description = text(tool, "description").unwrap_or_default();
        let schema = tool.get("parameters").and_then(raw);
        ask.offer(name, description, schema.as_deref())
            .map_err(Refusal::bad)?;
    }
    Ok(())
}

fn previous(head: &Head<'_>, body: &Value) -> Result<Option<Kept>, Refusal> {
    let Some(id) = text(body, "previous_response_id") else {
        return Ok(None);
    };
    let owner = openai_chat::key(head).unwrap_or_default();
    let kept = head.shelf.get(owner, id).ok_or_else(|| Refusal {
        code: Some("previous_response_not_found".to_owned()),
        ..Refusal::bad(format!("Previous response with id '{id}' not found."))
            .at("previous_response_id")
    })?;
    Ok(Some(kept))
}

fn read_input(
    head: &Head<'_>,
    ask: &mut Ask,
    body: &Value,
    mut open: Vec<String>,
) -> Result<(), Refusal> {
    match body.get("input") {
        Some(Value::String(one)) => {
            ask.hear(one).map_err(Refusal::bad)?;
            ask.last_text.clone_from(one);
        }
        Some(Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                let at = format!("input[{i}]");
                read_item(head, ask, item, &at, &mut open)?;
            }
        }
        Some(_) => {
            return Err(Refusal::bad(
                "Invalid type for 'input': expected one of a string or array of input items.",
            )
            .at("input"));
        }
        None if body.get("prompt").is_some() => {}
        None => return Err(required("input")),
    }
    match open.first() {
        Some(id) => {
            Err(Refusal::bad(format!("No tool output found for function call {id}.")).at("input"))
        }
        None => Ok(()),
    }
}

fn read_item(
    head: &Head<'_>,
    ask: &mut Ask,
    item: &Value,
    at: &str,
    open: &mut Vec<String>,
) -> Result<(), Refusal> {
    let kind = text(item, "type").unwrap_or("message");
    ask.tool_result = None;
    match kind {
        "message" => read_message(ask, item, at),
        "function_call" => {
            for field in ["name", "arguments"] {
                let value = text(item, field).ok_or_else(|| required(&format!("{at}.{field}")))?;
                ask.hear(value).map_err(Refusal::bad)?;
            }
            open.push(text(item, "call_id").unwrap_or_default().to_owned());
            Ok(())
        }
        "function_call_output" => {
            let id = text(item, "call_id").unwrap_or_default();
            let Some(found) = open.iter().position(|o| o == id) else {
                let message =
                    format!("No tool call found for function call output with call_id {id}.");
                return Err(Refusal::bad(message).at("input"));
            };
            open.remove(found);
            let output = item.get("output").unwrap_or(&Value::Null);
            ask.tool_result = Some(read_content(ask, output, &format!("{at}.output"))?);
            Ok(())
        }
        "reasoning" => read_reasoning(head, ask, item),
        other if ITEMS.contains(&other) => Ok(()),
        other => Err(Refusal {
            code: Some("invalid_value".to_owned()),
            ..Refusal::bad(format!("Invalid value: '{other}'.")).at(at)
        }),
    }
}

fn read_message(ask: &mut Ask, item: &Value, at: &str) -> Result<(), Refusal> {
    let content = item.get("content").unwrap_or(&Value::Null);
    let words = read_content(ask, content, &format!("{at}.content"))?;
    match text(item, "role") {
        Some("user") => ask.last_text = words,
        Some("assistant" | "system" | "developer") => {}
        other => {
            let other = other.unwrap_or("null");
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
            );
            return Err(Refusal {
                code: Some("invalid_value".to_owned()),
                ..Refusal::bad(message).at(&format!("{at}.role"))
            });
        }
    }
    Ok(())
}

/// The text of a string or of a list of parts.
fn read_content(ask: &mut Ask, content: &Value, at: &str) -> Result<String, Refusal> {
    let mut words = String::new();
    let parts = match content {
        Value::String(one) => {
            ask.hear(one).map_err(Refusal::bad)?;
            return Ok(one.clone());
        }
        Value::Array(parts) => parts,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(required(at));
        }
    };
    for (i, part) in parts.iter().enumerate() {
        match text(part, "type").unwrap_or_default() {
            "input_text" | "output_text" | "refusal" => {
                let own = text(part, "text").or_else(|| text(part, "refusal"));
                let own = own.ok_or_else(|| required(&format!("{at}[{i}].text")))?;
                ask.hear(own).map_err(Refusal::bad)?;
                words.push_str(own);
            }
            "input_image" => {
                openai_chat::see_image(ask, text(part, "image_url").unwrap_or_default());
            }
            "input_file" => ask.attach(text(part, "file_data").map_or(0, str::len)),
            "input_audio" => {
                let data = part.pointer("/input_audio/data").and_then(Value::as_str);
                ask.attach(data.map_or(0, str::len));
            }
            other => {
                let message = format!(
                    "Invalid value: '{other}'. Supported values are: 'input_text', 'input_image', 'output_text', 'refusal', 'input_file', 'computer_screenshot', and 'summary_text'."
                );
                return Err(Refusal {
                    code: Some("invalid_value".to_owned()),
                    ..Refusal::bad(message).at(&format!("{at}[{i}]"))
                });
            }
        }
    }
    Ok(words)
}

/// Reasoning comes back sealed, or by the id of an answer that is kept.
fn read_reasoning(head: &Head<'_>, ask: &mut Ask, item: &Value) -> Result<(), Refusal> {
    let id = text(item, "id").unwrap_or_default();
    let owner = openai_chat::key(head).unwrap_or_default();
    let Some(sealed) = text(item, "encrypted_content") else {
        if head.shelf.holds_item(owner, id) {
            return Ok(());
        }
        return Err(Refusal {
            status: 404,
            code: Some(String::new()),
            ..Refusal::bad(format!("Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.")).at("input")
        });
    };
    let Some(thoughts) = unseal(owner, sealed) else {
        let shown = crate::words::clip(sealed, 16);
        return Err(Refusal {
            code: Some("invalid_encrypted_content".to_owned()),
            ..Refusal::bad(format!(
                "The encrypted content {shown}... could not be verified. Reason: Encrypted content could not be decrypted or parsed."
            ))
        });
    };
    ask.hear(&thoughts).map_err(Refusal::bad)
}

/// What was asked, as it is told later.
pub(super) fn inputs(body: &Value) -> Vec<Value> {
    match body.get("input") {
        Some(Value::String(one)) => vec![
            json!({ "type": "message", "id": "msg_input", "status": "completed", "role": "user", "content": [{ "type": "input_text", "text": one }] }),
        ],
        Some(Value::Array(items)) => items.clone(),
        Some(_) | None => Vec::new(),
    }
}
