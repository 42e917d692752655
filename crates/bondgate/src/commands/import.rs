//! `bondgate import`: another gateway's configuration as one of ours.
//!
//! What is written passes `bondgate check` once the variables that it names are set. No key
//! that stands in the file is copied. Nothing is connected to.

mod draft;
mod finding;
mod litellm;
mod value;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::print;
use super::rows::Rows;
use crate::cli::{ImportOptions, ImportSource, LitellmOptions};
use crate::config::yaml;
use finding::{Finding, Grade};

/// Imports a configuration.
///
/// # Errors
/// Where it cannot be read, is of somebody else, or the file to write is there already.
pub(super) fn run(options: &ImportOptions) -> anyhow::Result<()> {
    match &options.source {
        ImportSource::Litellm(options) => litellm(options),
    }
}

fn litellm(options: &LitellmOptions) -> anyhow::Result<()> {
    let shown = options.file.display();
    let text = std::fs::read_to_string(&options.file)
        .map(Zeroizing::new)
        .with_context(|| format!("{shown} cannot be read · name LiteLLM's config.yaml"))?;
    let root = yaml::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|p| p.line(Some(&options.file)))
            .collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    let Some(imported) = litellm::import(&root) else {
        bail!(
            "{shown} is no configuration of LiteLLM's proxy: it has no `model_list` · name its config.yaml"
        );
    };
    let name = options
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let written = imported.draft.yaml(&name);
    match &options.output {
        Some(path) => write(path, &written, options.force)?,
        None if !options.report => print(&written)?,
        None => {}
    }
    if options.report {
        print(&rows(&imported.findings).render(options.format))?;
    } else {
        for finding in &imported.findings {
            eprintln!("{}", finding.text());
        }
    }
    eprintln!("{}", summary(&imported.findings));
    Ok(())
}

fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.write(true).open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            anyhow::anyhow!(
                "{shown} is there already · name another file, or replace it with `--force`"
            )
        } else {
            anyhow::anyhow!("{shown} cannot be written: {error}")
        }
    })?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{shown} cannot be written"))
}

fn rows(findings: &[Finding]) -> Rows {
    let mut rows = Rows::new(&["grade", "line", "path", "what"]);
    for finding in findings {
        rows.push(vec![
            finding.grade.name().to_owned(),
            finding.line.to_string(),
            finding.path.clone(),
            finding.what.clone(),
        ]);
    }
    rows
}

fn summary(findings: &[Finding]) -> String {
    let counted = Grade::ALL.map(|grade| {
        let count = findings
            .iter()
            .filter(|finding| finding.grade == grade)
            .count();
        format!("{count} {}", grade.name())
    });
    format!(
        "{} · next: set the variables, then `bondgate check`",
        counted.join(", ")
    )
}
