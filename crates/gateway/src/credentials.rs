//! Which of a provider's credentials an attempt shows.
//!
//! Requests begin at a credential drawn by chance, so that all of them carry their share.
//! One that the provider refused, or whose quota is used up, is not shown again for the
//! same request; one that is limited for the moment not at the same target. What other requests
//! found counts too: a credential that rests is shown by none.

use std::sync::Arc;
use std::time::Duration;

use policy::failure::AttemptFailure;
use policy::model::Target;
use policy::provider::Auth;
use policy::secret::ProviderKey;

use crate::Shared;

/// The credentials that a request may still show.
pub(crate) struct Credentials {
    shared: Arc<Shared>,
    start: usize,
    /// The one of this name alone, where there is one.
    only: Option<String>,
    spent: Vec<Spent>,
}

/// A credential that is of no use, at one target or at all.
struct Spent {
    key: Arc<ProviderKey>,
    at: Option<Arc<Target>>,
}

/// What an attempt shows.
pub(crate) enum Shown {
    /// Nothing: the provider asks for none, or none is configured.
    Nothing,
    /// This one.
    Key(Arc<ProviderKey>),
    /// There are some, but none that is of use now.
    AllSpent,
}

impl Credentials {
    /// All of them; a provider's `start`th is the first, counted round.
    #[must_use]
    pub(crate) fn new(shared: Arc<Shared>, start: usize) -> Self {
        Self {
            shared,
            start,
            only: None,
            spent: Vec::new(),
        }
    }

    /// The one of that name alone, while the provider has it: what is kept for one account is not
    /// there for another. All of them where it is gone.
    #[must_use]
    pub(crate) fn only(shared: Arc<Shared>, name: &str) -> Self {
        Self {
            only: Some(name.to_owned()),
            ..Self::new(shared, 0)
        }
    }

    /// What the next attempt at a target shows.
    #[must_use]
    pub(crate) fn choose(&self, target: &Arc<Target>) -> Shown {
        let keys = &target.provider.keys;
        if keys.is_empty() || target.provider.auth == Auth::None {
            return Shown::Nothing;
        }
        let choice = &self.shared.choice;
        let now = choice.now();
        let mut left = self
            .of(target)
            .filter(|key| !self.is_spent(key, target))
            .filter(|key| choice.health.check(key, target, now).is_ok());
        left.next()
            .map_or(Shown::AllSpent, |key| Shown::Key(Arc::clone(key)))
    }

    /// Those of a target, in their order.
    fn of<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Arc<ProviderKey>> {
        let keys = &target.provider.keys;
        let named = |key: &&Arc<ProviderKey>| Some(key.name()) == self.only.as_deref();
        let pinned = keys.iter().any(|key| named(&key));
        let round = keys.iter().cycle().skip(self.start % keys.len().max(1));
        round
            .take(keys.len())
            .filter(move |key| !pinned || named(key))
    }

    /// How long until one that rests at a target may be shown there again; none where none rests.
    #[must_use]
    pub(crate) fn returns_in(&self, target: &Arc<Target>) -> Option<Duration> {
        let choice = &self.shared.choice;
        let now = choice.now();
        let resting = self.of(target);
        let resting = resting.filter_map(|key| choice.health.check(key, target, now).err());
        let soonest = resting
            .map(|closed| closed.until.saturating_sub(now))
            .min()?;
        Some(soonest.max(Duration::from_secs(1)))
    }

    /// Takes note of how an attempt failed that showed `key`. Whether another one is worth
    /// a try at the same target.
    pub(crate) fn after(
        &mut self,
        key: Option<Arc<ProviderKey>>,
        target: &Arc<Target>,
        failure: AttemptFailure,
    ) -> bool {
        let at = match failure {
            AttemptFailure::Credential | AttemptFailure::Exhausted => None,
            AttemptFailure::RateLimited => Some(Arc::clone(target)),
            AttemptFailure::NotSent
            | AttemptFailure::Overloaded
            | AttemptFailure::BadRequest
            | AttemptFailure::ModelGone
            | AttemptFailure::ContextWindow
            | AttemptFailure::ContentPolicy
            | AttemptFailure::Ambiguous
            | AttemptFailure::MidStream => return false,
        };
        let Some(key) = key else { return false };
        refused(&key, failure);
        self.spent.push(Spent { key, at });
        if matches!(self.choose(target), Shown::Key(_)) {
            return true;
        }
        // Whoever waits for a limit to pass shows again what was limited.
        self.spent
            .retain(|spent| spent.at.as_ref().is_none_or(|at| !Arc::ptr_eq(at, target)));
        false
    }

    fn is_spent(&self, key: &Arc<ProviderKey>, target: &Arc<Target>) -> bool {
        self.spent.iter().any(|spent| {
            let here = spent.at.as_ref().is_none_or(|at| Arc::ptr_eq(at, target));
            here && Arc::ptr_eq(&spent.key, key)
        })
    }
}

/// What is renewed is renewed before its time where an attempt that showed it failed by it.
pub(crate) fn refused(key: &ProviderKey, failure: AttemptFailure) {
    if let (AttemptFailure::Credential, Some(renewal)) = (failure, key.renewal()) {
        renewal.was_refused();
    }
}
