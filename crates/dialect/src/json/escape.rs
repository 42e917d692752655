//! Escapes of JSON strings, both ways.
//!
//! A lone half of a surrogate pair may pass where bytes are copied, but never
//! becomes text.

use super::special::special;

/// Appends `text` as a JSON string, quotes included.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + text.len() / 8 + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    while let Some(at) = special(bytes, copied) {
        out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        copied = at + 1;
        match bytes.get(at) {
            Some(b'"') => out.extend_from_slice(b"\\\""),
            Some(b'\\') => out.extend_from_slice(b"\\\\"),
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            other => {
                let code = other.copied().unwrap_or_default();
                out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
            }
        }
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    out.push(b'"');
}

/// Length of the escape at the start of `bytes`, which begins with a backslash.
pub(super) fn escape_length(bytes: &[u8]) -> Result<usize, &'static str> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') if unit(bytes).is_some() => Ok(6),
        Some(b'u') => Err(NO_DIGITS),
        _ => Err(UNKNOWN),
    }
}

/// The UTF-16 unit of the `\uXXXX` that `bytes` begins with.
fn unit(bytes: &[u8]) -> Option<u16> {
    if bytes.get(1) != Some(&b'u') {
        return None;
    }
    let digits = bytes.get(2..6)?;
    digits.iter().try_fold(0u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

pub(super) const BARE_CONTROL: &str = "a control character stands unescaped in a string";
pub(super) const NO_END: &str = "a string does not end";
const UNKNOWN: &str = "an unknown escape in a string";
const NO_DIGITS: &str = "`\\u` needs four hexadecimal digits";

/// Reads a string that begins at `start`, behind its opening quote: its characters, and
/// the offset of the closing quote. Fails with the offset of what is wrong.
///
/// A lone half of a surrogate pair is grammatical JSON and passes where bytes
/// are copied, but it names no character, so it cannot become text.
pub(super) fn unescape(text: &str, start: usize) -> Result<(String, usize), (usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut at = start;
    while let Some(found) = special(bytes, at) {
        out.push_str(text.get(at..found).unwrap_or_default());
        match bytes.get(found) {
            Some(b'"') => return Ok((out, found)),
            Some(b'\\') => {
                let escape = bytes.get(found..).unwrap_or_default();
                let (character, length) = character(escape).map_err(|why| (found, why))?;
                out.push(character);
                at = found + length;
            }
            _ => return Err((found, BARE_CONTROL)),
        }
    }
    Err((start, NO_END))
}

/// The character that the escape at the start of `bytes` stands for, and the escape's length.
#[inline]
fn character(bytes: &[u8]) -> Result<(char, usize), &'static str> {
    let character = match bytes.get(1) {
        Some(plain @ (b'"' | b'\\' | b'/')) => char::from(*plain),
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => {
            const LONE: &str = "half a surrogate pair stands alone in a string";
            unit(bytes).ok_or(NO_DIGITS)?;
            let (code, length) = code_point(bytes).ok_or(LONE)?;
            return Ok((char::from_u32(code).ok_or(LONE)?, length));
        }
        _ => return Err(UNKNOWN),
    };
    Ok((character, 2))
}

/// The character that one `\uXXXX`, or a surrogate pair of them, names, and how many bytes that took.
fn code_point(bytes: &[u8]) -> Option<(u32, usize)> {
    let high = u32::from(unit(bytes)?);
    if !(0xD800..0xDC00).contains(&high) {
        return Some((high, 6));
    }
    let rest = bytes.get(6..).filter(|rest| rest.first() == Some(&b'\\'))?;
    let low = u32::from(unit(rest)?);
    (0xDC00..0xE000)
        .contains(&low)
        .then(|| (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), 12))
}
