//! What the request may cost is held before anything is sent: an upper bound over every target of its
//! plan, of every account of the caller, all or nothing.

use std::sync::Arc;

use dialect::needs::Need;
use dialect::task::{Task, Work};
use policy::accounts::{Affordable, Ask};
use policy::bound::{BoundError, Ceiling, Demand, Fit, OUTPUT_TOKENS_MAX, bound, fit};
use policy::failure::{Code, Failure};
use policy::limit::Resource;
use policy::model::Target;
use policy::money::Nanos;
use policy::plan::Plan;
use policy::price::{PriceRow, Tier};

use crate::Shared;
use crate::admit::Admitted;
use crate::bill::price;
use crate::exchange::Exchange;
use crate::plan::Planned;
use crate::refuse;

/// Bytes of text that make about one token: for limits of tokens, which shape and do not owe.
pub(crate) const TOKEN_BYTES: u64 = 4;

/// Tokens of an answer that says no limit, for the same.
pub(crate) const ANSWER_TOKENS: u64 = 512;

/// The most answers to one request that any provider gives.
const CANDIDATES_MAX: u64 = 128;

/// A request that may be sent: what it can cost is held on its exchange.
pub(crate) struct Reserved {
    /// The request.
    pub planned: Box<Planned>,
}

/// Holds what the request may cost.
///
/// # Errors
/// `budget_exceeded` and `rate_limited` naming the limit, `limit_too_small` where it could never fit,
/// `unbounded_request` where a hard budget applies and nothing says what it may cost.
pub(crate) fn reserve(
    planned: Box<Planned>,
    shared: &Shared,
    exchange: &mut Exchange,
) -> Result<Reserved, Failure> {
    let snapshot = Arc::clone(&exchange.snapshot);
    let plan = &planned.plan;
    let providers = providers(plan);
    let admitted = &planned.screened.admitted;
    let _granted = &admitted.grant;
    let nobody = policy::caller::Attribution::default();
    let who = exchange.who.as_ref().unwrap_or(&nobody);
    let mut ask = Ask {
        who,
        model: &plan.model.name,
        providers: &providers,
        at_ms: exchange.at_ms,
        amounts: &[],
    };
    let targets = targets(&planned, &snapshot, exchange.at_ms);
    let ceiling = ceiling(plan, &snapshot);
    let body = &planned.screened.body.bytes;
    let mut demand = Demand {
        bytes: body.len() as u64,
        candidates: admitted.head.candidates,
        max_tokens: admitted.head.max_output_tokens,
        ..Demand::default()
    };
    if let Some(work) = &admitted.head.work {
        of_work(work, &mut demand);
    }
    let affordable = shared.accounts.affordable(&snapshot.limits, &ask);
    let is_hard = affordable.is_some();
    let asked = (&mut demand, affordable);
    let Held {
        nanos: held,
        clamped,
        is_word,
    } = held(&planned, asked, &targets, ceiling)?;
    let tokens = estimate(&demand, clamped);
    let amounts = [(Resource::Money, held), (Resource::Tokens, tokens)];
    ask.amounts = &amounts;
    let taken = shared.accounts.take(&snapshot.limits, &ask);
    let hold = taken.map_err(|refusal| refuse::limit(&refusal, exchange.at_ms))?;
    exchange.spend.reserved(hold, Nanos(held));
    let spend = &mut exchange.spend;
    (spend.clamped, spend.ceiling) = (clamped, ceiling);
    (spend.is_hard, spend.is_word) = (is_hard, is_word);
    demand.max_tokens = clamped.or(demand.max_tokens);
    spend.output_max = match forwarded(admitted) {
        Some(_) => None,
        None => output_max(&demand, &targets),
    };
    exchange.input_bytes = body.len() as u64;
    exchange.order = plan
        .steps
        .iter()
        .map(|step| Arc::clone(&step.target))
        .collect();
    Ok(Reserved { planned })
}

/// What is to be held.
struct Held {
    nanos: i64,
    /// The limit of the output that the budgets impose.
    clamped: Option<u64>,
    /// Whether it is only the operator's word.
    is_word: bool,
}

