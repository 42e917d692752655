//! What the fuzz targets hold, held against a fixed set of altered fixtures and recordings.

use dialect::Dialect;
use dialect::frame::Framing;

use crate::corpus::{Sample, requests, streams, wholes};

#[expect(unreachable_pub, reason = "the fuzz targets call these from outside")]
#[path = "../../../../../fuzz/src/lib.rs"]
mod targets;

/// How often each sample is altered.
const TIMES: u64 = 12;
/// Longer samples say little more and cost much.
const LONGEST: usize = 8 << 10;

#[test]
fn altered_requests_hold_what_the_targets_hold() {
    each(requests(), |sample, bytes| {
        targets::request(sample.dialect, bytes);
        for other in Dialect::ALL {
            targets::pair(sample.dialect, other, bytes);
        }
    });
}

#[test]
fn altered_answers_hold_what_the_targets_hold() {
    each(wholes(), |sample, bytes| {
        targets::answer(sample.dialect, bytes)
    });
}

#[test]
fn altered_streams_hold_what_the_targets_hold() {
    each(streams(), |sample, bytes| {
        targets::stream(sample.dialect, bytes);
        for framing in [Framing::Sse, Framing::EventStream, Framing::JsonArray] {
            targets::frames(framing, bytes);
        }
    });
}

fn each(samples: &[Sample], hold: impl Fn(&Sample, &[u8])) {
    let short = |(_, sample): &(usize, &Sample)| sample.bytes.len() <= LONGEST;
    for (at, sample) in samples.iter().enumerate().filter(short) {
        hold(sample, &sample.bytes);
        // The dialects take turns, so that one law sees what another one's target altered.
        if sample.meets(at, sample.dialect) {
            for seed in 0..TIMES {
                hold(sample, &altered(&sample.bytes, at as u64 * TIMES + seed));
            }
        }
    }
}

/// The bytes with a few taken out, doubled, or exchanged for what often breaks readers.
fn altered(bytes: &[u8], seed: u64) -> Vec<u8> {
    const TOKENS: [&[u8]; 12] = [
        b"null",
        b"[]",
        b"{}",
        b"\"\"",
        b"-1",
        b"1e99",
        b"true",
        b"\"\\ud800\"",
        b"\xff",
        b"\n\n",
        b"0",
        b"\"type\":",
    ];
    let mut bytes = bytes.to_vec();
    let mut random = Random(seed);
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let stop = bytes.len().min(at + random.below(24));
        match random.below(4) {
            0 => drop(bytes.drain(at..stop)),
            1 => {
                let piece = bytes[at..stop].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            2 => {
                let token = TOKENS[random.below(TOKENS.len())].iter().copied();
                drop(bytes.splice(at..stop, token));
            }
            _ => value(&mut bytes, at, TOKENS[random.below(TOKENS.len())]),
        }
    }
    bytes
}

/// Puts another value behind the next colon.
fn value(bytes: &mut Vec<u8>, at: usize, token: &[u8]) {
    let find = |from: usize, wanted: &[u8]| {
        let rest = &bytes[from..];
        let found = rest.iter().position(|byte| wanted.contains(byte));
        found.map_or(bytes.len(), |found| from + found)
    };
    let start = bytes.len().min(find(at, b":") + 1);
    let stop = find(start, b",}]");
    drop(bytes.splice(start..stop, token.iter().copied()));
}

/// Numbers after Steele's SplitMix64, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most.max(1) as u64).unwrap()
    }
}
