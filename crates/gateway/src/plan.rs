//! Which model the name means for this caller, and which targets serve it in what order.

use std::sync::Arc;

use dialect::needs::Need;
use policy::failure::{Code, Failure};
use policy::plan::Plan;
use policy::snapshot::{Resolved, Snapshot};
use store::responses::Place;

use crate::Shared;
use crate::refuse::{self, quote};
use crate::screen::Screened;
use crate::stored;

/// A request with the targets that may serve it.
pub(crate) struct Planned {
    /// The request.
    pub screened: Screened,
    /// The targets.
    pub plan: Plan,
    /// Where the answer is that the request goes on from, so that it may go nowhere else.
    pub pinned: Option<Arc<Place>>,
}

/// Plans the request.
///
/// # Errors
/// `invalid_request` for what is not served, `not_found` for an earlier answer that is not the
/// caller's, `model_not_found` with near names, `model_not_allowed`, or `no_target`.
pub(crate) fn plan(
    screened: Screened,
    snapshot: &Snapshot,
    shared: &Shared,
) -> Result<Box<Planned>, Failure> {
    let head = &screened.admitted.head;
    if head.needs.has(Need::Background) {
        // It would end, and be billed, after its client and its exchange have gone.
        let why = "the request asks for an answer in the background, which is not served yet";
        return Err(Failure::new(Code::InvalidRequest, why));
    }
    let pinned = stored::pinned(head, &screened.admitted.caller.key, shared)?;
    let name = &head.model;
    let model = match snapshot.resolve(name, &screened.admitted.caller.key) {
        Resolved::Model(model) => model,
        Resolved::NotAllowed => {
            return Err(Failure::new(
                Code::ModelNotAllowed,
                format!("this key may not call the model {}", quote(name)),
            )
            .at("model"));
        }
        Resolved::NotFound(near) => return Err(refuse::no_model(name, &near)),
    };
    let plan = match &pinned {
        Some(place) => stored::plan(&model, place)?,
        None => policy::plan::plan(&model, &mut |below| fastrand::u64(..below.max(1))),
    };
    if plan.steps.is_empty() {
        return Err(Failure::new(
            Code::NoTarget,
            format!("the model {} has no target", quote(name)),
        )
        .at("model"));
    }
    Ok(Box::new(Planned {
        screened,
        plan,
        pinned,
    }))
}
