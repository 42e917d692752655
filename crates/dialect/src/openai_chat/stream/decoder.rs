//! Reads a stream: chunks in, events out.
//!
//! On a road without translation this runs beside the bytes on every event, so
//! it copies only what the events carry. It must never skip what it cannot
//! read, and never let arguments pass as whole that are not.

use std::mem;

use super::choice::Choice;
use super::chunk::Turn;
use crate::chat::{Extra, Start, StreamEvent, Usage};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::Frame;
use crate::json::{Invalid, Kind, Reader};
use crate::openai_chat::failure;
use crate::openai_chat::response::usage::usage;
use crate::openai_chat::response::{finish, reported};
use crate::openai_chat::wire::{ASIDES, spelled};

/// Most choices in one answer.
const CHOICES: usize = 128;
/// Most members beside the choices that are kept for the envelope.
const BESIDE: usize = 64;
/// Most names of unknown fields that are kept, and most letters of one.
const UNKNOWN: (usize, usize) = (32, 64);

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    wanted: u64,
    state: State,
    /// What the chunks before the first choice said of the answer.
    start: Start,
    started: bool,
    choices: Vec<Choice>,
    unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The proof of completion was seen and told.
    Whole,
    Failed,
}

impl Decoder {
    pub(crate) fn new(candidates: u64) -> Self {
        Self {
            wanted: candidates.max(1),
            state: State::Open,
            start: Start::default(),
            started: false,
            choices: Vec::new(),
            unknown: Vec::new(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        match self.state {
            State::Open => {}
            State::Whole => return Err(Broken::new("data came after the end of the stream")),
            State::Failed => return Err(Broken::new("data came after a failure")),
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            if !self.is_proven() {
                return Err(Broken::new("[DONE] came before every choice had ended"));
            }
            self.state = State::Whole;
            events.push(StreamEvent::End);
            return Ok(());
        }
        if frame.event == "error" {
            self.failed(data, events);
            return Ok(());
        }
        self.chunk(data, events)
    }

    fn failed(&mut self, data: &str, events: &mut Vec<StreamEvent>) {
        self.state = State::Failed;
        let error = failure::decode(data.as_bytes());
        events.push(StreamEvent::Error(Box::new(error)));
    }

    fn is_proven(&self) -> bool {
        let seen = u64::try_from(self.choices.len()).unwrap_or(u64::MAX);
        seen >= self.wanted && self.choices.iter().all(|choice| choice.finished)
    }

    fn chunk(&mut self, data: &str, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let mut reader = Reader::over(data);
        let mut known = false;
        let mut error = false;
        let mut used = None;
        let mut waiting = None;
        let mut told = Ok(());
        reader.object(|key, member| {
            let kind = member.peek()?;
            match key {
                "choices" if kind == Kind::Null => {
                    member.skip()?;
                }
                "choices" => {
                    if mem::replace(&mut known, true) {
                        return Err(Invalid::new("this member stands here twice"));
                    }
                    if kind != Kind::Array {
                        member.array(|_, _| Ok(()))?;
                    } else if self.started {
                        told = self.turns(member, events)?;
                    } else {
                        // The envelope comes first, wherever its members stand.
                        waiting = Some(member.clone());
                        member.skip()?;
                    }
                }
                "error" if kind != Kind::Null => {
                    error = true;
                    member.skip()?;
                }
                "object" => error |= &*member.string()? == "error",
                "usage" if kind == Kind::Object => used = Some(usage(member)?),
                // Said beside every chunk until the usage comes.
                "usage" if kind == Kind::Null => {
                    member.skip()?;
                }
                "x_groq" if kind == Kind::Object => {
                    used = used.take().or(groq_usage(&mut member.clone())?);
                    self.envelope(key, kind, member)?;
                }
                _ if kind == Kind::Null && self.started => {
                    member.skip()?;
                }
                _ => self.envelope(key, kind, member)?,
            }
            Ok(())
        })?;
        reader.end()?;
        told?;
        if error {
            self.failed(data, events);
            return Ok(());
        }
        if let Some(choices) = waiting {
            self.begin(choices, events)?;
        }
        if !known && used.is_none() {
            return Err(Broken::new("data that is no chunk of an answer"));
        }
        if let Some(used) = used {
            events.push(StreamEvent::Usage(Box::new(used)));
        }
        Ok(())
    }

    /// Tells the envelope, if it is one, and reads the choices of the same chunk.
    fn begin(
        &mut self,
        mut choices: Reader<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let any = !is_empty_array(&choices);
        if any || !self.start.id.is_empty() {
            self.started = true;
            let mut start = mem::take(&mut self.start);
            start.extra.note(spelled::OURS);
            start.extra.set_asides(&ASIDES);
            events.push(StreamEvent::Start(Box::new(start)));
        }
        if any {
            self.turns(&mut choices, events)??;
        }
        Ok(())
    }

    /// A member beside the choices: part of the envelope at first, later a repetition.
    fn envelope(&mut self, key: &str, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        const REPEATED: [&str; 6] = ["id", "model", "created", "service_tier", "obfuscation", "p"];
        if self.started {
            if !REPEATED.contains(&key) && !ASIDES.contains(&key) {
                pass(&mut self.unknown, "", key);
            }
            return reader.skip().map(drop);
        }
        let start = &mut self.start;
        match (key, kind) {
            ("id", Kind::String) => start.id = reader.string()?.into_owned(),
            ("model", Kind::String) => start.model = reader.string()?.into_owned(),
            ("created", Kind::Number) if reader.clone().u64().is_ok() => {
                start.created = Some(reader.u64()?).filter(|at| *at > 0);
            }
            ("service_tier", Kind::String) => {
                start.service_tier = Some(reader.string()?.into_owned());
            }
            // Padding against guesses from a chunk's length.
            ("obfuscation" | "p", _) => {
                reader.skip()?;
            }
            _ if start.extra.len() == BESIDE => {
                pass(&mut self.unknown, "", key);
                reader.skip()?;
            }
            _ => {
                start.extra.take(key);
                start.extra.push(key, reader.json()?);
            }
        }
        Ok(())
    }

    /// Reads `choices`; the outer error is of the text, the inner of the grammar.
    fn turns(
        &mut self,
        reader: &mut Reader<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<Result<(), Broken>, Invalid> {
        let mut told = Ok(());
        reader.array(|_, element| {
            let whole = element.clone();
            let unknown = &mut self.unknown;
            let before = unknown.len();
            let turn = Turn::read(element, &mut |place, key| pass(unknown, place, key))?;
            if turn.finish.is_some() {
                // What stands beside the last delta is kept with the end of the choice.
                let mut at = 0;
                unknown.retain(|name| {
                    at += 1;
                    at <= before || name.starts_with("choices[].delta.")
                });
            }
            if told.is_ok() {
                told = self.turn(turn, whole, events);
            }
            Ok(())
        })?;
        Ok(told)
    }

    fn turn(
        &mut self,
        turn: Turn<'_>,
        whole: Reader<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let index = turn.index;
        let at = self.choices.iter().position(|choice| choice.index == index);
        if at.is_none() {
            if self.choices.len() == CHOICES {
                return Err(Broken::new("more choices than an answer may have"));
            }
            self.choices.push(Choice::new(index));
        }
        let at = at.unwrap_or(self.choices.len() - 1);
        let Some(choice) = self.choices.get_mut(at) else {
            return Ok(());
        };
        if let Some(error) = turn.error {
            return Err(reported(error));
        }
        let finish = turn.finish.map(|raw| finish(raw.into_owned()));
        let finish = finish.transpose()?;
        if choice.finished {
            // Some providers say the end twice.
            return if turn.said.is_empty() {
                Ok(())
            } else {
                Err(Broken::new("a choice goes on after its finish_reason"))
            };
        }
        choice.hear(turn.said, events)?;
        if let Some(mut logprobs) = turn.logprobs {
            events.push(StreamEvent::Logprobs {
                candidate: index,
                value: logprobs.json()?,
            });
        }
        if let Some(finish) = finish {
            choice.end(finish.reason, events)?;
            events.push(StreamEvent::Finish {
                candidate: index,
                finish,
                extra: Box::new(last_extra(whole)?),
            });
        }
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
            (State::Open, End::Clean) if self.is_proven() => {
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

fn pass(unknown: &mut Vec<String>, place: &str, name: &str) {
    let (names, letters) = UNKNOWN;
    let name = name
        .get(..name.floor_char_boundary(letters))
        .unwrap_or_default();
    let seen = |known: &String| known.strip_prefix(place) == Some(name);
    if unknown.len() < names && !unknown.iter().any(seen) {
        unknown.push(format!("{place}{name}"));
    }
}

fn is_empty_array(reader: &Reader<'_>) -> bool {
    let mut any = false;
    let read = reader.clone().array(|_, element| {
        any = true;
        element.skip().map(drop)
    });
    read.is_ok() && !any
}

/// What else stood beside a choice's last delta.
fn last_extra(mut choice: Reader<'_>) -> Result<Extra, Invalid> {
    let mut extra = Extra::default();
    extra.set_asides(&ASIDES);
    choice.object(|key, member| {
        match (key, member.peek()?) {
            // Probabilities came in events of their own, beside the deltas.
            ("index" | "delta" | "finish_reason", _) | ("logprobs", Kind::Object | Kind::Null) => {
                member.skip()?;
            }
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    Ok(extra)
}

/// Groq's place for usage in streams.
fn groq_usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, Invalid> {
    let mut found = None;
    reader.object(|key, member| {
        if key == "usage" && member.peek()? == Kind::Object {
            found = Some(usage(member)?);
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    Ok(found)
}
