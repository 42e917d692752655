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
        let special = block.bits(Lane::special);
        if special | carry != 0 {
            let quote = block.bits(|lane| lane.is(b'"'));
            let backslash = block.bits(|lane| lane.is(b'\\'));
            let escaped = escaped(backslash, &mut carry);
            let end = quote & !escaped;
            // The string's bytes, with its closing quote where that is here.
            let inside = end ^ end.wrapping_sub(1);
            if special & !quote & !backslash & inside != 0 {
                return None;
            }
            let escaped = escaped & inside;
            if escaped != 0 {
                found.escapes = true;
                let simple = quote | backslash | block.bits(Lane::is_simple_escape);
                found.halves |= are_units(bytes, found.at, escaped & !simple)?;
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

/// Checks that each of these bytes, counted from `start`, is the `u` of a `\uXXXX`. Whether one
/// of those may be half of a surrogate pair; none where one is something else.
#[inline]
fn are_units(bytes: &[u8], start: usize, mut places: u64) -> Option<bool> {
    let mut halves = false;
    while places != 0 {
        let at = start + places.trailing_zeros() as usize;
        places &= places - 1;
        let [b'u', digits @ ..] = bytes.get(at..)?.first_chunk::<5>()? else {
            return None;
        };
        if !digits
            .iter()
            .fold(true, |all, digit| all & digit.is_ascii_hexdigit())
        {
            return None;
        }
        halves |= matches!(digits, [b'd' | b'D', ..]);
    }
    Some(halves)
}

impl Lane {
    /// Marks quotes, backslashes and control characters.
    #[inline]
    pub(super) fn special(self) -> Self {
        self.is(b'"').or(self.is(b'\\')).or(self.below(0x20))
    }

    /// Marks what makes an escape of two bytes behind a backslash, quotes and backslashes apart.
    #[inline]
    fn is_simple_escape(self) -> Self {
        // `b` and `f` differ in one bit.
        let letters = self.with(4).is(b'f').or(self.is(b'n'));
        let letters = letters.or(self.is(b'r')).or(self.is(b't'));
        letters.or(self.is(b'/'))
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
