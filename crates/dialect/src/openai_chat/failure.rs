//! Errors of chat completions, as providers of all kinds write them and as we
//! write ours.
//!
//! Reading never fails: what is no JSON becomes a short message. It must never
//! pass on more of a body than the provider's sentence.

use super::wire::text;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Json, Kind, Reader, Writer};

/// Most characters of a message that is not the provider's own sentence.
const MESSAGE_CHARS: usize = 300;

/// Writes the body of an error answer.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(512);
    write(&mut out, failure);
    out.into_bytes()
}

/// Writes `{"error": …}`, the same in bodies and streams.
///
/// Types and their statuses: <https://platform.openai.com/docs/guides/error-codes>.
pub(super) fn write(out: &mut Writer, failure: &ClientFailure) {
    out.object(|out| {
        out.key("error").object(|out| {
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

/// Reads the body of an error answer.
pub(crate) fn decode(body: &[u8]) -> ProviderError {
    let read = std::str::from_utf8(body).ok().map(str::trim);
    match read {
        Some(text) if Json::parse(text).is_ok() => object(text),
        Some(text) => plain(text),
        None => plain(&String::from_utf8_lossy(body)),
    }
}

/// Reads one valid JSON value that tells of an error, its `error` member first.
pub(super) fn object(raw: &str) -> ProviderError {
    let mut said = Said::default();
    let mut reader = Reader::over(raw);
    if reader.peek() == Ok(Kind::Array) {
        // Gemini's compatible endpoint answers with a list of one.
        let _ = reader.array(|place, element| {
            let element = element.json()?;
            if place == 0 {
                said.take(&element);
            }
            Ok(())
        });
    } else if let Ok(value) = reader.json() {
        said.take(&value);
    }
    said.into_error(raw)
}

#[derive(Default)]
struct Said {
    code: Option<String>,
    kind: Option<String>,
    message: Option<String>,
    param: Option<String>,
    raw: Option<Json>,
}

impl Said {
    fn take(&mut self, value: &Json) {
        let mut reader = value.reader();
        if let Ok(words) = reader.clone().string() {
            self.message.get_or_insert_with(|| words.into_owned());
            return;
        }
        let mut inner = None;
        let _ = reader.object(|key, member| {
            let kind = member.peek()?;
            match (key, kind) {
                ("error", Kind::Object | Kind::String) => inner = Some(member.json()?),
                ("message" | "detail" | "error_message", Kind::String) => {
                    self.message = Some(text(member)?);
                }
                ("code", Kind::String) => self.code = Some(text(member)?),
                ("code" | "status_code", Kind::Number) => {
                    let number = member.number()?.to_owned();
                    self.code.get_or_insert(number);
                }
                ("type", Kind::String) => self.kind = Some(text(member)?),
                ("param", Kind::String) => self.param = Some(text(member)?),
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        });
        if self.raw.is_none() || inner.is_none() {
            self.raw = Some(value.clone());
        }
        if let Some(inner) = inner {
            self.take(&inner);
        }
    }

    fn into_error(self, raw: &str) -> ProviderError {
        ProviderError {
            code: self.code.or_else(|| self.kind.clone()),
            kind: self.kind,
            message: self.message.unwrap_or_else(|| shorten(raw)),
            param: self.param,
            raw: self.raw,
        }
    }
}

fn plain(body: &str) -> ProviderError {
    ProviderError {
        message: shorten(body),
        ..ProviderError::default()
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MESSAGE_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
