//! The answers hold against the providers' published schemas, where those are
//! at hand (`../shared/schemas` beside the repository).

use std::path::Path;

use serde_json::{Value, json};
use sim::Script;

use crate::answers::{ask, with};
use crate::client::{chat, messages};
use crate::started;

/// Fields that the published schemas require and real answers leave out.
const OPTIONAL: [&str; 6] = [
    "logprobs",
    "status",
    "obfuscation",
    "cache_write_tokens",
    "id",
    "description",
];

/// Without nulls: real answers say `null` where the schemas know only absence.
pub(crate) fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, v)| !v.is_null());
            kept.map(|(k, v)| (k.clone(), stripped(v))).collect()
        }
        Value::Array(items) => items.iter().map(stripped).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Holds without nulls, against a schema of a file.
pub(crate) fn hold_relaxed(name: &str, values: &[Value]) {
    let values: Vec<Value> = values.iter().map(stripped).collect();
    hold(schema(name).as_ref(), &values);
}

/// The same against a component of an OpenAPI document.
pub(crate) fn hold_component(name: &str, component: &str, values: &[Value]) {
    let Some(mut document) = schema(name) else {
        return;
    };
    document["$ref"] = json!(format!("#/components/schemas/{component}"));
    let values: Vec<Value> = values.iter().map(stripped).collect();
    hold(Some(&document), &values);
}

fn schema(name: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/schemas");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        eprintln!("SKIPPED: {name} is not in {}", folder.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// The part of JSON Schema that those files use. Says what does not fit.
fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(path) = schema["$ref"].as_str() {
        return misfit(root, root.pointer(&path[1..]).unwrap(), value);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(found) = misfit(root, part, value) {
            return Some(found);
        }
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(several) = schema[word].as_array() {
            let misfits: Vec<String> = several
                .iter()
                .map_while(|s| misfit(root, s, value))
                .collect();
            return (misfits.len() == several.len()).then(|| misfits.join(" | "));
        }
    }
    if let Some(only) = schema.get("const")
        && only != value
    {
        return Some(format!("{value} is not {only}"));
    }
    if let Some(several) = schema["enum"].as_array()
        && !several.contains(value)
    {
        return Some(format!("{value} is none of {several:?}"));
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(other) => panic!("unknown type {other}"),
        None => true,
    };
    if !fits {
        return Some(format!("{value} is not {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if value.get(name).is_none() && !OPTIONAL.contains(&name) {
            return Some(format!("{name} is missing in {value}"));
        }
    }
    if schema["additionalProperties"] == false {
        let fields = value.as_object().into_iter().flatten();
        let known = &schema["properties"];
        if let Some((name, _)) = fields.into_iter().find(|(n, _)| known.get(n).is_none()) {
            return Some(format!("{name} is not known in {value}"));
        }
    }
    let items = value.as_array().into_iter().flatten();
    let inner = items
        .filter_map(|item| misfit(root, schema.get("items")?, item))
        .next();
    inner.or_else(|| {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields
            .filter_map(|(name, s)| {
                misfit(root, s, value.get(name)?).map(|m| format!("{name}: {m}"))
            })
            .next()
    })
}

fn hold(schema: Option<&Value>, values: &[Value]) {
    let Some(schema) = schema else { return };
    assert!(!values.is_empty());
    for value in values {
        assert_eq!(misfit(schema, schema, value), None, "{value}");
    }
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}});
    assert_eq!(misfit(&schema, &schema, &json!({"a": null})), None);
    assert!(misfit(&schema, &schema, &json!({"a": 1})).is_some());
    assert!(misfit(&schema, &schema, &json!({})).is_some());
}

#[tokio::test]
async fn chat_answers_fit_the_published_schemas() {
    let (whole, chunk) = (
        schema("openai_ChatCompletion.json"),
        schema("openai_ChatCompletionChunk.json"),
    );
    let sim = started(Script::default()).await;
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]);
    for (text, more) in [
        ("hello", json!({})),
        (
            "hello",
            json!({"n": 2, "logprobs": true, "top_logprobs": 1}),
        ),
        (
            "hello",
            json!({"max_tokens": 1, "reasoning_effort": "high"}),
        ),
        ("hello", json!({"model": "reasoner"})),
        ("USE_TOOLS 2 SAY_FIRST", json!({"tools": tools})),
        ("REFUSE", json!({})),
    ] {
        let body = with(ask(text), &more);
        hold(whole.as_ref(), &[chat(&sim, &body).await.json()]);
        let options = json!({"stream": true, "stream_options": {"include_usage": true}});
        hold(
            chunk.as_ref(),
            &chat(&sim, &with(body, &options)).await.events(),
        );
    }
}

#[tokio::test]
async fn messages_fit_the_published_schemas() {
    let (whole, event) = (
        schema("anthropic_Message.json"),
        schema("anthropic_RawMessageStreamEvent.json"),
    );
    let sim = started(Script::default()).await;
    let tools = json!([{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}]);
    for (text, more) in [
        ("hello", json!({})),
        ("hello", json!({"stop_sequences": ["ll"]})),
        ("hello", json!({"thinking": {"type": "adaptive"}})),
        ("USE_TOOLS 2 SAY_FIRST", json!({"tools": tools})),
        ("REFUSE", json!({})),
    ] {
        let body = with(ask(text), &more);
        hold(whole.as_ref(), &[messages(&sim, &body).await.json()]);
        let mut events = messages(&sim, &with(body, &json!({"stream": true})))
            .await
            .events();
        // The schema is that of the client library, which keeps pings to itself.
        events.retain(|e| e["type"] != "ping");
        hold(event.as_ref(), &events);
    }
}
