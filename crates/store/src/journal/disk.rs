//! The journal on disk: opening it, and how it stands.
//!
//! One folder a writer, each with preallocated segments. That only one process has
//! the directory is held by the data directory's lock, not here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use ulid::Ulid;

use super::device::{Device, SystemDevice, create_dir};
use super::error::StorageError;
use super::frame::FRAME_BYTES_MAX;
use super::payload::{OPENED, put_opened};
use super::receipt::Progress;
use super::recover::{Recovered, recover};
use super::shared::{Lane, Refused, Shared};
use super::stream::{Place, Stream};
use super::sync::{self, open_spare, provide};
use super::tail::{Positions, Tail};
use super::writer::Writer;
use crate::record::Opened;

/// The smallest segment.
const SEGMENT_BYTES_MIN: u64 = 4 * FRAME_BYTES_MAX;
/// The largest: one is read whole at a start.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// What a closing record needs beside what its dispatch had.
const HEADROOM_BYTES_MIN: u64 = 2048;

/// From which loss a record is safe once its receipt says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The process's death.
    #[default]
    Process,
    /// The machine's loss of power.
    Power,
}

/// What is told of a failure.
pub type OnFailure = Arc<dyn Fn(&StorageError) + Send + Sync>;

/// How a journal is kept.
#[derive(Clone)]
pub struct Options {
    /// Writers, one a core.
    pub writers: u32,
    /// From which loss a record is safe.
    pub durability: Durability,
    /// Bytes of a segment, 256 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// The longest that a record is not on the disk, with [`Durability::Process`].
    pub sync_every: Duration,
    /// Bytes set aside for a closing record beside those that its dispatch took; it is cut to that.
    pub headroom_bytes: u64,
    /// Bytes of refused exchanges that each writer keeps for the tail.
    pub refused_bytes: usize,
    /// The time, in milliseconds since 1970.
    pub at_ms: i64,
    /// What the ledger has committed of each writer: no sequence up to it is given again.
    pub committed: Positions,
    /// Goes on without records that are damaged, instead of refusing to open.
    pub skip_damage: bool,
    /// Told once, and from any thread, when the disk took a write back: the process is to stop.
    pub on_failure: Option<OnFailure>,
    /// The file operations.
    pub device: Arc<dyn Device>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            writers: 1,
            durability: Durability::Process,
            segment_bytes: 16 << 20,
            sync_every: Duration::from_millis(100),
            headroom_bytes: 8 << 10,
            refused_bytes: 4 << 20,
            at_ms: 0,
            committed: Positions::new(),
            skip_damage: false,
            on_failure: None,
            device: Arc::new(SystemDevice),
        }
    }
}

/// How the journal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Good,
    /// The next segment cannot be made; requests are admitted as long as what is there lasts.
    Full,
    /// Nothing is admitted until a restart.
    Failed(StorageError),
}

/// Figures for metrics and pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that its segments take on the disk.
    pub bytes: u64,
    /// Bytes that are neither written nor set aside for open requests, of the writer that has the least.
    pub free_bytes_min: u64,
    /// Requests dispatched by this process and not closed.
    pub open: u64,
    /// Records written that the disk may not have yet.
    pub unsynced: u64,
    /// Refused exchanges that were dropped, since the tail's reader was behind.
    pub refused_dropped: u64,
    /// Closing records that could not be kept.
    pub closed_lost: u64,
    /// How it stands.
    pub health: Health,
}

