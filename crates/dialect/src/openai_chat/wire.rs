//! The words of chat completions and the small readers and writers of its nodes.
//!
//! Content parts and tool calls, the same in requests and answers, have a page
//! each below. What has no word in the hub is kept where it stood; it must
//! never be dropped in silence.

pub(super) mod call;
pub(super) mod part;

use crate::Dialect;
use crate::chat::{CacheMarker, Extra, Opaque, given};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// The dialect of this folder.
pub(super) const OWN: Dialect = Dialect::OpenaiChat;

/// How things that the hub understands were spelled (see [`Extra::note`]).
pub(super) mod spelled {
    /// Extra fields of this dialect, where an event does not say what it came from.
    pub(crate) const OURS: &str = "openai-chat";
    /// A tool, call or other definition without its `type`.
    pub(crate) const UNTYPED: &str = "untyped";
    /// A URL that stood bare instead of in an object.
    pub(crate) const BARE_URL: &str = "bare url";
    /// A call whose arguments stood as an object instead of as its text.
    pub(crate) const OBJECT_ARGUMENTS: &str = "object arguments";
    /// A call without arguments.
    pub(crate) const NO_ARGUMENTS: &str = "no arguments";
    /// A call with an empty id.
    pub(crate) const EMPTY_ID: &str = "empty id";
    /// A call without an id.
    pub(crate) const NO_ID: &str = "no id";
    /// A refusal that stood among the content's parts.
    pub(crate) const IN_CONTENT: &str = "in content";
    /// An answer's content that was an empty string.
    pub(crate) const EMPTY: &str = "empty content";
    /// An answer's content that was a list of parts.
    pub(crate) const LIST: &str = "content list";
    /// An answer without content.
    pub(crate) const ABSENT: &str = "no content";
    /// An answer's message without its `role`.
    pub(crate) const NO_ROLE: &str = "no role";
    /// A choice without `logprobs`.
    pub(crate) const NO_LOGPROBS: &str = "no logprobs";
    /// Reasoning as a part of the content.
    pub(crate) const THINKING: &str = "thinking";
    /// Such a part with `closed`.
    pub(crate) const CLOSED: &str = "closed";
    /// Reasoning under this name, as a string.
    pub(crate) const REASONING: &str = "reasoning";
    /// Reasoning under this name, as a string.
    pub(crate) const REASONING_CONTENT: &str = "reasoning_content";
    /// Reasoning under this name, as a list of details.
    pub(crate) const DETAILS: &str = "reasoning_details";
    /// The output limit under its older name.
    pub(crate) const MAX_TOKENS: &str = "max_tokens";
    /// `stream` said although it is off.
    pub(crate) const STREAM_OFF: &str = "stream off";
    /// `stream_options` said although usage is off.
    pub(crate) const USAGE_OFF: &str = "usage off";
    /// `any` for a required tool.
    pub(crate) const ANY: &str = "any";
}

/// The service tiers that answers tell.
const TIERS: [&str; 6] = ["auto", "default", "flex", "scale", "priority", "fast"];

/// The tier to tell: our own as it is, another provider's where it has a word here.
pub(super) fn told_tier(tier: Option<&str>, ours: bool) -> Option<&str> {
    tier.filter(|tier| ours || TIERS.contains(tier))
}

/// Members of an answer, and of its choices, that tell of the provider's own housekeeping:
/// the build that answered, who answered behind a router and in whose words, how long it
/// took. An application's answer is the same without them.
pub(super) const ASIDES: [&str; 6] = [
    "system_fingerprint",
    "object",
    "provider",
    "native_finish_reason",
    "x_groq",
    "timings",
];

/// Kinds of [`Opaque`] that stand elsewhere than among the content's parts.
pub(super) mod opaque {
    /// An answer in sound.
    pub(crate) const AUDIO: &str = "message.audio";
    /// A tool call of a form that is not known.
    pub(crate) const TOOL_CALL: &str = "message.tool_call";
    /// A reasoning detail.
    pub(crate) const DETAIL: &str = "message.reasoning_detail";
}

/// A value of our own dialect that travels unchanged.
pub(super) fn own(kind: &str, value: Json) -> Opaque {
    Opaque {
        origin: OWN,
        kind: kind.to_owned(),
        value,
    }
}

/// Reads a string.
pub(super) fn text(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    Ok(reader.string()?.into_owned())
}

/// Reads a number and keeps its text.
pub(super) fn number(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    let mut ahead = reader.clone();
    ahead.number()?;
    reader.json()
}

/// Reads an object and keeps its text.
pub(super) fn object(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    if reader.peek()? != Kind::Object {
        reader.object(|_, _| Ok(()))?;
    }
    reader.json()
}

/// A member that must be there.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new(format!("the member `{name}` is missing")))
}

/// Reads a cache boundary: `{"type": "ephemeral", "ttl": "1h"}`.
pub(super) fn cache_marker(reader: &mut Reader<'_>) -> Result<CacheMarker, Invalid> {
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
pub(super) fn write_cache(out: &mut Writer, marker: &CacheMarker) {
    out.key("cache_control").object(|out| {
        if marker.extra.get("type").is_none() {
            out.key("type").string("ephemeral");
        }
        if let Some(ttl) = &marker.ttl {
            out.key("ttl").string(ttl);
        }
        marker.extra.write(out);
    });
}

/// Fields of a request without which an answer does something else.
pub(crate) const WEIGHTY: [&str; 5] = [
    "audio",
    "modalities",
    "web_search_options",
    "functions",
    "function_call",
];
