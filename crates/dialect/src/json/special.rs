//! Finds the bytes at which a JSON string needs a closer look.
//!
//! Both reading and writing strings spend their time here. Most strings are short,
//! so the first bytes go by eight at a time; a long plain run goes by in blocks
//! that the compiler turns into vector code.

const WORD: usize = 8;
/// Plain words after which the run is taken for a long one.
const SHORT: usize = 8;
const BLOCK: usize = 64;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Offset, from `from` on, of the first quote, backslash or control character.
#[inline]
pub(super) fn special(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut plain = 0;
    loop {
        let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WORD>) else {
            let rest = bytes.get(at..)?;
            let step = rest.iter().position(|byte| is_special(*byte))?;
            return Some(at + step);
        };
        if let Some(step) = in_word(*word) {
            return Some(at + step);
        }
        at += WORD;
        plain += 1;
        if plain == SHORT {
            at = past_plain_blocks(bytes, at);
            plain = 0;
        }
    }
}

/// Offset behind the blocks, from `at` on, that have nothing special.
fn past_plain_blocks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        if block
            .iter()
            .fold(false, |any, byte| any | is_special(*byte))
        {
            break;
        }
        at += BLOCK;
    }
    at
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Place of the first special byte among eight. Each test sets the high bit of the
/// bytes that it finds; a borrow can set further ones, but only above the first.
#[inline]
fn in_word(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
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
            bytes in proptest::collection::vec(prop_oneof![9 => 0x1eu8..=0xff, 1 => any::<u8>()], 0..400),
            from in 0usize..410,
        ) {
            let naive = (from..bytes.len()).find(|at| is_special(bytes[*at]));
            prop_assert_eq!(special(&bytes, from), naive);
        }
    }
}
