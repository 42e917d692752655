//! Requests into the hub.
//!
//! Items that the assistant said one after the other become one turn, as other
//! dialects have it. What the hub has no word for stays at its node, explicit
//! `null`s too, so that writing the request again gives what was read.

use crate::chat::{
    Effort, Extra, Logprobs, Message, OutputFormat, Part, ReasoningRequest, Request, Role, Tool,
    ToolChoice, ToolKind, given,
};
use crate::json::{Invalid, Kind, Reader};
use crate::openai_responses::wire::item::{Item, item};
use crate::openai_responses::wire::{KEPT, OWN, WEIGHTY, kind_of, number, required, spelled, text};

/// What asks for probabilities among `include`.
const LOGPROBS: &str = "message.output_text.logprobs";
/// What asks for reasoning that may travel among `include`: it does so anyhow.
const SEALED: &str = "reasoning.encrypted_content";

/// Reads a whole request.
pub(crate) fn decode(body: &[u8]) -> Result<Request, Invalid> {
    let mut request = Request::new(OWN, "");
    request.extra.set_weighty(&WEIGHTY);
    request.stream_usage = true;
    let mut reader = Reader::new(body)?.with_unique_keys();
    let (mut input, mut instructions) = (None, None);
    let mut known = Idle::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("model", _) => request.model = text(member)?,
            ("input", Kind::Array) => input = Some(turns(member)?),
            ("input", _) => {
                let mut message = Message::new(Role::User, vec![Part::text(member.text()?)]);
                message.bare = true;
                request.extra.note(spelled::BARE_INPUT);
                input = Some(vec![message]);
            }
            ("instructions", Kind::String) => instructions = Some(member.text()?),
            ("include", Kind::Array) => include(&mut request, &mut known, member)?,
            ("store", Kind::Bool) => {
                known.store = !member.clone().bool()?;
                request.extra.push(key, member.json()?);
            }
            ("top_logprobs", Kind::Number) => {
                let top = member.u64()?;
                request.logprobs.get_or_insert(ASKED).top = Some(top);
            }
            _ => member_of(&mut request, key, member)?,
        }
        Ok(())
    })?;
    reader.end()?;
    let extra = &mut request.extra;
    let kept = |name: &&str| extra.get(name).is_some_and(|value| !value.is_null());
    if input.is_none() {
        if !KEPT.iter().any(kept) {
            return Err(Invalid::new("field required").under("input"));
        }
        extra.note(spelled::NO_INPUT);
    }
    extra.set_asides(known.asides());
    request.messages = input.unwrap_or_default();
    if let Some(words) = instructions {
        let mut message = Message::new(Role::System, vec![Part::text(words)]);
        message.bare = true;
        message.apart = true;
        request.messages.insert(0, message);
    }
    Ok(request)
}

const ASKED: Logprobs = Logprobs {
    enabled: true,
    top: None,
};

/// Fields that ask for what other dialects do anyhow.
#[derive(Default)]
struct Idle {
    /// `store` is off.
    store: bool,
    /// `include` asks for nothing that the hub has no word for.
    include: bool,
}

impl Idle {
    fn asides(&self) -> &'static [&'static str] {
        match (self.store, self.include) {
            (true, true) => &["store", "include"],
            (true, false) => &["store"],
            (false, true) => &["include"],
            (false, false) => &[],
        }
    }
}

fn include(request: &mut Request, idle: &mut Idle, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    idle.include = true;
    reader.array(|_, element| {
        match &*element.string()? {
            LOGPROBS => {
                request.logprobs.get_or_insert(ASKED);
            }
            SEALED => {}
            _ => idle.include = false,
        }
        Ok(())
    })?;
    request.extra.push("include", whole.json()?);
    Ok(())
}

/// Reads `input` into turns.
fn turns(reader: &mut Reader<'_>) -> Result<Vec<Message>, Invalid> {
    let mut list: Vec<Message> = Vec::new();
    reader.array(|_, element| {
        match item(element)? {
            Item::Message(message) => list.push(message),
            Item::Result(part) => list.push(Message::new(Role::Tool, vec![part])),
            Item::Said(parts) => match list.last_mut() {
                Some(turn) if turn.role == Role::Assistant => turn.parts.extend(parts),
                Some(_) | None => list.push(Message::new(Role::Assistant, parts)),
            },
        }
        Ok(())
    })?;
    Ok(list)
}

