//! What one delta of a choice says, read without a copy.
//!
//! Members come in any order, so they are gathered first and acted upon after;
//! nothing here may change the state of a stream.

use std::borrow::Cow;

use crate::json::{Invalid, Kind, Reader};

/// One entry of a chunk's `choices`.
#[derive(Default)]
pub(super) struct Turn<'a> {
    pub(super) index: u64,
    pub(super) said: Said<'a>,
    pub(super) finish: Option<Cow<'a, str>>,
    /// What the provider says of a failure of this choice alone.
    pub(super) error: Option<&'a str>,
    pub(super) logprobs: Option<Reader<'a>>,
}

/// A delta.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) content: Option<Cow<'a, str>>,
    /// Content as a list of parts, as some providers stream it.
    pub(super) list: Option<Reader<'a>>,
    pub(super) refusal: Option<Cow<'a, str>>,
    pub(super) reasoning: Option<Cow<'a, str>>,
    pub(super) details: Option<Reader<'a>>,
    pub(super) calls: Option<Reader<'a>>,
    pub(super) annotations: Option<Reader<'a>>,
}

impl<'a> Turn<'a> {
    /// Reads an entry; the members that it has no word for go to `unknown` with their place.
    pub(super) fn read(
        reader: &mut Reader<'a>,
        unknown: &mut impl FnMut(&'static str, &str),
    ) -> Result<Self, Invalid> {
        let mut turn = Self::default();
        reader.object(|key, member| {
            let kind = member.peek()?;
            match key {
                "index" => turn.index = member.u64()?,
                "delta" if kind != Kind::Null => turn.said.read(member, unknown)?,
                "finish_reason" if kind != Kind::Null => {
                    // Some providers write one of these as long as there is no reason.
                    let none = |raw: &str| matches!(raw, "" | "null");
                    turn.finish = Some(member.string()?).filter(|raw| !none(raw));
                }
                "error" if kind != Kind::Null => turn.error = Some(member.raw()?),
                "logprobs" if kind == Kind::Object => turn.logprobs = Some(later(member)?),
                _ => {
                    if kind != Kind::Null {
                        unknown("choices[].", key);
                    }
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(turn)
    }
}

impl<'a> Said<'a> {
    fn read(
        &mut self,
        reader: &mut Reader<'a>,
        unknown: &mut impl FnMut(&'static str, &str),
    ) -> Result<(), Invalid> {
        reader.object(|key, member| {
            let kind = member.peek()?;
            match (key, kind) {
                (_, Kind::Null) | ("role", _) => {
                    member.skip()?;
                }
                ("content", Kind::Array) => self.list = Some(later(member)?),
                ("content", _) => self.content = filled(member)?,
                ("refusal", _) => self.refusal = filled(member)?,
                ("reasoning" | "reasoning_content", Kind::String) => {
                    let words = filled(member)?;
                    self.reasoning = words.or(self.reasoning.take());
                }
                ("reasoning_details", Kind::Array) => self.details = Some(later(member)?),
                ("tool_calls", _) => self.calls = Some(later(member)?),
                ("annotations", Kind::Array) => self.annotations = Some(later(member)?),
                _ => {
                    unknown("choices[].delta.", key);
                    member.skip()?;
                }
            }
            Ok(())
        })
    }

    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        let blank = |list: &Option<Reader<'_>>| {
            list.as_ref().is_none_or(|reader| {
                let mut any = false;
                let read = reader.clone().array(|_, element| {
                    any = true;
                    element.skip().map(drop)
                });
                read.is_ok() && !any
            })
        };
        self.content.is_none()
            && self.refusal.is_none()
            && self.reasoning.is_none()
            && blank(&self.list)
            && blank(&self.details)
            && blank(&self.calls)
            && blank(&self.annotations)
    }
}

/// One entry of a delta's `reasoning_details`.
#[derive(Default)]
pub(super) struct Detail<'a> {
    pub(super) index: Option<u64>,
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) format: Option<Cow<'a, str>>,
    /// Whether it has something that only its maker can use.
    pub(super) sealed: bool,
    /// Whether that is all there is, in one piece.
    pub(super) encrypted: bool,
}

impl<'a> Detail<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let mut detail = Self::default();
        reader.object(|key, member| {
            match (key, member.peek()?) {
                ("index", Kind::Number) => detail.index = member.u64().ok(),
                ("text" | "summary", Kind::String) => detail.text = filled(member)?,
                ("format", Kind::String) => detail.format = Some(member.string()?),
                ("signature" | "data", kind) => {
                    detail.sealed |= kind != Kind::Null;
                    detail.encrypted |= kind != Kind::Null && key == "data";
                    member.skip()?;
                }
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(detail)
    }
}

/// One entry of a delta's `tool_calls`.
#[derive(Default)]
pub(super) struct CallStep<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arguments: Option<Cow<'a, str>>,
    pub(super) custom: bool,
}

impl<'a> CallStep<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let mut step = Self::default();
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("index", _) => step.index = Some(member.u64()?),
                ("id", _) => step.id = filled(member)?,
                ("function" | "custom", _) => {
                    let custom = key == "custom";
                    member.object(|key, member| {
                        match (key, member.peek()?) {
                            (_, Kind::Null) => {
                                member.skip()?;
                            }
                            // Some providers write both, one of them empty.
                            ("name", _) => {
                                if let Some(name) = filled(member)? {
                                    step.name = Some(name);
                                    step.custom = custom;
                                }
                            }
                            ("arguments" | "input", Kind::Object) => {
                                step.arguments = Some(Cow::Borrowed(member.raw()?));
                            }
                            ("arguments" | "input", _) => {
                                step.arguments = filled(member)?.or(step.arguments.take());
                            }
                            _ => {
                                member.skip()?;
                            }
                        }
                        Ok(())
                    })?;
                }
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(step)
    }
}

/// A reader at the value, which is passed over.
fn later<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, Invalid> {
    let here = reader.clone();
    reader.skip()?;
    Ok(here)
}

/// A string that is not empty.
fn filled<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Invalid> {
    Ok(Some(reader.string()?).filter(|words| !words.is_empty()))
}
