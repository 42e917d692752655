//! Tool calls and the sources that an answer cites.
//!
//! Arguments stay the text that the model wrote; nothing here may parse or
//! repair them.

use super::{OWN, opaque, own, required, spelled, text};
use crate::chat::{Citation, Extra, Part, PartKind, ToolCall, ToolCallKind, given};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Reads one call of a message's `tool_calls`, the `place`th there.
pub(crate) fn tool_call(reader: &mut Reader<'_>, place: usize) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let mut extra = Extra::default();
    let (mut id, mut kind, mut function, mut custom) = (None, None, None, None);
    reader.object(|key, member| {
        let object = member.peek()? == Kind::Object;
        match key {
            "id" => id = given(member, &mut extra, key, text)?,
            "type" => kind = given(member, &mut extra, key, text)?,
            "function" | "custom" if object => {
                let slot = if key == "function" {
                    &mut function
                } else {
                    &mut custom
                };
                *slot = Some(member.clone());
                member.skip()?;
            }
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if kind.is_none() && extra.get("type").is_none() {
        extra.note(spelled::UNTYPED);
    }
    let is_function = kind.as_deref() == Some("function") || kind.is_none() && function.is_some();
    // Some providers write both, one of them empty; the type says which is meant.
    let (kind, called, name, other) = match kind.as_deref() {
        _ if is_function => (ToolCallKind::Function, function, "function", custom),
        None | Some("custom") => (ToolCallKind::Custom, custom, "custom", function),
        Some(_) => (ToolCallKind::Custom, None, "", None),
    };
    let Some(mut called) = called else {
        return Ok(PartKind::Opaque(own(opaque::TOOL_CALL, whole.json()?)).into());
    };
    if let Some(mut other) = other {
        let other_name = if is_function { "custom" } else { "function" };
        extra.push(other_name, other.json()?);
    }
    let (name, arguments) = invocation(&mut called, name, &mut extra).map_err(|e| e.under(name))?;
    let id = match id {
        Some(id) if !id.is_empty() => id,
        missing => {
            extra.note(match missing {
                Some(_) => spelled::EMPTY_ID,
                None => spelled::NO_ID,
            });
            made_up_id(place)
        }
    };
    let mut part = Part::from(PartKind::ToolCall(ToolCall {
        id,
        name,
        arguments,
        kind,
    }));
    part.extra = extra;
    Ok(part)
}

/// The id of a call that came without one, so that its result can be matched.
pub(crate) fn made_up_id(place: impl std::fmt::Display) -> String {
    format!("call_{place}")
}

/// Reads `{"name": …, "arguments" or "input": …}`.
fn invocation(
    reader: &mut Reader<'_>,
    under: &str,
    extra: &mut Extra,
) -> Result<(String, String), Invalid> {
    let mut rest = Extra::default();
    let (mut name, mut arguments) = (None, None);
    reader.object(|key, member| {
        match key {
            "name" => name = Some(text(member)?),
            "arguments" | "input" if member.peek()? == Kind::Object => {
                extra.note(spelled::OBJECT_ARGUMENTS);
                arguments = Some(member.raw()?.to_owned());
            }
            "arguments" | "input" => arguments = given(member, &mut rest, key, text)?,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner(under, &rest);
    if arguments.is_none() {
        extra.note(spelled::NO_ARGUMENTS);
    }
    Ok((required(name, "name")?, arguments.unwrap_or_default()))
}

/// Writes one call of a message's `tool_calls`.
pub(crate) fn write_tool_call(out: &mut Writer, call: &ToolCall, extra: &Extra) {
    let (kind, field) = match call.kind {
        ToolCallKind::Function => ("function", "arguments"),
        ToolCallKind::Custom => ("custom", "input"),
    };
    out.object(|out| {
        if extra.noted(spelled::EMPTY_ID) {
            out.key("id").string("");
        } else if !extra.noted(spelled::NO_ID) {
            out.key("id").string(&call.id);
        }
        if !extra.noted(spelled::UNTYPED) && extra.get("type").is_none() {
            out.key("type").string(kind);
        }
        out.key(kind).object(|out| {
            out.key("name").string(&call.name);
            if extra.noted(spelled::OBJECT_ARGUMENTS) {
                out.key(field).raw(&call.arguments);
            } else if !extra.noted(spelled::NO_ARGUMENTS) {
                out.key(field).string(&call.arguments);
            }
            extra.write_inner(out, kind);
        });
        extra.write_but(out, &[kind]);
    });
}

/// Reads one entry of a message's `annotations`.
pub(crate) fn citation(reader: &mut Reader<'_>) -> Result<Citation, Invalid> {
    let mut whole = reader.clone();
    let (mut kind, mut url, mut title) = (String::new(), None, None);
    let mut unused = Extra::default();
    reader.object(|key, member| match (key, member.peek()?) {
        ("type", Kind::String) => {
            kind = text(member)?;
            Ok(())
        }
        ("url_citation", Kind::Object) => member.object(|key, member| {
            match key {
                "url" => url = given(member, &mut unused, key, text)?,
                "title" => title = given(member, &mut unused, key, text)?,
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        }),
        _ => member.skip().map(drop),
    })?;
    Ok(Citation {
        url,
        title,
        text: None,
        raw: own(&kind, whole.json()?),
    })
}

/// Writes a citation as an entry of `annotations`; says whether there is a form for it.
pub(crate) fn write_citation(out: &mut Writer, citation: &Citation) -> bool {
    if citation.raw.origin == OWN {
        out.json(&citation.raw.value);
        return true;
    }
    let Some(url) = &citation.url else {
        return false;
    };
    out.object(|out| {
        out.key("type").string("url_citation");
        out.key("url_citation").object(|out| {
            out.key("url").string(url);
            out.key("title")
                .string(citation.title.as_deref().unwrap_or_default());
            // Where in the text it belongs is not known, and clients need numbers.
            out.key("start_index").number(0);
            out.key("end_index").number(0);
        });
    });
    true
}
