//! Finds the bytes at which a JSON string needs a closer look.
//!
//! Reading short strings and writing all of them spends its time here.

use super::block::{LANE, Lane};

/// Offset, from `from` on, of the first quote, backslash or control character.
#[inline]
pub(super) fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(lane) = Lane::at(bytes, at) {
        let found = lane.special().bits();
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += LANE;
    }
    let rest = bytes.get(at..)?;
    let step = rest.iter().position(|byte| is_special(*byte))?;
    Some(at + step)
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_special, special};

    proptest! {
        #[test]
        fn finds_what_looking_at_each_byte_finds(
            bytes in proptest::collection::vec(prop_oneof![9 => 0x1eu8..=0xff, 1 => any::<u8>()], 0..400),
            from in 0usize..410,
        ) {
            let naive = (from..bytes.len()).find(|at| is_special(bytes[*at]));
            prop_assert_eq!(special(&bytes, from), naive);
        }
    }
}
