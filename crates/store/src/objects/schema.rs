//! JSON Schemas of objects and of the requests that make and change them, for the admin API's
//! own description.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::object::{Kind, Object, Spec};

/// Schema of an object as it is shown.
#[must_use]
pub fn object_schema<S: Spec>(generator: &mut SchemaGenerator) -> Value {
    <Object<S> as JsonSchema>::json_schema(generator).to_value()
}

/// Schema of a request that makes one.
#[must_use]
pub fn new_schema<S: Spec>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = request::<S>(generator);
    let name = json!({
        "type": "string", "maxLength": 64, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "description": "Its name, unique among its kind.",
    });
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("name".to_owned(), name);
    }
    if S::KIND != Kind::Price
        && let Some(members) = schema.as_object_mut()
        && let Value::Array(required) = members.entry("required").or_insert_with(|| json!([]))
    {
        required.insert(0, json!("name"));
    }
    schema
}

/// Schema of a request that changes one: what is absent stays, null clears.
#[must_use]
pub fn change_schema<S: Spec>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = request::<S>(generator);
    if let Some(members) = schema.as_object_mut() {
        members.remove("required");
    }
    schema
}

fn request<S: Spec>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = <S as JsonSchema>::json_schema(generator).to_value();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (field, of_field) in S::request_fields() {
            properties.insert(field.to_owned(), of_field);
        }
    }
    schema
}
