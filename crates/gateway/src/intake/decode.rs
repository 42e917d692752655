//! Decompression of request bodies.
//!
//! In steps, with a yield between them, so that a large body does not keep a core from its other
//! requests; each step is paid for in memory before it is kept. What a body unpacks to is measured, not
//! believed: a bomb ends at the limit. One gzip member or zstd frame is taken; what follows the end of
//! the encoding is an error, since each of a million empty members would cost time and give nothing.

use std::io::{self, Read};

use brotli::Decompressor;
use bytes::buf::Reader;
use bytes::{Buf as _, Bytes};
use flate2::bufread::GzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::{Body, IntakeError};
use crate::memory::Permit;

/// How much is decoded between two looks at other work, in bytes.
const STEP: usize = 64 * 1024;

/// How much brotli takes in at a time, in bytes.
const INPUT: usize = 8 * 1024;

/// The most that a zstd frame may ask to remember, in bytes: what RFC 8878 section 3.1.1.1.2 wants
/// every decoder to support.
const ZSTD_WINDOW_MAX: u64 = 8 * 1024 * 1024;

/// What decoders hold beside their output, in bytes: the largest windows. gzip's is small.
const BROTLI_MEMORY: usize = 16 * 1024 * 1024;
const ZSTD_MEMORY: usize = 2 * 8 * 1024 * 1024;
const GZIP_MEMORY: usize = 64 * 1024;

/// An encoding that is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// The encoding of that name: none to take off for `identity`, and no answer for an unknown one.
    #[expect(
        clippy::option_option,
        reason = "unknown and nothing to do are different answers"
    )]
    pub(super) fn named(name: &str) -> Option<Option<Self>> {
        let known = [
            ("gzip", Some(Self::Gzip)),
            ("x-gzip", Some(Self::Gzip)),
            ("br", Some(Self::Brotli)),
            ("zstd", Some(Self::Zstd)),
            ("identity", None),
        ];
        let found = known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, coding)| coding)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The memory that decoding takes beside the result, in bytes.
    fn memory(self, encoded: usize) -> usize {
        match self {
            Self::Gzip => GZIP_MEMORY,
            Self::Brotli => BROTLI_MEMORY,
            Self::Zstd => ZSTD_MEMORY,
        }
        .min(GZIP_MEMORY.saturating_add(encoded.saturating_mul(EXPANSION)))
    }
}

/// Small bodies are not charged for a window that they cannot fill soon.
const EXPANSION: usize = 64;

/// Takes one encoding off. `permit` is empty and becomes the result's; the encoded bytes are given up.
pub(super) async fn decode(
    coding: Coding,
    encoded: Body,
    limit: usize,
    mut permit: Permit,
) -> Result<Body, IntakeError> {
    let working = coding.memory(encoded.bytes.len());
    if !permit.grow(working) {
        return Err(IntakeError::Overloaded);
    }
    let wrong = || IntakeError::Undecodable(coding.name());
    let mut source = Source::new(coding, encoded.bytes).ok_or_else(wrong)?;
    let mut decoded = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let length = source.read(&mut step).map_err(|_| wrong())?;
        let read = step.get(..length).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        if length > limit.saturating_sub(decoded.len()) {
            return Err(IntakeError::TooLarge { limit });
        }
        if !permit.grow(length) {
            return Err(IntakeError::Overloaded);
        }
        decoded.extend_from_slice(read);
        tokio::task::yield_now().await;
    }
    if !source.is_spent() {
        return Err(wrong());
    }
    permit.shrink(working);
    let bytes = Bytes::from(decoded);
    Ok(Body { bytes, permit })
}

enum Source {
    Gzip(GzDecoder<Reader<Bytes>>),
    Brotli(Box<Decompressor<Reader<Bytes>>>),
    Zstd(Box<StreamingDecoder<Reader<Bytes>, FrameDecoder>>),
}

impl Source {
    /// None where the beginning is already wrong.
    fn new(coding: Coding, encoded: Bytes) -> Option<Self> {
        Some(match coding {
            Coding::Gzip => Self::Gzip(GzDecoder::new(encoded.reader())),
            Coding::Brotli => {
                // What RFC 7932 section 9.1 leaves undefined asks for windows of up to a gibibyte.
                let first = encoded.first()?;
                if first & 0x7f == 0x11 {
                    return None;
                }
                Self::Brotli(Box::new(Decompressor::new(encoded.reader(), INPUT)))
            }
            Coding::Zstd => {
                let frame =
                    StreamingDecoder::new_with_max_window_size(encoded.reader(), ZSTD_WINDOW_MAX);
                Self::Zstd(Box::new(frame.ok()?))
            }
        })
    }

    fn read(&mut self, step: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(gzip) => gzip.read(step),
            Self::Brotli(brotli) => brotli.read(step),
            Self::Zstd(zstd) => zstd.read(step),
        }
    }

    /// Once all was read: whether nothing follows, and what came is what was meant.
    fn is_spent(&mut self) -> bool {
        match self {
            Self::Gzip(gzip) => !gzip.get_ref().get_ref().has_remaining(),
            // It notices what it has taken in too much when it is asked once more.
            Self::Brotli(brotli) => {
                brotli.read(&mut [0]).is_ok() && !brotli.get_ref().get_ref().has_remaining()
            }
            Self::Zstd(zstd) => {
                let sum = zstd.decoder.get_checksum_from_data();
                let holds = sum.is_none() || sum == zstd.decoder.get_calculated_checksum();
                holds && !zstd.get_ref().get_ref().has_remaining()
            }
        }
    }
}
