//! When a record counts as safe, and what happens when the disk takes one back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::journal::Journal;
use store::journal::StorageError;
use store::journal::{Durability, Health, MemoryRecorder, Options, Positions, Receipt, Recorder};

use super::support::{dispatched, exchange, options, until};

fn wait(receipt: Receipt) -> Result<(), StorageError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(receipt.durable())
}

#[test]
fn with_power_a_record_is_safe_only_after_the_sync() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let options = Options {
        durability: Durability::Power,
        ..options
    };
    let journal = Journal::open(dir.path(), options).expect("opens");
    until("the opening is synced", || journal.stats().unsynced == 0);
    device.sync_waits.store(true, Ordering::SeqCst);
    let writer = journal.writer(0);
    let sent = writer.dispatched(&dispatched(1)).expect("is taken");
    let ended = writer.closed(&exchange(1));
    assert!(!sent.is_durable() && !ended.is_durable());
    let mut tail = journal.tail(&[(0, 1)].into());
    assert!(
        !tail.wait(Duration::from_millis(20)),
        "the tail gives only what is safe"
    );
    assert!(tail.next_batch(10).expect("reads").is_empty());

    device.sync_waits.store(false, Ordering::SeqCst);
    wait(sent).expect("is safe");
    wait(ended).expect("is safe");
    assert!(tail.wait(super::support::PATIENCE));
}

#[test]
fn with_process_a_record_is_safe_once_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    device.sync_waits.store(true, Ordering::SeqCst);
    let sent = journal
        .writer(0)
        .dispatched(&dispatched(1))
        .expect("is taken");
    assert!(sent.is_durable());
    wait(sent).expect("is safe");
    device.sync_waits.store(false, Ordering::SeqCst);
}

#[test]
fn a_failed_sync_stops_admission_for_good_and_is_told_once() {
    for durability in [Durability::Process, Durability::Power] {
        let dir = tempfile::tempdir().expect("a folder");
        let told = Arc::new(AtomicU64::new(0));
        let (options, device) = options();
        let options = Options {
            durability,
            on_failure: Some(Arc::new({
                let told = told.clone();
                move |_: &StorageError| {
                    told.fetch_add(1, Ordering::SeqCst);
                }
            })),
            ..options
        };
        let journal = Journal::open(dir.path(), options).expect("opens");
        let writer = journal.writer(0);
        until("the opening is synced", || journal.stats().unsynced == 0);
        device.sync_fails.store(true, Ordering::SeqCst);
        let sent = writer.dispatched(&dispatched(1)).expect("is taken");
        until("it is told", || told.load(Ordering::SeqCst) == 1);
        if durability == Durability::Power {
            wait(sent).expect_err("was lost");
        }
        device.sync_fails.store(false, Ordering::SeqCst);
        assert!(matches!(
            journal.health(),
            Health::Failed(StorageError::Failed(_))
        ));
        let refused = writer
            .dispatched(&dispatched(2))
            .expect_err("nothing is admitted");
        assert!(refused.to_string().contains("took it back"), "{refused}");
        let ended = writer.closed(&exchange(1));
        assert!(!ended.is_durable());
        wait(ended).expect_err("may be lost");
        let mut tail = journal.tail(&[(0, 1)].into());
        assert!(tail.next_batch(10).expect("reads").is_empty());
        drop(journal);
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_write_that_fails_refuses_the_request_and_stops_admission() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    device.write_fails.store(true, Ordering::SeqCst);
    let refused = journal
        .writer(0)
        .dispatched(&dispatched(1))
        .expect_err("is refused");
    assert!(
        refused.to_string().contains("the disk is gone"),
        "{refused}"
    );
    device.write_fails.store(false, Ordering::SeqCst);
    journal
        .writer(0)
        .dispatched(&dispatched(2))
        .expect_err("until a restart");
    assert_eq!(journal.stats().open, 0);
}

#[test]
fn where_its_thread_falls_nothing_is_admitted_and_it_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    until("the opening is synced", || journal.stats().unsynced == 0);
    device.sync_panics.store(true, Ordering::SeqCst);
    drop(journal.writer(0).dispatched(&dispatched(1)));
    until("it is told", || {
        matches!(journal.health(), Health::Failed(_))
    });
    let refused = journal.writer(0).dispatched(&dispatched(2));
    refused.expect_err("nothing is admitted");
}

#[test]
fn after_closing_nothing_is_admitted_and_everything_is_synced() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, _) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    let writer = journal.writer(0);
    drop(writer.dispatched(&dispatched(1)).expect("is taken"));
    let mut tail = journal.tail(&Positions::new());
    drop(journal);
    assert_eq!(tail.next_batch(10).expect("reads").records.len(), 2);
    writer.dispatched(&dispatched(2)).expect_err("is closed");
}

#[test]
fn the_recorder_in_memory_remembers_and_refuses_as_told() {
    let memory = MemoryRecorder::default();
    drop(memory.dispatched(&dispatched(1)).expect("is taken"));
    assert_eq!(memory.open(), 1);
    assert!(memory.closed(&exchange(1)).is_durable());
    memory.refused(Box::new(exchange(2)));
    assert_eq!(
        (
            memory.open(),
            memory.closed_records(),
            memory.refused_records()
        ),
        (0, vec![exchange(1)], vec![exchange(2)])
    );
    memory.refuse(Some(StorageError::Failed("told so".into())));
    memory.dispatched(&dispatched(3)).expect_err("is refused");
}
