//! The words of Cohere's chat and the small readers that all its nodes share.
//!
//! Content blocks, citations and messages, the same in requests and answers, have
//! a page each below. Nothing here may leave a member out in silence.

pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod citation;
pub(crate) mod message;

use crate::Dialect;
use crate::chat::{Extra, Opaque, Part, PartKind, Reasoning};
use crate::json::{Invalid, Json, Kind, Reader};
use crate::loss::{LossKind, Losses};

/// The dialect of this folder.
pub(crate) const OWN: Dialect = Dialect::Cohere;

/// Kind of an [`Opaque`] that marks reasoning as the plan before calls of tools.
pub(crate) const PLAN: &str = "tool_plan";
/// Kind of an [`Opaque`] that is a call of a form that is not known.
pub(crate) const TOOL_CALL: &str = "message.tool_call";

/// How things that the hub understands were spelled (see [`Extra::note`]), in words
/// that no other dialect uses.
pub(crate) mod spelled {
    /// An answer of this dialect.
    pub(crate) const ANSWER: &str = "cohere: answer";
    /// `stream` said although it is off.
    pub(crate) const STREAM_OFF: &str = "cohere: stream off";
    /// `strict_tools` said and on.
    pub(crate) const STRICT: &str = "cohere: strict tools";
    /// `strict_tools` said although it is off.
    pub(crate) const LENIENT: &str = "cohere: lenient tools";
    /// `raw_prompting` said although it is off.
    pub(crate) const NOT_RAW: &str = "cohere: not raw";
    /// A text that stood in a document.
    pub(crate) const DOCUMENT: &str = "cohere: document";
    /// Such a document whose data were an object and no string.
    pub(crate) const OBJECT_DATA: &str = "cohere: object data";
    /// A tool or call without its `type`.
    pub(crate) const UNTYPED: &str = "cohere: untyped";
    /// A call without arguments.
    pub(crate) const NO_ARGUMENTS: &str = "cohere: no arguments";
    /// An answer's message without its `role`.
    pub(crate) const NO_ROLE: &str = "cohere: no role";
}

/// A value of our own dialect that travels unchanged.
pub(crate) fn own(kind: &str, value: Json) -> Opaque {
    Opaque {
        origin: OWN,
        kind: kind.to_owned(),
        value,
    }
}

/// What marks reasoning as a plan.
pub(crate) fn plan_mark() -> Opaque {
    own(PLAN, Json::string(PLAN))
}

/// The plan before calls of tools.
pub(crate) fn plan(words: String) -> Part {
    PartKind::Reasoning(Reasoning {
        text: words,
        summary: false,
        opaque: Some(plan_mark()),
    })
    .into()
}

/// Whether it marks reasoning as a plan.
pub(crate) fn marks_plan(opaque: &Opaque) -> bool {
    opaque.origin == OWN && opaque.kind == PLAN
}

/// The words of the plan, if the part is one.
pub(crate) fn planned(part: &Part) -> Option<&str> {
    if let PartKind::Reasoning(reasoning) = &part.kind
        && reasoning.opaque.as_ref().is_some_and(marks_plan)
    {
        return Some(&reasoning.text);
    }
    None
}

/// Reads a string.
pub(crate) fn text(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    Ok(reader.string()?.into_owned())
}

/// Reads a number and keeps its text.
pub(crate) fn number(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    reader.clone().number()?;
    reader.json()
}

/// Reads an object and keeps its text.
pub(crate) fn object(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    if reader.peek()? != Kind::Object {
        reader.object(|_, _| Ok(()))?;
    }
    reader.json()
}

/// Reads an array; says whether anything was in it.
pub(crate) fn list<'a>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<(), Invalid>,
) -> Result<bool, Invalid> {
    let mut any = false;
    reader.array(|_, reader| {
        any = true;
        element(reader)
    })?;
    Ok(any)
}

/// An array without elements.
pub(crate) fn empty_list() -> Json {
    Json::written(|out| {
        out.array(|_| ());
    })
}

/// A member that must be there.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::new("field required").under(name))
}

/// Reports the fields of another dialect that stood at a node.
pub(crate) fn lose_extra(losses: &mut Losses, under: &str, extra: &Extra) {
    let joint = if under.is_empty() { "" } else { "." };
    for (name, _) in extra.said() {
        let path = format!("{under}{joint}{name}");
        losses.tuning(path, LossKind::Dropped, NO_FIELD);
    }
}

/// Why most fields of other dialects stay behind.
pub(crate) const NO_FIELD: &str = "Cohere's chat has no such field";

/// Fields of a request without which an answer does something else.
pub(crate) const WEIGHTY: [&str; 2] = ["documents", "raw_prompting"];
