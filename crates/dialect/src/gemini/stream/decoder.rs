//! Reads a stream: chunks in, events out.
//!
//! On a road without translation this runs beside the bytes on every event, so it copies
//! only what the events carry. It must never skip what it cannot read, and never take the
//! body's end for the answer's where a candidate has no reason.

use super::candidate::Turn;
use super::voice::Voice;
use crate::chat::{Start, StreamEvent, Usage};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::{Frame, json_array};
use crate::gemini::failure;
use crate::gemini::response::block_reason;
use crate::gemini::response::candidate::keep;
use crate::gemini::response::finish::{blocked, finish};
use crate::gemini::response::usage::{counts_something, read_usage};
use crate::gemini::wire::{spelled, text, with_asides};
use crate::json::{Invalid, Kind, Reader};

/// Most candidates in one answer.
const CANDIDATES: usize = 128;
/// Most members beside the candidates that are kept for the envelope.
const BESIDE: usize = 64;
/// Most names of unknown fields that are kept.
const UNKNOWN: usize = 32;
/// Most letters of one.
const LETTERS: usize = 64;

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    wanted: u64,
    state: State,
    /// What the chunks before the first candidate said of the answer.
    start: Start,
    started: bool,
    voices: Vec<Voice>,
    /// Whether the prompt was refused, so that no candidate comes.
    blocked: bool,
    /// Whether usage was told.
    counted: bool,
    /// Whether the stream is one array, which has to be closed.
    array: bool,
    unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The proof of completion was seen and told.
    Whole,
    Failed,
}

/// What a chunk says beside its envelope.
#[derive(Default)]
struct Chunk<'a> {
    candidates: Option<Reader<'a>>,
    usage: Option<Usage>,
    block: Option<String>,
    /// Whether it says anything that an answer's chunk says.
    known: bool,
    error: bool,
}

