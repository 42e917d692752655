//! `bondgate logs`: exchanges, newest last; further ones as they end.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;
use store::objects::Moment;

use super::answers::{self, Column, Running};
use super::{now_ms, print, tell_empty};
use crate::cli::Format;
use crate::cli::operate::{LogsOptions, Pair};
use crate::client::{Client, member};

const COLUMNS: [Column; 35] = [
    Column::time("AT", "at"),
    Column::text("ID", "id"),
    Column::text("KEY", "key"),
    Column::text("MODEL", "model"),
    Column::text("TARGET", "target"),
    Column::text("STATE", "state"),
    Column::number("STATUS", "status"),
    Column::text("FAILURE", "failure"),
    Column::number("IN", "usage.input"),
    Column::number("CACHED", "usage.cache_read"),
    Column::number("OUT", "usage.output"),
    Column::millis("MS", "total_ms"),
    Column::usd("USD", "cost_usd"),
    Column::more("team"),
    Column::more("organisation"),
    Column::more("user"),
    Column::more("run"),
    Column::more("tags"),
    Column::more("dialect"),
    Column::more("operation"),
    Column::more("served_model"),
    Column::more("stream"),
    Column::more("usage.cache_write"),
    Column::more("usage.cache_write_1h"),
    Column::more("usage.audio_in"),
    Column::more("usage.reasoning"),
    Column::more("usage.audio_out"),
    Column::more("price_id"),
    Column::more("unpriced"),
    Column::more("estimated"),
    Column::more("first_token_ms"),
    Column::more("overhead_us"),
    Column::more("losses"),
    Column::more("verdicts"),
    Column::more("config_revision"),
];

/// How often further exchanges are asked for.
const EVERY: Duration = Duration::from_millis(500);

/// Exchanges of one look.
const LOOK: usize = 1000;

/// Prints exchanges.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses a filter.
pub(super) fn run(options: &LogsOptions) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    if options.follow && !client.runs() {
        bail!(
            "no gateway runs, so there is nothing to follow · start it with `bondgate serve`, or leave out `--follow`"
        );
    }
    let query = query(options);
    // Asked for first, so that nothing ends unseen between the two.
    let place = match options.follow {
        true => Some(look(&client, &query, None)?.1),
        false => None,
    };
    let most = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let mut rows = client.list("/exchanges", &query, Some(most))?.items;
    // The newest come first; a log is read downwards.
    rows.reverse();
    match place {
        Some(place) => follow(&client, (&query, place), &rows, options.format),
        None => {
            tell_empty(&rows, "there are no such exchanges");
            print(&answers::render(&rows, &COLUMNS, options.format))
        }
    }
}

fn query(options: &LogsOptions) -> Vec<(&str, String)> {
    let now_ms = now_ms();
    let mut query: Vec<(&str, String)> = options.filters.iter().map(filter).collect();
    let since = options.since.as_ref();
    query.extend(since.map(|when| ("since", Moment(when.ago(now_ms)).to_string())));
    let until = options.until.as_ref();
    query.extend(until.map(|when| ("until", Moment(when.ago(now_ms)).to_string())));
    query
}

/// A filter as the API has it: of tags, `tag:NAME=VALUE` is `tag=NAME=VALUE`.
fn filter(pair: &Pair) -> (&str, String) {
    match pair.name.strip_prefix("tag:") {
        Some(name) => ("tag", format!("{name}={}", pair.value)),
        None => (&pair.name, pair.value.clone()),
    }
}

/// What ended after a place, and the place of what comes next.
fn look(
    client: &Client,
    query: &[(&str, String)],
    after: Option<String>,
) -> anyhow::Result<(Vec<Value>, String)> {
    let mut pairs = query.to_vec();
    pairs.push(("limit", LOOK.to_string()));
    pairs.extend(after.map(|place| ("cursor", place)));
    let mut page = client.get("/exchanges/follow", &pairs)?;
    let next = member(&page, "next_cursor").as_str().map(str::to_owned);
    match (page.get_mut("items").map(Value::take), next) {
        (Some(Value::Array(items)), Some(next)) => Ok((items, next)),
        (_, _) => bail!(
            "{} tells no place to follow from: is it a gateway of this version?",
            client.whom()
        ),
    }
}

/// Prints these rows, then further ones until interrupted.
fn follow(
    client: &Client,
    (query, mut place): (&[(&str, String)], String),
    rows: &[Value],
    format: Format,
) -> anyhow::Result<()> {
    let (mut printer, head) = Printer::new(format);
    print_some(&head)?;
    print_some(&printer.lines(rows))?;
    // Those that ended between the first look and the list are in both.
    let id = |row: &Value| member(row, "id").as_str().unwrap_or_default().to_owned();
    let mut printed: HashSet<String> = rows.iter().map(id).collect();
    loop {
        let (mut came, next) = look(client, query, Some(place))?;
        place = next;
        let full = came.len() >= LOOK;
        came.retain(|row| !printed.contains(&id(row)));
        print_some(&printer.lines(&came))?;
        if !full {
            printed.clear();
            thread::sleep(EVERY);
        }
    }
}

fn print_some(text: &str) -> anyhow::Result<()> {
    if text.is_empty() { Ok(()) } else { print(text) }
}

/// Rows as they come.
enum Printer {
    Table(Running),
    Csv,
    Json,
}

impl Printer {
    fn new(format: Format) -> (Self, String) {
        match format {
            Format::Table => {
                let (running, head) = Running::new(&COLUMNS);
                (Printer::Table(running), head)
            }
            Format::Csv => (Printer::Csv, answers::csv(&[], &COLUMNS)),
            Format::Json => (Printer::Json, String::new()),
        }
    }

    fn lines(&mut self, rows: &[Value]) -> String {
        match self {
            Printer::Table(running) => rows.iter().map(|row| running.row(row)).collect(),
            Printer::Csv => {
                let with_head = answers::csv(rows, &COLUMNS);
                let rows = with_head
                    .split_once("\r\n")
                    .map(|(_, rows)| rows.to_owned());
                rows.unwrap_or_default()
            }
            Printer::Json => rows.iter().map(|row| format!("{row}\n")).collect(),
        }
    }
}
