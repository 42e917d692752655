//! Every usage that a real provider reported, priced twice: by the decoder and the row, and
//! by a calculator that shares nothing with them.
//!
//! The calculator reads the provider's own usage object and the line of the price data as
//! plain JSON, and starts from the totals: all input at the full rate, then the difference
//! for each part that has another. It keeps its own list of who counts what within what.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use dialect::Dialect;
use dialect::chat::{StreamEvent, Usage};
use dialect::codec::{Broken, End, EventDecoder};
use dialect::fold::Accumulator;
use dialect::frame::sse::{Framer, MAX_EVENT};
use flate2::read::GzDecoder;
use policy::price::{PriceBook, PriceRow};
use serde_json::{Value, json};

use super::today_ms;

struct Recording {
    id: String,
    provider: String,
    dialect: Dialect,
    candidates: u64,
    model_asked: String,
    response: String,
    stream: bool,
}

/// Recordings that hold no single exchange of their dialect.
const EXCLUDED: [&str; 4] = ["bulk-00642", "bulk-02380", "bulk-02807", "bulk-02735"];

/// Who is called differently in our catalogue.
const CALLED: [(&str, &str); 2] = [("alibaba", "dashscope"), ("bedrock-mantle", "bedrock")];

#[test]
fn every_recorded_usage_costs_what_an_independent_calculator_says() {
    let recordings = recordings();
    if recordings.is_empty() {
        return;
    }
    let pricing = Pricing::new();
    let mut seen = Seen::default();
    for recording in recordings {
        let Ok((decoded, model)) = decode(recording) else {
            seen.broken += 1;
            continue;
        };
        let raw = raw_usage(recording);
        assert_eq!(decoded.is_some(), raw.is_some(), "{}", recording.id);
        if let (Some(usage), Some(raw)) = (decoded, raw) {
            pricing.compare(recording, (&usage, &model), &raw, &mut seen);
        }
    }
    let wrong = &seen.wrong;
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    eprintln!("compared: {seen:?}");
    let both = seen.usages.len() == 2;
    assert!(both && seen.usages.values().all(|n| *n > 100), "{seen:?}");
    assert!(seen.by_book > 500 && seen.cached > 50, "{seen:?}");
    assert!(seen.reasoned > 50 && seen.heard > 0, "{seen:?}");
    // Prices changed since some were recorded.
    assert!(seen.as_billed > 40, "{seen:?}");
    assert!(seen.broken < 5, "{seen:?}");
}

/// What was compared.
#[derive(Debug, Default)]
struct Seen {
    /// Usages by dialect; each is priced by rates made up.
    usages: BTreeMap<&'static str, u32>,
    /// Priced by the built-in data too.
    by_book: u32,
    /// With input from or to a cache.
    cached: u32,
    /// With reasoning.
    reasoned: u32,
    /// With sound.
    heard: u32,
    /// To the nano-dollar what the provider itself says it charges.
    as_billed: u32,
    /// Broken streams, left out.
    broken: u32,
    /// Differences.
    wrong: Vec<String>,
}

struct Pricing {
    book: &'static PriceBook,
    lines: Vec<Value>,
    made_up: Value,
    made_up_row: Arc<PriceRow>,
}

impl Pricing {
    fn new() -> Self {
        let (made_up, data) = made_up();
        let row = PriceBook::parse(&data).unwrap().rows().next().cloned();
        Self {
            book: PriceBook::built_in().unwrap(),
            lines: lines(),
            made_up,
            made_up_row: row.unwrap(),
        }
    }

