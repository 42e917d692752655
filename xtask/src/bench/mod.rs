//! `cargo xtask bench`: what a request costs in Bondgate, beside a bare proxy
//! on the same stack, nginx, and no gateway at all.
//!
//! The command builds what it measures, then starts itself again in release
//! and pinned: gateways on one core, everything else on the other. CPU time
//! of the gateway's process is the figure that holds on a shared machine.
//! This is never a test: nothing here passes or fails by a clock.

pub mod client;
pub mod load;
pub mod machine;
mod measure;
pub mod report;
pub mod scrape;
pub mod setting;
pub mod subject;
pub mod switches;
pub mod upstream;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};

use machine::OTHER_CORE;
use measure::Bench;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// One short round, about a minute.
    #[arg(long)]
    quick: bool,
    /// Only settings and parts with this in their name (chat-1k, stream, latency, memory, gone …).
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Rounds to take medians of.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Also gateways that install from a package registry (LiteLLM, Portkey), kept in .parts.
    #[arg(long)]
    peers: bool,
    /// Also time a clean release build, in a target folder of its own.
    #[arg(long)]
    clean_build: bool,
    /// Instead: every pair of what client and upstream speak, whole and streamed, and conversations of
    /// a megabyte; CPU against the bare proxy's.
    #[arg(long)]
    pairs: bool,
    /// Instead: a minute at a steady rate with everything on; whether ledger and memory keep up.
    #[arg(long)]
    soak: bool,
    /// Instead: a data folder with a million exchanges; how it starts and is read.
    #[arg(long)]
    big: bool,
    /// Measure this program as Bondgate, instead of building it: to compare two.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Write everything as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Set by the command on its pinned self.
    #[arg(long, hide = true)]
    pinned: bool,
    /// Minutes of the clean build, handed over likewise.
    #[arg(long, hide = true)]
    build_minutes: Option<f64>,
}

/// Runs the benchmark; 1 where something could not be measured or erred.
///
/// # Errors
/// When nothing can be built or measured at all.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<ExitCode> {
    if !options.pinned {
        return again_pinned(options, root);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(Bench::new(options, root)?.run())?;
    println!("\n{}", report.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let errors = report.errors();
    if errors > 0 {
        eprintln!("bench: {errors} answers were not whole; see the remarks");
    }
    Ok(if errors > 0 || !report.skipped.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Builds everything, and hands over to the release build of this program on
/// the core that gateways do not use.
fn again_pinned(options: &Options, root: &Path) -> anyhow::Result<ExitCode> {
    // One after the other: together, one's features would leak into the other.
    if options.binary.is_none() {
        build(root, &["--package", "bondgate"], None)?;
    }
    build(root, &["--package", "xtask", "--bins"], None)?;
    let minutes = if options.clean_build {
        Some(clean_build(root)?)
    } else {
        None
    };
    // Ahead of other work on a shared machine, where allowed; else nice says so and goes on.
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(r#"ulimit -n "$(ulimit -Hn)"; exec nice -n -10 taskset -c "$0" "$@""#);
    command
        .arg(OTHER_CORE.to_string())
        .arg(root.join("target/release/xtask"));
    command.args(std::env::args_os().skip(1)).arg("--pinned");
    if let Some(minutes) = minutes {
        command.arg("--build-minutes").arg(minutes.to_string());
    }
    let status = command
        .status()
        .context("cannot start the pinned benchmark")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn build(root: &Path, what: &[&str], target: Option<&Path>) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release"])
        .args(what)
        .current_dir(root);
    if let Some(target) = target {
        command.arg("--target-dir").arg(target);
    }
    ensure!(
        command.status().context("cannot run cargo")?.success(),
        "cargo build --release {} failed",
        what.join(" ")
    );
    Ok(())
}

/// Minutes that a release build takes in an empty folder, which is removed.
fn clean_build(root: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::TempDir::with_prefix_in("bench-build-", root.join("target"))?;
    let start = Instant::now();
    build(root, &["--package", "bondgate"], Some(folder.path()))?;
    Ok(start.elapsed().as_secs_f64() / 60.0)
}
