//! The order among targets of one priority.
//!
//! Pure: how targets are comes from [`Health`], chance from a function, prices from another. Whatever
//! decides, every target stands in the order once, so that what fails first is followed by the rest.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;

use crate::health::Health;
use crate::model::{Balance, Model, Target};

/// What is known when a plan is made.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// How targets are; without it all are held to be well and idle.
    pub health: Option<&'a Health>,
    /// How long ago the moment was from which health counts.
    pub now: Duration,
    /// A number for whoever keeps to the same target, where the model wants that.
    pub sticky: Option<u64>,
    /// The number of the target that answered the conversation before.
    pub home: Option<u32>,
    /// What the request is likely to cost at a target, in nano-dollars; none where that is not known.
    pub cost: &'a dyn Fn(&Target) -> Option<i64>,
}

impl Default for Circumstances<'_> {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            health: None,
            now: Duration::ZERO,
            sticky: None,
            home: None,
            cost: &|_| None,
        }
    }
}

/// Orders targets of one priority. `draw` gives a number below its argument, evenly.
#[must_use]
pub fn order(
    model: &Model,
    level: Vec<Arc<Target>>,
    known: &Circumstances<'_>,
    draw: &mut dyn FnMut(u64) -> u64,
) -> Vec<Arc<Target>> {
    if level.len() < 2 {
        return level;
    }
    let mut level = match (model.balance, known.sticky) {
        (Balance::Ordered, _) => level,
        (Balance::Weighted, Some(who)) => kept(level, who),
        (Balance::Weighted, None) => drawn(level, draw),
        (Balance::LeastLatency, _) => quickest(level, known, draw),
        (Balance::LeastBusy, _) => idlest(level, known, draw),
        (Balance::Cheapest, _) => cheapest(level, known),
    };
    if let Some(home) = known.home.filter(|_| follows(model, known))
        && let Some(at) = level.iter().position(|target| target.tag() == home)
        && let Some(before) = level.get_mut(..=at)
    {
        before.rotate_right(1);
    }
    level
}

/// Whether a model's conversations go back to the target that answered them before: not where the
/// order is given, by place, price or person.
#[must_use]
pub fn follows(model: &Model, known: &Circumstances<'_>) -> bool {
    match model.balance {
        Balance::Weighted => known.sticky.is_none(),
        Balance::LeastLatency | Balance::LeastBusy => true,
        Balance::Ordered | Balance::Cheapest => false,
    }
}

/// By weight, by chance; weight 0 comes only when nothing else is left.
fn drawn(mut left: Vec<Arc<Target>>, draw: &mut dyn FnMut(u64) -> u64) -> Vec<Arc<Target>> {
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let at = pick(&left, draw).min(left.len() - 1);
        order.push(left.remove(at));
    }
    order
}

/// Position of a target drawn by weight.
fn pick(targets: &[Arc<Target>], draw: &mut dyn FnMut(u64) -> u64) -> usize {
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

/// By weight, always the same for the same person (weighted rendezvous hashing): a share that grows or
/// a target that leaves moves only those who must move.
fn kept(mut level: Vec<Arc<Target>>, who: u64) -> Vec<Arc<Target>> {
    let score = |target: &Arc<Target>| {
        let hash = FixedState::default().hash_one((who, target.number()));
        let upper = u32::try_from(hash >> 32).unwrap_or(u32::MAX);
        let share = (f64::from(upper) + 0.5) / (f64::from(u32::MAX) + 1.0);
        -share.ln() / f64::from(target.weight)
    };
    // Weight 0 makes the score infinite, which comes last.
    level.sort_by(|a, b| score(a).total_cmp(&score(b)));
    level
}

/// Of two drawn by chance the one with less load first (power of two choices), then by load.
fn quickest(
    level: Vec<Arc<Target>>,
    known: &Circumstances<'_>,
    draw: &mut dyn FnMut(u64) -> u64,
) -> Vec<Arc<Target>> {
    let Some(health) = known.health else {
        return level;
    };
    let loads = level.into_iter().map(|target| {
        let load = health.load(&target, known.now);
        (load, target)
    });
    let mut loads: Vec<(f64, Arc<Target>)> = loads.collect();
    if loads.len() > 2 {
        let first = below(draw, loads.len());
        loads.swap(0, first);
        let second = 1 + below(draw, loads.len() - 1);
        loads.swap(1, second);
    } else if below(draw, 2) == 1 {
        // Of equals neither is preferred.
        loads.swap(0, 1);
    }
    if let Some(two) = loads.get_mut(..2) {
        two.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    if let Some(rest) = loads.get_mut(1..) {
        rest.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    loads.into_iter().map(|(_, target)| target).collect()
}

/// By the tries under way for each unit of weight; of equals by chance.
fn idlest(
    level: Vec<Arc<Target>>,
    known: &Circumstances<'_>,
    draw: &mut dyn FnMut(u64) -> u64,
) -> Vec<Arc<Target>> {
    let Some(health) = known.health else {
        return level;
    };
    let mut busy: Vec<(f64, u64, Arc<Target>)> = level
        .into_iter()
        .map(|target| {
            let busy = f64::from(health.busy(&target));
            let share = (busy + 1.0) / f64::from(target.weight);
            (share, draw(1 << 32), target)
        })
        .collect();
    busy.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    busy.into_iter().map(|(_, _, target)| target).collect()
}

/// By what the request is likely to cost; those without a price come last.
fn cheapest(mut level: Vec<Arc<Target>>, known: &Circumstances<'_>) -> Vec<Arc<Target>> {
    level.sort_by_cached_key(|target| (known.cost)(target).unwrap_or(i64::MAX));
    level
}

fn below(draw: &mut dyn FnMut(u64) -> u64, end: usize) -> usize {
    let end = u64::try_from(end).unwrap_or(u64::MAX);
    usize::try_from(draw(end).min(end.saturating_sub(1))).unwrap_or_default()
}
