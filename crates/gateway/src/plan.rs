//! Which model the name means for this caller, and which targets serve it in what order.

use std::hash::BuildHasher;
use std::sync::Arc;

use dialect::chat::Usage;
use dialect::needs::Need;
use dialect::task::Task;
use foldhash::quality::FixedState;
use policy::affinity::conversation;
use policy::balance::{Circumstances, follows};
use policy::failure::{Code, Failure};
use policy::model::{Model, Sticky, Target};
use policy::plan::Plan;
use policy::snapshot::Resolved;
use store::responses::Place;

use crate::Shared;
use crate::bill::price;
use crate::choice::out_of_use;
use crate::exchange::Exchange;
use crate::refuse::{self, quote};
use crate::reserve::{ANSWER_TOKENS, TOKEN_BYTES, tier_asked};
use crate::screen::Screened;
use crate::stored;

mod fit;

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
/// caller's, `model_not_found` with near names, `model_not_allowed`, `cannot_translate` where every
/// target lacks what the request needs, or `no_target`, which says when the first of the targets that
/// are out of use may be tried again.
pub(crate) fn plan(
    screened: Screened,
    shared: &Shared,
    exchange: &mut Exchange,
) -> Result<Box<Planned>, Failure> {
    let head = &screened.admitted.head;
    if head.needs.has(Need::Background) {
        // It would end, and be billed, after its client and its exchange have gone.
        let why = "the request asks for an answer in the background, which is not served yet";
        return Err(Failure::new(Code::InvalidRequest, why));
    }
    let pinned = stored::pinned(head, &screened.admitted.caller.key, shared)?;
    let name = &head.model;
    let model = match exchange
        .snapshot
        .resolve(name, &screened.admitted.caller.key)
    {
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
    exchange.model = Some(Arc::clone(&model));
    let mut plan = match &pinned {
        Some(place) => stored::plan(&model, place)?,
        None => choose(&model, &screened, (shared, exchange)),
    };
    let (task, client) = (head.task(), screened.admitted.call.speech.dialect.dialect());
    if !plan.steps.is_empty() && task != Task::Chat {
        plan.steps
            .retain(|step| step.target.provider.does(task, client));
        if plan.steps.is_empty() {
            return Err(refuse::no_target_does(&model, task, client));
        }
    }
    exchange.excluded.clone_from(&plan.excluded);
    let unfit = fit::fit(&screened, &mut plan);
    if !plan.steps.is_empty() {
        return Ok(Box::new(Planned {
            screened,
            plan,
            pinned,
        }));
    }
    if plan.excluded.is_empty() && !unfit.is_empty() {
        return Err(refuse::unfit(name, &unfit));
    }
    if plan.excluded.is_empty() {
        let why = format!("the model {} has no target", quote(name));
        return Err(Failure::new(Code::NoTarget, why).at("model"));
    }
    let now = shared.choice.now();
    Err(out_of_use(&model, &plan.excluded, now))
}

/// Orders the model's targets by what is known now.
fn choose(
    model: &Arc<Model>,
    screened: &Screened,
    (shared, exchange): (&Shared, &mut Exchange),
) -> Plan {
    let mut known = Circumstances {
        health: Some(&shared.choice.health),
        now: shared.choice.now(),
        ..Circumstances::default()
    };
    let mut draw = |below: u64| fastrand::u64(..below.max(1));
    if model.targets.len() < 2 {
        return policy::plan::plan(model, &known, &mut draw);
    }
    let who = exchange.who.as_ref();
    known.sticky = model.sticky.map(|sticky| {
        let user = who.and_then(|who| who.user.as_deref());
        match (sticky, user) {
            (Sticky::User, Some(user)) => number("user", user),
            (Sticky::User | Sticky::Key, _) => number("key", who.map_or("", |who| &who.key)),
        }
    });
    if follows(model, &known) {
        let caller = number(&model.name, who.map_or("", |who| &who.key));
        let found = conversation(&screened.body.bytes, caller);
        exchange.conversation = found;
        let going_on = found.filter(|conversation| conversation.goes_on);
        exchange.home = going_on.and_then(|known| shared.choice.affinity.home(known));
        known.home = exchange.home;
    }
    let (snapshot, at_ms) = (&exchange.snapshot, exchange.at_ms);
    let usage = likely(screened);
    let cost = |target: &Target| {
        let row = price(snapshot, target, at_ms)?;
        let tier = tier_asked(&screened.admitted, target);
        Some(row.cost(&usage, tier, 1).nanos.0)
    };
    known.cost = &cost;
    policy::plan::plan(model, &known, &mut draw)
}

/// What a request is likely to use.
fn likely(screened: &Screened) -> Usage {
    let bytes = screened.body.bytes.len() as u64;
    let most = screened.admitted.head.max_output_tokens;
    Usage {
        input: bytes / TOKEN_BYTES,
        output: most.unwrap_or(ANSWER_TOKENS),
        ..Usage::default()
    }
}

fn number(what: &str, name: &str) -> u64 {
    FixedState::default().hash_one((what, name))
}
