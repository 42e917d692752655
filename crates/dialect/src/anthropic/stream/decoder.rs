//! Reads a stream: the API's events in, the hub's out.
//!
//! On a road without translation this runs beside the bytes on every event, so
//! it reads each event once and copies only what grows the answer. It must
//! never pass over what it cannot read, and never end what the provider did not.

use std::borrow::Cow;

use super::assembly::Assembly;
use super::event::{Event, Step, Unknown, given_input, step};
use crate::anthropic::failure;
use crate::anthropic::response::AT_THE_END;
use crate::anthropic::response::usage::{Counts, finish};
use crate::anthropic::wire::read::{read_citation, signature};
use crate::anthropic::wire::{REDACTED, kind_of, own, required, spelled, text};
use crate::chat::{Delta, PartStart, Start, StreamEvent, ToolCallKind};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::Frame;
use crate::json::{Invalid, Json, Kind, Reader};

/// Most bytes of one call's arguments that are kept to be checked.
const CHECKED_BYTES: usize = 1 << 20;

/// Most blocks that may be open at once.
const OPEN: usize = 1024;

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    /// How many blocks have begun.
    blocks: u64,
    /// The API's own blocks follow one another; some engines begin the next before they end the last.
    open: Vec<Open>,
    /// The reason to stop, once it was told.
    stop: Option<String>,
    counts: Counts,
    unknown: Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing but signs of life came.
    Waiting,
    Started,
    /// The proof of completion was seen and told.
    Whole,
    Failed,
}

/// A block that is open.
#[derive(Clone, Debug)]
struct Open {
    index: u64,
    block: Block,
}

#[derive(Clone, Debug)]
enum Block {
    Text,
    Thinking,
    Redacted,
    /// A call, and its arguments so far; none once they are too many to be checked.
    Call(Option<String>),
    /// One that only this dialect knows.
    Opaque(Box<Assembly>),
}

