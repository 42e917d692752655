//! Reading Converse requests into an [`Ask`], with the provider's own
//! complaints about those that are wrong: turns out of order, blank texts,
//! forged signatures and tool results without a call among them.
//!
//! Only what the answer depends on is read; unknown fields are let through.
//! Writes nothing.

use serde_json::{Value, json};

use crate::anthropic::signature;
use crate::ask::{Ask, Format, Thinking, ToolChoice};
use crate::dialect::Refusal;
use crate::json::{array, number, raw, text};

/// Reads the body of a request; the model stands in its path.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(body: &Value, model: String) -> Result<Ask, Refusal> {
    let empty = json!({});
    let config = body.get("inferenceConfig").unwrap_or(&empty);
    let more = body.get("additionalModelRequestFields").unwrap_or(&empty);
    let stops = array(config, "stopSequences").iter();
    let mut ask = Ask {
        model,
        max_tokens: number(config, "maxTokens"),
        stop: stops
            .filter_map(|s| s.as_str().map(str::to_owned))
            .collect(),
        thinking: thinking(more),
        format: format(body),
        choices: 1,
        ..Ask::default()
    };
    if ask.max_tokens == Some(0) {
        return Err(Refusal::bad(
            "1 validation error detected: Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ));
    }
    let tools = read_tools(&mut ask, body)?;
    for block in array(body, "system") {
        ask.hear(text(block, "text").unwrap_or_default())
            .map_err(Refusal::bad)?;
    }
    let messages = array(body, "messages");
    check_turns(messages, tools)?;
    if ask.thinking != Thinking::Off {
        check_thinking(messages)?;
    }
    for (i, message) in messages.iter().enumerate() {
        read_message(&mut ask, message, i)?;
    }
    Ok(ask)
}

fn thinking(more: &Value) -> Thinking {
    let own = more
        .get("thinking")
        .or_else(|| more.get("reasoning_config"));
    match own.and_then(|t| text(t, "type")) {
        Some("enabled" | "adaptive") => Thinking::Shown,
        Some(_) | None => Thinking::Off,
    }
}

/// The schema of an answer is given as text.
fn format(body: &Value) -> Format {
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema");
    let schema = schema
        .and_then(Value::as_str)
        .and_then(|s| serde_json::from_str::<Value>(s).ok());
    match schema {
        Some(schema) => Format::Schema(raw(&schema)),
        None => Format::Text,
    }
}

/// Whether tools are given at all.
fn read_tools(ask: &mut Ask, body: &Value) -> Result<bool, Refusal> {
    let Some(config) = body.get("toolConfig") else {
        return Ok(false);
    };
    for (i, tool) in array(config, "tools").iter().enumerate() {
        let Some(spec) = tool.get("toolSpec") else {
            continue;
        };
        let name = text(spec, "name").unwrap_or_default();
        let schema = spec.pointer("/inputSchema/json");
        if name.is_empty() || schema.is_none() {
            return Err(Refusal::bad(format!(
                "1 validation error detected: Value at 'toolConfig.tools.{}.member.toolSpec' failed to satisfy constraint: Member must not be null",
                i + 1
            )));
        }
        let schema = schema.and_then(raw);
        let description = text(spec, "description").unwrap_or_default();
        ask.offer(name, description, schema.as_deref())
            .map_err(Refusal::bad)?;
    }
    let choice = config.get("toolChoice").unwrap_or(&Value::Null);
    let named = choice.get("tool").and_then(|t| text(t, "name"));
    ask.tool_choice = match named {
        Some(name) => ToolChoice::Named(name.to_owned()),
        None if choice.get("any").is_some() => ToolChoice::Any,
        None => ToolChoice::Auto,
    };
    Ok(true)
}

fn read_message(ask: &mut Ask, message: &Value, at: usize) -> Result<(), Refusal> {
    let (mut words, mut result) = (String::new(), None::<String>);
    for (j, block) in array(message, "content").iter().enumerate() {
        let at = format!("messages.{at}.content.{j}");
        if let Some(own) = text(block, "text") {
            if own.is_empty() {
                return Err(Refusal::bad(format!(
                    "The text field in the ContentBlock object at {at} is blank. Add text to the text field, and try again."
                )));
            }
            ask.hear(own).map_err(Refusal::bad)?;
            words.push_str(own);
        } else if let Some(tool) = block.get("toolResult") {
            let own = read_result(ask, tool)?;
            result.get_or_insert_default().push_str(&own);
        } else {
            read_block(ask, block, &at)?;
        }
    }
    (ask.tool_result, ask.prefill) = (None, None);
    if text(message, "role") == Some("assistant") {
        ask.prefill = Some(words);
        return Ok(());
    }
    if result.is_none() || !words.is_empty() {
        ask.last_text = words;
    }
    ask.tool_result = result;
    Ok(())
}

/// A block that is neither text nor a tool's result.
fn read_block(ask: &mut Ask, block: &Value, at: &str) -> Result<(), Refusal> {
    if let Some(call) = block.get("toolUse") {
        let input = call.get("input").map(Value::to_string).unwrap_or_default();
        ask.hear(text(call, "name").unwrap_or_default())
            .map_err(Refusal::bad)?;
        return ask.hear(&input).map_err(Refusal::bad);
    }
    if let Some(thought) = block.pointer("/reasoningContent/reasoningText") {
        let thoughts = text(thought, "text").unwrap_or_default();
        if text(thought, "signature") != Some(signature(&ask.model, thoughts).as_str()) {
            return Err(Refusal::bad(format!(
                "The model returned the following errors: {at}: Invalid `signature` in `thinking` block"
            )));
        }
        return ask.hear(thoughts).map_err(Refusal::bad);
    }
    for name in ["image", "document", "video", "audio"] {
        let Some(own) = block.get(name) else { continue };
        let data = own.pointer("/source/bytes").and_then(Value::as_str);
        let bytes = data.map_or(0, |d| d.len() / 4 * 3);
        if name == "image" {
            let kind = text(own, "format").unwrap_or("unknown");
            ask.look(&format!("image/{kind}"), bytes);
        } else {
            ask.attach(bytes);
        }
        return Ok(());
    }
    let guarded = block.pointer("/guardContent/text/text");
    if let Some(own) = guarded.and_then(Value::as_str) {
        return ask.hear(own).map_err(Refusal::bad);
    }
    let known = [
        "cachePoint",
        "reasoningContent",
        "guardContent",
        "citationsContent",
        "searchResult",
    ];
    if known.iter().any(|name| block.get(name).is_some()) {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "The ContentBlock object at {at} must set one of the following keys: text, image, toolUse, toolResult, document, video, cachePoint, reasoningContent."
    )))
}

