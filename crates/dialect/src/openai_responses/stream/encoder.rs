//! Writes a stream: the hub's events in, the API's out.
//!
//! Clients build the answer from the whole choreography: an item is added, its
//! content begins, grows, is told whole, and at last the answer with all items in
//! it. The end is written for the hub's own end and nothing else.

use super::piece::{
    Call, Content, Form, Line, Open, Thought, about, id_of, weight, write_call, write_message,
};
use super::told::{Told, call_delta};
use crate::chat::{Delta, Extra, Finish, PartStart, Reasoning, Start, StreamEvent, Usage};
use crate::codec::{EncoderOptions, EventEncoder};
use crate::failure::ClientFailure;
use crate::json::Json;
use crate::loss::{LossKind, Losses};
use crate::openai_responses::failure;
use crate::openai_responses::response::envelope::{COMPLETED, Envelope, report_finish, status};
use crate::openai_responses::response::probability_list;
use crate::openai_responses::wire::reasoning::{write_reasoning, write_summary};
use crate::openai_responses::wire::write::{
    UNKNOWN, call_words, item_id, report_citation, report_extra,
};
use crate::openai_responses::wire::{CONTENT, OWN, spelled};

/// Most bytes of an answer that are kept for its last event; beyond it the stream fails.
const KEPT_BYTES: usize = 16 << 20;

/// The status of an item that is being told.
const IN_PROGRESS: &str = "in_progress";

/// The writer of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    line: Line,
    start: Start,
    ours: bool,
    /// Items that are told, by their place; empty while one is open.
    items: Vec<String>,
    open: Vec<Open>,
    /// Reasoning that has said nothing yet.
    silent: Vec<Thought>,
    calls: bool,
    ending: Option<(Finish, Extra)>,
    usage: Option<Box<Usage>>,
    kept: usize,
    begun: bool,
    closed: bool,
    losses: Losses,
}

