//! Reading a stream's segments as a process left them, however it ended.
//!
//! Three things may be found. A *torn tail*: the last record is not whole and
//! nothing follows; the stream goes on from there. A *hole* that the disk never
//! said it had: after a power cut, later records may be there and earlier ones
//! not; it becomes a void. *Damage* to what the disk did say it had: an error,
//! and nothing is changed, unless the caller says to go on without it. Each
//! frame tells how far the stream was synced when it was written: that is how
//! the second and the third are told apart.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::device::{Device, zero};
use super::error::StorageError;
use super::frame::{Found, Frame, HEAD, HEADER, Header, Top, find, seal, written};
use super::payload::{VOID, decode};
use super::stream::Segment;
use super::wire::{Texts, Unreadable};
use crate::record::Record;

/// A stream as it was found.
pub(super) struct Recovered {
    /// With records, oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// Without any: preallocated for later.
    pub(super) blanks: Vec<PathBuf>,
    /// The sequence that follows.
    pub(super) next: u64,
    pub(super) next_ordinal: u64,
    /// The last process that wrote here.
    pub(super) epoch: u64,
    /// What was mended, for the log.
    pub(super) mended: Vec<String>,
}

/// Something to be written so that the stream can be read without a gap.
struct Repair {
    path: PathBuf,
    offset: u64,
    why: String,
    /// The first sequence that is missing.
    missing: u64,
    bytes: Vec<u8>,
}

struct Scan {
    writer: u32,
    skip_damage: bool,
    segments: VecDeque<Segment>,
    blanks: Vec<PathBuf>,
    /// The sequence that should come; none before the first segment.
    expected: Option<u64>,
    /// The furthest that any frame says the disk had the stream.
    synced: u64,
    epoch: u64,
    repairs: Vec<Repair>,
    texts: Texts,
}

/// Reads the stream in a folder and mends what may be mended.
pub(super) fn recover(
    dir: &Path,
    writer: u32,
    device: &dyn Device,
    skip_damage: bool,
) -> Result<Recovered, StorageError> {
    let files = segments_in(dir, device)?;
    let next_ordinal = files.last().map_or(1, |(ordinal, _)| ordinal + 1);
    let mut scan = Scan {
        writer,
        skip_damage,
        segments: VecDeque::new(),
        blanks: Vec::new(),
        expected: None,
        synced: 0,
        epoch: 0,
        repairs: Vec::new(),
        texts: Texts::default(),
    };
    for (_, path) in files {
        let bytes = fs::read(&path).map_err(StorageError::io("read", &path))?;
        scan.segment(path, &bytes)?;
    }
    scan.judge()?;
    let mended = scan.mend(device)?;
    Ok(Recovered {
        segments: scan.segments,
        blanks: scan.blanks,
        next: scan.expected.unwrap_or(1),
        next_ordinal,
        epoch: scan.epoch,
        mended,
    })
}

/// The segments in the order of their names; what a crash left half made is removed.
fn segments_in(dir: &Path, device: &dyn Device) -> Result<Vec<(u64, PathBuf)>, StorageError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(StorageError::io("list", dir))? {
        let path = entry.map_err(StorageError::io("list", dir))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let ordinal = stem.and_then(|stem| stem.parse::<u64>().ok());
        match (path.extension().and_then(|e| e.to_str()), ordinal) {
            (Some("seg"), Some(ordinal)) => files.push((ordinal, path)),
            (Some("new"), Some(_)) => {
                device
                    .remove(&path)
                    .map_err(StorageError::io("remove", &path))?;
            }
            _ => {}
        }
    }
    files.sort();
    Ok(files)
}

impl Scan {
    fn segment(&mut self, path: PathBuf, bytes: &[u8]) -> Result<(), StorageError> {
        let header = match Header::read(bytes) {
            Top::Good(header) => self.follows(&path, header)?,
            Top::Newer(version) => {
                return Err(StorageError::Newer {
                    file: path,
                    offset: 8,
                    why: format!("segment version {version}"),
                });
            }
            Top::Blank | Top::Bad => match find(bytes, 0, self.expected.unwrap_or(1)) {
                Some((_, frame)) => self.without_header(&path, frame.sequence),
                None => {
                    self.blanks.push(path);
                    return Ok(());
                }
            },
        };
        self.bring_in_blanks(header.first);
        self.epoch = self.epoch.max(header.epoch);
        let mut expected = header.first;
        let mut offset = HEADER;
        loop {
            let rest = bytes.get(offset..).unwrap_or_default();
            match Frame::read(rest) {
                Found::Frame(frame, size) if frame.sequence == expected => {
                    match self.note(&path, offset, &frame) {
                        Err(StorageError::Damaged { .. }) if self.skip_damage => {
                            let place = (offset, offset + size);
                            self.hole(&path, place, (expected, frame.next()))?;
                        }
                        noted => noted?,
                    }
                    expected = frame.next();
                    offset += size;
                }
                Found::Frame(..) | Found::Nothing | Found::Bad => {
                    let Some((at, frame)) = find(bytes, offset, expected) else {
                        break;
                    };
                    self.hole(&path, (offset, at), (expected, frame.sequence))?;
                    expected = frame.sequence;
                    offset = at;
                }
            }
        }
        self.expected = Some(expected);
        self.segments.push_back(Segment {
            path,
            capacity: bytes.len() as u64,
            first: header.first,
            end: offset as u64,
            file: None,
        });
        Ok(())
    }

