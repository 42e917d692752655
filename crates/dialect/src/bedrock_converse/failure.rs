//! Errors: `{"message"}` in the body, and their type in the header `x-amzn-errortype`; in a
//! stream an exception, whose type the framing tells.
//!
//! Writing follows the service's table of statuses; reading takes whatever came,
//! since what stands between us and a provider answers errors in forms of its
//! own. Whose fault an error is must not be decided here.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

use super::wire::text;
use crate::codec::Broken;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Longest sentence taken from a body that has no form, in characters.
const LONGEST: usize = 300;

/// Writes the body of an error answer, or the payload of an exception in a stream.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    out.object(|out| {
        out.key("message").string(&failure.message);
        failure.write_details(out);
    });
    out.into_bytes()
}

/// The header that names the error's type: the client libraries choose their exception by it.
pub(super) fn headers(failure: &ClientFailure) -> Vec<(&'static str, &'static str)> {
    vec![("x-amzn-errortype", kind(failure.status))]
}

/// The service's type for a status.
fn kind(status: u16) -> &'static str {
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

/// The type of the exception that a stream ends in.
pub(super) fn exception(status: u16) -> &'static str {
    match status {
        429 => "throttlingException",
        503 | 529 => "serviceUnavailableException",
        408 | 424 | 504 => "modelStreamErrorException",
        400..=499 => "validationException",
        _ => "internalServerException",
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

/// Reads an exception of a stream: its type is told by the framing.
pub(super) fn decode_exception(kind: &str, payload: &str) -> ProviderError {
    let mut error = decode(payload.as_bytes());
    error.kind = error.code.take();
    error.code = Some(kind.to_owned());
    error
}

/// Reads an error in one of the forms that the service and proxies use.
fn read(mut reader: Reader<'_>) -> Result<ProviderError, Broken> {
    let mut whole = reader.clone();
    let (mut found, mut inner) = (ProviderError::default(), None);
    reader.object(|key, member| {
        if key == "error" && member.peek()? == Kind::Object {
            let mut nested = ProviderError::default();
            let mut raw = member.clone();
            member.object(|key, member| detail(&mut nested, key, member))?;
            nested.raw = Some(raw.json()?);
            inner = Some(nested);
            return Ok(());
        }
        detail(&mut found, key, member)
    })?;
    reader.end()?;
    if let Some(inner) = inner {
        return Ok(inner);
    }
    if found.message.is_empty() && found.code.is_none() {
        return Err(Broken::new("no error in a known form"));
    }
    found.raw = Some(whole.json()?);
    Ok(found)
}

/// Reads one member of an error object; of another type than expected it is passed over.
fn detail(error: &mut ProviderError, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let slot = match (key, reader.peek()?) {
        ("message" | "Message" | "originalMessage" | "error" | "detail", Kind::String) => {
            let words = text(reader)?;
            if error.message.is_empty() || key == "message" {
                error.message = words;
            }
            return Ok(());
        }
        ("__type" | "code" | "type", Kind::String) => &mut error.code,
        _ => return reader.skip().map(drop),
    };
    // A type may come with the namespace before it.
    let word = text(reader)?;
    let word = word
        .rsplit_once('#')
        .map_or(word.as_str(), |(_, word)| word);
    *slot = Some(word.to_owned());
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
