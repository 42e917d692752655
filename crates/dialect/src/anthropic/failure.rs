//! Error bodies: `{"type": "error", "error": {"type", "message"}, "request_id"}`.
//!
//! Writing follows the vendor's table of statuses; reading takes whatever came,
//! since what stands between us and a provider answers errors in forms of its
//! own. Whose fault an error is must not be decided here.

use super::wire::text;
use crate::codec::Broken;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Longest sentence taken from a body that has no form, in characters.
const LONGEST: usize = 300;

/// Writes the body of an error answer.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    out.object(|out| {
        out.key("type").string("error");
        out.key("error").object(|out| {
            out.key("type").string(kind(failure.status));
            out.key("message").string(&failure.message);
        });
        out.key("request_id").string(&failure.details.request_id);
        failure.write_details(out);
    });
    out.into_bytes()
}

/// Writes the body of an error answer as Bedrock does, and the error as the API has it beside: clients
/// of either read it.
pub(super) fn encode_exception(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    out.object(|out| {
        out.key("message").string(&failure.message);
        out.key("type").string("error");
        out.key("error").object(|out| {
            out.key("type").string(kind(failure.status));
            out.key("message").string(&failure.message);
        });
        failure.write_details(out);
    });
    out.into_bytes()
}

/// The header that names the type of Bedrock's exception: AWS's libraries choose theirs by it.
pub(super) fn exception_headers(failure: &ClientFailure) -> Vec<(&'static str, &'static str)> {
    vec![("x-amzn-errortype", exception(failure.status))]
}

/// Bedrock's type for a status.
fn exception(status: u16) -> &'static str {
    match status {
        401..=403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        400..=499 => "ValidationException",
        _ => "InternalServerException",
    }
}

/// The API's type for a status.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Reads an error answer, whatever it looks like.
pub(super) fn decode(body: &[u8]) -> ProviderError {
    let structured = Reader::new(body).map_err(Broken::from).and_then(read);
    structured.unwrap_or_else(|_| ProviderError {
        message: plain(&String::from_utf8_lossy(body)),
        ..ProviderError::default()
    })
}

/// Reads an error in one of the forms that providers and proxies use.
fn read(mut reader: Reader<'_>) -> Result<ProviderError, Broken> {
    let mut found = ProviderError::default();
    let mut top = ProviderError::default();
    reader.object(|key, member| {
        if key == "error" && member.peek()? == Kind::Object {
            let mut whole = member.clone();
            found.raw = Some(whole.json()?);
            return member.object(|key, inner| detail(&mut found, key, inner));
        }
        match key {
            "error" | "detail" => detail(&mut top, "message", member),
            "type" => member.skip().map(drop),
            _ => detail(&mut top, key, member),
        }
    })?;
    reader.end()?;
    if found.raw.is_none() {
        found = top;
    }
    if found.raw.is_none() && found.message.is_empty() && found.code.is_none() {
        return Err(Broken::new("no error in a known form"));
    }
    // Where there is only one word for what happened it is the code.
    if found.code.is_none() {
        found.code = found.kind.take();
    }
    Ok(found)
}

/// Reads one member of an error object; of another type than expected it is passed over.
fn detail(error: &mut ProviderError, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let value = match (key, reader.peek()?) {
        ("code", Kind::Number) => reader.number()?.to_owned(),
        ("code" | "status" | "type" | "message" | "param", Kind::String) => text(reader)?,
        _ => return reader.skip().map(drop),
    };
    match key {
        // Google's word for what its number says, too.
        "status" => error.code = Some(value),
        "code" => {
            error.code.get_or_insert(value);
        }
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
