//! `cargo xtask ratchet`: how many instructions each stage of the road takes, held against the counts
//! that are kept in `xtask/ratchet.txt`.
//!
//! Instructions are the same on a busy machine and a quiet one, so this can fail a build where a
//! clock cannot. The stages are `crates/store/examples/stages.rs`; valgrind counts, and what a stage
//! takes once is the difference of two runs. Without valgrind nothing is counted, and that is said.
//! System calls cost no instructions here: the benchmark tells of those.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Where the counts are kept.
const KEPT: &str = "xtask/ratchet.txt";

/// How much more than what is kept, or less, is passed over: another processor takes other ways
/// through the libraries that ask which it is.
const TOLERANCE_PERCENT: u64 = 5;

/// How often a stage runs, the one time and the other.
const TIMES: [u64; 2] = [1_000, 3_000];

/// Options of `cargo xtask ratchet`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Keep what is counted now.
    #[arg(long)]
    update: bool,
}

/// Instructions of each stage.
type Counts = BTreeMap<String, u64>;

/// Counts, and compares; 1 where a stage takes more than is kept.
///
/// # Errors
/// Where the stages cannot be built or counted.
pub fn run(options: &Options, root: &Path) -> Result<ExitCode> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED: the ratchet counts instructions with valgrind, which is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let stages = build(root)?;
    let listed = Command::new(&stages).output()?;
    let mut counts = Counts::new();
    for name in String::from_utf8(listed.stdout)?.lines() {
        counts.insert(name.to_owned(), count(&stages, name)?);
    }
    ensure!(!counts.is_empty(), "there are no stages");
    let file = root.join(KEPT);
    if options.update {
        let lines: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} {count}\n"))
            .collect();
        fs::write(&file, lines.concat())?;
    }
    let kept = read(&file)?;
    let verdict = compare(&kept, &counts);
    print!("{}", verdict.table);
    if verdict.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &verdict.problems {
        eprintln!("ratchet: {problem}");
    }
    eprintln!(
        "ratchet: make it cheaper, or say in the commit why not and run `cargo xtask ratchet --update`"
    );
    Ok(ExitCode::FAILURE)
}

/// What a comparison comes to.
#[derive(Debug)]
pub struct Verdict {
    /// Every stage with its counts.
    pub table: String,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Holds counts against those that are kept.
#[must_use]
pub fn compare(kept: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> Verdict {
    let mut verdict = Verdict {
        table: format!("{:<10} {:>9} {:>9}\n", "stage", "kept", "now"),
        problems: Vec::new(),
    };
    for (name, now) in counts {
        let before = kept.get(name).copied();
        let shown = before.map_or("–".to_owned(), |before| before.to_string());
        let mut line = format!("{name:<10} {shown:>9} {now:>9}");
        let slack = |before: u64| before * TOLERANCE_PERCENT / 100;
        match before {
            None => verdict.problems.push(format!("{name} is not kept yet")),
            Some(before) if *now > before + slack(before) => {
                let more = (now - before) * 100 / before.max(1);
                let problem =
                    format!("{name} takes {now} instructions, {more} % more than {before}");
                verdict.problems.push(problem);
            }
            Some(before) if *now + slack(before) < before => {
                line.push_str("  less: keep it with --update");
            }
            Some(_) => {}
        }
        verdict.table.push_str(&line);
        verdict.table.push('\n');
    }
    for name in kept.keys().filter(|name| !counts.contains_key(*name)) {
        verdict
            .problems
            .push(format!("{name} is kept and is no stage any more"));
    }
    verdict
}

fn read(file: &Path) -> Result<Counts> {
    let text = fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read {}; run `cargo xtask ratchet --update`",
            file.display()
        )
    })?;
    let lines = text.lines().map(|line| {
        let (name, count) = line.split_once(' ').context("a line has no count")?;
        Ok((name.to_owned(), count.trim().parse()?))
    });
    lines
        .collect::<Result<Counts>>()
        .with_context(|| format!("{} is not as it was written", file.display()))
}

fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--package",
            "store",
            "--example",
            "stages",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(built.status.success(), "the stages do not build");
    let messages = String::from_utf8(built.stdout)?;
    let mut program = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_ours = message.pointer("/target/name")?.as_str()? == "stages";
        let program = message.get("executable")?.as_str()?;
        is_ours.then(|| PathBuf::from(program))
    });
    program.next_back().context("cargo names no program")
}

/// Instructions that a stage takes once.
fn count(stages: &Path, name: &str) -> Result<u64> {
    let [few, many] = TIMES;
    let difference = collected(stages, name, many)?.saturating_sub(collected(stages, name, few)?);
    Ok(difference / (many - few))
}

fn collected(stages: &Path, name: &str, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(stages)
        .args([name, &times.to_string()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the stage {name} failed: {said}");
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, number) = line.with_context(|| format!("valgrind gave no count: {said}"))?;
    Ok(number.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        let pairs = pairs.iter();
        pairs.map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn a_stage_may_take_a_little_more_and_no_more() {
        let kept = counts(&[("head", 1_000)]);
        let problems = |now| compare(&kept, &counts(&[("head", now)])).problems.len();
        assert_eq!((problems(1_050), problems(1_051), problems(500)), (0, 1, 0));
    }

    #[test]
    fn a_stage_that_is_new_or_gone_is_told() {
        let verdict = compare(&counts(&[("old", 1)]), &counts(&[("new", 1)]));
        assert_eq!(verdict.problems.len(), 2, "{verdict:?}");
    }
}
