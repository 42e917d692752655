//! Records to write, a device that fails on command, and a reader with patience.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy::caller::Attribution;
use policy::limit::Resource;
use policy::money::Nanos;
use store::journal::Journal;
use store::journal::{Device, Options, Position, Positions, Tail};
use store::record::{Dispatched, Exchange, Held, Record, State};
use ulid::Ulid;

/// Far above what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is yes.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: took too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A device in memory's speed: no sync reaches the disk, and faults happen on command.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) full: AtomicBool,
    pub(crate) write_fails: AtomicBool,
    pub(crate) sync_fails: AtomicBool,
    pub(crate) sync_waits: AtomicBool,
    pub(crate) sync_panics: AtomicBool,
    /// What cannot be removed: a path that ends so.
    pub(crate) stays: Mutex<Option<&'static str>>,
}

impl Device for Fake {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.set_len(bytes)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.write_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        until("the sync is let through", || {
            !self.sync_waits.load(Ordering::SeqCst)
        });
        assert!(
            !self.sync_panics.load(Ordering::SeqCst),
            "the sync was told to panic"
        );
        match self.sync_fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk took it back")),
            false => Ok(()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match *self.stays.lock() {
            Some(stays) if path.ends_with(stays) => Err(io::Error::other("it stays")),
            Some(_) | None => fs::remove_file(path),
        }
    }
}

/// Small and quick, on a device that can be told to fail.
pub(crate) fn options() -> (Options, Arc<Fake>) {
    let device = Arc::new(Fake::default());
    let options = Options {
        segment_bytes: 256 << 10,
        sync_every: Duration::ZERO,
        device: device.clone(),
        ..Options::default()
    };
    (options, device)
}

pub(crate) fn open(dir: &Path) -> Journal {
    Journal::open(dir, options().0).expect("the journal opens")
}

pub(crate) fn held(amount: i64) -> Held {
    Held {
        limit: "team-month".into(),
        bucket: "research".into(),
        resource: Resource::Money,
        window_ms: 1_760_000_000_000,
        amount,
    }
}

pub(crate) fn dispatched(number: u128) -> Dispatched {
    Dispatched {
        id: Ulid(number),
        at_ms: 1_760_000_000_123,
        who: Attribution {
            key: "helpdesk".into(),
            team: Some("research".into()),
            tags: vec![("purpose".into(), "answers".into())],
            ..Attribution::default()
        },
        model: "fast".into(),
        target: "openai/gpt-5-mini".into(),
        config_revision: "0f3a".into(),
        held: Nanos(1_500_000),
        holds: vec![held(1_500_000)],
    }
}

pub(crate) fn exchange(number: u128) -> Exchange {
    Exchange {
        id: Ulid(number),
        at_ms: 1_760_000_000_123,
        state: State::Settled,
        who: dispatched(number).who,
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        status: 200,
        outcome: "answered".into(),
        cost: Nanos(1_234),
        charges: vec![held(1_234)],
        decision: "{\"order\":[\"openai/gpt-5-mini\"]}".to_owned(),
        first_us: 9,
        ..Exchange::default()
    }
}

/// Reads until `enough`, and gives all records but the openings.
pub(crate) fn read(tail: &mut Tail, enough: usize) -> Vec<(Position, Record)> {
    let mut records = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while records.len() < enough {
        assert!(
            Instant::now() < deadline,
            "read {} of {enough}",
            records.len()
        );
        tail.wait(Duration::from_millis(100));
        let batch = tail.next_batch(100).expect("the tail reads");
        let given = batch.records.into_iter();
        records.extend(given.filter(|(_, record)| !matches!(record, Record::Opened(_))));
    }
    records
}

/// All that a freshly opened journal has, but the openings.
pub(crate) fn all(journal: &Journal) -> Vec<(Position, Record)> {
    let mut tail = journal.tail(&Positions::new());
    let mut records = Vec::new();
    loop {
        let batch = tail.next_batch(1000).expect("the tail reads");
        if batch.is_empty() {
            return records;
        }
        let given = batch.records.into_iter();
        records.extend(given.filter(|(_, record)| !matches!(record, Record::Opened(_))));
    }
}

pub(crate) fn ids(records: &[(Position, Record)]) -> Vec<u128> {
    records.iter().map(|(_, record)| record.id().0).collect()
}

/// The segments of a writer, oldest first.
pub(crate) fn segments(dir: &Path, writer: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(writer.to_string())).expect("the folder is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

/// A copy of a journal whose segments are small.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            fs::create_dir_all(to.join(name)).expect("a folder is made");
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a file is copied");
        }
    }
}
