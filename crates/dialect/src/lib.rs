//! Floor 0: wire formats and the hub between them. No IO, no clock, no async.
//!
//! Start with [`chat`], the hub's types; then [`codec`], the two roles that each
//! dialect plays; then one dialect's folder: all have the same six files. The laws
//! that hold for every dialect are tests in `tests/it`.
//!
//! This crate must never decide policy: it says what bytes mean, what a
//! translation loses and whether an answer is whole, and leaves the rest above.

pub mod anthropic;
pub mod bedrock_converse;
pub mod chat;
pub mod codec;
pub mod cohere;
pub mod count;
pub mod failure;
pub mod fold;
pub mod frame;
pub mod gemini;
pub mod head;
pub mod json;
pub mod loss;
pub mod media;
pub mod needs;
pub mod openai_chat;
pub mod openai_responses;
pub mod patch;
pub mod reasoning;
mod spoken;
pub mod task;

pub use anthropic::{Dress, HeadersSaid};
pub use spoken::{Fitted, Spoken, Worn};

use codec::{ClientCodec, ServerCodec};
use count::TokenCounter;
use task::TaskCodec;

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI's chat completions.
    OpenaiChat,
    /// Anthropic's messages.
    AnthropicMessages,
    /// OpenAI's responses.
    OpenaiResponses,
    /// Google's generateContent.
    Gemini,
    /// Converse of Amazon Bedrock.
    BedrockConverse,
    /// Cohere's chat, version 2.
    Cohere,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 6] = [
        Dialect::OpenaiChat,
        Dialect::AnthropicMessages,
        Dialect::OpenaiResponses,
        Dialect::Gemini,
        Dialect::BedrockConverse,
        Dialect::Cohere,
    ];

    /// Its name in configuration and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OpenaiChat => "openai-chat",
            Dialect::AnthropicMessages => "anthropic-messages",
            Dialect::OpenaiResponses => "openai-responses",
            Dialect::Gemini => "gemini",
            Dialect::BedrockConverse => "bedrock-converse",
            Dialect::Cohere => "cohere",
        }
    }

    /// The dialect of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The dialect as the client speaks it.
    #[must_use]
    pub fn server(self) -> &'static dyn ServerCodec {
        match self {
            Dialect::OpenaiChat => &openai_chat::OpenaiChat,
            Dialect::AnthropicMessages => &anthropic::Anthropic,
            Dialect::OpenaiResponses => &openai_responses::OpenaiResponses,
            Dialect::Gemini => &gemini::Gemini,
            Dialect::BedrockConverse => &bedrock_converse::BedrockConverse,
            Dialect::Cohere => &cohere::Cohere,
        }
    }

    /// The dialect as the provider speaks it.
    #[must_use]
    pub fn client(self) -> &'static dyn ClientCodec {
        match self {
            Dialect::OpenaiChat => &openai_chat::OpenaiChat,
            Dialect::AnthropicMessages => &anthropic::Anthropic,
            Dialect::OpenaiResponses => &openai_responses::OpenaiResponses,
            Dialect::Gemini => &gemini::Gemini,
            Dialect::BedrockConverse => &bedrock_converse::BedrockConverse,
            Dialect::Cohere => &cohere::Cohere,
        }
    }

    /// How the dialect counts the tokens of a request, where it does.
    #[must_use]
    pub fn counter(self) -> Option<&'static dyn TokenCounter> {
        match self {
            Dialect::AnthropicMessages => Some(&anthropic::Anthropic),
            Dialect::OpenaiResponses => Some(&openai_responses::OpenaiResponses),
            Dialect::Gemini => Some(&gemini::Gemini),
            Dialect::BedrockConverse => Some(&bedrock_converse::BedrockConverse),
            Dialect::OpenaiChat | Dialect::Cohere => None,
        }
    }

    /// The tasks beside chat of the API that the dialect is a part of, where it has some.
    #[must_use]
    pub fn tasks(self) -> Option<&'static dyn TaskCodec> {
        match self {
            Dialect::OpenaiChat | Dialect::OpenaiResponses => Some(&task::OpenAi),
            Dialect::Gemini => Some(&task::Gemini),
            Dialect::Cohere => Some(&task::Cohere),
            Dialect::BedrockConverse => Some(&task::Titan),
            Dialect::AnthropicMessages => None,
        }
    }

    /// Whether a request of that task goes on from one dialect to the other as it is, since both are
    /// parts of one API.
    #[must_use]
    pub fn shares_tasks(self, other: Self) -> bool {
        let of_openai = |dialect| matches!(dialect, Dialect::OpenaiChat | Dialect::OpenaiResponses);
        self == other || (of_openai(self) && of_openai(other))
    }
}
