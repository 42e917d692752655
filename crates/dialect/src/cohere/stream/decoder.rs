//! Reads a stream: the API's events in, the hub's out.
//!
//! On a road without translation this runs beside the bytes on every event, so it
//! reads each event once and copies only what grows the answer. It must never pass
//! over what it cannot read, and never end what the provider did not.

use std::borrow::Cow;

use super::event::{Event, Unknown, short};
use crate::chat::{Delta, FinishReason, PartStart, Start, StreamEvent, ToolCallKind};
use crate::codec::{Broken, End, EventDecoder};
use crate::cohere::failure;
use crate::cohere::response::usage::{finish, unbroken};
use crate::cohere::wire::{plan_mark, required, spelled};
use crate::failure::ProviderError;
use crate::frame::Frame;
use crate::json::{Json, Reader};

/// Most bytes of one call's arguments that are kept to be checked.
const CHECKED_BYTES: usize = 1 << 20;
/// Most parts that may be open side by side.
const OPEN: usize = 128;

/// The reader of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    stage: Stage,
    /// How many parts have begun.
    parts: u64,
    open: Vec<Open>,
    /// The content that ended last: what it cites may be told just after its end.
    ended: Option<u64>,
    unknown: Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Waiting,
    Started,
    /// The proof of completion was seen and told.
    Whole,
    Failed,
}

/// A part that is open.
#[derive(Clone, Debug)]
struct Open {
    part: u64,
    /// Its number among those of its kind.
    index: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Plan,
    Text,
    Thinking,
    /// A call, and its arguments so far; none once they are too many to be checked.
    Call(Option<String>),
}

impl What {
    fn is_content(&self) -> bool {
        matches!(self, What::Text | What::Thinking)
    }

    fn is_call(&self) -> bool {
        matches!(self, What::Call(_))
    }
}

impl Decoder {
    fn take(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let done = frame.data.trim_ascii() == "[DONE]";
        match self.stage {
            Stage::Whole if done => return Ok(()),
            Stage::Whole => return Err(Broken::new("an event came after message-end")),
            Stage::Failed => return Err(Broken::new("an event came after a failure")),
            Stage::Waiting | Stage::Started => {}
        }
        if frame.event == "error" {
            let error = failure::decode(frame.data.as_bytes());
            self.fail(error, events);
            return Ok(());
        }
        let event = Event::read(&frame.data, &mut self.unknown)?;
        if event.kind.is_empty() && event.message {
            let error = failure::decode(frame.data.as_bytes());
            self.fail(error, events);
            return Ok(());
        }
        if !frame.event.is_empty() && frame.event != event.kind {
            return Err(Broken::new("the event has another name than its data"));
        }
        self.conclude(event, events)
    }

    fn fail(&mut self, error: ProviderError, events: &mut Vec<StreamEvent>) {
        self.stage = Stage::Failed;
        events.push(StreamEvent::Error(Box::new(error)));
    }

    /// Says what an event means, by the grammar of the stream.
    fn conclude(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let kind: &str = &event.kind;
        match (kind, self.stage) {
            ("message-start", Stage::Waiting) => return self.start(event, out),
            ("message-start", _) => return Err(Broken::new("the message started twice")),
            ("debug", _) => {
                self.unknown.note("event", "debug");
                return Ok(());
            }
            (_, Stage::Waiting) => {
                return Err(Broken::new("the stream does not begin with message-start"));
            }
            (_, Stage::Started | Stage::Whole | Stage::Failed) => {}
        }
        if !matches!(kind, "citation-start" | "citation-end" | "content-delta") {
            self.settle(out);
        }
        if kind != "tool-plan-delta" && !kind.starts_with("citation") {
            self.end_plan(out);
        }
        match kind {
            "content-start" => self.content(&event, out),
            "content-delta" => self.content_delta(event, out),
            "content-end" => self.content_end(&event),
            "tool-plan-delta" => self.plan(event.plan, out),
            "tool-call-start" => self.call(event, out),
            "tool-call-delta" => self.call_delta(event, out),
            "tool-call-end" => self.call_end(&event, out),
            "citation-start" => self.cite(event, out),
            "citation-end" => Ok(()),
            "message-end" => self.end(event, out),
            "" => Err(Broken::new("an event has no type")),
            other => Err(Broken::new(format!(
                "an event of the unknown kind `{}`",
                short(other)
            ))),
        }
    }

