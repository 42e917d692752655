//! One candidate of a stream: the parts that its chunks amount to.
//!
//! The wire has parts, but text goes on from chunk to chunk, so a part of the hub begins
//! where what is said changes. A call comes whole, or in pieces until it says so; none
//! may end with arguments that are not whole.

use super::partial::Arguments;
use crate::chat::{Delta, Extra, FinishReason, Opaque, PartStart, StreamEvent, ToolCallKind};
use crate::codec::Broken;
use crate::gemini::response::candidate::calls;
use crate::gemini::wire::read::{Calls, Members, is_unsigned, kind_of};
use crate::gemini::wire::{opaque, own, text};
use crate::json::{Json, Kind, Reader};

/// Most calls in one candidate.
const CALLS: usize = 1024;

/// One answer as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    pub(super) index: u64,
    pub(super) finished: bool,
    /// What stood beside the content so far, the later ones in place of the earlier.
    pub(super) beside: Extra,
    next_part: u64,
    speech: Option<(Speech, u64)>,
    names: Calls,
    calls: usize,
    /// The call whose arguments come in pieces, and its part.
    open: Option<(u64, Arguments)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Text,
    Thought,
}

impl Voice {
    /// A candidate of the answer of that id that said nothing yet.
    pub(super) fn new(index: u64, id: &str) -> Self {
        Self {
            index,
            finished: false,
            beside: crate::gemini::wire::with_asides(),
            next_part: 0,
            speech: None,
            names: calls(id, index),
            calls: 0,
            open: None,
        }
    }

    /// Whether it asks for tools.
    pub(super) fn asks(&self) -> bool {
        self.calls > 0
    }

    /// Takes a part in.
    pub(super) fn hear(
        &mut self,
        reader: &mut Reader<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let mut whole = reader.clone();
        let members = Members::read(reader)?;
        let thought = members.thought == Some(true);
        match (members.text, members.data, members.signature) {
            (Some(words), None, signature) if thought => {
                self.say(Speech::Thought, &words, events);
                if let Some(signature) = signature {
                    let part = self.speak(Speech::Thought, events);
                    let signed = own(opaque::SIGNATURE, signature);
                    self.tell(part, Delta::Opaque(Box::new(signed)), events);
                    self.hush(events);
                }
            }
            (Some(words), None, signature) => {
                if let Some(signature) = signature {
                    self.sign(own(opaque::OF_TEXT, signature), events);
                }
                self.say(Speech::Text, &words, events);
            }
            (None, Some(("functionCall", call)), signature) => {
                self.call(call, whole, signature, events)?;
            }
            (None, _, _) => {
                let value = whole.json()?;
                let kind = kind_of(&value);
                let start = PartStart::Opaque(Box::new(own(&kind, value)));
                let part = self.begin(start, events);
                self.end_part(part, events);
            }
            (Some(_), Some(_), _) => return Err(Broken::new("a part holds two things")),
        }
        Ok(())
    }

    fn say(&mut self, speech: Speech, words: &str, events: &mut Vec<StreamEvent>) {
        if words.is_empty() {
            return;
        }
        let part = self.speak(speech, events);
        self.tell(part, Delta::Text(words.to_owned()), events);
    }

    /// The part for what is being said, begun where need be.
    fn speak(&mut self, speech: Speech, events: &mut Vec<StreamEvent>) -> u64 {
        match self.speech {
            Some((open, part)) if open == speech => return part,
            Some(_) | None => {}
        }
        let part = self.begin(
            match speech {
                Speech::Text => PartStart::Text,
                Speech::Thought => PartStart::Reasoning,
            },
            events,
        );
        self.speech = Some((speech, part));
        part
    }

    /// Tells a signature of something that is no thought, before that.
    fn sign(&mut self, signature: Opaque, events: &mut Vec<StreamEvent>) {
        let part = self.begin(PartStart::Reasoning, events);
        self.tell(part, Delta::Opaque(Box::new(signature)), events);
        self.end_part(part, events);
    }

    fn begin(&mut self, start: PartStart, events: &mut Vec<StreamEvent>) -> u64 {
        self.hush(events);
        let part = self.next_part;
        self.next_part += 1;
        events.push(StreamEvent::PartStart {
            candidate: self.index,
            part,
            start,
        });
        part
    }

