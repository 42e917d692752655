//! The run itself: every subject through every setting, round by round.
//!
//! Subjects stay up side by side, idle ones cost nothing, and take turns
//! within a round, so that a disturbance of the machine meets all of them.
//! Memory is measured on a fresh process of each.

mod away;
mod long;
mod turn;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::turn::{Turn, summed, turn};
use super::Options;
use super::load::{Closed, Counts, Job, Latencies, open, percentile};
use super::machine::{Machine, commit, resident_kib};
use super::report::{Latency, Memory, On, Report, Spread};
use super::setting::{self, RATES, SLOW, STREAM_RATE};
use super::subject::{Kind, Places, Subject};
use super::switches::{Switches, VARIATIONS};
use super::upstream::Upstream;
use super::wire::{Ask, Shape, Wire};

/// Load before a measurement begins.
const WARM: Duration = Duration::from_millis(300);

/// How long all slow streams may take.
const SLOW_PATIENCE: Duration = Duration::from_secs(60);

/// A benchmark about to run.
pub(super) struct Bench {
    rounds: usize,
    length: Duration,
    gone: u64,
    slow_each: u32,
    quick: bool,
    pairs: bool,
    soak: bool,
    big: bool,
    only: Option<String>,
    kinds: Vec<Kind>,
    upstream: Upstream,
    places: Places,
    report: Report,
    /// The most memory seen under load, in KiB.
    peaks: BTreeMap<&'static str, u64>,
    next_id: u64,
}

impl Bench {
    pub(super) fn new(options: &Options, root: &Path) -> anyhow::Result<Self> {
        let upstream = Upstream::start()?;
        let places = Places {
            root: root.to_path_buf(),
            bondgate: match &options.binary {
                Some(file) => std::path::absolute(file)?,
                None => root.join("target/release/bondgate"),
            },
            upstream: upstream.address,
        };
        let quick = options.quick;
        let rounds = options.rounds.unwrap_or(if quick { 1 } else { 3 }).max(1);
        let length = Duration::from_secs(if quick { 1 } else { 3 });
        let ours = [Switches::Bare, Switches::Everything];
        let mut kinds = vec![Kind::Direct, Kind::BareProxy, Kind::Nginx];
        kinds.extend(ours.into_iter().chain(VARIATIONS).map(Kind::Bondgate));
        if options.peers {
            kinds.extend([Kind::LiteLlm, Kind::Portkey]);
        }
        if options.pairs {
            kinds = vec![Kind::BareProxy, Kind::Bondgate(Switches::Bare)];
        }
        let report = Report {
            machine: Machine::here(),
            commit: commit(),
            rounds,
            seconds: length.as_secs_f64(),
            on: Vec::new(),
            loads: Vec::new(),
            latencies: Vec::new(),
            memory: Vec::new(),
            gone: Vec::new(),
            build_minutes: options.build_minutes,
            figures: Vec::new(),
            skipped: Vec::new(),
        };
        let (gone, slow_each) = if quick { (30, 1) } else { (200, 3) };
        let only = options.only.clone();
        Ok(Self {
            rounds,
            length,
            gone,
            slow_each,
            quick,
            pairs: options.pairs,
            soak: options.soak,
            big: options.big,
            only,
            kinds,
            upstream,
            places,
            report,
            peaks: BTreeMap::new(),
            next_id: 1,
        })
    }

    pub(super) async fn run(mut self) -> anyhow::Result<Report> {
        if self.soak || self.big {
            return self.long().await;
        }
        let mut subjects = self.subjects().await?;
        self.loads(&subjects).await;
        if self.pairs {
            return Ok(self.report);
        }
        subjects.retain(|subject| !subject.kind.is_variation());
        if self.wants("latency") {
            self.latencies(&subjects).await;
        }
        if self.wants("gone") {
            self.gone(&subjects).await;
        }
        drop(subjects);
        if self.wants("memory") {
            self.memory().await?;
        }
        self.report.judge();
        Ok(self.report)
    }

    /// What takes long, instead of all else.
    async fn long(mut self) -> anyhow::Result<Report> {
        if self.soak {
            self.soak().await?;
        }
        if self.big {
            self.big().await?;
        }
        Ok(self.report)
    }

    fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    /// Starts every subject that is installed.
    async fn subjects(&mut self) -> anyhow::Result<Vec<Subject>> {
        let mut subjects = Vec::new();
        for kind in std::mem::take(&mut self.kinds) {
            let started = match kind.missing(&self.places.root) {
                Some(why) => Err(why),
                None => Subject::start(kind, &self.places)
                    .await
                    .map_err(|error| format!("{error:#}")),
            };
            match started {
                Ok(subject) => {
                    self.kinds.push(kind);
                    self.report.on.push(On {
                        subject: kind.name(),
                        on: kind.on(),
                    });
                    subjects.push(subject);
                }
                Err(why) => {
                    eprintln!("SKIPPED {kind}: {why}");
                    self.report.skipped.push(format!("{kind}: {why}"));
                }
            }
        }
        Ok(subjects)
    }

    async fn loads(&mut self, subjects: &[Subject]) {
        let mut wanted = if self.pairs {
            setting::pairs()
        } else {
            setting::all()
        };
        // What pairs are held against is measured in any case.
        wanted.retain(|setting| self.wants(&setting.name) || (self.pairs && !setting.ours_only));
        for setting in wanted {
            let able: Vec<&Subject> = subjects
                .iter()
                .filter(|subject| setting.is_for(subject.kind))
                .collect();
            let mut turns: BTreeMap<usize, Vec<Turn>> = BTreeMap::new();
            for _ in 0..self.rounds {
                for (at, subject) in able.iter().enumerate() {
                    turns
                        .entry(at)
                        .or_default()
                        .push(turn(subject, &setting, self.length).await);
                }
            }
            for (subject, (_, turns)) in able.iter().zip(turns) {
                let load = summed(subject.kind, &setting, &turns);
                let cpu = load
                    .as_ref()
                    .and_then(|load| load.cpu_us)
                    .map_or(0.0, |cpu| cpu.median);
                let process = load
                    .as_ref()
                    .and_then(|load| load.process_us)
                    .map_or(0.0, |cpu| cpu.median);
                let rate = load.as_ref().map_or(0.0, |load| load.per_second.median);
                eprintln!(
                    "{:<24} {:<28} {cpu:>8.1} µs {process:>8.1} µs in all {rate:>8.0}/s",
                    setting.name, subject.kind
                );
                self.report.loads.extend(load);
                let peak = turns
                    .iter()
                    .map(|turn| turn.resident_kib)
                    .max()
                    .unwrap_or(0);
                let highest = self.peaks.entry(subject.kind.name()).or_default();
                *highest = peak.max(*highest);
            }
        }
    }

    async fn latencies(&mut self, subjects: &[Subject]) {
        let whole = ask(Shape::Whole);
        let stream = ask(Shape::Stream {
            chunks: 100,
            gap_ms: 0,
        });
        let runs = RATES
            .map(|rate| ("whole", rate, &whole))
            .into_iter()
            .chain([("first", STREAM_RATE, &stream)]);
        for (of, rate, ask) in runs {
            let able: Vec<&Subject> = subjects
                .iter()
                .filter(|subject| rate <= subject.kind.highest_rate())
                .collect();
            let mut seen: BTreeMap<usize, Vec<Latencies>> = BTreeMap::new();
            for _ in 0..self.rounds {
                for (at, subject) in able.iter().enumerate() {
                    let latencies = open(&job(subject, ask), rate, self.length).await;
                    seen.entry(at).or_default().push(latencies);
                }
            }
            let direct: Vec<f64> = seen
                .get(&0)
                .map(|rounds| middles(of, rounds))
                .unwrap_or_default();
            for (subject, (_, rounds)) in able.iter().zip(&seen) {
                let latency = latency(subject.kind, of, rate, rounds, &direct);
                if let Some(Latency { p50_us, p99_us, .. }) = &latency {
                    eprintln!(
                        "{of:<6} at {rate:>4}/s           {:<12} {p50_us:>8.0} µs p50 {p99_us:>8.0} µs p99",
                        subject.kind
                    );
                }
                self.report.latencies.extend(latency);
            }
        }
    }

