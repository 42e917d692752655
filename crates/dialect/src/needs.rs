//! What a request asks of a target.

use std::fmt;

use crate::chat::{OutputFormat, Part, PartKind, Request, Role, ToolKind};

/// A set of abilities.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs(u16);

/// One ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Asks for tools of the application.
    Tools,
    /// Asks for tools that the provider runs.
    HostedTools,
    /// Sees pictures.
    Vision,
    /// Hears sound.
    Audio,
    /// Sees films.
    Video,
    /// Reads documents.
    Documents,
    /// Answers in any JSON.
    Json,
    /// Answers in JSON after a schema.
    JsonSchema,
    /// Reasons as asked.
    Reasoning,
    /// Tells token probabilities.
    Logprobs,
    /// Gives several answers.
    Candidates,
    /// Has a file of this provider.
    StoredFile,
    /// Goes on from what this provider keeps: an earlier answer, a conversation, a prompt.
    ServerState,
    /// Answers later, when it is asked again.
    Background,
    /// Goes on from a message of its own at the end of the request.
    Prefill,
}

impl Need {
    /// All, in the order in which they are listed to people.
    pub const ALL: [Need; 15] = [
        Need::Tools,
        Need::HostedTools,
        Need::Vision,
        Need::Audio,
        Need::Video,
        Need::Documents,
        Need::Json,
        Need::JsonSchema,
        Need::Reasoning,
        Need::Logprobs,
        Need::Candidates,
        Need::StoredFile,
        Need::ServerState,
        Need::Background,
        Need::Prefill,
    ];

    /// The word used on the command line and in decisions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Need::Tools => "tools",
            Need::HostedTools => "hosted_tools",
            Need::Vision => "vision",
            Need::Audio => "audio",
            Need::Video => "video",
            Need::Documents => "documents",
            Need::Json => "json",
            Need::JsonSchema => "json_schema",
            Need::Reasoning => "reasoning",
            Need::Logprobs => "logprobs",
            Need::Candidates => "candidates",
            Need::StoredFile => "stored_file",
            Need::ServerState => "server_state",
            Need::Background => "background",
            Need::Prefill => "prefill",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl Needs {
    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub fn add(&mut self, need: Need) {
        self.0 |= need.bit();
    }

    /// The set with one more.
    #[must_use]
    pub fn with(mut self, need: Need) -> Self {
        self.add(need);
        self
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn has(self, need: Need) -> bool {
        self.0 & need.bit() != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn and(self, other: Needs) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Need> {
        Need::ALL.into_iter().filter(move |need| self.has(*need))
    }

    /// What a decoded request asks for.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let mut needs = Self::default();
        for tool in &request.tools {
            needs.add(match tool.kind {
                ToolKind::Function { .. } => Need::Tools,
                ToolKind::Hosted { .. } => Need::HostedTools,
            });
        }
        match request.output {
            Some(OutputFormat::Json) => needs.add(Need::Json),
            Some(OutputFormat::JsonSchema { .. }) => needs.add(Need::JsonSchema),
            Some(OutputFormat::Text) | None => {}
        }
        if request
            .reasoning
            .as_ref()
            .is_some_and(|r| r.enabled != Some(false))
        {
            needs.add(Need::Reasoning);
        }
        if request.logprobs.is_some_and(|l| l.enabled) {
            needs.add(Need::Logprobs);
        }
        if request.candidates.is_some_and(|n| n > 1) {
            needs.add(Need::Candidates);
        }
        for message in &request.messages {
            needs.add_parts(&message.parts);
        }
        let last = request.messages.last();
        if last.is_some_and(|last| last.role == Role::Assistant) {
            needs.add(Need::Prefill);
        }
        needs
    }

    fn add_parts(&mut self, parts: &[Part]) {
        for part in parts {
            let (media, need) = match &part.kind {
                PartKind::Image(media) => (media, Need::Vision),
                PartKind::Audio(media) => (media, Need::Audio),
                PartKind::Video(media) => (media, Need::Video),
                PartKind::Document(media) => (media, Need::Documents),
                PartKind::ToolResult(result) => {
                    self.add_parts(&result.parts);
                    continue;
                }
                PartKind::Text(_)
                | PartKind::Reasoning(_)
                | PartKind::ToolCall(_)
                | PartKind::Refusal(_)
                | PartKind::Opaque(_) => continue,
            };
            self.add(need);
            if matches!(media.source, crate::chat::MediaSource::File(_)) {
                self.add(Need::StoredFile);
            }
        }
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Need::name)).finish()
    }
}
