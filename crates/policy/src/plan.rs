//! Which targets serve a request, and in what order.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Circumstances, order};
use crate::health::{Closed, Standing};
use crate::model::{Model, Target};

/// The ordered targets chosen for one request.
#[derive(Clone)]
pub struct Plan {
    /// The model that was asked for.
    pub model: Arc<Model>,
    /// Targets in the order in which they are tried.
    pub steps: Vec<Step>,
    /// Targets that would stand among them if they were well.
    pub excluded: Vec<Excluded>,
}

/// One target of a plan.
#[derive(Clone)]
pub struct Step {
    /// The target.
    pub target: Arc<Target>,
    /// Why it stands there.
    pub role: Role,
}

/// A target that is not used at the moment.
#[derive(Clone)]
pub struct Excluded {
    /// The target.
    pub target: Arc<Target>,
    /// Until when, and why.
    pub closed: Closed,
}

/// Why a target stands in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is one of the model's targets.
    Primary,
    /// It is a fallback for failures.
    Fallback,
}

impl Plan {
    /// When the first of the excluded targets may be used again; none where none is excluded.
    #[must_use]
    pub fn soonest(&self) -> Option<Duration> {
        self.excluded.iter().map(|one| one.closed.until).min()
    }
}

/// Orders the model's targets that are not out of use: by priority, within it by balance, then the
/// fallbacks for failures.
///
/// `draw` gives a number below its argument, evenly; it is asked only where chance decides.
pub fn plan(
    model: &Arc<Model>,
    known: &Circumstances<'_>,
    draw: &mut dyn FnMut(u64) -> u64,
) -> Plan {
    let mut plan = Plan {
        model: Arc::clone(model),
        steps: Vec::with_capacity(model.targets.len() + model.fallback.failure.len()),
        excluded: Vec::new(),
    };
    let mut targets = plan.usable(&model.targets, known);
    if targets.len() < 2 {
        plan.add(targets, Role::Primary);
    } else {
        targets.sort_by_key(|target| target.priority);
        for level in targets.chunk_by(|a, b| a.priority == b.priority) {
            plan.add(order(model, level.to_vec(), known, draw), Role::Primary);
        }
    }
    let fallbacks = plan.usable(&model.fallback.failure, known);
    plan.add(fallbacks, Role::Fallback);
    plan
}

impl Plan {
    /// Those that may be tried; the others are excluded.
    fn usable(&mut self, targets: &[Arc<Target>], known: &Circumstances<'_>) -> Vec<Arc<Target>> {
        let mut usable = Vec::with_capacity(targets.len());
        for target in targets {
            let health = known.health;
            let standing = health.map(|health| health.standing(target, known.now));
            match standing.unwrap_or(Standing::Well) {
                Standing::Well | Standing::Failing | Standing::ProbeDue => {
                    usable.push(Arc::clone(target));
                }
                Standing::Closed(closed) => self.excluded.push(Excluded {
                    target: Arc::clone(target),
                    closed,
                }),
            }
        }
        usable
    }

    fn add(&mut self, targets: Vec<Arc<Target>>, role: Role) {
        for target in targets {
            let stands = self
                .steps
                .iter()
                .any(|step| Arc::ptr_eq(&step.target, &target));
            if !stands {
                self.steps.push(Step { target, role });
            }
        }
    }
}