    fn tell(&self, part: u64, delta: Delta, events: &mut Vec<StreamEvent>) {
        events.push(StreamEvent::Delta {
            candidate: self.index,
            part,
            delta,
        });
    }

    fn end_part(&self, part: u64, events: &mut Vec<StreamEvent>) {
        events.push(StreamEvent::PartEnd {
            candidate: self.index,
            part,
        });
    }

    fn hush(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some((_, part)) = self.speech.take() {
            self.end_part(part, events);
        }
    }

    /// Takes in a call, or a piece of one.
    fn call(
        &mut self,
        mut call: Reader<'_>,
        whole: Reader<'_>,
        signature: Option<Json>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        let mut piece = Piece::default();
        call.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("id", _) => piece.id = Some(text(member)?).filter(|id| !id.is_empty()),
                ("name", _) => piece.name = Some(text(member)?),
                ("args", Kind::Object) => piece.args = Some(member.raw()?.to_owned()),
                ("args", _) => member.object(|_, _| Ok(()))?,
                ("partialArgs", Kind::Array) => {
                    piece.more = Some(member.clone());
                    member.skip()?;
                }
                ("willContinue", _) => piece.goes_on = member.bool()?,
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        let (part, mut arguments) = match (self.open.take(), &piece.name) {
            (Some(open), None) => open,
            (Some(_), Some(_)) => return Err(Broken::new("a tool call began inside another")),
            (None, None) => return Err(Broken::new("a tool call began without its name")),
            (None, Some(_)) => (
                self.begin_call(&mut piece, whole, signature, events)?,
                Arguments::default(),
            ),
        };
        if let Some(more) = &mut piece.more {
            arguments.push(more)?;
        }
        if piece.goes_on {
            self.open = Some((part, arguments));
            return Ok(());
        }
        let arguments = piece.args.unwrap_or_else(|| arguments.finish());
        self.tell(part, Delta::Arguments(arguments), events);
        self.end_part(part, events);
        Ok(())
    }

    fn begin_call(
        &mut self,
        piece: &mut Piece<'_>,
        mut whole: Reader<'_>,
        signature: Option<Json>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<u64, Broken> {
        if self.calls == CALLS {
            return Err(Broken::new("more tool calls than an answer may have"));
        }
        self.calls += 1;
        let id = match piece.id.take() {
            Some(id) => id,
            None => self.names.make(whole.raw()?),
        };
        if let Some(signature) = signature.filter(|signature| !is_unsigned(signature)) {
            let kind = format!("{}{id}", opaque::OF_CALL);
            self.sign(own(&kind, signature), events);
        }
        let start = PartStart::ToolCall {
            id,
            name: piece.name.take().unwrap_or_default(),
            kind: ToolCallKind::Function,
        };
        Ok(self.begin(start, events))
    }

    /// The text part that cites, begun where need be.
    pub(super) fn cite(
        &mut self,
        citations: Vec<crate::chat::Citation>,
        events: &mut Vec<StreamEvent>,
    ) {
        // What was cited at the end belongs to the words before it.
        let Some((Speech::Text, part)) = self.speech else {
            return;
        };
        for citation in citations {
            self.tell(part, Delta::Citation(Box::new(citation)), events);
        }
    }

    /// Ends every part. Only an answer that says it was cut short may hold half of a call,
    /// and then its arguments are seen to be half.
    pub(super) fn end(
        &mut self,
        reason: FinishReason,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Broken> {
        self.hush(events);
        self.finished = true;
        let Some((part, arguments)) = self.open.take() else {
            return Ok(());
        };
        if !matches!(reason, FinishReason::Length | FinishReason::ContentFilter) {
            return Err(Broken::new("a tool call's arguments are not whole"));
        }
        let mut half = arguments.finish();
        half.pop();
        self.tell(part, Delta::Arguments(half), events);
        self.end_part(part, events);
        Ok(())
    }
}

/// A call, or a piece of one.
#[derive(Default)]
struct Piece<'a> {
    id: Option<String>,
    name: Option<String>,
    args: Option<String>,
    more: Option<Reader<'a>>,
    goes_on: bool,
}
