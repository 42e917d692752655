//! `bondgate run`: a program with base URL and key set for the gateway.
//!
//! The program has our terminal, our pipes and our signals; its exit code is ours. The key
//! goes into its environment and nowhere else. Nothing is started where the gateway does not
//! answer: a program without its gateway would fail in words of its own, or ask a provider.

mod child;
mod reach;
mod variables;

use std::process::ExitCode;
use std::sync::Arc;

use policy::secret::Secret;

use crate::cli::{KeyText, RunOptions};
use crate::say::say;

/// Runs the program; gives its exit code.
///
/// # Errors
/// Where there is no key, or the gateway does not answer.
pub(super) fn run(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let key = key(options.key.as_ref())?;
    reach::gateway(&options.gateway)?;
    let run = options.run.clone();
    let run = run.unwrap_or_else(new_name);
    let variables = variables::of(&options.gateway, key.reveal(), &run, &options.command);
    let code = child::run(&options.command, &variables)?;
    if let Some(line) = spent(&run) {
        say(&line);
    }
    Ok(ExitCode::from(code))
}

/// A ULID of now.
fn new_name() -> String {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let ulid = ulid::Ulid::from_parts(
        u64::try_from(now_ms).unwrap_or_default(),
        fastrand::u128(..),
    );
    ulid.to_string()
}

fn key(given: Option<&KeyText>) -> anyhow::Result<Arc<Secret>> {
    match given {
        Some(KeyText(key)) => Ok(Arc::clone(key)),
        None => key_from_admin(),
    }
}

/// A key for this run from the admin API: none is asked for yet.
fn key_from_admin() -> anyhow::Result<Arc<Secret>> {
    anyhow::bail!("there is no key for the gateway · give a virtual key: BONDGATE_KEY=… or `--key`")
}

/// What was spent by a run, as a line; `None` where it is not known. Nobody is asked yet.
fn spent(_run: &str) -> Option<String> {
    None
}
