//! The tasks of Cohere's API: vectors and ranks.
//!
//! Sources: <https://docs.cohere.com/reference/embed>, <https://docs.cohere.com/reference/rerank>. A
//! search is a question with up to a hundred documents; a document longer than five hundred tokens
//! with the question counts as several (<https://docs.cohere.com/docs/how-does-cohere-pricing-work>).

mod vectors;

use std::borrow::Cow;

use super::answer::{enough, length, number, read};
use super::request::{Draft, patch};
use super::vectors::VectorCodec;
use super::{Content, Task, TaskCodec, Tasks, Work};
use crate::chat::{Apart, Usage};
use crate::codec::{Broken, Edits, EventDecoder, Weighed};
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader};
use crate::patch::Patch;

/// Cohere's tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cohere;

const EMBED: [&str; 4] = ["model", "texts", "images", "inputs"];
const RERANK: [&str; 3] = ["model", "query", "documents"];

/// Tokens of question and document that are one document.
const DOCUMENT_TOKENS: u64 = 500;
/// Documents of one search.
const SEARCH_DOCUMENTS: u64 = 100;

impl TaskCodec for Cohere {
    fn tasks(&self) -> Tasks {
        Tasks::of(&[Task::Embed, Task::Rerank])
    }

    fn head(&self, task: Task, content: Content<'_>) -> Result<Head, Invalid> {
        let mut draft = Draft::new(task);
        if task == Task::Rerank {
            let (mut question, mut documents) = (0, Vec::new());
            draft.json(content.bytes, &RERANK, |draft, key, value| {
                match key {
                    "model" => draft.model(value)?,
                    "query" => question = value.string()?.len() as u64,
                    "documents" => value.array(|_, one| {
                        documents.push(one.raw()?.len() as u64);
                        Ok(())
                    })?,
                    _ => {
                        value.skip()?;
                    }
                }
                Ok(())
            })?;
            draft.work.inputs = documents.len() as u64;
            draft.work.searches = searches(question, &documents);
            return draft.finish(&["query", "documents"]);
        }
        draft.json(content.bytes, &EMBED, |draft, key, value| {
            match key {
                "model" => draft.model(value)?,
                "texts" if value.peek()? == Kind::Array => draft.work.inputs += length(value)?,
                "images" if value.peek()? == Kind::Array => {
                    let pictures = length(value)?;
                    draft.work.inputs += pictures;
                    draft.work.pictures += pictures;
                }
                "inputs" if value.peek()? == Kind::Array => {
                    let inputs = length(&mut value.clone())?;
                    draft.work.inputs += inputs;
                    value.array(|_, input| mixed(&mut draft.work, input))?;
                }
                _ => {
                    value.skip()?;
                }
            }
            Ok(())
        })?;
        if draft.work.inputs == 0 {
            return Err(Invalid::new("texts, images or inputs are required"));
        }
        draft.finish(&[])
    }

    fn patch(&self, head: &Head, work: &Work, edits: &Edits<'_>) -> Patch {
        patch(head, work, edits)
    }

    fn path(&self, task: Task, _: &str) -> Cow<'static, str> {
        if task == Task::Rerank {
            "/rerank".into()
        } else {
            "/embed".into()
        }
    }

    fn weigh<'a>(&self, work: &Work, answer: Content<'a>) -> Result<Weighed<'a>, Broken> {
        let list = if work.task == Task::Rerank {
            "results"
        } else {
            "embeddings"
        };
        let mut found = None;
        let weighed = read(answer.bytes, |key, value, weighed| {
            match (key, value.peek()?) {
                (_, Kind::Array) if key == list => found = Some(length(value)?),
                // Vectors by type: each type has as many.
                (_, Kind::Object) if key == list => value.object(|_, vectors| {
                    let many = length(vectors)?;
                    found = Some(found.map_or(many, |least: u64| least.min(many)));
                    Ok(())
                })?,
                ("meta", Kind::Object) => weighed.usage = meta(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let due = if work.task == Task::Rerank {
            0
        } else {
            work.inputs
        };
        enough(found, list, due)?;
        Ok(weighed)
    }

    fn decoder(&self, _: &Work, _: u64) -> Option<Box<dyn EventDecoder>> {
        None
    }

    fn vectors(&self) -> Option<&'static dyn VectorCodec> {
        Some(&Cohere)
    }
}

/// Counts the images of an input that may hold several.
fn mixed(work: &mut Work, input: &mut Reader<'_>) -> Result<(), Invalid> {
    input.object(|key, value| {
        if key != "content" || value.peek()? != Kind::Array {
            return value.skip().map(drop);
        }
        value.array(|_, part| {
            part.object(|key, value| {
                work.pictures += u64::from(key == "image_url");
                value.skip().map(drop)
            })
        })
    })
}

/// The most searches that are charged for a question and documents of so many bytes.
fn searches(question: u64, documents: &[u64]) -> u64 {
    let room = DOCUMENT_TOKENS.saturating_sub(question).max(1);
    let pieces = documents.iter().map(|bytes| bytes.div_ceil(room).max(1));
    let pieces = pieces.fold(0, u64::saturating_add);
    pieces.div_ceil(SEARCH_DOCUMENTS).max(1)
}

/// Reads `meta`, in which what is billed stands; none where it does not.
fn meta(reader: &mut Reader<'_>) -> Result<Option<Usage>, Invalid> {
    let mut usage = None;
    reader.object(|key, value| {
        if key != "billed_units" || value.peek()? != Kind::Object {
            return value.skip().map(drop);
        }
        let (mut input, mut output) = (0, 0);
        let mut apart = Apart::default();
        let raw = value.kept_object(|key, value| {
            match key {
                "input_tokens" => input = number(value)?,
                "output_tokens" => output = number(value)?,
                "image_tokens" => apart.image_in = number(value)?,
                "images" => apart.images = number(value)?,
                "search_units" => apart.searches = number(value)?,
                _ => {
                    value.skip()?;
                }
            }
            Ok(())
        })?;
        usage = Some(Usage {
            input,
            output,
            apart,
            raw: Some(raw),
            ..Usage::default()
        });
        Ok(())
    })?;
    Ok(usage)
}
