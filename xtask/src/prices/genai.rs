//! The catalogue genai-prices: prices for a million tokens, with dates, tiers and rules on
//! which names a price holds for.
//!
//! Of its rules on names those are taken that name a model, or a model and any version of
//! it. Broader ones (any name that contains a word) would be guesses.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::civil::Date;
use policy::price::{Kind, Rates, Schedule, Step, Tier, without_region};
use serde_json::{Map, Value};

use super::amount::scaled;
use super::providers::Provider;

/// A model and what it costs over time.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Names, its own first.
    pub(super) exact: Vec<String>,
    /// Names behind which a version may stand.
    pub(super) dated: Vec<String>,
    /// Names before which a region may stand.
    pub(super) regional: Vec<String>,
    /// Prices, each from its first day until the next one's.
    pub(super) periods: Vec<(Option<Date>, Schedule)>,
    /// Prices of other tiers, today.
    pub(super) tiers: Vec<(Tier, Schedule)>,
    /// How much it reads.
    pub(super) context_window: Option<u64>,
}

const KINDS: [(&str, Kind, i32); 9] = [
    ("input_mtok", Kind::Input, 6),
    ("cache_read_mtok", Kind::CacheRead, 6),
    ("cache_write_mtok", Kind::CacheWrite, 6),
    ("cache_write_1h_mtok", Kind::CacheWrite1h, 6),
    ("output_mtok", Kind::Output, 6),
    ("output_reasoning_mtok", Kind::Reasoning, 6),
    ("input_audio_mtok", Kind::AudioIn, 6),
    ("output_audio_mtok", Kind::AudioOut, 6),
    ("requests_kcount", Kind::Request, 9),
];

/// The models of a provider that have a price for tokens.
pub(super) fn models(catalogue: &Value, provider: &Provider) -> anyhow::Result<Vec<Model>> {
    let Some(id) = provider.genai else {
        return Ok(Vec::new());
    };
    let providers = catalogue.as_array().context("genai-prices is no list")?;
    let found = providers.iter().find(|p| text(p, "id") == Some(id));
    let found = found.with_context(|| format!("genai-prices has no provider {id}"))?;
    let models = found.get("models").and_then(Value::as_array);
    let mut all = Vec::new();
    for value in models.context("a provider without models")? {
        let name = text(value, "id").context("a model without id")?;
        if provider.not.iter().any(|not| name.starts_with(not)) {
            continue;
        }
        let model = model(value, name).with_context(|| format!("{id}/{name}"))?;
        all.extend(model);
    }
    Ok(all)
}