fn member_of(request: &mut Request, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let extra = &mut request.extra;
    let sampling = &mut request.sampling;
    match (key, reader.peek()?) {
        (_, Kind::Null) => extra.push(key, reader.json()?),
        ("temperature", _) => sampling.temperature = Some(number(reader)?),
        ("top_p", _) => sampling.top_p = Some(number(reader)?),
        ("max_output_tokens", _) => request.max_output_tokens = Some(reader.u64()?),
        ("stream", _) => {
            request.stream = reader.bool()?;
            if !request.stream {
                extra.note(spelled::STREAM_OFF);
            }
        }
        ("tools", _) => {
            let mut whole = reader.clone();
            reader.array(|_, element| {
                request.tools.push(tool(element)?);
                Ok(())
            })?;
            if request.tools.is_empty() {
                extra.push(key, whole.json()?);
            }
        }
        ("tool_choice", _) => request.tool_choice = Some(tool_choice(reader)?),
        ("parallel_tool_calls", _) => request.parallel_tool_calls = Some(reader.bool()?),
        ("text", Kind::Object) => form(request, reader)?,
        ("reasoning", Kind::Object) => request.reasoning = Some(reasoning(reader)?),
        ("service_tier", _) => request.service_tier = Some(text(reader)?),
        ("user", _) => request.user = Some(text(reader)?),
        _ => extra.push(key, reader.json()?),
    }
    Ok(())
}

fn reasoning(reader: &mut Reader<'_>) -> Result<ReasoningRequest, Invalid> {
    let mut asked = ReasoningRequest::default();
    let extra = &mut asked.extra;
    reader.object(|key, member| {
        match key {
            "effort" => {
                asked.effort = given(member, extra, key, text)?.map(|w| Effort::by_name(&w));
            }
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if asked.effort == Some(Effort::None) {
        asked.enabled = Some(false);
    }
    Ok(asked)
}

fn tool(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let kind = kind_of(reader)?;
    let mut extra = Extra::default();
    if kind != "function" {
        let kind = ToolKind::Hosted {
            kind: kind.into_owned(),
            raw: reader.json()?,
        };
        return Ok(Tool {
            kind,
            cache: None,
            extra,
        });
    }
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => {
                member.skip()?;
            }
            ("name", _) => name = Some(text(member)?),
            ("description", Kind::String) => description = Some(text(member)?),
            ("parameters", Kind::Object) => parameters = Some(member.json()?),
            ("strict", Kind::Bool) => strict = Some(member.bool()?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    let kind = ToolKind::Function {
        name: required(name, "name")?,
        description,
        parameters,
        strict,
    };
    Ok(Tool {
        kind,
        cache: None,
        extra,
    })
}

fn tool_choice(reader: &mut Reader<'_>) -> Result<ToolChoice, Invalid> {
    let mut whole = reader.clone();
    if reader.peek()? == Kind::String {
        return Ok(match &*reader.string()? {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => ToolChoice::Other(whole.json()?),
        });
    }
    let (mut name, mut odd) = (None, kind_of(reader)? != "function");
    reader.object(|key, member| match (key, member.peek()?) {
        ("type", _) => member.skip().map(drop),
        ("name", Kind::String) => {
            name = Some(text(member)?);
            Ok(())
        }
        _ => {
            odd = true;
            member.skip().map(drop)
        }
    })?;
    Ok(match name {
        Some(name) if !odd => ToolChoice::Tool(name),
        Some(_) | None => ToolChoice::Other(whole.json()?),
    })
}

/// Reads `text`: the form of the answer, and what stands beside it.
fn form(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut any = false;
    reader.object(|key, member| {
        any = true;
        let kind = match (key, member.peek()?) {
            ("format", Kind::Object) => kind_of(member)?,
            _ => "".into(),
        };
        match &*kind {
            "text" if is_bare(member)? => request.output = Some(OutputFormat::Text),
            "json_object" if is_bare(member)? => request.output = Some(OutputFormat::Json),
            "json_schema" => request.output = Some(schema(member)?),
            _ => request.extra.push(&format!("text.{key}"), member.json()?),
        }
        Ok(())
    })?;
    if !any {
        request.extra.push("text", whole.json()?);
    }
    Ok(())
}

/// Passes over an object that has nothing but its type, and says so; any other stays unread.
fn is_bare(reader: &mut Reader<'_>) -> Result<bool, Invalid> {
    let mut ahead = reader.clone();
    let mut members = 0;
    ahead.object(|_, member| {
        members += 1;
        member.skip().map(drop)
    })?;
    if members == 1 {
        *reader = ahead;
    }
    Ok(members == 1)
}

fn schema(reader: &mut Reader<'_>) -> Result<OutputFormat, Invalid> {
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    let mut extra = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => {
                member.skip()?;
            }
            ("name", Kind::String) => name = Some(text(member)?),
            ("description", Kind::String) => description = Some(text(member)?),
            ("schema", Kind::Object) => schema = Some(member.json()?),
            ("strict", Kind::Bool) => strict = Some(member.bool()?),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(OutputFormat::JsonSchema {
        name,
        description,
        schema,
        strict,
        extra,
    })
}

/// What to ask for, for a request of another dialect.
pub(super) const fn includes() -> [&'static str; 2] {
    [LOGPROBS, SEALED]
}
