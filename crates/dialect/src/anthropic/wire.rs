//! The words of the messages API and the small readers that all its nodes share.
//!
//! `read` and `write` below have the content blocks, the same in requests and
//! answers. Nothing here may leave a member out in silence.

pub(crate) mod read;
pub(crate) mod write;

use std::borrow::Cow;

use crate::Dialect;
use crate::chat::{CacheMarker, Extra, Opaque, given};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// The dialect of this folder.
pub(crate) const OWN: Dialect = Dialect::AnthropicMessages;

/// Kind of an [`Opaque`] that is the signature of readable reasoning.
pub(crate) const SIGNATURE: &str = "signature";
/// Kind of an [`Opaque`] that is reasoning nobody may read.
pub(crate) const REDACTED: &str = "redacted_thinking";

/// How things that the hub understands were spelled (see [`Extra::note`]),
/// in words that no other dialect uses.
pub(crate) mod spelled {
    /// `stream` said although it is off.
    pub(crate) const STREAM_OFF: &str = "messages: stream off";
    /// A list that was given and empty.
    pub(crate) const NO_STOPS: &str = "messages: no stop sequences";
    /// A list that was given and empty.
    pub(crate) const NO_TOOLS: &str = "messages: no tools";
    /// A tool of the application that said so.
    pub(crate) const CUSTOM: &str = "messages: custom";
    /// Reasoning left to the model in so many words.
    pub(crate) const ADAPTIVE: &str = "messages: adaptive";
    /// The answer's form in the member that the beta had for it.
    pub(crate) const OUTPUT_FORMAT: &str = "messages: output_format";
    /// A tool's result without content.
    pub(crate) const NO_CONTENT: &str = "messages: no content";
    /// A document of blocks whose content was a bare string.
    pub(crate) const BARE_SOURCE: &str = "messages: bare source";
    /// Reasoning without the member for its signature.
    pub(crate) const UNSIGNED: &str = "messages: unsigned";
    /// An answer of this dialect.
    pub(crate) const ANSWER: &str = "messages: message";
}

/// A value of our own dialect that travels unchanged.
pub(crate) fn own(kind: &str, value: Json) -> Opaque {
    Opaque {
        origin: OWN,
        kind: kind.to_owned(),
        value,
    }
}

/// Reads a string.
pub(crate) fn text(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    Ok(reader.string()?.into_owned())
}

/// A member that must be there.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new("field required").under(name))
}

/// The `type` of the object that comes next, which stays unread; empty where it has none.
pub(crate) fn kind_of<'a>(reader: &Reader<'a>) -> Result<Cow<'a, str>, Invalid> {
    let mut kind = None;
    let read = reader.clone().object(|key, member| {
        if key == "type" && member.peek()? == Kind::String {
            kind = Some(member.string()?);
            // Mostly the first member: the rest is read with the kind known.
            return Err(Invalid::new(""));
        }
        member.skip().map(drop)
    });
    match kind {
        Some(kind) => Ok(kind),
        None => read.map(|()| Cow::Borrowed("")),
    }
}

/// Reads a cache boundary: `{"type": "ephemeral", "ttl": "1h"}`.
pub(crate) fn cache_marker(reader: &mut Reader<'_>) -> Result<CacheMarker, Invalid> {
    let mut marker = CacheMarker {
        ttl: None,
        extra: Extra::default(),
    };
    reader.object(|key, member| {
        match key {
            "ttl" => marker.ttl = given(member, &mut marker.extra, key, text)?,
            "type" => {
                let kind = member.json()?;
                if kind.text() != "\"ephemeral\"" {
                    marker.extra.push(key, kind);
                }
            }
            _ => marker.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(marker)
}

/// Writes a cache boundary as a member.
pub(crate) fn write_cache(out: &mut Writer, marker: &CacheMarker, ours: bool) {
    out.key("cache_control").object(|out| {
        if !ours || marker.extra.get("type").is_none() {
            out.key("type").string("ephemeral");
        }
        if let Some(ttl) = &marker.ttl {
            out.key("ttl").string(ttl);
        }
        if ours {
            marker.extra.write(out);
        }
    });
}

/// Fields of a request without which an answer does something else.
pub(crate) const WEIGHTY: [&str; 3] = ["mcp_servers", "container", "inference_geo"];
