//! Reading generateContent requests into an [`Ask`], with the provider's own
//! complaints about those that are wrong: unknown fields, forged or missing
//! thought signatures, and function responses without a call among them.
//!
//! Writes nothing.

use serde_json::{Value, json};

use super::shape::{check, field, list, words};
use super::{is_own, is_vertex, model_of};
use crate::ask::{Ask, Format, Thinking, ToolChoice};
use crate::dialect::{Head, Refusal};
use crate::json::{flag, raw};

/// Reads the body of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    read_value(head, &parse(body)?)
}

/// Counts the input of a request, or of one inside a request to count it.
///
/// # Errors
/// What the provider would say.
pub(super) fn count(head: &Head<'_>, body: &[u8]) -> Result<u64, Refusal> {
    let body = parse(body)?;
    let inner = field(&body, "generateContentRequest").unwrap_or(&body);
    read_value(head, inner).map(|ask| ask.input_tokens)
}

/// # Errors
/// What the provider would say of a body that is not JSON.
pub(super) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|e| Refusal::bad(format!("Invalid JSON payload received. {e}")))
}

fn read_value(head: &Head<'_>, body: &Value) -> Result<Ask, Refusal> {
    check(body)?;
    let model = model_of(head);
    let empty = json!({});
    let config = field(body, "generationConfig").unwrap_or(&empty);
    let number = |name: &str| field(config, name).and_then(Value::as_u64);
    let logs = field(config, "responseLogprobs").and_then(Value::as_bool);
    let mut ask = Ask {
        max_tokens: number("maxOutputTokens"),
        stop: list(config, "stopSequences")
            .iter()
            .filter_map(|s| s.as_str().map(str::to_owned))
            .collect(),
        seed: number("seed"),
        choices: number("candidateCount").unwrap_or(1),
        logprobs: (logs == Some(true)).then(|| number("logprobs").unwrap_or(0)),
        thinking: thinking(&model, config),
        format: format(config),
        own: json!({ "vertex": is_vertex(head), "ids": model.contains("gemini-3") }),
        model,
        ..Ask::default()
    };
    if !(1..=8).contains(&ask.choices) {
        return Err(Refusal::bad("candidateCount must be in the range [1, 8]."));
    }
    read_tools(&mut ask, body)?;
    if let Some(system) = field(body, "systemInstruction") {
        read_parts(&mut ask, system, "system_instruction")?;
    }
    let contents = list(body, "contents");
    if contents.is_empty() {
        return Err(Refusal::bad(
            "* GenerateContentRequest.contents: contents is not specified\n",
        ));
    }
    check_calls(contents)?;
    check_signatures(&ask.model, contents)?;
    for (i, content) in contents.iter().enumerate() {
        read_content(&mut ask, content, i)?;
    }
    if ask.last_text.contains("REFUSE_PROMPT") {
        // A blocked prompt costs no output.
        ask.max_tokens = Some(0);
        ask.thinking = Thinking::Off;
    }
    Ok(ask)
}

fn thinking(model: &str, config: &Value) -> Thinking {
    let own = field(config, "thinkingConfig");
    let budget = own.and_then(|t| field(t, "thinkingBudget"));
    let off = budget.and_then(Value::as_i64) == Some(0);
    let always = model.contains("gemini-3") || model.contains("reasoner");
    if off || (own.is_none() && !always) {
        return Thinking::Off;
    }
    let shown = own.and_then(|t| field(t, "includeThoughts"));
    if shown.and_then(Value::as_bool) == Some(true) {
        Thinking::Shown
    } else {
        Thinking::Hidden
    }
}

fn format(config: &Value) -> Format {
    if words(config, "responseMimeType") != Some("application/json") {
        return Format::Text;
    }
    let schema = field(config, "responseJsonSchema")
        .or_else(|| field(config, "_responseJsonSchema"))
        .or_else(|| field(config, "responseSchema"));
    match schema {
        Some(schema) => Format::Schema(raw(&lowered(schema))),
        None => Format::Object,
    }
}

/// A schema whose types are written small, as JSON Schema writes them.
fn lowered(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let each = fields.iter().map(|(name, value)| {
                let value = match (name.as_str(), value.as_str()) {
                    ("type", Some(kind)) => json!(kind.to_lowercase()),
                    _ => lowered(value),
                };
                (name.clone(), value)
            });
            each.collect()
        }
        Value::Array(items) => items.iter().map(lowered).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn read_tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let declared = list(body, "tools")
        .iter()
        .flat_map(|t| list(t, "functionDeclarations"));
    for function in declared {
        let name = words(function, "name").unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal::bad(
                "* GenerateContentRequest.tools[0].function_declarations[0].name: [REQUIRED_FIELD]\n",
            ));
        }
        let schema = field(function, "parametersJsonSchema")
            .or_else(|| field(function, "parameters"))
            .map(lowered);
        let schema = schema.as_ref().and_then(raw);
        let description = words(function, "description").unwrap_or_default();
        ask.offer(name, description, schema.as_deref())
            .map_err(Refusal::bad)?;
    }
    let choice = field(body, "toolConfig").and_then(|c| field(c, "functionCallingConfig"));
    let Some(choice) = choice else { return Ok(()) };
    let only = list(choice, "allowedFunctionNames")
        .first()
        .and_then(Value::as_str);
    // Names of an enum are read in any case.
    let mode = words(choice, "mode").map(str::to_uppercase);
    ask.tool_choice = match (mode.as_deref(), only) {
        (Some("ANY"), Some(name)) => ToolChoice::Named(name.to_owned()),
        (Some("ANY"), None) => ToolChoice::Any,
        (Some("NONE"), _) => ToolChoice::None,
        (Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") | None, _) => ToolChoice::Auto,
        (Some(other), _) => {
            let at = "tool_config.function_calling_config.mode";
            return Err(Refusal::bad(format!("Invalid value at '{at}', \"{other}\"")).at(at));
        }
    };
    Ok(())
}

