//! Reading Messages requests into an [`Ask`], with the provider's own
//! complaints about those that are wrong: forged thinking signatures and tool
//! results without a call among them.
//!
//! Only what the content of an answer depends on is read; unknown fields are
//! let through. Writes nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::signature;
use crate::ask::{Ask, Format, Thinking, Tool, ToolChoice};
use crate::dialect::Refusal;
use crate::json::{Content, Str};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Option<Str<'a>>,
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(borrow, default)]
    system: Content<'a, Block<'a>>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow, default)]
    stop_sequences: Option<Vec<Str<'a>>>,
    #[serde(borrow, default)]
    tools: Option<Vec<ToolDef<'a>>>,
    #[serde(borrow, default)]
    tool_choice: Option<Choice<'a>>,
    #[serde(borrow, default)]
    thinking: Option<ThinkingIn<'a>>,
    #[serde(borrow, default)]
    output_config: Option<OutputConfig<'a>>,
    #[serde(borrow, default)]
    output_format: Option<OutputFormat<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow, default)]
    content: Content<'a, Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    signature: Option<Str<'a>>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, default)]
    media_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    data: Option<Str<'a>>,
    #[serde(borrow, default)]
    url: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ToolDef<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow, default)]
    description: Option<Str<'a>>,
    #[serde(borrow, default)]
    input_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
struct ThinkingIn<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(default)]
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow, default)]
    format: Option<OutputFormat<'a>>,
}

#[derive(Deserialize)]
struct OutputFormat<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

/// What a request says beside its body.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) model: Option<String>,
    pub(super) stream: Option<bool>,
    /// Only a count is wanted, so that no bound is needed.
    pub(super) counts: bool,
}

/// Reads the body of a Messages or count-tokens request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(body: &[u8], given: &Given) -> Result<Ask, Refusal> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|e| complaint(&e))?;
    let own = body.model.as_deref().filter(|m| !m.is_empty());
    let model = given.model.as_deref().or(own);
    let model = model.ok_or_else(|| Refusal::bad("model: Field required"))?;
    let messages = body
        .messages
        .as_ref()
        .ok_or_else(|| Refusal::bad("messages: Field required"))?;
    if messages.is_empty() {
        return Err(Refusal::bad("messages: at least one message is required"));
    }
    check_limit(body.max_tokens, given)?;
    let mut ask = Ask {
        model: model.to_owned(),
        stream: given.stream.or(body.stream).unwrap_or(false),
        max_tokens: body.max_tokens,
        stop: body
            .stop_sequences
            .iter()
            .flatten()
            .map(|s| s.to_string())
            .collect(),
        thinking: read_thinking(&body)?,
        choices: 1,
        ..Ask::default()
    };
    read_choice(&mut ask, body.tool_choice.as_ref());
    let forced = matches!(ask.tool_choice, ToolChoice::Any | ToolChoice::Named(_));
    let budgeted = body
        .thinking
        .as_ref()
        .is_some_and(|t| &*t.kind == "enabled");
    if forced && budgeted {
        return Err(Refusal::bad(
            "Thinking may not be enabled when tool_choice forces tool use.",
        ));
    }
    let format = body
        .output_config
        .and_then(|c| c.format)
        .or(body.output_format);
    if let Some(format) = format {
        ask.format = Format::Schema(format.schema.map(RawValue::to_owned));
    }
    for tool in body.tools.iter().flatten() {
        ask.hear(&tool.name).map_err(Refusal::bad)?;
        ask.hear(tool.description.as_deref().unwrap_or_default())
            .map_err(Refusal::bad)?;
        ask.input_tokens += crate::words::tokens(tool.input_schema.map_or("", RawValue::get));
        let schema = tool.input_schema.map(RawValue::to_owned);
        ask.tools.push(Tool {
            name: tool.name.to_string(),
            schema,
        });
    }
    read_blocks(&mut ask, &body.system, "system")?;
    check_calls(messages)?;
    if budgeted {
        check_thinking(messages)?;
    }
    for (i, message) in messages.iter().enumerate() {
        let last = i + 1 == messages.len();
        read_message(&mut ask, message, i, last)?;
    }
    Ok(ask)
}