    fn compare(&self, of: &Recording, read: (&Usage, &str), raw: &Value, seen: &mut Seen) {
        let (usage, model) = read;
        *seen.usages.entry(of.dialect.name()).or_default() += 1;
        seen.cached += u32::from(usage.cache_read + usage.cache_write + usage.cache_write_1h > 0);
        seen.reasoned += u32::from(usage.reasoning > 0);
        seen.heard += u32::from(usage.audio_in + usage.audio_out > 0);
        let cost = self.made_up_row.cost(usage, None, 1);
        assert!(!cost.unpriced && !cost.saturated);
        check(of, raw, &self.made_up, cost.nanos.0, seen);
        let id = catalogue_id(&of.provider);
        let names = [model, &of.model_asked];
        let mut rows = names
            .iter()
            .filter_map(|model| self.book.find("x", id, model, today_ms()));
        let Some(row) = rows.next() else {
            return;
        };
        let cost = row.cost(usage, None, 1);
        if !cost.unpriced {
            seen.by_book += 1;
            let line = line_of(&self.lines, &row.provider, &row.model);
            check(of, raw, line, cost.nanos.0, seen);
            seen.as_billed += u32::from(said_bill(raw).is_some_and(|bill| bill == cost.nanos.0));
        }
    }
}

fn check(of: &Recording, raw: &Value, line: &Value, nanos: i64, seen: &mut Seen) {
    let bill = bill(of.dialect, raw, line);
    if (bill - i128::from(nanos)).abs() > 1 {
        let (id, model) = (&of.id, &line["models"][0]);
        seen.wrong
            .push(format!("{id} by {model}: {nanos}, not {bill}, of {raw}"));
    }
}

/// What the provider itself says it charges, in nano-dollars rounded up: OpenRouter in
/// dollars, xAI in ten billionths of one.
fn said_bill(raw: &Value) -> Option<i64> {
    if let Some(ticks) = raw["cost_in_usd_ticks"].as_i64() {
        return Some(ticks.div_euclid(10) + i64::from(ticks % 10 > 0));
    }
    let cost = raw["cost"].as_f64().filter(|cost| *cost > 0.0)?;
    // The float stands for a decimal of at most twelve places.
    let pico: i64 = format!("{:.0}", cost * 1e12).parse().ok()?;
    Some((pico + 999).div_euclid(1_000))
}

/// The lines of the price data as plain JSON.
fn lines() -> Vec<Value> {
    let data = include_str!("../../../data/prices.jsonl");
    let lines = data.lines().skip(1);
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The line that holds today of the model with that name of its own.
fn line_of<'a>(lines: &'a [Value], provider: &str, model: &str) -> &'a Value {
    let today = PriceBook::built_in().unwrap().date().to_string();
    let day = |line: &Value, name: &str, otherwise: &str| {
        line[name].as_str().unwrap_or(otherwise).to_owned()
    };
    let mut found = lines.iter().filter(|line| {
        line["provider"] == provider
            && line["models"][0] == model
            && day(line, "from", "") <= today
            && today < day(line, "until", "9")
    });
    let line = found
        .next()
        .unwrap_or_else(|| panic!("no line of {provider}/{model}"));
    assert!(found.next().is_none(), "two lines of {provider}/{model}");
    line
}

/// A price with another rate, and a prime one, for each kind; as a value and as data.
fn made_up() -> (Value, String) {
    let line = json!({"provider": "p", "models": ["m"], "source": "litellm", "rates": {
        "input": 3_000_017, "cache_read": 300_007, "cache_write": 3_750_019,
        "cache_write_1h": 6_000_011, "output": 15_000_017, "reasoning": 17_000_023,
        "audio_in": 40_000_003, "audio_out": 80_000_023}});
    let header = r#"{"format":1,"date":"2026-11-21","unit":"","sources":[]}"#;
    (line.clone(), format!("{header}\n{line}\n"))
}

/// Nano-dollars, rounded up.
fn bill(dialect: Dialect, raw: &Value, line: &Value) -> i128 {
    let parts = match dialect {
        Dialect::OpenaiChat => openai(raw),
        Dialect::AnthropicMessages => anthropic(raw),
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("no recording of {dialect:?} is read here")
        }
    };
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

