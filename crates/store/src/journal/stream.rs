//! One writer's segments: where the next record goes, and whether there is room for it.
//!
//! Room is counted so that it is never promised twice: what is *reserved* for the
//! closing records of open requests is at every moment at most what is preallocated.
//! The last [`FRAME_BYTES_MAX`] bytes of each segment do not count, since a frame that does
//! not fit there goes to the next one.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ulid::Ulid;

use super::device::Device;
use super::frame::{FRAME_BYTES_MAX, HEAD, HEADER, Header, seal};

/// A segment that has records.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
    /// Sequence of its first record.
    pub(super) first: u64,
    /// Where its records end.
    pub(super) end: u64,
    /// Open while it is written to.
    pub(super) file: Option<Arc<File>>,
}

/// A preallocated segment without records.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
    pub(super) file: Arc<File>,
}

/// What the segments of a stream are called and how large they are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) writer: u32,
    pub(super) epoch: u64,
    pub(super) segment_bytes: u64,
    /// Whether this process writes here; else the stream is only read.
    pub(super) active: bool,
}

/// The writing end of a stream.
pub(super) struct Stream {
    pub(super) place: Place,
    /// Oldest first; the last one is written to.
    pub(super) segments: VecDeque<Segment>,
    pub(super) spares: VecDeque<Spare>,
    pub(super) next_ordinal: u64,
    /// Sequence of the next record.
    pub(super) next: u64,
    /// Whether sequences before the next record are known to be missing.
    pub(super) jumps: bool,
    /// Bytes set aside for each open request.
    open: HashMap<Ulid, u64>,
    reserved: u64,
    spare_room: u64,
    unsynced: Vec<Arc<File>>,
    buffer: Vec<u8>,
    /// Whether the sync thread knows that room is low.
    pub(super) asked: bool,
}

impl Stream {
    pub(super) fn new(place: Place, segments: VecDeque<Segment>, next: u64) -> Self {
        Stream {
            place,
            segments,
            spares: VecDeque::new(),
            next_ordinal: 1,
            next,
            jumps: false,
            open: HashMap::new(),
            reserved: 0,
            spare_room: 0,
            unsynced: Vec::new(),
            buffer: Vec::new(),
            asked: false,
        }
    }

    /// Bytes that any records may fill from here on.
    pub(super) fn room(&self) -> u64 {
        let current = self.segments.back();
        let left = current.map_or(0, |current| room_of(current.capacity, current.end));
        left.saturating_add(self.spare_room)
    }

    /// Bytes that are not set aside for anyone.
    pub(super) fn free(&self) -> u64 {
        self.room().saturating_sub(self.reserved)
    }

    /// Whether the next segment should be preallocated now.
    pub(super) fn is_low(&self) -> bool {
        self.place.active && (self.spares.is_empty() || self.free() < self.place.segment_bytes / 2)
    }

    pub(super) fn open_requests(&self) -> u64 {
        self.open.len() as u64
    }

    pub(super) fn add_spare(&mut self, spare: Spare) {
        self.spare_room += room_of(spare.capacity, HEADER as u64);
        self.spares.push_back(spare);
    }

    /// Encodes a record; the bytes of its frame.
    pub(super) fn encode(&mut self, payload: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.buffer.clear();
        self.buffer.resize(HEADER + HEAD, 0);
        payload(&mut self.buffer);
        self.frame_bytes()
    }

    fn frame_bytes(&self) -> u64 {
        self.buffer.len().saturating_sub(HEADER) as u64
    }

    /// Writes the record that was encoded last; its sequence.
    ///
    /// Its bytes are to be within [`Stream::room`]: then there is a place for it.
    pub(super) fn write(
        &mut self,
        device: &dyn Device,
        kind: u8,
        id: Ulid,
        synced: u64,
    ) -> io::Result<u64> {
        let bytes = self.frame_bytes();
        let frame = self.buffer.get_mut(HEADER..).unwrap_or_default();
        seal(frame, self.next, synced, kind, id);
        let current = self.segments.back_mut();
        let current = current.filter(|current| current.capacity - current.end >= bytes);
        match current.and_then(|segment| Some((segment.file.as_ref()?, &mut segment.end))) {
            Some((file, end)) => {
                device.write_at(file, frame, *end)?;
                *end += bytes;
            }
            None => self.rotate(device)?,
        }
        let sequence = self.next;
        self.next += 1;
        Ok(sequence)
    }

    /// Writes header and record into the next spare, in one go.
    fn rotate(&mut self, device: &dyn Device) -> io::Result<()> {
        let Some(spare) = self.spares.front() else {
            return Err(io::ErrorKind::StorageFull.into());
        };
        let header = Header {
            writer: self.place.writer,
            first: self.next,
            epoch: self.place.epoch,
            jumps: self.jumps,
        };
        if let Some(place) = self.buffer.first_chunk_mut() {
            *place = header.bytes();
        }
        device.write_at(&spare.file, &self.buffer, 0)?;
        if let Some(done) = self.segments.back_mut() {
            self.unsynced.extend(done.file.take());
        }
        if let Some(spare) = self.spares.pop_front() {
            self.spare_room -= room_of(spare.capacity, HEADER as u64);
            self.segments.push_back(Segment {
                path: spare.path,
                capacity: spare.capacity,
                first: self.next,
                end: self.buffer.len() as u64,
                file: Some(spare.file),
            });
        }
        self.jumps = false;
        Ok(())
    }

    /// Sets bytes aside for what must be written of a request later.
    pub(super) fn reserve(&mut self, id: Ulid, bytes: u64) {
        *self.open.entry(id).or_default() += bytes;
        self.reserved += bytes;
    }

    pub(super) fn is_open(&self, id: Ulid) -> bool {
        self.open.contains_key(&id)
    }

    /// Gives back what was set aside: the bytes, if the request was open.
    pub(super) fn release(&mut self, id: Ulid) -> Option<u64> {
        let bytes = self.open.remove(&id)?;
        self.reserved = self.reserved.saturating_sub(bytes);
        Some(bytes)
    }

    /// The files with records that may not be on the disk, and the last sequence in them.
    pub(super) fn take_unsynced(&mut self) -> (Vec<Arc<File>>, u64) {
        let mut files = std::mem::take(&mut self.unsynced);
        files.extend(
            self.segments
                .back()
                .and_then(|current| current.file.clone()),
        );
        (files, self.next.saturating_sub(1))
    }

    /// Takes out the segments all of whose records are at most `sequence`; never the last one.
    pub(super) fn take_done(&mut self, sequence: u64) -> Vec<PathBuf> {
        let mut done = Vec::new();
        while self
            .segments
            .get(1)
            .is_some_and(|second| second.first <= sequence.saturating_add(1))
        {
            done.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        done
    }

    /// The name of a segment yet to be made.
    pub(super) fn next_path(&mut self) -> PathBuf {
        let name = format!("{:012}.seg", self.next_ordinal);
        self.next_ordinal += 1;
        self.place.dir.join(name)
    }

    pub(super) fn bytes(&self) -> u64 {
        let used = self.segments.iter().map(|segment| segment.capacity);
        used.chain(self.spares.iter().map(|spare| spare.capacity))
            .sum()
    }
}

fn room_of(capacity: u64, end: u64) -> u64 {
    capacity.saturating_sub(end).saturating_sub(FRAME_BYTES_MAX)
}