/// The journal of one data directory. Dropping it syncs once more and ends its thread.
pub struct Journal {
    shared: Arc<Shared>,
    writers: Vec<Arc<Writer>>,
    first: Arc<Writer>,
    epoch: u64,
    boundaries: Positions,
    mended: Vec<String>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal in a folder, making what is not there, and starts its thread.
    ///
    /// # Errors
    /// [`StorageError`]: damage, a later format, no room for a first segment, or what the system refused.
    pub fn open(dir: &Path, options: Options) -> Result<Self, StorageError> {
        check(&options)?;
        create_dir(dir).map_err(StorageError::io("create", dir))?;
        let mut found = Vec::new();
        for writer in writers_in(dir)?
            .into_iter()
            .chain(0..options.writers)
            .collect::<BTreeSet<_>>()
        {
            let dir = dir.join(writer.to_string());
            create_dir(&dir).map_err(StorageError::io("create", &dir))?;
            let recovered = recover(&dir, writer, &*options.device, options.skip_damage)?;
            found.push((writer, dir, recovered));
        }
        let before = found.iter().map(|(_, _, recovered)| recovered.epoch).max();
        let epoch = before.unwrap_or(0).saturating_add(1);
        let (mut lanes, mut boundaries, mut mended) = (Vec::new(), Positions::new(), Vec::new());
        for (writer, dir, mut recovered) in found {
            mended.append(&mut recovered.mended);
            mended.extend(passed_over(writer, &recovered, &options.committed));
            let place = Place {
                dir,
                writer,
                epoch,
                segment_bytes: options.segment_bytes,
                active: writer < options.writers,
            };
            let stream = stream(place, recovered, &options)?;
            boundaries.insert(writer, stream.next);
            lanes.push(Arc::new(lane(stream, &options)));
        }
        let shared = Arc::new(Shared::new(options, lanes));
        begin(&shared, epoch)?;
        let writers: Vec<Arc<Writer>> = shared
            .lanes
            .iter()
            .map(|lane| writer(&shared, lane))
            .collect();
        let first = writers.first().cloned();
        let first = first.ok_or_else(|| StorageError::Setting("there is no writer".to_owned()))?;
        let thread = std::thread::Builder::new().name("journal-sync".to_owned());
        let theirs = Arc::clone(&shared);
        let thread = thread.spawn(move || sync::run(&theirs));
        let thread = thread.map_err(StorageError::io("start a thread for", dir))?;
        Ok(Journal {
            shared,
            writers,
            first,
            epoch,
            boundaries,
            mended,
            thread: Some(thread),
        })
    }

    /// The writer of a core; cores beyond the number of writers share them.
    #[must_use]
    pub fn writer(&self, core: usize) -> Arc<Writer> {
        let writers = usize::try_from(self.shared.options.writers).unwrap_or(1);
        let own = self.writers.get(core % writers.max(1));
        Arc::clone(own.unwrap_or(&self.first))
    }

    /// Reads all records after these, of all streams; all that there are where a writer is not named.
    #[must_use]
    pub fn tail(&self, after: &Positions) -> Tail {
        Tail::new(Arc::clone(&self.shared), after)
    }

    /// How many processes have opened this journal, this one included.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The first sequence of each stream that is this process's own. What was dispatched
    /// before it and has no closing record belongs to a process that died.
    #[must_use]
    pub fn boundaries(&self) -> &Positions {
        &self.boundaries
    }

    /// What was mended when it was opened, and what is missing, for the log.
    #[must_use]
    pub fn mended(&self) -> &[String] {
        &self.mended
    }

    /// How it stands.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.shared.failure() {
            Some(error) => Health::Failed(error),
            None if self.shared.full.load(Ordering::Relaxed) => Health::Full,
            None => Health::Good,
        }
    }

    /// Waits until the disk has all that is written: whether it has. For the end, when nothing
    /// writes any more: the tail gives only what the disk has.
    #[must_use]
    pub fn is_kept_within(&self, timeout: Duration) -> bool {
        self.shared.want(|wants| wants.sync = true);
        self.shared
            .wait_round(timeout, || self.stats().unsynced == 0)
    }

    /// Figures for metrics and pages.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            bytes: 0,
            free_bytes_min: u64::MAX,
            open: 0,
            unsynced: 0,
            refused_dropped: 0,
            closed_lost: 0,
            health: self.health(),
        };
        for lane in &self.shared.lanes {
            let stream = lane.stream.lock();
            stats.bytes += stream.bytes();
            stats.open += stream.open_requests();
            stats.unsynced += stream.next.saturating_sub(1).saturating_sub(lane.synced());
            if stream.place.active {
                stats.free_bytes_min = stats.free_bytes_min.min(stream.free());
            }
            drop(stream);
            stats.refused_dropped += lane.refused_dropped.load(Ordering::Relaxed);
            stats.closed_lost += lane.lost.load(Ordering::Relaxed);
        }
        stats
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.want(|wants| wants.stop = true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to sync.
            let _ = thread.join();
        }
    }
}

fn check(options: &Options) -> Result<(), StorageError> {
    let wrong = |what: &str, from: u64, to: u64| {
        Err(StorageError::Setting(format!(
            "{what} is from {from} to {to}"
        )))
    };
    if options.writers == 0 {
        return wrong("writers", 1, u64::from(u32::MAX));
    }
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&options.segment_bytes) {
        return wrong("segment_bytes", SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    }
    if !(HEADROOM_BYTES_MIN..=FRAME_BYTES_MAX / 2).contains(&options.headroom_bytes) {
        return wrong("headroom_bytes", HEADROOM_BYTES_MIN, FRAME_BYTES_MAX / 2);
    }
    Ok(())
}

