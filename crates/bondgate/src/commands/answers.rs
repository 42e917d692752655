//! What the admin API answers, for people, spreadsheets and programs.
//!
//! JSON goes through as it came, with the API's names and types. Tables are short and made
//! safe for terminals; CSV (RFC 4180) is made safe for spreadsheets, which take a text that
//! begins with `=` for a formula.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use policy::money::Nanos;
use serde_json::Value;

use super::rows::csv_cell;
use crate::cli::Format;
use crate::client::printable;

/// Characters of a cell of a table.
const CELL_MAX: usize = 60;

/// A column: its title in tables, and where its value stands in an item.
pub(super) struct Column {
    title: &'static str,
    /// Members from the outside in, with dots between; the column's name in CSV.
    at: &'static str,
    shown: Shown,
    /// Only in CSV, where there is room.
    more: bool,
}

/// How a value is shown in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is.
    Text,
    /// A number, at the right.
    Number,
    /// Milliseconds, at the right, as fine as they matter.
    Millis,
    /// US dollars, at the right, with six places.
    Usd,
    /// A moment, as short as it can be told.
    Time,
}

impl Column {
    /// A text.
    pub(super) const fn text(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Shown::Text)
    }

    /// A number.
    pub(super) const fn number(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Shown::Number)
    }

    /// Money.
    pub(super) const fn usd(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Shown::Usd)
    }

    /// Milliseconds.
    pub(super) const fn millis(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Shown::Millis)
    }

    /// A moment.
    pub(super) const fn time(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Shown::Time)
    }

    /// One that only CSV has.
    pub(super) const fn more(at: &'static str) -> Self {
        Self {
            more: true,
            ..Self::new("", at, Shown::Text)
        }
    }

    const fn new(title: &'static str, at: &'static str, shown: Shown) -> Self {
        Self {
            title,
            at,
            shown,
            more: false,
        }
    }

    fn value<'a>(&self, item: &'a Value) -> &'a Value {
        let mut value = item;
        for name in self.at.split('.') {
            value = value.get(name).unwrap_or(&Value::Null);
        }
        value
    }
}

/// Items under columns.
pub(super) fn render(items: &[Value], columns: &[Column], format: Format) -> String {
    match format {
        Format::Table => table(items, columns),
        Format::Csv => csv(items, columns),
        Format::Json => json(&Value::Array(items.to_vec())),
    }
}

/// JSON for people and programs.
pub(super) fn json(value: &Value) -> String {
    format!("{value:#}")
}

/// A table without lines; nothing for no items.
pub(super) fn table(items: &[Value], columns: &[Column]) -> String {
    let shown: Vec<&Column> = columns.iter().filter(|column| !column.more).collect();
    let heads = shown.iter().map(|column| (column.title, column.shown));
    let rows = items.iter().map(|item| {
        let cells = shown
            .iter()
            .map(|column| (column.value(item), column.shown));
        cells.map(|(value, shown)| cell(value, shown)).collect()
    });
    grid(heads, rows)
}

/// A table of cells that are ready, under these heads.
pub(super) fn grid<'a>(
    heads: impl Iterator<Item = (&'a str, Shown)>,
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let (titles, shown): (Vec<&str>, Vec<Shown>) = heads.unzip();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles);
    table.add_rows(rows);
    for (n, shown) in shown.into_iter().enumerate() {
        let right = match shown {
            Shown::Number | Shown::Millis | Shown::Usd => CellAlignment::Right,
            Shown::Text | Shown::Time => CellAlignment::Left,
        };
        if let Some(column) = table.column_mut(n) {
            column.set_cell_alignment(right);
        }
    }
    let text = table.to_string();
    let lines = text.lines().map(str::trim_end);
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Rows one after the other, each as soon as it is known: columns only ever grow.
pub(super) struct Running {
    columns: &'static [Column],
    widths: Vec<usize>,
}

impl Running {
    /// No rows yet; gives the head too.
    pub(super) fn new(columns: &'static [Column]) -> (Self, String) {
        let mut running = Self {
            columns,
            widths: Vec::new(),
        };
        let titles = running.shown().map(|column| column.title.to_owned());
        let head = running.line(&titles.collect::<Vec<_>>());
        (running, head)
    }

    /// A row as a line.
    pub(super) fn row(&mut self, item: &Value) -> String {
        let cells = self
            .shown()
            .map(|column| cell(column.value(item), column.shown));
        self.line(&cells.collect::<Vec<_>>())
    }

    fn shown(&self) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns.iter().filter(|column| !column.more)
    }

    fn line(&mut self, cells: &[String]) -> String {
        let mut line = String::new();
        for (n, (cell, column)) in cells.iter().zip(self.shown()).enumerate() {
            if n == self.widths.len() {
                self.widths.push(column.shown.usual_width());
            }
            let Some(width) = self.widths.get_mut(n) else {
                continue;
            };
            *width = (*width).max(cell.chars().count());
            let width = *width;
            line.push_str(&match column.shown {
                Shown::Number | Shown::Millis | Shown::Usd => format!(" {cell:>width$} "),
                Shown::Text | Shown::Time => format!(" {cell:<width$} "),
            });
        }
        line.trim_end().to_owned() + "\n"
    }
}

impl Shown {
    /// How wide a column of running rows begins.
    fn usual_width(self) -> usize {
        match self {
            Shown::Text => 10,
            Shown::Number | Shown::Millis => 6,
            Shown::Usd => 10,
            Shown::Time => 11,
        }
    }
}

