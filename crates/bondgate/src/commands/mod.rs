//! What each command does, and how the program ends.
//!
//! Exit codes: 0 good, 1 the check or operation failed, 2 wrong usage. What was asked for
//! goes to stdout, everything else to stderr in a few lines.

mod answers;
mod check;
mod demo;
mod explain;
mod import;
mod keys;
mod logs;
mod paths;
mod prices;
mod prune;
mod query;
mod rows;
mod run;
mod scan;
mod show;
mod sim;
mod spend;
mod status;
mod version;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};
use crate::say::say;
use crate::wire;

/// Reads the command line and runs the command.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => wire::serve(&cli.serve),
        Some(Command::Serve(options)) => wire::serve(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Explain(options)) => explain::run(&options),
        Some(Command::Keys(options)) => keys::run(&options),
        Some(Command::Spend(options)) => spend::run(&options),
        Some(Command::Logs(options)) => logs::run(&options),
        Some(Command::Show(options)) => show::run(&options),
        Some(Command::Paths(options)) => paths::run(&options),
        Some(Command::Query(options)) => query::run(&options),
        Some(Command::Prices(options)) => prices::run(&options),
        Some(Command::Prune(options)) => prune::run(&options),
        Some(Command::Status(options)) => return ended(status::run(&options)),
        Some(Command::Demo) => return ended(demo::run()),
        Some(Command::Sim(options)) => sim::run(&options),
        Some(Command::Import(options)) => import::run(&options),
        Some(Command::Scan(options)) => return ended(scan::run(&options)),
        Some(Command::Run(options)) => return ended(run::run(&options)),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Version) => version::run(),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// How the program ends after a command.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        // Whoever reads has read enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(1)
        }
    }
}

/// Writes what was asked for.
///
/// # Errors
/// Where stdout is gone.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Says on stderr that there are no rows, so that an empty table is no riddle.
fn tell_empty(rows: &[serde_json::Value], what: &str) {
    if rows.is_empty() {
        say(what);
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bondgate", &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
