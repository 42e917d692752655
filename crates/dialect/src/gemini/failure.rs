//! Error bodies: `{"error": {"code", "message", "status", "details"}}`, or a list of one.
//!
//! Writing follows Google's table of statuses; reading takes whatever came, since what
//! stands between us and a provider answers errors in forms of its own. Whose fault an
//! error is must not be decided here.
//!
//! Source: <https://cloud.google.com/apis/design/errors>.

use super::wire::text;
use crate::failure::{ClientFailure, ProviderError};
use crate::json::{Invalid, Kind, Reader, Writer};

/// Longest sentence taken from a body that has no form, in characters.
const LONGEST: usize = 300;

/// Writes the body of an error answer.
pub(super) fn encode(failure: &ClientFailure) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    write(&mut out, failure);
    out.into_bytes()
}

/// Writes an error object.
pub(super) fn write(out: &mut Writer, failure: &ClientFailure) {
    out.object(|out| {
        out.key("error").object(|out| {
            out.key("code").number(failure.status);
            out.key("message").string(&failure.message);
            out.key("status").string(status(failure.status));
            out.key("details").array(|out| {
                out.object(|out| {
                    out.key("@type")
                        .string("type.googleapis.com/google.rpc.ErrorInfo");
                    out.key("reason").string(&failure.code.to_ascii_uppercase());
                    out.key("domain").string("bondgate");
                });
            });
        });
        failure.write_details(out);
    });
}

/// Google's word for a status.
fn status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        408 | 504 => "DEADLINE_EXCEEDED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// Reads an error answer, whatever it looks like.
pub(super) fn decode(body: &[u8]) -> ProviderError {
    let structured = Reader::new(body).and_then(|mut reader| {
        let found = read(&mut reader)?;
        reader.end()?;
        Ok(found)
    });
    match structured {
        Ok(Some(found)) => found,
        Ok(None) | Err(_) => ProviderError {
            message: plain(&String::from_utf8_lossy(body)),
            ..ProviderError::default()
        },
    }
}

/// Reads an error in one of the forms that providers and proxies use; none where it has none.
fn read(reader: &mut Reader<'_>) -> Result<Option<ProviderError>, Invalid> {
    if reader.peek()? == Kind::Array {
        let mut first = None;
        reader.array(|at, element| {
            if at == 0 {
                first = one(element)?;
                return Ok(());
            }
            element.skip().map(drop)
        })?;
        return Ok(first);
    }
    one(reader)
}

fn one(reader: &mut Reader<'_>) -> Result<Option<ProviderError>, Invalid> {
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(None);
    }
    let (mut found, mut top) = (Found::default(), Found::default());
    reader.object(|key, member| match (key, member.peek()?) {
        ("error", Kind::Object) => {
            found.error.raw = Some(member.clone().json()?);
            member.object(|key, inner| found.member(key, inner))
        }
        ("error", _) => top.member("message", member),
        _ => top.member(key, member),
    })?;
    let found = if found.error.raw.is_some() {
        found
    } else {
        top
    };
    Ok(found.finish())
}

/// An error as far as it was read.
#[derive(Default)]
struct Found {
    error: ProviderError,
    reason: Option<String>,
    number: Option<String>,
}

impl Found {
    /// Reads one member; of another type than expected it is passed over.
    fn member(&mut self, key: &str, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        match (key, reader.peek()?) {
            ("status", Kind::String) => self.error.kind = Some(text(reader)?),
            ("message" | "detail", Kind::String) => self.error.message = text(reader)?,
            ("code", Kind::Number) => self.number = Some(reader.number()?.to_owned()),
            ("code", Kind::String) => self.reason = Some(text(reader)?),
            ("details", Kind::Array) => reader.array(|_, detail| self.detail(detail))?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    }

    /// Takes from a detail its reason or the field that was wrong.
    fn detail(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        if reader.peek()? != Kind::Object {
            return reader.skip().map(drop);
        }
        reader.object(|key, member| match (key, member.peek()?) {
            ("reason", Kind::String) => {
                self.reason = Some(text(member)?);
                Ok(())
            }
            ("fieldViolations", Kind::Array) => member.array(|_, violation| {
                if violation.peek()? != Kind::Object {
                    return violation.skip().map(drop);
                }
                violation.object(|key, member| {
                    if key == "field" && member.peek()? == Kind::String {
                        self.error.param.get_or_insert(text(member)?);
                        return Ok(());
                    }
                    member.skip().map(drop)
                })
            }),
            _ => member.skip().map(drop),
        })
    }

    fn finish(mut self) -> Option<ProviderError> {
        let error = &mut self.error;
        // The most specific word is the code; where there is only one it is that.
        error.code = self.reason.take().or_else(|| error.kind.take());
        if error.code.is_none() {
            error.code = self.number.take();
        }
        let said = error.raw.is_some() || !error.message.is_empty() || error.code.is_some();
        said.then_some(self.error)
    }
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
