//! Every recorded exchange of a task beside chat: its request is read, its answer weighed, and what it
//! used priced a second time by plain arithmetic over the provider's own JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialect::Dialect;
use dialect::chat::{StreamEvent, Usage};
use dialect::codec::End;
use dialect::frame::Framing;
use dialect::task::{Content, Task, Work};
use flate2::read::GzDecoder;
use policy::price::{PriceBook, PriceRow, Rates};
use serde_json::{Value, json};

use super::today_ms;

/// Recordings that hold no exchange of these tasks, and why.
const EXCLUDED: [(&str, &str); 1] = [(
    "bulk-03271",
    "two answers were asked for, and the end of one is told",
)];

/// How an API's tasks are found by the ends of their paths.
const PATHS: [(&str, Dialect, Task); 13] = [
    (":embedContent", Dialect::Gemini, Task::Embed),
    (":batchEmbedContents", Dialect::Gemini, Task::EmbedBatch),
    ("/v2/embed", Dialect::Cohere, Task::Embed),
    ("/v2/rerank", Dialect::Cohere, Task::Rerank),
    ("/embeddings", Dialect::OpenaiChat, Task::Embed),
    ("/moderations", Dialect::OpenaiChat, Task::Moderate),
    ("/images/generations", Dialect::OpenaiChat, Task::Image),
    ("/images/edits", Dialect::OpenaiChat, Task::ImageEdit),
    ("/audio/speech", Dialect::OpenaiChat, Task::Speech),
    (
        "/audio/transcriptions",
        Dialect::OpenaiChat,
        Task::Transcribe,
    ),
    ("/audio/translations", Dialect::OpenaiChat, Task::Translate),
    ("/v1/rerank", Dialect::OpenaiChat, Task::Rerank),
    ("/completions", Dialect::OpenaiChat, Task::Complete),
];

struct Recording {
    id: String,
    provider: String,
    dialect: Dialect,
    task: Task,
    request: Value,
    /// What the request itself would be asked of, where it stands in no body.
    model: String,
    answer: Vec<u8>,
    media_type: String,
    stream: bool,
}

