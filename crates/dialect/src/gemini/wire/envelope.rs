//! What another dialect's provider signed, carried through the slot that clients of this
//! one keep for signatures.
//!
//! The slot holds base64. A value of ours goes in as it is; another's is wrapped, so
//! that it comes back as what it was and is never taken for Google's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{own, text};
use crate::Dialect;
use crate::chat::Opaque;
use crate::json::{Json, Reader};

/// How a wrapped value begins.
const MARK: &[u8] = b"bondgate:";

/// The signature member of a value that travels.
pub(crate) fn wrap(value: &Opaque) -> Json {
    if value.origin == super::OWN {
        return value.value.clone();
    }
    let inner = Json::written(|out| {
        out.object(|out| {
            out.key("origin").string(value.origin.name());
            out.key("kind").string(&value.kind);
            out.key("value").json(&value.value);
        });
    });
    Json::string(&STANDARD.encode([MARK, inner.text().as_bytes()].concat()))
}

/// The value that a signature is, `kind` being its name if it is Google's.
pub(crate) fn unwrap(signature: Json, kind: &str) -> Opaque {
    foreign(&signature).unwrap_or_else(|| own(kind, signature))
}

fn foreign(signature: &Json) -> Option<Opaque> {
    // The mark in base64, whatever follows it.
    if !signature.text().starts_with("\"Ym9uZGdhdGU6") {
        return None;
    }
    let bytes = STANDARD.decode(&*signature.reader().string().ok()?).ok()?;
    let mut reader = Reader::new(bytes.strip_prefix(MARK)?).ok()?;
    let (mut origin, mut kind, mut value) = (None, None, None);
    let read = reader.object(|key, member| {
        match key {
            "origin" => origin = Dialect::by_name(&member.string()?),
            "kind" => kind = Some(text(member)?),
            "value" => value = Some(member.json()?),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    });
    read.and_then(|()| reader.end()).ok()?;
    Some(Opaque {
        origin: origin.filter(|origin| *origin != super::OWN)?,
        kind: kind?,
        value: value?,
    })
}
