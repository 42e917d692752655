//! Messages and the parts they are made of.

use super::Extra;
use crate::Dialect;
use crate::json::{Json, Text};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, in the newer word of `openai-chat`.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// Results of tools, where a dialect gives them a role of their own.
    Tool,
}

/// One turn, in the place where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Whether the content stood as a bare string instead of a list of parts.
    pub bare: bool,
    /// Whether it stood in a member of its own and not among the turns, as instructions do in some dialects.
    pub apart: bool,
    /// The participant's name, where one was given.
    pub name: Option<String>,
    /// What else stood there.
    pub extra: Extra,
}

impl Message {
    /// A message of that role.
    #[must_use]
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            parts,
            bare: false,
            apart: false,
            name: None,
            extra: Extra::default(),
        }
    }
}

/// One part of a message: what it is, and what may be said of any part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// A cache boundary after this part.
    pub cache: Option<CacheMarker>,
    /// Sources that the part cites.
    pub citations: Vec<Citation>,
    /// What else stood there.
    pub extra: Extra,
}

impl Part {
    /// A text part.
    #[must_use]
    pub fn text(text: impl Into<Text>) -> Self {
        PartKind::Text(text.into()).into()
    }
}

impl From<PartKind> for Part {
    fn from(kind: PartKind) -> Self {
        Self {
            kind,
            cache: None,
            citations: Vec::new(),
            extra: Extra::default(),
        }
    }
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// A document, such as a PDF.
    Document(Media),
    /// The model's reasoning.
    Reasoning(Reasoning),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model refuses, in words.
    Refusal(String),
    /// Something of one dialect only.
    Opaque(Opaque),
}

/// Picture, sound, film or document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Media type such as `image/png`, where it is known.
    pub media_type: Option<String>,
    /// Where the content is.
    pub source: MediaSource,
    /// File name or title.
    pub name: Option<String>,
    /// How finely to look (`low`, `high`, `auto`), where asked.
    pub detail: Option<String>,
}

/// Where a medium's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// Here, in base64.
    Base64(String),
    /// Here, as plain text.
    Text(String),
    /// At an address that the provider fetches.
    Url(String),
    /// In a file stored at the provider.
    File(String),
    /// Here, as parts (documents made of content blocks).
    Parts(Vec<Part>),
}

/// The model's reasoning: what may be read of it, and what only its maker can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// Readable text; empty where only the opaque form exists.
    pub text: String,
    /// Whether `text` is a summary of the reasoning and not the reasoning.
    pub summary: bool,
    /// Signature or encrypted form, which must return unchanged to its origin.
    pub opaque: Option<Opaque>,
}

/// A value that only one dialect understands and that travels unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The dialect that understands it.
    pub origin: Dialect,
    /// What it is in that dialect's words, such as `signature` or a block's `type`.
    pub kind: String,
    /// The value itself.
    pub value: Json,
}

/// The model asks for a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call, so that its result can be matched.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// Arguments as the model wrote them: JSON text for functions, free text for custom tools.
    pub arguments: String,
    /// How the arguments are meant.
    pub kind: ToolCallKind,
}

/// How the arguments of a tool call are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolCallKind {
    /// JSON after the tool's schema.
    Function,
    /// Free text.
    Custom,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The call that it answers.
    pub call_id: String,
    /// Whether the tool failed, where that was said.
    pub is_error: Option<bool>,
    /// The answer.
    pub parts: Vec<Part>,
    /// Whether the answer stood as a bare string.
    pub bare: bool,
}

impl ToolResult {
    /// Path of its part at that place, where it stands at `path` itself.
    #[must_use]
    pub fn place(&self, path: &str, at: usize) -> String {
        match self.bare {
            true => format!("{path}.result"),
            false => format!("{path}.result[{at}]"),
        }
    }
}

/// A cache boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMarker {
    /// Life time in the dialect's words (`5m`, `1h`), where one was given.
    pub ttl: Option<String>,
    /// What else stood there.
    pub extra: Extra,
}

/// A source that a part cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The address, where it is a web page.
    pub url: Option<String>,
    /// The title, where one was given.
    pub title: Option<String>,
    /// The words cited, where they were given.
    pub text: Option<String>,
    /// The citation as its dialect wrote it.
    pub raw: Opaque,
}
