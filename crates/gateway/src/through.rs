//! What passes through to a provider's own paths, as it is: `/provider/{provider}/{path…}`.
//!
//! The same road with the same types, and a plan of exactly one target that is asked exactly once. The
//! stages that differ are here: who may go where, what is held where nobody knows what it will cost, and
//! an answer that goes on as it comes. Nothing is sent to a path that the catalogue does not list.

mod body;
mod path;
mod probe;
mod send;

use std::sync::Arc;

use dialect::head::Head;
use http::request::Parts;
use hyper::body::Incoming;
use policy::accounts::Ask;
use policy::caller::Attribution;
use policy::failure::{Code, Failure};
use policy::limit::Resource;
use policy::model::{Balance, Fallback, Model, Target};
use policy::plan::{Plan, Role, Step};
use policy::provider::Provider;
use policy::snapshot::Snapshot;

pub(crate) use body::Passing;
pub(crate) use send::send;

use self::path::Place;
use crate::Shared;
use crate::admit::{Call, admit};
use crate::attribute::attribute;
use crate::exchange::Exchange;
use crate::identify::Caller;
use crate::intake;
use crate::options::Options;
use crate::plan::Planned;
use crate::refuse::{self, quote};
use crate::reserve::Reserved;
use crate::screen::screen;
use crate::speech::Speech;

/// Where a request is to pass through, as its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The provider's name.
    pub provider: String,
    /// The path behind it, as it was written, without the slash it begins with.
    pub path: String,
}

/// A request that may pass through: what it can cost is held on its exchange.
pub(crate) struct Through {
    /// The request, with its one target.
    reserved: Reserved,
    method: http::Method,
    place: Place,
}

/// The stages before anything is sent.
///
/// # Errors
/// `policy_refused` where the key may not go there or the catalogue does not list the path,
/// `invalid_request` for a path that two readers could understand in two ways, `unbounded_request` under a
/// hard budget without a ceiling; else as the stages say.
pub(crate) async fn forward(
    shared: &Shared,
    asked: &Asked,
    (parts, body): (Parts, Incoming),
    (caller, options): (Caller, Options),
    exchange: &mut Exchange,
) -> Result<Box<Through>, Failure> {
    let snapshot = Arc::clone(&exchange.snapshot);
    let provider = provider(asked, &caller, &snapshot)?;
    let place = path::find(&provider, &parts, &asked.path)?;
    exchange.who = Some(attribute(&caller.key, &options, &snapshot.require_tags)?);
    let limits = intake::Limits::of(&snapshot, None, options.timeout);
    let body = intake::read(body, &parts, &limits, &shared.memory).await?;
    let model = place.model(&body.bytes);
    let head = Head {
        model: format!("{}/{model}", provider.name),
        candidates: 1,
        ..Head::default()
    };
    let speech = Speech::new(provider.dialect.into(), false);
    let call = Call::new(speech, options, parts.headers);
    let admitted = admit(shared, (caller, call, head), exchange)?;
    let screened = screen(admitted, body)?;
    let plan = plan(provider, model, &snapshot);
    exchange.model = Some(Arc::clone(&plan.model));
    let planned = Box::new(Planned {
        screened,
        plan,
        pinned: None,
    });
    Ok(Box::new(Through {
        reserved: reserve(planned, shared, exchange)?,
        method: parts.method,
        place,
    }))
}

/// The provider, if the key may pass through to it: whoever may not is told no more than that.
fn provider(asked: &Asked, caller: &Caller, snapshot: &Snapshot) -> Result<Arc<Provider>, Failure> {
    let name = &asked.provider;
    if !caller.key.passthrough.contains(name) {
        let why = format!(
            "this key may not pass through to {}: its `passthrough` does not name it",
            quote(name)
        );
        return Err(Failure::new(Code::PolicyRefused, why));
    }
    snapshot.providers.get(name).cloned().ok_or_else(|| {
        let why = format!("there is no provider {}", quote(name));
        Failure::new(Code::NotFound, why)
    })
}

fn plan(provider: Arc<Provider>, model: String, snapshot: &Snapshot) -> Plan {
    let target = Arc::new(Target::new(provider, model));
    let model = Model {
        name: Arc::clone(target.name()),
        description: None,
        targets: vec![Arc::clone(&target)],
        balance: Balance::Ordered,
        fallback: Fallback::default(),
        ..snapshot.defaults.clone()
    };
    let step = Step {
        target,
        role: Role::Primary,
    };
    Plan {
        model: Arc::new(model),
        steps: vec![step],
        excluded: Vec::new(),
    }
}

/// What is held of limits of tokens: some room must be left, and what was used is settled.
const TOKENS: i64 = 1;

/// Holds the ceiling of one request. Nothing bounds what a path of a provider's own can cost.
fn reserve(
    planned: Box<Planned>,
    shared: &Shared,
    exchange: &mut Exchange,
) -> Result<Reserved, Failure> {
    let snapshot = Arc::clone(&exchange.snapshot);
    let plan = &planned.plan;
    let targets = plan.steps.iter().map(|step| Arc::clone(&step.target));
    exchange.order = targets.collect();
    let providers = exchange.order.iter();
    let providers: Vec<&str> = providers.map(|t| t.provider.name.as_str()).collect();
    let provider = providers.first().copied().unwrap_or_default();
    let ceiling = snapshot.ceilings.of(&plan.model.name, provider);
    let nobody = Attribution::default();
    let mut ask = Ask {
        who: exchange.who.as_ref().unwrap_or(&nobody),
        model: &plan.model.name,
        providers: &providers,
        at_ms: exchange.at_ms,
        amounts: &[],
    };
    let is_hard = shared.accounts.affordable(&snapshot.limits, &ask).is_some();
    if is_hard && ceiling.is_none() {
        let why = format!(
            "a hard budget applies and nothing bounds what a call that passes through may cost: give the provider {} a ceiling",
            quote(provider)
        );
        return Err(Failure::new(Code::UnboundedRequest, why));
    }
    let held = ceiling.unwrap_or_default();
    let amounts = [(Resource::Money, held.0), (Resource::Tokens, TOKENS)];
    ask.amounts = &amounts;
    let taken = shared.accounts.take(&snapshot.limits, &ask);
    let hold = taken.map_err(|refusal| refuse::limit(&refusal, exchange.at_ms))?;
    let spend = &mut exchange.spend;
    spend.reserved(hold, held);
    (spend.ceiling, spend.is_hard, spend.is_word) = (ceiling, is_hard, true);
    Ok(Reserved { planned })
}
