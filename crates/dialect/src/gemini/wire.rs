//! The words of generateContent and what all its nodes share.
//!
//! `read` and `write` below have the parts of a content, the same in requests and
//! answers; `names` the two cases of a member's name; `schema` Google's own schemas.
//! Nothing here may leave a member out in silence.

pub(crate) mod envelope;
pub(crate) mod names;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod write;

use std::fmt::Write;

use crate::Dialect;
use crate::chat::{Extra, Opaque};
use crate::json::{Invalid, Json, Kind, Reader};

/// The dialect of this folder.
pub(crate) const OWN: Dialect = Dialect::Gemini;

/// Kinds of [`Opaque`] of this dialect. A signature of anything but a thought is a reasoning
/// without text that stands before what it signs.
pub(crate) mod opaque {
    /// The signature of a thought.
    pub(crate) const SIGNATURE: &str = "thoughtSignature";
    /// The signature of a text, or of the end of an answer.
    pub(crate) const OF_TEXT: &str = "text.thoughtSignature";
    /// The signature of a part that is neither.
    pub(crate) const OF_PART: &str = "part.thoughtSignature";
    /// Begins the kind of a call's signature; the call's id follows.
    pub(crate) const OF_CALL: &str = "functionCall.thoughtSignature ";
    /// A source that grounds an answer.
    pub(crate) const CITATION: &str = "citation";
}

/// What Google takes in place of a call's signature, where another model made the call:
/// `skip_thought_signature_validator`, in base64 as the field is.
///
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>, on migrating.
pub(crate) const UNSIGNED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// How things that the hub understands were spelled (see [`Extra::note`]), in words that no
/// other dialect uses. The names of members in the other case stand beside these.
pub(crate) mod spelled {
    /// An answer of this dialect.
    pub(crate) const ANSWER: &str = "gemini: answer";
    /// A prompt that was refused, so that there is no candidate.
    pub(crate) const BLOCKED: &str = "gemini: blocked";
    /// The model's name in the body.
    pub(crate) const MODEL: &str = "gemini: model";
    /// Instructions, a content or contents that stood as a bare string.
    pub(crate) const STRING: &str = "gemini: string";
    /// Contents that stood as one content or string instead of a list.
    pub(crate) const ONE_CONTENT: &str = "gemini: one content";
    /// Parts that stood as one part instead of a list.
    pub(crate) const ONE_PART: &str = "gemini: one part";
    /// A content without parts.
    pub(crate) const NO_PARTS: &str = "gemini: no parts";
    /// A candidate without content.
    pub(crate) const NO_CONTENT: &str = "gemini: no content";
    /// A candidate without its index.
    pub(crate) const NO_INDEX: &str = "gemini: no index";
    /// A content that named the role `user`, where that goes without saying.
    pub(crate) const USER: &str = "gemini: role user";
    /// A content that named no role.
    pub(crate) const NO_ROLE: &str = "gemini: no role";
    /// A content of the older role `function`.
    pub(crate) const FUNCTION: &str = "gemini: role function";
    /// A content of the role `tool`.
    pub(crate) const TOOL: &str = "gemini: role tool";
    /// Instructions that named the role `system`.
    pub(crate) const SYSTEM_ROLE: &str = "gemini: role system";
    /// A call or result without its id.
    pub(crate) const NO_ID: &str = "gemini: no id";
    /// A call without arguments.
    pub(crate) const NO_ARGS: &str = "gemini: no args";
    /// A call whose signature was [`super::UNSIGNED`].
    pub(crate) const UNSIGNED: &str = "gemini: unsigned";
    /// A signature that stood on an empty text.
    pub(crate) const EMPTY: &str = "gemini: empty text";
    /// Data in the base64 of URLs.
    pub(crate) const URL_SAFE: &str = "gemini: base64url";
    /// A result as the member `output`.
    pub(crate) const OUTPUT: &str = "gemini: output";
    /// A result as the member `result`.
    pub(crate) const RESULT: &str = "gemini: result";
    /// A result as the member `error`.
    pub(crate) const ERROR: &str = "gemini: error";
    /// A result without `response`.
    pub(crate) const NO_RESPONSE: &str = "gemini: no response";
    /// Tools that stood as one tool instead of a list.
    pub(crate) const ONE_TOOL: &str = "gemini: one tool";
    /// A list of tools that was given and empty.
    pub(crate) const NO_TOOLS: &str = "gemini: no tools";
    /// The first tool of an object of tools.
    pub(crate) const FIRST: &str = "gemini: first tool";
    /// A schema of Google's own form: `parameters`, `responseSchema`.
    pub(crate) const SCHEMA: &str = "gemini: schema";
    /// `responseModalities` that asked for text alone.
    pub(crate) const TEXT_ONLY: &str = "gemini: text only";
    /// `toolConfig` was given.
    pub(crate) const TOOL_CONFIG: &str = "gemini: tool config";
    /// `generationConfig` was given.
    pub(crate) const CONFIG: &str = "gemini: config";
    /// A list of stop texts that was given and empty.
    pub(crate) const NO_STOPS: &str = "gemini: no stops";
    /// `thinkingBudget` -1: as the model likes.
    pub(crate) const DYNAMIC: &str = "gemini: dynamic";
    /// `thinkingBudget` 0.
    pub(crate) const ZERO: &str = "gemini: zero";
    /// `thinkingLevel` in capitals.
    pub(crate) const CAPITALS: &str = "gemini: capitals";
}

