//! Where a stream was split changes nothing.

use dialect::frame::Framer;
use dialect::frame::sse::MAX_EVENT;
use proptest::prelude::*;

use super::{Stream, events};
use crate::corpus::{Sample, none, streams};
use dialect::codec::End;

#[test]
fn a_stream_read_byte_by_byte_gives_the_same_events() {
    let mut complaints = Vec::new();
    for sample in streams() {
        let bytes = &sample.bytes[..];
        let whole = events(sample.dialect, sample.candidates, bytes);
        let mut reader = Stream::new(sample.dialect, sample.candidates);
        let chopped = bytes
            .chunks(1)
            .try_for_each(|byte| reader.push(byte))
            .and_then(|()| {
                let (events, result) = reader.finish(End::Clean);
                result.map(|()| events)
            });
        if whole != chopped {
            complaints.push(format!("{}: differs byte by byte", sample.id));
        }
    }
    none(&complaints, streams().len());
}

/// The frames are all that a decoder sees, so equal frames are equal events.
#[test]
fn every_split_in_two_gives_the_same_frames() {
    let mut complaints = Vec::new();
    for sample in streams() {
        if let Some(at) = first_bad_split(sample) {
            complaints.push(format!("{}: differs when split at {at}", sample.id));
        }
    }
    none(&complaints, streams().len());
}

fn first_bad_split(sample: &Sample) -> Option<usize> {
    let bytes = sample.bytes.clone();
    let mut whole = sample.dialect.client().framing().framer(MAX_EVENT);
    whole.push(bytes.clone());
    let expected = pull(&mut whole, usize::MAX);
    let mut before = sample.dialect.client().framing().framer(MAX_EVENT);
    let mut done = 0;
    for at in 0..bytes.len() {
        if sample.looks_at(at) {
            let mut split = before.clone();
            split.push(bytes.slice(at..));
            // Two frames on, both readers stand at the same place in the same state.
            if pull(&mut split, 2) != expected[done..expected.len().min(done + 2)] {
                return Some(at);
            }
        }
        before.push(bytes.slice(at..=at));
        done += pull(&mut before, usize::MAX).len();
    }
    None
}

fn pull(framer: &mut Framer, most: usize) -> Vec<(String, String)> {
    let mut frames = Vec::new();
    while frames.len() < most
        && let Some(raw) = framer.next_frame().unwrap()
    {
        if let Some(frame) = raw.frame().unwrap() {
            frames.push((frame.event.into_owned(), frame.data.into_owned()));
        }
    }
    frames
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        sample in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let sample = sample.get(streams());
        let bytes = &sample.bytes[..];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = Stream::new(sample.dialect, sample.candidates);
        for pair in cuts.windows(2) {
            if let Err(error) = reader.push(&bytes[pair[0]..pair[1]]) {
                prop_assert_eq!(events(sample.dialect, sample.candidates, bytes), Err(error));
                return Ok(());
            }
        }
        let (read, result) = reader.finish(End::Clean);
        prop_assert_eq!(events(sample.dialect, sample.candidates, bytes), result.map(|()| read));
    }
}