    /// Checks that a segment goes on where the one before it ended.
    fn follows(&mut self, path: &Path, header: Header) -> Result<Header, StorageError> {
        let Some(expected) = self.expected else {
            return self.own(path, header);
        };
        if header.first < expected {
            let why = format!(
                "it begins with record {}, and {expected} was next",
                header.first
            );
            return Err(damaged(path, 0, why));
        }
        if header.first == expected || header.jumps {
            return self.own(path, header);
        }
        let header = Header {
            jumps: true,
            ..header
        };
        self.repairs.push(Repair {
            path: path.to_owned(),
            offset: 0,
            why: format!(
                "records {expected} to {} are missing before it",
                header.first - 1
            ),
            missing: expected,
            bytes: header.bytes().to_vec(),
        });
        self.own(path, header)
    }

    fn own(&self, path: &Path, header: Header) -> Result<Header, StorageError> {
        if header.writer == self.writer {
            return Ok(header);
        }
        let why = format!(
            "it belongs to writer {}, not {}",
            header.writer, self.writer
        );
        Err(damaged(path, 0, why))
    }

    /// A segment with records, but no header that can be read.
    fn without_header(&mut self, path: &Path, first_seen: u64) -> Header {
        let header = Header {
            writer: self.writer,
            first: self.expected.unwrap_or(first_seen),
            epoch: self.epoch,
            jumps: false,
        };
        self.repairs.push(Repair {
            path: path.to_owned(),
            offset: 0,
            why: "its header cannot be read".to_owned(),
            missing: header.first,
            bytes: header.bytes().to_vec(),
        });
        header
    }

    /// Segments that looked unused, and one that has records follows: what they held is missing.
    fn bring_in_blanks(&mut self, first: u64) {
        for path in std::mem::take(&mut self.blanks) {
            let header = Header {
                writer: self.writer,
                first: self.expected.unwrap_or(first),
                epoch: self.epoch,
                jumps: false,
            };
            self.repairs.push(Repair {
                path: path.clone(),
                offset: 0,
                why: "it holds no record that can be read".to_owned(),
                missing: header.first,
                bytes: header.bytes().to_vec(),
            });
            self.segments.push_back(Segment {
                path,
                capacity: HEADER as u64,
                first: header.first,
                end: HEADER as u64,
                file: None,
            });
        }
    }

    fn note(&mut self, path: &Path, offset: usize, frame: &Frame<'_>) -> Result<(), StorageError> {
        if frame.kind == VOID {
            return Ok(());
        }
        self.synced = self.synced.max(frame.synced);
        let unread = match decode(frame.kind, frame.id, frame.payload, &mut self.texts) {
            Ok(Record::Opened(opened)) => {
                self.epoch = self.epoch.max(opened.epoch);
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(unread) => unread,
        };
        Err(unreadable(path, offset as u64, unread))
    }

    /// Bytes that are no record, between two that are.
    fn hole(
        &mut self,
        path: &Path,
        (from, to): (usize, usize),
        (missing, next): (u64, u64),
    ) -> Result<(), StorageError> {
        let records = next.saturating_sub(missing);
        let why = format!("{records} records from {missing} on cannot be read, and later ones can");
        if to - from < HEAD {
            return Err(damaged(path, from as u64, why));
        }
        let mut bytes = vec![0; to - from];
        seal(&mut bytes, missing, records, VOID, ulid::Ulid::nil());
        self.repairs.push(Repair {
            path: path.to_owned(),
            offset: from as u64,
            why,
            missing,
            bytes,
        });
        Ok(())
    }

    /// Whether anything to be mended was on the disk once.
    fn judge(&self) -> Result<(), StorageError> {
        let was_safe = |repair: &&Repair| repair.missing <= self.synced;
        match self.repairs.iter().find(was_safe) {
            Some(repair) if !self.skip_damage => {
                Err(damaged(&repair.path, repair.offset, repair.why.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Writes the repairs, and zeros behind the last record.
    fn mend(&self, device: &dyn Device) -> Result<Vec<String>, StorageError> {
        let mut mended = Vec::new();
        for repair in &self.repairs {
            let (path, bytes) = (&repair.path, &repair.bytes);
            let write = |file: &File| device.write_at(file, bytes, repair.offset);
            change(path, device, write)?;
            let Repair { offset, why, .. } = repair;
            mended.push(format!("{} at byte {offset}: {why}", path.display()));
        }
        let ends = self.segments.back().map(|last| (&last.path, last.end));
        let ends = ends
            .into_iter()
            .chain(self.blanks.iter().map(|path| (path, 0)));
        for (path, end) in ends {
            let bytes = fs::read(path).map_err(StorageError::io("read", path))?;
            if written(&bytes) as u64 <= end {
                continue;
            }
            change(path, device, |file| zero(file, end, bytes.len() as u64))?;
            mended.push(format!(
                "{} at byte {end}: the last record was not whole",
                path.display()
            ));
        }
        Ok(mended)
    }
}

fn change(
    path: &Path,
    device: &dyn Device,
    write: impl Fn(&File) -> std::io::Result<()>,
) -> Result<(), StorageError> {
    let file = OpenOptions::new().write(true).open(path);
    let file = file.map_err(StorageError::io("open", path))?;
    write(&file).map_err(StorageError::io("mend", path))?;
    device.sync(&file).map_err(StorageError::io("sync", path))
}

pub(super) fn damaged(path: &Path, offset: u64, why: String) -> StorageError {
    StorageError::Damaged {
        file: path.to_owned(),
        offset,
        why,
    }
}

pub(super) fn unreadable(path: &Path, offset: u64, why: Unreadable) -> StorageError {
    match why {
        Unreadable::Malformed(why) => damaged(path, offset, format!("in a record, {why}")),
        Unreadable::Newer(why) => StorageError::Newer {
            file: path.to_owned(),
            offset,
            why,
        },
    }
}
