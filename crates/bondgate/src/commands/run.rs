//! `bondgate run`: a program with base URL and key set for the gateway.
//!
//! The program has our terminal, our pipes and our signals; its exit code is ours. The key
//! goes into its environment and nowhere else. Nothing is started where the gateway does not
//! answer: a program without its gateway would fail in words of its own, or ask a provider.

mod agents;
mod child;
mod operator;
mod reach;
mod variables;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use policy::secret::Secret;

use crate::cli::{KeyText, RunOptions};
use crate::say::say;
use agents::Told;
use operator::Operator;

/// Runs the program; gives its exit code.
///
/// # Errors
/// Where there is no key, or the gateway does not answer.
pub(super) fn run(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let run = options.run.clone();
    let run = run.unwrap_or_else(new_name);
    let (key, operator) = match &options.key {
        Some(KeyText(key)) => {
            check(key)?;
            reach::gateway(&options.gateway)?;
            (Arc::clone(key), Operator::with_key(options, &run))
        }
        None => {
            let (operator, key) = Operator::make_key(options)?;
            (Arc::new(key), Some(operator))
        }
    };
    let told = Told {
        root: &options.gateway,
        key: key.reveal(),
        run: &run,
        model: options.model.as_deref(),
    };
    let ended = started(&options.command, &told);
    if let Some(line) = operator.and_then(Operator::end) {
        say(&line);
    }
    Ok(ExitCode::from(ended?))
}

/// Runs the program to its end, with all that it is given.
fn started(command: &[OsString], told: &Told<'_>) -> anyhow::Result<u8> {
    let given = agents::given(command, told)?;
    let mut variables = variables::of(told);
    variables.extend(given.variables);
    // The operator's: whoever has it may do everything.
    variables.push(("BONDGATE_ADMIN_TOKEN", None));
    let (program, own) = command.split_at(command.len().min(1));
    child::run(&[program, &given.flags, own].concat(), &variables)
}

/// Whether a header can carry it; what is refused is not shown.
fn check(key: &Secret) -> anyhow::Result<()> {
    let key = key.reveal();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        bail!(
            "the key is no virtual key: one is visible ASCII characters, without spaces · look at \
             BONDGATE_KEY or `--key`"
        );
    }
    Ok(())
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
