//! The log: to stderr, as much as `BONDGATE_LOG` asks for.
//!
//! One line for each request is written by the road at `exchange=debug`. Libraries say no
//! more than what is worth a look, whatever is asked for: what they say in detail may hold
//! headers, and with them keys.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterFn, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that says how much: a level, or `target=level` with commas between.
pub const VARIABLE: &str = "BONDGATE_LOG";

const DEFAULT: &str = "warn";

/// What may be said in detail: our own.
const OURS: [&str; 7] = [
    "bondgate", "dialect", "exchange", "gateway", "policy", "sim", "store",
];

/// Writes the log from now on; once in a process.
///
/// # Errors
/// Where the variable holds no such list.
pub fn install() -> anyhow::Result<()> {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let asked = Some(asked.as_str()).filter(|asked| !asked.trim().is_empty());
    let targets: Targets = asked.unwrap_or(DEFAULT).parse().with_context(|| {
        format!("{VARIABLE} cannot be read · write a level, such as `info`, or `exchange=debug`")
    })?;
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        // It would tell of a stderr that is closed on stderr, and panic.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(targets)
        .with(FilterFn::new(may_be_said))
        .with(stderr)
        .try_init()
        .context("the log is written already")
}

fn may_be_said(about: &Metadata<'_>) -> bool {
    let root = about.target().split("::").next().unwrap_or_default();
    *about.level() <= Level::INFO || OURS.contains(&root)
}