/// The folders whose names are numbers.
fn writers_in(dir: &Path) -> Result<Vec<u32>, StorageError> {
    let entries = std::fs::read_dir(dir).map_err(StorageError::io("list", dir))?;
    let mut writers = Vec::new();
    for entry in entries {
        let name = entry.map_err(StorageError::io("list", dir))?.file_name();
        writers.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(writers)
}

/// Records that were removed here, since a ledger had them, and that this ledger does not have.
fn passed_over(writer: u32, found: &Recovered, committed: &Positions) -> Option<String> {
    let next = committed
        .get(&writer)
        .map_or(1, |last| last.saturating_add(1));
    let first = found.segments.front()?.first;
    (first > next).then(|| {
        format!(
            "writer {writer}: records {next} to {} are neither here nor in the ledger, which is an \
             older copy of the one that had them; compare it with the providers' usage",
            first.saturating_sub(1)
        )
    })
}

/// The writing end of what was found.
fn stream(place: Place, found: Recovered, options: &Options) -> Result<Stream, StorageError> {
    let active = place.active;
    let committed = options.committed.get(&place.writer).copied().unwrap_or(0);
    let jumps = found.next <= committed;
    let next = if jumps {
        committed.saturating_add(1)
    } else {
        found.next
    };
    let mut stream = Stream::new(place, found.segments, next);
    stream.jumps = jumps;
    stream.next_ordinal = found.next_ordinal;
    if let Some(last) = stream.segments.back_mut() {
        let file = std::fs::OpenOptions::new().write(true).open(&last.path);
        let file = file.map_err(StorageError::io("open", &last.path))?;
        // All that a dead process wrote is made safe before any of it counts as synced.
        options
            .device
            .sync(&file)
            .map_err(StorageError::io("sync", &last.path))?;
        last.file = Some(Arc::new(file));
        if jumps {
            last.capacity = last.end;
        }
    }
    sync_sealed(&stream, options)?;
    for path in found.blanks {
        let spare = open_spare(path)?;
        if active && spare.capacity == stream.place.segment_bytes {
            stream.add_spare(spare);
        } else {
            let path: PathBuf = spare.path;
            options
                .device
                .remove(&path)
                .map_err(StorageError::io("remove", &path))?;
        }
    }
    Ok(stream)
}

/// Syncs the segment before the last one too: it may have been sealed within the last moments.
fn sync_sealed(stream: &Stream, options: &Options) -> Result<(), StorageError> {
    for segment in stream.segments.iter().rev().skip(1) {
        let file = std::fs::OpenOptions::new().write(true).open(&segment.path);
        let file = file.map_err(StorageError::io("open", &segment.path))?;
        options
            .device
            .sync(&file)
            .map_err(StorageError::io("sync", &segment.path))?;
    }
    Ok(())
}

fn lane(stream: Stream, options: &Options) -> Lane {
    let writer = stream.place.writer;
    let synced = stream.next.saturating_sub(1);
    let committed = options.committed.get(&writer).copied().unwrap_or(0);
    let progress = Progress {
        synced,
        failed: None,
    };
    Lane {
        writer,
        stream: Mutex::new(stream),
        synced: AtomicU64::new(synced),
        progress: watch::Sender::new(progress),
        committed: AtomicU64::new(committed),
        refused: Mutex::new(Refused::default()),
        refused_dropped: AtomicU64::new(0),
        lost: AtomicU64::new(0),
    }
}

fn writer(shared: &Arc<Shared>, lane: &Arc<Lane>) -> Arc<Writer> {
    Arc::new(Writer {
        shared: Arc::clone(shared),
        lane: Arc::clone(lane),
    })
}

/// Makes room in every stream of this process and writes into each that it was opened.
fn begin(shared: &Shared, epoch: u64) -> Result<(), StorageError> {
    let at_ms = shared.options.at_ms;
    for lane in &shared.lanes {
        if !lane.stream.lock().place.active {
            continue;
        }
        let provided = provide(shared, &lane.stream);
        let mut stream = lane.stream.lock();
        let bytes = stream.encode(|out| put_opened(out, Opened { epoch, at_ms }));
        match provided {
            Err(error) if stream.free() < bytes => return Err(error),
            Err(_) => shared.full.store(true, Ordering::Relaxed),
            Ok(()) => {}
        }
        let device = &*shared.options.device;
        let path = stream.place.dir.clone();
        stream
            .write(device, OPENED, Ulid::nil(), lane.synced())
            .map_err(StorageError::io("write in", &path))?;
        drop(stream);
        shared.stir();
    }
    Ok(())
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