fn check_limit(max_tokens: Option<u64>, given: &Given) -> Result<(), Refusal> {
    match max_tokens {
        None if !given.counts => Err(Refusal::bad("max_tokens: Field required")),
        Some(0) => Err(Refusal::bad(
            "max_tokens: Input should be greater than or equal to 1",
        )),
        None | Some(_) => Ok(()),
    }
}

fn read_message(
    ask: &mut Ask,
    message: &Message<'_>,
    at: usize,
    last: bool,
) -> Result<(), Refusal> {
    let place = format!("messages.{at}");
    let empty = match &message.content {
        Content::None => true,
        Content::Text(text) => text.is_empty(),
        Content::Parts(parts) => parts.is_empty(),
    };
    if empty && !(last && &*message.role == "assistant") {
        return Err(Refusal::bad(format!(
            "{place}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    let (text, result) = read_blocks(ask, &message.content, &place)?;
    (ask.tool_result, ask.prefill) = (None, None);
    match &*message.role {
        "user" => {
            if result.is_none() || !text.is_empty() {
                ask.last_text = text;
            }
            ask.tool_result = result;
        }
        "assistant" => {
            if last && text.ends_with(char::is_whitespace) {
                return Err(Refusal::bad(
                    "messages: final assistant content cannot end with trailing whitespace",
                ));
            }
            ask.prefill = Some(text);
        }
        // The newer models hear the system inside a conversation.
        "system" if at > 0 => {}
        other => {
            return Err(Refusal::bad(format!(
                "messages: Unexpected role \"{other}\". Allowed roles are \"user\" or \"assistant\"."
            )));
        }
    }
    Ok(())
}

/// Blocks that are read past.
const BLOCKS: [&str; 15] = [
    "redacted_thinking",
    "search_result",
    "container_upload",
    "compaction",
    "tool_reference",
    "tool_addition",
    "tool_removal",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
];

/// The text of a message, and that of the tool results in it.
fn read_blocks(
    ask: &mut Ask,
    content: &Content<'_, Block<'_>>,
    place: &str,
) -> Result<(String, Option<String>), Refusal> {
    let (mut text, mut result) = (String::new(), None::<String>);
    let blocks = match content {
        Content::None => return Ok((text, result)),
        Content::Text(one) => {
            ask.hear(one).map_err(Refusal::bad)?;
            return Ok((one.to_string(), result));
        }
        Content::Parts(blocks) => blocks,
    };
    for (i, block) in blocks.iter().enumerate() {
        let place = || format!("{place}.content.{i}");
        match &*block.kind {
            "text" => {
                let own = block.text.as_deref().unwrap_or_default();
                if own.is_empty() {
                    return Err(Refusal::bad(
                        "messages: text content blocks must be non-empty",
                    ));
                }
                ask.hear(own).map_err(Refusal::bad)?;
                text.push_str(own);
            }
            "tool_result" => {
                let own = read_result(ask, block.content, &place())?;
                result.get_or_insert_default().push_str(&own);
            }
            "tool_use" | "server_tool_use" => {
                ask.hear(block.name.as_deref().unwrap_or_default())
                    .map_err(Refusal::bad)?;
                ask.input_tokens += crate::words::tokens(block.input.map_or("", RawValue::get));
            }
            "thinking" => {
                let thought = block.thinking.as_deref().unwrap_or_default();
                let own = signature(&ask.model, thought);
                if block.signature.as_deref() != Some(own.as_str()) {
                    let place = place();
                    return Err(Refusal::bad(format!(
                        "{place}: Invalid `signature` in `thinking` block"
                    )));
                }
                ask.hear(thought).map_err(Refusal::bad)?;
            }
            "image" | "document" => see(ask, block.source, &place())?,
            other if BLOCKS.contains(&other) => {}
            other => {
                let place = place();
                return Err(Refusal::bad(format!(
                    "{place}: Input tag '{other}' found using 'type' does not match any of the expected tags"
                )));
            }
        }
    }
    Ok((text, result))
}

fn read_result(ask: &mut Ask, raw: Option<&RawValue>, place: &str) -> Result<String, Refusal> {
    let Some(raw) = raw else {
        return Ok(String::new());
    };
    let content: Content<'_, Block<'_>> =
        serde_json::from_str(raw.get()).map_err(|e| complaint(&e))?;
    read_blocks(ask, &content, place).map(|(text, _)| text)
}

fn see(ask: &mut Ask, source: Option<&RawValue>, place: &str) -> Result<(), Refusal> {
    let source = source.ok_or_else(|| Refusal::bad(format!("{place}.source: Field required")))?;
    let source: Source<'_> = serde_json::from_str(source.get()).map_err(|e| complaint(&e))?;
    match (&source.data, &source.url) {
        (Some(data), _) => {
            let media_type = source.media_type.as_deref().unwrap_or("unknown");
            ask.look(media_type, data.len() / 4 * 3);
        }
        (None, Some(url)) => ask.look("url", url.len()),
        (None, None) => {}
    }
    Ok(())
}

fn read_thinking(body: &Body<'_>) -> Result<Thinking, Refusal> {
    let Some(thinking) = &body.thinking else {
        return Ok(Thinking::Off);
    };
    match &*thinking.kind {
        "adaptive" => Ok(Thinking::Shown),
        "enabled" => {
            let budget = thinking.budget_tokens;
            let budget = budget
                .ok_or_else(|| Refusal::bad("thinking.enabled.budget_tokens: Field required"))?;
            if budget < 1024 {
                return Err(Refusal::bad(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                ));
            }
            if body.max_tokens.is_some_and(|most| most <= budget) {
                return Err(Refusal::bad(
                    "`max_tokens` must be greater than `thinking.budget_tokens`",
                ));
            }
            Ok(Thinking::Shown)
        }
        _ => Ok(Thinking::Off),
    }
}

fn read_choice(ask: &mut Ask, choice: Option<&Choice<'_>>) {
    let Some(choice) = choice else { return };
    ask.one_call_only = choice.disable_parallel_tool_use.unwrap_or(false);
    ask.tool_choice = match (&*choice.kind, choice.name.as_deref()) {
        ("tool", Some(name)) => ToolChoice::Named(name.to_owned()),
        ("any" | "tool", _) => ToolChoice::Any,
        ("none", _) => ToolChoice::None,
        _ => ToolChoice::Auto,
    };
}

/// Each tool use is answered in the next turn, and each result answers one.
/// Messages of one role that follow each other are one turn.
fn check_calls(messages: &[Message<'_>]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    let (mut asked, mut answering) = (0, false);
    for (i, message) in messages.iter().enumerate() {
        let blocks = match &message.content {
            Content::Parts(blocks) => blocks.as_slice(),
            Content::None | Content::Text(_) => &[],
        };
        let asks = &*message.role == "assistant";
        if asks && answering {
            unanswered(&open, asked)?;
        }
        if &*message.role != "system" {
            answering = !asks;
        }
        for (j, block) in blocks
            .iter()
            .enumerate()
            .filter(|(_, b)| &*b.kind == "tool_result")
        {
            let id = block.tool_use_id.as_deref().unwrap_or_default();
            let Some(at) = open.iter().position(|o| *o == id) else {
                return Err(Refusal::bad(format!(
                    "messages.{i}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            };
            open.remove(at);
        }
        let uses = blocks.iter().filter(|b| &*b.kind == "tool_use");
        let before = open.len();
        open.extend(uses.map(|b| b.id.as_deref().unwrap_or_default()));
        if open.len() > before {
            asked = i;
        }
    }
    unanswered(&open, asked)
}

/// Where the model thinks, the turn whose calls are answered last begins with its thinking.
fn check_thinking(messages: &[Message<'_>]) -> Result<(), Refusal> {
    let last = messages.iter().rposition(|m| &*m.role == "assistant");
    let Some((i, message)) = last.and_then(|i| Some((i, messages.get(i)?))) else {
        return Ok(());
    };
    let Content::Parts(blocks) = &message.content else {
        return Ok(());
    };
    let first = blocks.first().map_or("", |block| &*block.kind);
    let calls = blocks.iter().any(|block| &*block.kind == "tool_use");
    if !calls || matches!(first, "thinking" | "redacted_thinking") {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "messages.{i}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
    )))
}

fn unanswered(open: &[&str], at: usize) -> Result<(), Refusal> {
    if open.is_empty() {
        return Ok(());
    }
    let ids = open.join(", ");
    Err(Refusal::bad(format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )))
}

fn complaint(e: &serde_json::Error) -> Refusal {
    if e.is_data() {
        Refusal::bad(format!("Input should be valid: {e}"))
    } else {
        Refusal::bad(format!("The request body is not valid JSON: {e}"))
    }
}
