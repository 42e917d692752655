//! Forms: `multipart/form-data` (RFC 7578), read in one pass that copies nothing.
//!
//! A form is read as strictly as a body must be of which one field is edited: two readers that
//! understood it in two ways would let a name of a model pass that was never looked at.

use std::borrow::Cow;

use memchr::memmem;

use crate::json::{Invalid, Span};

/// Most parts of a form, and most bytes of the headers of one.
const PARTS: usize = 256;
const HEADERS: usize = 8 * 1024;

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: Cow<'a, str>,
    /// Whether it is a file.
    pub(super) is_file: bool,
    pub(super) data: &'a [u8],
    /// Where its data stands.
    pub(super) span: Span,
}

impl Field<'_> {
    /// Its data as text.
    ///
    /// # Errors
    /// [`Invalid`] where it is none.
    pub(super) fn text(&self) -> Result<&str, Invalid> {
        std::str::from_utf8(self.data)
            .map_err(|_| wrong("text in UTF-8 was expected", self.span.start))
    }
}

/// The boundary that a `content-type` names.
///
/// # Errors
/// [`Invalid`] where it is no form, or names none.
pub(super) fn boundary(media_type: &str) -> Result<&str, Invalid> {
    let (kind, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        let why = "the content-type is not multipart/form-data";
        return Err(Invalid::new(why));
    }
    let mut named = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let found = named.next().filter(|value| (1..=70).contains(&value.len()));
    match (found, named.next()) {
        (Some(boundary), None) => Ok(boundary),
        (Some(_), Some(_)) => Err(Invalid::new("the content-type names two boundaries")),
        (None, _) => Err(Invalid::new(
            "the content-type names no boundary of 1 to 70 bytes",
        )),
    }
}

/// Calls `field` with each field of a form, in order; gives the offset of its first boundary.
///
/// # Errors
/// [`Invalid`] with the byte where the form is malformed, or what `field` fails with, under the
/// field's name.
pub(super) fn fields<'a>(
    bytes: &'a [u8],
    boundary: &str,
    mut field: impl FnMut(Field<'a>) -> Result<(), Invalid>,
) -> Result<usize, Invalid> {
    let mark = format!("--{boundary}");
    let delimiter = format!("\r\n{mark}");
    let finder = memmem::Finder::new(&delimiter);
    let start = begin(bytes, &mark, &finder)?;
    let mut at = start + mark.len();
    for _ in 0..PARTS {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(start);
        }
        // White space may stand behind a boundary.
        let padding = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        let Some(part) = rest
            .get(padding..)
            .and_then(|rest| rest.strip_prefix(b"\r\n"))
        else {
            return Err(wrong("a line must end behind a boundary", at));
        };
        let from = at + padding + 2;
        let Some(length) = finder.find(part) else {
            return Err(wrong("the form ends before its last boundary", bytes.len()));
        };
        let part = part.get(..length).unwrap_or_default();
        let read = read(part, from)?;
        let name = read.name.clone();
        field(read).map_err(|error| error.under(&name))?;
        at = from + length + delimiter.len();
    }
    Err(wrong("the form has more than 256 parts", at))
}

/// Where the first boundary stands: at the start, or behind a preamble.
fn begin(bytes: &[u8], mark: &str, finder: &memmem::Finder<'_>) -> Result<usize, Invalid> {
    if bytes.starts_with(mark.as_bytes()) {
        return Ok(0);
    }
    let found = finder.find(bytes).map(|at| at + 2);
    found.ok_or_else(|| wrong("the form does not begin with its boundary", 0))
}

fn read(part: &[u8], from: usize) -> Result<Field<'_>, Invalid> {
    // A part without headers begins with the empty line that ends them.
    let ends = memmem::find(part, b"\r\n\r\n").filter(|at| *at <= HEADERS);
    let Some(ends) = ends else {
        return Err(wrong("the headers of a part have no end", from));
    };
    let (head, data) = part.split_at(ends);
    let data = data.get(4..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| wrong("a header is no text", from))?;
    let disposition = header(head, "content-disposition")
        .ok_or_else(|| wrong("a part has no content-disposition", from))?;
    let name = parameter(disposition, "name").ok_or_else(|| wrong("a part has no name", from))?;
    let is_file = ["filename", "filename*"]
        .iter()
        .any(|name| parameter(disposition, name).is_some());
    Ok(Field {
        name,
        is_file,
        data,
        span: from + ends + 4..from + part.len(),
    })
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// A parameter of a header, in quotes or without; quotes within are escaped by a backslash or as `%22`.
fn parameter<'a>(header: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = closing(quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value.get(..end)?.trim_end(), value.get(end..)?)
            }
        };
        if name
            .trim()
            .trim_start_matches(';')
            .trim()
            .eq_ignore_ascii_case(wanted)
        {
            let escaped = value.contains('\\') || value.contains("%22");
            return Some(if escaped {
                value.replace("\\\"", "\"").replace("%22", "\"").into()
            } else {
                value.into()
            });
        }
        rest = behind;
    }
}

/// Where the quote stands that ends a quoted text.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn wrong(why: &'static str, at: usize) -> Invalid {
    Invalid {
        at: Some(at),
        ..Invalid::new(why)
    }
}