fn read_result(ask: &mut Ask, result: &Value) -> Result<String, Refusal> {
    let mut out = String::new();
    for block in array(result, "content") {
        if let Some(own) = text(block, "text") {
            out.push_str(own);
        } else if let Some(own) = block.get("json") {
            out.push_str(&own.to_string());
        } else if let Some(image) = block.get("image") {
            let data = image.pointer("/source/bytes").and_then(Value::as_str);
            ask.look("image/unknown", data.map_or(0, |d| d.len() / 4 * 3));
        }
    }
    ask.hear(&out).map_err(Refusal::bad)?;
    Ok(out)
}

/// Turns alternate, begin with the user's, hold something, and answer the
/// calls of the turn before.
/// Where the model thinks, the turn whose calls are answered last begins with its thinking.
fn check_thinking(messages: &[Value]) -> Result<(), Refusal> {
    let own = |m: &&Value| text(m, "role") == Some("assistant");
    let last = messages.iter().rfind(own);
    let blocks = last.map_or(&[] as &[Value], |m| array(m, "content"));
    let has = |block: &Value, name: &str| block.get(name).is_some();
    let thinks = blocks.first().is_some_and(|b| has(b, "reasoningContent"));
    if thinks || !blocks.iter().any(|b| has(b, "toolUse")) {
        return Ok(());
    }
    Err(Refusal::bad(
        "The model returned the following errors: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
    ))
}

fn check_turns(messages: &[Value], tools: bool) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Err(Refusal::bad(
            "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must not be null",
        ));
    }
    let mut open: Vec<&str> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let role = text(message, "role").unwrap_or_default();
        if role != "user" && role != "assistant" {
            return Err(Refusal::bad(format!(
                "1 validation error detected: Value '{role}' at 'messages.{}.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]",
                i + 1
            )));
        }
        if i == 0 && role == "assistant" {
            return Err(Refusal::bad(
                "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
            ));
        }
        let blocks = array(message, "content");
        if blocks.is_empty() {
            return Err(Refusal::bad(format!(
                "The content field in the Message object at messages.{i} is empty. Add a ContentBlock object to the content field and try again."
            )));
        }
        let before = i.checked_sub(1).and_then(|b| messages.get(b));
        if before.is_some_and(|b| text(b, "role") == Some(role)) {
            return Err(Refusal::bad(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.",
            ));
        }
        let ids = |name: &str| -> Vec<&str> {
            let own = blocks.iter().filter_map(|b| b.get(name));
            // What the provider's own tools did is told with a type.
            let callers = own.filter(|t| t.get("type").is_none());
            callers.filter_map(|t| text(t, "toolUseId")).collect()
        };
        check_results(&open, &ids("toolResult"), i)?;
        open = ids("toolUse");
        if !tools && (!open.is_empty() || !ids("toolResult").is_empty()) {
            return Err(Refusal::bad(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            ));
        }
    }
    Ok(())
}

fn check_results(open: &[&str], results: &[&str], at: usize) -> Result<(), Refusal> {
    if results.len() > open.len() {
        return Err(Refusal::bad(format!(
            "The number of toolResult blocks at messages.{at}.content exceeds the number of toolUse blocks of previous turn."
        )));
    }
    let missing: Vec<&str> = open
        .iter()
        .filter(|id| !results.contains(id))
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "Expected toolResult blocks at messages.{at}.content for the following Ids: {}",
        missing.join(", ")
    )))
}
