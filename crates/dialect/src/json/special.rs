//! Finds the bytes at which a JSON string needs a closer look.
//!
//! Both reading and writing strings spend their time here. Long plain runs go by
//! in blocks that the compiler turns into vector code; inside a block the place
//! is found eight bytes at a time.

const BLOCK: usize = 32;
const WORD: usize = 8;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Offset, from `from` on, of the first quote, backslash or control character.
pub(super) fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes.get(at..at + BLOCK) {
        if !block
            .iter()
            .fold(false, |any, byte| any | is_special(*byte))
        {
            at += BLOCK;
            continue;
        }
        for word in block.chunks_exact(WORD) {
            if let Some(step) = in_word(word) {
                return Some(at + step);
            }
            at += WORD;
        }
    }
    let rest = bytes.get(at..)?;
    rest.iter()
        .position(|byte| is_special(*byte))
        .map(|step| at + step)
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Place of the first special byte among eight. Each test sets the high bit of the
/// bytes that it finds; a borrow can set further ones, but only above the first.
fn in_word(word: &[u8]) -> Option<usize> {
    let word = u64::from_le_bytes(word.try_into().ok()?);
    let zero = |word: u64| word.wrapping_sub(LOW) & !word;
    let quote = zero(word ^ (LOW * b'"' as u64));
    let backslash = zero(word ^ (LOW * b'\\' as u64));
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    let found = (quote | backslash | control) & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_special, special};

    proptest! {
        #[test]
        fn finds_what_looking_at_each_byte_finds(
            bytes in proptest::collection::vec(prop_oneof![9 => 0x1eu8..=0xff, 1 => any::<u8>()], 0..200),
            from in 0usize..210,
        ) {
            let naive = (from..bytes.len()).find(|at| is_special(bytes[*at]));
            prop_assert_eq!(special(&bytes, from), naive);
        }
    }
}
