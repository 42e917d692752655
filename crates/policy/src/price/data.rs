//! The price data: lines of JSON, the first of which says what the others are.
//!
//! One line is one price of one model under all its names. `cargo xtask prices` writes
//! them; this reads them, and refuses what it does not understand with the line it is on.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{PriceRow, Rates, Schedule, Step, Tier};
use crate::money::Nanos;

/// The form of the data that this program reads.
pub const HEADER_FORMAT: u32 = 1;

/// Who says what something costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// The catalogue genai-prices, under the MIT licence.
    #[serde(rename = "genai-prices")]
    GenaiPrices,
    /// The catalogue of LiteLLM, under the MIT licence.
    #[serde(rename = "litellm")]
    Litellm,
    /// Both catalogues, agreeing; each may add kinds and tiers that the other lacks.
    #[serde(rename = "both")]
    Both,
    /// The configuration.
    #[serde(rename = "configuration")]
    Configuration,
}

impl Source {
    /// Its name in ids and listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::GenaiPrices => "genai-prices",
            Source::Litellm => "litellm",
            Source::Both => "both",
            Source::Configuration => "configuration",
        }
    }
}

/// The first line of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`HEADER_FORMAT`].
    pub format: u32,
    /// The day of the catalogues.
    pub date: Date,
    /// The unit of the rates, in words.
    pub unit: String,
    /// The catalogues.
    pub sources: Vec<Notice>,
}

/// Where data is from, and under which licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// As the lines name it.
    pub name: String,
    /// SPDX identifier.
    pub license: String,
    /// The file beside the data with the licence's text.
    pub notice: String,
}

/// A line of the data: a price under all the names it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The catalogue's provider.
    pub provider: String,
    /// Names of the model, its own first.
    pub models: Vec<String>,
    /// Names behind which a version may stand, such as a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dated: Vec<String>,
    /// Names before which a region may stand, and behind which a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regional: Vec<String>,
    /// The first day it holds, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// The first day it no longer holds, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Rates of short inputs, standard tier.
    pub rates: Rates,
    /// Rates of longer inputs, as far as they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Step>,
    /// Rates of other tiers, as far as they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<(Tier, Schedule)>,
    /// The longest input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// The longest output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Who says so.
    pub source: Source,
}

/// Price data that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("price data, line {line}: {what}; write the data anew with `cargo xtask prices`")]
pub struct DataError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl DataError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { line, what }
    }
}

/// Reads the first line of the data; answers it with the others, each with its number.
pub(super) fn read_header(
    text: &str,
) -> Result<(Header, impl Iterator<Item = (usize, &str)>), DataError> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let (_, first) = lines.next().ok_or_else(|| DataError::new(1, "no data"))?;
    let header: Header = serde_json::from_str(first)
        .map_err(|error| DataError::new(1, format!("no header: {error}")))?;
    if header.format != HEADER_FORMAT {
        let what = format!("format {}, but {HEADER_FORMAT} is known", header.format);
        return Err(DataError::new(1, what));
    }
    Ok((header, lines))
}

/// Reads a line and the row that it gives.
pub(super) fn read_line(number: usize, text: &str) -> Result<(Line, PriceRow), DataError> {
    let line: Line =
        serde_json::from_str(text).map_err(|error| DataError::new(number, error.to_string()))?;
    let row = row(&line, text).map_err(|what| DataError::new(number, what))?;
    Ok((line, row))
}

/// The provider of a line as `cargo xtask prices` writes it, without reading the rest.
pub(super) fn provider_of(text: &str) -> Option<&str> {
    let (provider, _) = text.strip_prefix(r#"{"provider":""#)?.split_once('"')?;
    Some(provider)
}

/// The row of a line, whose text gives its id.
fn row(line: &Line, text: &str) -> Result<PriceRow, String> {
    let model = line.models.first().ok_or("no name of a model")?;
    if line.provider.is_empty() {
        return Err("no provider".to_owned());
    }
    if line.rates.is_empty() {
        return Err("no rate".to_owned());
    }
    ascending(&line.above)?;
    for (_, schedule) in &line.tiers {
        ascending(&schedule.above)?;
    }
    if let (Some(from), Some(until)) = (line.from, line.until)
        && from >= until
    {
        return Err(format!("it holds from {from} until {until}, so never"));
    }
    let standard = Schedule {
        rates: line.rates,
        above: line.above.clone(),
    }
    .complete();
    let tiers = line.tiers.iter();
    Ok(PriceRow {
        id: id(line.source, text),
        provider: Arc::from(line.provider.as_str()),
        model: Arc::from(model.as_str()),
        from_ms: line.from.map(start_ms).transpose()?,
        until_ms: line.until.map(start_ms).transpose()?,
        tiers: tiers
            .map(|(tier, own)| (*tier, own.over(&standard)))
            .collect(),
        rates: standard.rates,
        above: standard.above,
        discount_basis_points: 0,
        minimum: Nanos::ZERO,
        source: line.source,
        max_input_tokens: line.max_input_tokens,
        max_output_tokens: line.max_output_tokens,
    })
}

pub(super) fn ascending(steps: &[Step]) -> Result<(), String> {
    let mut before = None;
    for step in steps {
        if before.is_some_and(|before| before >= step.n) {
            return Err(format!("the step above {} comes too late", step.n));
        }
        before = Some(step.n);
    }
    Ok(())
}

fn start_ms(day: Date) -> Result<i64, String> {
    let start = day.to_zoned(TimeZone::UTC).map_err(|e| e.to_string())?;
    Ok(start.timestamp().as_millisecond())
}

/// A version: the source, and FNV-1a of the text, 64 bits.
pub(super) fn id(source: Source, text: &str) -> Arc<str> {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Arc::from(format!("{}-{hash:016x}", source.name()))
}
