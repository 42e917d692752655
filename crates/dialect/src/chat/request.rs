//! What an application asks for.

use super::{CacheMarker, Extra, Message};
use crate::Dialect;
use crate::json::Json;

/// One chat request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The dialect it was written in; every [`Extra`] below belongs to it.
    pub origin: Dialect,
    /// The model asked for, in the application's words.
    pub model: String,
    /// The conversation, instructions included, in the order in which it stood.
    pub messages: Vec<Message>,
    /// Tools the model may ask for.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be asked for.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be asked for at once.
    pub parallel_tool_calls: Option<bool>,
    /// How the next token is drawn.
    pub sampling: Sampling,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// Whether `stop` stood as a bare string.
    pub stop_bare: bool,
    /// Most tokens that the answer may have, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// How many answers are wanted.
    pub candidates: Option<u64>,
    /// Token probabilities wanted.
    pub logprobs: Option<Logprobs>,
    /// The form of the answer.
    pub output: Option<OutputFormat>,
    /// How much reasoning is wanted.
    pub reasoning: Option<ReasoningRequest>,
    /// Whether the answer is wanted as a stream.
    pub stream: bool,
    /// Whether the application asked for usage in the stream (always, where the dialect has no switch).
    pub stream_usage: bool,
    /// The provider's service tier, in its dialect's words.
    pub service_tier: Option<String>,
    /// Who the end user is, in the application's words.
    pub user: Option<String>,
    /// What else stood there.
    pub extra: Extra,
}

impl Request {
    /// An empty request of that dialect.
    #[must_use]
    pub fn new(origin: Dialect, model: impl Into<String>) -> Self {
        Self {
            origin,
            model: model.into(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            stop_bare: false,
            max_output_tokens: None,
            candidates: None,
            logprobs: None,
            output: None,
            reasoning: None,
            stream: false,
            stream_usage: false,
            service_tier: None,
            user: None,
            extra: Extra::default(),
        }
    }

    /// The messages with their numbers in the application's words, by which losses are told:
    /// one that stood apart has none of its own.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Message)> {
        let mut next = 0usize;
        self.messages.iter().map(move |message| {
            let at = next;
            next += usize::from(!message.apart);
            (at, message)
        })
    }
}

/// How the next token is drawn; numbers keep the text they were written with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<Json>,
    /// Nucleus.
    pub top_p: Option<Json>,
    /// Most likely tokens considered.
    pub top_k: Option<Json>,
    /// Penalty by how often a token stood before.
    pub frequency_penalty: Option<Json>,
    /// Penalty on tokens that stood before.
    pub presence_penalty: Option<Json>,
    /// Seed of the draw.
    pub seed: Option<Json>,
    /// Bias by token.
    pub logit_bias: Option<Json>,
}

/// Token probabilities wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logprobs {
    /// Whether they are wanted at all.
    pub enabled: bool,
    /// How many alternatives for each token.
    pub top: Option<u64>,
}

/// The form of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Text.
    Text,
    /// Any JSON object.
    Json,
    /// JSON after a schema.
    JsonSchema {
        /// The schema's name, where the dialect has one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Option<Json>,
        /// Whether it must be followed exactly.
        strict: Option<bool>,
        /// What else stood there.
        extra: Extra,
    },
}

/// How much reasoning is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningRequest {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget_tokens: Option<u64>,
    /// Switched on (`true`), off (`false`), or left to the model (`None`).
    pub enabled: Option<bool>,
    /// What else stood there.
    pub extra: Extra,
}

/// How much reasoning is wanted, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effort {
    /// None.
    None,
    /// The least.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// As much as there is.
    Max,
    /// A word that the hub does not know.
    Other(String),
}

impl Effort {
    /// The effort of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Self {
        match name {
            "none" => Effort::None,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::XHigh,
            "max" => Effort::Max,
            other => Effort::Other(other.to_owned()),
        }
    }

    /// Its name, the same in all dialects that have a word for it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
            Effort::Other(name) => name,
        }
    }
}

/// A tool the model may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What it is.
    pub kind: ToolKind,
    /// A cache boundary after this tool.
    pub cache: Option<CacheMarker>,
    /// What else stood there.
    pub extra: Extra,
}

/// What a tool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolKind {
    /// A function of the application.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// JSON Schema of its arguments.
        parameters: Option<Json>,
        /// Whether the schema must be followed exactly.
        strict: Option<bool>,
    },
    /// A tool that the provider runs, or one of a form that only its dialect knows.
    Hosted {
        /// Its type in the dialect's words.
        kind: String,
        /// The whole definition as it stood.
        raw: Json,
    },
}

/// Whether and which tool must be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None may be asked for.
    None,
    /// At least one must be.
    Required,
    /// This one must be.
    Tool(String),
    /// A choice that only its dialect knows.
    Other(Json),
}
