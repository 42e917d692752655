//! Which model the name means for this caller, and which targets serve it in what order.

use dialect::needs::Need;
use dialect::task::Task;
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

/// What would go on from what a provider keeps for all callers together, or end after its client has
/// gone: neither is bound to who asks, so both are refused.
const UNSERVED: [(Need, &str); 2] = [
    (
        Need::ServerState,
        "the request goes on from an answer or a conversation that the provider keeps",
    ),
    (
        Need::Background,
        "the request asks for an answer in the background",
    ),
];

/// Plans the request.
///
/// # Errors
/// `invalid_request` for what is not served, `model_not_found` with near names, `model_not_allowed`, or
/// `no_target`.
pub(crate) fn plan(screened: Screened, snapshot: &Snapshot) -> Result<Box<Planned>, Failure> {
    let head = &screened.admitted.head;
    for (need, what) in UNSERVED {
        if head.needs.has(need) {
            let why = format!("{what}, which is not served yet");
            return Err(Failure::new(Code::InvalidRequest, why));
        }
    }
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
    let mut plan = policy::plan::plan(&model, &mut |below| fastrand::u64(..below.max(1)));
    let (task, client) = (head.task(), screened.admitted.call.speech.dialect);
    if !plan.steps.is_empty() && task != Task::Chat {
        plan.steps
            .retain(|step| step.target.provider.does(task, client));
        if plan.steps.is_empty() {
            return Err(refuse::no_target_does(&model, task, client));
        }
    }
    if plan.steps.is_empty() {
        return Err(Failure::new(
            Code::NoTarget,
            format!("the model {} has no target", quote(name)),
        )
        .at("model"));
    }
    Ok(Box::new(Planned { screened, plan }))
}
