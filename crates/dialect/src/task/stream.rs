//! Answers that come as events: carried-on prompts, images, speech, words that were heard.
//!
//! What is read is what proves the end and what was used; the bytes themselves go on as they came.

use crate::chat::{Delta, Finish, FinishReason, Start, StreamEvent, Usage};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::Frame;
use crate::json::{Invalid, Kind, Reader};
use crate::openai_chat::{failure_at, usage_at};

use super::answer::{as_images, usage};

/// What proves that a stream is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// So many choices have a `finish_reason`, and then `[DONE]` or the clean end of the body.
    Done {
        /// How many.
        choices: u64,
    },
    /// So many events of one of these types.
    Events {
        /// The types.
        words: &'static [&'static str],
        /// How many.
        count: u64,
        /// Whether the answer is images.
        draws: bool,
    },
}

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    ends: Ends,
    started: bool,
    /// Choices that have ended, or events that prove an end.
    ended: Vec<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Whole,
    Failed,
}

impl Decoder {
    pub(super) fn new(ends: Ends) -> Self {
        Self {
            ends,
            started: false,
            ended: Vec::new(),
            state: State::Open,
        }
    }

    fn is_proven(&self) -> bool {
        let due = match self.ends {
            Ends::Done { choices } => choices,
            Ends::Events { count, .. } => count,
        };
        u64::try_from(self.ended.len()).is_ok_and(|ended| ended >= due.max(1))
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
                return Err(Broken::new("[DONE] came before the answer had ended"));
            }
            self.end(events);
            return Ok(());
        }
        let said = Said::read(data)?;
        if said.failed || frame.event == "error" {
            self.state = State::Failed;
            let error = failure_at(data.as_bytes());
            events.push(StreamEvent::Error(Box::new(error)));
            return Ok(());
        }
        self.tell(said, events)
    }

    fn tell(&mut self, said: Said, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if !self.started {
            self.started = true;
            events.push(StreamEvent::Start(Box::new(Start {
                model: said.model,
                ..Start::default()
            })));
        }
        let ends_all = match self.ends {
            Ends::Done { .. } => {
                if !said.has_choices && said.usage.is_none() {
                    return Err(Broken::new("data that is no chunk of an answer"));
                }
                self.choices(&said.choices, events)?;
                false
            }
            Ends::Events { words, .. } => {
                if said.kind.is_empty() {
                    return Err(Broken::new("an event without a type"));
                }
                let ends = words.contains(&said.kind.as_str());
                if ends {
                    let number = u64::try_from(self.ended.len()).unwrap_or(u64::MAX);
                    self.ended.push(number);
                    events.push(finished(number, String::new()));
                } else {
                    events.push(delta(0, said.text));
                }
                ends && self.is_proven()
            }
        };
        if let Some(mut used) = said.usage {
            if matches!(self.ends, Ends::Events { draws: true, .. }) {
                as_images(&mut used);
            }
            events.push(StreamEvent::Usage(Box::new(used)));
        }
        if ends_all {
            self.end(events);
        }
        Ok(())
    }

    fn choices(&mut self, choices: &[Choice], events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        for choice in choices {
            if self.ended.contains(&choice.index) {
                if choice.text.is_empty() {
                    continue;
                }
                return Err(Broken::new("a choice goes on after its finish_reason"));
            }
            events.push(delta(choice.index, choice.text.clone()));
            if let Some(reason) = &choice.finish {
                self.ended.push(choice.index);
                events.push(finished(choice.index, reason.clone()));
            }
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) {
        self.state = State::Whole;
        events.push(StreamEvent::End);
    }
}

fn delta(candidate: u64, text: String) -> StreamEvent {
    StreamEvent::Delta {
        candidate,
        part: 0,
        delta: Delta::Text(text),
    }
}

fn finished(candidate: u64, raw: String) -> StreamEvent {
    let finish = Finish {
        service_tier: None,
        reason: FinishReason::Stop,
        raw,
        stop_sequence: None,
    };
    StreamEvent::Finish {
        candidate,
        finish,
        extra: Box::default(),
    }
}

/// What one event says.
#[derive(Default)]
struct Said {
    kind: String,
    model: String,
    text: String,
    has_choices: bool,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    failed: bool,
}

#[derive(Default)]
struct Choice {
    index: u64,
    text: String,
    finish: Option<String>,
}

impl Said {
    fn read(data: &str) -> Result<Self, Invalid> {
        let mut said = Self::default();
        let mut reader = Reader::over(data);
        reader.object(|key, value| {
            match (key, value.peek()?) {
                ("type" | "object", Kind::String) => {
                    let word = value.string()?;
                    said.failed |= word == "error";
                    if key == "type" {
                        said.kind = word.into_owned();
                    }
                }
                ("model", Kind::String) => said.model = value.string()?.into_owned(),
                ("delta", Kind::String) => said.text = value.string()?.into_owned(),
                ("choices", Kind::Array) => {
                    said.has_choices = true;
                    value.array(|_, choice| {
                        said.choices.push(Choice::read(choice)?);
                        Ok(())
                    })?;
                }
                ("usage", Kind::Object) => {
                    let of_chat = value.clone();
                    said.usage = Some(usage(value)?);
                    if said.has_choices {
                        said.usage = Some(usage_at(&mut of_chat.clone())?);
                    }
                }
                ("error", kind) => {
                    said.failed |= kind != Kind::Null;
                    value.skip()?;
                }
                _ => {
                    value.skip()?;
                }
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(said)
    }
}

impl Choice {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let mut choice = Self::default();
        reader.object(|key, value| {
            match (key, value.peek()?) {
                ("index", Kind::Number) => choice.index = value.u64()?,
                ("text", Kind::String) => choice.text = value.string()?.into_owned(),
                ("finish_reason", Kind::String) => {
                    choice.finish = Some(value.string()?.into_owned());
                }
                _ => {
                    value.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(choice)
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
                self.end(events);
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
        &[]
    }

    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}
