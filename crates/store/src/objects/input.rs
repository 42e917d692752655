//! Requests that make or change an object, read from JSON so that every mistake names its field.
//!
//! A change is a merge patch (RFC 7396): what is absent stays, null clears. Secrets are taken
//! out first and are in no message.

use std::fmt;
use std::marker::PhantomData;

use policy::secret::Secret;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::Invalid;
use super::object::{Kind, Spec};

/// Bytes of a request.
const MOST_BYTES: usize = 256 << 10;
/// Bytes of a request for many objects.
const MOST_BYTES_OF_MANY: usize = 1 << 20;

/// An object to be made.
pub struct New<S: Spec> {
    /// Its name; a price may do without.
    pub name: String,
    /// What is said of it.
    pub spec: S,
    /// Credentials of a provider.
    pub secrets: Vec<Secret>,
}

/// What is to be changed of an object.
pub struct Change<S: Spec> {
    /// Fields to be replaced or cleared.
    pub(super) fields: Map<String, Value>,
    /// Credentials that replace all that a provider has, where any were given.
    pub(super) secrets: Option<Vec<Secret>>,
    kind: PhantomData<S>,
}

impl<S: Spec> New<S> {
    /// An object of that name.
    #[must_use]
    pub fn named(name: &str, spec: S) -> Self {
        Self {
            name: name.to_owned(),
            spec,
            secrets: Vec::new(),
        }
    }

    /// Reads a request's body: the fields of the object and its `name`.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn from_json(body: &[u8], now_ms: i64) -> Result<Self, Invalid> {
        Self::from_fields(fields(body, MOST_BYTES)?, now_ms)
    }

    /// Reads a body that is a list of such requests under one member, such as `prices`.
    ///
    /// # Errors
    /// The first field that is wrong, with its row: `prices[2].input`.
    pub fn many_from_json(body: &[u8], member: &str, now_ms: i64) -> Result<Vec<Self>, Invalid> {
        let mut fields = fields(body, MOST_BYTES_OF_MANY)?;
        let rows = match fields.remove(member) {
            Some(Value::Array(rows)) if !rows.is_empty() => rows,
            Some(_) | None => {
                return Err(Invalid::new(member, "is a list of at least one object"));
            }
        };
        if let Some((unknown, _)) = fields.iter().next() {
            let message = format!("is not known here; give `{member}` alone");
            return Err(Invalid::new(unknown, message));
        }
        let rows = rows.into_iter().enumerate();
        rows.map(|(n, row)| {
            let at = format!("{member}[{n}]");
            match row {
                Value::Object(fields) => {
                    Self::from_fields(fields, now_ms).map_err(|error| error.within(&at))
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => Err(Invalid::new(at, "is no JSON object")),
            }
        })
        .collect()
    }

    fn from_fields(mut fields: Map<String, Value>, now_ms: i64) -> Result<Self, Invalid> {
        let name = match fields.remove("name") {
            Some(Value::String(name)) => name,
            None if S::KIND == Kind::Price => String::new(),
            None => return Err(Invalid::new("name", "is missing: give the object a name")),
            Some(_) => return Err(Invalid::new("name", "is a text")),
        };
        let secrets = S::prepare(&mut fields, now_ms)?;
        Ok(Self {
            name,
            spec: read(fields)?,
            secrets: secrets.unwrap_or_default(),
        })
    }
}

impl<S: Spec> Change<S> {
    /// Reads a request's body: the fields that change.
    ///
    /// # Errors
    /// The first field that is wrong, as far as that shows without the object.
    pub fn from_json(body: &[u8], now_ms: i64) -> Result<Self, Invalid> {
        let mut fields = fields(body, MOST_BYTES)?;
        if fields.contains_key("name") {
            let message = "cannot be changed: records keep names; make another object";
            return Err(Invalid::new("name", message));
        }
        let secrets = S::prepare(&mut fields, now_ms)?;
        Ok(Self {
            fields,
            secrets,
            kind: PhantomData,
        })
    }

    /// What is said of the object once it is changed.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub(super) fn applied_to(&self, spec: &S) -> Result<S, Invalid> {
        let now = serde_json::to_value(spec);
        let mut now = now.map_err(|error| Invalid::new("", error.to_string()))?;
        for (field, value) in &self.fields {
            if let Value::Object(now) = &mut now {
                merge(now, field, value);
            }
        }
        match now {
            Value::Object(fields) => read(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Invalid::new("", "is no object")),
        }
    }
}

/// One member of a merge patch.
fn merge(target: &mut Map<String, Value>, field: &str, patch: &Value) {
    match (patch, target.get_mut(field)) {
        (Value::Null, _) => {
            target.remove(field);
        }
        (Value::Object(patch), Some(Value::Object(inner))) => {
            for (field, value) in patch {
                merge(inner, field, value);
            }
        }
        (_, _) => {
            target.insert(field.to_owned(), patch.clone());
        }
    }
}

/// What is said of an object, from its fields.
fn read<S: Spec>(fields: Map<String, Value>) -> Result<S, Invalid> {
    no_list_for_an_object(&fields)?;
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        Invalid::new(field_of(&path, &message), message)
    })
}

/// A list whose members happen to fit would be read as the members of an object in their order.
fn no_list_for_an_object(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let wrong = |field: String| Err(Invalid::new(field, "is a JSON object, no list"));
    for (field, value) in fields {
        if let (Value::Object(inner), "tier") = (value, field.as_str())
            && let Some((tier, _)) = inner.iter().find(|(_, own)| own.is_array())
        {
            return wrong(format!("tier.{tier}"));
        }
        let Value::Array(items) = value else { continue };
        if matches!(field.as_str(), "limits" | "tier") {
            return wrong(field.clone());
        }
        if let Some(n) = items.iter().position(Value::is_array) {
            return wrong(format!("{field}[{n}]"));
        }
    }
    Ok(())
}

/// The field that a message is about: serde names an unknown or missing one in its words only.
fn field_of(path: &str, message: &str) -> String {
    let path = if path == "." { "" } else { path };
    let named = ["unknown field `", "missing field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'));
    match named {
        Some((field, _)) if path == field || path.ends_with(&format!(".{field}")) => {
            path.to_owned()
        }
        Some((field, _)) if path.is_empty() => field.to_owned(),
        Some((field, _)) => format!("{path}.{field}"),
        None => path.to_owned(),
    }
}

/// The members of a body that is one JSON object, none of them twice.
fn fields(body: &[u8], most: usize) -> Result<Map<String, Value>, Invalid> {
    if body.len() > most {
        let message = format!("the request has more than {most} bytes");
        return Err(Invalid::new("", message));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Invalid::new("", "the request is no JSON object")),
        Err(error) => match error.to_string().strip_prefix("twice: ") {
            Some(rest) => {
                let field = rest.split(" at line").next().unwrap_or_default();
                Err(Invalid::new(field, "stands here twice: give it once"))
            }
            None => Err(Invalid::new("", format!("the request is no JSON: {error}"))),
        },
    }
}

/// Reads any JSON value and refuses members of one name.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(de::Error::custom(format!("twice: {name}")));
            }
            let value = members.next_value_seed(Strict)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
