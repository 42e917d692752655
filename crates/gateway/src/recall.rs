//! Caches. They stand after policy, so a hit is never served to somebody who might not ask.

use http::Response;

use crate::plan::Planned;
use crate::relay::Body;

/// What the caches say.
pub enum Recall {
    /// The answer is known.
    Hit(Response<Body>),
    /// It is not.
    Miss(Box<Planned>),
}

/// Asks the caches; there is none yet.
#[must_use]
pub fn recall(planned: Planned) -> Recall {
    Recall::Miss(Box::new(planned))
}