impl Decoder {
    pub(crate) fn new(_candidates: u64) -> Self {
        Self {
            stage: Stage::Waiting,
            blocks: 0,
            open: Vec::new(),
            stop: None,
            counts: Counts::default(),
            unknown: Unknown::default(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match self.stage {
            Stage::Waiting | Stage::Started => {}
            Stage::Whole => return Err(Broken::new("an event came after message_stop")),
            Stage::Failed => return Err(Broken::new("an event came after a failure")),
        }
        let mut reader = Reader::over(&frame.data);
        let kind = match &*frame.event {
            "" => kind_of(&reader)?,
            named => Cow::Borrowed(named),
        };
        if kind == "error" {
            self.fail(&frame.data, events);
            return Ok(());
        }
        let mut event = Event::default();
        reader.object(|key, member| match key {
            "type" => {
                if member.string()? == kind {
                    return Ok(());
                }
                Err(Invalid::new("the event has another name than its data"))
            }
            "error" if member.peek()? != Kind::Null => {
                event.failed = true;
                member.skip().map(drop)
            }
            _ => self.member(&mut event, (&kind, key), member),
        })?;
        reader.end()?;
        if event.failed {
            self.fail(&frame.data, events);
            return Ok(());
        }
        self.conclude(&kind, event, events)
    }

    fn fail(&mut self, data: &str, events: &mut Vec<StreamEvent>) {
        self.stage = Stage::Failed;
        let error = failure::decode(data.as_bytes());
        events.push(StreamEvent::Error(Box::new(error)));
    }

    /// Reads a member of an event of that kind.
    fn member(
        &mut self,
        event: &mut Event,
        (kind, key): (&str, &str),
        member: &mut Reader<'_>,
    ) -> Result<(), Invalid> {
        match (kind, key) {
            ("content_block_delta", "delta") => match self.about(event.index) {
                Some(Block::Opaque(_)) | None => event.raw = Some(member.json()?),
                Some(_) => event.step = Some(step(member, &mut self.unknown)?),
            },
            ("content_block_start" | "content_block_delta" | "content_block_stop", "index") => {
                event.index = Some(member.u64()?);
            }
            ("content_block_start", "content_block") | ("message_start", "message") => {
                event.raw = Some(member.json()?);
            }
            ("message_delta", "delta") => event.ending(member)?,
            ("message_delta", "usage") if member.peek()? == Kind::Object => {
                self.counts.read(member)?;
                event.counted = true;
            }
            ("message_delta", _) => event.extra.push(key, member.json()?),
            _ => self.unknown.pass(member, kind, key)?,
        }
        Ok(())
    }

    /// Says what a whole event means, by the grammar of the stream.
    fn conclude(
        &mut self,
        kind: &str,
        event: Event,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        match (kind, self.stage) {
            ("ping", _) => events.push(StreamEvent::Ping),
            ("message_start", Stage::Waiting) => self.start(event, events)?,
            ("message_start", _) => return Err(Broken::new("the message started twice")),
            ("content_block_start", Stage::Started) => self.block(event, events)?,
            ("content_block_delta", Stage::Started) => self.delta(event, events)?,
            ("content_block_stop", Stage::Started) => self.block_end(&event, events)?,
            ("message_delta", Stage::Started) => self.ending(event, events)?,
            ("message_stop", Stage::Started) => self.end(events)?,
            (
                "content_block_start"
                | "content_block_delta"
                | "content_block_stop"
                | "message_delta"
                | "message_stop",
                _,
            ) => return Err(Broken::new("the stream does not begin with message_start")),
            ("", _) => return Err(Broken::new("an event has no type")),
            // The API may add kinds of events; what reads as one is passed over.
            (other, _) => self.unknown.note("event", other),
        }
        Ok(())
    }

    fn start(&mut self, event: Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let message = required(event.raw, "message")?;
        let mut start = Box::new(Start::default());
        start.extra.note(spelled::ANSWER);
        let mut counted = false;
        message.reader().object(|key, member| {
            match (key, member.peek()?) {
                ("id", Kind::String) => start.id = text(member)?,
                ("model", Kind::String) => start.model = text(member)?,
                ("type" | "role" | "stop_reason" | "stop_sequence", _) => {
                    member.skip()?;
                }
                ("content", Kind::Array) => {
                    member.array(|_, _| Err(Invalid::new("content before the first block")))?
                }
                ("usage", Kind::Object) => {
                    self.counts.read(member)?;
                    counted = true;
                }
                (known, Kind::Null) if AT_THE_END.contains(&known) => {
                    member.skip()?;
                }
                _ => start.extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        self.stage = Stage::Started;
        let (usage, tier) = self.counts.counted();
        start.service_tier = tier;
        events.push(StreamEvent::Start(start));
        if counted {
            events.push(StreamEvent::Usage(Box::new(usage)));
        }
        Ok(())
    }

    fn block(&mut self, event: Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if self.open.len() == OPEN {
            return Err(Broken::new("more blocks are open than an answer may have"));
        }
        if self.stop.is_some() {
            return Err(Broken::new("a block began after the reason to stop"));
        }
        if event.index != Some(self.blocks) {
            return Err(Broken::new("a block has another index than the next one"));
        }
        let raw = required(event.raw, "content_block")?;
        let index = self.blocks;
        let mut deltas = Vec::new();
        let (block, start) = self.begin(&raw, &mut deltas)?;
        self.blocks += 1;
        self.open.push(Open { index, block });
        events.push(StreamEvent::PartStart {
            candidate: 0,
            part: index,
            start,
        });
        events.extend(deltas.into_iter().map(|delta| said(index, delta)));
        Ok(())
    }

    /// Reads the block as it begins; what it says already goes to `deltas`.
    fn begin(
        &mut self,
        raw: &Json,
        deltas: &mut Vec<Delta>,
    ) -> Result<(Block, PartStart), Invalid> {
        let mut reader = raw.reader();
        let kind = kind_of(&reader)?;
        if !matches!(&*kind, "text" | "thinking" | REDACTED | "tool_use") {
            let assembly = Assembly::new(raw)?;
            let opaque = own(&kind, raw.clone());
            let start = PartStart::Opaque(Box::new(opaque));
            return Ok((Block::Opaque(Box::new(assembly)), start));
        }
        let (mut id, mut name, mut input) = (None, None, None);
        reader.object(|key, member| {
            match (key, member.peek()?) {
                ("type", _) => {
                    member.skip()?;
                }
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("text" | "thinking", _) => {
                    let words = text(member)?;
                    if !words.is_empty() {
                        deltas.push(Delta::Text(words));
                    }
                }
                ("signature", _) => {
                    let signed = signature(member)?;
                    deltas.extend(signed.map(|signed| Delta::Opaque(Box::new(signed))));
                }
                ("data", _) => {
                    let mut value = member.clone();
                    value.string()?;
                    let data = own(REDACTED, member.json()?);
                    deltas.push(Delta::Opaque(Box::new(data)));
                }
                ("citations", Kind::Array) => member.array(|_, citation| {
                    let citation = Box::new(read_citation(citation)?);
                    deltas.push(Delta::Citation(citation));
                    Ok(())
                })?,
                ("id", _) => id = Some(text(member)?),
                ("name", _) => name = Some(text(member)?),
                ("input", Kind::Object) => input = given_input(member)?,
                ("input", _) => member.object(|_, _| Ok(()))?,
                _ => self.unknown.pass(member, "content_block", key)?,
            }
            Ok(())
        })?;
        Ok(match &*kind {
            "text" => (Block::Text, PartStart::Text),
            "thinking" => (Block::Thinking, PartStart::Reasoning),
            REDACTED => (Block::Redacted, PartStart::Reasoning),
            _ => {
                let input = input.unwrap_or_default();
                if !input.is_empty() {
                    deltas.push(Delta::Arguments(input.clone()));
                }
                let start = PartStart::ToolCall {
                    id: required(id, "id")?,
                    name: required(name, "name")?,
                    kind: ToolCallKind::Function,
                };
                (Block::Call(Some(input)), start)
            }
        })
    }

    /// The open block that an event is about, as far as it was read: none where that is not known yet.
    fn about(&self, index: Option<u64>) -> Option<&Block> {
        let open = match (index, self.open.as_slice()) {
            (Some(index), open) => open.iter().find(|one| one.index == index),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        open.map(|open| &open.block)
    }

    /// Where the block stands that an event with that index is about.
    fn opened(&self, index: Option<u64>) -> Result<usize, Broken> {
        let at = self.open.iter().position(|one| Some(one.index) == index);
        at.ok_or_else(|| Broken::new("an event is about a block that is not open"))
    }

    fn delta(&mut self, mut event: Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let at = self.opened(event.index)?;
        let Some(Open { index, block }) = self.open.get_mut(at) else {
            return Ok(());
        };
        if !matches!(block, Block::Opaque(_))
            && let Some(raw) = event.raw.take()
        {
            event.step = Some(step(&mut raw.reader(), &mut self.unknown)?);
        }
        let delta = match (block, event.step, event.raw) {
            (Block::Opaque(assembly), None, Some(raw)) => {
                assembly.push(&mut raw.reader())?;
                return Ok(());
            }
            (Block::Text, Some(Step::Text(words)), _)
            | (Block::Thinking, Some(Step::Thinking(words)), _) => {
                if words.is_empty() {
                    return Ok(());
                }
                Delta::Text(words)
            }
            (Block::Text, Some(Step::Citation(citation)), _) => Delta::Citation(citation),
            (Block::Thinking, Some(Step::Signature(signed)), _) => match signed {
                Some(signed) => Delta::Opaque(Box::new(signed)),
                None => return Ok(()),
            },
            (Block::Call(checked), Some(Step::Input(more)), _) => {
                if more.is_empty() {
                    return Ok(());
                }
                if let Some(so_far) = checked {
                    so_far.push_str(&more);
                    if so_far.len() > CHECKED_BYTES {
                        *checked = None;
                    }
                }
                Delta::Arguments(more)
            }
            (_, Some(Step::Unknown), _) => return Ok(()),
            (_, None, None) => return Err(Broken::new("a content_block_delta has no delta")),
            (_, Some(_), _) | (_, None, Some(_)) => {
                return Err(Broken::new("a delta is of another kind than its block"));
            }
        };
        events.push(said(*index, delta));
        Ok(())
    }

    fn block_end(&mut self, event: &Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let at = self.opened(event.index)?;
        let Open { index: part, block } = self.open.remove(at);
        match block {
            Block::Call(Some(arguments)) if arguments.is_empty() => {
                // The whole answer says `{}` here.
                events.push(said(part, Delta::Arguments("{}".to_owned())));
            }
            Block::Call(Some(arguments)) => {
                let mut reader = Reader::over(&arguments);
                if reader.skip().and_then(|_| reader.end()).is_err() {
                    return Err(Broken::new("the arguments of a tool call are no JSON"));
                }
            }
            Block::Opaque(assembly) => {
                events.push(said(part, Delta::Raw(assembly.finish()?)));
            }
            Block::Text | Block::Thinking | Block::Redacted | Block::Call(None) => {}
        }
        events.push(StreamEvent::PartEnd { candidate: 0, part });
        Ok(())
    }

    /// Reads the reason to stop and the usage so far.
    fn ending(&mut self, event: Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if !self.open.is_empty() {
            return Err(Broken::new("the message ended inside a block"));
        }
        match (event.reason, &self.stop) {
            (Some(reason), None) => {
                self.stop = Some(reason.clone());
                events.push(StreamEvent::Finish {
                    candidate: 0,
                    finish: finish(reason, event.stop_sequence),
                    extra: Box::new(event.extra),
                });
            }
            (Some(reason), Some(told)) if reason != *told => {
                return Err(Broken::new("the message stopped for two reasons"));
            }
            (Some(_) | None, _) => {}
        }
        if event.counted {
            let (usage, _) = self.counts.counted();
            events.push(StreamEvent::Usage(Box::new(usage)));
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if !self.open.is_empty() {
            return Err(Broken::new("message_stop came inside a block"));
        }
        if self.stop.is_none() {
            return Err(Broken::new("message_stop came without a stop_reason"));
        }
        self.stage = Stage::Whole;
        events.push(StreamEvent::End);
        Ok(())
    }
}

impl EventDecoder for Decoder {
    fn push(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let taken = self.take(frame, events);
        if taken.is_err() {
            self.stage = Stage::Failed;
        }
        taken
    }

    fn finish(&mut self, _end: End, _events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match self.stage {
            Stage::Whole => Ok(()),
            Stage::Failed => Err(Broken::new("the stream failed")),
            Stage::Waiting => Err(Broken::new("the stream ended before message_start")),
            Stage::Started => Err(Broken::new("the stream ended before message_stop")),
        }
    }

    fn unknown_fields(&self) -> &[String] {
        &self.unknown.names
    }

    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}

fn said(part: u64, delta: Delta) -> StreamEvent {
    StreamEvent::Delta {
        candidate: 0,
        part,
        delta,
    }
}
