//! Requests: their head and the edits to their bytes; below, the way to the hub
//! and back.
//!
//! The head is read on every request, in one pass that builds nothing but the
//! model's name. It must refuse what would be read differently elsewhere: a
//! member that stands twice.

mod count;
mod decode;
mod dress;
mod encode;
mod think;
mod turn;

pub(super) use decode::decode;
pub(super) use dress::undress;
pub(crate) use dress::{BETAS_HEADER, VERSION_HEADER, redress};
pub use dress::{Dress, HeadersSaid, Wanted};
pub(super) use encode::encode;

use super::wire::{kind_of, spelled, text};
use crate::chat::{OutputFormat, Request, Words};
use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader, escape_into};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::patch::Patch;

/// What this dialect calls the parts of a request; it has no word for several answers.
pub(super) const WORDS: Words = Words {
    stop: "stop_sequences",
    candidates: "n",
    output: "output_config.format",
    schema: "output_config.format",
    reasoning: "thinking",
    effort: "output_config.effort",
    budget: "thinking.budget_tokens",
    parallel: "tool_choice.disable_parallel_tool_use",
    user: "metadata.user_id",
    within: &[
        ("arguments", "input"),
        ("result", "content[]"),
        ("tool_call_id", "tool_use_id"),
    ],
    ..Words::USUAL
};

/// The same where the form of the answer stands by its older name.
const OLDER: Words = Words {
    output: "output_format",
    schema: "output_format",
    ..WORDS
};

/// What that request calls its parts.
pub(super) fn words(request: &Request) -> &'static Words {
    match &request.output {
        Some(OutputFormat::JsonSchema { extra, .. }) if extra.noted(spelled::OUTPUT_FORMAT) => {
            &OLDER
        }
        Some(_) | None => &WORDS,
    }
}

/// Members that the head reads, and which may therefore stand only once.
const HEAD: [&str; 11] = [
    "model",
    "messages",
    "max_tokens",
    "stream",
    "tools",
    "mcp_servers",
    "thinking",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
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
    if head.max_output_tokens.is_none() {
        return Err(Invalid::new("field required").under("max_tokens"));
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
        _ if member.null()? => {}
        "max_tokens" => {
            head.max_output_tokens_span = Some(member.clone().skip()?);
            head.max_output_tokens = Some(member.u64()?);
        }
        "stream" => head.stream = member.bool()?,
        "tools" => member.array(|_, tool| head_tool(head, tool))?,
        "mcp_servers" => {
            if member.peek()? == Kind::Array {
                let needs = &mut head.needs;
                return member.array(|_, server| {
                    needs.add(Need::HostedTools);
                    server.skip().map(drop)
                });
            }
            member.skip()?;
        }
        "thinking" => {
            if kind_of(member)? != "disabled" {
                head.needs.add(Need::Reasoning);
            }
            member.skip()?;
        }
        "service_tier" | "speed" => {
            if member.peek()? != Kind::String {
                return member.skip().map(drop);
            }
            let word = text(member)?;
            // The one speed that is a tier of its own price.
            if key == "service_tier" {
                head.service_tier.get_or_insert(word);
            } else if word == "fast" {
                head.service_tier = Some(word);
            }
        }
        "output_config" => member.object(|key, inner| {
            if key == "format" && inner.peek()? == Kind::Object {
                head.needs.add(Need::JsonSchema);
            }
            inner.skip().map(drop)
        })?,
        _ => {
            head.needs.add(Need::JsonSchema);
            member.skip()?;
        }
    }
    Ok(())
}

/// Tools of Anthropic's that the application runs itself; all others of its own it runs.
const RUN_BY_CLIENTS: [&str; 5] = ["custom", "bash_", "text_editor_", "computer_", "memory_"];

fn head_tool(head: &mut Head, tool: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut need = Need::Tools;
    if tool.peek()? != Kind::Object {
        tool.skip()?;
    } else {
        tool.object(|key, member| {
            if key != "type" || member.peek()? != Kind::String {
                return member.skip().map(drop);
            }
            let kind = member.string()?;
            if !RUN_BY_CLIENTS.iter().any(|own| kind.starts_with(own)) {
                need = Need::HostedTools;
            }
            Ok(())
        })?;
    }
    head.needs.add(need);
    Ok(())
}

/// The edits that make the client's own bytes right for a target of this dialect.
pub(super) fn patch(head: &Head, edits: &Edits<'_>) -> Patch {
    let mut patch = Patch::default();
    if !head.says_model(edits.model) {
        let mut name = Vec::with_capacity(edits.model.len() + 12);
        match &head.model_span {
            Some(span) => {
                escape_into(&mut name, edits.model);
                patch.replace(span.clone(), name);
            }
            None => {
                name.extend_from_slice(b"\"model\":");
                escape_into(&mut name, edits.model);
                name.push(b',');
                patch.replace(head.body_start..head.body_start, name);
            }
        }
    }
    if let (Some(span), Some(most)) = (&head.max_output_tokens_span, edits.max_output_tokens)
        && head.max_output_tokens.is_none_or(|given| given > most)
    {
        patch.replace(span.clone(), most.to_string());
    }
    patch
}

static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"image\"",
    documents: &["\"document\""],
    each: 1,
    unbounded: &[
        ("\"file_id\"", "a file that the provider keeps"),
        ("\"mcp_servers\"", "a server that the provider calls"),
        ("\"web_search_", "a search that the provider runs"),
        ("\"web_fetch_", "a page that the provider fetches"),
        ("\"code_execution_", "code that the provider runs"),
    ],
});

/// Counts what of a request is not text.
pub(super) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
