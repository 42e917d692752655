//! A block of a stream as it grows, and what an event says of it.
//!
//! Blocks that only this dialect knows are put together whole. Reading must never
//! decide what an event means for the stream.

use crate::bedrock_converse::wire::read::{read_citation, signature};
use crate::bedrock_converse::wire::{REDACTED, own, required, spelled, text};
use crate::chat::{Citation, Opaque, PartStart, ToolCallKind};
use crate::codec::Broken;
use crate::json::{Invalid, Json, Kind, Reader};

/// Most bytes of a block that is put together, and of arguments that are checked.
const BYTES: usize = 16 << 20;

/// A block that is open.
#[derive(Clone, Debug)]
pub(super) enum Block {
    Text,
    Reasoning,
    /// A call, and its arguments so far.
    Call(String),
    /// One that only this dialect knows: its kind, how it began, and its pieces.
    Opaque(Box<Assembly>),
}

/// A block that travels whole.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    kind: String,
    /// The members that it began with.
    start: Json,
    /// Input of a call, or the elements of a result, as text between commas.
    grown: String,
    /// The last piece, where one replaces the other.
    last: Option<Json>,
}

/// What a piece of a block says.
pub(super) enum Step {
    Text(String),
    Thought(String),
    Signed(Opaque),
    Input(String),
    Citation(Box<Citation>),
    /// Of a kind that only this dialect knows, or none that is known.
    Other(String, Json),
}

/// Reads `{"toolUse": …}`: how a block begins that says so.
pub(super) fn begin(reader: &mut Reader<'_>) -> Result<(Block, PartStart), Invalid> {
    let mut whole = reader.clone();
    let mut found = None;
    reader.object(|key, member| {
        found = Some((key.to_owned(), member.json()?));
        Ok(())
    })?;
    let (kind, start) = required(found, "start")?;
    if kind == "toolUse"
        && let Some((id, name)) = call(&start)?
    {
        let start = PartStart::ToolCall {
            id,
            name,
            kind: ToolCallKind::Function,
        };
        return Ok((Block::Call(String::new()), start));
    }
    let opaque = own(&kind, whole.json()?);
    let assembly = Assembly {
        kind,
        start,
        grown: String::new(),
        last: None,
    };
    let start = PartStart::Opaque(Box::new(opaque));
    Ok((Block::Opaque(Box::new(assembly)), start))
}

/// Id and name of a call of the application; none where the provider runs the tool itself.
fn call(start: &Json) -> Result<Option<(String, String)>, Invalid> {
    let (mut id, mut name, mut hosted) = (None, None, false);
    start.reader().object(|key, member| {
        match (key, member.peek()?) {
            ("toolUseId", _) => id = Some(text(member)?),
            ("name", _) => name = Some(text(member)?),
            ("type", Kind::String) => hosted = member.string()? != "tool_use",
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    if hosted {
        return Ok(None);
    }
    let id = required(id, "toolUseId")?;
    Ok(Some((id, required(name, "name")?)))
}

/// Reads a piece: `{"text": "…"}`, `{"toolUse": {"input": "…"}}` and so on.
pub(super) fn step(reader: &mut Reader<'_>) -> Result<Step, Invalid> {
    let mut found = None;
    reader.object(|key, member| {
        if member.peek()? == Kind::Null {
            return member.skip().map(drop);
        }
        if found.is_some() {
            return Err(Invalid::new("a delta says two things"));
        }
        found = Some(match key {
            "text" => Step::Text(text(member)?),
            "toolUse" => Step::Input(input(member)?),
            "citation" => Step::Citation(Box::new(read_citation(member)?)),
            "reasoningContent" => thought(member)?,
            _ => Step::Other(key.to_owned(), member.json()?),
        });
        Ok(())
    })?;
    found.ok_or_else(|| Invalid::new("a delta says nothing"))
}

fn input(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    let mut words = None;
    reader.object(|key, member| {
        if key == "input" {
            words = Some(text(member)?);
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    required(words, "input")
}

fn thought(reader: &mut Reader<'_>) -> Result<Step, Invalid> {
    let mut whole = reader.clone();
    let mut found = None;
    reader.object(|key, member| {
        match key {
            "text" => found = Some(Step::Thought(text(member)?)),
            "signature" => found = signature(member)?.map(Step::Signed),
            REDACTED => {
                let mut value = member.clone();
                member.string()?;
                found = Some(Step::Signed(own(REDACTED, value.json()?)));
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    match found {
        Some(step) => Ok(step),
        None => Ok(Step::Other("reasoningContent".to_owned(), whole.json()?)),
    }
}

impl Step {
    /// The block that this piece begins where none was begun; none where it says too little.
    pub(super) fn opens(&self) -> Option<(Block, PartStart)> {
        match self {
            Step::Text(_) | Step::Citation(_) => Some((Block::Text, PartStart::Text)),
            Step::Thought(_) | Step::Signed(_) => Some((Block::Reasoning, PartStart::Reasoning)),
            Step::Input(_) | Step::Other(..) => None,
        }
    }
}

impl Assembly {
    /// Takes in a piece of the block's own kind.
    pub(super) fn push(&mut self, step: Step) -> Result<(), Broken> {
        match step {
            Step::Input(more) if self.kind == "toolUse" => self.grown.push_str(&more),
            Step::Other(kind, list) if kind == self.kind && kind == "toolResult" => {
                list.reader().array(|_, element| {
                    if !self.grown.is_empty() {
                        self.grown.push(',');
                    }
                    self.grown.push_str(element.raw()?);
                    Ok(())
                })?;
            }
            Step::Other(kind, value) if kind == self.kind => self.last = Some(value),
            Step::Text(_)
            | Step::Thought(_)
            | Step::Signed(_)
            | Step::Input(_)
            | Step::Citation(_)
            | Step::Other(..) => {
                return Err(Broken::new("a delta is of another kind than its block"));
            }
        }
        if self.grown.len() > BYTES {
            return Err(Broken::new("a block is larger than 16 MiB"));
        }
        Ok(())
    }

    /// The whole block.
    pub(super) fn finish(self) -> Result<Json, Broken> {
        let grown = match self.kind.as_str() {
            "toolUse" if self.grown.is_empty() => Some(("input", "{}".to_owned())),
            "toolUse" => Some(("input", self.grown)),
            "toolResult" => Some(("content", format!("[{}]", self.grown))),
            _ => None,
        };
        if let Some((_, text)) = &grown
            && Json::parse(text).is_err()
        {
            let why = "the input of a tool that the provider runs is no JSON";
            return Err(Broken::new(why));
        }
        Ok(Json::written(|out| {
            out.object(|out| {
                out.key(&self.kind).object(|out| {
                    let last = self.last.as_ref();
                    self.start.write_members(out, &[]);
                    if let Some(last) = last {
                        last.write_members(out, &[]);
                    }
                    if let Some((name, text)) = &grown {
                        out.key(name).raw(text);
                    }
                });
            });
        }))
    }
}

/// Checks the arguments of a whole call and gives what they lack: a call without any has none.
pub(super) fn whole_arguments(arguments: &str) -> Result<Option<&'static str>, Broken> {
    if arguments.is_empty() {
        return Ok(Some("{}"));
    }
    let mut reader = Reader::over(arguments);
    match reader.skip().and_then(|_| reader.end()) {
        Ok(()) => Ok(None),
        Err(_) => Err(Broken::new("the arguments of a tool call are no JSON")),
    }
}

/// Note that the answer is of this dialect.
pub(super) const ANSWER: &str = spelled::ANSWER;
