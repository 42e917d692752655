//! A full disk stops admission and never the closing of what is under way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use policy::money::Nanos;
use store::journal::Journal;
use store::journal::{Health, Options, Positions, Recorder, Writer};
use store::record::{Attempt, Exchange, LossNote, Record};

use super::support::{all, dispatched, exchange, ids, open, options, read, until};

/// An answer with as much to tell as there is room for, and more.
fn talkative(number: u128) -> Exchange {
    let loss = LossNote {
        path: "messages[0].content".to_owned(),
        why: "the target has no such part".repeat(20),
        functional: true,
    };
    let attempt = Attempt {
        kind: "retry".into(),
        target: "openai/gpt-5-mini".into(),
        why: "upstream said: ".repeat(200),
        cost: Nanos(77),
        ..Attempt::default()
    };
    Exchange {
        decision: "x".repeat(100_000),
        losses: vec![loss; 50],
        attempts: vec![attempt; 12],
        ..exchange(number)
    }
}

/// Dispatches until it is refused for want of room.
fn fill(writer: &Writer, first: u128) -> Vec<u128> {
    let mut open = Vec::new();
    for number in first.. {
        match writer.dispatched(&dispatched(number)) {
            Ok(receipt) => {
                assert!(receipt.is_durable());
                open.push(number);
            }
            Err(error) => {
                assert!(error.is_full(), "{error}");
                return open;
            }
        }
    }
    open
}

#[test]
fn a_full_disk_refuses_new_requests_and_closes_every_open_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    let writer = journal.writer(0);
    device.full.store(true, Ordering::SeqCst);
    let under_way = fill(&writer, 0);
    assert!(under_way.len() > 10, "{} fit", under_way.len());
    until("it is told", || journal.health() == Health::Full);
    for number in &under_way {
        assert!(writer.closed(&talkative(*number)).is_durable());
    }
    assert_eq!(journal.stats().closed_lost, 0);
    assert_eq!(journal.stats().open, 0);

    device.full.store(false, Ordering::SeqCst);
    until("there is room again", || {
        writer.dispatched(&dispatched(9999)).is_ok()
    });
    until("it is told", || journal.health() == Health::Good);
    drop((writer, journal));
    let records = all(&open(dir.path()));
    let closed = records
        .iter()
        .filter(|(_, record)| matches!(record, Record::Closed(_)));
    assert_eq!(closed.count(), under_way.len());
}

#[test]
fn a_long_closing_record_is_cut_and_marked_but_its_money_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    drop(writer.dispatched(&dispatched(1)).expect("is taken"));
    let told = talkative(1);
    assert!(writer.closed(&told).is_durable());
    let records = read(&mut journal.tail(&Positions::new()), 2);
    let (_, Record::Closed(kept)) = &records[1] else {
        panic!("{records:?}");
    };
    assert!(kept.flags.shortened);
    assert_eq!(
        (kept.cost, &kept.charges, kept.status),
        (told.cost, &told.charges, 200)
    );
    assert_eq!(kept.who, told.who);
    assert_eq!(kept.attempts.len(), 12);
    assert!(
        kept.attempts
            .iter()
            .all(|attempt| attempt.cost == Nanos(77))
    );
    assert_eq!(kept.decision, "");
}

#[test]
fn a_record_that_may_not_be_cut_and_is_too_long_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let mut long = dispatched(1);
    long.who.tags = vec![("t".into(), "x".repeat(70_000).into())];
    let refused = journal
        .writer(0)
        .dispatched(&long)
        .expect_err("is too long");
    assert!(refused.to_string().contains("tags"), "{refused}");
    assert_eq!(journal.stats().open, 0);
    drop(
        journal
            .writer(0)
            .dispatched(&dispatched(2))
            .expect("is taken"),
    );
    assert_eq!(ids(&read(&mut journal.tail(&Positions::new()), 1)), [2]);
}

#[test]
fn it_opens_on_a_full_disk_where_it_has_room_left() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(open(dir.path()));
    let (options, device) = options();
    device.full.store(true, Ordering::SeqCst);
    let journal = Journal::open(dir.path(), options).expect("opens");
    assert!(!fill(&journal.writer(0), 0).is_empty());

    let elsewhere = tempfile::tempdir().expect("a folder");
    let (options, device) = super::support::options();
    device.full.store(true, Ordering::SeqCst);
    let refused = Journal::open(elsewhere.path(), options).expect_err("has no room");
    assert!(refused.is_full(), "{refused}");
}

/// A file system of four megabytes in memory.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Small(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_really_full_disk_loses_no_closing_record() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(small) = Small::mount(dir.path()) else {
        eprintln!(
            "SKIPPED a_really_full_disk_loses_no_closing_record: mounting is not permitted here"
        );
        return;
    };
    let options = Options {
        segment_bytes: 512 << 10,
        ..Options::default()
    };
    let place = small.0.join("journal");
    let journal = Journal::open(&place, options.clone()).expect("opens");
    let writer = journal.writer(0);
    let ballast = small.0.join("ballast");
    let filled = std::fs::write(&ballast, vec![1; 8 << 20]).expect_err("fills the disk");
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
    let under_way = fill(&writer, 0);
    for number in &under_way {
        assert!(writer.closed(&talkative(*number)).is_durable());
    }
    assert_eq!(journal.stats().closed_lost, 0);
    std::fs::remove_file(&ballast).expect("makes room");
    until("there is room again", || {
        writer.dispatched(&dispatched(9999)).is_ok()
    });
    drop((writer, journal));
    let journal = Journal::open(&place, options).expect("opens");
    assert_eq!(all(&journal).len(), 2 * under_way.len() + 1);
    drop(journal);
}