    async fn memory(&mut self) -> anyhow::Result<()> {
        for kind in self
            .kinds
            .clone()
            .into_iter()
            .filter(|kind| *kind != Kind::Direct && !kind.is_variation())
        {
            let subject = Subject::start(kind, &self.places).await?;
            let Some(process) = subject.process() else {
                continue;
            };
            tokio::time::sleep(Duration::from_secs(1)).await;
            let idle = resident_kib(process);
            let warm = Closed::start(&job(&subject, &ask(SLOW)), 40, Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let warmed = warm.stop().await;
            let before = resident_kib(process);
            self.upstream.take_peak();
            let (peak, counts) = self.slow_streams(&subject, process).await;
            let open = self.upstream.take_peak();
            let stream_kib = peak.saturating_sub(before) as f64 / open.max(1) as f64;
            let errors = [&counts, &warmed]
                .iter()
                .map(|counts| counts.errors.load(Ordering::Relaxed))
                .sum();
            let load_mib = self.peaks.get(kind.name()).map(|kib| *kib as f64 / 1024.0);
            let idle_mib = idle as f64 / 1024.0;
            eprintln!(
                "memory {kind:<12} {idle_mib:.1} MiB idle, {stream_kib:.1} KiB for each of {open} streams, {errors} errors"
            );
            self.report.memory.push(Memory {
                subject: kind.name(),
                idle_mib,
                load_mib,
                open,
                stream_kib,
                errors,
            });
        }
        Ok(())
    }

    /// Holds the slow streams open; the most memory seen meanwhile, in KiB.
    async fn slow_streams(&self, subject: &Subject, process: u32) -> (u64, Arc<Counts>) {
        let streams = subject.kind.slow_streams();
        let slow = Closed::start(&job(subject, &ask(SLOW)), streams, Duration::from_secs(1));
        let until = u64::from(streams * self.slow_each);
        let start = Instant::now();
        let mut peak = 0;
        let ended = |counts: &Counts| {
            counts.answers.load(Ordering::Relaxed) + counts.errors.load(Ordering::Relaxed) >= until
        };
        // The first stream of each connection is begun within a second: all are
        // open together before any ends.
        while !ended(&slow.counts) && start.elapsed() < SLOW_PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            peak = resident_kib(process).max(peak);
        }
        (peak, slow.stop().await)
    }
}

fn latency(
    kind: Kind,
    of: &'static str,
    rate: u32,
    rounds: &[Latencies],
    direct: &[f64],
) -> Option<Latency> {
    let middle = middles(of, rounds);
    let added: Vec<f64> = middle
        .iter()
        .zip(direct)
        .map(|(ours, direct)| ours - direct)
        .collect();
    let high: Vec<f64> = rounds
        .iter()
        .filter_map(|round| micros(times(of, round), 99))
        .collect();
    Some(Latency {
        subject: kind.name(),
        of,
        rate,
        p50_us: Spread::of(&middle)?.median,
        p99_us: Spread::of(&high)?.median,
        added_p50_us: Spread::of(&added)
            .filter(|_| kind != Kind::Direct)
            .map(|added| added.median),
        errors: rounds.iter().map(|round| round.errors).sum(),
        first_error: rounds.iter().find_map(|round| round.first_error.clone()),
    })
}

/// The p50 of each round, in microseconds.
fn middles(of: &str, rounds: &[Latencies]) -> Vec<f64> {
    rounds
        .iter()
        .filter_map(|round| micros(times(of, round), 50))
        .collect()
}

fn times<'a>(of: &str, round: &'a Latencies) -> &'a [u64] {
    if of == "first" {
        &round.first
    } else {
        &round.whole
    }
}

fn micros(sorted: &[u64], share: usize) -> Option<f64> {
    percentile(sorted, share).map(|nanos| nanos as f64 / 1e3)
}

fn ask(shape: Shape) -> Ask {
    Ask {
        wire: Wire::Chat,
        model: "bench",
        size: 1024,
        turns: 0,
        shape,
        delay_ms: 0,
        id: 0,
    }
}

fn job(subject: &Subject, ask: &Ask) -> Job {
    let events = match ask.shape {
        Shape::Stream { chunks, .. } => chunks as u64,
        Shape::Whole => 0,
    };
    Job {
        address: subject.address,
        wire: ask.wire,
        request: ask.http(&subject.headers),
        events,
    }
}
