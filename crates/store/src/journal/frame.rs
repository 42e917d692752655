//! What surrounds a record: the segment's header, and each record's frame.
//!
//! Byte by byte in `docs/journal.md`. All numbers are little-endian.

use crc32c::{crc32c, crc32c_append};
use ulid::Ulid;

use super::payload::VOID;

/// Bytes of a segment's header.
pub(super) const HEADER: usize = 40;
/// Bytes of a frame before its payload.
pub(super) const HEAD: usize = 41;
/// The most bytes of a frame, its head included. A void may be longer.
pub(super) const FRAME_BYTES_MAX: u64 = 64 * 1024;

const MAGIC: [u8; 8] = *b"bondjrnl";
const VERSION: u32 = 1;
const JUMPS: u32 = 1;
/// Bytes that a frame's length does not count: itself and the check sum.
const UNCOUNTED: usize = 8;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) writer: u32,
    /// Sequence of its first record.
    pub(super) first: u64,
    /// The process that began it.
    pub(super) epoch: u64,
    /// Whether sequences before it are missing, and that is known.
    pub(super) jumps: bool,
}

/// What the first bytes of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// It was never written to.
    Blank,
    Good(Header),
    /// A later format.
    Newer(u32),
    Bad,
}

impl Header {
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let flags = if self.jumps { JUMPS } else { 0 };
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &self.writer.to_le_bytes());
        put(&mut bytes, 16, &self.first.to_le_bytes());
        put(&mut bytes, 24, &self.epoch.to_le_bytes());
        put(&mut bytes, 32, &flags.to_le_bytes());
        let check = crc32c(bytes.get(..36).unwrap_or_default());
        put(&mut bytes, 36, &check.to_le_bytes());
        bytes
    }

    pub(super) fn read(segment: &[u8]) -> Top {
        let bytes = segment.get(..HEADER).unwrap_or(segment);
        if bytes.iter().all(|byte| *byte == 0) {
            return Top::Blank;
        }
        let check = bytes.get(..36).map(crc32c);
        if check.is_none() || check != u32_at(bytes, 36) || !bytes.starts_with(&MAGIC) {
            return Top::Bad;
        }
        let version = u32_at(bytes, 8).unwrap_or_default();
        if version != VERSION {
            return Top::Newer(version);
        }
        let parts = (
            u32_at(bytes, 12),
            u64_at(bytes, 16),
            u64_at(bytes, 24),
            u32_at(bytes, 32),
        );
        match parts {
            (Some(writer), Some(first), Some(epoch), Some(flags)) => Top::Good(Header {
                writer,
                first,
                epoch,
                jumps: flags & JUMPS != 0,
            }),
            _ => Top::Bad,
        }
    }
}

/// A record's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Gapless in a stream; a void's is the first that it stands for.
    pub(super) sequence: u64,
    /// Up to which sequence the stream was on the disk when this was written; a void's
    /// is how many records it stands for.
    pub(super) synced: u64,
    pub(super) kind: u8,
    pub(super) id: Ulid,
    pub(super) payload: &'a [u8],
}

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole frame, and its bytes.
    Frame(Frame<'a>, usize),
    /// Nothing: the stream ends here, or goes on in the next segment.
    Nothing,
    /// Something that is no whole frame.
    Bad,
}

impl<'a> Frame<'a> {
    /// The sequence that follows.
    pub(super) fn next(&self) -> u64 {
        let records = if self.kind == VOID { self.synced } else { 1 };
        self.sequence.saturating_add(records)
    }

    /// What stands at the beginning of `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Found<'a> {
        let Some(length) = u32_at(bytes, 0) else {
            return Found::Nothing;
        };
        if length == 0 {
            return Found::Nothing;
        }
        Self::whole(bytes, length).map_or(Found::Bad, |(frame, size)| Found::Frame(frame, size))
    }

    fn whole(bytes: &'a [u8], length: u32) -> Option<(Self, usize)> {
        let size = usize::try_from(length).ok()?.checked_add(UNCOUNTED)?;
        let payload = bytes.get(HEAD..size)?;
        let kind = *bytes.get(24)?;
        if size as u64 > FRAME_BYTES_MAX && kind != VOID {
            return None;
        }
        let check = check_sum(length, bytes.get(UNCOUNTED..size)?);
        if u32_at(bytes, 4) != Some(check) {
            return None;
        }
        let frame = Frame {
            sequence: u64_at(bytes, 8)?,
            synced: u64_at(bytes, 16)?,
            kind,
            id: Ulid::from_bytes(array_at(bytes, 25)?),
            payload,
        };
        Some((frame, size))
    }
}

/// Fills in the head of a frame whose payload is there already, from the 42nd byte on.
pub(super) fn seal(frame: &mut [u8], sequence: u64, synced: u64, kind: u8, id: Ulid) {
    put(frame, 8, &sequence.to_le_bytes());
    put(frame, 16, &synced.to_le_bytes());
    put(frame, 24, &[kind]);
    put(frame, 25, &id.to_bytes());
    let length = u32::try_from(frame.len().saturating_sub(UNCOUNTED)).unwrap_or(u32::MAX);
    let check = check_sum(length, frame.get(UNCOUNTED..).unwrap_or_default());
    put(frame, 0, &length.to_le_bytes());
    put(frame, 4, &check.to_le_bytes());
}

/// Where the zeros at the end of a segment begin.
pub(super) fn written(segment: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let blank = segment
        .rchunks(ZEROS.len())
        .take_while(|chunk| ZEROS.starts_with(chunk));
    let end = segment.len() - blank.map(<[u8]>::len).sum::<usize>();
    let used = segment.get(..end).unwrap_or_default();
    used.iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

/// The first whole frame at or after an offset whose sequence is at least `sequence`.
pub(super) fn find(segment: &[u8], from: usize, sequence: u64) -> Option<(usize, Frame<'_>)> {
    let written = written(segment);
    (from..written).find_map(|at| {
        let bytes = segment.get(at..)?;
        let plausible = u64_at(bytes, 8)
            .and_then(|found| found.checked_sub(sequence))
            .is_some_and(|ahead| ahead < u64::from(u32::MAX));
        match plausible.then(|| Frame::read(bytes))? {
            Found::Frame(frame, _) => Some((at, frame)),
            Found::Nothing | Found::Bad => None,
        }
    })
}

fn check_sum(length: u32, counted: &[u8]) -> u32 {
    crc32c_append(crc32c(&length.to_le_bytes()), counted)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
