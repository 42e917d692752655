//! The calculator: it reads the usage objects of providers and the lines of the price data as
//! plain JSON, and starts from the totals: all input at the full rate, then the difference
//! for each part that has another.

use dialect::Dialect;
use serde_json::Value;

/// What the provider itself says it charges, in nano-dollars rounded up: OpenRouter in
/// dollars, xAI in ten billionths of one.
pub(super) fn said_bill(raw: &Value) -> Option<i64> {
    if let Some(ticks) = raw["cost_in_usd_ticks"].as_i64() {
        return Some(ticks.div_euclid(10) + i64::from(ticks % 10 > 0));
    }
    let cost = raw["cost"].as_f64().filter(|cost| *cost > 0.0)?;
    // The float stands for a decimal of at most twelve places.
    let pico: i64 = format!("{:.0}", cost * 1e12).parse().ok()?;
    Some((pico + 999).div_euclid(1_000))
}

/// Nano-dollars, rounded up.
pub(super) fn bill(dialect: Dialect, raw: &Value, line: &Value) -> i128 {
    let parts = parts(dialect, raw);
    let long: i128 = parts.input;
    let mut rates = line["rates"].as_object().unwrap().clone();
    for step in line["above"].as_array().into_iter().flatten() {
        if long > i128::from(step["n"].as_u64().unwrap()) {
            rates.extend(step["rates"].as_object().unwrap().clone());
        }
    }
    let rate = |name: &str| {
        rates
            .get(name)
            .map(|rate| i128::from(rate.as_u64().unwrap()))
    };
    let input = rate("input").unwrap_or(0);
    let output = rate("output").unwrap_or(0);
    let short = rate("cache_write").unwrap_or(input);
    let pico = parts.input * input
        + parts.cached * (rate("cache_read").unwrap_or(input) - input)
        + parts.stored * (short - input)
        + parts.stored_1h * (rate("cache_write_1h").unwrap_or(short) - short)
        + parts.heard * (rate("audio_in").unwrap_or(input) - input)
        + parts.output * output
        + parts.thought * (rate("reasoning").unwrap_or(output) - output)
        + parts.spoken * (rate("audio_out").unwrap_or(output) - output)
        + rate("request").unwrap_or(0);
    (pico + 999).div_euclid(1_000)
}

/// Totals, and the parts within them.
#[derive(Default)]
struct Parts {
    input: i128,
    cached: i128,
    stored: i128,
    stored_1h: i128,
    heard: i128,
    output: i128,
    thought: i128,
    spoken: i128,
}

fn number(value: &Value) -> i128 {
    value.as_u64().map_or(0, i128::from)
}

fn parts(dialect: Dialect, raw: &Value) -> Parts {
    match dialect {
        Dialect::OpenaiChat => chat(raw),
        Dialect::OpenaiResponses => responses(raw),
        Dialect::AnthropicMessages => anthropic(raw),
        Dialect::Gemini => gemini(raw),
        Dialect::BedrockConverse => converse(raw),
        Dialect::Cohere => cohere(raw),
    }
}

/// Whether input and output add up to the total that the provider itself tells; none where it
/// tells none.
pub(super) fn adds_up(dialect: Dialect, raw: &Value) -> Option<bool> {
    let told = ["total_tokens", "totalTokens", "totalTokenCount"];
    let total = told.iter().find_map(|name| raw[*name].as_u64())?;
    let parts = parts(dialect, raw);
    Some(parts.input + parts.output == i128::from(total))
}

/// Prompt and completion are totals: cached, stored and heard input are within the prompt.
/// Reasoning is within the completion, but where prompt and completion do not add up to the
/// total the rest was reasoned beside it (Gemini, xAI).
fn chat(raw: &Value) -> Parts {
    let (prompt, completion) = (
        &raw["prompt_tokens_details"],
        &raw["completion_tokens_details"],
    );
    let said = [
        &prompt["cached_tokens"],
        &raw["cached_tokens"],
        &raw["prompt_cache_hit_tokens"],
    ];
    let mut parts = Parts {
        input: number(&raw["prompt_tokens"]),
        cached: said.into_iter().map(number).max().unwrap(),
        stored: number(&prompt["cache_write_tokens"]),
        heard: number(&prompt["audio_tokens"]),
        output: number(&raw["completion_tokens"]),
        thought: number(&completion["reasoning_tokens"]),
        spoken: number(&completion["audio_tokens"]),
        ..Parts::default()
    };
    // Grok on Azure counts a hidden prefix as cached that is in no prompt.
    parts.cached = parts.cached.min(parts.input);
    let beside = number(&raw["total_tokens"]) - parts.input - parts.output;
    if beside > 0 {
        parts.thought = beside;
        parts.output += beside;
    }
    // OpenRouter bills what Gemini stored beside the prompt that was read from the cache.
    if parts.cached + parts.stored > parts.input {
        parts.input += parts.stored;
    }
    // Some report more reasoning than completion; no part is larger than its whole.
    parts.thought = parts.thought.min(parts.output);
    parts
}

