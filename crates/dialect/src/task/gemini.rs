//! The tasks of Gemini's API: vectors, of one content or of several.
//!
//! Source: <https://ai.google.dev/api/embeddings>.

mod vectors;

use std::borrow::Cow;

use super::answer::{enough, length, number, read, take};
use super::request::Draft;
use super::vectors::VectorCodec;
use super::{Content, Task, TaskCodec, Tasks, Work};
use crate::chat::{Apart, Usage};
use crate::codec::{Broken, Edits, EventDecoder, Weighed, percent_encoded};
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader};
use crate::patch::Patch;

/// Gemini's tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemini;

/// What stands before a model's name within a body.
const MODELS: &str = "models/";

impl TaskCodec for Gemini {
    fn tasks(&self) -> Tasks {
        Tasks::of(&[Task::Embed, Task::EmbedBatch])
    }

    fn head(&self, task: Task, content: Content<'_>) -> Result<Head, Invalid> {
        let mut draft = Draft::new(task);
        if task == Task::EmbedBatch {
            draft.json(content.bytes, &["requests"], |draft, key, value| {
                if key != "requests" {
                    return value.skip().map(drop);
                }
                value.array(|_, one| {
                    let mut has_content = false;
                    one.object(|key, value| member(&mut draft.work, key, value, &mut has_content))?;
                    due(has_content)
                })
            })?;
            if draft.work.inputs == 0 && draft.has("requests") {
                return Err(Invalid::new("the list is empty").under("requests"));
            }
            return draft.finish(&["requests"]);
        }
        let mut has_content = false;
        draft.json(content.bytes, &["model", "content"], |draft, key, value| {
            member(&mut draft.work, key, value, &mut has_content)
        })?;
        due(has_content)?;
        draft.finish(&[])
    }

    fn patch(&self, _: &Head, work: &Work, edits: &Edits<'_>) -> Patch {
        let mut patch = Patch::default();
        for (span, before) in &work.model_spans {
            let name = format!("{before}{}", edits.model);
            patch.replace(span.clone(), crate::json::Json::string(&name).text());
        }
        patch
    }

    fn path(&self, task: Task, model: &str) -> Cow<'static, str> {
        let verb = if task == Task::EmbedBatch {
            "batchEmbedContents"
        } else {
            "embedContent"
        };
        format!("/models/{}:{verb}", percent_encoded(model)).into()
    }

    fn weigh<'a>(&self, work: &Work, answer: Content<'a>) -> Result<Weighed<'a>, Broken> {
        let list = if work.task == Task::EmbedBatch {
            "embeddings"
        } else {
            "embedding"
        };
        let mut found = None;
        let weighed = read(answer.bytes, |key, value, weighed| {
            match (key, value.peek()?) {
                ("embeddings", Kind::Array) if key == list => found = Some(length(value)?),
                ("embedding", Kind::Object) if key == list => {
                    value.skip()?;
                    found = Some(1);
                }
                ("usageMetadata", Kind::Object) => weighed.usage = usage(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        enough(found, list, work.inputs)?;
        Ok(weighed)
    }

    fn decoder(&self, _: &Work, _: u64) -> Option<Box<dyn EventDecoder>> {
        None
    }

    fn vectors(&self) -> Option<&'static dyn VectorCodec> {
        Some(&Gemini)
    }
}

fn due(has_content: bool) -> Result<(), Invalid> {
    if has_content {
        Ok(())
    } else {
        Err(Invalid::new("field required").under("content"))
    }
}

fn member(
    work: &mut Work,
    key: &str,
    value: &mut Reader<'_>,
    has_content: &mut bool,
) -> Result<(), Invalid> {
    match key {
        "model" => {
            let span = value.clone().skip()?;
            if !value.null()? {
                value.string()?;
                work.model_spans.push((span, MODELS));
            }
        }
        "content" => {
            *has_content = true;
            work.inputs += 1;
            value.object(|key, value| {
                if key == "parts" && value.peek()? == Kind::Array {
                    return value.array(|_, part| part_of(work, part));
                }
                value.skip().map(drop)
            })?;
        }
        _ => {
            value.skip()?;
        }
    }
    Ok(())
}

fn part_of(work: &mut Work, part: &mut Reader<'_>) -> Result<(), Invalid> {
    part.object(|key, value| {
        match key {
            "inlineData" | "inline_data" => work.pictures += 1,
            "fileData" | "file_data" => work.unbounded = Some("a file that the provider fetches"),
            _ => {}
        }
        value.skip().map(drop)
    })
}

/// Reads `usageMetadata`; none where it counts nothing.
fn usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, Invalid> {
    let (mut prompt, mut image, mut audio) = (None, 0, 0);
    let raw = reader.kept_object(|key, value| {
        match (key, value.peek()?) {
            ("promptTokenCount", Kind::Number) => prompt = Some(number(value)?),
            ("promptTokenDetails" | "promptTokensDetails", Kind::Array) => {
                value.array(|_, one| {
                    let (mut modality, mut count) = (String::new(), 0);
                    one.object(|key, value| {
                        match (key, value.peek()?) {
                            ("modality", Kind::String) => modality = value.string()?.into_owned(),
                            ("tokenCount", Kind::Number) => count = number(value)?,
                            _ => {
                                value.skip()?;
                            }
                        }
                        Ok(())
                    })?;
                    match modality.as_str() {
                        "IMAGE" => image += count,
                        "AUDIO" => audio += count,
                        _ => {}
                    }
                    Ok(())
                })?;
            }
            _ => {
                value.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(prompt.map(|mut input| {
        let audio_in = take(&mut input, audio);
        let apart = Apart {
            image_in: take(&mut input, image),
            ..Apart::default()
        };
        Usage {
            input,
            audio_in,
            apart,
            raw: Some(raw),
            ..Usage::default()
        }
    }))
}
