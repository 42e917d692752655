//! Requests: their head and the edits to their bytes; below, the way to the hub
//! and back.
//!
//! Model and form of the answer stand in the path, so the head finds neither. It is
//! read on every request, in one pass that builds nothing, and must refuse what
//! would be read differently elsewhere: a member that stands twice.

mod count;
mod decode;
mod encode;
mod family;
mod tools;
mod turn;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use turn::places;

use super::wire::{BESIDE, spelled, text};
use crate::chat::{Request, ToolKind, Words};
use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::patch::Patch;

/// What this dialect calls the parts of a request; it has no word for several answers.
pub(super) const WORDS: Words = Words {
    stop: "inferenceConfig.stopSequences",
    candidates: "n",
    output: "outputConfig.textFormat",
    schema: "outputConfig.textFormat.structure.jsonSchema",
    reasoning: "additionalModelRequestFields.thinking",
    effort: "outputConfig.effort",
    budget: "additionalModelRequestFields.thinking.budget_tokens",
    temperature: "inferenceConfig.temperature",
    top_p: "inferenceConfig.topP",
    top_k: "additionalModelRequestFields.top_k",
    tools: "toolConfig.tools",
    tool_choice: "toolConfig.toolChoice",
    service_tier: "serviceTier.type",
    within: &[
        ("arguments", "input"),
        (BESIDE, "../"),
        ("cache_control", "[+1].cachePoint"),
        ("id", "toolUseId"),
        ("is_error", "status"),
        ("result", "content[]"),
        ("s3Location", "source.s3Location"),
        ("title", "name"),
        ("tool_call_id", "toolUseId"),
    ],
    ..Words::USUAL
};

/// The same where the effort stands among the fields for the model.
const OF_MODEL: Words = Words {
    effort: "additionalModelRequestFields.reasoning_effort",
    ..WORDS
};

/// The same where the most likely tokens are told as Nova wants them.
const OF_NOVA: Words = Words {
    top_k: "additionalModelRequestFields.inferenceConfig.topK",
    ..WORDS
};

/// What that request calls its parts.
pub(super) fn words(request: &Request) -> &'static Words {
    let reasoning = request.reasoning.as_ref();
    if reasoning.is_some_and(|r| r.extra.noted(spelled::FAMILY_EFFORT)) {
        &OF_MODEL
    } else if request.extra.noted(spelled::NESTED_TOP_K) {
        &OF_NOVA
    } else {
        &WORDS
    }
}

/// Where a tool stands: in one list with the cache points behind each.
pub(super) fn tool_place(request: &Request, at: usize) -> String {
    let before = request.tools.iter().take(at);
    let points = before.filter(|tool| tool.cache.is_some()).count();
    let place = format!("toolConfig.tools[{}]", at + points);
    match request.tools.get(at).map(|tool| &tool.kind) {
        Some(ToolKind::Function { .. }) => format!("{place}.toolSpec"),
        Some(ToolKind::Hosted { .. }) | None => place,
    }
}

/// Members that the head reads, and which may therefore stand only once.
const HEAD: [&str; 6] = [
    "messages",
    "inferenceConfig",
    "toolConfig",
    "additionalModelRequestFields",
    "outputConfig",
    "serviceTier",
];

/// Reads what the road needs.
pub(super) fn head(body: &[u8]) -> Result<Head, Invalid> {
    let mut reader = Reader::new(body)?;
    let body_start = reader.offset() + 1;
    let mut head = Head {
        stream_usage: true,
        candidates: 1,
        body_start,
        ..Head::default()
    };
    let mut seen = [false; HEAD.len()];
    let mut empty = true;
    reader.object(|key, member| {
        empty = false;
        let known = HEAD.iter().zip(&mut seen).find(|(name, _)| **name == key);
        let Some((_, seen)) = known else {
            return member.skip().map(drop);
        };
        if std::mem::replace(seen, true) {
            return Err(Invalid::new("this member stands here twice"));
        }
        head_member(&mut head, key, member)
    })?;
    reader.end()?;
    // A model may go by either, so that the larger one bounds what it may say.
    let second = head.second_limit.take();
    match (second, head.max_output_tokens, &head.max_output_tokens_span) {
        (Some((second, span)), Some(first), Some(at)) if second > first => {
            head.second_limit = Some((first, at.clone()));
            head.max_output_tokens = Some(second);
            head.max_output_tokens_span = Some(span);
        }
        (Some((second, span)), None, _) => {
            head.max_output_tokens = Some(second);
            head.max_output_tokens_span = Some(span);
            head.limit_place = None;
        }
        (second, _, _) => head.second_limit = second,
    }
    if head.max_output_tokens.is_none() && head.limit_place.is_none() {
        let before = r#""inferenceConfig":{"maxTokens":"#;
        let after = if empty { "}" } else { "}," };
        head.limit_place = Some((body_start..body_start, before, after));
    }
    Ok(head)
}