/// What is to be held for the request; where no hard budget applies, what is presumed of it.
fn held(
    planned: &Planned,
    (demand, affordable): (&mut Demand, Option<Affordable>),
    targets: &[Priced],
    ceiling: Option<Nanos>,
) -> Result<Held, Failure> {
    let admitted = &planned.screened.admitted;
    let body = &planned.screened.body.bytes;
    let held = |nanos| Held {
        nanos,
        clamped: None,
        is_word: false,
    };
    let bound = match (forwarded(admitted), affordable) {
        (Some(work), _) => most(work, body.len() as u64, targets).map(held),
        (None, None) => return Ok(held(presumable(demand, targets, ceiling))),
        (None, Some(affordable)) => {
            let media = admitted.call.speech.dialect.server().media(body);
            demand.images = media.images;
            demand.documents = media.documents;
            demand.unbounded = media.unbounded;
            if admitted.head.needs.has(Need::ServerState) {
                demand.unbounded = Some("a conversation that the provider keeps");
            }
            fit(demand, targets, affordable).map(|fit| match fit {
                Fit::Whole { nanos } => held(nanos),
                Fit::Clamped { max_tokens, nanos } => Held {
                    clamped: Some(max_tokens),
                    ..held(nanos)
                },
            })
        }
    };
    match (bound, ceiling) {
        (Ok(held), _) => Ok(held),
        (Err(_), Some(ceiling)) => Ok(Held {
            is_word: affordable.is_some(),
            ..held(ceiling.0)
        }),
        (Err(error), None) if affordable.is_some() => {
            Err(unbounded(&error, &planned.plan, targets))
        }
        (Err(_), None) => Ok(held(0)),
    }
}

/// What a task beside chat asks for whose cost does not follow from tokens as a chat's does.
fn forwarded(admitted: &Admitted) -> Option<&Work> {
    let work = admitted.head.work.as_deref();
    work.filter(|work| work.task != Task::Complete)
}

/// What of a task beside chat makes up its tokens: none of output but for a prompt carried on, and of a
/// form no bytes, which are those of files.
fn of_work(work: &Work, demand: &mut Demand) {
    if work.task == Task::Complete {
        demand.candidates = work.inputs;
    } else {
        demand.max_tokens = Some(0);
    }
    if work.form.is_some() {
        demand.bytes = 0;
    }
}

/// The most that a task beside chat can cost at any target.
fn most(work: &Work, bytes: u64, targets: &[Priced]) -> Result<i64, BoundError> {
    let mut most = 0;
    for (target, priced) in targets.iter().enumerate() {
        let known = priced.row.as_ref().filter(|_| priced.unrated().is_none());
        let row = known.ok_or(BoundError::Unpriced { target })?;
        let nanos = row.ceiling_of(work, bytes).ok_or_else(|| {
            let what = work.unbounded;
            what.map_or(BoundError::Work(work.task.name()), BoundError::Input)
        })?;
        most = most.max(nanos.0);
    }
    Ok(most)
}

/// What one target of the plan may cost.
struct Priced {
    row: Option<Arc<PriceRow>>,
    ceiling: Option<Nanos>,
    /// The service tier that it is asked for.
    tier: Option<Tier>,
    /// Whether the request holds several inputs, each of which may be as long as the model takes.
    is_batch: bool,
}

impl Priced {
    /// The tier that it is asked for, where that costs more than the standard one and has no rate.
    fn unrated(&self) -> Option<Tier> {
        let tier = self.tier.filter(|tier| !tier.is_cheaper())?;
        let mut rated = self.row.as_ref()?.tiers.iter();
        rated.all(|(name, _)| *name != tier).then_some(tier)
    }
}

impl Ceiling for Priced {
    fn input_tokens_max(&self) -> Option<u64> {
        let row = self.row.as_ref().filter(|_| !self.is_batch)?;
        row.max_input_tokens
    }

    fn output_tokens_max(&self) -> Option<u64> {
        self.row.as_ref()?.max_output_tokens
    }

