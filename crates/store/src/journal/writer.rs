//! A core's end of the journal: one `write(2)` a record.
//!
//! The lock of a stream is taken by its own core and, for moments, by the sync
//! thread; no file is synced, made or removed under it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use ulid::Ulid;

use super::Recorder;
use super::disk::Durability;
use super::error::{StorageError, no_room};
use super::frame::{FRAME_BYTES_MAX, HEAD};
use super::payload::{CLOSED, DISPATCHED, EXTENDED, put_dispatched, put_exchange, put_extended};
use super::receipt::Receipt;
use super::shared::{Lane, Shared};
use super::shorten::shortened;
use super::stream::Stream;
use crate::record::{Dispatched, Exchange, Extended};

/// Writes the records of one core.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Lane>,
}

impl Recorder for Writer {
    fn dispatched(&self, record: &Dispatched) -> Result<Receipt, StorageError> {
        self.admits()?;
        let mut stream = self.lane.stream.lock();
        let bytes = stream.encode(|out| put_dispatched(out, record));
        let closing = bytes.saturating_add(self.shared.options.headroom_bytes);
        self.fits(&stream, bytes, closing)?;
        let written = self.write(&mut stream, DISPATCHED, record.id);
        match written {
            Ok(sequence) => {
                stream.reserve(record.id, closing);
                Ok(self.written(stream, sequence))
            }
            Err(error) => {
                drop(stream);
                Err(self.refused_by_disk(&error))
            }
        }
    }

    fn extended(&self, record: &Extended) -> Result<Receipt, StorageError> {
        self.admits()?;
        let mut stream = self.lane.stream.lock();
        let bytes = stream.encode(|out| put_extended(out, record));
        // Its accounts are charged in the closing record too.
        let closing = if stream.is_open(record.id) { bytes } else { 0 };
        self.fits(&stream, bytes, closing)?;
        match self.write(&mut stream, EXTENDED, record.id) {
            Ok(sequence) => {
                if closing > 0 {
                    stream.reserve(record.id, closing);
                }
                Ok(self.written(stream, sequence))
            }
            Err(error) => {
                drop(stream);
                Err(self.refused_by_disk(&error))
            }
        }
    }

    fn closed(&self, record: &Exchange) -> Receipt {
        let mut stream = self.lane.stream.lock();
        let set_aside = stream.release(record.id);
        // All that is not set aside for others; at least what was set aside for this one.
        let free = stream.free().min(FRAME_BYTES_MAX);
        let bytes_max = set_aside.unwrap_or(free).min(free);
        let mut bytes = stream.encode(|out| put_exchange(out, record));
        if bytes > bytes_max {
            let payload_max = usize::try_from(bytes_max).unwrap_or(0);
            let short = shortened(record, payload_max.saturating_sub(HEAD));
            bytes = stream.encode(|out| put_exchange(out, &short));
        }
        let written = if bytes <= free {
            self.write(&mut stream, CLOSED, record.id)
        } else {
            Err(io::ErrorKind::StorageFull.into())
        };
        match written {
            Ok(sequence) => self.written(stream, sequence),
            Err(error) => {
                drop(stream);
                Receipt::lost(self.lost(&error, set_aside.is_some()))
            }
        }
    }

    fn refused(&self, record: Box<Exchange>) {
        let bytes = weight(&record);
        let options = &self.shared.options;
        {
            let mut refused = self.lane.refused.lock();
            if refused.bytes.saturating_add(bytes) > options.refused_bytes {
                drop(refused);
                self.lane.refused_dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            refused.bytes += bytes;
            refused.queue.push_back(record);
        }
        self.shared.stir();
    }
}

impl Writer {
    fn admits(&self) -> Result<(), StorageError> {
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// Whether a record fits together with what it makes necessary later.
    fn fits(&self, stream: &Stream, bytes: u64, closing: u64) -> Result<(), StorageError> {
        if bytes > FRAME_BYTES_MAX || closing > FRAME_BYTES_MAX {
            let headroom = self.shared.options.headroom_bytes;
            return Err(StorageError::TooLong {
                bytes,
                bytes_max: FRAME_BYTES_MAX.saturating_sub(headroom),
            });
        }
        if bytes.saturating_add(closing) <= stream.free() {
            return Ok(());
        }
        Err(StorageError::Full {
            dir: stream.place.dir.clone(),
        })
    }

    fn write(&self, stream: &mut Stream, kind: u8, id: Ulid) -> io::Result<u64> {
        let device = &*self.shared.options.device;
        stream.write(device, kind, id, self.lane.synced())
    }

    fn written(&self, mut stream: MutexGuard<'_, Stream>, sequence: u64) -> Receipt {
        let room = stream.is_low() && !stream.asked;
        stream.asked |= room;
        drop(stream);
        if room {
            self.shared.want(|wants| wants.room = true);
        }
        self.shared.stir();
        match self.shared.options.durability {
            Durability::Process => self.shared.failure().map_or(Receipt::safe(), Receipt::lost),
            Durability::Power => Receipt::waiting(self.lane.progress.subscribe(), sequence),
        }
    }

    /// A closing record that cannot be written. Of a dispatched request that is lost spend: the journal stops.
    fn lost(&self, error: &io::Error, dispatched: bool) -> StorageError {
        self.lane.lost.fetch_add(1, Ordering::Relaxed);
        let why = format!("a closing record could not be written: {error}");
        if dispatched {
            self.shared.fail(&why);
        }
        StorageError::Failed(why.into())
    }

    /// A write that failed inside preallocated room: for want of room, or because the disk is broken.
    fn refused_by_disk(&self, error: &io::Error) -> StorageError {
        if no_room(error) {
            return StorageError::Full {
                dir: self.lane.stream.lock().place.dir.clone(),
            };
        }
        let why = format!("a record could not be written: {error}");
        self.shared.fail(&why);
        StorageError::Failed(why.into())
    }
}

/// About how many bytes an exchange takes in memory.
pub(super) fn weight(record: &Exchange) -> usize {
    let losses = record
        .losses
        .iter()
        .map(|loss| loss.path.len() + loss.why.len() + 64);
    let attempts = record.attempts.iter().map(|attempt| {
        let raw = attempt.usage.raw.as_ref().map_or(0, |raw| raw.text().len());
        attempt.why.len() + raw + size_of_val(attempt)
    });
    size_of_val(record)
        + record.decision.len()
        + 128 * (record.charges.len() + record.who.tags.len())
        + losses.sum::<usize>()
        + attempts.sum::<usize>()
}
