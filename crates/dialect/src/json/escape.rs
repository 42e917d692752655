//! Escapes of JSON strings, both ways.
//!
//! A lone half of a surrogate pair may pass where bytes are copied, but never
//! becomes text.

use memchr::memchr;

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
        Some(b'u') => Err("`\\u` needs four hexadecimal digits"),
        _ => Err("an unknown escape in a string"),
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

/// Resolves the escapes of a string that `string_end` has passed.
///
/// A lone half of a surrogate pair is grammatical JSON and passes where bytes
/// are copied, but it names no character, so it cannot become text.
pub(super) fn unescape(inner: &str) -> Result<String, (usize, &'static str)> {
    const LONE: &str = "half a surrogate pair stands alone in a string";
    let bytes = inner.as_bytes();
    let mut out = String::with_capacity(inner.len());
    let mut at = 0;
    while let Some(step) = memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        out.push_str(inner.get(at..at + step).unwrap_or_default());
        at += step;
        let rest = bytes.get(at..).unwrap_or_default();
        let mut length = 2;
        out.push(match rest.get(1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let (code, read) = code_point(rest).ok_or((at, LONE))?;
                length = read;
                char::from_u32(code).ok_or((at, LONE))?
            }
            Some(plain) => char::from(*plain),
            None => return Err((at, "an unknown escape in a string")),
        });
        at += length;
    }
    out.push_str(inner.get(at..).unwrap_or_default());
    Ok(out)
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
