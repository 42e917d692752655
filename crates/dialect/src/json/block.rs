//! Bytes looked at many at a time: a bit for each that passes a test.
//!
//! Strings with many escapes cost what their bytes cost, not what a jump at each
//! escape costs. Only tests of single bytes belong here, no grammar.

use wide::u8x16;

/// Bytes in a block.
pub(super) const BLOCK: usize = 64;
/// Bytes in a lane.
pub(super) const LANE: usize = 16;

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub(super) struct Lane(u8x16);

impl Lane {
    /// The lane that begins at `at`, where the text goes on for that long.
    #[inline]
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let lane = bytes.get(at..)?.first_chunk::<LANE>()?;
        Some(Self(u8x16::new(*lane)))
    }

    /// Marks the bytes that are `byte`.
    #[inline]
    pub(super) fn is(self, byte: u8) -> Self {
        Self(self.0.simd_eq(u8x16::splat(byte)))
    }

    /// Marks the bytes less than `limit`, which is not 0.
    #[inline]
    pub(super) fn below(self, limit: u8) -> Self {
        Self(self.0.min(u8x16::splat(limit - 1)).simd_eq(self.0))
    }

    /// The same bytes with these bits set.
    #[inline]
    pub(super) fn with(self, bits: u8) -> Self {
        Self(self.0 | u8x16::splat(bits))
    }

    /// Marks what either marks.
    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// A bit for each marked byte, the first byte's lowest.
    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0.to_bitmask()
    }
}

/// Four lanes in a row.
#[derive(Clone, Copy)]
pub(super) struct Block([Lane; BLOCK / LANE]);

impl Block {
    /// The block that begins at `at`. What lies beyond the text is zeros.
    #[inline]
    pub(super) fn at(bytes: &[u8], at: usize) -> Self {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first_chunk::<BLOCK>() {
            Some(whole) => Self::of(whole),
            None => {
                let mut padded = [0; BLOCK];
                padded
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(to, from)| *to = *from);
                Self::of(&padded)
            }
        }
    }

    #[inline]
    fn of(bytes: &[u8; BLOCK]) -> Self {
        let (lanes, _) = bytes.as_chunks::<LANE>();
        let mut block = Self([Lane(u8x16::ZERO); BLOCK / LANE]);
        for (to, from) in block.0.iter_mut().zip(lanes) {
            *to = Lane(u8x16::new(*from));
        }
        block
    }

    /// What `test` marks in each lane.
    #[inline]
    pub(super) fn map(self, test: impl Fn(Lane) -> Lane) -> Self {
        Self(self.0.map(test))
    }

    /// Marks what either marks.
    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a.or(e), b.or(f), c.or(g), d.or(h)])
    }

    /// Whether any byte is marked.
    #[inline]
    pub(super) fn any(self) -> bool {
        let [a, b, c, d] = self.0;
        a.or(b).or(c.or(d)).bits() != 0
    }

    /// A bit for each marked byte, the first byte's lowest.
    #[inline]
    pub(super) fn bits(self) -> u64 {
        let [a, b, c, d] = self.0.map(|lane| u64::from(lane.bits()));
        a | b << 16 | c << 32 | d << 48
    }
}

/// Where quotes and backslashes stand, in their order. They stand often: a search that begins anew
/// behind each costs more.
pub(crate) fn quotes_and_backslashes(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let either = |lane: Lane| lane.is(b'"').or(lane.is(b'\\'));
    (0..bytes.len()).step_by(BLOCK).flat_map(move |from| {
        let mut left = Block::at(bytes, from).map(either).bits();
        std::iter::from_fn(move || {
            let at = from + left.trailing_zeros() as usize;
            let is_there = left != 0;
            left &= left.wrapping_sub(1);
            is_there.then_some(at)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::quotes_and_backslashes;

    proptest! {
        #[test]
        fn they_stand_where_looking_at_each_byte_finds_them(
            bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>()], 0..300),
        ) {
            let naive = (0..bytes.len()).filter(|at| matches!(bytes[*at], b'"' | b'\\'));
            let found = quotes_and_backslashes(&bytes);
            prop_assert_eq!(found.collect::<Vec<_>>(), naive.collect::<Vec<_>>());
        }
    }
}