fn head_member(head: &mut Head, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    match key {
        "messages" => {
            if member.peek()? != Kind::Array {
                return member.array(|_, element| element.skip().map(drop));
            }
            member.skip()?;
        }
        "inferenceConfig" => head_limit(head, member)?,
        _ if member.null()? => {}
        "toolConfig" => member.object(|key, member| {
            if key != "tools" || member.peek()? != Kind::Array {
                return member.skip().map(drop);
            }
            member.array(|_, tool| tool.object(|kind, tool| head_tool(head, kind, tool)))
        })?,
        "serviceTier" => member.object(|key, member| {
            if key == "type" && member.peek()? == Kind::String {
                head.service_tier = Some(text(member)?);
                return Ok(());
            }
            member.skip().map(drop)
        })?,
        "outputConfig" => member.object(|key, member| {
            match key {
                "textFormat" if member.peek()? == Kind::Object => {
                    head.needs.add(Need::JsonSchema);
                }
                "effort" if member.peek()? == Kind::String => head.needs.add(Need::Reasoning),
                _ => {}
            }
            member.skip().map(drop)
        })?,
        // What the model alone understands.
        _ => {
            if member.peek()? != Kind::Object {
                return member.skip().map(drop);
            }
            family::read_limit(&mut member.clone(), &mut head.second_limit)?;
            member.object(|key, member| {
                if family::asks_to_reason(key, member)? {
                    head.needs.add(Need::Reasoning);
                }
                member.skip().map(drop)
            })?;
        }
    }
    Ok(())
}

fn head_tool(head: &mut Head, kind: &str, tool: &mut Reader<'_>) -> Result<(), Invalid> {
    match kind {
        "toolSpec" => head.needs.add(Need::Tools),
        "systemTool" => head.needs.add(Need::HostedTools),
        _ => {}
    }
    tool.skip().map(drop)
}

/// Reads the limit of output, or where one may be put.
fn head_limit(head: &mut Head, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let span = reader.clone().skip()?;
    if reader.null()? {
        head.limit_place = Some((span, r#"{"maxTokens":"#, "}"));
        return Ok(());
    }
    let inside = span.start + 1..span.start + 1;
    let mut place = (inside, r#""maxTokens":"#, "");
    let mut told = false;
    reader.object(|key, member| {
        place.2 = ",";
        if key != "maxTokens" {
            return member.skip().map(drop);
        }
        if std::mem::replace(&mut told, true) {
            return Err(Invalid::new("this member stands here twice"));
        }
        let span = member.clone().skip()?;
        if member.null()? {
            head.limit_place = Some((span, "", ""));
            return Ok(());
        }
        head.max_output_tokens = Some(member.u64()?);
        head.max_output_tokens_span = Some(span);
        Ok(())
    })?;
    if !told {
        head.limit_place = Some(place);
    }
    Ok(())
}

/// The edits that make the client's own bytes right for a target of this dialect. The model
/// stands in the path.
pub(super) fn patch(head: &Head, edits: &Edits<'_>) -> Patch {
    let mut patch = Patch::default();
    let Some(most) = edits.max_output_tokens else {
        return patch;
    };
    if let Some((second, span)) = &head.second_limit
        && *second > most
    {
        patch.replace(span.clone(), most.to_string());
    }
    match (&head.max_output_tokens_span, &head.limit_place) {
        (Some(span), _) => {
            if head.max_output_tokens.is_none_or(|given| given > most) {
                patch.replace(span.clone(), most.to_string());
            }
        }
        (None, Some((span, before, after))) => {
            patch.replace(span.clone(), format!("{before}{most}{after}"));
        }
        (None, None) => {}
    }
    patch
}

static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"image\"",
    documents: &["\"document\"", "\"video\"", "\"audio\""],
    each: 1,
    unbounded: &[
        ("\"s3Location\"", "an object that the provider fetches"),
        ("\"systemTool\"", "a tool that the provider runs"),
        ("\"promptVariables\"", "a prompt that the provider keeps"),
    ],
});

/// Counts what of a request is not text.
pub(super) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
