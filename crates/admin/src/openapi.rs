//! The OpenAPI document, made from the table of routes.
//!
//! Format: OpenAPI 3.1.0, whose schemas are JSON Schema 2020-12.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::error::ErrorBody;
use crate::route::{ROOT, Route, Routes};

/// Makes schemas that stand under the document's components.
pub(crate) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

/// The document of these routes.
#[must_use]
pub fn document(routes: &mut Routes) -> Value {
    let error = routes.schemas.subschema_for::<ErrorBody>();
    let mut paths: Map<String, Value> = Map::new();
    for row in &routes.rows {
        let path = paths
            .entry(format!("{ROOT}{}", row.path))
            .or_insert_with(|| json!({}));
        if let Some(operations) = path.as_object_mut() {
            let method = row.method.as_str().to_ascii_lowercase();
            operations.insert(method, operation(row, &json!(error)));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bondgate's admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": routes.schemas.definitions(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(row: &Route, error: &Value) -> Value {
    let (status, schema) = &row.answer;
    let mut good = json!({ "description": row.summary });
    if let Some(schema) = schema {
        good["content"] = json!({ "application/json": { "schema": schema } });
    }
    let bad = json!({
        "description": "What is wrong",
        "content": { "application/json": { "schema": error } },
    });
    let mut operation = json!({
        "summary": row.summary,
        "operationId": operation_id(row),
        "parameters": parameters(row),
        "responses": { status.as_str(): good, "default": bad },
    });
    if let Some(body) = &row.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    operation
}

fn operation_id(row: &Route) -> String {
    let words = row.path.split(['/', '{', '}', '_', '.']);
    let words = words.filter(|word| !word.is_empty());
    let path: Vec<&str> = words.collect();
    format!(
        "{}_{}",
        row.method.as_str().to_ascii_lowercase(),
        path.join("_")
    )
}

fn parameters(row: &Route) -> Value {
    let mut all = Vec::new();
    if row.path.contains("{id}") {
        all.push(json!({
            "name": "id", "in": "path", "required": true,
            "description": "Name or id", "schema": { "type": "string" },
        }));
    }
    if let Some(query) = &row.query {
        all.push(json!({
            "name": "query", "in": "query", "style": "form", "explode": true, "schema": query,
        }));
    }
    Value::Array(all)
}
