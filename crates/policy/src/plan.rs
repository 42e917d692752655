//! Which targets serve a request, and in what order.

use std::sync::Arc;

use crate::model::{Balance, Model, Target};

/// The ordered targets chosen for one request.
#[derive(Clone)]
pub struct Plan {
    /// The model that was asked for.
    pub model: Arc<Model>,
    /// Targets in the order in which they are tried.
    pub steps: Vec<Step>,
}

/// One target of a plan.
#[derive(Clone)]
pub struct Step {
    /// The target.
    pub target: Arc<Target>,
    /// Why it stands there.
    pub role: Role,
}

/// Why a target stands in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is one of the model's targets.
    Primary,
    /// It is a fallback for failures.
    Fallback,
}

/// Orders the model's targets: by priority, within it by balance, then the fallbacks for failures.
///
/// `draw` gives a number below its argument, evenly; it is asked only where chance decides.
pub fn plan(model: &Arc<Model>, draw: &mut dyn FnMut(u64) -> u64) -> Plan {
    let mut steps = Vec::with_capacity(model.targets.len() + model.fallback.failure.len());
    if let [only] = model.targets.as_slice() {
        steps.push(Step {
            target: Arc::clone(only),
            role: Role::Primary,
        });
    } else {
        let mut targets: Vec<&Arc<Target>> = model.targets.iter().collect();
        targets.sort_by_key(|target| target.priority);
        for level in targets.chunk_by(|a, b| a.priority == b.priority) {
            order(level, model.balance, draw, &mut steps);
        }
    }
    for target in &model.fallback.failure {
        if !steps.iter().any(|step| Arc::ptr_eq(&step.target, target)) {
            steps.push(Step {
                target: Arc::clone(target),
                role: Role::Fallback,
            });
        }
    }
    Plan {
        model: Arc::clone(model),
        steps,
    }
}

fn order(
    level: &[&Arc<Target>],
    balance: Balance,
    draw: &mut dyn FnMut(u64) -> u64,
    steps: &mut Vec<Step>,
) {
    let mut left: Vec<&Arc<Target>> = level.to_vec();
    while !left.is_empty() {
        let at = match balance {
            Balance::Ordered => 0,
            Balance::Weighted => pick(&left, draw),
        };
        let target = Arc::clone(left.remove(at.min(left.len() - 1)));
        steps.push(Step {
            target,
            role: Role::Primary,
        });
    }
}

/// Position of a target drawn by weight; weight 0 is drawn only when nothing else is left.
fn pick(targets: &[&Arc<Target>], draw: &mut dyn FnMut(u64) -> u64) -> usize {
    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    if total == 0 {
        return 0;
    }
    let mut drawn = draw(total);
    for (at, target) in targets.iter().enumerate() {
        let weight = u64::from(target.weight);
        if drawn < weight {
            return at;
        }
        drawn -= weight;
    }
    0
}
