//! Reads a stream: the API's events in, the hub's out.
//!
//! On a road without translation this runs beside the bytes on every event, so
//! it reads each event once and copies only what grows the answer. It must
//! never pass over what it cannot read, and never end what the provider did not.

use super::block::{ANSWER, Block, Step, begin, step, whole_arguments};
use crate::bedrock_converse::failure;
use crate::bedrock_converse::response::usage::{finish, read_usage};
use crate::bedrock_converse::response::{ASIDES, AT_THE_END, read_tier};
use crate::bedrock_converse::wire::{required, text};
use crate::chat::{Delta, Extra, Finish, PartStart, Start, StreamEvent, Usage};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::Frame;
use crate::json::{Invalid, Kind, Reader};

/// Most blocks that may be open at once.
const OPEN: usize = 64;
/// Most names of unknown fields that are kept.
const UNKNOWN: usize = 32;
/// Letters of such a name.
const LETTERS: usize = 64;

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    /// How many blocks have begun.
    parts: u64,
    /// The least index that a new block may have.
    next_index: u64,
    /// Open blocks: index, number of the part, and how far it is.
    open: Vec<(u64, u64, Block)>,
    /// The reason to stop and what stood beside it, until all that belongs there was told.
    stop: Option<Box<(Finish, Extra)>>,
    unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Started,
    /// `messageStop` was seen.
    Stopped,
    /// `metadata` was seen after it.
    Told,
    /// The body ended well.
    Whole,
    Failed,
}

/// An event as it was read, before its meaning is weighed.
#[derive(Default)]
struct Event {
    index: Option<u64>,
    role: bool,
    start: Option<(Block, PartStart)>,
    step: Option<Step>,
    reason: Option<String>,
    usage: Option<Box<Usage>>,
    tier: Option<String>,
    extra: Extra,
}

