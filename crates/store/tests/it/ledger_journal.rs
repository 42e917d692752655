//! Journal and ledger together, over the death of a process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use policy::money::Nanos;
use store::journal::Recorder as _;
use store::journal::{Journal, Options};
use store::ledger::{Ledger, LedgerWriter, Recovered};

use super::ledger_kit::*;

#[test]
fn what_the_journal_has_is_in_the_ledger_once_and_what_never_closed_is_presumed() {
    let dir = tempfile::tempdir().unwrap();
    let journal_dir = dir.path().join("journal");
    let open = |writer: &LedgerWriter| {
        let committed = writer.positions().clone();
        Journal::open(
            &journal_dir,
            Options {
                committed,
                ..Options::default()
            },
        )
        .unwrap()
    };

    let mut writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let journal = open(&writer);
    let mut tail = journal.tail(writer.positions());
    writer.recover(&mut tail).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| writer.run(&mut tail, &stop));
        let road = journal.writer(0);
        for n in 0..50 {
            let _ = road.dispatched(&dispatched(n, MARCH)).unwrap();
            if n % 10 != 9 {
                let _ = road.closed(&closed(n, MARCH));
            }
        }
        let main = dir.path().join(store::sqlite::MAIN_FILE);
        let began = Instant::now();
        while value::<i64>(&main, "SELECT count(*) FROM entries") < 45
            && began.elapsed().as_secs() < 60
        {
            std::thread::yield_now();
        }
        // Written to the journal, and gone before the ledger looks.
        stop.store(true, Ordering::Release);
        assert!(running.join().unwrap().all_written);
        let _ = road.closed(&closed(9, MARCH));
    });
    drop((tail, journal));

    let mut writer = LedgerWriter::open(dir.path(), quick()).unwrap();
    let journal = open(&writer);
    let mut tail = journal.tail(writer.positions());
    let Recovered { presumed, .. } = writer.recover(&mut tail).unwrap();
    assert_eq!(presumed, 4);
    let ledger = Ledger::open(dir.path()).unwrap();
    let total = ledger
        .spend(&operator(), &Default::default())
        .unwrap()
        .total;
    let settled: i64 = (0..50)
        .filter(|n| n % 10 != 9 || *n == 9)
        .map(|n| 1_000 + n)
        .sum();
    assert_eq!(
        (total.requests, total.cost),
        (50, Nanos(settled + 4 * 5_000_000))
    );
}
