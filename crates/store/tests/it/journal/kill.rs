//! What a process acknowledged is there after SIGKILL.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use store::journal::Journal;
use store::journal::{Options, Recorder};
use store::record::Record;
use ulid::Ulid;

use super::support::{all, dispatched, exchange};

/// Tells the child where its journal is.
const DIR: &str = "JOURNAL_UNDER_TEST";
/// Tells it how many children were before it.
const ROUND: &str = "JOURNAL_ROUND";
const WRITERS: u32 = 2;

fn kept() -> Options {
    Options {
        writers: WRITERS,
        segment_bytes: 256 << 10,
        sync_every: Duration::from_millis(20),
        ..Options::default()
    }
}

/// Writes until it is killed, and tells of each record once it has its receipt.
#[test]
#[ignore = "the child of every_acknowledged_record_survives_being_killed"]
fn child() {
    let (Ok(dir), Ok(round)) = (std::env::var(DIR), std::env::var(ROUND)) else {
        return;
    };
    let round: u128 = round.parse().expect("a number");
    let journal = Journal::open(&PathBuf::from(dir), kept()).expect("opens");
    std::thread::scope(|scope| {
        for core in 0..WRITERS {
            let writer = journal.writer(core as usize);
            scope.spawn(move || {
                for n in 0_u128.. {
                    let number = (round << 64) + (u128::from(core) << 48) + n;
                    let Ok(receipt) = writer.dispatched(&dispatched(number)) else {
                        std::thread::yield_now();
                        continue;
                    };
                    tell(receipt.is_durable(), 'd', number);
                    tell(writer.closed(&exchange(number)).is_durable(), 'c', number);
                }
            });
        }
    });
}

fn tell(durable: bool, kind: char, number: u128) {
    assert!(durable);
    let line = format!("{kind} {number}\n");
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .expect("the parent reads");
}

#[test]
fn every_acknowledged_record_survives_being_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut acknowledged = HashSet::new();
    for round in 0..20_usize {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "journal::kill::child",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let before = acknowledged.len();
        let mut take = |line: String| {
            let mut words = line.split(' ');
            let (kind, number) = (
                words.next(),
                words.next().and_then(|n| n.parse::<u128>().ok()),
            );
            if let (Some(kind @ ("c" | "d")), Some(number)) = (kind, number) {
                acknowledged.insert((kind.to_owned(), number));
            }
        };
        for line in lines.by_ref().take(50 + 97 * round) {
            take(line.expect("a line"));
        }
        child.kill().expect("is killed");
        // The last line may be half a line; half a number would be another's.
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        rest.iter()
            .take(rest.len().saturating_sub(1))
            .cloned()
            .for_each(&mut take);
        child.wait().expect("is gone");
        assert!(acknowledged.len() > before, "the child wrote");

        let journal = Journal::open(dir.path(), kept()).expect("opens");
        let found: HashSet<(String, u128)> = all(&journal)
            .into_iter()
            .map(|(_, record)| {
                let kind = if matches!(record, Record::Closed(_)) {
                    "c"
                } else {
                    "d"
                };
                let Ulid(number) = record.id();
                (kind.to_owned(), number)
            })
            .collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
    }
}
