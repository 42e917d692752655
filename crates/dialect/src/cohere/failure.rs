//! Error bodies: `{"id": …, "message": …}`.
//!
//! Reading takes whatever came, since what stands between us and a provider answers
//! errors in forms of its own. Whose fault an error is must not be decided here.
//!
//! Source: <https://docs.cohere.com/reference/errors>.

use super::wire::text;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Longest sentence taken from a body that has no form, in characters.
const LONGEST: usize = 300;

/// Writes the body of an error answer.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    out.object(|out| {
        out.key("id").string(&failure.details.request_id);
        out.key("message").string(&failure.message);
        failure.write_details(out);
    });
    out.into_bytes()
}

/// Reads an error answer, whatever it looks like.
pub(super) fn decode(body: &[u8]) -> ProviderError {
    let structured = Reader::new(body).and_then(read);
    structured.ok().flatten().unwrap_or_else(|| ProviderError {
        message: plain(&String::from_utf8_lossy(body)),
        ..ProviderError::default()
    })
}

/// Reads an error in one of the forms that the provider and proxies use; none in any other.
fn read(mut reader: Reader<'_>) -> Result<Option<ProviderError>, Invalid> {
    let mut error = ProviderError::default();
    let raw = reader.clone().json()?;
    reader.object(|key, member| match (key, member.peek()?) {
        ("error", Kind::Object) => member.object(|key, inner| detail(&mut error, key, inner)),
        ("error" | "detail", _) => detail(&mut error, "message", member),
        _ => detail(&mut error, key, member),
    })?;
    reader.end()?;
    if error.message.is_empty() && error.code.is_none() && error.kind.is_none() {
        return Ok(None);
    }
    // Where there is only one word for what happened it is the code.
    if error.code.is_none() {
        error.code = error.kind.take();
    }
    error.raw = Some(raw);
    Ok(Some(error))
}

/// Reads one member of an error; of another type than expected it is passed over.
fn detail(error: &mut ProviderError, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let value = match (key, reader.peek()?) {
        ("code", Kind::Number) => reader.number()?.to_owned(),
        ("code" | "type" | "message" | "param", Kind::String) => text(reader)?,
        _ => return reader.skip().map(drop),
    };
    match key {
        "code" => error.code = Some(value),
        "type" => error.kind = Some(value),
        "param" => error.param = Some(value),
        _ => error.message = value,
    }
    Ok(())
}

/// A body without form as one short line.
fn plain(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "the provider gave no reason".to_owned();
    }
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
