//! The head that the road reads of a request, and the edits it makes to it.
//!
//! One pass over the top level that builds nothing but the model's name; it
//! must refuse what two readers could understand in two ways.

use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Json, Kind, Reader};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::patch::Patch;

/// Most answers that may be asked for at once.
const CANDIDATES: u64 = 128;
/// Members that the head reads, by the bit that marks them as seen.
const ONCE: [&str; 8] = [
    "model",
    "stream",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stream_options",
    "service_tier",
];

/// Reads the head.
pub(crate) fn head(body: &[u8]) -> Result<Head, Invalid> {
    let mut head = Head {
        candidates: 1,
        ..Head::default()
    };
    let mut seen = 0u8;
    let mut reader = Reader::new(body)?;
    head.body_start = reader.offset() + 1;
    reader.object(|key, member| {
        if let Some(bit) = ONCE.iter().position(|name| *name == key) {
            if seen & (1 << bit) != 0 {
                return Err(Invalid::new("this member stands here twice"));
            }
            seen |= 1 << bit;
        }
        head_member(&mut head, key, member)
    })?;
    reader.end()?;
    let messages = ONCE.iter().position(|name| *name == "messages");
    if messages.is_some_and(|bit| seen & (1 << bit) == 0) {
        return Err(Invalid::new("field required").under("messages"));
    }
    if head.stream && !head.stream_usage && head.stream_options_span.is_none() {
        head.usage_switch = Some((
            head.body_start..head.body_start,
            r#""stream_options":{"include_usage":true},"#,
        ));
    }
    Ok(head)
}

fn head_member(head: &mut Head, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    match key {
        "model" => {
            let span = reader.clone().skip()?;
            let model = reader.string()?;
            if model.is_empty() {
                return Err(Invalid::new("a model must be named"));
            }
            head.model = model.into_owned();
            head.model_span = Some(span);
        }
        "messages" if reader.peek()? != Kind::Array => reader.array(|_, _| Ok(()))?,
        "stream" => head.stream = !reader.null()? && reader.bool()?,
        "service_tier" if reader.peek()? == Kind::String => {
            head.service_tier = Some(reader.string()?.into_owned());
        }
        "stream_options" => head_stream_options(head, reader)?,
        "max_tokens" | "max_completion_tokens" => head_limit(head, key, reader)?,
        "n" => {
            if !reader.null()? {
                head.candidates = candidates(reader)?;
            }
            if head.candidates > 1 {
                head.needs.add(Need::Candidates);
            }
        }
        "tools" if reader.peek()? == Kind::Array => {
            let needs = &mut head.needs;
            reader.array(|_, tool| {
                needs.add(tool_need(tool)?);
                Ok(())
            })?;
        }
        "web_search_options" if reader.peek()? == Kind::Object => {
            head.needs.add(Need::HostedTools);
            reader.skip()?;
        }
        "response_format" if reader.peek()? == Kind::Object => {
            let needs = &mut head.needs;
            reader.object(|key, member| {
                if key != "type" || member.peek()? != Kind::String {
                    return member.skip().map(drop);
                }
                match &*member.string()? {
                    "json_object" => needs.add(Need::Json),
                    "json_schema" => needs.add(Need::JsonSchema),
                    _ => {}
                }
                Ok(())
            })?;
        }
        "logprobs" if reader.peek()? == Kind::Bool => {
            if reader.bool()? {
                head.needs.add(Need::Logprobs);
            }
        }
        "reasoning_effort" if reader.peek()? == Kind::String => {
            if reader.string()? != "none" {
                head.needs.add(Need::Reasoning);
            }
        }
        _ => {
            reader.skip()?;
        }
    }
    Ok(())
}

/// What a tool asks for: some providers have tools that they run themselves.
fn tool_need(tool: &mut Reader<'_>) -> Result<Need, Invalid> {
    let mut need = Need::Tools;
    if tool.peek()? != Kind::Object {
        return tool.skip().map(|_| need);
    }
    tool.object(|key, member| {
        if key != "type" || member.peek()? != Kind::String {
            return member.skip().map(drop);
        }
        if !matches!(&*member.string()?, "function" | "custom") {
            need = Need::HostedTools;
        }
        Ok(())
    })?;
    Ok(need)
}

fn head_limit(head: &mut Head, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let span = reader.clone().skip()?;
    let limit = if reader.null()? {
        None
    } else {
        Some(reader.u64()?)
    };
    // The newer name wins, but for a `null` that leaves the older one in force.
    let before = head
        .max_output_tokens
        .zip(head.max_output_tokens_span.clone());
    if before.is_none() || (key != "max_tokens" && limit.is_some()) {
        head.max_output_tokens = limit;
        head.max_output_tokens_span = Some(span);
        head.second_limit = before;
    } else {
        head.second_limit = limit.map(|limit| (limit, span));
    }
    Ok(())
}

/// Reads what is asked of the stream, and where usage is switched on.
pub(crate) fn head_stream_options(head: &mut Head, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let span = reader.clone().skip()?;
    head.stream_options_span = Some(span.clone());
    if reader.null()? {
        head.usage_switch = Some((span, r#"{"include_usage":true}"#));
        return Ok(());
    }
    let inside = span.start + 1..span.start + 1;
    let mut switch = (inside.clone(), r#""include_usage":true"#);
    reader.object(|key, member| {
        if key == "include_usage" {
            switch = (member.clone().skip()?, "true");
            head.stream_usage = !member.null()? && member.bool()?;
        } else {
            member.skip()?;
            if switch.0 == inside {
                switch.1 = r#""include_usage":true,"#;
            }
        }
        Ok(())
    })?;
    head.usage_switch = (!head.stream_usage).then_some(switch);
    Ok(())
}

/// Reads how many answers are wanted.
pub(crate) fn candidates(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    match reader.u64()? {
        n @ 1..=CANDIDATES => Ok(n),
        n => Err(Invalid::new(format!(
            "a number of answers from 1 to {CANDIDATES} was expected, not {n}"
        ))),
    }
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
            None => front.push_str(&format!(r#""max_completion_tokens":{most},"#)),
        }
    }
    if let Some((second, span)) = &head.second_limit
        && let Some(most) = edits.max_output_tokens
        && *second > most
    {
        patch.replace(span.clone(), most.to_string());
    }
    if edits.force_usage
        && head.stream
        && let Some((span, text)) = &head.usage_switch
    {
        if span.start == head.body_start {
            front.push_str(text);
        } else {
            patch.replace(span.clone(), *text);
        }
    }
    if !front.is_empty() {
        patch.replace(head.body_start..head.body_start, front);
    }
    patch
}

static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"image_url\"",
    documents: &["\"file\"", "\"input_audio\""],
    each: 2,
    unbounded: &[
        ("\"file_id\"", "a file that the provider keeps"),
        ("\"web_search_options\"", "a search that the provider runs"),
    ],
});

/// Counts what of a request is not text.
pub(in crate::openai_chat) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
