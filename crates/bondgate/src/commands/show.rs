//! `bondgate show`: one exchange with its attempts and the decision behind it.

use serde_json::Value;

use super::answers::{self, Column};
use super::print;
use crate::cli::Format;
use crate::cli::operate::ShowOptions;
use crate::client::{Client, member, printable};

/// What an exchange is, without its attempts.
const EXCHANGE: [Column; 31] = [
    Column::text("", "id"),
    Column::text("", "at"),
    Column::text("", "state"),
    Column::number("", "status"),
    Column::text("", "failure"),
    Column::text("", "key"),
    Column::text("", "team"),
    Column::text("", "organisation"),
    Column::text("", "user"),
    Column::text("", "run"),
    Column::text("", "tags"),
    Column::text("", "dialect"),
    Column::text("", "operation"),
    Column::text("", "model"),
    Column::text("", "target"),
    Column::text("", "served_model"),
    Column::text("", "stream"),
    Column::text("", "usage"),
    Column::usd("", "cost_usd"),
    Column::text("", "price_id"),
    Column::text("", "losses"),
    Column::text("", "verdicts"),
    Column::text("", "config_revision"),
    Column::number("", "overhead_us"),
    Column::millis("", "first_token_ms"),
    Column::millis("", "total_ms"),
    Column::text("", "estimated"),
    Column::text("", "unpriced"),
    Column::text("", "overrun"),
    Column::text("", "would_refuse"),
    Column::text("", "shortened"),
];

const ATTEMPTS: [Column; 12] = [
    Column::number("N", "n"),
    Column::text("KIND", "kind"),
    Column::text("TARGET", "target"),
    Column::text("OUTCOME", "outcome"),
    Column::text("PHASE", "phase"),
    Column::number("STATUS", "status"),
    Column::millis("CONNECT MS", "connect_ms"),
    Column::millis("FIRST MS", "first_token_ms"),
    Column::millis("TOTAL MS", "total_ms"),
    Column::text("CUT BY US", "cut_by_us"),
    Column::usd("USD", "cost_usd"),
    Column::text("WHY", "why"),
];

/// Prints an exchange.
///
/// # Errors
/// Where the gateway cannot be asked, or knows no such exchange.
pub(super) fn run(options: &ShowOptions) -> anyhow::Result<()> {
    let exchange = Client::open(&options.admin)?.get_one("/exchanges", &options.exchange)?;
    print(&match options.format {
        Format::Table => page(&exchange),
        Format::Csv => answers::csv(&[exchange], &EXCHANGE),
        Format::Json => answers::json(&exchange),
    })
}

fn page(exchange: &Value) -> String {
    let mut text = answers::card(exchange, &EXCHANGE);
    match member(exchange, "attempts").as_array() {
        Some(attempts) if !attempts.is_empty() => {
            text.push('\n');
            text.push_str(&answers::table(attempts, &ATTEMPTS));
        }
        Some(_) | None => text.push_str("\nno attempt was made\n"),
    }
    let decision = match member(exchange, "decision") {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        decision @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            answers::json(decision)
        }
    };
    if !decision.is_empty() {
        text.push_str("\ndecision\n");
        for line in decision.lines() {
            text.push_str(&format!("  {}\n", printable(line)));
        }
    }
    text
}
