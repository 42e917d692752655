//! Rows for people, spreadsheets and programs.
//!
//! Tables may change with taste; CSV keeps its columns, JSON its names.

use comfy_table::{ContentArrangement, Table, presets};

use crate::cli::Format;

/// Rows under named columns.
pub(super) struct Rows {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds one, with a cell for each column.
    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// The rows as text; as JSON, a list of objects of strings.
    pub(super) fn render(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Csv => self.csv(),
            Format::Json => self.json(),
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.columns.to_vec());
        for row in &self.rows {
            table.add_row(row.clone());
        }
        let text = table.to_string();
        let lines = text.lines().map(str::trim_end);
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    fn csv(&self) -> String {
        let header = self
            .columns
            .iter()
            .map(|column| (*column).to_owned())
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }

    fn json(&self) -> String {
        let objects = self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(row);
            cells
                .map(|(name, cell)| ((*name).to_owned(), cell.clone().into()))
                .collect()
        });
        let list = objects.map(serde_json::Value::Object).collect();
        format!("{:#}", serde_json::Value::Array(list))
    }
}

/// As RFC 4180 has it.
pub(super) fn csv_cell(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
