//! One choice of a stream: the parts that its deltas amount to.
//!
//! The wire has no parts, so they begin where the kind of delta changes. Calls
//! may be open side by side; none may end with arguments that are not whole.

use std::mem;

use super::chunk::{CallStep, Detail, Said};
use crate::Dialect;
use crate::chat::{
    Citation, Delta, FinishReason, Part, PartKind, PartStart, StreamEvent, ToolCallKind,
};
use crate::codec::Broken;
use crate::json::{Json, Reader};
use crate::openai_chat::response::message::words;
use crate::openai_chat::response::reasoning::{detail, thought_text};
use crate::openai_chat::wire::call::{citation, made_up_id};
use crate::openai_chat::wire::{OWN, own, part::part};

/// Most tool calls in one choice.
const CALLS: usize = 1024;
/// Most bytes of arguments that are kept to be checked, of all open calls of a choice.
const CHECKED_BYTES: usize = 1024 * 1024;

/// One answer as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) index: u64,
    pub(super) finished: bool,
    next_part: u64,
    speech: Option<(Speech, u64)>,
    /// Bytes said in it.
    heard: usize,
    calls: Vec<Call>,
}

/// What is being said; only one kind at a time, beside calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Text,
    Refusal,
    /// With the index of its detail, where one was given.
    Reasoning(Option<u64>),
}

#[derive(Clone, Debug)]
struct Call {
    index: u64,
    id: String,
    part: u64,
    kind: ToolCallKind,
    open: bool,
    arguments: String,
    /// How much of `arguments` was looked at and found unfinished.
    unfinished: usize,
    /// Whether `arguments` outgrew its bound and is not kept.
    unchecked: bool,
}

impl Call {
    /// Whether nothing more can come: an object that is closed. What did not grow since
    /// it was last asked is not read again.
    fn is_complete(&mut self) -> bool {
        let grown = self.arguments.len() > mem::replace(&mut self.unfinished, self.arguments.len());
        grown
            && self.kind == ToolCallKind::Function
            && self.arguments.trim_ascii_end().ends_with('}')
            && is_json(&self.arguments)
    }
}

fn is_json(text: &str) -> bool {
    let mut reader = Reader::over(text);
    reader.skip().is_ok() && reader.end().is_ok()
}

impl Choice {
    pub(super) fn new(index: u64) -> Self {
        Self {
            index,
            finished: false,
            next_part: 0,
            speech: None,
            heard: 0,
            calls: Vec::new(),
        }
    }

