//! Reasoning items, and what of other dialects travels in them.
//!
//! An item of our own travels whole, since its maker checks it. What another
//! dialect's maker must get back stands in `encrypted_content`, in an envelope
//! that says whose it is; it must return exactly as it came.

use super::{OWN, REASONING, item_extra, own, text};
use crate::Dialect;
use crate::chat::{Extra, Opaque, Part, PartKind, Reasoning};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Between the pieces of a summary.
pub(crate) const BETWEEN: &str = "\n\n";

/// Reads a `reasoning` item.
pub(crate) fn reasoning(reader: &mut Reader<'_>) -> Result<Part, Invalid> {
    let mut whole = reader.clone();
    let (mut summary, mut content, mut sealed) = (String::new(), String::new(), None);
    let mut extra = item_extra();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => {
                member.skip()?;
            }
            ("summary", Kind::Array) => gather(member, &mut summary)?,
            ("content", Kind::Array) => gather(member, &mut content)?,
            ("encrypted_content", Kind::String) => sealed = foreign(&member.string()?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let mut reasoning = Reasoning {
        summary: content.is_empty(),
        text: if content.is_empty() { summary } else { content },
        opaque: None,
    };
    let Some((opaque, summary)) = sealed else {
        reasoning.opaque = Some(own(REASONING, whole.json()?));
        return Ok(PartKind::Reasoning(reasoning).into());
    };
    reasoning.summary = summary;
    reasoning.opaque = Some(opaque);
    let mut part = Part::from(PartKind::Reasoning(reasoning));
    part.extra = extra;
    Ok(part)
}

/// Joins the texts of a list of pieces.
fn gather(reader: &mut Reader<'_>, all: &mut String) -> Result<(), Invalid> {
    reader.array(|place, piece| {
        if place > 0 {
            all.push_str(BETWEEN);
        }
        if piece.peek()? != Kind::Object {
            return piece.skip().map(drop);
        }
        piece.object(|key, member| {
            if key == "text" && member.peek()? == Kind::String {
                all.push_str(&member.string()?);
                return Ok(());
            }
            member.skip().map(drop)
        })
    })
}

/// Whether an item of our own can be told by its id alone, where it was stored.
pub(crate) fn is_unsealed(item: &Opaque) -> bool {
    let mut sealed = false;
    // The value is valid, so the read cannot fail.
    let _ = item.value.reader().object(|key, member| {
        sealed |= key == "encrypted_content" && member.peek()? == Kind::String;
        member.skip().map(drop)
    });
    item.origin == OWN && !sealed
}

/// Opens the envelope around another dialect's value; none where it is our provider's own.
fn foreign(sealed: &str) -> Option<(Opaque, bool)> {
    if !sealed.starts_with('{') {
        return None;
    }
    let (mut origin, mut kind, mut value, mut summary) = (None, None, None, false);
    let mut reader = Reader::over(sealed);
    let read = reader.object(|key, member| {
        match (key, member.peek()?) {
            ("format", Kind::String) => origin = Dialect::by_name(&member.string()?),
            ("kind", Kind::String) => kind = Some(text(member)?),
            ("data", _) => value = Some(member.json()?),
            ("summarized", Kind::Bool) => summary = member.bool()?,
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    });
    read.and_then(|()| reader.end()).ok()?;
    let origin = origin.filter(|origin| *origin != OWN)?;
    let opaque = Opaque {
        origin,
        kind: kind?,
        value: value?,
    };
    Some((opaque, summary))
}

/// The envelope of another dialect's value.
fn envelope(opaque: &Opaque, summary: bool) -> Json {
    Json::written(|out| {
        out.object(|out| {
            out.key("format").string(opaque.origin.name());
            out.key("kind").string(&opaque.kind);
            if summary {
                out.key("summarized").bool(true);
            }
            out.key("data").json(&opaque.value);
        });
    })
}

/// Writes a `reasoning` item; its text is what clients show, so it stands in the summary.
pub(crate) fn write_reasoning(out: &mut Writer, reasoning: &Reasoning, extra: &Extra, id: &str) {
    if let Some(own) = reasoning.opaque.as_ref().filter(|o| o.origin == OWN) {
        out.json(&own.value);
        return;
    }
    out.object(|out| {
        out.key("type").string(REASONING);
        if extra.get("id").is_none() {
            out.key("id").string(id);
        }
        out.key("summary").array(|out| {
            if !reasoning.text.is_empty() {
                write_summary(out, &reasoning.text);
            }
        });
        if let Some(opaque) = &reasoning.opaque {
            let sealed = envelope(opaque, reasoning.summary);
            out.key("encrypted_content").string(sealed.text());
        }
        extra.write(out);
    });
}

/// Writes one piece of a summary.
pub(crate) fn write_summary(out: &mut Writer, text: &str) {
    out.object(|out| {
        out.key("type").string("summary_text");
        out.key("text").string(text);
    });
}

/// The words of a reasoning part.
pub(crate) fn words(part: &Part) -> &str {
    if let PartKind::Reasoning(reasoning) = &part.kind {
        &reasoning.text
    } else {
        ""
    }
}
