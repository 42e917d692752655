//! What a request asks for beside chat: vectors, ranks, verdicts, images, sound, legacy completions.
//!
//! These are forwarded in their own words: only the model's name is edited, and the answer goes on as it
//! came. What the gateway must know of the bytes is here: the head of a request and how much work it is
//! ([`Work`]), whether an answer is whole and what it used ([`TaskCodec::weigh`], [`TaskCodec::decoder`]).
//! Vectors alone cross dialects, by the hub of [`vectors`].

mod answer;
mod cohere;
mod form;
mod gemini;
mod openai;
mod request;
mod stream;
mod titan;
pub mod vectors;

use std::borrow::Cow;

pub(crate) use cohere::Cohere;
pub(crate) use gemini::Gemini;
pub(crate) use openai::OpenAi;
pub(crate) use titan::Titan;

use crate::codec::{Broken, Edits, EventDecoder, Weighed};
use crate::head::Head;
use crate::json::{Invalid, Span};
use crate::patch::Patch;
use vectors::VectorCodec;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Task {
    /// The next turn of a conversation.
    #[default]
    Chat,
    /// A prompt carried on, as before there was chat.
    Complete,
    /// Vectors.
    Embed,
    /// Vectors, by the path of Gemini that takes several contents.
    EmbedBatch,
    /// Documents by how near they are to a question.
    Rerank,
    /// Whether a content is harmful.
    Moderate,
    /// Images from words.
    Image,
    /// Images from images and words.
    ImageEdit,
    /// Speech from words.
    Speech,
    /// Words from speech.
    Transcribe,
    /// English words from speech.
    Translate,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 11] = [
        Task::Chat,
        Task::Complete,
        Task::Embed,
        Task::EmbedBatch,
        Task::Rerank,
        Task::Moderate,
        Task::Image,
        Task::ImageEdit,
        Task::Speech,
        Task::Transcribe,
        Task::Translate,
    ];

    /// The word in records and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Task::Chat => "chat",
            Task::Complete => "complete",
            Task::Embed | Task::EmbedBatch => "embed",
            Task::Rerank => "rerank",
            Task::Moderate => "moderate",
            Task::Image => "image",
            Task::ImageEdit => "image_edit",
            Task::Speech => "speech",
            Task::Transcribe => "transcribe",
            Task::Translate => "translate",
        }
    }

    /// Whether it is about vectors, which every dialect that has them means alike.
    #[must_use]
    pub fn is_embed(self) -> bool {
        matches!(self, Task::Embed | Task::EmbedBatch)
    }

    /// Whether its request holds sound to be heard.
    #[must_use]
    pub fn hears(self) -> bool {
        matches!(self, Task::Transcribe | Task::Translate)
    }

    /// Whether its answer is images.
    #[must_use]
    pub fn draws(self) -> bool {
        matches!(self, Task::Image | Task::ImageEdit)
    }
}

/// A set of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tasks(u16);

impl Tasks {
    /// Every one.
    pub const ALL: Tasks = Tasks(u16::MAX);
    /// Chat alone.
    pub const CHAT: Tasks = Tasks::of(&[]);

    /// Chat and these.
    #[must_use]
    pub const fn of(mut tasks: &[Task]) -> Tasks {
        let mut set = Tasks::bit(Task::Chat);
        while let [first, rest @ ..] = tasks {
            set |= Tasks::bit(*first);
            tasks = rest;
        }
        Tasks(set)
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(self, task: Task) -> bool {
        self.0 & Tasks::bit(task) != 0
    }

    const fn bit(task: Task) -> u16 {
        1 << task as u16
    }
}

/// How much a request asks for, as far as it says: what it can cost follows from that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// What it asks for.
    pub task: Task,
    /// Texts, or what else stands for one: as many vectors or verdicts are due.
    pub inputs: u64,
    /// Images that are to be seen.
    pub pictures: u64,
    /// Bytes of a form that are images to be seen: those cost as such, and not as text.
    pub picture_bytes: u64,
    /// Images that are to be drawn.
    pub images: u64,
    /// Characters that are to be spoken, as Unicode counts them.
    pub characters: u64,
    /// Searches that may be charged.
    pub searches: u64,
    /// What of it has no bound, such as `an image that the provider fetches`.
    pub unbounded: Option<&'static str>,
    /// Whether the answer comes as events.
    pub events: bool,
    /// The boundary of a body that is a form, whose values are no JSON.
    pub form: Option<Box<str>>,
    /// Where the model's name stands beside the head's own place, and what stands before it there.
    pub model_spans: Vec<(Span, &'static str)>,
}

impl Work {
    /// The `content-type` of a body that is a form, written from what was read of the client's.
    #[must_use]
    pub fn form_type(&self) -> Option<String> {
        self.form.as_deref().map(form::media_type)
    }
}

/// The body of a request, and what its `content-type` says of it.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The body.
    pub bytes: &'a [u8],
    /// The value of `content-type`; empty where there is none.
    pub media_type: &'a str,
}

/// The tasks beside chat as one maker's API has them.
pub trait TaskCodec: Sync {
    /// Those that it has.
    fn tasks(&self) -> Tasks;

    /// Reads what the road needs from a request, in one pass that builds nothing.
    ///
    /// # Errors
    /// [`Invalid`] where the body is not what it says it is, a field that is read has a wrong type, or
    /// one is missing that must be there. A missing model is not an error here.
    fn head(&self, task: Task, content: Content<'_>) -> Result<Head, Invalid>;

    /// The edits that make the client's own bytes right for a target.
    fn patch(&self, head: &Head, work: &Work, edits: &Edits<'_>) -> Patch;

    /// The path below the provider's versioned root.
    fn path(&self, task: Task, model: &str) -> Cow<'static, str>;

    /// Checks that a whole answer is complete, and tells what it used; `media_type` is that of the answer.
    ///
    /// # Errors
    /// [`Broken`] where it is no complete answer.
    fn weigh<'a>(&self, work: &Work, answer: Content<'a>) -> Result<Weighed<'a>, Broken>;

    /// A reader of an answer that comes as events; `candidates` is how many answers were asked for.
    fn decoder(&self, work: &Work, candidates: u64) -> Option<Box<dyn EventDecoder>>;

    /// Vectors in and out of the hub, where the API has them.
    fn vectors(&self) -> Option<&'static dyn VectorCodec>;
}
