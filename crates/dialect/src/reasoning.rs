//! Reasoning that must come back with the calls of tools that it led to.
//!
//! Providers sign or seal the reasoning before a call and want it back, unchanged, with the call's
//! result. Where the client's dialect has no slot for that, or its program drops the slot, somebody
//! else keeps it: [`Collector`] finds in an answer what is to be kept, [`put_back`] puts it into a
//! later request. Who keeps it, for whom and how long is not decided here.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::chat::{
    Delta, Message, Part, PartKind, PartStart, Reasoning, Request, Response, Role, StreamEvent,
};

/// Note of a part that was put back, and goes to its own maker alone.
pub(crate) const RETURNED: &str = "reasoning: returned";

/// A call of a tool, with the reasoning that must come back with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Id of the call.
    pub call: String,
    /// What stood before it, behind the call before it.
    before: Vec<Placed>,
    /// What stood behind it, if no other call followed.
    after: Vec<Part>,
}

/// Reasoning and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    /// How many other parts stood before it, counted from the call before.
    others: usize,
    part: Part,
}

impl Signed {
    /// About what it weighs in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let before = self.before.iter().map(|placed| &placed.part);
        let parts = before.chain(&self.after).map(weight);
        parts.sum::<usize>() + self.call.len() + OVERHEAD
    }
}

/// What any part, and any call, weighs beside its text.
const OVERHEAD: usize = 256;

fn weight(part: &Part) -> usize {
    let PartKind::Reasoning(reasoning) = &part.kind else {
        return OVERHEAD;
    };
    let opaque = reasoning.opaque.as_ref();
    let opaque = opaque.map_or(0, |opaque| opaque.value.text().len() + opaque.kind.len());
    reasoning.text.len() + opaque + OVERHEAD
}

/// Finds the reasoning of an answer that must come back.
#[derive(Clone, Debug)]
pub struct Collector {
    /// The most that is collected, in bytes.
    most: usize,
    /// The parts of each answer, in order.
    answers: BTreeMap<u64, Vec<Slot>>,
    bytes: usize,
}

/// A part of an answer, as far as it matters here.
#[derive(Clone, Debug)]
enum Slot {
    Reasoning(Box<Part>),
    Call(String),
    Other,
}

impl Collector {
    /// Collects at most so many bytes; of an answer with more reasoning nothing is kept.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            answers: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// What is collected weighs about so much in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.min(self.most)
    }

    /// Takes in an event of a stream.
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::PartStart {
                candidate, start, ..
            } => {
                let slot = match start {
                    PartStart::Reasoning => {
                        Slot::Reasoning(Box::new(PartKind::Reasoning(Reasoning::default()).into()))
                    }
                    PartStart::ToolCall { id, .. } => Slot::Call(id.clone()),
                    PartStart::Text | PartStart::Refusal | PartStart::Opaque(_) => Slot::Other,
                };
                self.add(*candidate, slot);
            }
            StreamEvent::Delta {
                candidate,
                part,
                delta,
            } => self.grow((*candidate, *part), delta),
            StreamEvent::Start(_)
            | StreamEvent::PartEnd { .. }
            | StreamEvent::Logprobs { .. }
            | StreamEvent::Finish { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Ping
            | StreamEvent::Error(_)
            | StreamEvent::End => {}
        }
    }

    /// Takes in a whole answer.
    pub fn take(&mut self, response: &Response) {
        for candidate in &response.candidates {
            for part in &candidate.parts {
                let slot = match &part.kind {
                    PartKind::Reasoning(reasoning) => {
                        Slot::Reasoning(Box::new(PartKind::Reasoning(reasoning.clone()).into()))
                    }
                    PartKind::ToolCall(call) => Slot::Call(call.id.clone()),
                    PartKind::Text(_)
                    | PartKind::Image(_)
                    | PartKind::Audio(_)
                    | PartKind::Video(_)
                    | PartKind::Document(_)
                    | PartKind::ToolResult(_)
                    | PartKind::Refusal(_)
                    | PartKind::Opaque(_) => Slot::Other,
                };
                self.add(candidate.index, slot);
            }
        }
    }

    /// The calls that have reasoning. `plain` says whether reasoning that nothing signs counts.
    #[must_use]
    pub fn into_signed(self, plain: bool) -> Vec<Signed> {
        if self.bytes > self.most {
            return Vec::new();
        }
        let answers = self.answers.into_values();
        answers.flat_map(|slots| signed(slots, plain)).collect()
    }

    fn add(&mut self, candidate: u64, slot: Slot) {
        self.bytes = self.bytes.saturating_add(match &slot {
            Slot::Reasoning(part) => weight(part),
            Slot::Call(id) => id.len() + OVERHEAD,
            Slot::Other => size_of::<Slot>(),
        });
        if self.bytes > self.most {
            self.answers.clear();
            return;
        }
        self.answers.entry(candidate).or_default().push(slot);
    }

    fn grow(&mut self, (candidate, part): (u64, u64), delta: &Delta) {
        let slots = self.answers.get_mut(&candidate);
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        let Some(Slot::Reasoning(part)) = slots.and_then(|slots| slots.get_mut(index)) else {
            return;
        };
        let before = weight(part);
        if let PartKind::Reasoning(reasoning) = &mut part.kind {
            match delta {
                Delta::Text(more) => reasoning.text.push_str(more),
                Delta::Opaque(opaque) => reasoning.opaque = Some((**opaque).clone()),
                Delta::Arguments(_) | Delta::Citation(_) | Delta::Raw(_) => {}
            }
        }
        self.bytes = (self.bytes + weight(part)).saturating_sub(before);
        if self.bytes > self.most {
            self.answers.clear();
        }
    }
}

