//! What a request needs against what its targets can: those that cannot are left out before anything
//! is sent, those that would do less come later.
//!
//! Only what is known excludes: an ability that nobody denies is assumed to be there.

use std::sync::Arc;

use dialect::needs::{Need, Needs};

use crate::model::Target;
use crate::plan::{Plan, Role, Step};
use crate::profile::Profile;

/// What a request needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Abilities.
    pub needs: Needs,
    /// Tokens of input that it has at least, as far as that is known.
    pub least_tokens: Option<u64>,
}

/// A target that cannot serve a request.
#[derive(Clone)]
pub struct Unfit {
    /// The target.
    pub target: Arc<Target>,
    /// What it lacks.
    pub lacks: Lack,
}

/// What a target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// An ability.
    Need(Need),
    /// Room for the input.
    Context {
        /// The most tokens that it reads.
        most: u64,
        /// Those that the request has at least.
        asked: u64,
    },
}

impl Lack {
    /// In words, behind the target's name.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Lack::Need(need) => format!("lacks `{}`", need.name()),
            Lack::Context { most, asked } => {
                format!("reads {most} tokens at most, and the request has at least {asked}")
            }
        }
    }
}

/// Bytes of text that a token stands for at the very most over a whole request: about four in what
/// people write, twice that in scripts of two bytes a letter. A request is refused as too long only
/// where it is so beyond doubt; else its provider says it.
const TOKEN_BYTES: u64 = 32;

/// The fewest tokens that so much text can have; `escapes` is how many of its characters are written
/// as `\uXXXX`.
#[must_use]
pub fn least_tokens(bytes: usize, escapes: usize) -> u64 {
    let text = bytes.saturating_sub(escapes.saturating_mul(5));
    u64::try_from(text).unwrap_or(u64::MAX) / TOKEN_BYTES
}

/// What of a request a target lacks that it cannot be served without.
#[must_use]
pub fn lack(profile: &Profile, wants: &Wants) -> Option<Lack> {
    if let (Some(most), Some(asked)) = (profile.max_input_tokens, wants.least_tokens)
        && asked > most
    {
        return Some(Lack::Context { most, asked });
    }
    let mut needs = wants.needs.iter().filter(|need| is_hard(*need));
    needs
        .find(|need| profile.can(*need) == Some(false))
        .map(Lack::Need)
}

/// Whether a request is another one without it; what is not is only preferred.
fn is_hard(need: Need) -> bool {
    !matches!(need, Need::Reasoning)
}

/// Whether the target keeps all of what the request uses.
pub(crate) fn keeps(profile: &Profile, wants: &Wants) -> bool {
    wants
        .needs
        .iter()
        .all(|need| profile.can(need) != Some(false))
}

/// Takes the targets out of a plan that cannot serve the request, and puts those behind the others of
/// their role that would do less. Where a target is left out for the length of the request, the
/// model's own fallbacks for that stand at the end.
pub fn fit(plan: &mut Plan, wants: &Wants) -> Vec<Unfit> {
    let mut unfit = Vec::new();
    let mut out = |step: &Step| match lack(&step.target.profile, wants) {
        Some(lacks) => {
            let target = Arc::clone(&step.target);
            unfit.push(Unfit { target, lacks });
            false
        }
        None => true,
    };
    plan.steps.retain(|step| out(step));
    let too_long = |one: &Unfit| matches!(one.lacks, Lack::Context { .. });
    if unfit.iter().any(too_long) {
        for target in &plan.model.fallback.context_window {
            let known = plan.steps.iter();
            let mut known = known.map(|step| &step.target);
            let takes = lack(&target.profile, wants).is_none();
            if takes && !known.any(|known| Arc::ptr_eq(known, target)) {
                plan.steps.push(Step {
                    target: Arc::clone(target),
                    role: Role::Fallback,
                });
            }
        }
    }
    if !wants.needs.is_empty() {
        // Stable: what the operator wrote decides among equals.
        plan.steps.sort_by_key(|step| {
            let rank = u8::from(step.role == Role::Fallback);
            (rank, !keeps(&step.target.profile, wants))
        });
    }
    unfit
}

/// Why nothing serves a request: each target with what it lacks.
#[must_use]
pub fn told(unfit: &[Unfit]) -> String {
    let each = unfit
        .iter()
        .map(|one| format!("{} {}", one.target.name(), one.lacks.told()));
    each.collect::<Vec<_>>().join("; ")
}
