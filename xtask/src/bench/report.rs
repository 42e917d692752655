//! What was measured, as tables for people and JSON for programs, and beside
//! it the figures to reach.
//!
//! Numbers are medians over the rounds; where noise can only add, the lowest
//! stands beside. A row with errors or much foreign work says so.

use std::fmt::Write as _;

use serde::Serialize;

use super::machine::Machine;
use super::setting::{self, Setting};
use super::subject::Kind;
use super::switches::Switches;

const OURS: &str = Kind::Bondgate(Switches::Everything).name();
const OURS_BARE: &str = Kind::Bondgate(Switches::Bare).name();
const BARE: &str = Kind::BareProxy.name();

/// Foreign work on the gateways' core beyond this share is pointed out.
const FOREIGN: f64 = 0.1;

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// What commit.
    pub commit: String,
    /// How often each was measured.
    pub rounds: usize,
    /// How long each measurement took, in seconds.
    pub seconds: f64,
    /// What was on in each subject.
    pub on: Vec<On>,
    /// Closed loops.
    pub loads: Vec<Load>,
    /// Open loops.
    pub latencies: Vec<Latency>,
    /// Memory.
    pub memory: Vec<Memory>,
    /// Client gone, upstream closed.
    pub gone: Vec<Gone>,
    /// A clean release build, in minutes, where it was asked for.
    pub build_minutes: Option<f64>,
    /// What was to be reached.
    pub figures: Vec<Figure>,
    /// What was not measured, and why.
    pub skipped: Vec<String>,
}

/// What was on in a subject.
#[derive(Debug, Serialize)]
pub struct On {
    /// Which.
    pub subject: &'static str,
    /// What.
    pub on: &'static str,
}

/// A closed loop on one subject.
#[derive(Debug, Serialize)]
pub struct Load {
    /// Which.
    pub subject: &'static str,
    /// Under what.
    pub setting: String,
    /// The bare proxy's setting to compare with.
    pub against: &'static str,
    /// CPU microseconds a request of the threads that serve; none for direct.
    pub cpu_us: Option<Spread>,
    /// CPU microseconds a request of the whole process, until nothing of the load was left to do;
    /// none for direct.
    pub process_us: Option<Spread>,
    /// Requests a second.
    pub per_second: Spread,
    /// The share of its core it used, median.
    pub core: f64,
    /// The share of its core others used, highest.
    pub foreign: f64,
    /// Answers that were not whole.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

/// An open loop on one subject.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Which.
    pub subject: &'static str,
    /// "whole" answers or "first" events.
    pub of: &'static str,
    /// A second.
    pub rate: u32,
    /// p50, in microseconds.
    pub p50_us: f64,
    /// p99, in microseconds.
    pub p99_us: f64,
    /// p50 over direct, back to back, median of the rounds; none for direct.
    pub added_p50_us: Option<f64>,
    /// Answers that were not whole.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

/// Memory of one subject, resident.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Which.
    pub subject: &'static str,
    /// Just started.
    pub idle_mib: f64,
    /// The most under the closed loops.
    pub load_mib: Option<f64>,
    /// Slow streams that were open at once.
    pub open: usize,
    /// Added by each open slow stream, in KiB.
    pub stream_kib: f64,
    /// Streams that were not whole.
    pub errors: u64,
}

/// How soon the upstream is closed after the client went away.
#[derive(Debug, Serialize)]
pub struct Gone {
    /// Which.
    pub subject: &'static str,
    /// In what phase.
    pub phase: &'static str,
    /// p50, in milliseconds.
    pub p50_ms: f64,
    /// p99, in milliseconds.
    pub p99_ms: f64,
    /// Upstreams not closed within seconds.
    pub missed: u64,
}

/// A figure to reach.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What.
    pub figure: String,
    /// Measured.
    pub value: f64,
    /// At most.
    pub target: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// Whether it was.
    pub met: bool,
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
}

impl Spread {
    /// Of these values; none of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: sorted.get(sorted.len() / 2).copied()?,
            lowest: sorted.first().copied()?,
        })
    }
}

impl Report {
    /// Works out [`Report::figures`] from the rest.
    pub fn judge(&mut self) {
        let mut figures = self.cpu_figures();
        figures.extend(self.everything_figures());
        figures.extend(self.latency_figures());
        figures.extend(self.memory_figures());
        for gone in self.gone.iter().filter(|gone| gone.subject == OURS) {
            let what = format!("client gone {}: upstream closed, p99", gone.phase);
            let value = if gone.missed > 0 {
                f64::INFINITY
            } else {
                gone.p99_ms
            };
            figures.push(Figure::of(what, value, setting::GONE_MS, "ms"));
        }
        let build = |minutes| {
            Figure::of(
                "a clean release build".to_owned(),
                minutes,
                setting::BUILD_MINUTES,
                "min",
            )
        };
        figures.extend(self.build_minutes.map(build));
        self.figures = figures;
    }

