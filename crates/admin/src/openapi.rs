//! The OpenAPI document, made from the table of routes.
//!
//! Format: OpenAPI 3.1.0, whose schemas are JSON Schema 2020-12.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::error::ErrorBody;
use crate::route::{ROOT, Route, Routes};

/// One key of a query string.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may be; an array where it may stand there several times.
    pub schema: Value,
    /// Whether it must be there.
    pub required: bool,
}

/// Makes schemas that stand under the document's components.
pub(crate) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

/// Puts a schema under the document's components and gives a reference to it.
pub(crate) fn component(schemas: &mut SchemaGenerator, name: &str, schema: Value) -> Schema {
    schemas.definitions_mut().insert(name.to_owned(), schema);
    Schema::new_ref(format!("#/components/schemas/{name}"))
}

/// The keys of a query string that reads as `Q`.
pub(crate) fn parameters<Q: JsonSchema>(schemas: &mut SchemaGenerator) -> Vec<Parameter> {
    let whole = Q::json_schema(schemas).to_value();
    let required: Vec<&str> = match whole.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let Some(Value::Object(properties)) = whole.get("properties") else {
        return Vec::new();
    };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = taken(&mut schema, "description");
        let _ = taken(&mut schema, "default");
        without_null(&mut schema);
        Parameter {
            name: name.clone(),
            description: match description {
                Some(Value::String(text)) => text,
                Some(_) | None => String::new(),
            },
            schema,
            required: required.contains(&name.as_str()),
        }
    };
    properties.iter().map(parameter).collect()
}

/// The document of these routes.
#[must_use]
pub fn document(routes: &mut Routes) -> Value {
    let error = routes.schema(SchemaGenerator::subschema_for::<ErrorBody>);
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
            "description": "What operators do with a gateway. Times are RFC 3339 in UTC, money decimal strings of US dollars with nine places, ids ULIDs.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": routes.schemas.as_ref().map(SchemaGenerator::definitions),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(row: &Route, error: &Value) -> Value {
    let (status, schema) = &row.answer;
    let mut good = Map::new();
    good.insert("description".to_owned(), json!(row.summary));
    if let Some(schema) = schema {
        good.insert(
            "content".to_owned(),
            json!({ "application/json": { "schema": schema } }),
        );
    }
    let bad = json!({
        "description": "What is wrong, and what mends it",
        "content": { "application/json": { "schema": error } },
    });
    let mut operation = json!({
        "summary": row.summary,
        "operationId": operation_id(row),
        "tags": [row.path.split('/').nth(1).unwrap_or_default()],
        "parameters": all_parameters(row),
        "responses": { status.as_str(): good, "default": bad },
    });
    if let (Some(body), Some(members)) = (&row.body, operation.as_object_mut()) {
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
        members.insert("requestBody".to_owned(), body);
    }
    operation
}

fn operation_id(row: &Route) -> String {
    let words = row.path.split(['/', '_', '.', '-']);
    let words = words.filter(|word| !word.is_empty());
    let words = words.map(|word| if word == "{id}" { "one" } else { word });
    let path: Vec<&str> = words.collect();
    format!(
        "{}_{}",
        row.method.as_str().to_ascii_lowercase(),
        path.join("_")
    )
}

fn all_parameters(row: &Route) -> Value {
    let mut all = Vec::new();
    if row.path.contains("{id}") {
        all.push(json!({
            "name": "id", "in": "path", "required": true,
            "description": "Its name or id",
            "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
        }));
    }
    all.extend(row.query.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.description, "schema": parameter.schema,
        })
    }));
    Value::Array(all)
}

fn taken(schema: &mut Value, member: &str) -> Option<Value> {
    schema.as_object_mut()?.remove(member)
}

/// A key is there or not; it is never null.
fn without_null(schema: &mut Value) {
    let Some(Value::Array(kinds)) = schema.get_mut("type") else {
        return;
    };
    kinds.retain(|kind| kind != "null");
    if let [only] = kinds.as_slice() {
        let only = only.clone();
        if let Some(members) = schema.as_object_mut() {
            members.insert("type".to_owned(), only);
        }
    }
}
