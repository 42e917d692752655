//! One event of a stream as it was read, before the grammar weighs its meaning.
//!
//! What the hub has no word for is passed over and its name kept. Reading must
//! never decide what an event means for the stream.

use std::borrow::Cow;

use super::assembly::short;
use crate::anthropic::wire::read::{read_citation, signature};
use crate::anthropic::wire::{required, text};
use crate::chat::{Citation, Extra, Opaque};
use crate::json::{Invalid, Json, Kind, Reader};

/// An event as it was read, before its meaning is weighed.
#[derive(Default)]
pub(super) struct Event {
    /// Whether it carries an error.
    pub(super) failed: bool,
    pub(super) index: Option<u64>,
    /// A message, a block, or the delta of a block that only this dialect knows.
    pub(super) raw: Option<Json>,
    pub(super) step: Option<Step>,
    pub(super) reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    pub(super) extra: Extra,
    /// Whether it told usage.
    pub(super) counted: bool,
}

impl Event {
    /// Reads the reason to stop and what stands beside it.
    pub(super) fn ending(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        reader.object(|key, member| {
            let slot = match key {
                "stop_reason" => &mut self.reason,
                "stop_sequence" => &mut self.stop_sequence,
                _ => {
                    self.extra.push(key, member.json()?);
                    return Ok(());
                }
            };
            if !member.null()? {
                *slot = Some(text(member)?).filter(|word| !word.is_empty());
            }
            Ok(())
        })
    }
}

/// By what a block of a known form grows.
pub(super) enum Step {
    Text(String),
    Thinking(String),
    Input(String),
    Signature(Option<Opaque>),
    Citation(Box<Citation>),
    /// Of a kind that is not known; its name was kept.
    Unknown,
}

/// Reads the delta of a block of a known form.
pub(super) fn step(reader: &mut Reader<'_>, unknown: &mut Unknown) -> Result<Step, Invalid> {
    let (mut kind, mut words) = (Cow::Borrowed(""), None);
    let (mut signed, mut cited) = (None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", _) => kind = member.string()?,
            ("text" | "partial_json" | "thinking", Kind::String) => {
                words = Some(member.string()?);
            }
            ("signature", Kind::String) => signed = signature(member)?,
            ("citation", Kind::Object) => cited = Some(read_citation(member)?),
            _ => unknown.pass(member, "delta", key)?,
        }
        Ok(())
    })?;
    let words = words.map(Cow::into_owned);
    Ok(match &*kind {
        "text_delta" => Step::Text(required(words, "text")?),
        "input_json_delta" => Step::Input(required(words, "partial_json")?),
        "thinking_delta" => Step::Thinking(required(words, "thinking")?),
        "signature_delta" => Step::Signature(signed),
        "citations_delta" => Step::Citation(Box::new(required(cited, "citation")?)),
        other => {
            unknown.note("delta", other);
            Step::Unknown
        }
    })
}

/// Names of fields that were passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    pub(super) names: Vec<String>,
}

/// Most names of unknown fields that are kept.
const UNKNOWN: usize = 32;

impl Unknown {
    /// Passes over a member and keeps its name, if it says something.
    pub(super) fn pass(
        &mut self,
        member: &mut Reader<'_>,
        of: &str,
        name: &str,
    ) -> Result<(), Invalid> {
        if !member.null()? {
            member.skip()?;
            self.note(of, name);
        }
        Ok(())
    }

    /// Keeps a name.
    pub(super) fn note(&mut self, of: &str, name: &str) {
        let name = format!("{}.{}", short(of), short(name));
        if self.names.len() < UNKNOWN && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// A call's input where it stands in the block's start; an empty object is none yet.
pub(super) fn given_input(reader: &mut Reader<'_>) -> Result<Option<String>, Invalid> {
    let raw = reader.raw()?;
    let empty = raw
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with('}'));
    Ok((!empty).then(|| raw.to_owned()))
}