/// Prompt and completion are totals: cached, stored and heard input are within the prompt.
/// Reasoning is within the completion, but where prompt and completion do not add up to the
/// total the rest was reasoned beside it (Gemini, xAI).
fn openai(raw: &Value) -> Parts {
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

/// The usage object of an answer, of a stream the members it said last.
fn raw_usage(recording: &Recording) -> Option<Value> {
    if !recording.stream {
        let whole: Value = serde_json::from_str(&recording.response).unwrap();
        return Some(whole["usage"].clone()).filter(Value::is_object);
    }
    let mut usage: Option<Value> = None;
    for line in recording.response.lines() {
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        for said in [
            &event["usage"],
            &event["message"]["usage"],
            &event["x_groq"]["usage"],
        ] {
            let Some(members) = said.as_object() else {
                continue;
            };
            match (&mut usage, recording.dialect) {
                (Some(Value::Object(known)), Dialect::AnthropicMessages) => {
                    let said = members.iter().filter(|(_, value)| !value.is_null());
                    known.extend(said.map(|(name, value)| (name.clone(), value.clone())));
                }
                (_, _) => usage = Some(said.clone()),
            }
        }
    }
    usage
}

/// What the gateway reads of an answer: its usage and the model that served.
fn decode(recording: &Recording) -> Result<(Option<Usage>, String), Broken> {
    let client = recording.dialect.client();
    let response = if recording.stream {
        let mut decoder = client.decoder(recording.candidates);
        let events = read_stream(decoder.as_mut(), &recording.response)?;
        let mut whole = Accumulator::new(recording.dialect);
        events.iter().for_each(|event| whole.push(event));
        whole.into_response()
    } else {
        client.decode_response(recording.response.as_bytes())?
    };
    Ok((response.usage, response.model))
}

fn read_stream(decoder: &mut dyn EventDecoder, stream: &str) -> Result<Vec<StreamEvent>, Broken> {
    let mut events = Vec::new();
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(Bytes::copy_from_slice(stream.as_bytes()));
    while let Some(raw) = framer.next_frame()? {
        if let Some(frame) = raw.frame()? {
            decoder.push(&frame, &mut events)?;
        }
    }
    if let Some(raw) = framer.finish()
        && let Some(frame) = raw.frame()?
    {
        decoder.push(&frame, &mut events)?;
    }
    decoder.finish(End::Clean, &mut events)?;
    Ok(events)
}

fn catalogue_id(provider: &str) -> &str {
    let called = CALLED.iter().find(|(theirs, _)| *theirs == provider);
    called.map_or(provider, |(_, ours)| ours)
}

/// Successful exchanges of the two dialects that lie beside the repository.
fn recordings() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
        if !folder.is_dir() {
            eprintln!("SKIPPED: no recordings at ../shared/recordings to price");
            return Vec::new();
        }
        let entries = fs::read_dir(&folder).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut found = BTreeMap::new();
        for file in files {
            for line in read(&file).lines() {
                if let Some(recording) = recording(line) {
                    found.insert(recording.id.clone(), recording);
                }
            }
        }
        EXCLUDED.iter().for_each(|id| drop(found.remove(*id)));
        found.into_values().collect()
    });
    &ALL
}

fn read(file: &Path) -> String {
    match file.extension().and_then(|end| end.to_str()) {
        Some("jsonl") => fs::read_to_string(file).unwrap(),
        Some("gz") => {
            let mut text = String::new();
            let packed = fs::read(file).unwrap();
            GzDecoder::new(&packed[..])
                .read_to_string(&mut text)
                .unwrap();
            text
        }
        _ => String::new(),
    }
}

fn recording(line: &str) -> Option<Recording> {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let dialect = match (line["api"].as_str()?, line["provider"].as_str()?) {
        ("chat", _) => Dialect::OpenaiChat,
        ("messages", provider) if provider != "openai" => Dialect::AnthropicMessages,
        _ => return None,
    };
    if line["status"] != 200 {
        return None;
    }
    let request = &line["request_body"];
    Some(Recording {
        id: text("id"),
        provider: text("provider"),
        dialect,
        candidates: request["n"].as_u64().unwrap_or(1),
        model_asked: request["model"].as_str().unwrap_or_default().to_owned(),
        response: line["response_body"].as_str()?.to_owned(),
        stream: line["is_stream"] == true,
    })
}
