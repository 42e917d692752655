//! Two catalogues into one: which says what of a model, and where they differ.
//!
//! genai-prices is kept where they differ, since it dates its prices and names the pages
//! they are from; LiteLLM adds what genai-prices leaves out to models on whose price both
//! agree, and models that only it knows.

use std::collections::BTreeSet;

use jiff::civil::Date;
use policy::price::{Kind, Line, Rates, Schedule, Source, is_dated};

use super::genai::Model;
use super::litellm::Offer;

/// What became of one provider's models.
pub(super) struct Merged {
    /// Prices, by name and date.
    pub(super) lines: Vec<Line>,
    /// Differences, by name and kind.
    pub(super) differences: Vec<Difference>,
}

/// A rate on which the catalogues differ, in pico-dollars.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    provider: &'static str,
    model: String,
    what: String,
    genai: String,
    litellm: String,
    kept: &'static str,
}

impl Difference {
    /// As a row of the list.
    pub(super) fn row(&self) -> String {
        format!(
            "{},{},{},{},{},{}",
            self.provider, self.model, self.what, self.genai, self.litellm, self.kept
        )
    }
}

/// Models that are kept from LiteLLM although genai-prices has them: names that moved to
/// another model since, by pages that are newer than its entry.
const PREFERRED: [(&str, &str); 8] = [
    // The alias means Large 3, which is 0.5 and 1.5 dollars; the entry is that of Large 2.
    ("mistral", "mistral-large-latest"),
    // These mean Medium 3.5 and Small 4 by now.
    ("mistral", "mistral-medium"),
    ("mistral", "magistral-medium-latest"),
    ("mistral", "magistral-small-latest"),
    // These are served by grok-build-0.1 and cost what it costs.
    ("xai", "grok-code-fast"),
    ("xai", "grok-code-fast-1"),
    ("xai", "grok-code-fast-1-0825"),
    // 1.04 dollars is also what genai-prices has for it behind Hugging Face's router.
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
];

/// Whether the rates of text are all that a model of that name is charged: one that hears
/// or speaks needs rates for sound, and images are not counted.
pub(super) fn text_model(name: &str, rates: Option<&Rates>) -> bool {
    const NOT: [&str; 9] = [
        "realtime",
        "transcribe",
        "whisper",
        "tts",
        "image",
        "-live-",
        "sonic",
        "imagen",
        "ocr",
    ];
    let hears = rates.is_some_and(|rates| rates.audio_in.is_some());
    !NOT.iter().any(|word| name.contains(word)) && (hears || !name.contains("audio"))
}

/// One provider's models as both catalogues have them.
pub(super) fn merge(
    provider: &'static str,
    mut models: Vec<Model>,
    offers: Vec<Offer>,
    date: Date,
) -> Merged {
    own_names(&mut models);
    let mut differences = Vec::new();
    let mut lines = Vec::new();
    let mut heard: Vec<Vec<Offer>> = models.iter().map(|_| Vec::new()).collect();
    for offer in offers {
        let Some(at) = model_of(&models, &offer.name) else {
            lines.push(alone(provider, offer));
            continue;
        };
        let (Some(model), Some(heard)) = (models.get(at), heard.get_mut(at)) else {
            continue;
        };
        let now = current(model, date);
        let preferred = PREFERRED.contains(&(provider, &offer.name));
        let differs = compare(now, &offer.schedule);
        let same = !differs
            .iter()
            .any(|(what, ..)| what == "input" || what == "output");
        let kept = if !same && preferred {
            Source::Litellm
        } else {
            Source::GenaiPrices
        };
        for (what, genai, litellm) in differs {
            differences.push(Difference {
                provider,
                model: offer.name.clone(),
                what,
                genai,
                litellm,
                kept: kept.name(),
            });
        }
        if kept == Source::Litellm {
            lines.push(alone(provider, offer));
        } else if same {
            heard.push(offer);
        }
    }
    let taken: BTreeSet<String> = lines.iter().flat_map(|line| line.models.clone()).collect();
    for (mut model, heard) in models.into_iter().zip(heard) {
        model.exact.retain(|name| !taken.contains(name));
        lines.extend(dated_lines(provider, &model, &heard, date));
    }
    let key = |line: &Line| (line.models.first().cloned(), line.from);
    lines.sort_by_key(key);
    differences.sort();
    Merged { lines, differences }
}

/// A name belongs to the first model that has it; one with no name of its own is dropped.
fn own_names(models: &mut Vec<Model>) {
    let mut exact = BTreeSet::new();
    let mut dated = BTreeSet::new();
    let mut regional = BTreeSet::new();
    for model in models.iter_mut() {
        model.exact.retain(|name| exact.insert(name.clone()));
        model.dated.retain(|name| dated.insert(name.clone()));
        model.regional.retain(|name| regional.insert(name.clone()));
    }
    models.retain(|model| !model.exact.is_empty());
}

