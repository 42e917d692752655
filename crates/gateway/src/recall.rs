//! Caches. They stand after policy, so a hit is never served to somebody who might not ask.

use http::Response;

use crate::plan::Planned;
use crate::relay::Body;

/// What the caches say.
pub(crate) enum Recall {
    /// The answer is known.
    #[expect(dead_code, reason = "the road knows the way; no cache takes it yet")]
    Hit(Response<Body>),
    /// It is not.
    Miss(Box<Planned>),
}

/// Asks the caches; there is none yet.
#[must_use]
pub(crate) fn recall(planned: Box<Planned>) -> Recall {
    Recall::Miss(planned)
}
