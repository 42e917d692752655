//! What models can do, from the catalogue of LiteLLM: models of one provider with equal abilities share
//! a line.
//!
//! Only what the catalogue says is written, either way; what it leaves out stays unknown.

use std::collections::BTreeMap;

use anyhow::Context;
use policy::profile::{Line, Profile, Thinking};
use serde_json::{Map, Value};

use super::litellm::name;
use super::providers::Provider;

const MODES: [&str; 3] = ["chat", "responses", "completion"];

/// The lines of one provider, by the first name of each.
pub(super) fn lines(catalogue: &Value, provider: &Provider) -> anyhow::Result<Vec<Line>> {
    let all = catalogue.as_object().context("LiteLLM's is no map")?;
    let mut known: BTreeMap<&str, (bool, Profile)> = BTreeMap::new();
    for (key, value) in all {
        let fields = value.as_object().context("an offer is no map")?;
        let said = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if !provider.litellm.contains(&said("litellm_provider")) || !MODES.contains(&said("mode")) {
            continue;
        }
        let Some((name, prefixed)) = name(key, provider) else {
            continue;
        };
        let profile = profile(fields);
        let first = known.get(name).is_none_or(|(own, _)| prefixed && !own);
        if first && profile != Profile::default() {
            known.insert(name, (prefixed, profile));
        }
    }
    let mut lines: Vec<Line> = Vec::new();
    for (name, (_, profile)) in known {
        match lines.iter_mut().find(|line| line.profile == profile) {
            Some(line) => line.models.push(name.to_owned()),
            None => lines.push(Line {
                provider: provider.id.to_owned(),
                models: vec![name.to_owned()],
                profile,
            }),
        }
    }
    Ok(lines)
}

fn profile(fields: &Map<String, Value>) -> Profile {
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let number = |name| number(name).filter(|tokens| *tokens > 0);
    let said = |name: &str| fields.get(name).and_then(Value::as_bool);
    let thinking = match said("supports_adaptive_thinking") {
        Some(true) if said("supports_legacy_thinking") != Some(true) => Some(Thinking::Adaptive),
        Some(_) => Some(Thinking::Budget),
        None => None,
    };
    Profile {
        max_input_tokens: number("max_input_tokens"),
        max_output_tokens: number("max_output_tokens"),
        tools: said("supports_function_calling"),
        vision: said("supports_vision").or(said("supports_image_input")),
        audio: said("supports_audio_input"),
        video: said("supports_video_input"),
        documents: said("supports_pdf_input"),
        json_schema: said("supports_response_schema"),
        reasoning: said("supports_reasoning"),
        thinking,
        prefill: said("supports_assistant_prefill"),
    }
}
