//! What only shows in the long run, with everything on: whether the ledger keeps up and memory stays
//! (`--soak`), and how a data folder with many exchanges starts and is read (`--big`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::super::load::{Closed, steady};
use super::super::machine::resident_kib;
use super::super::report::{Figure, On};
use super::super::scrape::Scraper;
use super::super::setting;
use super::super::subject::{Kind, Subject};
use super::super::switches::Switches;
use super::super::wire::Shape;
use super::turn::at_rest;
use super::{Bench, ask, job};

/// Connections, each with one request at a time.
const FILLERS: u32 = 64;

impl Bench {
    /// A minute at a steady rate.
    pub(super) async fn soak(&mut self) -> anyhow::Result<()> {
        let length = Duration::from_secs(if self.quick { 10 } else { 60 });
        let subject = self.everything_on().await?;
        let process = subject.process().context("it has no process")?;
        let scraper = subject.scraped().map(Scraper::start);
        let job = job(&subject, &ask(Shape::Whole));
        let load = tokio::spawn(steady(job, setting::SOAK_RATE, length, FILLERS));
        let (began, mut resident, mut journal) = (Instant::now(), Vec::new(), 0);
        while !load.is_finished() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            resident.push(resident_kib(process));
            journal = journal.max(folder_bytes(&subject.folder().join("data/journal")));
        }
        let seen = load.await?;
        let took = began.elapsed();
        let answers = seen.answers.load(Ordering::Relaxed);
        let errors = seen.errors.load(Ordering::Relaxed);
        drop(scraper);
        let ended = Instant::now();
        at_rest(&subject).await;
        let behind = ended.elapsed();
        // What a quarter of the time has warmed up is what it should go on with.
        let warm = resident.get(resident.len() / 4).copied().unwrap_or(0);
        let last = resident.last().copied().unwrap_or(0);
        let growth = last.saturating_sub(warm) as f64 / 1024.0;
        eprintln!(
            "soak: {} answers in {:.0} s, {} errors; {:.1} MiB resident after a quarter, {:.1} at the end; journal at most {:.0} MiB; at rest {:.1} s after",
            answers,
            took.as_secs_f64(),
            errors,
            warm as f64 / 1024.0,
            last as f64 / 1024.0,
            journal as f64 / 1024.0 / 1024.0,
            behind.as_secs_f64()
        );
        ensure!(
            errors == 0,
            "{errors} requests failed, the first: {}",
            seen.first_error().unwrap_or_default()
        );
        let wanted = f64::from(setting::SOAK_RATE) * length.as_secs_f64();
        let what = format!(
            "{} requests a second for {} s",
            setting::SOAK_RATE,
            length.as_secs()
        );
        self.report.figures.extend([
            Figure::of(
                format!("{what}: not sent, since answers were too slow"),
                100.0 * (1.0 - answers as f64 / wanted),
                1.0,
                "%",
            ),
            Figure::of(
                format!("{what}: memory grows after the first quarter by"),
                growth,
                setting::SOAK_GROWTH_MIB,
                "MiB",
            ),
            Figure::of(
                format!("{what}: the ledger has all after"),
                behind.as_secs_f64(),
                setting::SOAK_BEHIND_SECONDS,
                "s",
            ),
        ]);
        Ok(())
    }

    /// A data folder with many exchanges: killed, started again, read.
    pub(super) async fn big(&mut self) -> anyhow::Result<()> {
        let count: u64 = if self.quick { 50_000 } else { 1_000_000 };
        let mut subject = self.everything_on().await?;
        let load = Closed::start(&job(&subject, &ask(Shape::Whole)), FILLERS, Duration::ZERO);
        while load.counts.answers.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let errors = load.counts.errors.load(Ordering::Relaxed);
            ensure!(
                errors == 0,
                "{}",
                load.counts.first_error().unwrap_or_default()
            );
        }
        load.stop().await;
        at_rest(&subject).await;
        let start = subject.again(&self.places).await?;
        let data = subject.folder().join("data");
        let mut times = Vec::new();
        for by in ["key", "model,day"] {
            let began = Instant::now();
            let told = Command::new(&self.places.bondgate)
                .args(["spend", "--by", by, "--data"])
                .arg(&data)
                .stdout(Stdio::null())
                .status()?;
            ensure!(told.success(), "bondgate spend ended with {told}");
            times.push(began.elapsed().as_secs_f64());
        }
        let bytes = folder_bytes(&data) as f64 / 1024.0 / 1024.0;
        eprintln!(
            "big: {count} exchanges take {bytes:.0} MiB; first answer {:.2} s after a start, spend in {times:.2?} s",
            start.as_secs_f64()
        );
        self.report.figures.extend([
            Figure::of(
                format!("{count} exchanges: killed and started, the first answer after"),
                start.as_secs_f64(),
                setting::START_SECONDS,
                "s",
            ),
            Figure::of(
                format!("{count} exchanges: `bondgate spend` takes"),
                times.into_iter().fold(0.0, f64::max),
                setting::SPEND_SECONDS,
                "s",
            ),
        ]);
        Ok(())
    }

    async fn everything_on(&mut self) -> anyhow::Result<Subject> {
        let kind = Kind::Bondgate(Switches::Everything);
        self.report.on.push(On {
            subject: kind.name(),
            on: kind.on(),
        });
        Subject::start(kind, &self.places).await
    }
}

/// Bytes of all files below a folder; what goes meanwhile counts nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => folder_bytes(&entry.path()),
        _ => entry.metadata().map_or(0, |data| data.len()),
    });
    sizes.sum()
}
