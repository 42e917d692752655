//! The catalogue of LiteLLM: dollars a token, one field for each kind, length and tier.
//!
//! Its names are exact. A zero in it is as often a gap as a gift, so a zero is no rate.

use std::collections::BTreeMap;

use anyhow::Context;
use policy::price::{Kind, Rates, Schedule, Step, Tier};
use serde_json::{Map, Value};

use super::amount::scaled;
use super::merge::text_model;
use super::providers::Provider;

/// A price under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The model in the provider's words.
    pub(super) name: String,
    /// Rates of the standard tier.
    pub(super) schedule: Schedule,
    /// Rates of the others.
    pub(super) tiers: Vec<(Tier, Schedule)>,
    /// The longest input.
    pub(super) max_input_tokens: Option<u64>,
    /// The longest output.
    pub(super) max_output_tokens: Option<u64>,
}

const MODES: [&str; 6] = [
    "chat",
    "responses",
    "completion",
    "embedding",
    "rerank",
    "moderation",
];

const FIELDS: [(&str, Kind); 10] = [
    ("input_cost_per_token", Kind::Input),
    ("cache_read_input_token_cost", Kind::CacheRead),
    ("cache_creation_input_token_cost", Kind::CacheWrite),
    (
        "cache_creation_input_token_cost_above_1hr",
        Kind::CacheWrite1h,
    ),
    ("output_cost_per_token", Kind::Output),
    ("output_cost_per_reasoning_token", Kind::Reasoning),
    ("input_cost_per_audio_token", Kind::AudioIn),
    ("output_cost_per_audio_token", Kind::AudioOut),
    ("input_cost_per_request", Kind::Request),
    ("input_cost_per_query", Kind::Request),
];

/// Modes of models that make images, speak or hear; only one that is priced for that is taken.
const MEDIA_MODES: [&str; 4] = [
    "image_generation",
    "image_edit",
    "audio_speech",
    "audio_transcription",
];

/// Fields that price what is counted beside tokens of text, of media alone.
const MEDIA_FIELDS: [(&str, Kind); 5] = [
    ("input_cost_per_image_token", Kind::ImageIn),
    ("output_cost_per_image_token", Kind::ImageOut),
    ("output_cost_per_image", Kind::Image),
    ("input_cost_per_character", Kind::Character),
    ("input_cost_per_second", Kind::Second),
];

const TIERS: [(&str, Tier); 3] = [
    ("_batches", Tier::Batch),
    ("_flex", Tier::Flex),
    ("_priority", Tier::Priority),
];

/// The offers of a provider that have a price for tokens or for requests, by name; of two of
/// one name the one written with the provider before it.
pub(super) fn offers(catalogue: &Value, provider: &Provider) -> anyhow::Result<Vec<Offer>> {
    let all = catalogue.as_object().context("LiteLLM's is no map")?;
    let mut offers: BTreeMap<String, (bool, Offer)> = BTreeMap::new();
    for (key, value) in all {
        let fields = value.as_object().context("an offer is no map")?;
        let said = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let mode = said("mode");
        let is_media = MEDIA_MODES.contains(&mode);
        if !provider.litellm.contains(&said("litellm_provider"))
            || !(is_media || MODES.contains(&mode))
        {
            continue;
        }
        let Some((name, prefixed)) = name(key, provider) else {
            continue;
        };
        let offer = if is_media {
            media_offer(name, fields)
        } else {
            offer(name, fields)
        };
        let offer = offer.with_context(|| format!("LiteLLM's {key}"))?;
        if let Some(offer) = offer
            && offers.get(name).is_none_or(|(known, _)| prefixed && !known)
        {
            offers.insert(name.to_owned(), (prefixed, offer));
        }
    }
    Ok(offers.into_values().map(|(_, offer)| offer).collect())
}

/// The name without the provider; none for what is no model but a size class or a region.
pub(super) fn name<'a>(key: &'a str, provider: &Provider) -> Option<(&'a str, bool)> {
    if key.starts_with("together-ai-") || key.starts_with("fireworks-ai-") {
        return None;
    }
    for own in provider.litellm {
        let own = own.split_once('-').map_or(*own, |(own, _)| own);
        if let Some(name) = key
            .strip_prefix(own)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            let cloud = matches!(provider.id, "bedrock" | "azure");
            return (!cloud || !name.contains('/')).then_some((name, true));
        }
    }
    Some((key, false))
}

