//! `cargo xtask prices`: writes the price data that the gateway brings, from two published
//! catalogues, and what they say that models can do.
//!
//! The same catalogues give the same bytes. Where the catalogues differ nothing is averaged:
//! one is kept, and the difference is listed. What has no price for tokens is left out, and
//! so is what these rates would price too low.

mod amount;
mod genai;
mod litellm;
mod merge;
mod profiles;
mod providers;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use policy::price::{HEADER_FORMAT, Header, Notice, PriceBook};
use serde_json::Value;

/// Where the data stands in the repository.
pub const DATA: &str = "crates/policy/data";
const PRICES: &str = "prices.jsonl";
const PROFILES: &str = "profiles.jsonl";
const DIFFERENCES: &str = "disagreements.csv";
const GENAI: &str = "genai_prices.json";
const LITELLM: &str = "litellm_model_prices.json";
const NOTICES: [(&str, &str); 2] = [
    ("genai-prices", "LICENSE.genai-prices"),
    ("litellm", "LICENSE.litellm"),
];

/// What the command takes.
#[derive(Args)]
pub struct Options {
    /// The folder of the catalogues and their licences.
    #[arg(long, default_value = "../shared/prices", value_name = "DIR")]
    from: PathBuf,
    /// The day of the catalogues; that of the newest file when absent.
    #[arg(long)]
    date: Option<Date>,
}

/// The files that the command writes.
pub struct Written {
    /// The prices.
    pub prices: String,
    /// Where the catalogues differ.
    pub differences: String,
    /// What models can do.
    pub profiles: String,
}

/// Writes the data into the repository and says what is in it.
///
/// # Errors
/// Where a catalogue cannot be read or understood, or the data would not read back.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<()> {
    let from = root.join(&options.from);
    let date = match options.date {
        Some(date) => date,
        None => newest(&from)?,
    };
    let written = write(&from, date)?;
    let book = PriceBook::parse(&written.prices).context("the data does not read back")?;
    let data = root.join(DATA);
    fs::create_dir_all(&data)?;
    fs::write(data.join(PRICES), &written.prices)?;
    fs::write(data.join(DIFFERENCES), &written.differences)?;
    fs::write(data.join(PROFILES), &written.profiles)?;
    for (_, notice) in NOTICES {
        fs::write(data.join(notice), fs::read(from.join(notice))?)?;
    }
    println!(
        "prices: {} of {date}, {} KiB, {} differences between the catalogues; {} profiles",
        book.rows().count(),
        written.prices.len() / 1024,
        written.differences.lines().count().saturating_sub(1),
        written.profiles.lines().count(),
    );
    Ok(())
}

/// The data as the catalogues in that folder give it.
///
/// # Errors
/// Where a catalogue cannot be read or understood.
pub fn write(from: &Path, date: Date) -> anyhow::Result<Written> {
    let genai = read(&from.join(GENAI))?;
    let litellm = read(&from.join(LITELLM))?;
    let mut lines = Vec::new();
    let mut differences = Vec::new();
    let mut profiles = String::new();
    for provider in providers::ALL {
        let models = genai::models(&genai, provider)?;
        let offers = litellm::offers(&litellm, provider)?;
        let merged = merge::merge(provider.id, models, offers, date);
        lines.extend(merged.lines);
        differences.extend(merged.differences);
        for line in profiles::lines(&litellm, provider)? {
            profiles.push_str(&serde_json::to_string(&line)?);
            profiles.push('\n');
        }
    }
    ensure!(!lines.is_empty(), "the catalogues hold no price");
    let mut prices = serde_json::to_string(&header(date))?;
    prices.push('\n');
    for line in &lines {
        prices.push_str(&serde_json::to_string(line)?);
        prices.push('\n');
    }
    let mut listed = String::from("provider,model,what,genai_prices,litellm,kept\n");
    for difference in &differences {
        listed.push_str(&difference.row());
        listed.push('\n');
    }
    Ok(Written {
        prices,
        differences: listed,
        profiles,
    })
}

fn header(date: Date) -> Header {
    let notice = |(name, notice): (&str, &str)| Notice {
        name: name.to_owned(),
        license: "MIT".to_owned(),
        notice: notice.to_owned(),
    };
    Header {
        format: HEADER_FORMAT,
        date,
        unit: "pico-dollars a token; of request, one".to_owned(),
        sources: NOTICES.map(notice).into(),
    }
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

/// The day of the newer of the catalogues.
fn newest(from: &Path) -> anyhow::Result<Date> {
    let mut newest = Timestamp::MIN;
    for file in [GENAI, LITELLM] {
        let path = from.join(file);
        let about = fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?;
        newest = newest.max(Timestamp::try_from(about.modified()?)?);
    }
    Ok(newest.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use policy::price::{Header, PriceBook};

    use super::{DATA, DIFFERENCES, PRICES, PROFILES, write};

    #[test]
    fn the_data_is_what_the_catalogues_give() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let data = root.join(DATA);
        let prices = fs::read_to_string(data.join(PRICES)).unwrap();
        let header: Header = serde_json::from_str(prices.lines().next().unwrap()).unwrap();
        assert!(PriceBook::parse(&prices).unwrap().rows().count() > 1_000);
        for source in &header.sources {
            assert!(data.join(&source.notice).is_file(), "{}", source.notice);
        }
        let from = root.join("../shared/prices");
        if !from.is_dir() {
            eprintln!("SKIPPED: no catalogues at ../shared/prices to compare the data with");
            return;
        }
        let written = write(&from, header.date).unwrap();
        assert!(written.prices == prices, "run `cargo xtask prices`");
        let profiles = fs::read_to_string(data.join(PROFILES)).unwrap();
        assert!(written.profiles == profiles, "run `cargo xtask prices`");
        let differences = fs::read_to_string(data.join(DIFFERENCES)).unwrap();
        assert!(
            written.differences == differences,
            "run `cargo xtask prices`"
        );
    }
}