    fn cost_nanos(&self, input_tokens: u64, output_tokens: u64) -> Option<i64> {
        let known = self.row.as_ref().filter(|_| self.unrated().is_none());
        let most = match known {
            Some(row) => row.ceiling(input_tokens, output_tokens),
            None => self.ceiling,
        };
        most.map(|nanos| nanos.0)
    }
}

/// The service tier that a target is asked for: in its client's dialect, or in another one that has
/// words for tiers.
pub(crate) fn tier_asked(admitted: &Admitted, target: &Target) -> Option<Tier> {
    let (from, to) = (admitted.call.speech.dialect, target.provider.spoken());
    let crosses = from.dialect() == to.dialect() || to.client().takes_foreign_tiers();
    let asked = admitted.head.service_tier.as_deref();
    asked.filter(|_| crosses).and_then(Tier::by_name)
}

fn targets(planned: &Planned, snapshot: &policy::snapshot::Snapshot, at_ms: i64) -> Vec<Priced> {
    let plan = &planned.plan;
    let admitted = &planned.screened.admitted;
    let steps = plan.steps.iter();
    steps
        .map(|step| Priced {
            row: price(snapshot, &step.target, at_ms),
            ceiling: snapshot
                .ceilings
                .of(&plan.model.name, &step.target.provider.name),
            tier: tier_asked(admitted, &step.target),
            is_batch: admitted.head.work.is_some(),
        })
        .collect()
}

/// The most that the operator says a request costs at any target of the plan, where all have such a word.
fn ceiling(plan: &Plan, snapshot: &policy::snapshot::Snapshot) -> Option<Nanos> {
    let ceilings = plan.steps.iter().map(|step| {
        let provider = &step.target.provider.name;
        snapshot.ceilings.of(&plan.model.name, provider)
    });
    let all: Option<Vec<Nanos>> = ceilings.collect();
    all?.into_iter().max()
}

fn providers(plan: &Plan) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let name = step.target.provider.name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The most tokens of output at any target, all answers together.
fn output_max(demand: &Demand, targets: &[Priced]) -> Option<u64> {
    bound(demand, targets).ok()?.output_tokens
}

/// What is presumed spent if the process dies under the request and no budget asked for a bound: no
/// more output than its targets can give, whatever the request names as its limit.
fn presumable(demand: &Demand, targets: &[Priced], ceiling: Option<Nanos>) -> i64 {
    let longest = targets.iter().map(Ceiling::output_tokens_max);
    let longest = longest.map(|most| most.unwrap_or(OUTPUT_TOKENS_MAX));
    let longest = longest.max().unwrap_or(OUTPUT_TOKENS_MAX);
    let possible = Demand {
        max_tokens: demand.max_tokens.map(|own| own.min(longest)),
        candidates: demand.candidates.min(CANDIDATES_MAX),
        ..demand.clone()
    };
    let bound = bound(&possible, targets).ok().and_then(|bound| bound.nanos);
    bound.or(ceiling.map(|nanos| nanos.0)).unwrap_or_default()
}

fn estimate(demand: &Demand, clamped: Option<u64>) -> i64 {
    let output = clamped.or(demand.max_tokens).unwrap_or(ANSWER_TOKENS);
    let tokens = (demand.bytes / TOKEN_BYTES).saturating_add(output);
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

fn unbounded(error: &BoundError, plan: &Plan, targets: &[Priced]) -> Failure {
    let message = match error {
        BoundError::Unpriced { target } => {
            let name = plan.steps.get(*target).map(|step| &**step.target.name());
            let tier = targets.get(*target).and_then(Priced::unrated);
            let tier = tier.map(|tier| format!("the service tier `{}` of ", tier.name()));
            format!(
                "a hard budget applies and no price is known for {}{}: give it one under `prices`, or a ceiling",
                tier.unwrap_or_default(),
                name.unwrap_or_default()
            )
        }
        BoundError::Input(_) | BoundError::Output | BoundError::Work(_) => {
            format!("a hard budget applies and this request has no bound: {error}")
        }
    };
    Failure::new(Code::UnboundedRequest, message)
}
