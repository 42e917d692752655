//! A refusal of the admin API, in words for people.
//!
//! What it says comes from the other side: nothing in it may command a terminal.

use http::StatusCode;
use serde_json::Value;

/// Characters of a message that are shown.
const SHOWN: usize = 2000;

/// The admin API refused.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code; empty where the answer is none of the API's.
    pub code: String,
    message: String,
}

/// The refusal that such an answer is.
pub(super) fn refused(status: StatusCode, body: &[u8], whom: &str) -> Refused {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = member(&body, "error");
    let part = |name: &str| {
        member(error, name)
            .as_str()
            .map(printable)
            .unwrap_or_default()
    };
    let (code, said, field) = (part("code"), part("message"), part("field"));
    let message = if status == StatusCode::UNAUTHORIZED {
        format!(
            "{whom} refuses the admin token · give its own as BONDGATE_ADMIN_TOKEN, or name its \
             data folder with `--data`, where admin.token is"
        )
    } else if code.is_empty() || error.get("type").is_some() {
        // Errors for applications have a `type`; those for operators have none.
        format!(
            "{whom} answers {status} and not as the admin API does · name the admin listener \
             with `--admin` or BONDGATE_ADMIN_URL; applications' requests go elsewhere"
        )
    } else if field.is_empty() {
        said
    } else {
        format!("`{field}`: {said}")
    };
    Refused {
        status,
        code,
        message,
    }
}

/// A member of an answer; null where there is none.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let shown = text.chars().take(SHOWN);
    shown
        .map(|c| match c {
            '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
