//! `bondgate prices`: what is known of prices, and rows of one's own.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use policy::price::{PriceBook, PriceRow};
use serde_json::{Map, Value, json};
use store::objects::{New, PriceSpec, Spec as _};

use super::answers::{self, Column};
use super::{now_ms, print, tell_empty};
use crate::cli::operate::{PricesAction, PricesImport, PricesList, PricesOptions};
use crate::client::{Client, member};
use crate::config::node::{Kind, Node};
use crate::config::{Problems, yaml};
use crate::say::say;

const COLUMNS: [Column; 25] = [
    Column::text("TARGET", "target"),
    Column::usd("IN", "input"),
    Column::usd("CACHE READ", "cache_read"),
    Column::usd("CACHE WRITE", "cache_write"),
    Column::usd("OUT", "output"),
    Column::usd("REASONING", "reasoning"),
    Column::time("FROM", "from"),
    Column::time("UNTIL", "until"),
    Column::text("BY", "source"),
    Column::text("NAME", "name"),
    Column::more("id"),
    Column::more("cache_write_1h"),
    Column::more("audio_in"),
    Column::more("audio_out"),
    Column::more("image_in"),
    Column::more("image_out"),
    Column::more("image"),
    Column::more("character"),
    Column::more("second"),
    Column::more("request"),
    Column::more("above_tokens"),
    Column::more("tier"),
    Column::more("discount"),
    Column::more("created_at"),
    Column::more("created_by"),
];

/// Does what is said with prices.
///
/// # Errors
/// Where the file is wrong, the gateway cannot be asked, or it refuses.
pub(super) fn run(options: &PricesOptions) -> anyhow::Result<()> {
    match &options.action {
        PricesAction::List(options) => list(options),
        PricesAction::Import(options) => import(options),
    }
}

fn list(options: &PricesList) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let most = options.limit.and_then(|most| usize::try_from(most).ok());
    let prices = client.list("/prices", &[], most)?;
    let mut items = prices.items;
    items.extend(built_in()?);
    if let Some(model) = &options.model {
        items.retain(|price| is_of(member(price, "target").as_str().unwrap_or_default(), model));
    }
    items.truncate(most.unwrap_or(usize::MAX));
    tell_empty(
        &items,
        "there is no such price · add prices with `bondgate prices import FILE`",
    );
    print(&answers::render(&items, &COLUMNS, options.format))
}

/// The prices that the program brings, as the API has rows.
fn built_in() -> anyhow::Result<Vec<Value>> {
    let book = PriceBook::built_in()?;
    Ok(book.rows().map(|row| as_item(row)).collect())
}

fn as_item(row: &PriceRow) -> Value {
    let mut item = Map::new();
    if let Value::Object(fields) = json!(PriceSpec::of(row)) {
        item.extend(fields);
    }
    item.insert("id".to_owned(), json!(&*row.id));
    item.insert("source".to_owned(), json!("built-in"));
    Value::Object(item)
}

/// Whether a target is meant: itself, or by its model alone.
fn is_of(target: &str, model: &str) -> bool {
    target == model
        || target
            .split_once('/')
            .is_some_and(|(_, name)| name == model)
}

fn import(options: &PricesImport) -> anyhow::Result<()> {
    let rows = rows(&options.file)?;
    if rows.is_empty() {
        bail!("{} has no prices", options.file.display());
    }
    check(&options.file, &rows)?;
    let client = Client::open(&options.admin)?;
    let added = client
        .post("/prices/import", &json!({ "prices": rows }))
        .with_context(|| format!("nothing of {} was added", options.file.display()))?;
    let added = member(&added, "items").as_array();
    let added = added.map(Vec::as_slice).unwrap_or_default();
    print(&answers::render(added, &COLUMNS, options.format))?;
    say(&format!("{} prices added", added.len()));
    Ok(())
}

/// Whether all rows can be meant, so that none is added where one cannot.
fn check(file: &Path, rows: &[Value]) -> anyhow::Result<()> {
    let now_ms = now_ms();
    let wrong = rows.iter().enumerate().filter_map(|(n, row)| {
        let read = New::<PriceSpec>::from_json(row.to_string().as_bytes(), now_ms);
        let checked = read.and_then(|new| new.spec.validate());
        let why = checked.err()?;
        Some(format!("{}: row {}: {why}", file.display(), n + 1))
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}\nnothing was added", wrong.join("\n"))
}

/// The rows of a file: a list, or the list under `prices`. JSON is YAML too.
fn rows(path: &Path) -> anyhow::Result<Vec<Value>> {
    let mut text = String::new();
    let most = yaml::MAX_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_string(&mut text))
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let root = yaml::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|list| Problems::new(Some(path.to_owned()), list))?;
    let list = match root.kind {
        Kind::Map(entries) => {
            let prices = entries.into_iter().find(|entry| entry.key == "prices");
            prices.map(|entry| entry.value.kind)
        }
        kind @ (Kind::List(_) | Kind::Scalar(_)) => Some(kind),
    };
    match list {
        Some(Kind::List(rows)) => Ok(rows.iter().map(value).collect()),
        Some(Kind::Map(_) | Kind::Scalar(_)) | None => bail!(
            "{} is no list of prices · write rows such as `- {{ target: local/llama-3, input: 0 USD, output: 0 USD }}`",
            path.display()
        ),
    }
}

/// A node as JSON: numbers are read where nothing was quoted, everything else is text.
fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Map(entries) => {
            let members = entries.iter();
            let members = members.map(|entry| (entry.key.clone(), value(&entry.value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Kind::List(items) => Value::Array(items.iter().map(value).collect()),
        Kind::Scalar(_) if node.is_null() => Value::Null,
        Kind::Scalar(scalar) => match scalar.text.parse::<u64>() {
            Ok(number) if scalar.plain => number.into(),
            Ok(_) | Err(_) => scalar.text.as_str().into(),
        },
    }
}
