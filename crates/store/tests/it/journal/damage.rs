//! Damage is told and nothing is changed; a power cut's holes are closed.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use store::journal::Journal;
use store::journal::StorageError;
use store::journal::{Options, Positions, Recorder};

use super::support::{all, copy, dispatched, ids, open, options, read, segments};

/// Records with the disk asked after each; where each record begins, and all bytes.
fn written(dir: &Path) -> (Vec<usize>, Vec<u8>) {
    let journal = open(dir);
    let writer = journal.writer(0);
    let mut tail = journal.tail(&Positions::new());
    let mut starts = Vec::new();
    for number in 1..=5 {
        let bytes = fs::read(&segments(dir, 0)[0]).expect("reads");
        starts.push(
            bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .expect("is written")
                + 1,
        );
        drop(writer.dispatched(&dispatched(number)).expect("is taken"));
        read(&mut tail, 1);
    }
    drop((writer, journal));
    (starts, fs::read(&segments(dir, 0)[0]).expect("reads"))
}

#[test]
fn a_flipped_bit_is_told_and_costs_at_most_its_own_record() {
    let source = tempfile::tempdir().expect("a folder");
    let (starts, bytes) = written(source.path());
    let last = starts[4];
    for at in (0..last).step_by(3) {
        let dir = tempfile::tempdir().expect("a folder");
        copy(source.path(), dir.path());
        let segment = segments(dir.path(), 0)[0].clone();
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&segment, &flipped).expect("is written");

        let refused = Journal::open(dir.path(), options().0).expect_err("is damaged");
        let StorageError::Damaged { file, offset, .. } = &refused else {
            panic!("byte {at}: {refused}");
        };
        assert_eq!(file, &segment);
        assert!(*offset <= at as u64, "byte {at}: {refused}");
        assert!(refused.to_string().contains("docs/journal.md"));
        assert!(
            fs::read(&segment).expect("reads") == flipped,
            "byte {at}: was changed"
        );

        let skipping = Options {
            skip_damage: true,
            ..options().0
        };
        let journal = Journal::open(dir.path(), skipping).expect("goes on");
        assert!(!journal.mended().is_empty());
        let found = ids(&all(&journal));
        assert!(
            found.len() >= 4 && found.is_sorted(),
            "byte {at}: {found:?}"
        );
        drop(journal);
        assert_eq!(ids(&all(&open(dir.path()))), found, "it is mended for good");
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_is_a_torn_tail() {
    let source = tempfile::tempdir().expect("a folder");
    let (starts, bytes) = written(source.path());
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("is written")
        + 1;
    for at in starts[4]..end {
        let dir = tempfile::tempdir().expect("a folder");
        copy(source.path(), dir.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&segments(dir.path(), 0)[0], &flipped).expect("is written");
        assert_eq!(ids(&all(&open(dir.path()))), [1, 2, 3, 4], "byte {at}");
    }
}

#[test]
fn a_hole_that_the_disk_never_had_is_closed_and_later_records_stay() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options).expect("opens");
    read(&mut journal.tail(&Positions::new()), 0);
    device.sync_waits.store(true, Ordering::SeqCst);
    let segment = segments(dir.path(), 0)[0].clone();
    let mut starts = Vec::new();
    for number in 1..=4 {
        let bytes = fs::read(&segment).expect("reads");
        starts.push(
            bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .expect("is written")
                + 1,
        );
        drop(
            journal
                .writer(0)
                .dispatched(&dispatched(number))
                .expect("is taken"),
        );
    }
    let mut bytes = fs::read(&segment).expect("reads");
    bytes[starts[1]..starts[2]].fill(0);
    device.sync_waits.store(false, Ordering::SeqCst);
    drop(journal);
    fs::write(&segment, &bytes).expect("is written");

    let journal = open(dir.path());
    assert_eq!(journal.mended().len(), 1, "{:?}", journal.mended());
    let records = all(&journal);
    assert_eq!(ids(&records), [1, 3, 4]);
    let numbers: Vec<_> = records.iter().map(|(at, _)| at.sequence).collect();
    assert_eq!(numbers, [2, 4, 5], "the gap is visible");
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(journal.mended(), [] as [String; 0]);
    assert_eq!(ids(&all(&journal)), [1, 3, 4]);
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    let mut tail = journal.tail(&Positions::new());
    for number in 0..4000 {
        super::support::until("there is room", || {
            writer.dispatched(&dispatched(number)).is_ok()
        });
        drop(writer.closed(&super::support::exchange(number)));
        if number % 100 == 0 {
            read(&mut tail, 1);
        }
    }
    drop((writer, tail, journal));
    fs::remove_file(&segments(dir.path(), 0)[1]).expect("is removed");
    let refused = Journal::open(dir.path(), options().0).expect_err("is damaged");
    let third = segments(dir.path(), 0)[1].clone();
    assert!(
        matches!(&refused, StorageError::Damaged { file, .. } if *file == third),
        "{refused}"
    );
}

#[test]
fn a_later_format_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_, mut bytes) = written(dir.path());
    bytes[8] = 2;
    let check = crc32c::crc32c(&bytes[..36]);
    bytes[36..40].copy_from_slice(&check.to_le_bytes());
    fs::write(&segments(dir.path(), 0)[0], &bytes).expect("is written");
    let refused = Journal::open(dir.path(), options().0).expect_err("is newer");
    assert!(matches!(refused, StorageError::Newer { .. }), "{refused}");
}

#[test]
fn a_record_that_cannot_be_understood_is_told_and_can_be_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let (starts, mut bytes) = written(dir.path());
    // The third record says that it holds of 127 accounts and tells of one; its check sum agrees.
    let (from, to) = (starts[2], starts[3]);
    let count = to - 32;
    assert_eq!(bytes[count], 1);
    bytes[count] = 0x7f;
    let check = crc32c::crc32c_append(crc32c::crc32c(&bytes[from..from + 4]), &bytes[from + 8..to]);
    bytes[from + 4..from + 8].copy_from_slice(&check.to_le_bytes());
    fs::write(&segments(dir.path(), 0)[0], &bytes).expect("is written");
    let refused = Journal::open(dir.path(), options().0).expect_err("is damaged");
    assert!(
        matches!(&refused, StorageError::Damaged { offset, .. } if *offset == from as u64),
        "{refused}"
    );
    let skipping = Options {
        skip_damage: true,
        ..options().0
    };
    let journal = Journal::open(dir.path(), skipping).expect("goes on");
    assert_eq!(ids(&all(&journal)), [1, 2, 4, 5]);
}
