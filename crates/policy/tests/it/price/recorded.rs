//! Every usage that a real provider reported, priced twice: by the decoder and the row, and
//! by a calculator that shares nothing with them and keeps its own list of who counts what
//! within what.

mod calculator;
mod corpus;
mod reading;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use calculator::{adds_up, bill, said_bill};
use corpus::{Recording, recordings};
use dialect::Dialect;
use dialect::chat::Usage;
use policy::price::{PriceBook, PriceRow};
use reading::decode;
use serde_json::{Value, json};
use wire::raw_usage;

use super::today_ms;

/// Who is called differently in our catalogue.
const CALLED: [(&str, &str); 2] = [("alibaba", "dashscope"), ("bedrock-mantle", "bedrock")];

/// Streams that hold no whole answer, and why.
const BROKEN: [(&str, &str); 6] = [
    ("bulk-02191", "failed: a call of a tool that does not fit"),
    ("bulk-03710", "failed: a rate limit"),
    ("openai-responses-019", "failed: a rate limit"),
    ("bulk-04100", "failed: no quota left"),
    ("bulk-04257", "failed: a limit of tokens"),
    ("bulk-04355", "no reason why the answer ended"),
];

/// Usages whose own total is not input and output, and why.
const UNEVEN: [(&str, &str); 3] = [
    ("bulk-01747", "the total is that of the candidates"),
    ("bulk-01749", "the total is that of the candidates"),
    (
        "bulk-04284",
        "stored beside the prompt, and not in the total",
    ),
];

#[test]
fn every_recorded_usage_costs_what_an_independent_calculator_says() {
    let recordings = recordings();
    if recordings.is_empty() {
        return;
    }
    let pricing = Pricing::new();
    let mut seen = Seen::default();
    for recording in recordings {
        let decoded = decode(recording);
        let broken = BROKEN.iter().any(|(id, _)| *id == recording.id);
        assert_eq!(decoded.is_err(), broken, "{}: {decoded:?}", recording.id);
        let Ok((decoded, model)) = decoded else {
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
    let forms = Dialect::ALL.len() * 2;
    assert_eq!(seen.usages.len(), forms, "{seen:?}");
    assert!(seen.usages.values().all(|n| *n > 10), "{seen:?}");
    assert_eq!(seen.by_book.len(), Dialect::ALL.len(), "{seen:?}");
    assert!(seen.by_book.values().all(|n| *n > 30), "{seen:?}");
    assert!(seen.cached > 120, "{seen:?}");
    assert!(seen.reasoned > 500 && seen.heard > 15, "{seen:?}");
    // Prices changed since some were recorded.
    assert!(seen.as_billed > 80, "{seen:?}");
    assert!(seen.added_up > 1_500, "{seen:?}");
}

/// What was compared.
#[derive(Debug, Default)]
struct Seen {
    /// Usages by dialect and form; each is priced by rates made up.
    usages: BTreeMap<(&'static str, &'static str), u32>,
    /// Priced by the built-in data too, by dialect.
    by_book: BTreeMap<&'static str, u32>,
    /// With input from or to a cache.
    cached: u32,
    /// With reasoning.
    reasoned: u32,
    /// With sound.
    heard: u32,
    /// Whose input and output are the total that the provider itself tells.
    added_up: u32,
    /// To the nano-dollar what the provider itself says it charges.
    as_billed: u32,
    /// Differences.
    wrong: Vec<String>,
}

impl Seen {
    fn note(&mut self, of: &Recording, usage: &Usage, raw: &Value) {
        let form = if of.stream { "stream" } else { "whole" };
        *self.usages.entry((of.dialect.name(), form)).or_default() += 1;
        self.cached += u32::from(usage.cache_read + usage.cache_write + usage.cache_write_1h > 0);
        self.reasoned += u32::from(usage.reasoning > 0);
        self.heard += u32::from(usage.audio_in + usage.audio_out > 0);
        let Some(adds_up) = adds_up(of.dialect, raw) else {
            return;
        };
        self.added_up += u32::from(adds_up);
        if adds_up == UNEVEN.iter().any(|(id, _)| *id == of.id) {
            let id = &of.id;
            self.wrong.push(format!("{id}: adds up: {adds_up}, {raw}"));
        }
    }
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
        seen.note(of, usage, raw);
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
            *seen.by_book.entry(of.dialect.name()).or_default() += 1;
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

fn catalogue_id(provider: &str) -> &str {
    let called = CALLED.iter().find(|(theirs, _)| *theirs == provider);
    called.map_or(provider, |(_, ours)| ours)
}