impl Decoder {
    pub(crate) fn new(_candidates: u64) -> Self {
        Self {
            stage: Stage::Waiting,
            parts: 0,
            next_index: 0,
            open: Vec::new(),
            stop: None,
            unknown: Vec::new(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if self.stage == Stage::Failed {
            return Err(Broken::new("an event came after a failure"));
        }
        if let Some(kind) = failed(&frame.event) {
            self.stage = Stage::Failed;
            let error = failure::decode_exception(kind, &frame.data);
            events.push(StreamEvent::Error(Box::new(error)));
            return Ok(());
        }
        let kind = &*frame.event;
        let mut event = Event::default();
        let mut reader = Reader::over(&frame.data).with_unique_keys();
        reader.object(|key, member| self.member(&mut event, (kind, key), member))?;
        reader.end()?;
        self.conclude(kind, event, events)
    }

    /// Reads a member of an event of that kind.
    fn member(
        &mut self,
        event: &mut Event,
        (kind, key): (&str, &str),
        member: &mut Reader<'_>,
    ) -> Result<(), Invalid> {
        match (kind, key) {
            // Padding, so that the length of a message does not tell what it says.
            (_, "p") => {
                member.skip()?;
            }
            ("messageStart", "role") => {
                member.string()?;
                event.role = true;
            }
            (
                "contentBlockStart" | "contentBlockDelta" | "contentBlockStop",
                "contentBlockIndex",
            ) => event.index = Some(member.u64()?),
            ("contentBlockStart", "start") => event.start = Some(begin(member)?),
            ("contentBlockDelta", "delta") => event.step = Some(step(member)?),
            ("messageStop", "stopReason") => event.reason = Some(text(member)?),
            ("metadata", "usage") if member.peek()? == Kind::Object => {
                event.usage = Some(Box::new(read_usage(member)?));
            }
            ("metadata", "serviceTier") if member.peek()? == Kind::Object => {
                event.tier = read_tier(member, &mut event.extra)?;
            }
            ("messageStop" | "metadata", key) if AT_THE_END.contains(&key) => {
                event.extra.push(key, member.json()?);
            }
            _ => {
                if !member.null()? {
                    member.skip()?;
                    self.note(kind, key);
                }
            }
        }
        Ok(())
    }

    /// Keeps the name of what was passed over.
    fn note(&mut self, of: &str, name: &str) {
        let short = |name: &str| name.chars().take(LETTERS).collect::<String>();
        let name = format!("{}.{}", short(of), short(name));
        if self.unknown.len() < UNKNOWN && !self.unknown.contains(&name) {
            self.unknown.push(name);
        }
    }

    /// Says what a whole event means, by the grammar of the stream.
    fn conclude(
        &mut self,
        kind: &str,
        event: Event,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        match (kind, self.stage) {
            ("messageStart", Stage::Waiting) => {
                required(event.role.then_some(()), "role")?;
                self.stage = Stage::Started;
                let mut start = Start::default();
                start.extra.note(ANSWER);
                events.push(StreamEvent::Start(Box::new(start)));
            }
            ("messageStart", _) => return Err(Broken::new("the message started twice")),
            ("contentBlockStart", Stage::Started) => {
                let start = required(event.start, "start")?;
                self.begin(event.index, start, events)?;
            }
            ("contentBlockDelta", Stage::Started) => self.delta(event, events)?,
            ("contentBlockStop", Stage::Started) => self.block_end(event.index, events)?,
            ("messageStop", Stage::Started) => self.ending(event)?,
            ("metadata", Stage::Stopped) => self.metadata(event, events),
            (
                "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop",
                Stage::Waiting,
            ) => return Err(Broken::new("the stream does not begin with messageStart")),
            (
                "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop"
                | "metadata",
                _,
            ) => return Err(Broken::new("an event came where none of its kind may")),
            ("", _) => return Err(Broken::new("an event has no type")),
            // The client libraries pass over kinds that they do not know.
            (other, _) => self.note("event", other),
        }
        Ok(())
    }

    fn begin(
        &mut self,
        index: Option<u64>,
        (block, start): (Block, PartStart),
        events: &mut Vec<StreamEvent>,
    ) -> Result<u64, Broken> {
        let index = required(index, "contentBlockIndex")?;
        if index < self.next_index {
            return Err(Broken::new("a block began that had begun before"));
        }
        if self.open.len() == OPEN {
            return Err(Broken::new(
                "more blocks are open at once than any answer has",
            ));
        }
        self.next_index = index.saturating_add(1);
        let part = self.parts;
        self.parts += 1;
        self.open.push((index, part, block));
        events.push(StreamEvent::PartStart {
            candidate: 0,
            part,
            start,
        });
        Ok(index)
    }

    fn delta(&mut self, event: Event, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let step = required(event.step, "delta")?;
        let index = required(event.index, "contentBlockIndex")?;
        if !self.open.iter().any(|(open, ..)| *open == index) {
            let Some(opened) = step.opens() else {
                return Err(Broken::new("a delta is about a block that is not open"));
            };
            self.begin(Some(index), opened, events)?;
        }
        let open = self.open.iter_mut().find(|(open, ..)| *open == index);
        let Some((_, part, block)) = open else {
            return Ok(());
        };
        let part = *part;
        let delta = match (block, step) {
            (Block::Text, Step::Text(words)) | (Block::Reasoning, Step::Thought(words)) => {
                if words.is_empty() {
                    return Ok(());
                }
                Delta::Text(words)
            }
            (Block::Text, Step::Citation(citation)) => Delta::Citation(citation),
            (Block::Reasoning, Step::Signed(opaque)) => Delta::Opaque(Box::new(opaque)),
            (Block::Call(so_far), Step::Input(more)) => {
                if more.is_empty() {
                    return Ok(());
                }
                so_far.push_str(&more);
                Delta::Arguments(more)
            }
            (Block::Opaque(assembly), step) => return assembly.push(step),
            (Block::Text | Block::Reasoning | Block::Call(_), Step::Other(kind, _)) => {
                self.note("delta", &kind);
                return Ok(());
            }
            (Block::Text | Block::Reasoning | Block::Call(_), _) => {
                return Err(Broken::new("a delta is of another kind than its block"));
            }
        };
        events.push(said(part, delta));
        Ok(())
    }

    fn block_end(
        &mut self,
        index: Option<u64>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let index = required(index, "contentBlockIndex")?;
        if index >= self.next_index {
            // A block that said nothing.
            self.begin(Some(index), (Block::Text, PartStart::Text), events)?;
        }
        let at = self.open.iter().position(|(open, ..)| *open == index);
        let at = at.ok_or_else(|| Broken::new("a block ended that is not open"))?;
        let (_, part, block) = self.open.remove(at);
        match block {
            Block::Call(arguments) => {
                if let Some(lacking) = whole_arguments(&arguments)? {
                    // The whole answer says so here.
                    events.push(said(part, Delta::Arguments(lacking.to_owned())));
                }
            }
            Block::Opaque(assembly) => {
                events.push(said(part, Delta::Raw(assembly.finish()?)));
            }
            Block::Text | Block::Reasoning => {}
        }
        events.push(StreamEvent::PartEnd { candidate: 0, part });
        Ok(())
    }

    /// Keeps the reason to stop until `metadata`, or the end of the body, says what belongs to it.
    fn ending(&mut self, event: Event) -> Result<(), Broken> {
        if !self.open.is_empty() {
            return Err(Broken::new("the message stopped inside a block"));
        }
        let reason = event.reason.filter(|word| !word.is_empty());
        let reason = reason.ok_or_else(|| Broken::new("the message stopped without a reason"))?;
        let mut extra = event.extra;
        extra.set_asides(ASIDES);
        self.stop = Some(Box::new((finish(reason)?, extra)));
        self.stage = Stage::Stopped;
        Ok(())
    }

    fn metadata(&mut self, event: Event, events: &mut Vec<StreamEvent>) {
        if let Some(stop) = &mut self.stop {
            stop.0.service_tier = event.tier;
            for (name, value) in event.extra.iter() {
                stop.1.push(name, value.clone());
            }
        }
        self.tell(events);
        events.extend(event.usage.map(StreamEvent::Usage));
        self.stage = Stage::Told;
    }

    /// Tells the reason to stop, if it waits.
    fn tell(&mut self, events: &mut Vec<StreamEvent>) {
        let stop = self.stop.take();
        events.extend(stop.map(|stop| StreamEvent::Finish {
            candidate: 0,
            finish: stop.0,
            extra: Box::new(stop.1),
        }));
    }
}

/// The type of an exception or error, where the frame is one.
fn failed(event: &str) -> Option<&str> {
    let kind = event.strip_prefix("exception:");
    kind.or_else(|| event.strip_prefix("error:"))
}

impl EventDecoder for Decoder {
    fn push(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let taken = self.take(frame, events);
        if taken.is_err() {
            self.stage = Stage::Failed;
        }
        taken
    }

    fn finish(&mut self, end: End, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match (self.stage, end) {
            (Stage::Stopped | Stage::Told, End::Clean) => {
                self.tell(events);
                self.stage = Stage::Whole;
                events.push(StreamEvent::End);
                Ok(())
            }
            // The stream has no last event: that nothing is missing is told by its end.
            (Stage::Stopped | Stage::Told, End::Cut) => {
                Err(Broken::new("the stream was cut after messageStop"))
            }
            (Stage::Whole, _) => Ok(()),
            (Stage::Failed, _) => Err(Broken::new("the stream failed")),
            (Stage::Waiting, _) => Err(Broken::new("the stream ended before messageStart")),
            (Stage::Started, _) => Err(Broken::new("the stream ended before messageStop")),
        }
    }

    fn unknown_fields(&self) -> &[String] {
        &self.unknown
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
