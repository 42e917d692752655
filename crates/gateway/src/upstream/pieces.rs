//! The body of a request to a provider: pieces that are sent as one.
//!
//! The client's own bytes go on with a few words changed. They are not copied for that, but written
//! together with the new words by one system call.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Bytes that lie in several places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// None of them empty, the next one last.
    left: Vec<Bytes>,
    bytes: usize,
}

impl From<Vec<Bytes>> for Pieces {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        pieces.reverse();
        let bytes = pieces.iter().map(Bytes::len).sum();
        Self {
            left: pieces,
            bytes,
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self::from(vec![bytes])
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.left.last().map(Bytes::as_ref).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = slices.iter_mut().zip(self.left.iter().rev());
        pieces
            .map(|(slice, piece)| *slice = IoSlice::new(piece))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(next) = self.left.last_mut() {
            let step = count.min(next.len());
            self.bytes -= step;
            count -= step;
            if step < next.len() {
                next.advance(step);
                return;
            }
            self.left.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use bytes::{Buf, Bytes};

    use super::Pieces;

    fn pieces() -> Pieces {
        let texts = ["", "one ", "", "two", " three", ""];
        Pieces::from(
            texts
                .map(|text| Bytes::from_static(text.as_bytes()))
                .to_vec(),
        )
    }

    #[test]
    fn pieces_read_as_one_text_whatever_the_steps() {
        for step in 1..20 {
            let mut left = pieces();
            let mut read = Vec::new();
            while left.has_remaining() {
                let before = left.remaining();
                let count = step.min(left.chunk().len());
                read.extend_from_slice(&left.chunk()[..count]);
                left.advance(count);
                assert_eq!(left.remaining(), before - count);
            }
            assert_eq!(read, b"one two three");
        }
    }

    #[test]
    fn a_step_may_end_within_a_later_piece() {
        for step in 0..=13 {
            let mut left = pieces();
            left.advance(step);
            let rest = left.copy_to_bytes(left.remaining());
            assert_eq!(rest, b"one two three"[step..]);
        }
    }

    #[test]
    fn pieces_are_written_together_as_far_as_there_is_room() {
        let whole = pieces();
        for room in 0..5 {
            let mut slices = vec![IoSlice::new(b""); room];
            let written = whole.chunks_vectored(&mut slices);
            assert_eq!(written, room.min(3));
            let text = slices.iter().flat_map(|slice| slice.to_vec());
            assert!(b"one two three".starts_with(&text.collect::<Vec<u8>>()));
        }
    }
}
