//! One subject under one setting for one round.
//!
//! Two figures of CPU: of the threads that serve, within the time that is measured; and of the whole
//! process, from the load's beginning until nothing of it is left to do, so that work which a gateway
//! puts off counts, and is not under way when the next one has its turn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::load::{Closed, Counts};
use super::super::machine::{Meter, Used, resident_kib};
use super::super::report::{Load, Spread};
use super::super::scrape::Scraper;
use super::super::setting::Setting;
use super::super::subject::{Kind, Subject};
use super::super::wire::Shape;
use super::{WARM, job};

/// How often it is looked whether a process still works, and how much CPU within that is rest.
const LOOK: Duration = Duration::from_millis(250);
const REST: Duration = Duration::from_millis(3);

/// How long a process may go on after its load.
const WORKING_MAX: Duration = Duration::from_secs(60);

/// What one subject did in one round of a setting.
pub(super) struct Turn {
    requests: f64,
    used: Used,
    process_us: f64,
    pub(super) resident_kib: u64,
    errors: u64,
    first_error: Option<String>,
}

pub(super) async fn turn(subject: &Subject, setting: &Setting, length: Duration) -> Turn {
    let spread = match setting.ask.shape {
        Shape::Stream { chunks, gap_ms } => Duration::from_millis(gap_ms * chunks as u64),
        Shape::Whole => Duration::ZERO,
    };
    let begin = Meter::read(subject.process());
    let scraper = subject.scraped().map(Scraper::start);
    let load = Closed::start(&job(subject, &setting.ask), setting.connections, spread);
    tokio::time::sleep(WARM + spread).await;
    let progress = |counts: &Counts| {
        [&counts.answers, &counts.events].map(|count| count.load(Ordering::Relaxed))
    };
    let [answers_before, events_before] = progress(&load.counts);
    let before = Meter::read(subject.process());
    tokio::time::sleep(length).await;
    let used = before.until(&Meter::read(subject.process()));
    let [answers, events] = progress(&load.counts);
    let resident_kib = subject.process().map(resident_kib).unwrap_or(0);
    let counts = load.stop().await;
    drop(scraper);
    let whole = if let Kind::Bondgate(_) = subject.kind {
        begin.until(&at_rest(subject).await).cpu
    } else {
        begin.until(&Meter::read(subject.process())).cpu
    };
    // A stream counts by its events: it may be longer than what is measured.
    let whole_events = counts.whole_events.load(Ordering::Relaxed) as f64;
    let each = whole_events / counts.answers.load(Ordering::Relaxed).max(1) as f64;
    let requests = if each > 0.0 {
        (events - events_before) as f64 / each
    } else {
        (answers - answers_before) as f64
    };
    let answers_all = counts.answers.load(Ordering::Relaxed).max(1) as f64;
    Turn {
        requests,
        used,
        process_us: whole.as_secs_f64() * 1e6 / answers_all,
        resident_kib,
        errors: counts.errors.load(Ordering::Relaxed),
        first_error: counts.first_error(),
    }
}

pub(super) fn summed(kind: Kind, setting: &Setting, turns: &[Turn]) -> Option<Load> {
    let good = || turns.iter().filter(|turn| turn.requests > 0.0);
    let cpu: Vec<f64> = good()
        .map(|turn| turn.used.road.as_secs_f64() * 1e6 / turn.requests)
        .collect();
    let process: Vec<f64> = good().map(|turn| turn.process_us).collect();
    let rates: Vec<f64> = turns
        .iter()
        .map(|turn| turn.requests / turn.used.wall.as_secs_f64())
        .collect();
    let cores: Vec<f64> = turns
        .iter()
        .map(|turn| turn.used.cpu.as_secs_f64() / turn.used.wall.as_secs_f64())
        .collect();
    Some(Load {
        subject: kind.name(),
        setting: setting.name.clone(),
        against: setting.against.0,
        cpu_us: Spread::of(&cpu).filter(|_| kind != Kind::Direct),
        process_us: Spread::of(&process).filter(|_| kind != Kind::Direct),
        per_second: Spread::of(&rates)?,
        core: Spread::of(&cores)?.median,
        foreign: turns
            .iter()
            .map(|turn| turn.used.foreign)
            .fold(0.0, f64::max),
        errors: turns.iter().map(|turn| turn.errors).sum(),
        first_error: turns.iter().find_map(|turn| turn.first_error.clone()),
    })
}

/// The meter once the process does nothing more.
pub(super) async fn at_rest(subject: &Subject) -> Meter {
    let mut last = Meter::read(subject.process());
    let looks = WORKING_MAX.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        tokio::time::sleep(LOOK).await;
        let now = Meter::read(subject.process());
        if last.until(&now).cpu < REST {
            return now;
        }
        last = now;
    }
    eprintln!("{}: still at work long after its load", subject.kind);
    last
}