    fn start(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        self.stage = Stage::Started;
        let mut start = Start {
            id: event.id.unwrap_or_default().into_owned(),
            extra: event.extra,
            ..Start::default()
        };
        start.extra.note(spelled::ANSWER);
        out.push(StreamEvent::Start(Box::new(start)));
        match event.plan {
            Some(_) => self.plan(event.plan, out),
            None => Ok(()),
        }
    }

    fn begin(
        &mut self,
        index: u64,
        (what, start): (What, PartStart),
        out: &mut Vec<StreamEvent>,
    ) -> Result<u64, Broken> {
        if self.open.len() == OPEN {
            return Err(Broken::new("more parts are open than an answer may have"));
        }
        let part = self.parts;
        self.parts += 1;
        self.open.push(Open { part, index, what });
        out.push(StreamEvent::PartStart {
            candidate: 0,
            part,
            start,
        });
        Ok(part)
    }

    /// Tells the end of the content that waited for what it cites.
    fn settle(&mut self, out: &mut Vec<StreamEvent>) {
        if let Some(part) = self.ended.take() {
            out.push(StreamEvent::PartEnd { candidate: 0, part });
        }
    }

    fn opened(
        &mut self,
        index: Option<u64>,
        fits: fn(&What) -> bool,
    ) -> Result<(usize, &mut Open), Broken> {
        let index = required(index, "index")?;
        let mut open = self.open.iter_mut().enumerate();
        open.find(|(_, open)| open.index == index && fits(&open.what))
            .ok_or_else(|| Broken::new("an event is about a part that is not open"))
    }

