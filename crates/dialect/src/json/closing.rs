//! Finds the end of a string of a JSON text, a block of bytes at a time.
//!
//! What it says is certain: where anything in the string is wrong it says
//! nothing, and the caller looks at each byte to tell what.

use super::block::{BLOCK, Block, Lane};

/// Where a string ends, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    /// Offset of the closing quote.
    pub(super) at: usize,
    /// Whether there are escapes.
    pub(super) escapes: bool,
    /// Whether there are escapes that may be halves of surrogate pairs.
    pub(super) halves: bool,
}

impl Closing {
    /// The end of a string without escapes.
    #[inline]
    pub(super) fn plain(at: usize) -> Self {
        Self {
            at,
            escapes: false,
            halves: false,
        }
    }
}

/// The end of the string whose characters begin at `from`; none where something is wrong with it.
pub(super) fn closing(bytes: &[u8], from: usize) -> Option<Closing> {
    let mut found = Closing::plain(from);
    // Whether the next block's first byte is escaped: 1 or 0.
    let mut carry = 0;
    loop {
        let block = Block::at(bytes, found.at);
        let quotes = block.map(|lane| lane.is(b'"'));
        let backslashes = block.map(|lane| lane.is(b'\\'));
        let controls = block.map(|lane| lane.below(0x20));
        if carry != 0 || quotes.or(backslashes).or(controls).any() {
            let (quote, backslash) = (quotes.bits(), backslashes.bits());
            let escaped = escaped(backslash, &mut carry);
            let end = quote & !escaped;
            // The string's bytes, with its closing quote where that is here.
            let inside = end ^ end.wrapping_sub(1);
            if controls.any() && controls.bits() & inside != 0 {
                return None;
            }
            let escaped = escaped & inside;
            if escaped != 0 {
                found.escapes = true;
                let usual = quote | backslash | block.map(Lane::is_usual_escape).bits();
                found.halves |= are_escapes(bytes, found.at, escaped & !usual)?;
            }
            if end != 0 {
                found.at += end.trailing_zeros() as usize;
                return Some(found);
            }
        }
        found.at += BLOCK;
    }
}

/// The bytes that stand behind a backslash which is not itself escaped. `carry` tells it of
/// the first byte, and then of the first byte of the next block.
#[inline]
fn escaped(backslash: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let opens = backslash & !*carry;
    // simdjson's way: in a run of backslashes every other one escapes. Subtracting the runs'
    // bytes from what follows them, with the odd places filled, carries through each run to
    // its end and leaves every other place changed, counted from where the run began.
    let behind = opens << 1;
    let changed = (behind | ODD).wrapping_sub(opens) ^ ODD;
    let escaped = changed ^ (backslash | *carry);
    *carry = (changed & backslash) >> 63;
    escaped
}

/// Checks that each of these bytes, counted from `start`, is an unusual escape: the `u` of
/// a `\uXXXX` or a slash. Whether one may be half of a surrogate pair; none where one is
/// something else.
#[inline]
fn are_escapes(bytes: &[u8], start: usize, mut places: u64) -> Option<bool> {
    let mut halves = false;
    while places != 0 {
        let at = start + places.trailing_zeros() as usize;
        places &= places - 1;
        match bytes.get(at..)? {
            [b'u', a, b, c, d, ..] => {
                if !(is_digit(*a) & is_digit(*b) & is_digit(*c) & is_digit(*d)) {
                    return None;
                }
                halves |= matches!(a, b'd' | b'D');
            }
            [b'/', ..] => {}
            _ => return None,
        }
    }
    Some(halves)
}

#[inline]
fn is_digit(byte: u8) -> bool {
    DIGITS.get(usize::from(byte)).is_some_and(|is| *is)
}

/// Whether each byte is a hexadecimal digit: a look into a table is less than six comparisons.
#[expect(
    clippy::indexing_slicing,
    reason = "made while compiling, and every byte has its place"
)]
static DIGITS: [bool; 256] = {
    let mut digits = [false; 256];
    let mut of = "0123456789abcdefABCDEF".as_bytes();
    while let [digit, rest @ ..] = of {
        digits[*digit as usize] = true;
        of = rest;
    }
    digits
};

impl Lane {
    /// Marks quotes, backslashes and control characters.
    #[inline]
    pub(super) fn special(self) -> Self {
        self.is(b'"').or(self.is(b'\\')).or(self.below(0x20))
    }

    /// Marks the letters that make an escape of two bytes behind a backslash.
    #[inline]
    fn is_usual_escape(self) -> Self {
        // `b` and `f` differ in one bit.
        let letters = self.with(4).is(b'f').or(self.is(b'n'));
        letters.or(self.is(b'r')).or(self.is(b't'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Closing, closing};
    use crate::json::escape::escape_length;

    /// What looking at each byte finds.
    fn naive(bytes: &[u8], from: usize) -> Option<Closing> {
        let mut found = Closing::plain(from);
        loop {
            match bytes.get(found.at)? {
                b'"' => return Some(found),
                b'\\' => {
                    let escape = &bytes[found.at..];
                    found.at += escape_length(escape).ok()?;
                    found.escapes = true;
                    found.halves |= matches!(escape, [_, b'u', b'd' | b'D', ..]);
                }
                0..0x20 => return None,
                _ => found.at += 1,
            }
        }
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        let good = prop::sample::select(vec![
            "a",
            "a plain run of words without any escape, é",
            "u0d",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\b\\f\\r\\t",
            "\\u00e9",
            "\\uD83D\\ude00",
            "\\udc00",
        ]);
        let bad = prop::sample::select(vec![
            "\"", "\\", "\n", "\0", "\\u", "\\u00", "\\u00g0", "\\x", "\\U0000", "\\ud",
        ]);
        let piece = prop_oneof![60 => good, 1 => bad];
        prop::collection::vec(piece, 0..90).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn finds_what_looking_at_each_byte_finds(
            mut bytes in string(),
            rest in string(),
            closes in prop::bool::weighted(0.8),
            from in 0usize..5,
        ) {
            bytes.splice(0..0, vec![b' '; from]);
            if closes {
                bytes.push(b'"');
            }
            bytes.extend(rest);
            prop_assert_eq!(closing(&bytes, from), naive(&bytes, from));
        }

        #[test]
        fn a_run_of_backslashes_is_read_to_its_end(before in 0usize..70, run in 0usize..200) {
            let text = ["x".repeat(before), "\\".repeat(run), "\" \" ".repeat(60)].concat();
            let bytes = text.as_bytes();
            prop_assert_eq!(closing(bytes, 0), naive(bytes, 0));
        }
    }
}
