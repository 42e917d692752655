//! What the events about items mean: items begin, grow and are told whole.
//!
//! What was told in steps is held against the whole that follows. An event about
//! what is not open breaks the stream; none may be passed over.

use super::decoder::Decoder;
use super::event::Event;
use super::open::{Content, Form, Open, Speech, Told, is_json};
use super::place::{next_content, open_content};
use crate::chat::{Delta, PartStart, StreamEvent, ToolCallKind};
use crate::codec::Broken;
use crate::json::{Kind, Reader};
use crate::openai_responses::response::envelope::INCOMPLETE;
use crate::openai_responses::wire::content::{citation, is_empty, part as read_part};
use crate::openai_responses::wire::reasoning::{BETWEEN, reasoning, words};
use crate::openai_responses::wire::{REASONING, kind_of, own, required, text};

/// Most items that may be open at once, and most pieces of one message.
const OPEN: usize = 1024;

impl Decoder {
    /// An event about an item.
    pub(super) fn step(
        &mut self,
        kind: &str,
        mut event: Event<'_>,
        told: &mut Told<'_>,
    ) -> Result<(), Broken> {
        self.place(kind, &mut event)?;
        match kind {
            "response.output_item.added" => self.begin(event, told),
            "response.output_item.done" => self.close(event, told),
            "response.content_part.added" => self.content(event, told),
            "response.content_part.done" => self.content_done(&event, told),
            "response.output_text.delta" | "response.refusal.delta" => self.speech(event, told),
            "response.output_text.done" | "response.refusal.done" => self.spoken(&event, told),
            "response.output_text.annotation.added" => self.cited(&event, told),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(event, told)
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                self.argued(event, told)
            }
            "response.reasoning_summary_text.delta" => self.thought(event, true, told),
            "response.reasoning_text.delta" => self.thought(event, false, told),
            // The item says the same once it is done.
            "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_text.done" => Ok(()),
            // What the provider's own tools are at; their items tell what came of it.
            hosted if hosted.starts_with("response.") && is_progress(hosted) => {
                told.events.push(StreamEvent::Ping);
                Ok(())
            }
            "" => Err(Broken::new("an event has no type")),
            // The API may add kinds of events; what reads as one is passed over.
            other => {
                self.unknown.note("event", other);
                Ok(())
            }
        }
    }

    pub(super) fn begin(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let index = required(event.item_index, "output_index")?;
        if index < self.next {
            return Err(Broken::new("an item begins where one stood before"));
        }
        if self.open.len() == OPEN {
            return Err(Broken::new("more items are open than an answer may have"));
        }
        let mut item = required(event.item, "item")?;
        let kind = kind_of(&item)?;
        let form = match &*kind {
            "message" => {
                item.skip()?;
                Form::Message(Vec::new())
            }
            "function_call" => self.begin_call(&mut item, ToolCallKind::Function, told)?,
            "custom_tool_call" => self.begin_call(&mut item, ToolCallKind::Custom, told)?,
            REASONING => {
                let part = told.start(PartStart::Reasoning);
                // Its id is known before its words.
                let opaque = own(REASONING, item.json()?);
                told.delta(part, Delta::Opaque(Box::new(opaque)));
                Form::Reasoning {
                    part,
                    heard: 0,
                    piece: None,
                }
            }
            other => {
                let opaque = own(other, item.json()?);
                Form::Opaque {
                    part: told.start(PartStart::Opaque(Box::new(opaque))),
                }
            }
        };
        self.items += 1;
        self.next = index.saturating_add(1);
        self.open.push(Open {
            index,
            id: event.id,
            form,
        });
        Ok(())
    }

    fn begin_call(
        &mut self,
        item: &mut Reader<'_>,
        kind: ToolCallKind,
        told: &mut Told<'_>,
    ) -> Result<Form, Broken> {
        let (mut id, mut name, mut said) = (None, None, String::new());
        item.object(|key, member| {
            match (key, member.peek()?) {
                ("call_id", _) => id = Some(text(member)?),
                ("name", _) => name = Some(text(member)?),
                ("arguments" | "input", Kind::String) => said = text(member)?,
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        let part = told.start(PartStart::ToolCall {
            id: required(id, "call_id")?,
            name: required(name, "name")?,
            kind,
        });
        self.calls = true;
        let heard = said.len();
        if heard > 0 {
            told.delta(part, Delta::Arguments(said));
        }
        Ok(Form::Call { part, kind, heard })
    }

    /// The item that an event is about.
    fn opened(&mut self, index: Option<u64>) -> Result<&mut Form, Broken> {
        let index = required(index, "output_index")?;
        let open = self.open.iter_mut().find(|open| open.index == index);
        open.map(|open| &mut open.form)
            .ok_or_else(|| Broken::new("an event is about an item that is not open"))
    }

    /// The pieces of the message that an event is about; none where it is no message.
    fn message(&mut self, index: Option<u64>) -> Result<Option<&mut Vec<Content>>, Broken> {
        match self.opened(index)? {
            Form::Message(list) => Ok(Some(list)),
            // Its pieces are told by events of their own.
            Form::Reasoning { .. } | Form::Opaque { .. } => Ok(None),
            Form::Call { .. } => Err(Broken::new("a call has no content")),
        }
    }

    fn piece(&mut self, event: &Event<'_>) -> Result<&mut Content, Broken> {
        let unknown = || Broken::new("an event is about content that has not begun");
        let list = self.message(event.item_index)?.ok_or_else(unknown)?;
        let inner = required(open_content(event.inner_index, list), "content_index")?;
        let mut list = list.iter_mut();
        list.find(|content| content.index == inner)
            .ok_or_else(unknown)
    }

    fn content(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let mut part = required(event.part, "part")?;
        let Some(list) = self.message(event.item_index)? else {
            return Ok(());
        };
        let inner = required(next_content(event.inner_index, list), "content_index")?;
        if list.len() == OPEN || list.iter().any(|content| content.index == inner) {
            return Err(Broken::new("content began twice"));
        }
        list.push(Content::begin(inner, &mut part, told)?);
        Ok(())
    }

    fn content_done(&mut self, event: &Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let mut whole = required(event.part.clone(), "part")?;
        if self.message(event.item_index)?.is_none() {
            return Ok(());
        }
        self.piece(event)?.close(&mut whole, told)
    }

    fn speech(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let words = text(&mut required(event.delta.clone(), "delta")?)?;
        let content = self.piece(&event)?;
        content.grow(words, told)?;
        if let Some(mut list) = event.logprobs
            && list.peek()? == Kind::Array
        {
            let list = list.raw()?;
            if !is_empty(list) {
                content.weighed = true;
                told.logprobs(list);
            }
        }
        Ok(())
    }

    fn spoken(&mut self, event: &Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let whole = required(event.whole.clone(), "text")?.string()?;
        let content = self.piece(event)?;
        if content.open && content.speech != Speech::Opaque {
            told.settle(content.part, &mut content.heard, &whole, Delta::Text)?;
        }
        Ok(())
    }

    fn cited(&mut self, event: &Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let cited = citation(&mut required(event.annotation.clone(), "annotation")?)?;
        let content = self.piece(event)?;
        if !content.open || content.speech != Speech::Text {
            return Err(Broken::new("a source is cited where there is no text"));
        }
        content.cited += 1;
        told.delta(content.part, Delta::Citation(Box::new(cited)));
        Ok(())
    }

    fn arguments(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let words = text(&mut required(event.delta, "delta")?)?;
        match self.opened(event.item_index)? {
            Form::Call { part, heard, .. } => {
                if !words.is_empty() {
                    *heard = heard.saturating_add(words.len());
                    told.delta(*part, Delta::Arguments(words));
                }
                Ok(())
            }
            Form::Opaque { .. } => Ok(()),
            Form::Message(_) | Form::Reasoning { .. } => Err(Broken::new("no call is open there")),
        }
    }

    fn argued(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let whole = required(event.whole, "arguments")?.string()?;
        match self.opened(event.item_index)? {
            Form::Call { part, heard, .. } => told.settle(*part, heard, &whole, Delta::Arguments),
            Form::Opaque { .. } => Ok(()),
            Form::Message(_) | Form::Reasoning { .. } => Err(Broken::new("no call is open there")),
        }
    }

    /// Words of a reasoning: of its summary, or of itself.
    fn thought(
        &mut self,
        event: Event<'_>,
        summary: bool,
        told: &mut Told<'_>,
    ) -> Result<(), Broken> {
        let words = text(&mut required(event.delta, "delta")?)?;
        let inner = (summary, event.inner_index.unwrap_or_default());
        let Form::Reasoning { part, heard, piece } = self.opened(event.item_index)? else {
            return Err(Broken::new("no reasoning is open there"));
        };
        if words.is_empty() {
            return Ok(());
        }
        let between = piece.is_some_and(|before| before != inner);
        *piece = Some(inner);
        let words = if between {
            format!("{BETWEEN}{words}")
        } else {
            words
        };
        *heard = heard.saturating_add(words.len());
        told.delta(*part, Delta::Text(words));
        Ok(())
    }

    pub(super) fn close(&mut self, event: Event<'_>, told: &mut Told<'_>) -> Result<(), Broken> {
        let mut item = required(event.item, "item")?;
        self.opened(event.item_index)?;
        let at = self
            .open
            .iter()
            .position(|o| Some(o.index) == event.item_index);
        let Some(at) = at else { return Ok(()) };
        match self.open.swap_remove(at).form {
            Form::Message(list) => close_message(list, &mut item, told),
            Form::Call { part, kind, heard } => {
                self.close_call(&mut item, (part, kind, heard), told)
            }
            Form::Reasoning { part, heard, .. } => {
                if heard == 0 {
                    let whole = reasoning(&mut item.clone())?;
                    let words = words(&whole);
                    if !words.is_empty() {
                        told.delta(part, Delta::Text(words.to_owned()));
                    }
                }
                let opaque = own(REASONING, item.json()?);
                told.delta(part, Delta::Opaque(Box::new(opaque)));
                told.end(part);
                Ok(())
            }
            Form::Opaque { part } => {
                told.delta(part, Delta::Raw(item.json()?));
                told.end(part);
                Ok(())
            }
        }
    }

    fn close_call(
        &mut self,
        item: &mut Reader<'_>,
        (part, kind, mut heard): (u64, ToolCallKind, usize),
        told: &mut Told<'_>,
    ) -> Result<(), Broken> {
        let (mut whole, mut cut) = (None, false);
        item.object(|key, member| {
            match (key, member.peek()?) {
                ("arguments" | "input", Kind::String) => whole = Some(member.string()?),
                ("status", Kind::String) => cut = member.string()? == INCOMPLETE,
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        let whole = required(whole, "arguments")?;
        told.settle(part, &mut heard, &whole, Delta::Arguments)?;
        if kind == ToolCallKind::Function && !whole.is_empty() && !is_json(&whole) {
            if !cut {
                return Err(Broken::new("the arguments of a tool call are no JSON"));
            }
            self.cut_call = true;
        }
        told.end(part);
        Ok(())
    }
}

/// Whether an event only says what a tool that the provider runs is at.
fn is_progress(kind: &str) -> bool {
    const TOOLS: [&str; 11] = [
        "response.web_search_call.",
        "response.x_search_call.",
        "response.file_search_call.",
        "response.code_interpreter_call",
        "response.image_generation_call.",
        "response.mcp_call",
        "response.mcp_list_tools.",
        "response.shell_call_",
        "response.local_shell_call",
        "response.computer_call",
        "response.apply_patch_call",
    ];
    TOOLS.iter().any(|tool| kind.starts_with(tool))
}

fn close_message(
    mut list: Vec<Content>,
    item: &mut Reader<'_>,
    told: &mut Told<'_>,
) -> Result<(), Broken> {
    item.object(|key, member| {
        if key != "content" || member.peek()? != Kind::Array {
            return member.skip().map(drop);
        }
        member.array(|place, element| {
            let place = u64::try_from(place).unwrap_or(u64::MAX);
            match list.iter_mut().find(|content| content.index == place) {
                Some(content) => Ok(content.close(element, told)?),
                None => {
                    told.part(read_part(element)?);
                    Ok(())
                }
            }
        })
    })?;
    if list.iter().any(|content| content.open) {
        return Err(Broken::new("a message ended inside its content"));
    }
    Ok(())
}
