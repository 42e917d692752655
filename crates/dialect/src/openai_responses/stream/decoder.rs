//! Reads a stream: events in, the hub's out.
//!
//! On a road without translation this runs beside the bytes on every event, so
//! it reads each event once and copies only what grows the answer. It must
//! never pass over what it cannot read, and never end what the provider did not.

use std::borrow::Cow;

use super::event::{Event, Unknown};
use super::open::{Open, Told};
use crate::chat::{Extra, Start, StreamEvent};
use crate::codec::{Broken, End, EventDecoder};
use crate::frame::Frame;
use crate::json::{Invalid, Json, Kind, Reader};
use crate::openai_responses::failure;
use crate::openai_responses::response::envelope::{COMPLETED, Ending, INCOMPLETE, ending};
use crate::openai_responses::response::usage::usage;
use crate::openai_responses::wire::{ECHO, kind_of, required, spelled, text};

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    /// How many parts have begun.
    parts: u64,
    /// How many items have begun.
    pub(super) items: u64,
    /// The least place that the next item may have; some places stay empty.
    pub(super) next: u64,
    pub(super) open: Vec<Open>,
    /// Whether tools of the application are asked for.
    pub(super) calls: bool,
    /// Whether a call broke off inside its arguments.
    pub(super) cut_call: bool,
    pub(super) unknown: Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Started,
    /// The proof of completion was seen and told.
    Whole,
    Failed,
}

