//! Forms: `multipart/form-data` (RFC 7578), read in one pass that copies nothing.
//!
//! A form is read as strictly as a body must be of which one field is edited: two readers that
//! understood it in two ways would let a name of a model pass that was never looked at. So what
//! readers are known to take in different ways is refused: text outside the parts, escapes in a name,
//! lines that end otherwise, parts that are encoded.

use memchr::memmem;

use crate::json::{Invalid, Span};

/// Most parts of a form, and most bytes of the headers of one.
const PARTS: usize = 256;
const HEADERS: usize = 8 * 1024;

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    /// Visible ASCII characters.
    pub(super) name: &'a str,
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

/// The boundary that a `content-type` names: by the characters of RFC 2046, which no quoting hides.
///
/// # Errors
/// [`Invalid`] where it is no form, or names none, or one that can be read in two ways.
pub(super) fn boundary(media_type: &str) -> Result<&str, Invalid> {
    let (kind, parameters) = media_type.split_at(media_type.find(';').unwrap_or(media_type.len()));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        let why = "the content-type is not multipart/form-data";
        return Err(Invalid::new(why));
    }
    let mut found = None;
    each_parameter(parameters, |name, value| {
        if !base(name).eq_ignore_ascii_case("boundary") {
            return Ok(());
        }
        if base(name) != name {
            let why = "the content-type names its boundary in an extended form";
            return Err(Invalid::new(why));
        }
        match found.replace(value) {
            None => Ok(()),
            Some(_) => Err(Invalid::new("the content-type names two boundaries")),
        }
    })?;
    let why =
        "the content-type names no boundary of 1 to 70 letters, digits and '()+_,-./:=? signs";
    let is_one = |one: &&str| {
        (1..=70).contains(&one.len()) && one.bytes().all(is_of_boundary) && !one.ends_with(' ')
    };
    found.filter(is_one).ok_or_else(|| Invalid::new(why))
}

/// The `content-type` of a form with that boundary, written in one way.
pub(super) fn media_type(boundary: &str) -> String {
    let quote = if boundary.bytes().all(is_of_token) {
        ""
    } else {
        "\""
    };
    format!("multipart/form-data; boundary={quote}{boundary}{quote}")
}

/// Calls `field` with each field of a form, in order; gives the offset of its first boundary.
///
/// # Errors
/// [`Invalid`] with the byte where the form is malformed or could be read in another way, or what
/// `field` fails with, under the field's name.
pub(super) fn fields<'a>(
    bytes: &'a [u8],
    boundary: &str,
    mut field: impl FnMut(Field<'a>) -> Result<(), Invalid>,
) -> Result<usize, Invalid> {
    let mark = format!("--{boundary}");
    let finder = memmem::Finder::new(&mark);
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    if !bytes
        .get(start..)
        .unwrap_or_default()
        .starts_with(mark.as_bytes())
    {
        return Err(wrong("the form does not begin with its boundary", 0));
    }
    let mut at = start + mark.len();
    for _ in 0..PARTS {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix(b"--") {
            return if matches!(behind, b"" | b"\r\n") {
                Ok(start)
            } else {
                Err(wrong("the form goes on behind its last boundary", at + 2))
            };
        }
        let Some(part) = rest.strip_prefix(b"\r\n") else {
            return Err(wrong("a line must end behind a boundary", at));
        };
        let from = at + 2;
        let length = length(part, &finder, from)?;
        let part = part.get(..length).unwrap_or_default();
        let read = read(part, from)?;
        let name = read.name;
        field(read).map_err(|error| error.under(name))?;
        at = from + length + 2 + mark.len();
    }
    Err(wrong("the form has more than 256 parts", at))
}

/// How long a part is: up to the line that begins with the boundary. A line that another reader could
/// see there, since it ends lines in another way, is none of a part's.
fn length(part: &[u8], finder: &memmem::Finder<'_>, from: usize) -> Result<usize, Invalid> {
    for at in finder.find_iter(part) {
        let before = part.get(..at).unwrap_or_default();
        if let Some(own) = before.strip_suffix(b"\r\n") {
            return Ok(own.len());
        }
        if before.last().is_none_or(|byte| b"\r\n".contains(byte)) {
            let why = "a boundary stands behind something else than a line's end";
            return Err(wrong(why, from + at));
        }
    }
    let end = from + part.len();
    Err(wrong("the form ends before its last boundary", end))
}

fn read(part: &[u8], from: usize) -> Result<Field<'_>, Invalid> {
    let ends = memmem::find(part, b"\r\n\r\n").filter(|at| *at <= HEADERS);
    let Some(ends) = ends else {
        return Err(wrong("the headers of a part have no end", from));
    };
    let (head, data) = part.split_at(ends);
    let data = data.get(4..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| wrong("a header is no text", from))?;
    let disposition = disposition(head).map_err(|error| Invalid {
        at: Some(from),
        ..error
    })?;
    Ok(Field {
        name: disposition.name,
        is_file: disposition.is_file,
        data,
        span: from + ends + 4..from + part.len(),
    })
}