impl Encoder {
    pub(crate) fn new(_options: EncoderOptions) -> Self {
        Self::default()
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            id: &self.start.id,
            model: &self.start.model,
            created: self.start.created,
            tier: self.start.service_tier.as_deref(),
            extra: &self.start.extra,
            ours: self.ours,
        }
    }

    fn begin(&mut self, start: &Start, out: &mut Vec<u8>) {
        self.begun = true;
        self.start = start.clone();
        self.ours = start.extra.noted(spelled::OURS);
        if !self.ours {
            report_extra(&start.extra, "", &mut self.losses);
        }
        let mut line = std::mem::take(&mut self.line);
        for kind in ["response.created", "response.in_progress"] {
            line.write(out, kind, |out| {
                self.envelope().write_start(out.key("response"));
            });
        }
        self.line = line;
    }

    fn part_start(&mut self, part: u64, start: &PartStart, out: &mut Vec<u8>) {
        match start {
            PartStart::Text => self.content(part, Content::default(), out),
            PartStart::Refusal => {
                let refusal = Content {
                    refusal: true,
                    ..Content::default()
                };
                self.content(part, refusal, out);
            }
            PartStart::Opaque(opaque) if opaque.origin != OWN => {
                self.lose("content", UNKNOWN);
            }
            PartStart::Opaque(opaque) if opaque.kind.starts_with(CONTENT) => {
                let raw = Content {
                    raw: Some(opaque.value.clone()),
                    ..Content::default()
                };
                self.content(part, raw, out);
            }
            PartStart::Opaque(opaque) => {
                self.close_said(out);
                let value = opaque.value.clone();
                let id = id_of(&value).unwrap_or_default();
                self.add(id, Form::Opaque { part, value }, out);
            }
            PartStart::Reasoning => {
                self.close_said(out);
                self.silent.push(Thought {
                    part,
                    ..Thought::default()
                });
            }
            PartStart::ToolCall { id, name, kind } => {
                self.close_said(out);
                self.calls = true;
                let call = Call {
                    part,
                    call_id: id.clone(),
                    name: name.clone(),
                    kind: *kind,
                    arguments: String::new(),
                };
                let (_, _, prefix) = call_words(*kind);
                let id = item_id(prefix, &self.start.id, self.items.len());
                self.add(id, Form::Call(call), out);
            }
        }
    }

    /// Adds an item to the answer.
    fn add(&mut self, id: String, form: Form, out: &mut Vec<u8>) {
        let index = self.items.len();
        self.items.push(String::new());
        self.line.write(out, "response.output_item.added", |out| {
            out.key("output_index").number(index);
            out.key("item");
            match &form {
                Form::Message(_) => write_message(out, &id, IN_PROGRESS, &[]),
                Form::Call(call) => write_call(out, &id, IN_PROGRESS, call),
                Form::Reasoning(_) => {
                    let nothing = Reasoning::default();
                    write_reasoning(out, &nothing, &Extra::default(), &id);
                }
                Form::Opaque { value, .. } => {
                    out.json(value);
                }
            }
        });
        self.open.push(Open { index, id, form });
    }

    /// Begins a piece of content, in the message that was said last or in a new one.
    fn content(&mut self, part: u64, content: Content, out: &mut Vec<u8>) {
        let last = self.items.len().checked_sub(1);
        let goes_on = self.silent.is_empty()
            && self
                .open
                .iter()
                .any(|open| Some(open.index) == last && matches!(open.form, Form::Message(_)));
        if !goes_on {
            self.close_said(out);
            let id = item_id("msg", &self.start.id, self.items.len());
            self.add(id, Form::Message(Vec::new()), out);
        }
        let Some(Open {
            index,
            id,
            form: Form::Message(list),
        }) = self.open.last_mut()
        else {
            return;
        };
        let place = list.len();
        self.line.write(out, "response.content_part.added", |out| {
            about(out, *index, id);
            out.key("content_index").number(place);
            content.write(out.key("part"));
        });
        list.push(Content { part, ..content });
    }

    fn delta(&mut self, part: u64, delta: &Delta, out: &mut Vec<u8>) {
        self.kept = self.kept.saturating_add(weight(delta));
        if self.kept > KEPT_BYTES {
            self.overflow(out);
            return;
        }
        if let Some(at) = self.silent.iter().position(|thought| thought.part == part) {
            self.think(at, delta, out);
            return;
        }
        let Some(open) = self.open.iter_mut().find(|open| open.has(part)) else {
            return;
        };
        let (index, id, line) = (open.index, &open.id, &mut self.line);
        match (&mut open.form, delta) {
            (Form::Message(list), delta) => {
                let place = list.iter().position(|content| content.part == part);
                if let Some((place, content)) = place.and_then(|p| Some((p, list.get_mut(p)?))) {
                    let mut at = Told { index, id, line };
                    at.grow(content, place, delta, out);
                    if let Delta::Citation(citation) = delta {
                        let form = at.cite(content, place, citation, out);
                        report_citation(citation, form, "annotations", &mut self.losses);
                    }
                }
            }
            (Form::Call(call), Delta::Arguments(words)) => {
                call.arguments.push_str(words);
                line.write(out, call_delta(call.kind), |out| {
                    about(out, index, id);
                    out.key("delta").string(words);
                });
            }
            (Form::Reasoning(thought), Delta::Text(words)) => {
                thought.text.push_str(words);
                line.write(out, "response.reasoning_summary_text.delta", |out| {
                    about(out, index, id);
                    out.key("summary_index").number(0);
                    out.key("delta").string(words);
                });
            }
            (Form::Reasoning(thought), Delta::Opaque(opaque)) => {
                thought.opaque = Some((**opaque).clone());
            }
            (Form::Opaque { value, .. }, Delta::Raw(whole)) => value.clone_from(whole),
            // A delta that does not fit its part is refused by the decoder before it gets here.
            (
                Form::Call(_) | Form::Reasoning(_) | Form::Opaque { .. },
                Delta::Text(_)
                | Delta::Arguments(_)
                | Delta::Opaque(_)
                | Delta::Citation(_)
                | Delta::Raw(_),
            ) => {}
        }
    }

    /// Reasoning says its first words, or is told what only its maker can use.
    fn think(&mut self, at: usize, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Opaque(opaque) => {
                if let Some(thought) = self.silent.get_mut(at) {
                    thought.opaque = Some((**opaque).clone());
                }
            }
            Delta::Text(_) => {
                let thought = self.silent.remove(at);
                let part = thought.part;
                self.add_thought(thought, out);
                if let Some(Open { index, id, .. }) = self.open.last() {
                    let (index, id) = (*index, id.as_str());
                    self.line
                        .write(out, "response.reasoning_summary_part.added", |out| {
                            about(out, index, id);
                            out.key("summary_index").number(0);
                            write_summary(out.key("part"), "");
                        });
                }
                self.delta(part, delta, out);
            }
            Delta::Arguments(_) | Delta::Citation(_) | Delta::Raw(_) => {}
        }
    }

    fn add_thought(&mut self, thought: Thought, out: &mut Vec<u8>) {
        let own = thought.opaque.as_ref().filter(|o| o.origin == OWN);
        let id = own.and_then(|opaque| id_of(&opaque.value));
        let id = id.unwrap_or_else(|| item_id("rs", &self.start.id, self.items.len()));
        self.add(id, Form::Reasoning(thought), out);
    }

    fn part_end(&mut self, part: u64, out: &mut Vec<u8>) {
        if let Some(at) = self.silent.iter().position(|thought| thought.part == part) {
            let thought = self.silent.remove(at);
            if thought.opaque.is_some() {
                self.add_thought(thought, out);
                self.close_at(self.open.len().saturating_sub(1), out);
            }
            return;
        }
        let Some(at) = self.open.iter().position(|open| open.has(part)) else {
            return;
        };
        let Some(open) = self.open.get_mut(at) else {
            return;
        };
        if let Form::Message(list) = &mut open.form {
            for content in list.iter_mut().filter(|content| content.part == part) {
                content.ended = true;
            }
            // The last message may go on, and hear of its probabilities.
            if open.index + 1 == self.items.len() || !open.is_said() {
                return;
            }
        }
        self.close_at(at, out);
    }

    /// Closes the messages whose content has ended.
    fn close_said(&mut self, out: &mut Vec<u8>) {
        while let Some(at) = self.open.iter().position(Open::is_said) {
            self.close_at(at, out);
        }
    }

    fn close_at(&mut self, at: usize, out: &mut Vec<u8>) {
        if at >= self.open.len() {
            return;
        }
        let Open { index, id, form } = self.open.remove(at);
        let mut told = Told {
            index,
            id: &id,
            line: &mut self.line,
        };
        let item = match form {
            Form::Message(list) => told.close_message(&list, out),
            Form::Call(call) => told.close_call(call, self.ours, out),
            Form::Reasoning(thought) => told.close_thought(thought, out),
            Form::Opaque { value, .. } => value,
        };
        self.line.write(out, "response.output_item.done", |out| {
            out.key("output_index").number(index);
            out.key("item").json(&item);
        });
        if let Some(slot) = self.items.get_mut(index) {
            item.text().clone_into(slot);
        }
    }

    /// Too much was said to be told again: a shorter answer would be none.
    fn overflow(&mut self, out: &mut Vec<u8>) {
        let why = "the answer has more than 16 MiB, which its last event cannot hold";
        self.lose("output", why);
        self.line.write(out, "error", |out| {
            out.key("code").string("server_error");
            out.key("message").string(why);
            out.key("param").null();
            out.key("error").object(|out| {
                out.key("type").string("server_error");
                out.key("message").string(why);
            });
        });
        self.closed = true;
    }

    fn logprobs(&mut self, value: &Json) {
        let Some(list) = probability_list(value) else {
            self.lose_lightly("logprobs", "another dialect's probabilities");
            return;
        };
        let messages = self
            .open
            .iter_mut()
            .rev()
            .filter_map(|open| match &mut open.form {
                Form::Message(list) => list.iter_mut().rfind(|content| !content.refusal),
                Form::Call(_) | Form::Reasoning(_) | Form::Opaque { .. } => None,
            });
        if let Some(content) = messages.into_iter().next() {
            self.kept = self.kept.saturating_add(list.text().len());
            content.logprobs.push(list);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close_said(out);
        while !self.open.is_empty() {
            self.close_at(0, out);
        }
        let empty = Extra::default();
        let (finish, extra) = match &self.ending {
            Some((finish, extra)) => (Some(finish), extra),
            None => (None, &empty),
        };
        let (word, _) = status(finish, self.ours);
        let kind = if word == COMPLETED {
            "response.completed"
        } else {
            "response.incomplete"
        };
        let output = format!("[{}]", self.items.join(","));
        let mut line = std::mem::take(&mut self.line);
        line.write(out, kind, |out| {
            let usage = self.usage.as_deref();
            let envelope = self.envelope();
            envelope.write_end(out.key("response"), &output, usage, (finish, extra));
        });
        self.line = line;
        self.closed = true;
    }

    fn lose(&mut self, path: &str, why: &'static str) {
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.functional(path, LossKind::Dropped, why);
        }
    }

    fn lose_lightly(&mut self, path: &str, why: &'static str) {
        if !self.losses.as_slice().iter().any(|loss| loss.path == path) {
            self.losses.tuning(path, LossKind::Dropped, why);
        }
    }
}

