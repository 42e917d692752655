//! Who calls the API.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use policy::viewer::Viewer;
use subtle::ConstantTimeEq as _;

use crate::App;
use crate::error::ApiError;

/// Finds the viewer by the token that is shown; without a token of its own nobody is known.
///
/// # Errors
/// 401 where there is none, or another one.
pub(crate) fn viewer(app: &App, headers: &HeaderMap) -> Result<Viewer, ApiError> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (shown.next(), shown.next()) else {
        return Err(ApiError::unauthorized());
    };
    let token = only.to_str().ok().and_then(|text| text.split_once(' '));
    let right = token.is_some_and(|(scheme, token)| {
        let known = app.token.reveal().as_bytes();
        let same = bool::from(token.trim().as_bytes().ct_eq(known));
        scheme.eq_ignore_ascii_case("bearer") && !known.is_empty() && same
    });
    if right {
        Ok(Viewer::operator("admin-token"))
    } else {
        Err(ApiError::unauthorized())
    }
}
