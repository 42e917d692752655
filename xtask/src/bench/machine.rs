//! What Linux says of the machine and of a running process tree: CPU time,
//! memory, the load of a core by others.
//!
//! Everything is read from /proc; a figure that is not there reads as zero or
//! "unknown" and never stops a run.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The core that gateways run on; everything else runs on [`OTHER_CORE`].
pub const GATEWAY_CORE: usize = 0;
/// The core of the load generator, the upstream and the script.
pub const OTHER_CORE: usize = 1;

/// Where the figures were taken.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The CPU's name.
    pub cpu: String,
    /// How many cores.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let name = name.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cpu: name.to_owned(),
            cores: std::thread::available_parallelism()
                .map_or(1, usize::from)
                .max(cpu.matches("processor\t").count()),
            memory_mib: kib(&memory, "MemTotal:") / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        }
    }
}

/// The commit that is measured, marked where files differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    if changed {
        format!("{hash} with local changes")
    } else {
        hash
    }
}

/// CPU time of each thread of a process tree, and of the gateways' core.
#[derive(Debug)]
pub struct Meter {
    at: Instant,
    threads: HashMap<u32, Thread>,
    core_ticks: u64,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    nanos: u64,
    is_road: bool,
}

/// What a process tree used between two readings.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Of it, that of the threads that serve: those named `core-…` where there are such, else all.
    pub road: Duration,
    /// Wall time.
    pub wall: Duration,
    /// The share of the gateways' core that others used.
    pub foreign: f64,
}

impl Meter {
    /// Reads now.
    pub fn read(root: Option<u32>) -> Self {
        let threads = root
            .map(tree)
            .unwrap_or_default()
            .into_iter()
            .flat_map(threads)
            .collect();
        Self {
            at: Instant::now(),
            threads,
            core_ticks: core_ticks(),
        }
    }

    /// What was used since this reading. A thread that ended in between is
    /// lost, which a gateway under steady load has none of.
    pub fn until(&self, later: &Self) -> Used {
        let ran = |is_counted: fn(&Thread) -> bool| {
            let counted = later.threads.iter().filter(|(_, now)| is_counted(now));
            let nanos = counted.map(|(id, now)| {
                let before = self.threads.get(id).map_or(0, |before| before.nanos);
                now.nanos.saturating_sub(before)
            });
            Duration::from_nanos(nanos.sum())
        };
        let cpu = ran(|_| true);
        let has_road = later.threads.values().any(|thread| thread.is_road);
        let road = if has_road {
            ran(|thread| thread.is_road)
        } else {
            cpu
        };
        let wall = later.at - self.at;
        // A tick is a hundredth of a second wherever Linux shows it.
        let busy = Duration::from_millis(10 * later.core_ticks.saturating_sub(self.core_ticks));
        Used {
            cpu,
            road,
            wall,
            foreign: busy.saturating_sub(cpu).as_secs_f64() / wall.as_secs_f64(),
        }
    }
}

/// Resident memory of a process tree, in KiB.
pub fn resident_kib(root: u32) -> u64 {
    let status = |id| fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    tree(root)
        .into_iter()
        .map(|id| kib(&status(id), "VmRSS:"))
        .sum()
}

/// A process and all below it.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // After the name, which may hold anything, in parentheses: state, parent.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((id, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(id, _)| *id),
        );
        at += 1;
    }
    found
}

/// The threads of a process.
fn threads(process: u32) -> Vec<(u32, Thread)> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let times = fs::read_to_string(entry.path().join("schedstat")).ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let thread = Thread {
                nanos: times.split(' ').next()?.parse().ok()?,
                is_road: name.starts_with("core-"),
            };
            Some((id, thread))
        })
        .collect()
}

/// Ticks that the gateways' core was not idle.
fn core_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cpu{GATEWAY_CORE} ")));
    let fields = line
        .unwrap_or_default()
        .split(' ')
        .map(|field| field.parse().unwrap_or(0));
    // Columns: user nice system idle iowait irq softirq steal.
    fields
        .take(8)
        .enumerate()
        .filter(|(column, _)| !matches!(column, 3 | 4))
        .map(|(_, ticks): (usize, u64)| ticks)
        .sum()
}

fn kib(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