/// What the headers of a part say of it.
#[derive(Default)]
struct Disposition<'a> {
    name: &'a str,
    is_file: bool,
}

fn disposition(head: &str) -> Result<Disposition<'_>, Invalid> {
    let mut found = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let is_whole = !name.is_empty() && name.bytes().all(is_of_token);
        if !is_whole
            || value
                .bytes()
                .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(Invalid::new("a line of a part's head is no header"));
        }
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-disposition") && found.replace(value).is_some() {
            return Err(Invalid::new("a part has two content-dispositions"));
        }
        let encoded = name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["7bit", "8bit", "binary"]
                .iter()
                .any(|plain| value.eq_ignore_ascii_case(plain));
        if encoded {
            return Err(Invalid::new("a part is encoded; send it as it is"));
        }
    }
    let found = found.ok_or_else(|| Invalid::new("a part has no content-disposition"))?;
    let (kind, parameters) = found.split_at(found.find(';').unwrap_or(found.len()));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Invalid::new(
            "a part is disposed as something else than form-data",
        ));
    }
    named(parameters)
}

/// The name of a part and whether it is a file, by the parameters of its disposition.
fn named(parameters: &str) -> Result<Disposition<'_>, Invalid> {
    let mut read = Disposition::default();
    each_parameter(parameters, |name, value| {
        if base(name).eq_ignore_ascii_case("filename") {
            read.is_file = true;
        }
        if !base(name).eq_ignore_ascii_case("name") {
            return Ok(());
        }
        if base(name) != name {
            return Err(Invalid::new("a part's name stands in an extended form"));
        }
        if !read.name.is_empty() {
            return Err(Invalid::new("a part has two names"));
        }
        // Some readers take escapes in quotes for what they stand for and some as they are.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\%".contains(&byte);
        if value.is_empty() || !value.bytes().all(is_plain) {
            let why = "a part's name must be visible ASCII characters without escapes";
            return Err(Invalid::new(why));
        }
        read.name = value;
        Ok(())
    })?;
    if read.name.is_empty() {
        return Err(Invalid::new("a part has no name"));
    }
    Ok(read)
}

/// Calls `parameter` with each name and value of `; name=value; name="value"`, without the quotes.
fn each_parameter<'a>(
    parameters: &'a str,
    mut parameter: impl FnMut(&'a str, &'a str) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let malformed = || Invalid::new("a header's parameters are malformed");
    let blank = [' ', '\t'];
    let mut rest = parameters.trim_matches(blank);
    while let Some(behind) = rest.strip_prefix(';') {
        let behind = behind.trim_start_matches(blank);
        if behind.is_empty() || behind.starts_with(';') {
            rest = behind;
            continue;
        }
        let (name, value) = behind.split_once('=').ok_or_else(malformed)?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => closing(quoted)?,
            None => {
                let (value, behind) = value.split_at(value.find(';').unwrap_or(value.len()));
                let value = value.trim_end_matches(blank);
                let is_token = !value.is_empty() && value.bytes().all(is_of_token);
                (is_token.then_some(value).ok_or_else(malformed)?, behind)
            }
        };
        if name.is_empty() || !name.bytes().all(is_of_token) {
            return Err(malformed());
        }
        parameter(name, value)?;
        rest = behind.trim_start_matches(blank);
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(malformed())
    }
}

/// A quoted text from behind its first quote, and what stands behind its last.
///
/// # Errors
/// [`Invalid`] where it has no end, or a quote stands behind a backslash: some readers end the text
/// there and some do not.
fn closing(quoted: &str) -> Result<(&str, &str), Invalid> {
    let no_end = || Invalid::new("a quoted text has no end");
    let (text, behind) = quoted.split_once('"').ok_or_else(no_end)?;
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    if backslashes.is_multiple_of(2) {
        return Ok((text, behind));
    }
    let why = "a quote behind a backslash can be read in two ways; write %22";
    Err(Invalid::new(why))
}

/// The name of a parameter without what RFC 2231 puts behind it.
fn base(name: &str) -> &str {
    name.split('*').next().unwrap_or_default()
}

/// Whether it may stand in a token (RFC 9110, section 5.6.2).
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether it may stand in a boundary (RFC 2046, section 5.1.1).
fn is_of_boundary(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

fn wrong(why: &'static str, at: usize) -> Invalid {
    Invalid {
        at: Some(at),
        ..Invalid::new(why)
    }
}