/// One item, a line for each column that has a value.
pub(super) fn card(item: &Value, columns: &[Column]) -> String {
    let width = columns.iter().map(|column| column.at.len()).max();
    let mut text = String::new();
    for column in columns {
        let value = column.value(item);
        let shown = match column.shown {
            // There is room: in full.
            Shown::Time | Shown::Text | Shown::Number => long(value),
            shown @ (Shown::Millis | Shown::Usd) => cell(value, shown),
        };
        if !shown.is_empty() {
            let width = width.unwrap_or_default();
            text.push_str(&format!("{:<width$}  {shown}\n", column.at));
        }
    }
    text
}

/// CSV with every column.
pub(super) fn csv(items: &[Value], columns: &[Column]) -> String {
    let heads = columns.iter().map(|column| column.at.replace('.', "_"));
    let rows = items.iter().map(|item| {
        columns
            .iter()
            .map(|column| csv_value(column.value(item)))
            .collect()
    });
    csv_lines(heads.collect(), rows)
}

/// CSV of cells that are ready.
pub(super) fn csv_lines(heads: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    for row in std::iter::once(heads).chain(rows) {
        let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A value as CSV has it before quoting: numbers and money as they are, text defused.
pub(super) fn csv_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => defused(text),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula; amounts of money stay what they are.
fn defused(text: &str) -> String {
    let amount =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let negative = text.strip_prefix('-').is_some_and(amount);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !negative {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A value as a table has it.
pub(super) fn cell(value: &Value, shown: Shown) -> String {
    match (shown, value) {
        (Shown::Usd, Value::String(text)) => usd(text),
        (Shown::Time, Value::String(text)) => time(text, jiff::Timestamp::now()),
        (Shown::Millis, Value::Number(ms)) => millis(ms.as_f64().unwrap_or_default()),
        (Shown::Text | Shown::Number | Shown::Millis | Shown::Usd | Shown::Time, _) => {
            short(&long(value))
        }
    }
}

/// A value in full, safe for a terminal.
fn long(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => printable(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(long).collect();
            items.join(",")
        }
        Value::Object(members) => {
            let there = members.iter().filter(|(_, value)| !value.is_null());
            let members: Vec<String> = there
                .map(|(name, value)| format!("{}={}", printable(name), long(value)))
                .collect();
            members.join(",")
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= CELL_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CELL_MAX - 1).collect();
    kept + "…"
}

/// Dollars with six places, rounded half up; what is less but not nothing shows as such.
pub(super) fn usd(text: &str) -> String {
    let (sign, amount) = match text.strip_prefix('-') {
        Some(amount) => ("-", amount),
        None => ("", text),
    };
    let Ok(Nanos(nanos)) = amount.parse() else {
        return printable(text);
    };
    let micros = nanos.saturating_add(500) / 1_000;
    if micros == 0 && nanos > 0 {
        return format!("<{sign}0.000001");
    }
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn millis(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// A moment in UTC: of today the time, of this year day and time, else the day.
fn time(text: &str, now: jiff::Timestamp) -> String {
    let Ok(at) = text.parse::<jiff::Timestamp>() else {
        return printable(text);
    };
    let (at, now) = (
        at.to_zoned(jiff::tz::TimeZone::UTC),
        now.to_zoned(jiff::tz::TimeZone::UTC),
    );
    let form = if at.date() == now.date() {
        "%H:%M:%S"
    } else if at.year() == now.year() {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d"
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_aligned_and_never_shown_as_nothing_when_it_is_something() {
        assert_eq!(usd("12.345678900"), "12.345679");
        assert_eq!(usd("0.000000000"), "0.000000");
        assert_eq!(usd("0.000000400"), "<0.000001");
        assert_eq!(usd("-0.250000000"), "-0.250000");
        assert_eq!(usd("what"), "what");
        let items = [json!({ "a": "1.5" }), json!({ "a": "100.25" })];
        let text = table(&items, &[Column::usd("USD", "a")]);
        assert_eq!(text, "        USD\n   1.500000\n 100.250000\n");
    }

    #[test]
    fn times_are_short() {
        let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(time("2026-11-21T01:02:03.5Z", now), "01:02:03");
        assert_eq!(time("2026-03-01T01:02:03Z", now), "03-01 01:02");
        assert_eq!(time("2027-01-01T00:00:00Z", now), "2027-01-01");
        assert_eq!(time("soon", now), "soon");
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        let columns = [Column::text("A", "a.b"), Column::more("c")];
        let items = [
            json!({ "a": { "b": "=1+1" }, "c": -5 }),
            json!({ "a": { "b": "@x, \"y\"" }, "c": "-0.5" }),
            json!({ "a": { "b": "+1" }, "c": { "k": "-v" } }),
            json!({ "a": { "b": "-rm" } }),
        ];
        assert_eq!(
            csv(&items, &columns),
            "a_b,c\r\n'=1+1,-5\r\n\"'@x, \"\"y\"\"\",-0.5\r\n'+1,\"{\"\"k\"\":\"\"-v\"\"}\"\r\n'-rm,\r\n"
        );
    }

    #[test]
    fn nothing_commands_the_terminal() {
        let items = [json!({ "a": "x\u{1b}[2Jy\nz" })];
        let columns = [Column::text("A", "a")];
        assert_eq!(table(&items, &columns), " A\n x\u{fffd}[2Jy z\n");
        assert_eq!(
            card(items.first().unwrap(), &columns),
            "a  x\u{fffd}[2Jy z\n"
        );
    }

    #[test]
    fn json_keeps_names_and_types() {
        let items = [json!({ "n": 1, "money": "0.000000001", "none": null })];
        let text = render(&items, &[], Format::Json);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!(items));
    }
}