    fn content(&mut self, event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let index = required(event.index, "index")?;
        if self.opened(event.index, What::is_content).is_ok() {
            return Err(Broken::new("a block began twice"));
        }
        let kind = match event.block.as_deref() {
            Some("text") => (What::Text, PartStart::Text),
            Some("thinking") => (What::Thinking, PartStart::Reasoning),
            Some(_) | None => return Err(Broken::new("a block of an unknown kind")),
        };
        let part = self.begin(index, kind, out)?;
        let words = event.text.as_deref().or(event.thinking.as_deref());
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            out.push(said(part, Delta::Text(words.to_owned())));
        }
        Ok(())
    }

    fn content_delta(
        &mut self,
        event: Event<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let silent = [&event.text, &event.thinking]
            .iter()
            .all(|words| words.as_ref().is_none_or(|words| words.is_empty()));
        if !(silent && event.logprobs.is_some()) {
            self.settle(out);
            let (_, open) = self.opened(event.index, What::is_content)?;
            let words = match (&open.what, event.text, event.thinking) {
                (What::Text, Some(words), None) | (What::Thinking, None, Some(words)) => words,
                _ => return Err(Broken::new("a delta is of another kind than its block")),
            };
            if !words.is_empty() {
                let part = open.part;
                out.push(said(part, Delta::Text(words.into_owned())));
            }
        }
        if let Some(item) = event.logprobs {
            let value = Json::written(|out| {
                out.array(|out| {
                    out.json(&item);
                });
            });
            out.push(StreamEvent::Logprobs {
                candidate: 0,
                value,
            });
        }
        Ok(())
    }

    fn content_end(&mut self, event: &Event<'_>) -> Result<(), Broken> {
        let (at, open) = self.opened(event.index, What::is_content)?;
        self.ended = Some(open.part);
        self.open.remove(at);
        Ok(())
    }

    fn plan(
        &mut self,
        words: Option<Cow<'_, str>>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let words = required(words, "delta.message.tool_plan")?;
        if words.is_empty() {
            return Ok(());
        }
        let planning = |open: &&Open| matches!(open.what, What::Plan);
        let part = match self.open.iter().find(planning) {
            Some(open) => open.part,
            None => {
                let part = self.begin(0, (What::Plan, PartStart::Reasoning), out)?;
                out.push(said(part, Delta::Opaque(Box::new(plan_mark()))));
                part
            }
        };
        out.push(said(part, Delta::Text(words.into_owned())));
        Ok(())
    }

    fn end_plan(&mut self, out: &mut Vec<StreamEvent>) {
        let planning = |open: &Open| matches!(open.what, What::Plan);
        if let Some(at) = self.open.iter().position(planning) {
            let part = self.open.remove(at).part;
            out.push(StreamEvent::PartEnd { candidate: 0, part });
        }
    }

    fn call(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let index = required(event.index, "index")?;
        if self.opened(event.index, What::is_call).is_ok() {
            return Err(Broken::new("a call began twice"));
        }
        let call = required(event.call, "delta.message.tool_calls")?;
        let start = PartStart::ToolCall {
            id: required(call.id, "id")?.into_owned(),
            name: required(call.name, "function.name")?.into_owned(),
            kind: ToolCallKind::Function,
        };
        let part = self.begin(index, (What::Call(Some(String::new())), start), out)?;
        let words = call.arguments.unwrap_or_default();
        self.grow(part, words, out);
        Ok(())
    }

    fn call_delta(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let (_, open) = self.opened(event.index, What::is_call)?;
        let part = open.part;
        let call = required(event.call, "delta.message.tool_calls")?;
        let words = required(call.arguments, "function.arguments")?;
        self.grow(part, words, out);
        Ok(())
    }

    fn grow(&mut self, part: u64, words: Cow<'_, str>, out: &mut Vec<StreamEvent>) {
        if words.is_empty() {
            return;
        }
        let open = self.open.iter_mut().find(|open| open.part == part);
        if let Some(What::Call(checked)) = open.map(|open| &mut open.what)
            && let Some(so_far) = checked
        {
            so_far.push_str(&words);
            if so_far.len() > CHECKED_BYTES {
                *checked = None;
            }
        }
        out.push(said(part, Delta::Arguments(words.into_owned())));
    }

    fn call_end(&mut self, event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let (at, _) = self.opened(event.index, What::is_call)?;
        let open = self.open.remove(at);
        let part = open.part;
        match open.what {
            What::Call(Some(arguments)) if arguments.is_empty() => {
                // The whole answer says `{}` here.
                out.push(said(part, Delta::Arguments("{}".to_owned())));
            }
            What::Call(Some(arguments)) => {
                let mut reader = Reader::over(&arguments);
                if reader.skip().and_then(|_| reader.end()).is_err() {
                    return Err(Broken::new("the arguments of a tool call are no JSON"));
                }
            }
            What::Call(None) | What::Plan | What::Text | What::Thinking => {}
        }
        out.push(StreamEvent::PartEnd { candidate: 0, part });
        Ok(())
    }

    /// Tells a citation of the content that is open or ended last, or else of none.
    fn cite(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let citation = required(event.citation, "delta.message.citations")?;
        let content = |open: &&Open| open.what.is_content();
        let open = self.open.iter().rev().find(content).map(|open| open.part);
        let part = match open.or(self.ended) {
            Some(part) => part,
            None => {
                let part = self.begin(0, (What::Text, PartStart::Text), out)?;
                self.open.pop();
                self.ended = Some(part);
                part
            }
        };
        out.push(said(part, Delta::Citation(citation)));
        Ok(())
    }

    fn end(&mut self, event: Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let usage = event.usage.map(StreamEvent::Usage);
        let reason = event.reason.unwrap_or_default();
        if event.error.is_some() || !reason.is_empty() && unbroken(&reason).is_err() {
            out.extend(usage);
            let message = event.error.unwrap_or("the answer broke off".into());
            let error = ProviderError {
                code: Some(reason.into_owned()).filter(|reason| !reason.is_empty()),
                message: message.into_owned(),
                ..ProviderError::default()
            };
            self.fail(error, out);
            return Ok(());
        }
        let finish = finish(reason.into_owned())?;
        if !self.open.is_empty() && finish.reason != FinishReason::Length {
            return Err(Broken::new("the message ended inside a part"));
        }
        for open in std::mem::take(&mut self.open) {
            let part = open.part;
            out.push(StreamEvent::PartEnd { candidate: 0, part });
        }
        self.stage = Stage::Whole;
        out.push(StreamEvent::Finish {
            candidate: 0,
            finish,
            extra: Box::default(),
        });
        out.extend(usage);
        out.push(StreamEvent::End);
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
            Stage::Waiting => Err(Broken::new("the stream ended before message-start")),
            Stage::Started => Err(Broken::new("the stream ended before message-end")),
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