    fn cpu_figures(&self) -> Vec<Figure> {
        let figure = |Setting {
                          name,
                          against: (yardstick, times),
                          ..
                      }: Setting| {
            let value = self.cpu(OURS_BARE, &name)? / self.cpu(BARE, yardstick)?;
            let what = format!("{name}, bare: CPU a request, times the bare proxy's");
            Some(Figure::of(what, value, times?, "x"))
        };
        setting::all().into_iter().filter_map(figure).collect()
    }

    fn everything_figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for (name, road_times, process_times) in setting::EVERYTHING {
            let (Some(ours), Some(bare)) = (self.load(OURS, name), self.cpu(BARE, name)) else {
                continue;
            };
            let mut add = |of: &str, us: Option<Spread>, times: Option<f64>| {
                if let (Some(us), Some(times)) = (us, times) {
                    let what = format!(
                        "{name}, everything on: CPU of {of} a request, times the bare proxy's"
                    );
                    figures.push(Figure::of(what, us.lowest / bare, times, "x"));
                }
            };
            add("the threads that serve", ours.cpu_us, Some(road_times));
            add("the whole process", ours.process_us, process_times);
        }
        figures
    }

    fn load(&self, subject: &str, setting: &str) -> Option<&Load> {
        let mut loads = self.loads.iter();
        loads.find(|load| load.subject == subject && load.setting == setting)
    }

    fn latency_figures(&self) -> Vec<Figure> {
        let added = |subject, ours: &Latency| {
            let same = |other: &&Latency| {
                other.subject == subject && other.of == ours.of && other.rate == ours.rate
            };
            self.latencies.iter().find(same)?.added_p50_us
        };
        let figure = |latency: &Latency| {
            let Latency { of, rate, .. } = latency;
            let value = latency.added_p50_us? - added(BARE, latency)?;
            let what = format!("{of} at {rate}/s: added p50 above the bare proxy's");
            Some(Figure::of(what, value, setting::ADDED_P50_US, "µs"))
        };
        self.latencies
            .iter()
            .filter(|latency| latency.subject == OURS)
            .filter_map(figure)
            .collect()
    }

    fn memory_figures(&self) -> Vec<Figure> {
        let memory = |name| self.memory.iter().find(|memory| memory.subject == name);
        let Some(ours) = memory(OURS) else {
            return Vec::new();
        };
        let mut figures = vec![Figure::of(
            "idle memory".to_owned(),
            ours.idle_mib,
            setting::IDLE_MIB,
            "MiB",
        )];
        figures.extend(memory(BARE).map(|bare| {
            let what = "an open slow stream, times the bare proxy's".to_owned();
            Figure::of(
                what,
                ours.stream_kib / bare.stream_kib,
                setting::SLOW_STREAM_TIMES,
                "x",
            )
        }));
        figures
    }

    fn cpu(&self, subject: &str, setting: &str) -> Option<f64> {
        // Noise only adds: the lowest is nearest to what it costs.
        Some(self.load(subject, setting)?.cpu_us?.lowest)
    }

    /// Answers that were not whole, in all.
    pub fn errors(&self) -> u64 {
        let loads = self.loads.iter().map(|load| load.errors);
        let latencies = self.latencies.iter().map(|latency| latency.errors);
        loads
            .chain(latencies)
            .chain(self.memory.iter().map(|memory| memory.errors))
            .sum()
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let Machine {
            cpu,
            cores,
            memory_mib,
            kernel,
        } = &self.machine;
        let mut text = format!(
            "# Benchmark\n\n{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}; commit {}; {} round(s) of {} s.\nEach gateway on one core; client and upstream share another. Medians; in brackets the lowest.\n\n",
            self.commit, self.rounds, self.seconds
        );
        for On { subject, on } in &self.on {
            let _ = writeln!(text, "- {subject}: {on}");
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "- NOT MEASURED: {skipped}");
        }
        self.load_table(&mut text);
        self.latency_table(&mut text);
        self.memory_tables(&mut text);
        self.figure_table(&mut text);
        text
    }

    fn load_table(&self, text: &mut String) {
        if self.loads.is_empty() {
            return;
        }
        text.push_str("\n## Load\n\nCPU microseconds a request, of the threads that serve and of the whole process; each times the bare proxy's, by the lowest.\n\n| setting | gateway | serving µs | times bare | process µs | times bare | requests a second | core used | remarks |\n|---|---|---:|---:|---:|---:|---:|---:|---|\n");
        for load in &self.loads {
            let bare = self.cpu(BARE, load.against);
            let cpu = cells(load.cpu_us, bare);
            let process = cells(load.process_us, bare);
            let mut remarks = errors(load.errors, load.first_error.as_deref());
            if load.foreign > FOREIGN && load.cpu_us.is_some() {
                let _ = write!(
                    remarks,
                    " others used {:.0} % of its core",
                    100.0 * load.foreign
                );
            }
            let (rate, core) = (load.per_second.median, 100.0 * load.core);
            let _ = writeln!(
                text,
                "| {} | {} | {cpu} | {process} | {rate:.0} | {core:.0} % | {remarks} |",
                load.setting, load.subject
            );
        }
    }

    fn latency_table(&self, text: &mut String) {
        if self.latencies.is_empty() {
            return;
        }
        text.push_str("\n## Latency\n\n| of | rate | gateway | p50 µs | p99 µs | added p50 µs | remarks |\n|---|---:|---|---:|---:|---:|---|\n");
        for latency in &self.latencies {
            let Latency {
                subject,
                of,
                rate,
                p50_us,
                p99_us,
                ..
            } = latency;
            let added = latency
                .added_p50_us
                .map_or("–".to_owned(), |added| format!("{added:.0}"));
            let remarks = errors(latency.errors, latency.first_error.as_deref());
            let _ = writeln!(
                text,
                "| {of} | {rate}/s | {subject} | {p50_us:.0} | {p99_us:.0} | {added} | {remarks} |"
            );
        }
    }

    fn memory_tables(&self, text: &mut String) {
        if !self.memory.is_empty() {
            text.push_str("\n## Memory\n\n| gateway | idle MiB | under load MiB | slow streams open | KiB a stream | remarks |\n|---|---:|---:|---:|---:|---|\n");
        }
        for memory in &self.memory {
            let Memory {
                subject,
                idle_mib,
                open,
                stream_kib,
                ..
            } = memory;
            let load = memory
                .load_mib
                .map_or("–".to_owned(), |load| format!("{load:.1}"));
            let remarks = errors(memory.errors, None);
            let _ = writeln!(
                text,
                "| {subject} | {idle_mib:.1} | {load} | {open} | {stream_kib:.1} | {remarks} |"
            );
        }
        if !self.gone.is_empty() {
            text.push_str("\n## Client gone, upstream closed\n\n| phase | gateway | p50 ms | p99 ms | never |\n|---|---|---:|---:|---:|\n");
        }
        for Gone {
            subject,
            phase,
            p50_ms,
            p99_ms,
            missed,
        } in &self.gone
        {
            let _ = writeln!(
                text,
                "| {phase} | {subject} | {p50_ms:.2} | {p99_ms:.2} | {missed} |"
            );
        }
    }

    fn figure_table(&self, text: &mut String) {
        if self.figures.is_empty() {
            return;
        }
        text.push_str(
            "\n## Figures to reach\n\n| figure | measured | at most | met |\n|---|---:|---:|---|\n",
        );
        for Figure {
            figure,
            value,
            target,
            unit,
            met,
        } in &self.figures
        {
            let met = if *met { "yes" } else { "NO" };
            let _ = writeln!(
                text,
                "| {figure} | {value:.2} {unit} | {target} {unit} | {met} |"
            );
        }
    }
}

impl Figure {
    /// What was measured, and what it may be.
    pub fn of(figure: String, value: f64, target: f64, unit: &'static str) -> Self {
        Self {
            figure,
            value,
            target,
            unit,
            met: value <= target,
        }
    }
}

/// A figure, and how many times the bare proxy's it is.
fn cells(us: Option<Spread>, bare: Option<f64>) -> String {
    let Some(us) = us else {
        return "– | –".to_owned();
    };
    let times = bare.map_or("–".to_owned(), |bare| format!("{:.2}", us.lowest / bare));
    format!("{:.1} ({:.1}) | {times}", us.median, us.lowest)
}

fn errors(count: u64, first: Option<&str>) -> String {
    match (count, first) {
        (0, _) => String::new(),
        (_, None) => format!("{count} ERRORS"),
        (_, Some(first)) => format!("{count} ERRORS, the first: {first}"),
    }
}