#[test]
fn every_recorded_task_is_read_and_costs_what_plain_arithmetic_says() {
    let recordings = recordings();
    if recordings.is_empty() {
        eprintln!("SKIPPED: no recordings at ../shared/recordings to price");
        return;
    }
    let row = made_up();
    let book = PriceBook::built_in().unwrap();
    let mut seen: BTreeMap<(&str, Dialect), (u32, u32)> = BTreeMap::new();
    let (mut wrong, mut by_book, mut excluded) = (Vec::new(), 0, 0);
    for one in &recordings {
        if EXCLUDED.iter().any(|(id, _)| *id == one.id) {
            excluded += 1;
            continue;
        }
        let read = read(one);
        let (usage, model) = match read {
            Ok(read) => read,
            Err(error) => {
                wrong.push(format!("{} {:?}: {error}", one.id, one.task));
                continue;
            }
        };
        let counts = seen.entry((one.task.name(), one.dialect)).or_default();
        counts.0 += 1;
        let raw = raw_usage(one);
        let Some(usage) = usage else {
            if raw.is_some() {
                wrong.push(format!("{}: usage is passed over: {raw:?}", one.id));
            }
            continue;
        };
        let Some(raw) = raw else {
            // Images are counted in the answer, which tells nothing else of them.
            assert!(one.task.draws(), "{}: {usage:?}", one.id);
            continue;
        };
        counts.1 += 1;
        let cost = row.cost(&usage, None, 1);
        assert!(!cost.unpriced, "{}", one.id);
        compare(one, &raw, &made_up_rates(), cost.nanos.0, &mut wrong);
        let names = [&model, &one.model];
        let known = names
            .iter()
            .find_map(|name| book.find("x", &one.provider, name, today_ms()));
        if let Some(row) = known.filter(|row| !row.cost(&usage, None, 1).unpriced) {
            by_book += 1;
            let nanos = row.cost(&usage, None, 1).nanos.0;
            compare(one, &raw, &said_rates(&row.rates), nanos, &mut wrong);
        }
    }
    eprintln!(
        "seen, with usage: {seen:?}; by the built-in prices: {by_book}; left out: {excluded}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(excluded, EXCLUDED.len());
    assert!(by_book > 60, "{by_book}");
    assert!(seen.len() >= 10, "{seen:?}");
}

/// The usage that an answer tells, and who served.
fn read(one: &Recording) -> Result<(Option<Usage>, String), String> {
    let codec = one.dialect.tasks().unwrap();
    let mut work = Work {
        task: one.task,
        ..Work::default()
    };
    let mut candidates = 1;
    if one.request.is_object() {
        let bytes = one.request.to_string().into_bytes();
        let content = Content {
            bytes: &bytes,
            media_type: "application/json",
        };
        let head = codec.head(one.task, content).map_err(|e| e.to_string())?;
        candidates = head.candidates;
        work = *head.work.ok_or("no work")?;
    }
    if one.stream {
        return streamed(one, &work, candidates);
    }
    let answer = Content {
        bytes: &one.answer,
        media_type: &one.media_type,
    };
    let weighed = codec.weigh(&work, answer).map_err(|e| e.to_string())?;
    Ok((weighed.usage, weighed.model.into_owned()))
}

fn streamed(
    one: &Recording,
    work: &Work,
    candidates: u64,
) -> Result<(Option<Usage>, String), String> {
    let codec = one.dialect.tasks().unwrap();
    let mut decoder = codec.decoder(work, candidates).ok_or("no stream")?;
    let mut framer = Framing::Sse.framer(1 << 20);
    framer.push(one.answer.clone().into());
    let mut events = Vec::new();
    while let Some(raw) = framer.next_frame().map_err(|e| e.to_string())? {
        if let Some(frame) = raw.frame().map_err(|e| e.to_string())? {
            decoder
                .push(&frame, &mut events)
                .map_err(|e| e.to_string())?;
        }
    }
    decoder
        .finish(End::Clean, &mut events)
        .map_err(|e| e.to_string())?;
    let (mut usage, mut model) = (None, String::new());
    for event in events {
        if let StreamEvent::Usage(told) = event {
            usage = Some(*told);
        } else if let StreamEvent::Start(start) = event {
            model = start.model;
        }
    }
    Ok((usage, model))
}

/// The provider's own usage object.
fn raw_usage(one: &Recording) -> Option<Value> {
    let text = String::from_utf8_lossy(&one.answer);
    let told = |body: &Value| {
        let places = [
            &body["usage"],
            &body["usageMetadata"],
            &body["meta"]["billed_units"],
        ];
        let found = places.into_iter().find(|place| place.is_object());
        let seconds = json!({ "seconds": body["duration"] });
        let seconds = Some(seconds).filter(|told| told["seconds"].is_number());
        found.cloned().or(seconds)
    };
    if one.stream {
        let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let bodies = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        return bodies.filter_map(|body| told(&body)).next_back();
    }
    told(&serde_json::from_str(&text).ok()?)
}

/// Pico-dollars: all input at the full rate, then the difference for each part that has another.
fn compare(one: &Recording, raw: &Value, rates: &Value, nanos: i64, wrong: &mut Vec<String>) {
    let number = |value: &Value| value.as_f64().map_or(0, |n| n.ceil() as i128);
    let first = |names: &[&str]| {
        let mut told = names.iter().map(|name| &raw[name]);
        told.find(|value| value.is_number()).map(number)
    };
    let rate = |name: &str, otherwise: i128| rates[name].as_i64().map_or(otherwise, i128::from);
    let output = first(&["completion_tokens", "output_tokens"]).unwrap_or(0);
    let total = first(&["total_tokens"]).unwrap_or(0);
    let input = first(&["prompt_tokens", "input_tokens", "promptTokenCount"]);
    let input = input.unwrap_or(total - output);
    let searches = first(&["search_units"]).unwrap_or(1);
    let beside = if one.dialect == Dialect::Cohere {
        number(&raw["image_tokens"])
    } else {
        0
    };
    let details = &raw["input_tokens_details"];
    let pictures = number(&details["image_tokens"]);
    let made = match rate("output", 0) {
        made if one.task.draws() => rate("image_out", made),
        made => made,
    };
    let (full, each) = (rate("input", 0), rate("request", 0));
    let pico = input * full
        + beside * rate("image_in", full)
        + pictures * (rate("image_in", full) - full)
        + output * made
        + number(&raw["seconds"]) * rate("second", 0)
        + searches * each;
    let bill = (pico + 999).div_euclid(1_000);
    if (bill - i128::from(nanos)).abs() > 1 {
        wrong.push(format!("{}: {nanos}, not {bill}, of {raw}", one.id));
    }
}

fn made_up_rates() -> Value {
    json!({ "input": 3_000_017, "output": 15_000_017, "image_in": 5_000_011,
        "second": 100_000_007, "request": 2_000_000_011_u64 })
}

fn made_up() -> PriceRow {
    let row = PriceBook::built_in().unwrap().rows().next().unwrap();
    let rates: Rates = serde_json::from_value(made_up_rates()).unwrap();
    PriceRow {
        rates,
        above: Vec::new(),
        tiers: Vec::new(),
        ..(**row).clone()
    }
}

fn said_rates(rates: &Rates) -> Value {
    serde_json::to_value(rates).unwrap()
}

fn recordings() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let Ok(entries) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let mut text = String::new();
        match path.extension().and_then(|end| end.to_str()) {
            Some("jsonl") => text = fs::read_to_string(&path).unwrap(),
            Some("gz") => {
                let packed = fs::read(&path).unwrap();
                let mut unpacked = GzDecoder::new(&packed[..]);
                unpacked.read_to_string(&mut text).map(drop).unwrap();
            }
            _ => {}
        }
        for line in text.lines() {
            if let Some(one) = recording(line) {
                found.insert(one.id.clone(), one);
            }
        }
    }
    found.into_values().collect()
}

fn recording(line: &str) -> Option<Recording> {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let path = text("path");
    let path = path.split('?').next().unwrap_or_default();
    let chats = path.ends_with("/chat/completions") || path.contains("/organization/");
    let found = PATHS.iter().find(|(end, ..)| path.ends_with(end));
    let (_, dialect, task) = found.filter(|_| !chats && line["status"] == 200)?;
    let answer = match line["response_body_b64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => line["response_body"].as_str()?.as_bytes().to_vec(),
    };
    let request = line["request_body"].clone();
    let (_, named) = path.rsplit_once("/models/").unwrap_or_default();
    let named = named.split(':').next().unwrap_or_default();
    let model = request["model"].as_str().unwrap_or(named).to_owned();
    let kind = &line["response_headers"]["content-type"];
    Some(Recording {
        id: text("id"),
        provider: text("provider"),
        dialect: *dialect,
        task: *task,
        request,
        model,
        media_type: kind.as_str().unwrap_or("application/json").to_owned(),
        stream: line["is_stream"] == true || answer.starts_with(b"data:"),
        answer,
    })
}
