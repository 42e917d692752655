//! Items of a stream that are open, as they are read.
//!
//! What was told in steps is held against the whole that follows it: what is
//! missing is told, and what contradicts it breaks the stream.

use crate::chat::{Delta, Part, PartKind, PartStart, StreamEvent, ToolCallKind};
use crate::codec::Broken;
use crate::json::{Json, Kind, Reader};
use crate::openai_responses::response::probabilities;
use crate::openai_responses::wire::content::{citation, is_empty, part as read_part};

/// An item that has begun.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// Its place in the answer's output.
    pub(super) index: u64,
    /// Its id, where no number stands beside it.
    pub(super) id: Option<String>,
    pub(super) form: Form,
}

/// What the item is.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Message(Vec<Content>),
    Call {
        part: u64,
        kind: ToolCallKind,
        heard: usize,
    },
    Reasoning {
        part: u64,
        heard: usize,
        piece: Option<(bool, u64)>,
    },
    /// One that only this dialect knows.
    Opaque {
        part: u64,
    },
}

/// A piece of a message's content.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) index: u64,
    pub(super) part: u64,
    pub(super) speech: Speech,
    /// Bytes of it that were told.
    pub(super) heard: usize,
    /// Sources that were told.
    pub(super) cited: usize,
    /// Whether probabilities were told.
    pub(super) weighed: bool,
    pub(super) open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Text,
    Refusal,
    Opaque,
}

/// Hands out the numbers of parts and takes what is told.
pub(super) struct Told<'e> {
    pub(super) parts: &'e mut u64,
    pub(super) events: &'e mut Vec<StreamEvent>,
}

impl Told<'_> {
    /// Begins a part.
    pub(super) fn start(&mut self, start: PartStart) -> u64 {
        let part = *self.parts;
        *self.parts += 1;
        self.events.push(StreamEvent::PartStart {
            candidate: 0,
            part,
            start,
        });
        part
    }

    pub(super) fn delta(&mut self, part: u64, delta: Delta) {
        self.events.push(StreamEvent::Delta {
            candidate: 0,
            part,
            delta,
        });
    }

    pub(super) fn end(&mut self, part: u64) {
        self.events
            .push(StreamEvent::PartEnd { candidate: 0, part });
    }

    pub(super) fn logprobs(&mut self, list: &str) {
        self.events.push(StreamEvent::Logprobs {
            candidate: 0,
            value: probabilities(list),
        });
    }

    /// Tells what of `whole` was not heard yet.
    pub(super) fn settle(
        &mut self,
        part: u64,
        heard: &mut usize,
        whole: &str,
        delta: fn(String) -> Delta,
    ) -> Result<(), Broken> {
        let rest = whole.get(*heard..);
        let rest = rest.ok_or_else(|| Broken::new("a part is whole with less than was said"))?;
        if !rest.is_empty() {
            self.delta(part, delta(rest.to_owned()));
            *heard = whole.len();
        }
        Ok(())
    }

    /// Tells a whole part.
    pub(super) fn part(&mut self, part: Part) {
        let citations = part.citations;
        let (start, delta) = match part.kind {
            PartKind::Text(words) => (PartStart::Text, Some(Delta::Text(words.into_string()))),
            PartKind::Refusal(words) => (PartStart::Refusal, Some(Delta::Text(words))),
            PartKind::Opaque(opaque) => (PartStart::Opaque(Box::new(opaque)), None),
            // Only input has these.
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_) => return,
        };
        let number = self.start(start);
        let delta = delta.filter(|delta| !matches!(delta, Delta::Text(w) if w.is_empty()));
        if let Some(delta) = delta {
            self.delta(number, delta);
        }
        for citation in citations {
            self.delta(number, Delta::Citation(Box::new(citation)));
        }
        self.end(number);
    }
}

impl Content {
    /// Begins the content that stands in `part`.
    pub(super) fn begin(
        index: u64,
        part: &mut Reader<'_>,
        told: &mut Told<'_>,
    ) -> Result<Self, Broken> {
        let read = read_part(part)?;
        let (speech, start, words) = match &read.kind {
            PartKind::Text(words) => (Speech::Text, PartStart::Text, words.as_str()),
            PartKind::Refusal(words) => (Speech::Refusal, PartStart::Refusal, words.as_str()),
            PartKind::Opaque(opaque) => {
                let start = PartStart::Opaque(Box::new(opaque.clone()));
                (Speech::Opaque, start, "")
            }
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_) => {
                return Err(Broken::new("a message begins with content of input"));
            }
        };
        let number = told.start(start);
        let mut content = Self {
            index,
            part: number,
            speech,
            heard: 0,
            cited: 0,
            weighed: false,
            open: true,
        };
        told.settle(number, &mut content.heard, words, Delta::Text)?;
        Ok(content)
    }

    /// Takes in words that it grew by.
    pub(super) fn grow(&mut self, words: String, told: &mut Told<'_>) -> Result<(), Broken> {
        if !self.open || self.speech == Speech::Opaque {
            return Err(Broken::new("a delta is about content that is not open"));
        }
        if !words.is_empty() {
            self.heard = self.heard.saturating_add(words.len());
            told.delta(self.part, Delta::Text(words));
        }
        Ok(())
    }

    /// Takes in the content as it stands now that it is complete.
    pub(super) fn close(
        &mut self,
        whole: &mut Reader<'_>,
        told: &mut Told<'_>,
    ) -> Result<(), Broken> {
        if !self.open {
            return Ok(whole.skip().map(drop)?);
        }
        if self.speech == Speech::Opaque {
            told.delta(self.part, Delta::Raw(whole.json()?));
        } else {
            whole.object(|key, member| {
                match (key, member.peek()?) {
                    ("text" | "refusal", Kind::String) => {
                        let words = member.string()?;
                        told.settle(self.part, &mut self.heard, &words, Delta::Text)?;
                    }
                    ("annotations", Kind::Array) => member.array(|place, element| {
                        if place < self.cited {
                            return element.skip().map(drop);
                        }
                        let cited = Box::new(citation(element)?);
                        told.delta(self.part, Delta::Citation(cited));
                        Ok(())
                    })?,
                    ("logprobs", Kind::Array) => {
                        let list = member.raw()?;
                        if !self.weighed && !is_empty(list) {
                            told.logprobs(list);
                        }
                    }
                    _ => {
                        member.skip()?;
                    }
                }
                Ok(())
            })?;
        }
        self.open = false;
        told.end(self.part);
        Ok(())
    }
}

/// Whether a text is one JSON value.
pub(super) fn is_json(text: &str) -> bool {
    Json::parse(text).is_ok()
}