fn offer(name: &str, fields: &Map<String, Value>) -> anyhow::Result<Option<Offer>> {
    let mut plain = Rows::default();
    let mut tiers: BTreeMap<Tier, Rows> = BTreeMap::new();
    for (field, value) in fields {
        let Some((kind, above, tier)) = meaning(field) else {
            continue;
        };
        let rate = rate(value, kind)?;
        let rows = match tier {
            Some(tier) => tiers.entry(tier).or_default(),
            None => &mut plain,
        };
        rows.entry(above).or_default().set(kind, rate);
    }
    for range in fields
        .get("tiered_pricing")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(start) = range.get("range").and_then(|range| range.get(0)) else {
            continue;
        };
        let rates = plain.entry(scaled(start, 0)?).or_default();
        for (field, kind) in FIELDS {
            if let Some(value) = range.get(field) {
                rates.set(kind, rate(value, kind)?);
            }
        }
    }
    let schedule = schedule(plain);
    let priced = schedule.rates.input.is_some() || schedule.rates.request.is_some();
    if !priced || !text_model(name, Some(&schedule.rates)) {
        return Ok(None);
    }
    let tiers = tiers
        .into_iter()
        .map(|(tier, rows)| (tier, self::schedule(rows)));
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    Ok(Some(Offer {
        name: name.to_owned(),
        schedule,
        tiers: tiers.filter(|(_, own)| !own.rates.is_empty()).collect(),
        max_input_tokens: number("max_input_tokens"),
        max_output_tokens: number("max_output_tokens"),
    }))
}

/// The offer of a model that makes images, speaks or hears, in its standard tier. Of two measures of the
/// same work tokens are kept, which answers tell.
fn media_offer(name: &str, fields: &Map<String, Value>) -> anyhow::Result<Option<Offer>> {
    // Sizes of images, not models; models that make images in a chat, where their tokens are not told
    // apart; and those of another API.
    const NOT: [&str; 4] = ["-x-", "gemini", "nano-banana", "realtime"];
    if NOT.iter().any(|part| name.contains(part)) {
        return Ok(None);
    }
    let mut rates = Rates::default();
    for (field, kind) in FIELDS.iter().chain(&MEDIA_FIELDS) {
        if let Some(value) = fields.get(*field) {
            rates.set(*kind, rate(value, *kind)?);
        }
    }
    let by_tokens = rates.input.is_some();
    let made = rates.image_out.or(rates.audio_out).or(rates.output);
    for (kind, counted) in [
        (Kind::Image, made.is_some()),
        (Kind::Character, by_tokens && made.is_some()),
        (Kind::Second, by_tokens && made.is_some()),
    ] {
        if counted {
            rates.set(kind, None);
        }
    }
    let beside = rates.image.or(rates.character).or(rates.second);
    // Rates of text alone are as often those of steps or seconds.
    let media = rates.image_out.or(rates.audio_out).or(rates.audio_in);
    if beside.is_none() && !(by_tokens && media.is_some()) {
        return Ok(None);
    }
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    Ok(Some(Offer {
        name: name.to_owned(),
        schedule: Schedule {
            rates,
            above: Vec::new(),
        },
        tiers: Vec::new(),
        max_input_tokens: number("max_input_tokens"),
        max_output_tokens: number("max_output_tokens"),
    }))
}

/// Rates by the length of input above which they hold.
type Rows = BTreeMap<u64, Rates>;

/// Writing to a cache for less than reading without one is a gap too: what it is added to is
/// not said.
fn schedule(mut rows: Rows) -> Schedule {
    for rates in rows.values_mut() {
        for kind in [Kind::CacheWrite, Kind::CacheWrite1h] {
            if rates.get(kind) < rates.input {
                rates.set(kind, None);
            }
        }
    }
    let rates = rows.remove(&0).unwrap_or_default();
    let above = rows.into_iter().filter(|(_, rates)| !rates.is_empty());
    Schedule {
        rates,
        above: above.map(|(n, rates)| Step { n, rates }).collect(),
    }
}

fn rate(value: &Value, kind: Kind) -> anyhow::Result<Option<u64>> {
    if value.is_null() {
        return Ok(None);
    }
    let rate = scaled(value, 12).with_context(|| kind.name())?;
    Ok((rate > 0).then_some(rate))
}

/// What a field prices: a kind, above so many tokens, in a tier.
fn meaning(field: &str) -> Option<(Kind, u64, Option<Tier>)> {
    let tier = TIERS.iter().find(|(end, _)| field.ends_with(end));
    let field = tier.map_or(field, |(end, _)| field.trim_end_matches(end));
    let (field, above) = match field.strip_suffix("k_tokens") {
        Some(long) => {
            let (field, thousands) = long.rsplit_once("_above_")?;
            (field, thousands.parse::<u64>().ok()? * 1_000)
        }
        None => (field, 0),
    };
    let (_, kind) = FIELDS.iter().find(|(name, _)| *name == field)?;
    Some((*kind, above, tier.map(|(_, tier)| *tier)))
}