impl Decoder {
    pub(crate) fn new(_candidates: u64) -> Self {
        Self {
            stage: Stage::Waiting,
            parts: 0,
            items: 0,
            next: 0,
            open: Vec::new(),
            calls: false,
            cut_call: false,
            unknown: Unknown::default(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let data = frame.data.trim_ascii();
        match self.stage {
            Stage::Waiting | Stage::Started => {}
            // Some close with chat's mark.
            Stage::Whole if data == "[DONE]" => return Ok(()),
            Stage::Whole => return Err(Broken::new("an event came after the answer's end")),
            Stage::Failed => return Err(Broken::new("an event came after a failure")),
        }
        if data.is_empty() {
            return Ok(());
        }
        let kind = match &*frame.event {
            "" | "message" => kind_of(&Reader::over(data))?,
            named => Cow::Borrowed(named),
        };
        if kind == "error" {
            self.fail(data, events);
            return Ok(());
        }
        let event = Event::read(data, &kind, &mut self.unknown)?;
        if kind == "response.failed" {
            self.fail(data, events);
            return Ok(());
        }
        self.conclude(&kind, event, events)
    }

    fn fail(&mut self, data: &str, events: &mut Vec<StreamEvent>) {
        self.stage = Stage::Failed;
        let error = failure::decode(data.as_bytes());
        events.push(StreamEvent::Error(Box::new(error)));
    }

    /// Says what a whole event means, by the grammar of the stream.
    fn conclude(
        &mut self,
        kind: &str,
        event: Event<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        match (kind, self.stage) {
            ("keepalive", _) => {
                events.push(StreamEvent::Ping);
                return Ok(());
            }
            ("response.created" | "response.queued" | "response.in_progress", Stage::Waiting) => {
                return self.start(event, events);
            }
            ("response.created", _) => return Err(Broken::new("the answer began twice")),
            ("response.queued" | "response.in_progress", _) => {
                required(event.response, "response")?;
                return Ok(());
            }
            (_, Stage::Waiting) => {
                return Err(Broken::new(
                    "the stream does not begin with response.created",
                ));
            }
            ("response.completed", _) => return self.end(COMPLETED, event, events),
            ("response.incomplete", _) => return self.end(INCOMPLETE, event, events),
            ("response.cancelled", _) => return Err(Broken::new("the answer was cancelled")),
            _ => {}
        }
        let mut parts = self.parts;
        let mut told = Told {
            parts: &mut parts,
            events,
        };
        let result = self.step(kind, event, &mut told);
        self.parts = parts;
        result
    }

    fn start(&mut self, event: Event<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let mut start = Box::new(Start::default());
        start.extra.note(spelled::OURS);
        start.extra.set_asides(&ECHO);
        required(event.response, "response")?.object(|key, member| {
            match (key, member.peek()?) {
                ("id", Kind::String) => start.id = text(member)?,
                ("model", Kind::String) => start.model = text(member)?,
                ("created_at", Kind::Number) if member.clone().u64().is_ok() => {
                    start.created = Some(member.u64()?);
                }
                ("service_tier", Kind::String) => start.service_tier = Some(text(member)?),
                ("status" | "usage", _) => {
                    member.skip()?;
                }
                ("output", Kind::Array) => {
                    member.array(|_, _| Err(Invalid::new("output before the first item")))?;
                }
                _ => start.extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        self.stage = Stage::Started;
        events.push(StreamEvent::Start(start));
        Ok(())
    }

    /// The end of the answer, which must say the same as the event's name.
    fn end(
        &mut self,
        word: &str,
        event: Event<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let mut end = Ending::default();
        let mut extra = Extra::default();
        extra.set_asides(&ECHO);
        let (mut used, mut output) = (None, None);
        required(event.response, "response")?.object(|key, member| {
            match (key, member.peek()?) {
                ("status", Kind::String) => end.status = text(member)?,
                ("usage", Kind::Object) => used = Some(usage(member)?),
                ("output", Kind::Array) => {
                    output = Some(member.clone());
                    member.skip()?;
                }
                ("error", Kind::Object | Kind::String) => end.error = Some(member.json()?),
                ("incomplete_details", Kind::Object) => end.details(member)?,
                ("id" | "model" | "created_at" | "object", _) => {
                    member.skip()?;
                }
                // Told at the start and not before the end.
                (known, _) if ECHO.contains(&known) && !LATE.contains(&known) => {
                    member.skip()?;
                }
                (_, Kind::Null) => {
                    member.skip()?;
                }
                _ => extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        if end.status != word {
            let known = end.failed();
            return Err(
                known.unwrap_or_else(|| Broken::new("the end has another status than its name"))
            );
        }
        if !self.open.is_empty() {
            return Err(Broken::new("the answer ended inside an item"));
        }
        if self.cut_call && word == COMPLETED {
            return Err(Broken::new("the arguments of a tool call are no JSON"));
        }
        self.untold(output, events)?;
        let mut finish = ending(&end, self.calls)?;
        finish.service_tier = extra.get("service_tier").and_then(word_of);
        end.keep(&mut extra);
        self.stage = Stage::Whole;
        events.push(StreamEvent::Finish {
            candidate: 0,
            finish,
            extra: Box::new(extra),
        });
        if let Some(used) = used {
            events.push(StreamEvent::Usage(Box::new(used)));
        }
        events.push(StreamEvent::End);
        Ok(())
    }

    /// Tells the items that stand in the answer and were not told before.
    fn untold(
        &mut self,
        output: Option<Reader<'_>>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let Some(mut output) = output else {
            return Ok(());
        };
        let mut parts = self.parts;
        let mut told = Told {
            parts: &mut parts,
            events,
        };
        output.array(|place, element| {
            let place = u64::try_from(place).unwrap_or(u64::MAX);
            if place < self.items {
                return element.skip().map(drop);
            }
            let index = self.next;
            let event = || Event {
                item_index: Some(index),
                item: Some(element.clone()),
                ..Event::default()
            };
            self.begin(event(), &mut told)?;
            self.close(event(), &mut told)?;
            element.skip().map(drop)
        })?;
        self.parts = parts;
        Ok(())
    }
}

/// Members of an answer that only its end knows, though they tell of housekeeping.
const LATE: [&str; 5] = [
    "completed_at",
    "billing",
    "tool_usage",
    "moderation",
    "content_filters",
];

/// The word that a value is; none where it is none.
fn word_of(value: &Json) -> Option<String> {
    value.reader().string().ok().map(Cow::into_owned)
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
            Stage::Waiting => Err(Broken::new("the stream ended before response.created")),
            Stage::Started => Err(Broken::new("the stream ended before the answer's end")),
        }
    }

    fn unknown_fields(&self) -> &[String] {
        &self.unknown.names
    }

    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}
