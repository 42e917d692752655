//! The field names that Google knows: any other is refused, as its servers
//! refuse it. Names are accepted in camel case and in snake case.

use serde_json::Value;

use crate::dialect::Refusal;

const REQUEST: &[&str] = &[
    "model",
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "store",
    "labels",
    "modelArmorConfig",
];
const CONFIG: &[&str] = &[
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
    "responseFormat",
];
const CONTENT: &[&str] = &["role", "parts"];
const PART: &[&str] = &[
    "text",
    "inlineData",
    "functionCall",
    "functionResponse",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "thought",
    "thoughtSignature",
    "partMetadata",
    "videoMetadata",
    "mediaResolution",
];
const TOOL: &[&str] = &[
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "computerUse",
    "urlContext",
    "fileSearch",
    "googleMaps",
    "mcpServers",
    "retrieval",
    "enterpriseWebSearch",
];
const FUNCTION: &[&str] = &[
    "name",
    "description",
    "behavior",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];
const CALL: &[&str] = &["id", "name", "args"];
const RESPONSE: &[&str] = &[
    "id",
    "name",
    "response",
    "willContinue",
    "scheduling",
    "parts",
];
/// Google's own subset of a schema, which is not JSON Schema.
const SCHEMA: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];
const DEPTH_MAX: usize = 32;

/// A field by its name in camel case, however it is written.
pub(super) fn field<'v>(value: &'v Value, camel: &str) -> Option<&'v Value> {
    value.get(camel).or_else(|| value.get(snake(camel)))
}

/// A field that is a string.
pub(super) fn words<'v>(value: &'v Value, camel: &str) -> Option<&'v str> {
    field(value, camel).and_then(Value::as_str)
}

/// The items of a field that is a list.
pub(super) fn list<'v>(value: &'v Value, camel: &str) -> &'v [Value] {
    let items = field(value, camel).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

/// Finds the first field that Google does not know.
///
/// # Errors
/// What Google would say.
pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    known(body, REQUEST, "")?;
    if let Some(config) = field(body, "generationConfig") {
        known(config, CONFIG, "generation_config")?;
        if let Some(schema) = field(config, "responseSchema") {
            check_schema(schema, "generation_config.response_schema", 0)?;
        }
    }
    if let Some(system) = field(body, "systemInstruction") {
        check_content(system, "system_instruction")?;
    }
    for (i, content) in list(body, "contents").iter().enumerate() {
        check_content(content, &format!("contents[{i}]"))?;
    }
    for (i, tool) in list(body, "tools").iter().enumerate() {
        let at = format!("tools[{i}]");
        known(tool, TOOL, &at)?;
        for (j, function) in list(tool, "functionDeclarations").iter().enumerate() {
            let at = format!("{at}.function_declarations[{j}]");
            known(function, FUNCTION, &at)?;
            for name in ["parameters", "response"] {
                if let Some(schema) = field(function, name) {
                    check_schema(schema, &format!("{at}.{name}"), 0)?;
                }
            }
        }
    }
    Ok(())
}

fn check_content(content: &Value, at: &str) -> Result<(), Refusal> {
    known(content, CONTENT, at)?;
    for (i, part) in list(content, "parts").iter().enumerate() {
        let at = format!("{at}.parts[{i}]");
        known(part, PART, &at)?;
        for (name, fields) in [("functionCall", CALL), ("functionResponse", RESPONSE)] {
            if let Some(inner) = field(part, name) {
                known(inner, fields, &format!("{at}.{}", snake(name)))?;
            }
        }
    }
    Ok(())
}

fn check_schema(schema: &Value, at: &str, depth: usize) -> Result<(), Refusal> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    known(schema, SCHEMA, at)?;
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        check_schema(inner, &format!("{at}.properties[{name}].value"), depth + 1)?;
    }
    if let Some(items) = schema.get("items") {
        check_schema(items, &format!("{at}.items"), depth + 1)?;
    }
    for (i, inner) in list(schema, "anyOf").iter().enumerate() {
        check_schema(inner, &format!("{at}.any_of[{i}]"), depth + 1)?;
    }
    Ok(())
}

fn known(value: &Value, names: &[&str], at: &str) -> Result<(), Refusal> {
    let Some(fields) = value.as_object() else {
        let message = format!("Invalid value at '{at}': an object is expected");
        return Err(Refusal::bad(message).at(at));
    };
    let is_known = |name: &str| names.iter().any(|n| *n == name || snake(n) == name);
    match fields.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let place = if at.is_empty() {
                String::new()
            } else {
                format!(" at '{at}'")
            };
            let message = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            );
            Err(Refusal::bad(message).at(at))
        }
    }
}

fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
