//! What stands before every function: who the request is for, and what every answer carries.
//!
//! A browser may be led here by any page it shows. Pages of another origin are refused by their
//! `Origin`; a name that was made to point at this machine by its `Host`. Nothing here allows
//! another origin: there is no CORS.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::error::ApiError;

/// Headers of every answer; one that a page sets itself stays.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Under which names the listener may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By an address or as `localhost` only: the listener is for this machine.
    OfThisMachine,
    /// By any name.
    Any,
}

/// Refuses what is meant for another, and puts the headers on every answer.
pub(crate) async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = match allowed(names, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn allowed(names: Names, request: &Request) -> Result<(), ApiError> {
    let host = host(request)?;
    let local = is_address(host.host()) || is_localhost(host.host());
    if names == Names::OfThisMachine && !local {
        return Err(ApiError {
            status: StatusCode::MISDIRECTED_REQUEST,
            code: "wrong_host",
            ..ApiError::invalid(
                "",
                "this listener is for its own machine: call it by its address or as `localhost`",
            )
        });
    }
    match only(request.headers(), &ORIGIN)? {
        None => Ok(()),
        Some(origin) if same(origin, &host) => Ok(()),
        Some(_) => Err(ApiError {
            code: "wrong_origin",
            ..ApiError::forbidden("a page of another origin may not call this")
        }),
    }
}

/// Who the request says it is for.
fn host(request: &Request) -> Result<Authority, ApiError> {
    let wrong = |_| ApiError::invalid("", "the request's `host` is none");
    if let Some(authority) = request.uri().authority() {
        return Ok(authority.clone());
    }
    match only(request.headers(), &HOST)? {
        Some(host) => host.parse().map_err(wrong),
        None => Err(ApiError::invalid("", "the request names no `host`")),
    }
}

/// The one header of that name.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(ApiError::invalid("", format!("`{name}` is no text"))),
        },
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "",
            format!("`{name}` stands there twice"),
        )),
    }
}

/// Whether an origin is the one that was called, whatever its scheme: a proxy may have ended TLS.
fn same(origin: &str, host: &Authority) -> bool {
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
}

fn is_address(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse::<std::net::IpAddr>().is_ok()
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}
