//! The pull reader: one pass over a JSON text, driven by closures per member.
//!
//! Grammar: RFC 8259, with its depth bounded by [`MAX_DEPTH`]. Errors carry the
//! path of the value and its byte offset. It must never accept what a strict
//! parser refuses, since the same bytes may go on to a provider.

mod skip;

use std::borrow::Cow;
use std::ops::Range;

use super::block::{LANE, Lane};
use super::closing::{Closing, closing};
use super::escape::{BARE_CONTROL, NO_END, escape_length, unescape};
use super::invalid::cut;
use super::seen::Seen;
use super::special::special;
use super::{Invalid, Json, Kind, Text};

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: u16 = 128;

/// Byte range of a value inside the text it was read from.
pub type Span = Range<usize>;

/// A cursor over one JSON text.
#[derive(Clone)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u16,
    unique_keys: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    ///
    /// # Errors
    /// [`Invalid`] where the bytes are not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Invalid> {
        match simdutf8::compat::from_utf8(bytes) {
            Ok(text) => Ok(Self::over(text)),
            Err(e) => Err(wrong(e.valid_up_to(), "the text is not valid UTF-8")),
        }
    }

    /// A reader at the start of `text`.
    #[must_use]
    pub fn over(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            unique_keys: false,
        }
    }

    /// From here on, an object that is read member by member may not name a member twice.
    #[must_use]
    pub fn with_unique_keys(mut self) -> Self {
        self.unique_keys = true;
        self
    }

    /// Byte offset of the next value.
    pub fn offset(&mut self) -> usize {
        self.white();
        self.at
    }

    /// The kind of the next value, which stays unread.
    ///
    /// # Errors
    /// [`Invalid`] where no value can begin.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, Invalid> {
        self.white();
        match self.byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.error("a value was expected")),
            None => Err(self.error("the text ends where a value was expected")),
        }
    }

    /// Reads an object; `member` is called at each value and must consume it.
    ///
    /// # Errors
    /// [`Invalid`] where the next value is no object, its text is malformed, a key
    /// repeats (with unique keys), or `member` fails; the member's key is put
    /// before the error's path.
    pub fn object<F>(&mut self, mut member: F) -> Result<(), Invalid>
    where
        F: FnMut(&str, &mut Self) -> Result<(), Invalid>,
    {
        self.expect(Kind::Object)?;
        self.enter()?;
        let mut seen = self.unique_keys.then(Seen::default);
        if !self.empty(b'}')? {
            loop {
                self.white();
                let key_at = self.at;
                self.take(b'"', "a member name in double quotes was expected")?;
                let key = self.characters()?;
                if seen.as_mut().is_some_and(|seen| !seen.insert(&key)) {
                    self.at = key_at;
                    return Err(self.error("this member stands here twice").under(&key));
                }
                self.white();
                self.take(b':', "`:` was expected after a member name")?;
                member(&key, self).map_err(|e| e.under(&key))?;
                if self.more(b'}')? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads an object as [`Reader::object`] does, and keeps its text too.
    ///
    /// # Errors
    /// As that.
    pub fn kept_object<F>(&mut self, member: F) -> Result<Json, Invalid>
    where
        F: FnMut(&str, &mut Self) -> Result<(), Invalid>,
    {
        let start = self.offset();
        self.object(member)?;
        Ok(Json::from_validated(self.slice(start, self.at)))
    }

    /// Reads an array; `element` is called at each value and must consume it.
    ///
    /// # Errors
    /// As [`Reader::object`], with the element's index before the path.
    pub fn array<F>(&mut self, mut element: F) -> Result<(), Invalid>
    where
        F: FnMut(usize, &mut Self) -> Result<(), Invalid>,
    {
        self.expect(Kind::Array)?;
        self.enter()?;
        let mut index = 0;
        if !self.empty(b']')? {
            loop {
                element(index, self).map_err(|e| e.under(&format!("[{index}]")))?;
                index += 1;
                if self.more(b']')? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads a string; borrowed where it has no escapes.
    ///
    /// # Errors
    /// [`Invalid`] where the next value is no string or is malformed, a lone
    /// surrogate included.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        self.expect(Kind::String)?;
        self.at += 1;
        self.characters()
    }

    /// The rest of a string, from just after the opening quote.
    #[inline]
    fn characters(&mut self) -> Result<Cow<'a, str>, Invalid> {
        let start = self.at;
        let closing = self.closing()?;
        if !closing.escapes {
            self.at = closing.at + 1;
            return Ok(Cow::Borrowed(self.slice(start, closing.at)));
        }
        let (text, end) = unescape(self.text, start).map_err(|(at, why)| wrong(at, why))?;
        self.at = end + 1;
        Ok(Cow::Owned(text))
    }

    /// Reads a string and keeps its text as it is written.
    ///
    /// # Errors
    /// As [`Reader::string`].
    pub fn text(&mut self) -> Result<Text, Invalid> {
        self.expect(Kind::String)?;
        let start = self.at;
        let mut ahead = self.clone();
        ahead.at += 1;
        let closing = ahead.closing()?;
        if closing.halves {
            return Ok(self.string()?.into_owned().into());
        }
        self.at = closing.at + 1;
        let string = Json::from_validated(self.slice(start, self.at));
        Ok(Text::written(string, closing.escapes))
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// [`Invalid`] where the next value is no boolean.
    pub fn bool(&mut self) -> Result<bool, Invalid> {
        self.expect(Kind::Bool)?;
        if self.byte() == Some(b't') {
            self.literal("true")?;
            Ok(true)
        } else {
            self.literal("false")?;
            Ok(false)
        }
    }

    /// Reads a whole number that is not negative.
    ///
    /// # Errors
    /// [`Invalid`] where the next value is no number, has a sign, fraction or
    /// exponent, or is larger than 64 bits hold.
    pub fn u64(&mut self) -> Result<u64, Invalid> {
        let start = self.offset();
        let raw = self.number()?;
        raw.parse().map_err(|_| Invalid {
            path: String::new(),
            at: Some(start),
            message: format!(
                "a whole number of 0 or more was expected, not {}",
                cut(raw, 24)
            )
            .into(),
        })
    }

    /// Reads a number and gives its text.
    ///
    /// # Errors
    /// [`Invalid`] where the next value is no number.
    pub fn number(&mut self) -> Result<&'a str, Invalid> {
        self.expect(Kind::Number)?;
        let start = self.at;
        self.skip_number()?;
        Ok(self.slice(start, self.at))
    }

    /// Reads `null` where it comes next; says whether it did.
    ///
    /// # Errors
    /// [`Invalid`] where the text is malformed.
    #[inline]
    pub fn null(&mut self) -> Result<bool, Invalid> {
        if self.peek()? != Kind::Null {
            return Ok(false);
        }
        self.literal("null")?;
        Ok(true)
    }

    /// Passes over the next value, validating it, and gives its span.
    ///
    /// # Errors
    /// [`Invalid`] where the value is malformed or too deep.
    pub fn skip(&mut self) -> Result<Span, Invalid> {
        self.white();
        let start = self.at;
        self.skip_value()?;
        Ok(start..self.at)
    }

    /// Passes over the next value and gives its text.
    ///
    /// # Errors
    /// As [`Reader::skip`].
    pub fn raw(&mut self) -> Result<&'a str, Invalid> {
        let span = self.skip()?;
        Ok(self.slice(span.start, span.end))
    }

    /// Passes over the next value and keeps its text.
    ///
    /// # Errors
    /// As [`Reader::skip`].
    pub fn json(&mut self) -> Result<Json, Invalid> {
        self.raw().map(Json::from_validated)
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    /// [`Invalid`] where something is.
    pub fn end(&mut self) -> Result<(), Invalid> {
        self.white();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.error("the text goes on after the value"))
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn error(&self, message: impl Into<Cow<'static, str>>) -> Invalid {
        wrong(self.at, message)
    }

    #[inline]
    fn expect(&mut self, wanted: Kind) -> Result<(), Invalid> {
        let found = self.peek()?;
        if found == wanted {
            return Ok(());
        }
        Err(self.error(format!(
            "{} was expected, not {}",
            wanted.name(),
            found.name()
        )))
    }

    #[inline]
    fn take(&mut self, byte: u8, message: &'static str) -> Result<(), Invalid> {
        if self.byte() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(message))
    }

    /// Steps over the opening bracket.
    #[inline]
    fn enter(&mut self) -> Result<(), Invalid> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("arrays and objects nest deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether the bracket just opened closes at once; steps over it if so.
    #[inline]
    fn empty(&mut self, close: u8) -> Result<bool, Invalid> {
        self.white();
        match self.byte() {
            Some(b) if b == close => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err(self.error("the text ends inside an array or object")),
        }
    }

    /// After a value: steps over `,` (false) or the closing bracket (true).
    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Invalid> {
        self.white();
        match self.byte() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Err(self.error("`,` or the end of the array or object was expected")),
            None => Err(self.error("the text ends inside an array or object")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Invalid> {
        if self.rest().starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.error("a value was expected"))
    }

    /// From just after the opening quote: where the string ends.
    #[inline]
    fn closing(&self) -> Result<Closing, Invalid> {
        let bytes = self.text.as_bytes();
        // Most strings are names and short words.
        if let Some(lane) = Lane::at(bytes, self.at) {
            let at = self.at + lane.special().bits().trailing_zeros() as usize;
            if bytes.get(at) == Some(&b'"') && at < self.at + LANE {
                return Ok(Closing::plain(at));
            }
        }
        closing(bytes, self.at).ok_or_else(|| self.no_closing())
    }

    /// What is wrong with the string that begins here.
    #[cold]
    fn no_closing(&self) -> Invalid {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(found) = special(bytes, at) {
            at = found;
            match bytes.get(at) {
                Some(b'\\') => match escape_length(bytes.get(at..).unwrap_or_default()) {
                    Ok(length) => at += length,
                    Err(message) => return wrong(at, message),
                },
                Some(b'"') => break,
                _ => return wrong(at, BARE_CONTROL),
            }
        }
        self.error(NO_END)
    }
}

fn wrong(at: usize, message: impl Into<Cow<'static, str>>) -> Invalid {
    Invalid {
        path: String::new(),
        at: Some(at),
        message: message.into(),
    }
}
