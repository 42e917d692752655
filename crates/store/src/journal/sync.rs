//! The journal's own thread: syncs, makes segments ahead of need, removes them when they are done with.
//!
//! It sleeps while nothing is written. It never waits for the tail's reader.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::disk::Durability;
use super::error::{StorageError, no_room};
use super::shared::{Lane, Shared, Wants};
use super::stream::{Spare, Stream};

/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Segments made for one stream in one go; more are made in the next.
const SPARES_AT_ONCE: usize = 16;

/// Runs until the journal is closed or the disk fails.
pub(super) fn run(shared: &Shared) {
    let _watch = Watch(shared);
    let every = match shared.options.durability {
        Durability::Process => shared.options.sync_every,
        Durability::Power => Duration::ZERO,
    };
    let mut due: Option<Instant> = None;
    let mut retry = full_until(shared);
    let mut synced_at = Instant::now().checked_sub(every);
    loop {
        let wants = sleep(shared, due.into_iter().chain(retry).min());
        if wants.room || retry.is_some_and(|retry| retry <= Instant::now()) {
            maintain(shared);
            retry = full_until(shared);
        }
        if wants.sync && due.is_none() {
            due = Some(synced_at.map_or_else(Instant::now, |at| at + every));
        }
        if wants.stop || due.is_some_and(|due| due <= Instant::now()) {
            due = None;
            synced_at = Some(Instant::now());
            if !sync(shared) {
                return;
            }
        }
        if wants.stop {
            shared.fail("the journal is closed");
            return;
        }
    }
}

/// Stops the journal where its thread falls: nothing would be synced any more, and nobody told.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("its thread has fallen");
        }
    }
}

/// When a full disk is tried again.
fn full_until(shared: &Shared) -> Option<Instant> {
    let full = shared.full.load(Ordering::Relaxed);
    full.then(|| Instant::now() + RETRY)
}

/// Sleeps until something is asked for, or until then.
fn sleep(shared: &Shared, until: Option<Instant>) -> Wants {
    let mut wants = shared.wants.lock();
    let idle = |wants: &mut Wants| !(wants.sync || wants.room || wants.stop);
    match until {
        None => shared.asked.wait_while(&mut wants, idle),
        Some(until) => {
            let timeout = until.saturating_duration_since(Instant::now());
            shared.asked.wait_while_for(&mut wants, idle, timeout);
        }
    }
    std::mem::take(&mut *wants)
}

/// Syncs every stream that was written to, and tells who waits; false once the disk has failed.
fn sync(shared: &Shared) -> bool {
    // Before the files are looked at: what is written after asks again.
    shared.stirred.store(false, Ordering::Release);
    for lane in &shared.lanes {
        if let Err(error) = sync_lane(shared, lane) {
            shared.fail(&format!(
                "writer {}: a sync failed, so records may be lost: {error}",
                lane.writer
            ));
            return false;
        }
    }
    shared.end_round();
    true
}

fn sync_lane(shared: &Shared, lane: &Lane) -> std::io::Result<()> {
    let (files, sequence) = lane.stream.lock().take_unsynced();
    if sequence <= lane.synced() {
        return Ok(());
    }
    for file in &files {
        shared.options.device.sync(file)?;
    }
    lane.synced.store(sequence, Ordering::Release);
    lane.progress
        .send_modify(|progress| progress.synced = sequence);
    Ok(())
}

/// Removes what is done with and makes what is needed next.
fn maintain(shared: &Shared) {
    let mut full = false;
    for lane in &shared.lanes {
        let done = lane
            .stream
            .lock()
            .take_done(lane.committed.load(Ordering::Acquire));
        // From the oldest on, and none behind one that stays: a gap would look like damage. What
        // stays is read again at the next start, and found committed.
        let _ = done
            .iter()
            .try_for_each(|path| shared.options.device.remove(path));
        full |= provide(shared, &lane.stream).is_err();
    }
    shared.full.store(full, Ordering::Relaxed);
}

/// Makes segments until there is room enough.
pub(super) fn provide(
    shared: &Shared,
    stream: &parking_lot::Mutex<Stream>,
) -> Result<(), StorageError> {
    let device = &*shared.options.device;
    for _ in 0..SPARES_AT_ONCE {
        let (path, bytes) = {
            let mut stream = stream.lock();
            if !stream.is_low() {
                stream.asked = false;
                return Ok(());
            }
            (stream.next_path(), stream.place.segment_bytes)
        };
        device.create(&path, bytes).map_err(|error| {
            if no_room(&error) {
                let dir = stream.lock().place.dir.clone();
                return StorageError::Full { dir };
            }
            StorageError::io("preallocate", &path)(error)
        })?;
        let spare = open_spare(path)?;
        stream.lock().add_spare(spare);
    }
    stream.lock().asked = false;
    Ok(())
}

pub(super) fn open_spare(path: std::path::PathBuf) -> Result<Spare, StorageError> {
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(StorageError::io("open", &path))?;
    let capacity = file
        .metadata()
        .map_err(StorageError::io("measure", &path))?
        .len();
    Ok(Spare {
        path,
        capacity,
        file: Arc::new(file),
    })
}
