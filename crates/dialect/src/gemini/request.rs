//! Requests: their head and the edits to their bytes, the way to the hub and back.
//!
//! The path names the model and says whether a stream is wanted; neither is in the
//! body. A body that names a model all the same is kept right. The head must refuse
//! what two readers could understand in two ways.

mod config;
mod count;
mod decode;
mod encode;
mod head;
mod tools;
mod turn;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use head::{head, media, patch};
pub(super) use tools::tool_place;
pub(super) use turn::places;

use super::wire::spelled;
use crate::chat::{OutputFormat, Request, Words};

/// What this dialect calls the parts of a request.
pub(super) const WORDS: Words = Words {
    stop: "generationConfig.stopSequences",
    candidates: "generationConfig.candidateCount",
    output: "generationConfig.responseMimeType",
    schema: "generationConfig.responseSchema",
    reasoning: "generationConfig.thinkingConfig",
    effort: "generationConfig.thinkingConfig.thinkingLevel",
    budget: "generationConfig.thinkingConfig.thinkingBudget",
    temperature: "generationConfig.temperature",
    top_p: "generationConfig.topP",
    top_k: "generationConfig.topK",
    frequency_penalty: "generationConfig.frequencyPenalty",
    presence_penalty: "generationConfig.presencePenalty",
    seed: "generationConfig.seed",
    logprobs: "generationConfig.responseLogprobs",
    top_logprobs: "generationConfig.logprobs",
    tool_choice: "toolConfig.functionCallingConfig",
    service_tier: "serviceTier",
    within: &[
        ("arguments", "functionCall.args"),
        ("id", "functionCall"),
        ("is_error", "functionResponse.response"),
        ("result", "functionResponse"),
        ("signature", "thoughtSignature"),
        ("tool_call_id", "functionResponse"),
    ],
    ..Words::USUAL
};

/// The same where the schema is a JSON Schema.
const JSON_SCHEMA: Words = Words {
    schema: "generationConfig.responseJsonSchema",
    ..WORDS
};

/// What that request calls its parts.
pub(super) fn words(request: &Request) -> &'static Words {
    match &request.output {
        Some(OutputFormat::JsonSchema { extra, .. }) if !extra.noted(spelled::SCHEMA) => {
            &JSON_SCHEMA
        }
        Some(_) | None => &WORDS,
    }
}

/// The model's name as a body says it: with its collection before it.
fn resource(model: &str) -> String {
    if model.contains('/') {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}
