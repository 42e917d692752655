//! Calls of tools.
//!
//! Arguments stay the text that the model wrote; nothing here may parse or repair
//! them.

use std::borrow::Cow;

use super::{TOOL_CALL, own, required, spelled, text};
use crate::chat::{Extra, Part, PartKind, ToolCall, ToolCallKind, given};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Reads one call of a message's `tool_calls`.
pub(crate) fn tool_call(reader: &mut Reader<'_>) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let (mut extra, mut inner) = (Extra::default(), Extra::default());
    let (mut id, mut kind, mut name, mut arguments) = (None, None, None, None);
    let mut function = false;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("id", _) => id = Some(text(member)?),
            ("type", _) => kind = given(member, &mut extra, key, text)?,
            ("function", Kind::Object) => {
                function = true;
                member.object(|key, member| {
                    match key {
                        "name" => name = Some(text(member)?),
                        "arguments" => arguments = given(member, &mut inner, key, text)?,
                        _ => inner.push(key, member.json()?),
                    }
                    Ok(())
                })?;
            }
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if !function || kind.as_ref().is_some_and(|kind| kind != "function") {
        return Ok(PartKind::Opaque(own(TOOL_CALL, whole.json()?)).into());
    }
    if kind.is_none() && extra.get("type").is_none() {
        extra.note(spelled::UNTYPED);
    }
    if arguments.is_none() {
        extra.note(spelled::NO_ARGUMENTS);
    }
    extra.keep_inner("function", &inner);
    let mut part = Part::from(PartKind::ToolCall(ToolCall {
        id: required(id, "id")?,
        name: required(name, "function.name")?,
        arguments: arguments.unwrap_or_default(),
        kind: ToolCallKind::Function,
    }));
    part.extra = extra;
    Ok(part)
}

/// Writes one call of a message's `tool_calls`; `ours` is whether it came from this dialect.
pub(crate) fn write_tool_call(out: &mut Writer, call: &ToolCall, extra: &Extra, ours: bool) {
    out.object(|out| {
        out.key("id").string(&call.id);
        let untyped = extra.noted(spelled::UNTYPED) || extra.get("type").is_some();
        if !(ours && untyped) {
            out.key("type").string("function");
        }
        out.key("function").object(|out| {
            out.key("name").string(&call.name);
            if !(ours && extra.noted(spelled::NO_ARGUMENTS)) {
                out.key("arguments").string(&arguments(call, ours));
            }
            if ours {
                extra.write_inner(out, "function");
            }
        });
        if ours {
            extra.write_but(out, &["function"]);
        }
    });
}

/// A call's arguments as the text of an object, which free text becomes a member of.
fn arguments(call: &ToolCall, ours: bool) -> Cow<'_, str> {
    match call.kind {
        ToolCallKind::Custom => {
            let wrapped = Json::written(|out| {
                out.object(|out| {
                    out.key("input").string(&call.arguments);
                });
            });
            Cow::Owned(wrapped.text().to_owned())
        }
        ToolCallKind::Function if !ours && call.arguments.trim().is_empty() => "{}".into(),
        ToolCallKind::Function => Cow::Borrowed(&call.arguments),
    }
}
