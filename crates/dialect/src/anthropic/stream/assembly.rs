//! Puts a block that only this dialect knows together from its start and its deltas.
//!
//! The whole block travels as one value, since no one else knows what its
//! deltas mean. It must never come out shorter than it was sent.

use std::borrow::Cow;

use crate::codec::Broken;
use crate::json::{Invalid, Json, Kind, Reader};

/// Most bytes of a block that is put together.
const BYTES: usize = 16 << 20;
/// Most members that such a block may have.
const MEMBERS: usize = 256;

/// A block that grows.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    members: Vec<(String, Member)>,
    /// The input of a call, as it comes in pieces.
    input: String,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Member {
    Raw(Json),
    /// A text that grows.
    Text(String),
}

impl Assembly {
    /// The block as it began.
    pub(super) fn new(block: &Json) -> Result<Self, Invalid> {
        let mut members = Vec::new();
        block.reader().object(|name, value| {
            members.push((name.to_owned(), Member::Raw(value.json()?)));
            few(&members)
        })?;
        Ok(Self {
            members,
            input: String::new(),
            bytes: block.text().len(),
        })
    }

    /// Takes in a delta: texts grow, anything else is replaced.
    pub(super) fn push(&mut self, delta: &mut Reader<'_>) -> Result<(), Broken> {
        let start = delta.offset();
        delta.object(|name, value| match (name, value.peek()?) {
            ("type", _) => value.skip().map(drop),
            ("partial_json", Kind::String) => {
                self.input.push_str(&value.string()?);
                Ok(())
            }
            (_, Kind::String) => {
                let more = value.string()?;
                self.grow(name, &more)
            }
            _ => {
                let value = Member::Raw(value.json()?);
                match self.members.iter_mut().find(|(known, _)| known == name) {
                    Some((_, old)) => *old = value,
                    None => self.members.push((name.to_owned(), value)),
                }
                few(&self.members)
            }
        })?;
        self.bytes = self.bytes.saturating_add(delta.offset() - start);
        if self.bytes > BYTES {
            return Err(Broken::new("a block is larger than 16 MiB"));
        }
        Ok(())
    }

    fn grow(&mut self, name: &str, more: &str) -> Result<(), Invalid> {
        let Some(at) = self.members.iter().position(|(known, _)| known == name) else {
            let text = Member::Text(more.to_owned());
            self.members.push((name.to_owned(), text));
            return few(&self.members);
        };
        let Some((_, member)) = self.members.get_mut(at) else {
            return Ok(());
        };
        match member {
            Member::Text(text) => text.push_str(more),
            Member::Raw(raw) => {
                let mut text = match raw.reader().peek()? {
                    Kind::String => raw.reader().string()?.into_owned(),
                    Kind::Null | Kind::Bool | Kind::Number | Kind::Array | Kind::Object => {
                        String::new()
                    }
                };
                text.push_str(more);
                *member = Member::Text(text);
            }
        }
        Ok(())
    }

    /// The whole block.
    pub(super) fn finish(self) -> Result<Json, Broken> {
        let input = match self.input.as_str() {
            "" => None,
            input => Some(Json::parse(input).map_err(|_| {
                Broken::new("the input of a tool that the provider runs is no JSON")
            })?),
        };
        Ok(Json::written(|out| {
            out.object(|out| {
                let mut due = input.as_ref();
                for (name, member) in &self.members {
                    let replaced = if name == "input" { due.take() } else { None };
                    out.key(name);
                    match (replaced, member) {
                        (Some(input), _) => out.json(input),
                        (None, Member::Raw(raw)) => out.json(raw),
                        (None, Member::Text(text)) => out.string(text),
                    };
                }
                if let Some(input) = due {
                    out.key("input").json(input);
                }
            });
        }))
    }
}

fn few(members: &[(String, Member)]) -> Result<(), Invalid> {
    if members.len() > MEMBERS {
        return Err(Invalid::new("a block has more members than any has"));
    }
    Ok(())
}

/// The first letters of a name that someone else chose, to be kept or shown.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    const LETTERS: usize = 64;
    match name.char_indices().nth(LETTERS) {
        Some((at, _)) => Cow::Owned(format!("{}…", name.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(name),
    }
}
