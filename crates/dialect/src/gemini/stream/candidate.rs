//! What one chunk says of one candidate.

use crate::chat::Citation;
use crate::gemini::response::candidate::{SOURCES, citations};
use crate::gemini::response::finish::ended;
use crate::gemini::wire::is_empty;
use crate::json::{Invalid, Json, Kind, Reader};

/// A candidate's part of a chunk.
#[derive(Default)]
pub(super) struct Turn<'a> {
    pub(super) index: u64,
    pub(super) parts: Option<Reader<'a>>,
    pub(super) finish: Option<String>,
    pub(super) logprobs: Option<Json>,
    pub(super) citations: Vec<Citation>,
    /// What else stood there.
    pub(super) beside: Vec<(String, Json)>,
    /// Members of the content that the hub has no word for.
    pub(super) unknown: Option<String>,
}

/// Most members beside the content that are kept of one chunk.
const BESIDE: usize = 64;

impl<'a> Turn<'a> {
    /// Reads a candidate of a chunk.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let mut turn = Self::default();
        reader.object(|key, member| {
            match (key, member.peek()?) {
                (_, Kind::Null) => {
                    member.skip()?;
                }
                ("index", _) => turn.index = member.u64()?,
                ("content", _) => turn.content(member)?,
                ("finishReason", _) => turn.finish = ended(member)?,
                ("logprobsResult", Kind::Object) => turn.logprobs = Some(member.json()?),
                ("error", _) => return Err(Invalid::new("an error in place of a candidate")),
                _ => {
                    if SOURCES.contains(&key) {
                        turn.citations
                            .append(&mut citations(key, &mut member.clone())?);
                    }
                    let value = member.json()?;
                    if turn.beside.len() < BESIDE {
                        turn.beside.push((key.to_owned(), value));
                    } else {
                        turn.unknown = Some(key.to_owned());
                    }
                }
            }
            Ok(())
        })?;
        Ok(turn)
    }

    fn content(&mut self, reader: &mut Reader<'a>) -> Result<(), Invalid> {
        reader.object(|key, member| {
            match (key, member.peek()?) {
                ("parts", Kind::Array) => {
                    let parts = member.clone();
                    member.skip()?;
                    self.parts = Some(parts).filter(|parts| !is_empty(parts));
                }
                ("parts", kind) if kind != Kind::Null => member.array(|_, _| Ok(()))?,
                ("role" | "parts", _) => {
                    member.skip()?;
                }
                (other, _) => {
                    self.unknown = Some(format!("content.{other}"));
                    member.skip()?;
                }
            }
            Ok(())
        })
    }
}