    /// Takes a delta in.
    pub(super) fn hear(
        &mut self,
        said: Said<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let detailed = match said.details {
            Some(mut details) => self.details(&mut details, events)?,
            None => false,
        };
        if let Some(words) = said.reasoning
            && !detailed
        {
            self.say(Speech::Reasoning(None), &words, events);
        }
        if let Some(words) = said.content {
            self.say(Speech::Text, &words, events);
        }
        if let Some(mut list) = said.list {
            list.array(|_, element| {
                let mut whole = element.clone();
                let part = part(element)?;
                match (words(&part), thought_text(&part)) {
                    (Some(words), _) => self.say(Speech::Text, words, events),
                    (None, "") if matches!(part.kind, PartKind::Reasoning(_)) => {}
                    (None, "") => self.show(part, whole.json()?, events),
                    (None, words) => self.say(Speech::Reasoning(None), words, events),
                }
                Ok(())
            })?;
        }
        if let Some(words) = said.refusal {
            self.say(Speech::Refusal, &words, events);
        }
        if let Some(mut calls) = said.calls {
            let mut told = Ok(());
            calls.array(|_, element| {
                let step = CallStep::read(element)?;
                if told.is_ok() {
                    told = self.call(step, events);
                }
                Ok(())
            })?;
            told?;
        }
        if let Some(mut annotations) = said.annotations {
            annotations.array(|_, element| {
                let cited = citation(element)?;
                self.cite(cited, events);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn say(&mut self, speech: Speech, words: &str, events: &mut Vec<StreamEvent>) {
        if words.is_empty() {
            return;
        }
        let part = self.speak(speech, events);
        self.heard = self.heard.saturating_add(words.len());
        events.push(StreamEvent::Delta {
            candidate: self.index,
            part,
            delta: Delta::Text(words.to_owned()),
        });
    }

    /// The part for what is being said, begun where need be.
    fn speak(&mut self, speech: Speech, events: &mut Vec<StreamEvent>) -> u64 {
        match (&mut self.speech, speech) {
            (Some((Speech::Reasoning(open), part)), Speech::Reasoning(index))
                if open.is_none() || index.is_none() || *open == index =>
            {
                *open = open.or(index);
                return *part;
            }
            (Some((open, part)), _) if *open == speech => return *part,
            _ => {}
        }
        let start = match speech {
            Speech::Text => PartStart::Text,
            Speech::Refusal => PartStart::Refusal,
            Speech::Reasoning(_) => PartStart::Reasoning,
        };
        let part = self.begin(start, events);
        self.speech = Some((speech, part));
        self.heard = 0;
        part
    }

    fn begin(&mut self, start: PartStart, events: &mut Vec<StreamEvent>) -> u64 {
        self.settle(events);
        let part = self.next_part;
        self.next_part += 1;
        events.push(StreamEvent::PartStart {
            candidate: self.index,
            part,
            start,
        });
        part
    }

    /// Ends what is being said and the calls to which nothing can be added.
    fn settle(&mut self, events: &mut Vec<StreamEvent>) {
        let candidate = self.index;
        self.hush(events);
        for call in self.calls.iter_mut().filter(|call| call.open) {
            if call.is_complete() {
                call.open = false;
                call.arguments = String::new();
                events.push(StreamEvent::PartEnd {
                    candidate,
                    part: call.part,
                });
            }
        }
    }

    fn hush(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some((_, part)) = self.speech.take() {
            events.push(StreamEvent::PartEnd {
                candidate: self.index,
                part,
            });
        }
    }

    /// Reads `reasoning_details`; says whether they held the words of the reasoning.
    fn details(
        &mut self,
        reader: &mut Reader<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<bool, Broken> {
        let mut worded = false;
        reader.array(|place, element| {
            let mut whole = element.clone();
            let step = Detail::read(element)?;
            let foreign = step
                .format
                .and_then(|name| Dialect::by_name(&name))
                .is_some_and(|dialect| dialect != OWN);
            // Words that came plainly come again when what seals them does.
            let plain = matches!(self.speech, Some((Speech::Reasoning(None), _)));
            let again = step.text.as_ref().is_some_and(|words| {
                plain && (step.sealed || foreign || words.len() == self.heard)
            });
            if step.encrypted && step.text.is_none() {
                self.hush(events);
            }
            if let Some(words) = step.text {
                worded = true;
                if !again {
                    self.say(Speech::Reasoning(step.index), &words, events);
                }
            }
            if (step.sealed || again)
                && let PartKind::Reasoning(reasoning) = detail(&mut whole, place)?.kind
                && let Some(opaque) = reasoning.opaque
            {
                let part = self.speak(Speech::Reasoning(step.index), events);
                events.push(StreamEvent::Delta {
                    candidate: self.index,
                    part,
                    delta: Delta::Opaque(Box::new(opaque)),
                });
            }
            if foreign || again || step.sealed {
                // Such an entry comes once, when its reasoning is complete.
                self.hush(events);
            }
            Ok(())
        })?;
        Ok(worded)
    }

    /// Tells of a part of the content that came whole and has no other form in a stream.
    fn show(&mut self, part: Part, whole: Json, events: &mut Vec<StreamEvent>) {
        let opaque = match part.kind {
            PartKind::Opaque(opaque) => opaque,
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Refusal(_) => own("", whole),
        };
        let part = self.begin(PartStart::Opaque(Box::new(opaque)), events);
        events.push(StreamEvent::PartEnd {
            candidate: self.index,
            part,
        });
    }

    fn cite(&mut self, citation: Citation, events: &mut Vec<StreamEvent>) {
        let part = self.speak(Speech::Text, events);
        events.push(StreamEvent::Delta {
            candidate: self.index,
            part,
            delta: Delta::Citation(Box::new(citation)),
        });
    }

    fn call(&mut self, step: CallStep<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let fresh = step.id.is_some() || step.name.is_some();
        let known = match step.index {
            Some(index) => self.calls.iter().rposition(|call| call.index == index),
            None if fresh => None,
            None => self.calls.len().checked_sub(1),
        };
        // Some providers number every whole call 0 and tell them apart by id alone.
        let known = known.filter(|at| {
            let other = self.calls.get(*at).zip(step.id.as_ref());
            step.name.is_none() || other.is_none_or(|(call, id)| call.id == **id)
        });
        let at = match known {
            Some(at) => at,
            None => self.begin_call(&step, events)?,
        };
        let (candidate, words) = (self.index, step.arguments.unwrap_or_default());
        let kept: usize = self.calls.iter().map(|call| call.arguments.len()).sum();
        let Some(call) = self.calls.get_mut(at).filter(|_| !words.is_empty()) else {
            return Ok(());
        };
        if !call.open {
            return Err(Broken::new("arguments came for a tool call that had ended"));
        }
        if kept + words.len() > CHECKED_BYTES {
            call.unchecked = true;
            call.arguments = String::new();
        }
        if !call.unchecked {
            call.arguments.push_str(&words);
        }
        events.push(StreamEvent::Delta {
            candidate,
            part: call.part,
            delta: Delta::Arguments(words.into_owned()),
        });
        Ok(())
    }

    fn begin_call(
        &mut self,
        step: &CallStep<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<usize, Broken> {
        let Some(name) = &step.name else {
            return Err(Broken::new("a tool call began without its name"));
        };
        if self.calls.len() == CALLS {
            return Err(Broken::new("more tool calls than an answer may have"));
        }
        let next = self
            .calls
            .iter()
            .map(|call| call.index.saturating_add(1))
            .max();
        let index = step.index.or(next).unwrap_or_default();
        let id = match &step.id {
            Some(id) => id.clone().into_owned(),
            None => made_up_id(index),
        };
        let kind = if step.custom {
            ToolCallKind::Custom
        } else {
            ToolCallKind::Function
        };
        let start = PartStart::ToolCall {
            id: id.clone(),
            name: name.clone().into_owned(),
            kind,
        };
        let part = self.begin(start, events);
        self.calls.push(Call {
            index,
            id,
            part,
            kind,
            open: true,
            arguments: String::new(),
            unfinished: 0,
            unchecked: false,
        });
        Ok(self.calls.len() - 1)
    }

    /// Ends every part. Only an answer that says it was cut short may hold half of a call.
    pub(super) fn end(
        &mut self,
        reason: FinishReason,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let candidate = self.index;
        self.hush(events);
        let short = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        for call in self.calls.iter_mut().filter(|call| call.open) {
            let arguments = mem::take(&mut call.arguments);
            let whole = call.kind == ToolCallKind::Custom
                || call.unchecked
                || arguments.trim_ascii().is_empty()
                || is_json(&arguments);
            if !whole && !short {
                return Err(Broken::new("a tool call's arguments are not whole"));
            }
            call.open = false;
            events.push(StreamEvent::PartEnd {
                candidate,
                part: call.part,
            });
        }
        self.finished = true;
        Ok(())
    }
}