/// Members of an answer, of its candidates and its tools that say nothing to an application.
pub(crate) const ASIDES: [&str; 7] = [
    "createTime",
    "modelStatus",
    "avgLogprobs",
    "safetyRatings",
    "tokenCount",
    "parameters",
    "responseSchema",
];

/// Fields of a request without which the answer is another one.
pub(crate) const WEIGHTY: [&str; 10] = [
    "cachedContent",
    "generationConfig.responseModalities",
    "generationConfig.speechConfig",
    "generationConfig.imageConfig",
    "generationConfig.responseFormat",
    "generationConfig.responseMimeType",
    "generationConfig.responseSchema",
    "generationConfig.responseJsonSchema",
    "generationConfig.translationConfig",
    "modelArmorConfig",
];

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

/// Reads a number and keeps its text.
pub(crate) fn number(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    let mut value = reader.clone();
    reader.number()?;
    value.json()
}

/// A member that must be there.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new("field required").under(name))
}

/// Reads a list, or one element that stands for a list of one; says whether it did.
pub(crate) fn repeated(
    reader: &mut Reader<'_>,
    mut each: impl FnMut(&mut Reader<'_>) -> Result<(), Invalid>,
) -> Result<bool, Invalid> {
    if reader.peek()? != Kind::Array {
        each(reader)?;
        return Ok(true);
    }
    reader.array(|_, element| each(element))?;
    Ok(false)
}

/// Whether a list is empty.
pub(crate) fn is_empty(reader: &Reader<'_>) -> bool {
    let mut any = false;
    let read = reader.clone().array(|_, element| {
        any = true;
        element.skip().map(drop)
    });
    read.is_ok() && !any
}

/// Path of chat below the versioned root.
pub(crate) fn chat_path(model: &str, stream: bool) -> String {
    let method = if stream {
        ":streamGenerateContent?alt=sse"
    } else {
        ":generateContent"
    };
    let mut path = String::from("/models/");
    for byte in model.strip_prefix("models/").unwrap_or(model).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path.push_str(method);
    path
}

/// Marks what an [`Extra`] of this dialect holds that says nothing to an application.
pub(crate) fn with_asides() -> Extra {
    let mut extra = Extra::default();
    extra.set_asides(&ASIDES);
    extra
}

/// Whether a reasoning with a value of that kind stands for the signature of something else.
pub(crate) fn is_stand_in(kind: &str) -> bool {
    kind != opaque::SIGNATURE
}