impl Decoder {
    pub(crate) fn new(candidates: u64) -> Self {
        let mut start = Start {
            extra: with_asides(),
            ..Start::default()
        };
        start.extra.note(spelled::ANSWER);
        Self {
            wanted: candidates.max(1),
            state: State::Open,
            start,
            started: false,
            voices: Vec::new(),
            blocked: false,
            counted: false,
            array: false,
            unknown: Vec::new(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match self.state {
            State::Open => {}
            State::Whole => return Err(Broken::new("data came after the end of the stream")),
            State::Failed => return Err(Broken::new("data came after a failure")),
        }
        self.array |= frame.event == json_array::ELEMENT;
        if frame.event == json_array::CLOSE {
            if frame.data != "]" {
                return Err(Broken::new("something stands between the array's elements"));
            }
            if !self.is_proven() {
                return Err(Broken::new(
                    "the array closed before every candidate had ended",
                ));
            }
            self.state = State::Whole;
            events.push(StreamEvent::End);
            return Ok(());
        }
        let mut reader = Reader::over(&frame.data);
        let chunk = self.chunk(&mut reader)?;
        if chunk.error || frame.event == "error" {
            self.state = State::Failed;
            let error = failure::decode(frame.data.as_bytes());
            events.push(StreamEvent::Error(Box::new(error)));
            return Ok(());
        }
        self.conclude(chunk, events)
    }

    fn is_proven(&self) -> bool {
        let seen = u64::try_from(self.voices.len()).unwrap_or(u64::MAX);
        let all = self.voices.iter().all(|voice| voice.finished);
        all && (self.blocked || seen >= self.wanted)
    }

    fn chunk<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Chunk<'a>, Broken> {
        let mut chunk = Chunk::default();
        reader.object(|key, member| {
            match (key, member.peek()?) {
                ("candidates", Kind::Array) => {
                    if chunk.candidates.is_some() {
                        return Err(Invalid::new("this member stands here twice"));
                    }
                    // The envelope comes first, wherever its members stand.
                    chunk.candidates = Some(member.clone());
                    member.skip()?;
                    chunk.known = true;
                }
                ("candidates", kind) if kind != Kind::Null => member.array(|_, _| Ok(()))?,
                ("error", kind) if kind != Kind::Null => {
                    chunk.error = true;
                    member.skip()?;
                }
                ("usageMetadata", Kind::Object) => {
                    let (usage, tier) = read_usage(member)?;
                    if !self.started && tier.is_some() {
                        self.start.service_tier = tier;
                    }
                    chunk.usage = Some(usage);
                    chunk.known = true;
                }
                ("promptFeedback", Kind::Object) => {
                    let feedback = member.json()?;
                    chunk.block = block_reason(&feedback);
                    chunk.known = true;
                    if !self.started {
                        keep(&mut self.start.extra, key, feedback);
                    }
                }
                (_, Kind::Null) => {
                    member.skip()?;
                }
                (_, kind) => self.envelope(key, kind, member)?,
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(chunk)
    }

    /// A member beside the candidates: part of the envelope at first, later a repetition.
    fn envelope(&mut self, key: &str, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        const REPEATED: [&str; 3] = ["modelVersion", "responseId", "createTime"];
        if self.started {
            if !REPEATED.contains(&key) {
                self.pass(key);
            }
            return reader.skip().map(drop);
        }
        let start = &mut self.start;
        match (key, kind) {
            ("modelVersion", Kind::String) => start.model = text(reader)?,
            ("responseId", Kind::String) => start.id = text(reader)?,
            _ if start.extra.len() >= BESIDE => {
                self.pass(key);
                reader.skip()?;
            }
            _ => keep(&mut start.extra, key, reader.json()?),
        }
        Ok(())
    }

    fn pass(&mut self, name: &str) {
        let name = name
            .get(..name.floor_char_boundary(LETTERS))
            .unwrap_or_default();
        if self.unknown.len() < UNKNOWN && !self.unknown.iter().any(|known| known == name) {
            self.unknown.push(name.to_owned());
        }
    }

    /// Says what a whole chunk means.
    fn conclude(&mut self, chunk: Chunk<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if !chunk.known {
            return Err(Broken::new("data that is no chunk of an answer"));
        }
        if !self.started && (chunk.candidates.is_some() || chunk.block.is_some()) {
            self.started = true;
            if chunk.block.is_some() {
                self.start.extra.note(spelled::BLOCKED);
            }
            let start = std::mem::take(&mut self.start);
            self.start.id.clone_from(&start.id);
            events.push(StreamEvent::Start(Box::new(start)));
        }
        if let Some(mut candidates) = chunk.candidates {
            let mut told = Ok(());
            candidates.array(|_, element| {
                let turn = Turn::read(element)?;
                if told.is_ok() {
                    told = self.turn(turn, events);
                }
                Ok(())
            })?;
            told?;
        }
        if let Some(reason) = chunk.block {
            self.refused(reason, events)?;
        }
        // A chunk may tell of usage without counting anything, be it before or behind one that does.
        if let Some(usage) = chunk.usage.filter(|u| !self.counted || counts_something(u)) {
            self.counted = true;
            events.push(StreamEvent::Usage(Box::new(usage)));
        }
        Ok(())
    }

    fn refused(&mut self, reason: String, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if !self.voices.is_empty() {
            return Err(Broken::new(
                "the prompt was refused after an answer to it began",
            ));
        }
        if !std::mem::replace(&mut self.blocked, true) {
            events.push(StreamEvent::Finish {
                candidate: 0,
                finish: blocked(reason),
                extra: Box::new(with_asides()),
            });
        }
        Ok(())
    }

    fn turn(&mut self, turn: Turn<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if self.blocked {
            return Err(Broken::new("an answer came to a prompt that was refused"));
        }
        if let Some(name) = &turn.unknown {
            self.pass(&format!("candidates[].{name}"));
        }
        let index = turn.index;
        let at = self.voices.iter().position(|voice| voice.index == index);
        if at.is_none() {
            if self.voices.len() == CANDIDATES {
                return Err(Broken::new("more candidates than an answer may have"));
            }
            self.voices.push(Voice::new(index, &self.start.id));
        }
        let at = at.unwrap_or(self.voices.len() - 1);
        let Some(voice) = self.voices.get_mut(at) else {
            return Ok(());
        };
        if voice.finished {
            // A last chunk may tell usage beside an empty candidate.
            return if turn.parts.is_some() {
                Err(Broken::new("a candidate goes on after its finishReason"))
            } else {
                Ok(())
            };
        }
        let mut passed = Vec::new();
        for (name, value) in turn.beside {
            if voice.beside.len() < BESIDE || voice.beside.get(&name).is_some() {
                keep(&mut voice.beside, &name, value);
            } else {
                passed.push(name);
            }
        }
        if let Some(mut parts) = turn.parts {
            let mut told = Ok(());
            parts.array(|_, part| {
                let mut each = part.clone();
                part.skip()?;
                if told.is_ok() {
                    told = voice.hear(&mut each, events);
                }
                Ok(())
            })?;
            told?;
        }
        voice.cite(turn.citations, events);
        if let Some(value) = turn.logprobs {
            events.push(StreamEvent::Logprobs {
                candidate: index,
                value,
            });
        }
        if let Some(raw) = turn.finish {
            let finish = finish(raw, voice.asks());
            voice.end(finish.reason, events)?;
            events.push(StreamEvent::Finish {
                candidate: index,
                finish,
                extra: Box::new(std::mem::take(&mut voice.beside)),
            });
        }
        passed
            .iter()
            .for_each(|name| self.pass(&format!("candidates[].{name}")));
        Ok(())
    }
}

impl EventDecoder for Decoder {
    fn push(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let taken = self.take(frame, events);
        if taken.is_err() {
            self.state = State::Failed;
        }
        taken
    }

    fn finish(&mut self, end: End, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match (self.state, end) {
            (State::Whole, _) => Ok(()),
            (State::Open, End::Clean) if self.is_proven() && !self.array => {
                self.state = State::Whole;
                events.push(StreamEvent::End);
                Ok(())
            }
            (State::Open, _) => {
                self.state = State::Failed;
                Err(Broken::new("the stream ended without proof of completion"))
            }
            (State::Failed, _) => Err(Broken::new("the stream failed before its end")),
        }
    }

    fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }

    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}
