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
pub(super) use turn::places;

use crate::chat::Words;

/// What this dialect calls the parts of a request.
pub(super) const WORDS: Words = Words {
    stop: "generationConfig.stopSequences",
    candidates: "generationConfig.candidateCount",
    output: "generationConfig.responseMimeType",
    schema: "generationConfig.responseSchema",
    reasoning: "generationConfig.thinkingConfig",
    effort: "generationConfig.thinkingConfig.thinkingLevel",
    budget: "generationConfig.thinkingConfig.thinkingBudget",
};

/// The model's name as a body says it: with its collection before it.
fn resource(model: &str) -> String {
    if model.contains('/') {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}
