//! A journal that ended anyhow goes on from its last whole record.

use std::fs::{self, OpenOptions};
use std::path::Path;

use store::journal::Journal;
use store::journal::{Options, Positions, Recorder};

use super::support::{all, copy, dispatched, exchange, ids, open, options, read, segments, until};

/// Writes a few records; the bytes that they take in the first segment.
fn written(dir: &Path) -> Vec<u8> {
    let journal = open(dir);
    let writer = journal.writer(0);
    for number in 1..=3 {
        drop(writer.dispatched(&dispatched(number)).expect("is taken"));
        drop(writer.closed(&exchange(number)));
    }
    drop((writer, journal));
    let bytes = fs::read(&segments(dir, 0)[0]).expect("reads");
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("is written")
        + 1;
    bytes[..end].to_vec()
}

/// Opens, checks that a prefix of what was written is there, and that it goes on from there.
fn goes_on(dir: &Path) -> usize {
    let journal = open(dir);
    let before = ids(&all(&journal));
    assert!([1, 1, 2, 2, 3, 3].starts_with(&before), "{before:?}");
    drop(
        journal
            .writer(0)
            .dispatched(&dispatched(9))
            .expect("is taken"),
    );
    drop(journal);
    let journal = open(dir);
    let records = all(&journal);
    assert_eq!(ids(&records), [&before[..], &[9]].concat());
    assert!(records.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(
        journal.mended(),
        [] as [String; 0],
        "nothing is left to mend"
    );
    before.len()
}

#[test]
fn it_goes_on_from_a_file_cut_at_any_byte() {
    let source = tempfile::tempdir().expect("a folder");
    let end = written(source.path()).len();
    let mut counts = Vec::new();
    for cut in 0..=end {
        let dir = tempfile::tempdir().expect("a folder");
        copy(source.path(), dir.path());
        let file = OpenOptions::new()
            .write(true)
            .open(&segments(dir.path(), 0)[0]);
        file.and_then(|file| file.set_len(cut as u64))
            .expect("is cut");
        counts.push(goes_on(dir.path()));
    }
    assert!(counts.is_sorted());
    assert_eq!(counts.last(), Some(&6));
}

#[test]
fn it_goes_on_from_a_write_torn_at_any_byte() {
    let source = tempfile::tempdir().expect("a folder");
    let bytes = written(source.path());
    let mut counts = Vec::new();
    for torn in 0..=bytes.len() {
        let dir = tempfile::tempdir().expect("a folder");
        copy(source.path(), dir.path());
        let mut torn = bytes[..torn].to_vec();
        torn.resize(256 << 10, 0);
        fs::write(&segments(dir.path(), 0)[0], torn).expect("is written");
        counts.push(goes_on(dir.path()));
    }
    assert!(counts.is_sorted());
    assert_eq!(counts.last(), Some(&6));
}

#[test]
fn segments_go_once_they_are_committed_and_not_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    let mut tail = journal.tail(&Positions::new());
    for number in 0..4000 {
        until("there is room", || {
            writer.dispatched(&dispatched(number)).is_ok()
        });
        drop(writer.closed(&exchange(number)));
    }
    let records = read(&mut tail, 8000);
    let many = segments(dir.path(), 0).len();
    assert!(many > 6, "{many} segments");

    let middle = records[4000].0.sequence;
    tail.committed(&[(0, middle)].into());
    until("old segments are removed", || {
        segments(dir.path(), 0).len() < many - 1
    });
    drop((writer, tail, journal));
    let journal = open(dir.path());
    let kept = all(&journal);
    assert!(
        kept[0].0.sequence <= middle + 1,
        "what is not committed is kept"
    );
    let mut tail = journal.tail(&[(0, middle)].into());
    assert_eq!(ids(&read(&mut tail, 3999)), ids(&records[4001..]));

    let last = records[7999].0.sequence;
    tail.committed(&[(0, last)].into());
    until("all but the last are removed", || {
        segments(dir.path(), 0).len() <= 2
    });
}

#[test]
fn a_ledger_that_is_ahead_never_meets_its_numbers_again() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(
        open(dir.path())
            .writer(0)
            .dispatched(&dispatched(1))
            .expect("is taken"),
    );
    let behind = Options {
        committed: [(0, 500)].into(),
        ..options().0
    };
    let journal = Journal::open(dir.path(), behind).expect("opens");
    drop(
        journal
            .writer(0)
            .dispatched(&dispatched(2))
            .expect("is taken"),
    );
    let mut tail = journal.tail(&[(0, 500)].into());
    let new = read(&mut tail, 1);
    assert_eq!((ids(&new), new[0].0.sequence), (vec![2], 502));
    drop((tail, journal));
    assert_eq!(
        ids(&all(&open(dir.path()))),
        [2],
        "what the ledger has is gone"
    );
}

#[test]
fn what_is_half_made_is_cleared_away() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path());
    let half = dir.path().join("0/000000000099.new");
    fs::write(&half, b"").expect("is written");
    assert_eq!(all(&open(dir.path())).len(), 6);
    assert!(!half.exists());
}

#[test]
fn a_segment_that_cannot_be_removed_leaves_no_gap_behind_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (options, device) = options();
    let journal = Journal::open(dir.path(), options.clone()).expect("opens");
    let writer = journal.writer(0);
    for number in 0..4000 {
        until("there is room", || {
            writer.dispatched(&dispatched(number)).is_ok()
        });
        drop(writer.closed(&exchange(number)));
    }
    let mut tail = journal.tail(&Positions::new());
    let last = read(&mut tail, 8000)[7999].0.sequence;
    *device.stays.lock() = Some("000000000003.seg");
    tail.committed(&[(0, last)].into());
    until("the first ones are removed", || {
        !dir.path().join("0/000000000002.seg").exists()
    });
    until("the journal has let go of them", || {
        tail.committed(&[(0, last)].into());
        journal.stats().bytes <= 3 * (256 << 10)
    });
    drop((writer, tail, journal));
    *device.stays.lock() = None;
    let committed = [(0, last)].into();
    let options = Options {
        committed,
        ..options
    };
    let journal = Journal::open(dir.path(), options).expect("opens");
    assert!(journal.mended().is_empty(), "{:?}", journal.mended());
}

#[test]
fn records_that_neither_journal_nor_ledger_has_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = open(dir.path());
    let writer = journal.writer(0);
    for number in 0..4000 {
        until("there is room", || {
            writer.dispatched(&dispatched(number)).is_ok()
        });
        drop(writer.closed(&exchange(number)));
    }
    let mut tail = journal.tail(&Positions::new());
    let last = read(&mut tail, 8000)[7999].0.sequence;
    tail.committed(&[(0, last)].into());
    until("old segments are removed", || {
        !dir.path().join("0/000000000001.seg").exists()
    });
    drop((writer, tail, journal));
    // A backup of the ledger is put in its place: it has less than it said.
    let older = Options {
        committed: [(0, 10)].into(),
        ..options().0
    };
    let journal = Journal::open(dir.path(), older).expect("opens");
    let [told] = journal.mended() else {
        panic!("{:?}", journal.mended());
    };
    assert!(told.contains("records 11 to "), "{told}");
}
