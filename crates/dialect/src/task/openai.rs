//! The tasks of OpenAI's API, as OpenAI and the many who followed have them.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/embeddings>, `/moderations`, `/images`,
//! `/audio`, `/completions`. Bodies are JSON, or forms where files are sent.

mod vectors;

use std::borrow::Cow;

use super::answer;
use super::form::{Field, boundary, fields};
use super::request::{Draft, count, counted, inputs, patch};
use super::stream::{Decoder, Ends};
use super::vectors::VectorCodec;
use super::{Content, Task, TaskCodec, Tasks, Work};
use crate::codec::{Broken, Edits, EventDecoder, Weighed};
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader};
use crate::openai_chat::{head_stream_options, usage_at};
use crate::patch::Patch;

/// OpenAI's tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenAi;

/// Tasks, their paths, and the members that must be there.
const TASKS: [(Task, &str, &[&str]); 9] = [
    (Task::Complete, "/completions", &[]),
    (Task::Embed, "/embeddings", &["input"]),
    (Task::Moderate, "/moderations", &["input"]),
    (Task::Image, "/images/generations", &["prompt"]),
    (Task::ImageEdit, "/images/edits", &["prompt"]),
    (Task::Speech, "/audio/speech", &["input"]),
    (Task::Transcribe, "/audio/transcriptions", &["file"]),
    (Task::Translate, "/audio/translations", &["file"]),
    // Not OpenAI's own, but of those who followed.
    (Task::Rerank, "/rerank", &["query", "documents"]),
];

/// Members that the head reads, so that they may stand in a body once.
const ONCE: [&str; 14] = [
    "model",
    "stream",
    "stream_format",
    "stream_options",
    "n",
    "best_of",
    "max_tokens",
    "input",
    "prompt",
    "image",
    "images",
    "file",
    "query",
    "documents",
];

impl TaskCodec for OpenAi {
    fn tasks(&self) -> Tasks {
        const ALL: [Task; 8] = [
            Task::Complete,
            Task::Embed,
            Task::Moderate,
            Task::Image,
            Task::ImageEdit,
            Task::Speech,
            Task::Transcribe,
            Task::Translate,
        ];
        Tasks::of(&ALL)
    }

    fn head(&self, task: Task, content: Content<'_>) -> Result<Head, Invalid> {
        let mut draft = Draft::new(task);
        let mut best = 1;
        let is_form = content.media_type.trim_start().starts_with("multipart/");
        if task.hears() || (task == Task::ImageEdit && is_form) {
            form(&mut draft, content)?;
        } else {
            draft.json(content.bytes, &ONCE, |draft, key, value| {
                member(draft, key, value, &mut best)
            })?;
        }
        complete(&mut draft, best);
        let required = TASKS.iter().find(|(known, ..)| *known == task);
        draft.finish(required.map_or(&[], |(_, _, required)| *required))
    }

    fn patch(&self, head: &Head, work: &Work, edits: &Edits<'_>) -> Patch {
        let Some(boundary) = &work.form else {
            return patch(head, work, edits);
        };
        let mut patch = Patch::default();
        if head.says_model(edits.model) {
            return patch;
        }
        match &head.model_span {
            Some(span) => patch.replace(span.clone(), edits.model),
            // A part of its own, before the first.
            None => {
                let part = format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{}\r\n",
                    edits.model
                );
                patch.replace(head.body_start..head.body_start, part);
            }
        }
        patch
    }

    fn path(&self, task: Task, _: &str) -> Cow<'static, str> {
        let found = TASKS.iter().find(|(known, ..)| *known == task);
        found.map_or("", |(_, path, _)| *path).into()
    }

    fn weigh<'a>(&self, work: &Work, answer: Content<'a>) -> Result<Weighed<'a>, Broken> {
        let json = answer.media_type.starts_with("application/json");
        match work.task {
            Task::Complete => answer::completed(answer.bytes, usage_at),
            Task::Embed | Task::EmbedBatch => answer::embedded(answer.bytes, work.inputs),
            Task::Moderate => answer::listed(answer.bytes, "results", 1),
            Task::Rerank => answer::listed(answer.bytes, "data", 0),
            Task::Image | Task::ImageEdit => answer::drawn(answer.bytes),
            Task::Transcribe | Task::Translate if json => answer::heard(answer.bytes),
            // Plain text and subtitles: whole where their framing says so.
            Task::Transcribe | Task::Translate | Task::Speech => Ok(Weighed::default()),
            Task::Chat => Err(Broken::new("a chat was not asked for here")),
        }
    }

    fn decoder(&self, work: &Work, candidates: u64) -> Option<Box<dyn EventDecoder>> {
        let ends = match work.task {
            Task::Complete => Ends::Done {
                choices: candidates,
            },
            Task::Image | Task::ImageEdit => Ends::Events {
                words: &["image_generation.completed", "image_edit.completed"],
                count: candidates,
                draws: true,
            },
            Task::Speech => Ends::Events {
                words: &["speech.audio.done"],
                count: 1,
                draws: false,
            },
            Task::Transcribe | Task::Translate => Ends::Events {
                words: &["transcript.text.done"],
                count: 1,
                draws: false,
            },
            Task::Chat | Task::Embed | Task::EmbedBatch | Task::Rerank | Task::Moderate => {
                return None;
            }
        };
        Some(Box::new(Decoder::new(ends)))
    }

    fn vectors(&self) -> Option<&'static dyn VectorCodec> {
        Some(&OpenAi)
    }
}

