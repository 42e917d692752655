//! Prices: which one holds, what a usage costs, what it can cost at most.

mod bill;
mod book;
mod laws;
mod recorded;
mod recorded_tasks;

use dialect::chat::Usage;
use policy::money::Nanos;
use policy::price::{Given, PriceBook, PriceRow};

/// The last moment of the day on which the built-in prices were gathered.
fn today_ms() -> i64 {
    let date = PriceBook::built_in().unwrap().date();
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    start.timestamp().as_millisecond() + 86_399_999
}

/// Dollars with six places at most, as nano-dollars.
fn usd(text: &str) -> Nanos {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Nanos(format!("{whole}{fraction:0<9}").parse().unwrap())
}

/// A price of the configuration, by kind and dollars for a million.
fn given(rates: &[(&str, &str)]) -> PriceRow {
    PriceRow::from_per_million(&Given {
        provider: "p",
        model: "m",
        rates: rates
            .iter()
            .map(|(kind, text)| (*kind, usd(text)))
            .collect(),
        ..Given::default()
    })
    .unwrap()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        ..Usage::default()
    }
}
