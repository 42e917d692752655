//! Errors of the layers below, as failures that a client can be told.

use dialect::json::Invalid;
use policy::failure::{Code, Failure};

/// A body that is not what the dialect says.
#[must_use]
pub fn invalid(invalid: &Invalid) -> Failure {
    let failure = Failure::new(
        Code::InvalidRequest,
        format!("the request is invalid: {invalid}"),
    );
    if invalid.path.is_empty() {
        failure
    } else {
        failure.at(invalid.path.clone())
    }
}

/// A request that must not be read further.
#[must_use]
pub fn malformed(why: &str) -> Failure {
    Failure::new(
        Code::InvalidRequest,
        format!("the request is malformed: {why}"),
    )
}