fn signed(slots: Vec<Slot>, plain: bool) -> Vec<Signed> {
    let mut calls: Vec<Signed> = Vec::new();
    let (mut before, mut others) = (Vec::new(), 0);
    for slot in slots {
        match slot {
            Slot::Reasoning(part) if returns(&part, plain) => {
                before.push(Placed {
                    others,
                    part: *part,
                });
            }
            Slot::Reasoning(_) => {}
            Slot::Call(call) => {
                let before = std::mem::take(&mut before);
                let after = Vec::new();
                calls.push(Signed {
                    call,
                    before,
                    after,
                });
                others = 0;
            }
            Slot::Other => others += 1,
        }
    }
    if let Some(last) = calls.last_mut() {
        last.after = before.into_iter().map(|placed| placed.part).collect();
    }
    calls.retain(|call| !(call.before.is_empty() && call.after.is_empty()));
    calls
}

/// Whether the provider wants that reasoning back.
fn returns(part: &Part, plain: bool) -> bool {
    let PartKind::Reasoning(reasoning) = &part.kind else {
        return false;
    };
    reasoning.opaque.is_some() || (plain && !reasoning.text.is_empty())
}

/// What is known of a call in a conversation.
#[derive(Clone, Debug)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// The one that the request goes to made it, with this reasoning.
    Here(Arc<Signed>),
    /// Another one made it.
    Elsewhere,
}

/// What the model was told so far, as one number: what users and tools said, in order.
///
/// Ids of calls repeat at some providers. With this number beside it an id names one call of one
/// conversation.
#[must_use]
pub fn told(messages: &[Message], hash: &impl BuildHasher) -> u64 {
    let mut told = hash.build_hasher();
    messages.iter().for_each(|message| tell(message, &mut told));
    told.finish()
}

fn tell(message: &Message, told: &mut impl Hasher) {
    match message.role {
        Role::User | Role::Tool => tell_parts(&message.parts, told),
        // Instructions may hold the time of day; what the model said is not what it was told.
        Role::System | Role::Developer | Role::Assistant => {}
    }
}

fn tell_parts(parts: &[Part], told: &mut impl Hasher) {
    for part in parts {
        match &part.kind {
            PartKind::Text(text) => {
                told.write(text.as_written().as_bytes());
                told.write_u8(0xff);
            }
            PartKind::ToolResult(result) => {
                told.write(result.call_id.as_bytes());
                tell_parts(&result.parts, told);
            }
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_) => {}
        }
    }
}

/// The request with the reasoning that its client could not carry; `None` where there is nothing to
/// change.
///
/// `known` is asked for each call, by its id and what the model was told before (see [`told`]). What
/// the maker of a call signed takes the place of what the client says of it. What another one signed
/// loses its signature: nobody else may see or check it.
pub fn put_back(
    request: &Request,
    hash: &impl BuildHasher,
    known: &mut dyn FnMut(&str, u64) -> Known,
) -> Option<Request> {
    let mut told = hash.build_hasher();
    let mut edits: Vec<(usize, Vec<Part>)> = Vec::new();
    for (at, message) in request.messages.iter().enumerate() {
        if message.role == Role::Assistant {
            let so_far = told.finish();
            let edited = edited(&message.parts, &mut |call| known(call, so_far));
            edits.extend(edited.map(|parts| (at, parts)));
        }
        tell(message, &mut told);
    }
    if edits.is_empty() {
        return None;
    }
    let mut request = request.clone();
    for (at, parts) in edits {
        if let Some(message) = request.messages.get_mut(at) {
            message.parts = parts;
        }
    }
    Some(request)
}

/// The parts of a turn with their reasoning; `None` where nothing is known of its calls.
fn edited(parts: &[Part], known: &mut dyn FnMut(&str) -> Known) -> Option<Vec<Part>> {
    let (mut any, mut elsewhere) = (false, false);
    let (mut out, mut since, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        if let PartKind::ToolCall(call) = &part.kind {
            after.clear();
            match known(&call.id) {
                Known::Nothing if elsewhere => since.iter_mut().for_each(unsign),
                Known::Nothing => {}
                Known::Here(signed) => {
                    any = true;
                    place(&mut since, &signed.before);
                    after.extend(signed.after.iter().map(returned));
                }
                Known::Elsewhere => {
                    (any, elsewhere) = (true, true);
                    since.iter_mut().for_each(unsign);
                }
            }
            out.append(&mut since);
            out.push(part.clone());
        } else {
            since.push(part.clone());
        }
    }
    if elsewhere {
        since.iter_mut().for_each(unsign);
    }
    out.append(&mut since);
    out.append(&mut after);
    any.then_some(out)
}

/// Puts reasoning among the other parts before a call, in place of what the client says of it.
fn place(parts: &mut Vec<Part>, reasoning: &[Placed]) {
    if !reasoning.is_empty() {
        parts.retain(|part| !matches!(part.kind, PartKind::Reasoning(_)));
    }
    for (before, placed) in reasoning.iter().enumerate() {
        let at = (placed.others + before).min(parts.len());
        parts.insert(at, returned(&placed.part));
    }
}

fn returned(part: &Part) -> Part {
    let mut part = part.clone();
    part.extra.note(RETURNED);
    part
}

/// Takes the signature off, so that whoever writes the part tells that it is lost.
fn unsign(part: &mut Part) {
    if let PartKind::Reasoning(reasoning) = &mut part.kind {
        reasoning.opaque = None;
    }
}
