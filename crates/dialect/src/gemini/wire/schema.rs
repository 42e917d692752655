//! Google's own schemas, a dialect of OpenAPI 3.0, as JSON Schema.
//!
//! Types are written in capitals or as numbers there, and what may be null is said
//! aside. Everything else means the same. Only reading turns them; what is sent to
//! Google from elsewhere goes into the members that take JSON Schema.
//!
//! Source: <https://ai.google.dev/api/caching#Schema>.

use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Types by their number in the protocol buffer.
const TYPES: [&str; 8] = [
    "unspecified",
    "string",
    "number",
    "integer",
    "boolean",
    "array",
    "object",
    "null",
];

/// The same schema as JSON Schema; unchanged where it cannot be read as one.
pub(crate) fn to_json_schema(schema: &Json) -> Json {
    let mut out = Writer::with_capacity(schema.text().len());
    match write(&mut schema.reader(), &mut out) {
        Ok(()) => {
            let text = String::from_utf8_lossy(&out.into_bytes()).into_owned();
            Json::parse(&text).unwrap_or_else(|_| schema.clone())
        }
        Err(_) => schema.clone(),
    }
}

fn write(reader: &mut Reader<'_>, out: &mut Writer) -> Result<(), Invalid> {
    if reader.peek()? != Kind::Object {
        out.raw(reader.raw()?);
        return Ok(());
    }
    let nullable = is_nullable(reader)?;
    let mut read = Ok(());
    out.object(|out| {
        read = reader.object(|key, member| {
            match (key, member.peek()?) {
                ("nullable", Kind::Bool) => return member.skip().map(drop),
                ("type", Kind::String | Kind::Number) => {
                    write_type(member, nullable, out.key(key))?;
                }
                ("properties" | "$defs", Kind::Object) => write_named(member, out.key(key))?,
                ("items" | "additionalProperties" | "not", Kind::Object) => {
                    write(member, out.key(key))?;
                }
                ("anyOf" | "oneOf" | "allOf" | "prefixItems", Kind::Array) => {
                    write_list(member, out.key(key))?;
                }
                _ => {
                    out.key(key).raw(member.raw()?);
                }
            }
            Ok(())
        });
    });
    read
}

fn is_nullable(reader: &Reader<'_>) -> Result<bool, Invalid> {
    let mut nullable = false;
    reader.clone().object(|key, member| {
        if key == "nullable" && member.peek()? == Kind::Bool {
            nullable = member.bool()?;
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    Ok(nullable)
}

fn write_type(reader: &mut Reader<'_>, nullable: bool, out: &mut Writer) -> Result<(), Invalid> {
    let name = if reader.peek()? == Kind::Number {
        let number = usize::try_from(reader.u64()?).ok();
        let name = number.and_then(|number| TYPES.get(number));
        (*name.ok_or_else(|| Invalid::new("no such type"))?).to_owned()
    } else {
        reader.string()?.to_ascii_lowercase()
    };
    if nullable {
        out.array(|out| {
            out.string(&name).string("null");
        });
    } else {
        out.string(&name);
    }
    Ok(())
}

fn write_named(reader: &mut Reader<'_>, out: &mut Writer) -> Result<(), Invalid> {
    let mut read = Ok(());
    out.object(|out| {
        read = reader.object(|key, member| write(member, out.key(key)));
    });
    read
}

fn write_list(reader: &mut Reader<'_>, out: &mut Writer) -> Result<(), Invalid> {
    let mut read = Ok(());
    out.array(|out| {
        read = reader.array(|_, element| write(element, out));
    });
    read
}
