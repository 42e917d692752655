//! The head that the road reads of a request, and the edits it makes to it.
//!
//! One pass over the top level that builds nothing but the model's name; it
//! must refuse what two readers could understand in two ways.

use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Json, Kind, Reader};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::openai_responses::wire::{KEPT, kind_of};
use crate::patch::Patch;

use super::stored::stands_for_stored;

/// Members that the head reads, and which may therefore stand only once.
const ONCE: [&str; 10] = [
    "model",
    "input",
    "stream",
    "max_output_tokens",
    "service_tier",
    "tools",
    "text",
    "background",
    "store",
    "previous_response_id",
];

/// Reads the head.
pub(crate) fn head(body: &[u8]) -> Result<Head, Invalid> {
    let mut reader = Reader::new(body)?;
    let mut head = Head {
        candidates: 1,
        stream_usage: true,
        stores: true,
        body_start: reader.offset() + 1,
        ..Head::default()
    };
    let mut seen = [false; ONCE.len()];
    let (mut background, mut kept) = (false, false);
    reader.object(|key, member| {
        if let Some((_, seen)) = ONCE.iter().zip(&mut seen).find(|(name, _)| **name == key)
            && std::mem::replace(seen, true)
        {
            return Err(Invalid::new("this member stands here twice"));
        }
        match key {
            "background" => background = !member.null()? && member.bool()?,
            "previous_response_id" if member.peek()? == Kind::String => {
                head.previous = Some(member.string()?.into_owned());
            }
            _ if KEPT.contains(&key) => {
                if !member.null()? {
                    kept = true;
                    member.skip()?;
                }
            }
            _ => head_member(&mut head, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    if !kept && head.previous.is_none() && !seen.get(1).copied().unwrap_or_default() {
        return Err(Invalid::new("field required").under("input"));
    }
    kept |= head.needs.has(Need::ServerState);
    if kept || head.previous.is_some() {
        head.needs.add(Need::ServerState);
    }
    // Beside anything else that is kept, the answer does not say alone where the request may go.
    head.previous.take_if(|_| kept);
    if background {
        head.needs.add(Need::Background);
    }
    Ok(head)
}

fn head_member(head: &mut Head, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    match (key, reader.peek()?) {
        ("model", _) => {
            let span = reader.clone().skip()?;
            let model = reader.string()?;
            if model.is_empty() {
                return Err(Invalid::new("a model must be named"));
            }
            head.model = model.into_owned();
            head.model_span = Some(span);
        }
        ("input", kind) => {
            if kind == Kind::String {
                return reader.skip().map(drop);
            }
            if stands_for_stored(reader)? {
                head.needs.add(Need::ServerState);
            }
        }
        ("max_output_tokens", kind) => {
            head.max_output_tokens_span = Some(reader.clone().skip()?);
            if kind == Kind::Null {
                reader.skip()?;
            } else {
                head.max_output_tokens = Some(reader.u64()?);
            }
        }
        (_, Kind::Null) => {
            reader.skip()?;
        }
        ("stream", _) => head.stream = reader.bool()?,
        ("store", _) => head.stores = reader.bool()?,
        ("service_tier", Kind::String) => {
            head.service_tier = Some(reader.string()?.into_owned());
        }
        ("tools", Kind::Array) => reader.array(|_, tool| {
            let is_ours = matches!(&*kind_of(tool)?, "function" | "custom");
            head.needs.add(if is_ours {
                Need::Tools
            } else {
                Need::HostedTools
            });
            tool.skip().map(drop)
        })?,
        ("text", Kind::Object) => form(head, reader)?,
        ("reasoning", Kind::Object) => reader.object(|key, member| {
            if key == "effort"
                && member.peek()? == Kind::String
                && member.clone().string()? != "none"
            {
                head.needs.add(Need::Reasoning);
            }
            member.skip().map(drop)
        })?,
        ("top_logprobs", Kind::Number) => {
            if reader.number()? != "0" {
                head.needs.add(Need::Logprobs);
            }
        }
        _ => {
            reader.skip()?;
        }
    }
    Ok(())
}

/// Reads what form of the answer `text` asks for.
fn form(head: &mut Head, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    reader.object(|key, member| {
        if key == "format" && member.peek()? == Kind::Object {
            match &*kind_of(member)? {
                "json_object" => head.needs.add(Need::Json),
                "json_schema" => head.needs.add(Need::JsonSchema),
                _ => {}
            }
        }
        member.skip().map(drop)
    })
}

/// The edits that make the client's own bytes right for a target.
pub(crate) fn patch(head: &Head, edits: &Edits<'_>) -> Patch {
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
        && head.max_output_tokens.is_none_or(|asked| asked > most)
    {
        match &head.max_output_tokens_span {
            Some(span) => patch.replace(span.clone(), most.to_string()),
            None => front.push_str(&format!(r#""max_output_tokens":{most},"#)),
        }
    }
    if !front.is_empty() {
        patch.replace(head.body_start..head.body_start, front);
    }
    patch
}

static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"input_image\"",
    documents: &["\"input_file\"", "\"input_audio\""],
    each: 1,
    unbounded: &[
        ("\"file_id\"", "a file that the provider keeps"),
        ("\"web_search", "a search that the provider runs"),
        ("\"file_search\"", "a search that the provider runs"),
        ("\"code_interpreter\"", "code that the provider runs"),
        ("\"image_generation\"", "a picture that the provider makes"),
        ("\"computer", "a computer that the provider drives"),
        ("\"mcp\"", "a server that the provider calls"),
        ("\"shell\"", "commands that the provider runs"),
    ],
});

/// Counts what of a request is not text. What the provider keeps is a need of the head's.
pub(crate) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
