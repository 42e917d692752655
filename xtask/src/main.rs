//! `cargo xtask`: the command line of the repository's tools.
//!
//! Parsing and exit codes only; the work is in the library beside it, where
//! the tests reach it too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use xtask::{bench, crash, prices, ratchet, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tools of the Bondgate repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the rules of the house: floors, sizes, folders, links, invariants, words.
    Tidy,
    /// Measure what a request costs, beside a bare proxy, nginx and no gateway.
    Bench(bench::Options),
    /// Count the instructions of each stage of the road, and compare with those that are kept.
    Ratchet(ratchet::Options),
    /// Kill the gateway under load many times and compare the provider's bill with the ledger.
    Crash(crash::Options),
    /// Write the price data anew from the published catalogues.
    Prices(prices::Options),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let root = repository()?;
    match &arguments.command {
        Command::Tidy => tidy_all(&root),
        Command::Bench(options) => bench::run(options, &root),
        Command::Ratchet(options) => ratchet::run(options, &root),
        Command::Crash(options) => crash::run(options, &root),
        Command::Prices(options) => prices::run(options, &root).map(|()| ExitCode::SUCCESS),
    }
}

fn tidy_all(root: &Path) -> anyhow::Result<ExitCode> {
    let problems = tidy::check(root)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("tidy: every rule holds");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} problem(s)", problems.len());
    Ok(ExitCode::FAILURE)
}

/// The root of the repository: the folder that holds this crate's.
fn repository() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("xtask stands in no workspace")
}
