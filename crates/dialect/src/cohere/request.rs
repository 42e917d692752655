//! Requests: their head and the edits to their bytes; below, the way to the hub
//! and back.
//!
//! The head is read on every request, in one pass that builds nothing but the
//! model's name. It must refuse what would be read differently elsewhere: a
//! member that stands twice.

mod decode;
mod encode;
mod think;
mod turn;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use turn::places;

use super::wire::text;
use crate::chat::Words;
use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Json, Kind, Reader};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::patch::Patch;

/// What this dialect calls the parts of a request; it has no word for several answers
/// nor for efforts.
pub(super) const WORDS: Words = Words {
    stop: "stop_sequences",
    candidates: "n",
    output: "response_format",
    schema: "response_format.json_schema",
    reasoning: "thinking",
    effort: "thinking",
    budget: "thinking.token_budget",
    top_p: "p",
    top_k: "k",
    within: &[
        ("arguments", "function.arguments"),
        ("citations", "../citations"),
        ("detail", "image_url.detail"),
        ("result", "content[]"),
        ("signature", ""),
        ("strict", "../strict_tools"),
    ],
    ..Words::USUAL
};

/// Members that the head reads, and which may therefore stand only once.
const HEAD: [&str; 8] = [
    "model",
    "messages",
    "max_tokens",
    "stream",
    "tools",
    "thinking",
    "response_format",
    "logprobs",
];

/// Reads what the road needs.
pub(super) fn head(body: &[u8]) -> Result<Head, Invalid> {
    let mut reader = Reader::new(body)?;
    let mut head = Head {
        stream_usage: true,
        candidates: 1,
        body_start: reader.offset() + 1,
        ..Head::default()
    };
    let mut seen = [false; HEAD.len()];
    reader.object(|key, member| {
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
    if !seen.get(1).copied().unwrap_or_default() {
        return Err(Invalid::new("field required").under("messages"));
    }
    Ok(head)
}

fn head_member(head: &mut Head, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    match key {
        "model" => {
            head.model_span = Some(member.clone().skip()?);
            head.model = text(member)?;
            if head.model.is_empty() {
                return Err(Invalid::new("a model is needed"));
            }
        }
        "messages" => {
            if member.peek()? != Kind::Array {
                return member.array(|_, element| element.skip().map(drop));
            }
            member.skip()?;
        }
        "max_tokens" => {
            head.max_output_tokens_span = Some(member.clone().skip()?);
            if !member.null()? {
                head.max_output_tokens = Some(member.u64()?);
            }
        }
        _ if member.null()? => {}
        "stream" => head.stream = member.bool()?,
        "logprobs" => {
            if member.bool()? {
                head.needs.add(Need::Logprobs);
            }
        }
        "tools" => member.array(|_, tool| {
            head.needs.add(Need::Tools);
            tool.skip().map(drop)
        })?,
        "thinking" => {
            let mut thinks = true;
            member.object(|key, inner| {
                if key == "type" && inner.peek()? == Kind::String {
                    thinks = inner.string()? != "disabled";
                    return Ok(());
                }
                inner.skip().map(drop)
            })?;
            if thinks {
                head.needs.add(Need::Reasoning);
            }
        }
        _ => head_format(head, member)?,
    }
    Ok(())
}

fn head_format(head: &mut Head, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let (mut json, mut schema) = (false, false);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => json = member.string()? == "json_object",
            ("json_schema", Kind::Object) => {
                schema = true;
                member.skip()?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    match (json, schema) {
        (true, true) => head.needs.add(Need::JsonSchema),
        (true, false) => head.needs.add(Need::Json),
        (false, _) => {}
    }
    Ok(())
}

/// The edits that make the client's own bytes right for a target of this dialect.
pub(super) fn patch(head: &Head, edits: &Edits<'_>) -> Patch {
    let mut patch = Patch::default();
    let mut front = String::new();
    if !head.says_model(edits.model) {
        let name = Json::string(edits.model);
        match &head.model_span {
            Some(span) => patch.replace(span.clone(), name.text()),
            None => front = format!(r#""model":{},"#, name.text()),
        }
    }
    if let Some(most) = edits.max_output_tokens
        && head.max_output_tokens.is_none_or(|given| given > most)
    {
        match &head.max_output_tokens_span {
            Some(span) => patch.replace(span.clone(), most.to_string()),
            None => front.push_str(&format!(r#""max_tokens":{most},"#)),
        }
    }
    if !front.is_empty() {
        patch.replace(head.body_start..head.body_start, front);
    }
    patch
}

static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"image_url\"",
    documents: &[],
    each: 2,
    unbounded: &[],
});

/// Counts what of a request is not text; its documents are.
pub(super) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
