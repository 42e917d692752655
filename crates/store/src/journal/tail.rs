//! Reading the journal for the ledger, in order and from where it left off.
//!
//! Only records that the disk has are given, so that the ledger is never ahead
//! of what a power cut leaves of the journal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::StorageError;
use super::frame::{FRAME_BYTES_MAX, Found, Frame, HEADER};
use super::payload::{VOID, decode};
use super::recover::{damaged, unreadable};
use super::shared::{Lane, Shared};
use super::wire::Texts;
use super::writer::weight;
use crate::record::{Exchange, Record};

/// Bytes that are read at once.
const READ_BYTES: usize = 2 * FRAME_BYTES_MAX as usize;

/// The last sequence that a reader has of each writer.
pub type Positions = BTreeMap<u32, u64>;

/// Which record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The stream.
    pub writer: u32,
    /// Its number in the stream, from 1. A number that is left out is a record that was
    /// damaged or lost with the power.
    pub sequence: u64,
}

/// Records that were read together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order of each stream.
    pub records: Vec<(Position, Record)>,
    /// Exchanges that were never dispatched. They stand in no stream: they are lost with the process.
    pub refused: Vec<Box<Exchange>>,
}

impl Batch {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.refused.is_empty()
    }

    /// The last sequence of each writer in it, for [`Tail::committed`].
    #[must_use]
    pub fn positions(&self) -> Positions {
        let each = self.records.iter();
        each.map(|(at, _)| (at.writer, at.sequence)).collect()
    }
}

/// Reads all streams. One reader a journal.
pub struct Tail {
    shared: Arc<Shared>,
    cursors: Vec<Cursor>,
    texts: Texts,
}

struct Cursor {
    lane: Arc<Lane>,
    /// The next sequence to give.
    next: u64,
    at: Option<Reading>,
}

/// A segment while it is read.
struct Reading {
    path: PathBuf,
    file: File,
    /// Sequence of the record that comes next in it.
    sequence: u64,
    /// Where `bytes` begins in the segment.
    offset: u64,
    bytes: Vec<u8>,
    used: usize,
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>, after: &Positions) -> Self {
        let cursor = |lane: &Arc<Lane>| Cursor {
            lane: Arc::clone(lane),
            next: after
                .get(&lane.writer)
                .map_or(1, |last| last.saturating_add(1)),
            at: None,
        };
        let cursors = shared.lanes.iter().map(cursor).collect();
        Tail {
            shared,
            cursors,
            texts: Texts::default(),
        }
    }

    /// The next records, at most that many of each stream's share; empty where nothing is new.
    ///
    /// # Errors
    /// [`StorageError`] where a segment cannot be read; the same records are given again next time.
    pub fn next_batch(&mut self, records_max: usize) -> Result<Batch, StorageError> {
        let mut batch = Batch::default();
        let share = records_max.div_ceil(self.cursors.len().max(1)).max(1);
        let before: Vec<u64> = self.cursors.iter().map(|cursor| cursor.next).collect();
        let read = self.cursors.iter_mut().try_for_each(|cursor| {
            let left = records_max.saturating_sub(batch.records.len());
            cursor.read(share.min(left), &mut batch.records, &mut self.texts)
        });
        if let Err(error) = read {
            for (cursor, next) in self.cursors.iter_mut().zip(before) {
                cursor.next = next;
                cursor.at = None;
            }
            return Err(error);
        }
        for cursor in &self.cursors {
            let mut refused = cursor.lane.refused.lock();
            let left = records_max.saturating_sub(batch.refused.len());
            let taken = refused.queue.len().min(left);
            let from = batch.refused.len();
            batch.refused.extend(refused.queue.drain(..taken));
            let given = batch.refused.iter().skip(from);
            let bytes = given.map(|record| weight(record)).sum();
            refused.bytes = refused.bytes.saturating_sub(bytes);
        }
        Ok(batch)
    }

    /// Waits until there is something to read: whether there is. Ends early once the journal has failed.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.shared.wait_round(timeout, || self.has_more())
    }

    /// Everything up to these records is kept elsewhere: their segments may go.
    pub fn committed(&self, positions: &Positions) {
        for lane in &self.shared.lanes {
            if let Some(sequence) = positions.get(&lane.writer) {
                lane.committed.fetch_max(*sequence, Ordering::AcqRel);
            }
        }
        self.shared.want(|wants| wants.room = true);
    }

    fn has_more(&self) -> bool {
        self.cursors.iter().any(|cursor| {
            let lane = &cursor.lane;
            lane.synced() >= cursor.next || !lane.refused.lock().queue.is_empty()
        })
    }
}

