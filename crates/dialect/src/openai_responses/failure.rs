//! Errors of responses, as providers of all kinds write them and as we write ours.
//!
//! Reading never fails: what is no JSON becomes a short message. It must never
//! pass on more of a body than the provider's sentence.

use super::wire::text;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Invalid, Json, Kind, Reader, Writer};

/// Most characters of a message that is not the provider's own sentence.
const MESSAGE_CHARS: usize = 300;

/// Writes the body of an error answer.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        out.key("error");
        write(out, failure);
    });
    out.into_bytes()
}

/// Writes the error object, the same in bodies and streams.
///
/// Types and their statuses: <https://platform.openai.com/docs/guides/error-codes>.
pub(super) fn write(out: &mut Writer, failure: &ClientFailure) {
    out.object(|out| {
        out.key("message").string(&failure.message);
        out.key("type").string(kind(failure));
        out.key("param");
        match &failure.param {
            Some(param) => out.string(param),
            None => out.null(),
        };
        out.key("code").string(failure.code);
        failure.write_details(out);
    });
}

fn kind(failure: &ClientFailure) -> &'static str {
    match (failure.status, failure.code) {
        (429, "budget_exceeded") => "insufficient_quota",
        (429, _) => "rate_limit_error",
        (403, _) => "permission_error",
        (400..500, _) => "invalid_request_error",
        _ => "server_error",
    }
}

/// Reads an error answer, or an event that tells of an error.
pub(super) fn decode(body: &[u8]) -> ProviderError {
    let mut said = ProviderError::default();
    let read = Reader::new(body).and_then(|mut reader| {
        level(&mut said, &mut reader)?;
        reader.end()
    });
    let told = !said.message.is_empty() || said.code.is_some() || said.raw.is_some();
    if read.is_err() || !told {
        return ProviderError {
            message: shorten(&String::from_utf8_lossy(body)),
            ..ProviderError::default()
        };
    }
    if said.message.is_empty() {
        said.message = shorten(&String::from_utf8_lossy(body));
    }
    said.code = said.code.or_else(|| said.kind.clone());
    said
}

/// Reads an object that is an error or holds one: under `error`, or in the `response` that failed.
fn level(said: &mut ProviderError, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    match reader.peek()? {
        Kind::Object => {}
        Kind::Array => return first(said, reader),
        Kind::String => {
            said.message = text(reader)?;
            return Ok(());
        }
        Kind::Number | Kind::Bool | Kind::Null => return reader.skip().map(drop),
    }
    let mut whole = reader.clone();
    let mut inner = ProviderError::default();
    let mut nested = false;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("error", Kind::Object | Kind::String) | ("response", Kind::Object) => {
                nested = true;
                level(&mut inner, member)?;
            }
            ("message" | "detail" | "error_message", Kind::String) => said.message = text(member)?,
            ("code", Kind::String) => said.code = Some(text(member)?),
            ("code" | "status_code", Kind::Number) => {
                let number = member.number()?.to_owned();
                said.code.get_or_insert(number);
            }
            ("type", Kind::String) => said.kind = Some(text(member)?),
            ("param", Kind::String) => said.param = Some(text(member)?),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    if nested && (inner.raw.is_some() || !inner.message.is_empty()) {
        *said = inner;
        return Ok(());
    }
    // An event's own type is no word for what went wrong.
    said.kind = said.kind.take().filter(|kind| kind != "error");
    if !said.message.is_empty() || said.code.is_some() {
        said.raw = Some(whole.json()?);
    }
    Ok(())
}

/// Reads the first of a list of errors.
fn first(said: &mut ProviderError, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    reader.array(|place, element| {
        if place == 0 {
            return level(said, element);
        }
        element.skip().map(drop)
    })
}

/// What a failed answer says in its `error` member.
pub(super) fn reported(error: &Json) -> String {
    decode(error.text().as_bytes()).message
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MESSAGE_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