impl EventEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            StreamEvent::Start(start) => self.begin(start, out),
            StreamEvent::PartStart { candidate: 1.., .. }
            | StreamEvent::Delta { candidate: 1.., .. }
            | StreamEvent::PartEnd { candidate: 1.., .. }
            | StreamEvent::Finish { candidate: 1.., .. }
            | StreamEvent::Logprobs { candidate: 1.., .. } => {
                self.lose("choices[1]", "a response is one answer");
            }
            StreamEvent::PartStart { part, start, .. } => self.part_start(*part, start, out),
            StreamEvent::Delta { part, delta, .. } => self.delta(*part, delta, out),
            StreamEvent::PartEnd { part, .. } => self.part_end(*part, out),
            StreamEvent::Logprobs { value, .. } => self.logprobs(value),
            StreamEvent::Finish { finish, extra, .. } => {
                if !self.ours {
                    report_extra(extra, "", &mut self.losses);
                    report_finish(finish, self.calls, &mut self.losses);
                }
                self.ending = Some((finish.clone(), (**extra).clone()));
            }
            StreamEvent::Usage(usage) => self.usage = Some(usage.clone()),
            // Failures are told by `fail`, with what the gateway knows of them.
            StreamEvent::Ping | StreamEvent::Error(_) => {}
            StreamEvent::End => self.end(out),
        }
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.line.write(out, "error", |out| {
            out.key("code").string(failure.code);
            out.key("message").string(&failure.message);
            out.key("param");
            match &failure.param {
                Some(param) => out.string(param),
                None => out.null(),
            };
            failure::write(out.key("error"), failure);
        });
        if !self.begun {
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        line.write(out, "response.failed", |out| {
            self.envelope().write_failed(out.key("response"), |out| {
                out.object(|out| {
                    out.key("code").string(failure.code);
                    out.key("message").string(&failure.message);
                });
            });
        });
        self.line = line;
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}