impl Cursor {
    fn read(
        &mut self,
        records_max: usize,
        into: &mut Vec<(Position, Record)>,
        texts: &mut Texts,
    ) -> Result<(), StorageError> {
        let synced = self.lane.synced();
        let full = into.len().saturating_add(records_max);
        while self.next <= synced && into.len() < full {
            let Some(reading) = &mut self.at else {
                let Some(reading) = self.begin()? else {
                    return Ok(());
                };
                self.at = Some(reading);
                continue;
            };
            match reading.step(self.next, self.lane.writer, texts)? {
                Step::Record(at, record) => {
                    self.next = at.sequence.saturating_add(1);
                    into.push((at, record));
                }
                Step::Passed => {}
                Step::End => {
                    let sequence = reading.sequence;
                    self.next = self.next.max(sequence);
                    let (path, offset) = (reading.path.clone(), reading.place());
                    self.at = self.after(&path)?;
                    if self.at.is_none() && self.next <= synced {
                        let why = format!("record {sequence} was written and is not there");
                        return Err(damaged(&path, offset, why));
                    }
                }
            }
        }
        Ok(())
    }

    /// The segment in which the next record stands, or the first after it.
    fn begin(&self) -> Result<Option<Reading>, StorageError> {
        let found = {
            let stream = self.lane.stream.lock();
            let before = stream.segments.partition_point(|s| s.first <= self.next);
            let segment = stream.segments.get(before.saturating_sub(1));
            segment.map(|segment| (segment.path.clone(), segment.first))
        };
        found
            .map(|(path, first)| Reading::open(path, first))
            .transpose()
    }

    /// The segment after that one.
    fn after(&self, path: &Path) -> Result<Option<Reading>, StorageError> {
        let found = {
            let stream = self.lane.stream.lock();
            let upto = stream
                .segments
                .partition_point(|s| s.path.as_path() <= path);
            let segment = stream.segments.get(upto);
            segment.map(|segment| (segment.path.clone(), segment.first))
        };
        found
            .map(|(path, first)| Reading::open(path, first))
            .transpose()
    }
}

enum Step {
    Record(Position, Record),
    /// One that was given before, or that stands for lost ones.
    Passed,
    /// The segment has no more.
    End,
}

impl Reading {
    fn open(path: PathBuf, first: u64) -> Result<Self, StorageError> {
        let file = File::open(&path).map_err(StorageError::io("open", &path))?;
        Ok(Reading {
            path,
            file,
            sequence: first,
            offset: HEADER as u64,
            bytes: Vec::new(),
            used: 0,
        })
    }

    fn place(&self) -> u64 {
        self.offset + self.used as u64
    }

    fn step(&mut self, wanted: u64, writer: u32, texts: &mut Texts) -> Result<Step, StorageError> {
        let left = self.bytes.len().saturating_sub(self.used);
        if (left as u64) < FRAME_BYTES_MAX {
            self.fill(READ_BYTES)?;
        }
        if !self.has_next() {
            // It may have been written since these bytes were read, or be a void longer than they are.
            self.fill(READ_BYTES)?;
            self.fill_for_void()?;
        }
        let place = self.place();
        let found = Frame::read(self.bytes.get(self.used..).unwrap_or_default());
        let (frame, size) = match found {
            Found::Frame(frame, size) if frame.sequence == self.sequence => (frame, size),
            Found::Frame(..) | Found::Nothing | Found::Bad => return Ok(Step::End),
        };
        let sequence = frame.sequence;
        let step = if sequence < wanted || frame.kind == VOID {
            Step::Passed
        } else {
            let record = decode(frame.kind, frame.id, frame.payload, texts)
                .map_err(|why| unreadable(&self.path, place, why))?;
            Step::Record(Position { writer, sequence }, record)
        };
        self.sequence = frame.next();
        self.used += size;
        Ok(step)
    }

    fn has_next(&self) -> bool {
        let found = Frame::read(self.bytes.get(self.used..).unwrap_or_default());
        matches!(found, Found::Frame(frame, _) if frame.sequence == self.sequence)
    }

    /// Reads on, so that `bytes` begins at the next frame and has as many as asked, if there are.
    fn fill(&mut self, bytes: usize) -> Result<(), StorageError> {
        self.offset = self.place();
        self.used = 0;
        self.bytes.resize(bytes, 0);
        let mut had = 0;
        while let Some(rest) = self.bytes.get_mut(had..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.offset + had as u64) {
                Ok(0) => break,
                Ok(more) => had += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::io("read", &self.path)(error)),
            }
        }
        self.bytes.truncate(had);
        Ok(())
    }

    fn fill_for_void(&mut self) -> Result<(), StorageError> {
        let head = self.bytes.get(self.used..).and_then(<[u8]>::first_chunk);
        let length = head.copied().map_or(0, u32::from_le_bytes);
        let file_bytes = self
            .file
            .metadata()
            .map_err(StorageError::io("measure", &self.path))?;
        let size = u64::from(length) + 8;
        if size <= FRAME_BYTES_MAX || size > file_bytes.len() {
            return Ok(());
        }
        self.fill(usize::try_from(size).unwrap_or(READ_BYTES))
    }
}
