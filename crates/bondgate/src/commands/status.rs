//! `bondgate status`: how the gateway fares; on a terminal drawn anew until interrupted.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::answers::{self, Column, Shown};
use super::print;
use crate::cli::Format;
use crate::cli::operate::StatusOptions;
use crate::client::{Client, member, printable};

/// How often it is drawn anew.
const EVERY: Duration = Duration::from_secs(2);

/// Exchanges that are shown: the newest.
const EXCHANGES: &str = "10";

const PARTS: [Column; 3] = [
    Column::text("PART", "name"),
    Column::text("WELL", "well"),
    Column::text("HOW IT IS", "state"),
];

const BALANCES: [Column; 13] = [
    Column::text("LIMIT", "name"),
    Column::text("OF", "account"),
    Column::text("BUCKET", "bucket"),
    Column::usd("SETTLED", "settled"),
    Column::usd("HELD", "held"),
    Column::usd("LEFT", "remaining"),
    Column::usd("ALLOWED", "amount"),
    Column::text("RESOURCE", "resource"),
    Column::text("PER", "per"),
    Column::time("RESETS", "resets_at"),
    Column::more("hard"),
    Column::more("mode"),
    Column::more("source"),
];

const NEWEST: [Column; 8] = [
    Column::time("AT", "at"),
    Column::text("ID", "id"),
    Column::text("KEY", "key"),
    Column::text("MODEL", "model"),
    Column::text("STATE", "state"),
    Column::text("FAILURE", "failure"),
    Column::millis("MS", "total_ms"),
    Column::usd("USD", "cost_usd"),
];

/// Prints how the gateway fares; 1 where a part of it is not well.
///
/// # Errors
/// Where the gateway cannot be asked.
pub(super) fn run(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let client = Client::open(&options.admin)?;
    let live = options.format == Format::Table
        && !options.once
        && client.runs()
        && std::io::stdout().is_terminal();
    if live {
        // The first one fails where nobody answers; later ones are tried again.
        let mut drawn = page(&client, &client.get("/status", &[])?)?;
        loop {
            draw(&drawn)?;
            thread::sleep(EVERY);
            let next = client.get("/status", &[]);
            drawn = next
                .and_then(|status| page(&client, &status))
                .unwrap_or_else(|error| format!("{error:#}\n"));
        }
    }
    let status = client.get("/status", &[])?;
    print(&match options.format {
        Format::Table => page(&client, &status)?,
        Format::Csv => answers::csv(members(&status, "parts"), &PARTS),
        Format::Json => answers::json(&status),
    })?;
    let well = member(&status, "well").as_bool() == Some(true);
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn page(client: &Client, status: &Value) -> anyhow::Result<String> {
    let hour = client.get("/spend", &[("since", "1h".to_owned())])?;
    let newest = client.get("/exchanges", &[("limit", EXCHANGES.to_owned())])?;
    let total = member(&hour, "total");
    let mut text = format!("bondgate {}", said(member(status, "version")));
    if let Some(commit) = member(status, "commit").as_str() {
        text.push_str(&format!(" ({})", printable(commit)));
    }
    text.push_str(&format!(" · {}", client.whom()));
    if client.runs() {
        let since = answers::cell(member(status, "started_at"), Shown::Time);
        text.push_str(&format!(" · since {since} UTC"));
    }
    text.push_str(&format!(
        " · configuration {}\n",
        said(member(status, "config_revision"))
    ));
    text.push_str(&format!(
        "{} requests under way · last hour: {} requests, {} failed, {} USD\n\n",
        said(member(status, "open_requests")),
        said(member(total, "requests")),
        said(member(total, "failures")),
        answers::cell(member(total, "cost_usd"), Shown::Usd),
    ));
    text.push_str(&answers::table(members(status, "parts"), &PARTS));
    for (rows, columns) in [
        (members(status, "balances"), &BALANCES[..]),
        (members(&newest, "items"), &NEWEST[..]),
    ] {
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&answers::table(rows, columns));
        }
    }
    Ok(text)
}

fn said(value: &Value) -> String {
    answers::cell(value, Shown::Text)
}

fn members<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Draws over what was drawn before, no more than the terminal holds.
fn draw(text: &str) -> anyhow::Result<()> {
    let out = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok();
    // Some terminals do not know how large they are.
    let size = size.filter(|size| size.ws_row > 1 && size.ws_col > 0);
    let (rows, columns) = size.map_or((24, 80), |size| {
        (usize::from(size.ws_row), usize::from(size.ws_col))
    });
    let mut screen = String::from("\x1b[H\x1b[2J");
    for line in text.lines().take(rows - 1) {
        screen.extend(line.chars().take(columns));
        screen.push_str("\r\n");
    }
    let mut out = out.lock();
    out.write_all(screen.as_bytes())?;
    out.flush()?;
    Ok(())
}
