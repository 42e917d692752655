//! The ledger with many exchanges: twenty thousand, or a million under `BONDGATE_LONG=1`.
//!
//! Prints what a request costs; asserts sums only.

use std::time::Instant;

use policy::viewer::Viewer;
use store::journal::{Batch, Position, Positions};
use store::ledger::{By, Ledger, LedgerWriter, Limits, Options, Source, SourceError, SpendQuery};
use store::record::Record;

use super::ledger_kit::*;

/// Makes records as they are asked for: dispatched and closed, one request after the other.
struct Made {
    next: u64,
    count: u64,
    days: i64,
    making: std::time::Duration,
}

impl Source for Made {
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError> {
        let began = Instant::now();
        let mut batch = Batch::default();
        while batch.records.len() + 1 < max && self.next < self.count {
            let n = self.next;
            let at_ms = MARCH + self.days * DAY * n as i64 / self.count as i64;
            for (sequence, record) in [
                (
                    2 * n + 1,
                    Record::Dispatched(Box::new(dispatched(n, at_ms))),
                ),
                (2 * n + 2, Record::Closed(Box::new(closed(n, at_ms)))),
            ] {
                batch.records.push((
                    Position {
                        writer: 1,
                        sequence,
                    },
                    record,
                ));
            }
            self.next += 1;
        }
        self.making += began.elapsed();
        Ok(batch)
    }

    fn wait(&mut self, _: std::time::Duration) -> bool {
        self.next < self.count
    }

    fn committed(&mut self, _: &Positions) {}
}

#[test]
fn many_exchanges_are_written_and_summed() {
    let long = std::env::var_os("BONDGATE_LONG").is_some();
    let count: u64 = if long { 1_000_000 } else { 20_000 };
    let dir = tempfile::tempdir().unwrap();
    let mut source = Made {
        next: 0,
        count,
        days: 10,
        making: Default::default(),
    };
    let mut writer = LedgerWriter::open(dir.path(), Options::default()).unwrap();
    let (began, cpu) = (Instant::now(), thread_cpu_us());
    let recovered = writer.recover(&mut source).unwrap();
    let (took, cpu) = (began.elapsed(), thread_cpu_us() - cpu);
    assert_eq!((recovered.records, recovered.presumed), (2 * count, 0));
    let making = source.making.as_micros() as u64;
    eprintln!(
        "{count} exchanges: {:.1} µs each of wall time, {:.1} µs of CPU (making them not counted)",
        (took.as_micros() as u64 - making) as f64 / count as f64,
        cpu.saturating_sub(making) as f64 / count as f64,
    );
    read_all(dir.path(), count);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = entry.metadata().unwrap().len();
        eprintln!(
            "{}: {bytes} bytes, {} an exchange",
            entry.file_name().display(),
            bytes / count
        );
    }
}

fn read_all(dir: &std::path::Path, count: u64) {
    let ledger = Ledger::open(dir).unwrap();
    let viewer = Viewer::operator("test");
    for (what, by, since_ms, until_ms) in [
        (
            "by team and model, whole days",
            vec![By::Team, By::Model],
            None,
            None,
        ),
        (
            "by tag and day, cut days",
            vec![By::Day, By::Tag("app".to_owned())],
            Some(MARCH + DAY / 2),
            Some(MARCH + 9 * DAY + DAY / 2),
        ),
    ] {
        let began = Instant::now();
        let report = ledger
            .spend(
                &viewer,
                &SpendQuery {
                    by,
                    since_ms,
                    until_ms,
                },
            )
            .unwrap();
        eprintln!(
            "spend {what}: {} rows in {:?}",
            report.rows.len(),
            began.elapsed()
        );
        assert!(report.total.requests > 0);
        if since_ms.is_none() {
            assert_eq!(report.total.requests as u64, count);
        }
    }
    let began = Instant::now();
    let page = ledger
        .exchanges(&viewer, &Default::default(), None, 100)
        .unwrap();
    eprintln!("the newest 100: {:?}", began.elapsed());
    assert_eq!(page.items.len(), 100);
    let began = Instant::now();
    let sql = "SELECT team, count(*), sum(cost_nanos) FROM exchanges GROUP BY team";
    let limits = Limits {
        time: std::time::Duration::from_secs(120),
        ..Limits::default()
    };
    let answer = ledger
        .query(&viewer, sql, &Default::default(), &limits)
        .unwrap();
    eprintln!("query by team over all exchanges: {:?}", began.elapsed());
    assert_eq!(answer.rows.len(), 4);
}

/// CPU that this thread has used, in microseconds, as the kernel counts it.
fn thread_cpu_us() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    nanos.unwrap_or(0) / 1_000
}
