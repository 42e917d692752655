//! As much of JSON Schema as the vendors' files use.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::shape;

/// Members that the files require and the vendors' own answers leave out, as
/// `shared/parts/relaxed_validate.py` found them.
const OPTIONAL: &[&str] = &[
    "logprobs",
    "refusal",
    "finish_reason",
    "system_fingerprint",
    "annotations",
    "user",
    "service_tier",
    "usage",
    "moderation",
    "input_tokens_details",
    "status",
    "sequence_number",
    "obfuscation",
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "cache_write_tokens",
    "content",
    "name",
    "parameters",
    "strict",
    "summary",
    "action",
    "results",
    "id",
    "logprob",
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "output",
    "outputs",
    "code",
    "description",
    "param",
];

/// A schema of one of the forms that the vendors publish.
pub(super) enum Schema {
    /// JSON Schema, or Google's way of writing one: the whole file, and where it begins.
    Json(Value, &'static str),
    /// A shape of AWS's model of a service.
    Shape(Value, &'static str),
}

impl Schema {
    /// The schema that stands at that place of that file.
    pub(super) fn of_file(file: &str, at: &'static str) -> Option<Self> {
        let text = fs::read_to_string(folder().join(file)).ok()?;
        Some(Schema::Json(serde_json::from_str(&text).unwrap(), at))
    }

    /// The shape of that name.
    pub(super) fn of_service(name: &'static str) -> Option<Self> {
        Some(Schema::Shape(shape::model(&folder())?, name))
    }

    /// What does not fit, if anything.
    pub(super) fn misfit(&self, value: &Value) -> Option<String> {
        match self {
            Schema::Json(root, at) => misfit(root, root.pointer(at).unwrap(), value, ""),
            Schema::Shape(model, name) => shape::misfit(model, name, value, ""),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/schemas")
}

/// A value without its nulls.
pub(super) fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(_, member)| !member.is_null());
            said.map(|(name, member)| (name.clone(), stripped(member)))
                .collect()
        }
        Value::Array(list) => list.iter().map(stripped).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn misfit(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        // Google names its schemas, others point at them.
        let found = match name.strip_prefix('#') {
            Some(pointer) => root.pointer(pointer),
            None => root["schemas"].get(name),
        };
        return misfit(root, found.unwrap(), value, at);
    }
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let wrong = parts
        .filter_map(|part| misfit(root, part, value, at))
        .next();
    wrong
        .or_else(|| of_several(root, schema, value, at))
        .or_else(|| of_itself(schema, value, at))
        .or_else(|| of_members(root, schema, value, at))
        .or_else(|| of_elements(root, schema, value, at))
}

/// Where one of several must fit: what is wrong with the one that comes nearest.
fn of_several(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let several = schema["anyOf"].as_array().or(schema["oneOf"].as_array())?;
    let mut nearest: Option<String> = None;
    for one in several {
        let wrong = misfit(root, one, value, at)?;
        let place = |wrong: &str| wrong.split(' ').next().unwrap_or_default().len();
        if nearest
            .as_ref()
            .is_none_or(|near| place(near) < place(&wrong))
        {
            nearest = Some(wrong);
        }
    }
    nearest
}

fn of_itself(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let said = || value.to_string().chars().take(80).collect::<String>();
    if schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{at} {} is not {}", said(), schema["const"]));
    }
    let words = schema["enum"].as_array();
    if words.is_some_and(|words| !words.contains(value)) {
        return Some(format!("{at} {} is none of {}", said(), schema["enum"]));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "any" => true,
        other => panic!("unknown type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| kind.as_str().is_some_and(is)),
        _ => true,
    };
    if !fits {
        return Some(format!("{at} {} is no {}", said(), schema["type"]));
    }
    let bound = |name: &str| schema[name].as_f64();
    let size = match value {
        Value::Number(number) => (number.as_f64(), ["minimum", "maximum"]),
        Value::String(text) => (
            Some(text.chars().count() as f64),
            ["minLength", "maxLength"],
        ),
        Value::Array(list) => (Some(list.len() as f64), ["minItems", "maxItems"]),
        Value::Null | Value::Bool(_) | Value::Object(_) => (None, ["", ""]),
    };
    let (Some(size), [least, most]) = size else {
        return None;
    };
    let outside = bound(least).is_some_and(|least| size < least)
        || bound(most).is_some_and(|most| size > most);
    outside.then(|| format!("{at} {} is out of bounds", said()))
}

fn of_members(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let members = value.as_object()?;
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if !members.contains_key(name) && !OPTIONAL.contains(&name) {
            return Some(format!("{at} {name} is missing"));
        }
    }
    let closed = schema["additionalProperties"] == false;
    members.iter().find_map(|(name, member)| {
        let at = format!("{at}/{name}");
        match schema["properties"].get(name) {
            Some(property) => misfit(root, property, member, &at),
            None if closed => Some(format!("{at} is not known")),
            None if schema["additionalProperties"].is_object() => {
                misfit(root, &schema["additionalProperties"], member, &at)
            }
            None => None,
        }
    })
}

fn of_elements(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let items = schema.get("items")?;
    let elements = value.as_array()?.iter().enumerate();
    elements
        .filter_map(|(place, element)| misfit(root, items, element, &format!("{at}/{place}")))
        .next()
}

#[test]
fn what_does_not_fit_is_found() {
    use serde_json::json;
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": {"anyOf": [text, {"type": "integer", "maximum": 3}]},
            "b": {"type": "array", "items": {"$ref": "#/$defs/b"}},
        },
        "$defs": {"b": {"enum": ["x", "y"]}},
    });
    let wrong = |value: Value| misfit(&schema, &schema, &value, "");
    assert_eq!(wrong(json!({"a": "t", "b": ["x"]})), None);
    for bad in [
        json!({}),
        json!({"a": 4}),
        json!({"a": true}),
        json!({"a": 1, "b": ["z"]}),
        json!({"a": 1, "c": 1}),
    ] {
        assert!(wrong(bad.clone()).is_some(), "{bad}");
    }
}