fn read_content(ask: &mut Ask, content: &Value, at: usize) -> Result<(), Refusal> {
    let (text, result) = read_parts(ask, content, &format!("contents[{at}]"))?;
    (ask.tool_result, ask.prefill) = (None, None);
    match words(content, "role").unwrap_or("user") {
        "user" | "function" => {
            if result.is_none() || !text.is_empty() {
                ask.last_text = text;
            }
            ask.tool_result = result;
        }
        "model" => ask.prefill = Some(text),
        _ => {
            return Err(Refusal::bad("Please use a valid role: user, model."));
        }
    }
    Ok(())
}

/// The text of a content, and that of the function responses in it.
fn read_parts(
    ask: &mut Ask,
    content: &Value,
    place: &str,
) -> Result<(String, Option<String>), Refusal> {
    let (mut text, mut result) = (String::new(), None::<String>);
    let parts = list(content, "parts");
    if parts.is_empty() {
        return Err(Refusal::bad(format!(
            "* GenerateContentRequest.{place}.parts: contents.parts must not be empty.\n"
        )));
    }
    for (i, part) in parts.iter().enumerate() {
        let at = format!("{place}.parts[{i}]");
        if let Some(signature) = words(part, "thoughtSignature")
            && !is_own(&ask.model, signature)
        {
            return Err(Refusal::bad("Corrupted thought signature."));
        }
        if let Some(own) = words(part, "text") {
            ask.hear(own).map_err(Refusal::bad)?;
            if flag(part, "thought") != Some(true) {
                text.push_str(own);
            }
        } else if let Some(data) = field(part, "inlineData") {
            let kind = words(data, "mimeType").unwrap_or_default();
            see(
                ask,
                kind,
                words(data, "data").map_or(0, |d| d.len() / 4 * 3),
            );
        } else if let Some(file) = field(part, "fileData") {
            ask.look("url", words(file, "fileUri").map_or(0, str::len));
        } else if let Some(call) = field(part, "functionCall") {
            let args = call.get("args").map(Value::to_string).unwrap_or_default();
            ask.hear(words(call, "name").unwrap_or_default())
                .map_err(Refusal::bad)?;
            ask.hear(&args).map_err(Refusal::bad)?;
        } else if let Some(response) = field(part, "functionResponse") {
            let Some(inner) = response.get("response").filter(|r| r.is_object()) else {
                return Err(Refusal::bad(format!(
                    "Invalid value at '{at}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
                )));
            };
            let inner = inner.to_string();
            ask.hear(&inner).map_err(Refusal::bad)?;
            result.get_or_insert_default().push_str(&inner);
        } else if part.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(Refusal::bad(format!(
                "* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field\n"
            )));
        }
    }
    Ok((text, result))
}

fn see(ask: &mut Ask, media_type: &str, bytes: usize) {
    if media_type.starts_with("image/") {
        ask.look(media_type, bytes);
    } else {
        ask.attach(bytes);
    }
}

/// As many responses follow a turn of calls as it has calls. Contents of one
/// role that follow each other are one turn.
fn check_calls(contents: &[Value]) -> Result<(), Refusal> {
    let (mut calls, mut responses, mut models) = (0, 0, false);
    for content in contents {
        let parts = list(content, "parts");
        let has = |name: &str| parts.iter().filter(|p| field(p, name).is_some()).count();
        let model = words(content, "role") == Some("model");
        if model && !models {
            even(calls, responses)?;
            (calls, responses) = (0, 0);
        }
        models = model;
        calls += has("functionCall");
        responses += has("functionResponse");
    }
    even(calls, responses)
}

fn even(calls: usize, responses: usize) -> Result<(), Refusal> {
    if calls == responses {
        return Ok(());
    }
    Err(Refusal::bad(
        "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
    ))
}

/// The newer models want the signature back with the first call of each turn
/// since the user last spoke.
fn check_signatures(model: &str, contents: &[Value]) -> Result<(), Refusal> {
    if !model.contains("gemini-3") {
        return Ok(());
    }
    let spoken = |c: &Value| {
        let parts = list(c, "parts");
        words(c, "role") != Some("model") && parts.iter().any(|p| p.get("text").is_some())
    };
    let from = contents.iter().rposition(spoken).unwrap_or(0);
    for (i, content) in contents.iter().enumerate().skip(from) {
        let mut calls = list(content, "parts")
            .iter()
            .filter(|p| field(p, "functionCall").is_some());
        let Some(first) = calls.next() else { continue };
        if words(first, "thoughtSignature").is_none() {
            let call = field(first, "functionCall").unwrap_or(&Value::Null);
            let name = words(call, "name").unwrap_or_default();
            return Err(Refusal::bad(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}` , position {}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                i + 1
            )));
        }
    }
    Ok(())
}
