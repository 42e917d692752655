//! Which model the name means for this caller, and which targets serve it in what order.

use policy::failure::{Code, Failure};
use policy::plan::Plan;
use policy::snapshot::{Resolved, Snapshot};

use crate::refuse::{self, quote};
use crate::screen::Screened;

/// A request with the targets that may serve it.
pub(crate) struct Planned {
    /// The request.
    pub screened: Screened,
    /// The targets.
    pub plan: Plan,
}

/// Plans the request.
///
/// # Errors
/// `model_not_found` with near names, `model_not_allowed`, or `no_target`.
pub(crate) fn plan(screened: Screened, snapshot: &Snapshot) -> Result<Box<Planned>, Failure> {
    let name = &screened.admitted.head.model;
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
    let plan = policy::plan::plan(&model, &mut |below| fastrand::u64(..below.max(1)));
    if plan.steps.is_empty() {
        return Err(Failure::new(
            Code::NoTarget,
            format!("the model {} has no target", quote(name)),
        )
        .at("model"));
    }
    Ok(Box::new(Planned { screened, plan }))
}
