//! Reading `multipart/form-data` bodies (RFC 7578), as strictly as the
//! providers do: every part has a name, and the last boundary must be there.
//!
//! Knows no field's meaning.

use crate::dialect::Head;

/// A part of a form.
#[derive(Debug)]
pub(crate) struct Part<'b> {
    pub(crate) name: String,
    pub(crate) file: bool,
    pub(crate) media_type: String,
    pub(crate) data: &'b [u8],
}

impl Part<'_> {
    /// The data as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.data).into_owned()
    }
}

/// All parts of a request's form.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn parts<'b>(head: &Head<'_>, body: &'b [u8]) -> Result<Vec<Part<'b>>, String> {
    let kind = head.header("content-type").unwrap_or_default();
    let Some(boundary) = kind.strip_prefix("multipart/form-data").and_then(boundary) else {
        return Err(format!(
            "Invalid Content-Type header '{kind}'. Expected multipart/form-data with a boundary."
        ));
    };
    let mark = format!("--{boundary}");
    let mut rest = body
        .strip_prefix(mark.as_bytes())
        .ok_or("Could not parse the form: it does not begin with its boundary.")?;
    let end = format!("\r\n{mark}");
    let mut out = Vec::new();
    while !rest.starts_with(b"--") {
        let own = rest
            .strip_prefix(b"\r\n")
            .ok_or("Could not parse the form: a boundary is not followed by a line break.")?;
        let at = memchr::memmem::find(own, end.as_bytes())
            .ok_or("Could not parse the form: the last boundary is missing.")?;
        let (part, after) = own.split_at(at);
        out.push(read(part)?);
        rest = after.get(end.len()..).unwrap_or_default();
    }
    Ok(out)
}

fn boundary(parameters: &str) -> Option<&str> {
    let mut each = parameters.split(';').map(str::trim);
    let value = each.find_map(|p| p.strip_prefix("boundary="))?;
    Some(value.trim_matches('"')).filter(|b| !b.is_empty())
}

fn read(part: &[u8]) -> Result<Part<'_>, String> {
    let at = memchr::memmem::find(part, b"\r\n\r\n")
        .ok_or("Could not parse the form: a part has no end of its headers.")?;
    let (head, data) = part.split_at(at);
    let head = String::from_utf8_lossy(head);
    let header = |name: &str| {
        let lines = head.split("\r\n").filter_map(|l| l.split_once(':'));
        lines
            .into_iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim().to_owned())
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let field = |name: &str| {
        let mut each = disposition.split(';').map(str::trim);
        let value = each.find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        value.map(|v| v.trim_matches('"').to_owned())
    };
    Ok(Part {
        name: field("name").ok_or("Could not parse the form: a part has no name.")?,
        file: field("filename").is_some(),
        media_type: header("content-type").unwrap_or_default(),
        data: data.get(4..).unwrap_or_default(),
    })
}
