//! Where the simulated provider's words come from: a stable hash, a small
//! generator of pseudo-random numbers, a vocabulary with accents, wide
//! characters and emoji, identifiers, and the stated tokenizer.
//!
//! Everything here is a pure function of its arguments, so that the same seed
//! always gives the same words. Nothing here reads a clock.

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const FILLER: &str = "the quick brown fox jumps over a lazy dog and runs on ";
const VOCABULARY: [&str; 32] = [
    "the",
    "river",
    "of",
    "answers",
    "runs",
    "café",
    "under",
    "a",
    "bridge",
    "世界",
    "where",
    "every",
    "token",
    "naïve",
    "or",
    "not",
    "is",
    "counted",
    "🙂",
    "and",
    "each",
    "word",
    "Größe",
    "carries",
    "its",
    "own",
    "weight",
    "in",
    "light",
    "👩‍🚀",
    "over",
    "time",
];

/// A seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(MIX);
        finish(self.0)
    }

    /// A number below `bound`, which must not be zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32),
        ]
        .join("-")
    }

    /// `len` characters of base 62 behind `prefix`.
    pub(crate) fn id(&mut self, prefix: &str, len: usize) -> String {
        let mut out = String::with_capacity(prefix.len() + len);
        out.push_str(prefix);
        let mut bits = 0;
        for i in 0..len {
            if i % 8 == 0 {
                bits = self.next();
            }
            let at = usize::try_from(bits & 0xFF).unwrap_or(0) % ALPHABET.len();
            bits >>= 8;
            out.push(char::from(ALPHABET.get(at).copied().unwrap_or(b'0')));
        }
        out
    }
}

/// A stable 64-bit hash, eight bytes at a step.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ MIX;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word))
            .wrapping_mul(0xFF51_AFD7_ED55_8CCD)
            .rotate_left(29);
    }
    for byte in rest {
        state = (state ^ u64::from(*byte))
            .wrapping_mul(0x0000_0100_0000_01B3)
            .rotate_left(7);
    }
    finish(state ^ (bytes.len() as u64))
}

/// `count` words; every tenth or so is not ASCII, and one of the first eight is.
pub(crate) fn sentence(rng: &mut Rng, count: usize) -> String {
    let mut out = String::with_capacity(count * 7);
    for i in 0..count {
        if i > 0 {
            out.push(' ');
        }
        let word = match i % 8 {
            3 => "é",
            5 if i % 16 == 5 => "世界",
            5 => "🙂",
            _ => {
                let at = usize::try_from(rng.below(VOCABULARY.len() as u64)).unwrap_or(0);
                VOCABULARY.get(at).copied().unwrap_or("the")
            }
        };
        out.push_str(word);
    }
    out
}

/// Exactly `len` bytes of ASCII words, for measured streams.
pub(crate) fn filler(len: usize) -> String {
    FILLER
        .repeat(len / FILLER.len() + 1)
        .get(..len)
        .unwrap_or_default()
        .to_owned()
}

/// The tokenizer: one token for every four bytes of a string, rounded up.
pub(crate) fn tokens(text: &str) -> u64 {
    tokens_of(text.len())
}

/// [`tokens`] of a string of `bytes` bytes.
pub(crate) fn tokens_of(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// The longest prefix of `text` that has at most `bytes` bytes and ends on a character.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
