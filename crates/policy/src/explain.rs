//! Why a plan is what it is: the targets that would serve a model, in order, and why each other
//! one is not used.
//!
//! By the same [`plan`] as the road's, with what is known at the moment, if anything is.

use std::sync::Arc;

use dialect::needs::{Need, Needs};

use crate::balance::Circumstances;
use crate::fit::{Wants, keeps, lack};
use crate::model::{Balance, Model, Target};
use crate::plan::{Role, plan};

/// One target of an explanation.
pub struct Line {
    /// Its place in the order, from 1; none where it is not used.
    pub order: Option<usize>,
    /// The target.
    pub target: Arc<Target>,
    /// What it is: one of the model's own, a fallback, or nothing.
    pub role: Option<Role>,
    /// Why it stands there.
    pub why: String,
}

/// Explains a model: those that are used in their order, then the others.
///
/// Where chance decides, the first of those that could be drawn comes first, so that the same
/// is said each time.
#[must_use]
pub fn explain(model: &Arc<Model>, known: &Circumstances<'_>) -> Vec<Line> {
    let plan = plan(model, known, &mut |_| 0);
    let most = usize::try_from(model.retry.max_attempts).unwrap_or(usize::MAX);
    let mut lines = Vec::with_capacity(plan.steps.len());
    for (n, step) in plan.steps.iter().enumerate() {
        let target = Arc::clone(&step.target);
        lines.push(if n < most {
            let why = match step.role {
                Role::Primary => primary(model, &step.target),
                Role::Fallback => "when the targets before it fail".to_owned(),
            };
            Line {
                order: Some(n + 1),
                target,
                role: Some(step.role),
                why,
            }
        } else {
            unused(&target, format!("beyond `retry.max_attempts: {most}`"))
        });
    }
    for excluded in &plan.excluded {
        let ahead = excluded.closed.until.saturating_sub(known.now).as_secs();
        let cause = excluded.closed.cause.name();
        let why = format!("out of use for {} s: {cause}", ahead + 1);
        lines.push(unused(&excluded.target, why));
    }
    let others = [
        (
            &model.fallback.context_window,
            "only where the request is too long for a target",
        ),
        (
            &model.fallback.content_policy,
            "only where a provider refuses by its content policy",
        ),
    ];
    for (targets, why) in others {
        lines.extend(targets.iter().map(|target| unused(target, why.to_owned())));
    }
    lines
}

/// What a request that needs this and has so many tokens wants of its targets.
#[must_use]
pub fn asked(needs: &[Need], prompt_tokens: Option<u64>) -> Wants {
    Wants {
        needs: needs.iter().copied().fold(Needs::default(), Needs::with),
        least_tokens: prompt_tokens,
    }
}

/// The same for a request that wants this: what cannot serve it is not used.
#[must_use]
pub fn explain_for(model: &Arc<Model>, wants: &Wants, known: &Circumstances<'_>) -> Vec<Line> {
    let (mut used, mut unused_ones): (Vec<Line>, Vec<Line>) = explain(model, known)
        .into_iter()
        .map(|line| match lack(&line.target.profile, wants) {
            Some(lacks) => unused(&line.target, lacks.told()),
            None => line,
        })
        .partition(|line| line.order.is_some());
    used.sort_by_key(|line| {
        (
            line.role == Some(Role::Fallback),
            !keeps(&line.target.profile, wants),
        )
    });
    for (at, line) in used.iter_mut().enumerate() {
        line.order = Some(at + 1);
        if !keeps(&line.target.profile, wants) {
            line.why
                .push_str("; after those that keep all that is asked for");
        }
    }
    used.append(&mut unused_ones);
    used
}

/// What is to be known beside an explanation: which targets nobody knows enough of to leave them out.
#[must_use]
pub fn notes(model: &Model, needs: &[Need], prompt_tokens: Option<u64>) -> Vec<String> {
    let mut notes = Vec::new();
    for need in needs {
        let unknown = |target: &&Arc<Target>| target.profile.can(*need).is_none();
        let names: Vec<&str> = model
            .targets
            .iter()
            .filter(unknown)
            .map(|t| &**t.name())
            .collect();
        if !names.is_empty() {
            notes.push(format!(
                "nobody says whether {} can do `{}`, so that is assumed",
                names.join(", "),
                need.name()
            ));
        }
    }
    if prompt_tokens.is_some() {
        let unknown = |target: &&Arc<Target>| target.profile.max_input_tokens.is_none();
        let names: Vec<&str> = model
            .targets
            .iter()
            .filter(unknown)
            .map(|t| &**t.name())
            .collect();
        if !names.is_empty() {
            notes.push(format!(
                "nobody says how much {} reads; `fallback.context_window` is used when a provider says it is too long",
                names.join(", ")
            ));
        }
    }
    notes
}

fn unused(target: &Arc<Target>, why: String) -> Line {
    Line {
        order: None,
        target: Arc::clone(target),
        role: None,
        why,
    }
}

fn primary(model: &Model, target: &Target) -> String {
    let level: Vec<&Arc<Target>> = model
        .targets
        .iter()
        .filter(|other| other.priority == target.priority)
        .collect();
    let place = format!("priority {}", target.priority);
    let total: u64 = level.iter().map(|other| u64::from(other.weight)).sum();
    match model.balance {
        Balance::Ordered
        | Balance::Weighted
        | Balance::LeastLatency
        | Balance::LeastBusy
        | Balance::Cheapest
            if level.len() == 1 =>
        {
            format!("{place}, alone")
        }
        Balance::Ordered => format!("{place}, in the order of the configuration"),
        Balance::Weighted if total == 0 => format!("{place}, all of weight 0: in order"),
        Balance::Weighted if target.weight == 0 => {
            format!("{place}, weight 0: when the others of its priority fail")
        }
        Balance::LeastLatency => format!("{place}, when it is the quicker of two drawn by chance"),
        Balance::LeastBusy => format!("{place}, when it has the fewest requests under way"),
        Balance::Cheapest => format!("{place}, by what each request is likely to cost"),
        Balance::Weighted => {
            let percent = u64::from(target.weight) * 100 / total;
            format!("{place}, drawn first for {percent} % of requests")
        }
    }
}