/// The model that genai-prices has for a name or, with it, for a name of which it is a version.
fn model_of(models: &[Model], name: &str) -> Option<usize> {
    let listed = |model: &Model| model.exact.iter().any(|own| own == name);
    if let Some(at) = models.iter().position(listed) {
        return Some(at);
    }
    let versions = models.iter().enumerate().flat_map(|(at, model)| {
        let own = model
            .dated
            .iter()
            .filter(|base| *base == name || is_dated(name, base));
        own.map(move |base| (base.len(), at))
    });
    versions.max().map(|(_, at)| at)
}

fn current(model: &Model, date: Date) -> &Schedule {
    static NONE: Schedule = Schedule {
        rates: Rates {
            input: None,
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
            output: None,
            reasoning: None,
            audio_in: None,
            audio_out: None,
            image_in: None,
            image_out: None,
            image: None,
            character: None,
            second: None,
            request: None,
        },
        above: Vec::new(),
    };
    let begun = model.periods.iter().rev();
    let mut begun = begun.filter(|(from, _)| from.is_none_or(|from| from <= date));
    begun.next().map_or(&NONE, |(_, schedule)| schedule)
}

/// Kinds that both price, and differently; and steps that only one has.
fn compare(genai: &Schedule, litellm: &Schedule) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut rates = |where_: &str, one: &Rates, other: &Rates| {
        for kind in Kind::ALL {
            if let (Some(one), Some(other)) = (one.get(kind), other.get(kind))
                && one != other
            {
                let what = format!("{}{where_}", kind.name());
                found.push((what, one.to_string(), other.to_string()));
            }
        }
    };
    rates("", &genai.rates, &litellm.rates);
    for step in &genai.above {
        if let Some(other) = litellm.above.iter().find(|other| other.n == step.n) {
            rates(&format!(" above {}", step.n), &step.rates, &other.rates);
        }
    }
    let lengths = |schedule: &Schedule| -> Vec<String> {
        schedule
            .above
            .iter()
            .map(|step| step.n.to_string())
            .collect()
    };
    let (one, other) = (lengths(genai), lengths(litellm));
    if one != other {
        found.push(("steps".to_owned(), one.join(" "), other.join(" ")));
    }
    found
}

fn alone(provider: &str, offer: Offer) -> Line {
    Line {
        provider: provider.to_owned(),
        models: vec![offer.name],
        dated: Vec::new(),
        regional: Vec::new(),
        from: None,
        until: None,
        rates: offer.schedule.rates,
        above: offer.schedule.above,
        tiers: offer.tiers,
        max_input_tokens: offer.max_input_tokens,
        max_output_tokens: offer.max_output_tokens,
        source: Source::Litellm,
    }
}

/// The prices of a model over time; today's with what the agreeing offers add.
fn dated_lines(provider: &str, model: &Model, heard: &[Offer], date: Date) -> Vec<Line> {
    let starts: Vec<Option<Date>> = model.periods.iter().map(|(from, _)| *from).collect();
    let now = starts
        .iter()
        .rposition(|from| from.is_none_or(|from| from <= date));
    let mut lines = Vec::new();
    for (at, (from, schedule)) in model.periods.iter().enumerate() {
        let mut line = Line {
            provider: provider.to_owned(),
            models: model.exact.clone(),
            dated: model.dated.clone(),
            regional: model.regional.clone(),
            from: *from,
            until: starts.get(at + 1).copied().flatten(),
            rates: schedule.rates,
            above: schedule.above.clone(),
            tiers: Vec::new(),
            max_input_tokens: model.context_window,
            max_output_tokens: None,
            source: Source::GenaiPrices,
        };
        if Some(at) == now {
            line.tiers.clone_from(&model.tiers);
            for offer in heard {
                add(&mut line, offer);
            }
        }
        let long = heard.iter().find_map(|offer| offer.max_input_tokens);
        line.max_input_tokens = long.or(line.max_input_tokens);
        line.max_output_tokens = heard.iter().filter_map(|o| o.max_output_tokens).max();
        lines.push(line);
    }
    lines.retain(|line| !line.models.is_empty());
    lines
}

/// What an agreeing offer knows and the line does not.
fn add(line: &mut Line, offer: &Offer) {
    line.source = Source::Both;
    line.rates = line.rates.over(&offer.schedule.rates);
    for step in &mut line.above {
        if let Some(other) = offer.schedule.above.iter().find(|other| other.n == step.n) {
            step.rates = step.rates.over(&other.rates);
        }
    }
    for (tier, own) in &offer.tiers {
        if !line.tiers.iter().any(|(known, _)| known == tier) {
            line.tiers.push((*tier, own.clone()));
        }
    }
    line.tiers.sort_by_key(|(tier, _)| *tier);
}
