//! What goes wrong, as callers of the API are told.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use store::ledger::LedgerError;

/// An error with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong and what mends it.
    pub message: String,
    /// The field at fault.
    pub field: Option<String>,
}

/// The body of an error.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorBody {
    /// The error.
    error: Facts,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorFacts")]
struct Facts {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: shortened(message.into()),
            field: None,
        }
    }

    /// 400: what was sent is not what the function takes.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let field = field.into();
        Self {
            field: (!field.is_empty()).then(|| shortened(field)),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
        }
    }

    /// 401: no token, or a wrong one.
    #[must_use]
    pub fn unauthorized() -> Self {
        let message = "show the admin token: `authorization: Bearer …`; it stands in admin.token of the data folder where none is configured";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", message)
    }

    /// 403: the viewer may not.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_allowed", message)
    }

    /// 404: there is no such thing, or the viewer may not know of it.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409: it is taken, in use, or kept elsewhere.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 413: the body is larger than the API takes.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 500: a fault of ours.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// 503: too much is asked at once.
    #[must_use]
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
    }

    /// 503: a change is kept and the running gateway did not take it over.
    #[must_use]
    pub fn not_in_force(why: &str) -> Self {
        let message = format!(
            "the change is kept and is not in force yet: {why}; `POST /reload` takes it over once that is mended"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_in_force", message)
    }

    /// 503: the store does not answer.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage_unavailable",
            message,
        )
    }
}

impl From<store::objects::Invalid> for ApiError {
    fn from(invalid: store::objects::Invalid) -> Self {
        Self::invalid(invalid.field, invalid.message)
    }
}

impl From<store::objects::Error> for ApiError {
    fn from(error: store::objects::Error) -> Self {
        use store::objects::Error;
        let message = error.to_string();
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound { .. } => Self::not_found(message),
            Error::Taken { .. }
            | Error::ReadOnly { .. }
            | Error::InUse { .. }
            | Error::Conflict(_)
            | Error::Full { .. } => Self::conflict(message),
            Error::Forbidden { .. } => Self::forbidden(message),
            Error::WrongMasterKey { .. } | Error::Seal(_) | Error::Storage(_) => {
                tracing::warn!(error = message, "the store of objects failed");
                Self::unavailable(message)
            }
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        let message = error.to_string();
        match error {
            LedgerError::Refused(_) | LedgerError::TooLong => Self::invalid("", message),
            LedgerError::Open(_)
            | LedgerError::Replaced { .. }
            | LedgerError::Sqlite(_)
            | LedgerError::Io(_)
            | LedgerError::Source(_) => {
                tracing::warn!(error = message, "the ledger cannot be read");
                Self::unavailable(message)
            }
        }
    }
}

/// Bytes of a message or a field's name that are shown.
const SHOWN: usize = 8192;

/// The beginning of a text: what was sent may be as long as a body.
fn shortened(mut text: String) -> String {
    if text.len() > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push('…');
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Facts {
            code: self.code,
            message: self.message,
            field: self.field,
        };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
