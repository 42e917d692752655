//! The limits of one configuration, found by whom they concern.
//!
//! Immutable, part of the snapshot. A request looks at the limits of its own
//! names only, however many others there are. Nothing here counts.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::Ask;
use super::book::Book;
use crate::caller::Attribution;
use crate::limit::{Each, Limit, Resource, Scope};

type Places = Vec<u32>;
/// Found by names of the configuration, which no caller chooses: a quick hash does.
type Named<T> = HashMap<Arc<str>, T, RandomState>;
type ByName = Named<Places>;

/// All limits of a configuration, in the order of their names.
#[derive(Debug, Default)]
pub struct LimitSet {
    slots: Vec<Slot>,
    everything: Places,
    organisations: ByName,
    teams: ByName,
    keys: ByName,
    users: ByName,
    tags: Named<ByName>,
    providers: ByName,
    models: ByName,
}

/// A limit, and what its accounts are known by.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) limit: Arc<Limit>,
    /// What its accounts are known by, over reloads.
    pub(super) shape: Arc<str>,
    /// Where its accounts are, once they were looked for.
    pub(super) book: OnceLock<Arc<Book>>,
}

impl LimitSet {
    /// A set of these limits.
    #[must_use]
    pub fn new(mut limits: Vec<Limit>) -> Self {
        limits.sort_by(|a, b| a.name.cmp(&b.name));
        let mut set = Self::default();
        for limit in limits {
            let place = u32::try_from(set.slots.len()).unwrap_or(u32::MAX);
            set.places(&limit.scope).push(place);
            set.slots.push(Slot {
                shape: limit.shape(),
                limit: Arc::new(limit),
                book: OnceLock::new(),
            });
        }
        set
    }

    /// All limits, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.slots.iter().map(|slot| &slot.limit)
    }

    /// The limit of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Limit>> {
        let place = self
            .slots
            .binary_search_by(|slot| (*slot.limit.name).cmp(name));
        Some(&self.slots.get(place.ok()?)?.limit)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The limits that count a request of that caller for that model, which these
    /// providers may serve; in the order of their names, whatever they limit.
    #[must_use]
    pub fn applying(&self, ask: &Ask<'_>) -> Vec<&Arc<Limit>> {
        let slots = self.concerned(ask, |_| true);
        slots.into_iter().map(|slot| &slot.limit).collect()
    }

    /// The limits on a resource that count a request, each with the bucket in which it does.
    pub fn counting<'a>(
        &'a self,
        ask: &Ask<'a>,
        resource: Resource,
    ) -> impl Iterator<Item = (&'a Arc<Limit>, &'a str)> {
        let who = ask.who;
        let slots = self.concerned(ask, |limit| limit.resource == resource);
        let counted = slots.into_iter();
        counted.filter_map(move |slot| Some((&slot.limit, bucket(&slot.limit, who)?)))
    }

    /// Those of what is asked for.
    pub(super) fn asked<'s>(&'s self, ask: &Ask<'_>) -> Vec<&'s Slot> {
        self.concerned(ask, |limit| ask.amount(limit.resource).is_some())
    }

    pub(super) fn concerned<'s>(
        &'s self,
        ask: &Ask<'_>,
        wanted: impl Fn(&Limit) -> bool,
    ) -> Vec<&'s Slot> {
        let who = ask.who;
        let mut places: Vec<u32> = Vec::with_capacity(12);
        let mut add = |some: Option<&Places>| places.extend(some.into_iter().flatten());
        let named = |names: &'s ByName, name: Option<&Arc<str>>| names.get(name?);
        add(Some(&self.everything));
        add(named(&self.organisations, who.organisation.as_ref()));
        add(named(&self.teams, who.team.as_ref()));
        add(named(&self.keys, Some(&who.key)));
        add(named(&self.users, who.user.as_ref()));
        if !self.tags.is_empty() {
            for (name, value) in &who.tags {
                add(self.tags.get(name).and_then(|values| values.get(value)));
            }
        }
        for provider in ask.providers {
            add(self.providers.get(*provider));
        }
        add(self.models.get(ask.model));
        // Once each, and in one order for all requests.
        places.sort_unstable();
        places.dedup();
        let slots = places.into_iter().filter_map(|place| {
            let place = usize::try_from(place).ok()?;
            self.slots.get(place)
        });
        slots.filter(|slot| wanted(&slot.limit)).collect()
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn places(&mut self, scope: &Scope) -> &mut Places {
        let (names, name) = match scope {
            Scope::Everything => return &mut self.everything,
            Scope::Organisation(name) => (&mut self.organisations, name),
            Scope::Team(name) => (&mut self.teams, name),
            Scope::Key(name) => (&mut self.keys, name),
            Scope::User(name) => (&mut self.users, name),
            Scope::Tag { name, value } => (self.tags.entry(Arc::clone(name)).or_default(), value),
            Scope::Provider(name) => (&mut self.providers, name),
            Scope::Model(name) => (&mut self.models, name),
        };
        names.entry(Arc::clone(name)).or_default()
    }
}

/// The bucket of a caller within a limit, empty where there is one for all; `None` where the caller has none.
pub(super) fn bucket<'a>(limit: &Limit, who: &'a Attribution) -> Option<&'a str> {
    match &limit.each {
        None => Some(""),
        Some(Each::Key) => Some(&who.key),
        Some(Each::User) => who.user.as_deref(),
        Some(Each::Run) => who.run.as_deref(),
        Some(Each::Tag(name)) => who.tag(name).map(|value| &**value),
    }
}
