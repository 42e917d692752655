//! `cargo xtask crash`: the gateway is killed under load again and again, and the simulated
//! provider's bill compared with the ledger.
//!
//! Only starts the test that does it, built for release; the proof itself is in
//! `crates/bondgate/tests/it/crash.rs`.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;

/// Flags of `cargo xtask crash`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How many times the gateway is killed
    #[arg(long, default_value_t = 1000)]
    pub rounds: u32,
}

const TEST: &str = "crash::every_call_on_the_bill_is_in_the_ledger_once_after_many_kills";

/// Runs it; what it finds goes to stderr.
///
/// # Errors
/// Where cargo cannot be started.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["test", "--release", "-p", "bondgate", "--test", "it", TEST])
        .args(["--", "--exact", "--nocapture"])
        .env("BONDGATE_CRASH_ROUNDS", options.rounds.to_string())
        .status()
        .context("cargo cannot be started")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
