//! A value that fits a simple JSON Schema, for tool arguments and for answers
//! that must be JSON.
//!
//! Knows types, required properties, `enum`, `const`, `$ref` inside the
//! document, `anyOf`/`oneOf`/`allOf`, minima and maxima. It never fails: what
//! it does not know becomes a plain value of the named type.

use serde_json::{Map, Value, json};

use crate::words::{Rng, sentence};

const DEPTH_MAX: usize = 12;
const ITEMS_MAX: u64 = 16;

/// A value for `schema`.
pub(crate) fn fill(schema: &Value, rng: &mut Rng) -> Value {
    Filler { root: schema, rng }.value(schema, 0)
}

struct Filler<'a> {
    root: &'a Value,
    rng: &'a mut Rng,
}

impl<'a> Filler<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(first) = schema.get("enum").and_then(|e| e.get(0)) {
            return first.clone();
        }
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let target = path.strip_prefix('#').and_then(|p| self.root.pointer(p));
            return target.map_or(Value::Null, |t| self.value(t, depth + 1));
        }
        for word in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(word).and_then(|s| s.get(0)) {
                return self.value(first, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => json!(self.number(schema, 100)),
            "number" => json!(self.number(schema, 100) as f64 + 0.5),
            "boolean" => json!(self.rng.below(2) == 0),
            "null" => Value::Null,
            _ => self.text(schema),
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut out = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        for (name, inner) in properties.into_iter().flatten() {
            let wanted = required.is_none_or(|r| r.iter().any(|v| v.as_str() == Some(name)));
            if wanted {
                let value = self.value(inner, depth + 1);
                out.insert(name.clone(), value);
            }
        }
        Value::Object(out)
    }

    fn array(&mut self, schema: &'a Value, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
        let Some(items) = schema.get("items") else {
            return json!([]);
        };
        let count = least.clamp(1, ITEMS_MAX);
        Value::Array((0..count).map(|_| self.value(items, depth + 1)).collect())
    }

    fn number(&mut self, schema: &Value, span: u64) -> i64 {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(0);
        let most = schema.get("maximum").and_then(Value::as_i64);
        let most = most
            .unwrap_or_else(|| least.saturating_add_unsigned(span))
            .max(least);
        let range = most.abs_diff(least).saturating_add(1);
        least.saturating_add_unsigned(self.rng.below(range))
    }

    fn text(&mut self, schema: &Value) -> Value {
        match schema.get("format").and_then(Value::as_str) {
            Some("date") => json!("2026-01-31"),
            Some("date-time") => json!("2026-01-31T12:00:00Z"),
            Some("time") => json!("12:00:00Z"),
            Some("email") => json!("sim@example.com"),
            Some("uri") => json!("https://example.com/é"),
            Some("uuid") => json!("00000000-0000-4000-8000-000000000000"),
            Some(_) | None => json!(sentence(self.rng, 4)),
        }
    }
}

fn type_of(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .find(|t| *t != "null"),
        Some(one) => one.as_str(),
        None => None,
    };
    let guessed = if schema.get("properties").is_some() {
        "object"
    } else {
        "string"
    };
    named.unwrap_or(guessed)
}