fn model(value: &Value, name: &str) -> anyhow::Result<Option<Model>> {
    let mut model = Model {
        exact: vec![name.to_owned()],
        context_window: value.get("context_window").and_then(Value::as_u64),
        ..Model::default()
    };
    if let Some(clause) = value.get("match") {
        read_names(clause, &mut model);
    }
    let free = name.ends_with(":free");
    match value.get("prices").context("no prices")? {
        Value::Array(list) => {
            for one in list {
                period(one, free, &mut model)?;
            }
        }
        Value::Object(prices) => model.periods.push((None, schedule(prices, free)?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(None),
    }
    model.periods.sort_by_key(|(from, _)| *from);
    for variant in value
        .get("price_variants")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let (Some(tier), Some(Value::Object(prices))) = (tier(variant), variant.get("prices"))
            && !model.tiers.iter().any(|(known, _)| *known == tier)
        {
            model.tiers.push((tier, schedule(prices, free)?));
        }
    }
    model.tiers.sort_by_key(|(tier, _)| *tier);
    let imaged = value.to_string().contains("output_image_mtok");
    let priced = |(_, schedule): &(_, Schedule)| schedule.rates.input.is_some();
    let fits = super::merge::text_model(name, model.periods.last().map(|(_, s)| &s.rates));
    Ok((fits && !imaged && model.periods.iter().all(priced)).then_some(model))
}

/// One of several prices: from a day on, or at some hours. Of hours the dearest counts.
fn period(value: &Value, free: bool, model: &mut Model) -> anyhow::Result<()> {
    let Some(Value::Object(prices)) = value.get("prices") else {
        return Ok(());
    };
    let own = schedule(prices, free)?;
    let constraint = value.get("constraint");
    let from = constraint.and_then(|c| text(c, "start_date"));
    let from = from.map(str::parse::<Date>).transpose()?;
    match model.periods.last_mut() {
        Some((_, before)) if constraint.is_some() && from.is_none() => {
            let mut dearest = before.rates;
            for kind in Kind::ALL {
                dearest.set(kind, before.rates.get(kind).max(own.rates.get(kind)));
            }
            before.rates = dearest;
        }
        Some(_) | None => model.periods.push((from, own)),
    }
    Ok(())
}

fn tier(variant: &Value) -> Option<Tier> {
    let when = variant.get("when")?;
    let word = text(when, "processing")
        .or_else(|| text(when, "service_tier"))
        .or_else(|| text(when, "speed"))?;
    Tier::by_name(word)
}

fn schedule(prices: &Map<String, Value>, free: bool) -> anyhow::Result<Schedule> {
    let mut rates = Rates::default();
    let mut above: BTreeMap<u64, Rates> = BTreeMap::new();
    for (name, kind, places) in KINDS {
        let Some(value) = prices.get(name) else {
            continue;
        };
        let base = value.get("base").unwrap_or(value);
        rates.set(kind, Some(scaled(base, places)?));
        for step in value
            .get("tiers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let start = step.get("start").and_then(Value::as_u64);
            let price = step.get("price").context("a tier without price")?;
            above
                .entry(start.context("a tier without start")?)
                .or_default()
                .set(kind, Some(scaled(price, places)?));
        }
    }
    if !free && rates.input == Some(0) {
        rates.input = None;
    }
    let above = above.into_iter().map(|(n, rates)| Step { n, rates });
    Ok(Schedule {
        rates,
        above: above.collect(),
    })
}

fn read_names(clause: &Value, model: &mut Model) {
    for list in ["or_", "and_"] {
        let inner = clause.get(list).and_then(Value::as_array);
        inner
            .into_iter()
            .flatten()
            .for_each(|c| read_names(c, model));
    }
    if let Some(name) = text(clause, "equals") {
        add(&mut model.exact, name);
    } else if let Some(name) = text(clause, "starts_with") {
        add(&mut model.dated, name.trim_end_matches(['-', '@']));
    } else if let Some(base) = text(clause, "regex").and_then(versioned) {
        add(&mut model.dated, &base);
    } else if let Some(name) = text(clause, "contains").or_else(|| text(clause, "ends_with")) {
        let name = name.trim_matches(['/', '@', '-']);
        // A whole name of a vendor and its model, as clouds write it; less would be a guess.
        if without_region(name).is_some() {
            add(&mut model.dated, name);
        } else if name.contains('.') && name.contains('-') && !name.starts_with("claude") {
            add(&mut model.regional, name);
            add(&mut model.dated, name);
        } else if name.starts_with("claude-") && name.matches('-').count() >= 2 {
            add(&mut model.dated, name);
        }
    }
}

/// The name before a pattern of nothing but a date.
fn versioned(pattern: &str) -> Option<String> {
    let base = pattern.strip_prefix('^')?;
    let base = base
        .strip_suffix(r"-\d{8}$")
        .or_else(|| base.strip_suffix(r"-\d{4}-\d{2}-\d{2}$"))?;
    let base = base.replace(r"\.", ".");
    (!base.contains(['\\', '(', '[', '*', '+', '?'])).then_some(base)
}

/// A fine-tuned model's price is not that of its base.
fn add(names: &mut Vec<String>, name: &str) {
    if !name.starts_with("ft:") && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}
