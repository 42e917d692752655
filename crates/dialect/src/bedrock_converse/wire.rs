//! The words of the Converse API and the small readers that all its nodes share.
//!
//! `read` and `write` below have the content blocks, the same in requests and
//! answers; `format` has the words for media, `letters` those for names. Nothing here may leave a member out
//! in silence.

pub(crate) mod format;
pub(crate) mod letters;
pub(crate) mod read;
pub(crate) mod write;

use crate::Dialect;
use crate::chat::{CacheMarker, Extra, Opaque, given};
use crate::json::{Invalid, Json, Reader, Writer};

/// The dialect of this folder.
pub(crate) const OWN: Dialect = Dialect::BedrockConverse;

/// Kind of an [`Opaque`] that is the signature of readable reasoning.
pub(crate) const SIGNATURE: &str = "signature";
/// Kind of an [`Opaque`] that is reasoning nobody may read.
pub(crate) const REDACTED: &str = "redactedContent";

/// Name under which what stood beside the one member of a block is kept; what stood inside that
/// member is kept by its own name.
pub(crate) const BESIDE: &str = "beside";

/// How things that the hub understands were spelled (see [`Extra::note`]),
/// in words that no other dialect uses.
pub(crate) mod spelled {
    /// A request without messages, as one of a stored prompt is.
    pub(crate) const NO_MESSAGES: &str = "converse: no messages";
    /// A list that was given and empty.
    pub(crate) const NO_SYSTEM: &str = "converse: no system";
    /// A list that was given and empty.
    pub(crate) const NO_STOPS: &str = "converse: no stop sequences";
    /// An object that was given, if only to be empty.
    pub(crate) const INFERENCE: &str = "converse: inference config";
    /// An object that was given, if only to be empty.
    pub(crate) const TOOLS: &str = "converse: tool config";
    /// The most likely tokens in the member that one family of models has for it.
    pub(crate) const NESTED_TOP_K: &str = "converse: top_k nested";
    /// Reasoning left to the model in so many words.
    pub(crate) const ADAPTIVE: &str = "converse: adaptive";
    /// An effort in the member of one family of models.
    pub(crate) const FAMILY_EFFORT: &str = "converse: reasoning_effort";
    /// The limit of output among the fields for the model, and nowhere else.
    pub(crate) const FAMILY_LIMIT: &str = "converse: max_tokens";
    /// A result that was JSON and not text.
    pub(crate) const JSON: &str = "converse: json";
    /// Text that a guardrail is to look at.
    pub(crate) const GUARDED: &str = "converse: guarded";
    /// Text in a block for citations.
    pub(crate) const CITED: &str = "converse: cited";
    /// A call of the application that said so.
    pub(crate) const TYPED: &str = "converse: typed";
    /// An answer of this dialect.
    pub(crate) const ANSWER: &str = "converse: answer";
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

/// Reads a cache boundary: `{"type": "default", "ttl": "1h"}`.
pub(crate) fn cache_point(reader: &mut Reader<'_>) -> Result<CacheMarker, Invalid> {
    let mut marker = CacheMarker {
        ttl: None,
        extra: Extra::default(),
    };
    reader.object(|key, member| {
        match key {
            "ttl" => marker.ttl = given(member, &mut marker.extra, key, text)?,
            "type" => {
                let kind = member.json()?;
                if kind.text() != "\"default\"" {
                    marker.extra.push(key, kind);
                }
            }
            _ => marker.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(marker)
}

/// Writes a cache boundary as a block of its own.
pub(crate) fn write_cache(out: &mut Writer, marker: &CacheMarker, ours: bool) {
    out.object(|out| {
        out.key("cachePoint").object(|out| {
            if !ours || marker.extra.get("type").is_none() {
                out.key("type").string("default");
            }
            if let Some(ttl) = &marker.ttl {
                out.key("ttl").string(ttl);
            }
            if ours {
                marker.extra.write(out);
            }
        });
    });
}

/// Fields of a request without which an answer does something else.
pub(crate) const WEIGHTY: [&str; 2] = ["guardrailConfig", "promptVariables"];