fn member(
    draft: &mut Draft,
    key: &str,
    value: &mut Reader<'_>,
    best: &mut u64,
) -> Result<(), Invalid> {
    let task = draft.work.task;
    match key {
        "model" => draft.model(value)?,
        "stream" => draft.head.stream = !value.null()? && value.bool()?,
        "stream_format" if task == Task::Speech && value.peek()? == Kind::String => {
            draft.work.events = value.string()? == "sse";
        }
        "stream_options" if task == Task::Complete => {
            head_stream_options(&mut draft.head, value)?;
        }
        "max_tokens" if task == Task::Complete => {
            let span = value.clone().skip()?;
            if !value.null()? {
                draft.head.max_output_tokens = Some(value.u64()?);
            }
            draft.head.max_output_tokens_span = Some(span);
        }
        "n" if task == Task::Complete || task.draws() => {
            draft.head.candidates = count(value)?.unwrap_or(1);
        }
        "best_of" if task == Task::Complete => *best = count(value)?.unwrap_or(1),
        "input" if task == Task::Speech => {
            let text = value.string()?;
            draft.work.characters = text.chars().count() as u64;
        }
        "input" if task == Task::Moderate && value.peek()? == Kind::Array => parts(draft, value)?,
        "input" | "documents" => draft.work.inputs = inputs(value)?,
        "prompt" if task == Task::Complete => {
            draft.work.inputs = if value.null()? { 1 } else { inputs(value)? };
        }
        "prompt" | "query" => drop(value.string()?),
        "images" if task == Task::ImageEdit => {
            value.array(|_, image| {
                draft.work.pictures += 1;
                linked(&mut draft.work, image)
            })?;
        }
        _ => {
            value.skip()?;
        }
    }
    Ok(())
}

/// Inputs that are to be judged: texts, or the parts of one.
fn parts(draft: &mut Draft, value: &mut Reader<'_>) -> Result<(), Invalid> {
    draft.work.inputs = inputs(&mut value.clone())?;
    value.array(|_, part| {
        if part.peek()? != Kind::Object {
            return part.skip().map(drop);
        }
        let picture = &mut draft.work.pictures;
        part.object(|key, value| {
            *picture += u64::from(key == "image_url");
            value.skip().map(drop)
        })
    })?;
    // Its parts are judged together.
    if draft.work.pictures > 0 {
        draft.work.inputs = 1;
    }
    Ok(())
}

/// An image by a reference: its content is bounded wherever it is from, but for files that are kept.
fn linked(work: &mut Work, image: &mut Reader<'_>) -> Result<(), Invalid> {
    if image.peek()? != Kind::Object {
        return image.skip().map(drop);
    }
    image.object(|key, value| {
        if key == "file_id" && value.peek()? != Kind::Null {
            work.unbounded = Some("a file that the provider keeps");
        }
        value.skip().map(drop)
    })
}

/// What follows from all members together.
fn complete(draft: &mut Draft, best: u64) {
    let (head, work) = (&mut draft.head, &mut draft.work);
    match work.task {
        Task::Complete => {
            // Each prompt has its own answers; of the best of several only some are shown, all are billed.
            let prompts = work.inputs.max(1);
            work.inputs = head.candidates.max(best).saturating_mul(prompts);
            head.candidates = head.candidates.saturating_mul(prompts);
            if head.stream && !head.stream_usage && head.stream_options_span.is_none() {
                let front = head.body_start..head.body_start;
                head.usage_switch = Some((front, r#""stream_options":{"include_usage":true},"#));
            }
            work.events = head.stream;
        }
        Task::Image | Task::ImageEdit => {
            work.images = head.candidates;
            work.events = head.stream;
        }
        Task::Speech => head.stream = work.events,
        Task::Transcribe | Task::Translate => work.events = head.stream,
        Task::Chat | Task::Embed | Task::EmbedBatch | Task::Rerank | Task::Moderate => {
            head.stream = false;
        }
    }
}

/// Reads the fields of a form.
fn form(draft: &mut Draft, content: Content<'_>) -> Result<(), Invalid> {
    let boundary = boundary(content.media_type)?;
    draft.work.form = Some(boundary.into());
    let start = fields(content.bytes, boundary, |field| form_field(draft, &field))?;
    draft.head.body_start = start;
    Ok(())
}

fn form_field(draft: &mut Draft, field: &Field<'_>) -> Result<(), Invalid> {
    let name = field.name;
    if ["image", "image[]", "mask"].contains(&name) {
        draft.work.pictures += 1;
        if field.is_file {
            draft.work.picture_bytes += field.data.len() as u64;
        }
        return Ok(());
    }
    if ONCE.contains(&name) {
        draft.once(name)?;
    }
    // Some readers take `model[]` for a `model`.
    let (base, is_list) = name
        .split_once('[')
        .map_or((name, false), |(base, _)| (base, true));
    let is_read = ["model", "stream", "n", "prompt"].contains(&base);
    if is_read && (field.is_file || is_list) {
        return Err(Invalid::new("one value was expected, not a file or a list"));
    }
    match name {
        "model" => draft.name(field.text()?, field.span.clone())?,
        "stream" => {
            draft.head.stream = match field.text()? {
                "true" | "True" | "1" => true,
                "false" | "False" | "0" | "" => false,
                _ => return Err(Invalid::new("true or false was expected")),
            };
        }
        "n" if draft.work.task.draws() => {
            let number = field.text()?.parse();
            let number = number.map_err(|_| Invalid::new("a whole number was expected"))?;
            draft.head.candidates = counted(number)?;
        }
        "prompt" => drop(field.text()?),
        _ => {}
    }
    Ok(())
}
