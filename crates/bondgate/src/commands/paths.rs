//! `bondgate paths`: who reaches what.

use super::answers::{self, Column};
use super::{print, tell_empty};
use crate::cli::operate::PathsOptions;
use crate::client::Client;

const COLUMNS: [Column; 8] = [
    Column::text("KEY", "key"),
    Column::text("TEAM", "team"),
    Column::text("MODEL", "model"),
    Column::text("TARGET", "target"),
    Column::text("PROVIDER", "provider"),
    Column::text("RESIDENCY", "residency"),
    Column::text("AFTER", "fallback"),
    Column::more("organisation"),
];

/// Prints the paths.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses.
pub(super) fn run(options: &PathsOptions) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let most = options.limit.and_then(|most| usize::try_from(most).ok());
    let paths = client.list("/paths", &[], most)?;
    tell_empty(&paths.items, "no key reaches any target");
    print(&answers::render(&paths.items, &COLUMNS, options.format))
}
