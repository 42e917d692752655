//! `bondgate prune`: records of requests of months gone by are removed.

use serde_json::{Value, json};

use super::answers;
use super::print;
use crate::cli::Format;
use crate::cli::operate::PruneOptions;
use crate::client::{Client, member};
use crate::say::say;

/// Removes them and prints the months.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses.
pub(super) fn run(options: &PruneOptions) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let done = client.post("/exchanges/prune", &json!({ "before": options.before }))?;
    let removed = member(&done, "removed").as_array();
    let removed = removed.map(Vec::as_slice).unwrap_or_default();
    if options.format == Format::Json {
        return print(&answers::json(&done));
    }
    for month in removed.iter().filter_map(Value::as_str) {
        print(month)?;
    }
    say(&match removed.len() {
        0 => format!("there are no requests of months before {}", options.before),
        _ => "their requests are removed; the ledger keeps what they cost".to_owned(),
    });
    Ok(())
}