/// Input stands beside what was cached and stored; thinking is within the output. What a
/// compaction used is listed apart and in no total.
fn anthropic(raw: &Value) -> Parts {
    let cached = number(&raw["cache_read_input_tokens"]);
    let stored = number(&raw["cache_creation_input_tokens"]);
    let mut parts = Parts {
        input: number(&raw["input_tokens"]) + cached + stored,
        cached,
        stored,
        stored_1h: number(&raw["cache_creation"]["ephemeral_1h_input_tokens"]),
        output: number(&raw["output_tokens"]),
        thought: number(&raw["output_tokens_details"]["thinking_tokens"]),
        ..Parts::default()
    };
    for turn in raw["iterations"].as_array().into_iter().flatten() {
        if turn["type"] == "compaction" {
            parts.input += number(&turn["input_tokens"])
                + number(&turn["cache_read_input_tokens"])
                + number(&turn["cache_creation_input_tokens"]);
            parts.output += number(&turn["output_tokens"]);
        }
    }
    parts
}

/// Input and output are totals: cached and stored input is within the one, reasoning within
/// the other.
fn responses(raw: &Value) -> Parts {
    let input = &raw["input_tokens_details"];
    Parts {
        input: number(&raw["input_tokens"]),
        cached: number(&input["cached_tokens"]),
        stored: number(&input["cache_write_tokens"]),
        output: number(&raw["output_tokens"]),
        thought: number(&raw["output_tokens_details"]["reasoning_tokens"]),
        ..Parts::default()
    }
}

/// What is cached is within the prompt, thoughts stand beside the candidates, and what hosted
/// tools put in beside the prompt. Sound is told by modality, of the prompt with what is cached.
fn gemini(raw: &Value) -> Parts {
    let thought = number(&raw["thoughtsTokenCount"]);
    Parts {
        input: number(&raw["promptTokenCount"]) + number(&raw["toolUsePromptTokenCount"]),
        cached: number(&raw["cachedContentTokenCount"]),
        heard: sound(&raw["promptTokensDetails"]) - sound(&raw["cacheTokensDetails"]),
        output: number(&raw["candidatesTokenCount"]) + thought,
        thought,
        spoken: sound(&raw["candidatesTokensDetails"]),
        ..Parts::default()
    }
}

fn sound(modalities: &Value) -> i128 {
    let all = modalities.as_array().into_iter().flatten();
    all.filter(|one| one["modality"] == "AUDIO")
        .map(|one| number(&one["tokenCount"]))
        .sum()
}

/// Input stands beside what was cached and stored.
fn converse(raw: &Value) -> Parts {
    let cached = number(&raw["cacheReadInputTokens"]);
    let stored = number(&raw["cacheWriteInputTokens"]);
    let lives = raw["cacheDetails"].as_array().into_iter().flatten();
    Parts {
        input: number(&raw["inputTokens"]) + cached + stored,
        cached,
        stored,
        stored_1h: lives
            .filter(|one| one["ttl"] == "1h")
            .map(|one| number(&one["inputTokens"]))
            .sum(),
        output: number(&raw["outputTokens"]),
        ..Parts::default()
    }
}

/// Only what is billed is paid for: less than what was read and written, and at one rate,
/// whether a cache served it or not.
fn cohere(raw: &Value) -> Parts {
    let (billed, tokens) = (&raw["billed_units"], &raw["tokens"]);
    let output = number(&billed["output_tokens"]);
    Parts {
        input: number(&billed["input_tokens"]),
        output,
        thought: number(&tokens["reasoning_tokens"]).min(output),
        ..Parts::default()
    }
}
