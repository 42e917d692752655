//! Numbers and texts as the journal writes them.
//!
//! Whole numbers are LEB128, signed ones zigzag before that; a text is its length
//! in bytes and UTF-8. Reading checks every length against what is there.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They do not follow the format.
    Malformed(&'static str),
    /// They follow a later one.
    Newer(String),
}

/// Something that may be absent or be there many times is written as a count first.
pub(super) trait Put {
    fn byte(&mut self, value: u8);
    fn number(&mut self, value: u64);
    fn signed(&mut self, value: i64);
    fn text(&mut self, value: &str);
    fn maybe(&mut self, value: Option<&str>);
}

impl Put for Vec<u8> {
    fn byte(&mut self, value: u8) {
        self.push(value);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.push(low_byte(value));
    }

    fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn text(&mut self, value: &str) {
        self.number(value.len() as u64);
        self.extend_from_slice(value.as_bytes());
    }

    fn maybe(&mut self, value: Option<&str>) {
        match value {
            None => self.push(0),
            Some(text) => {
                self.push(1);
                self.text(text);
            }
        }
    }
}

fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}

/// Texts that were read lately. Records say the same few again and again, and need not each have
/// a copy.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<Arc<str>>);

/// Texts that are remembered, each in the place that its hash gives.
const REMEMBERED: usize = 512;

/// Bytes of a text that is remembered, at most.
const REMEMBERED_BYTES: usize = 64;

impl Texts {
    /// The text of these bytes. One that is remembered needs no second look at whether it is UTF-8.
    fn shared(&mut self, bytes: &[u8]) -> Result<Arc<str>, Unreadable> {
        if bytes.len() > REMEMBERED_BYTES {
            return utf8(bytes).map(Arc::from);
        }
        if self.0.is_empty() {
            self.0.resize(REMEMBERED, Arc::from(""));
        }
        let hash = FixedState::default().hash_one(bytes);
        let place = usize::try_from(hash % REMEMBERED as u64).unwrap_or_default();
        let remembered = self.0.get_mut(place);
        if let Some(known) = remembered
            .as_ref()
            .filter(|known| known.as_bytes() == bytes)
        {
            return Ok(Arc::clone(known));
        }
        let text: Arc<str> = utf8(bytes)?.into();
        if let Some(other) = remembered {
            *other = Arc::clone(&text);
        }
        Ok(text)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Unreadable> {
    str::from_utf8(bytes).map_err(|_| Unreadable::Malformed("a text is not UTF-8"))
}

/// The word, if it is one that nearly every record has.
fn common(word: &str) -> Option<&'static str> {
    const COMMON: [&str; 12] = [
        "",
        "answered",
        "initial",
        "chat",
        "openai-chat",
        "anthropic-messages",
        "openai-responses",
        "gemini",
        "bedrock-converse",
        "cohere",
        "retry",
        "fallback",
    ];
    COMMON.into_iter().find(|common| *common == word)
}

/// Items of a list that room is made for before they are read.
const LIST_AHEAD: usize = 8;

/// What is left to read.
pub(super) struct Take<'a> {
    left: &'a [u8],
    texts: &'a mut Texts,
}

impl<'a> Take<'a> {
    pub(super) fn new(bytes: &'a [u8], texts: &'a mut Texts) -> Self {
        Self { left: bytes, texts }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Unreadable> {
        let (&first, rest) = self.left.split_first().ok_or(SHORT)?;
        self.left = rest;
        Ok(first)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Unreadable> {
        // Most are small.
        if let [byte @ 0..0x80, rest @ ..] = self.left {
            self.left = rest;
            return Ok(u64::from(*byte));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable::Malformed("a number is too long"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Unreadable> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn small(&mut self) -> Result<u16, Unreadable> {
        u16::try_from(self.number()?).map_err(|_| Unreadable::Malformed("a number is too large"))
    }

    /// The bytes of a text.
    fn bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        let (text, rest) = self.left.split_at_checked(length).ok_or(SHORT)?;
        self.left = rest;
        Ok(text)
    }

    pub(super) fn str(&mut self) -> Result<&'a str, Unreadable> {
        self.bytes().and_then(utf8)
    }

    pub(super) fn shared(&mut self) -> Result<Arc<str>, Unreadable> {
        let bytes = self.bytes()?;
        self.texts.shared(bytes)
    }

    pub(super) fn string(&mut self) -> Result<String, Unreadable> {
        self.str().map(str::to_owned)
    }

    pub(super) fn word(&mut self) -> Result<Cow<'static, str>, Unreadable> {
        self.str().map(|word| match common(word) {
            Some(word) => Cow::Borrowed(word),
            None => Cow::Owned(word.to_owned()),
        })
    }

    pub(super) fn maybe_shared(&mut self) -> Result<Option<Arc<str>>, Unreadable> {
        self.is_there()?.then(|| self.shared()).transpose()
    }

    pub(super) fn maybe(&mut self) -> Result<Option<&'a str>, Unreadable> {
        self.is_there()?.then(|| self.str()).transpose()
    }

    fn is_there(&mut self) -> Result<bool, Unreadable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Malformed("an option is neither there nor not")),
        }
    }

    /// As many as the count before them says; each takes a byte at least, so a false count ends early.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let count = self.number()?;
        let ahead = usize::try_from(count).map_or(LIST_AHEAD, |count| count.min(LIST_AHEAD));
        let mut items = Vec::with_capacity(ahead);
        for _ in 0..count {
            items.push(one(self)?);
        }
        Ok(items)
    }

    pub(super) fn end(&self) -> Result<(), Unreadable> {
        match self.left {
            [] => Ok(()),
            _ => Err(Unreadable::Malformed("bytes follow its end")),
        }
    }
}

const SHORT: Unreadable = Unreadable::Malformed("it ends early");
