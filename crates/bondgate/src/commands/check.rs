//! `bondgate check`: every problem at once, or the JSON Schema.
//!
//! Never connects, never writes, runs no command of the configuration.

use anyhow::{Context as _, bail};

use super::print;
use crate::cli::CheckOptions;
use crate::config::{Loaded, Mode, Overrides, Source, check, load, source};

/// Checks a configuration.
///
/// # Errors
/// All problems, one a line.
pub(super) fn run(options: &CheckOptions) -> anyhow::Result<()> {
    if options.schema {
        let schema = serde_json::to_string_pretty(&check::schema());
        return print(&schema.context("the schema cannot be printed")?);
    }
    let Source::File(path) = source(options.config.as_deref()) else {
        bail!(
            "there is no configuration file here · name one with `--config`; without one, \
             `bondgate serve` runs from the environment"
        );
    };
    let env = |name: &str| std::env::var(name).ok();
    let loaded = load(&path, &Overrides::default(), &env, Mode::Offline);
    let Loaded {
        config, warnings, ..
    } = loaded.map_err(|problems| {
        let count = problems.list.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        anyhow::anyhow!("{problems}\n{count} {noun}")
    })?;
    for warning in warnings {
        eprintln!("{} (warning)", warning.line(Some(&path)));
    }
    print(&format!(
        "{}: good: {}, {}, {}",
        path.display(),
        counted(config.providers.len(), "provider"),
        counted(config.models.len(), "model"),
        counted(config.keys.len(), "key"),
    ))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
