//! One event of a stream as it was read, before the grammar weighs its meaning.
//!
//! What the hub has no word for is passed over and its name kept. Reading must never
//! decide what an event means for the stream.

use std::borrow::Cow;

use crate::chat::{Citation, Extra, Usage};
use crate::cohere::response::usage::usage;
use crate::cohere::wire::citation::citation;
use crate::json::{Invalid, Json, Kind, Reader};

/// An event as it was read.
#[derive(Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) index: Option<u64>,
    pub(super) id: Option<Cow<'a, str>>,
    /// What kind of content block begins.
    pub(super) block: Option<Cow<'a, str>>,
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) thinking: Option<Cow<'a, str>>,
    pub(super) plan: Option<Cow<'a, str>>,
    pub(super) call: Option<Call<'a>>,
    pub(super) citation: Option<Box<Citation>>,
    pub(super) logprobs: Option<Json>,
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) error: Option<Cow<'a, str>>,
    pub(super) usage: Option<Box<Usage>>,
    /// A sentence beside no type at all, as errors have it.
    pub(super) message: bool,
    /// What else stood in the envelope.
    pub(super) extra: Extra,
}

/// A call or what it grows by.
#[derive(Default)]
pub(super) struct Call<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arguments: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    pub(super) fn read(data: &'a str, unknown: &mut Unknown) -> Result<Self, Invalid> {
        let mut event = Self::default();
        let mut reader = Reader::over(data);
        let mut others = Vec::new();
        let mut seen = 0u8;
        reader.object(|key, member| {
            let kind = member.peek()?;
            let place = ["type", "index", "id", "delta"]
                .iter()
                .position(|n| *n == key);
            if let Some(bit) = place {
                if seen & 1 << bit != 0 {
                    return Err(Invalid::new("this member stands here twice"));
                }
                seen |= 1 << bit;
            }
            match (key, kind) {
                ("type", _) => event.kind = member.string()?,
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("index", _) => event.index = Some(member.u64()?),
                ("id", Kind::String) => event.id = Some(member.string()?),
                ("delta", _) => event.delta(member, unknown)?,
                ("logprobs", _) => event.logprobs = Some(member.json()?),
                _ => {
                    event.message |= key == "message" && kind == Kind::String;
                    others.push((short(key).into_owned(), member.json()?));
                    if others.len() > OTHERS {
                        return Err(Invalid::new("more members than an event has"));
                    }
                }
            }
            Ok(())
        })?;
        reader.end()?;
        for (name, value) in others {
            if event.kind == "message-start" {
                event.extra.push(&name, value);
            } else {
                unknown.note(&event.kind, &name);
            }
        }
        Ok(event)
    }

    fn delta(&mut self, reader: &mut Reader<'a>, unknown: &mut Unknown) -> Result<(), Invalid> {
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("message", _) => self.message(member, unknown)?,
                ("finish_reason", _) => self.reason = Some(member.string()?),
                ("error", Kind::String) => self.error = Some(member.string()?),
                ("error", _) => self.error = Some(member.raw()?.into()),
                ("usage", _) => self.usage = Some(Box::new(usage(member)?)),
                _ => unknown.pass(member, "delta", key)?,
            }
            Ok(())
        })
    }

    fn message(&mut self, reader: &mut Reader<'a>, unknown: &mut Unknown) -> Result<(), Invalid> {
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) | ("role", _) => {
                    member.skip()?;
                }
                // Where the message starts, these are lists with nothing in them.
                ("content" | "tool_calls" | "citations", Kind::Array) => {
                    member.array(|_, _| Err(Invalid::new("content before its own event")))?;
                }
                ("content", _) => self.content(member, unknown)?,
                ("tool_plan", _) => self.plan = Some(member.string()?),
                ("tool_calls", _) => self.call = Some(Call::read(member, unknown)?),
                ("citations", _) => self.citation = Some(Box::new(citation(member)?.0)),
                _ => unknown.pass(member, "message", key)?,
            }
            Ok(())
        })
    }

    fn content(&mut self, reader: &mut Reader<'a>, unknown: &mut Unknown) -> Result<(), Invalid> {
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("type", _) => self.block = Some(member.string()?),
                ("text", _) => self.text = Some(member.string()?),
                ("thinking", _) => self.thinking = Some(member.string()?),
                _ => unknown.pass(member, "content", key)?,
            }
            Ok(())
        })
    }
}

impl<'a> Call<'a> {
    fn read(reader: &mut Reader<'a>, unknown: &mut Unknown) -> Result<Self, Invalid> {
        let mut call = Self::default();
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) | ("type", Kind::String) => {
                    member.skip()?;
                }
                ("id", _) => call.id = Some(member.string()?),
                ("function", _) => member.object(|key, member| {
                    match (key, member.peek()?) {
                        (_, Kind::Null) => {
                            member.skip()?;
                        }
                        ("name", _) => call.name = Some(member.string()?),
                        ("arguments", _) => call.arguments = Some(member.string()?),
                        _ => unknown.pass(member, "function", key)?,
                    }
                    Ok(())
                })?,
                _ => unknown.pass(member, "tool_calls", key)?,
            }
            Ok(())
        })?;
        Ok(call)
    }
}

/// Names of fields that were passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    pub(super) names: Vec<String>,
}

/// Most names of unknown fields that are kept.
const UNKNOWN: usize = 32;
/// Most members of an event beside those that are known.
const OTHERS: usize = 64;

impl Unknown {
    /// Passes over a member and keeps its name.
    fn pass(&mut self, member: &mut Reader<'_>, of: &str, name: &str) -> Result<(), Invalid> {
        member.skip()?;
        self.note(of, name);
        Ok(())
    }

    /// Keeps a name.
    pub(super) fn note(&mut self, of: &str, name: &str) {
        if self.names.len() == UNKNOWN {
            return;
        }
        let name = format!("{}.{}", short(of), short(name));
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// The first letters of a name that someone else chose, to be kept or shown.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    const LETTERS: usize = 64;
    match name.char_indices().nth(LETTERS) {
        Some((at, _)) => Cow::Owned(format!("{}…", name.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(name),
    }
}
