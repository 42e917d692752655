//! Answers that providers keep: which of them a caller may name, and where they are.
//!
//! An answer is bound when it is relayed, under a keyed hash of its tenant and its id. Whoever asks
//! for an id is asked who they are first: another tenant's id and one that never was are the same
//! thing here, and are told in the same words.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use dialect::head::Head;
use dialect::needs::Need;
use parking_lot::Mutex;
use policy::caller::VirtualKey;
use policy::failure::{Code, Failure};
use policy::model::{Fallback, Model, Retry, Target};
use policy::plan::{Plan, Role, Step};
use policy::secret::ProviderKey;
use store::keys::KeyHasher;
use store::responses::{Bound, Change, Changes, LASTS_MS, MOST, Place};

use crate::Shared;
use crate::reasoning::Tenant;
use crate::refuse::quote;

/// The longest id that is bound, in bytes.
const ID_MAX: usize = 256;

/// What is bound at this moment; the file knows the same.
pub struct Stored {
    index: Mutex<Index>,
    changes: Option<Changes>,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            index: Mutex::new(Index::new(MOST)),
            changes: None,
        }
    }
}

struct Index {
    answers: HashMap<u128, (Arc<Place>, i64)>,
    /// The names of each tenant, the oldest first.
    orders: HashMap<u32, VecDeque<u128>>,
    places: HashSet<Arc<Place>>,
    /// The most names in all orders.
    most: usize,
    count: usize,
}

impl Index {
    fn new(most: usize) -> Self {
        Self {
            answers: HashMap::new(),
            orders: HashMap::new(),
            places: HashSet::new(),
            most,
            count: 0,
        }
    }

    /// Binds an answer; what is forgotten for it, if anything.
    fn bind(&mut self, bound: &Bound) -> Option<u128> {
        let place = match self.places.get(&bound.place) {
            Some(known) => Arc::clone(known),
            None => {
                self.places.insert(Arc::clone(&bound.place));
                Arc::clone(&bound.place)
            }
        };
        let before = self.answers.insert(bound.name, (place, bound.at_ms));
        if before.is_some() {
            return None;
        }
        let order = self.orders.entry(tenant_of(bound.name)).or_default();
        order.push_back(bound.name);
        self.count += 1;
        if self.count > self.most {
            return self.forget_one();
        }
        None
    }

    /// Forgets the oldest of the tenant that has the most.
    fn forget_one(&mut self) -> Option<u128> {
        let busiest = self.orders.iter_mut().max_by_key(|(_, order)| order.len());
        let (tenant, order) = busiest?;
        let tenant = *tenant;
        let oldest = order.pop_front()?;
        if order.is_empty() {
            self.orders.remove(&tenant);
        }
        self.count -= 1;
        self.answers.remove(&oldest).map(|_| oldest)
    }
}

/// Whose a name is, as far as the shares go: its first four bytes.
fn tenant_of(name: u128) -> u32 {
    u32::try_from(name >> 96).unwrap_or_default()
}

impl Stored {
    /// What a file knows, the oldest first, and where its changes go.
    #[must_use]
    pub fn new(known: &[Bound], changes: Changes) -> Self {
        let mut index = Index::new(MOST);
        for bound in known {
            index.bind(bound);
        }
        Self {
            index: Mutex::new(index),
            changes: Some(changes),
        }
    }

    fn tell(&self, change: Change) {
        if let Some(changes) = &self.changes {
            changes.tell(change);
        }
    }

    fn bind(&self, bound: Bound) {
        let forgotten = self.index.lock().bind(&bound);
        self.tell(Change::Bind(bound));
        if let Some(name) = forgotten {
            self.tell(Change::Forget(name));
        }
    }

    /// Where the answer of that id is kept for that tenant.
    pub(crate) fn find(&self, id: &str, owner: &Owner<'_>, now_ms: i64) -> Option<Arc<Place>> {
        let name = owner.name(id)?;
        let index = self.index.lock();
        let (place, at_ms) = index.answers.get(&name)?;
        (now_ms.saturating_sub(*at_ms) < LASTS_MS).then(|| Arc::clone(place))
    }

    /// The answer was deleted.
    pub(crate) fn forget(&self, id: &str, owner: &Owner<'_>) {
        if let Some(name) = owner.name(id) {
            // Its place in the order stays until its turn comes.
            self.index.lock().answers.remove(&name);
            self.tell(Change::Forget(name));
        }
    }
}

/// Whose answers they are.
pub(crate) struct Owner<'a> {
    tenant: String,
    hasher: &'a KeyHasher,
}

impl<'a> Owner<'a> {
    /// The tenant of that key.
    #[must_use]
    pub(crate) fn of(key: &VirtualKey, hasher: &'a KeyHasher) -> Self {
        Self {
            tenant: format!("responses {}", Tenant::of(key).spelled()),
            hasher,
        }
    }

    /// The name of an answer: four bytes of a keyed hash of the tenant, twelve of one of tenant and id.
    /// None where no id is like that.
    fn name(&self, id: &str) -> Option<u128> {
        if id.is_empty() || id.len() > ID_MAX {
            return None;
        }
        let tenant = self.hasher.opaque_id(&self.tenant, "");
        let answer = self.hasher.opaque_id(&self.tenant, id);
        let name = format!("{}{}", tenant.get(..8)?, answer.get(..24)?);
        u128::from_str_radix(&name, 16).ok()
    }
}

/// Binds the answers of one attempt.
pub(crate) struct Binder {
    tenant: Arc<VirtualKey>,
    place: Arc<Place>,
}

impl Binder {
    /// Who binds what `target` answers, shown that credential.
    #[must_use]
    pub(crate) fn new(
        tenant: &Arc<VirtualKey>,
        target: &Target,
        credential: Option<&ProviderKey>,
    ) -> Self {
        Self {
            tenant: Arc::clone(tenant),
            place: Arc::new(Place {
                provider: target.provider.name.clone(),
                model: target.model.clone(),
                credential: credential.map_or("", ProviderKey::name).to_owned(),
            }),
        }
    }

    /// Binds an answer, before its client hears of its id.
    pub(crate) fn bind(&self, id: &str, shared: &Shared) {
        if let Some(name) = Owner::of(&self.tenant, &shared.hasher).name(id) {
            shared.stored.bind(Bound {
                name,
                place: Arc::clone(&self.place),
                at_ms: shared.now_ms(),
            });
        }
    }
}

/// There is no such answer for this caller: the same words whether it never was, is over, or is
/// somebody else's.
#[must_use]
pub(crate) fn unknown(id: &str) -> Failure {
    let why = format!(
        "no stored answer {} is known for this key: answers are known for 30 days, to the key that \
         made them, and only where the provider itself speaks this dialect and stores them",
        quote(id)
    );
    Failure::new(Code::NotFound, why)
}

/// Where a request must go because it goes on from an earlier answer; `None` where it may go
/// anywhere.
///
/// # Errors
/// `not_found` for an answer that is not bound to this tenant; `invalid_request` for what else a
/// provider may keep.
pub(crate) fn pinned(
    head: &Head,
    key: &VirtualKey,
    shared: &Shared,
) -> Result<Option<Arc<Place>>, Failure> {
    if !head.needs.has(Need::ServerState) {
        return Ok(None);
    }
    let Some(id) = &head.previous else {
        let why = "the request goes on from a conversation, a prompt or an item that the provider keeps \
                   (an `id` without content of its own; of reasoning, without `encrypted_content`), \
                   which is not served yet: of what providers keep only `previous_response_id` is";
        return Err(Failure::new(Code::InvalidRequest, why));
    };
    let owner = Owner::of(key, &shared.hasher);
    let place = shared.stored.find(id, &owner, shared.now_ms());
    let place = place.ok_or_else(|| unknown(id).at("previous_response_id"))?;
    Ok(Some(place))
}

/// The plan of a request that only one target can serve: it is tried there once, and nowhere else.
///
/// # Errors
/// `invalid_request` where the model that was called has no such target.
pub(crate) fn plan(model: &Model, place: &Place) -> Result<Plan, Failure> {
    let is_it = |target: &&Arc<Target>| {
        target.provider.name == place.provider && target.model == place.model
    };
    let Fallback {
        failure,
        context_window,
        content_policy,
    } = &model.fallback;
    let mut all = [&model.targets, failure, context_window, content_policy]
        .into_iter()
        .flatten();
    let Some(target) = all.find(is_it) else {
        let why = format!(
            "the answer that this request goes on from was made by {}/{}, which does not serve the model {}",
            place.provider,
            place.model,
            quote(&model.name)
        );
        return Err(Failure::new(Code::InvalidRequest, why).at("model"));
    };
    let only = Model {
        targets: vec![Arc::clone(target)],
        fallback: Fallback::default(),
        retry: Retry {
            max_attempts: 1,
            ..model.retry
        },
        ..model.clone()
    };
    Ok(Plan {
        model: Arc::new(only),
        steps: vec![Step {
            target: Arc::clone(target),
            role: Role::Primary,
        }],
        excluded: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(tenant: u128, n: u128) -> Bound {
        Bound {
            name: tenant << 96 | n,
            place: Arc::new(Place {
                provider: "p".to_owned(),
                model: "m".to_owned(),
                credential: String::new(),
            }),
            at_ms: 0,
        }
    }

    #[test]
    fn a_busy_tenant_flushes_its_own_answers_and_nobody_elses() {
        let mut index = Index::new(10);
        let quiet = bound(7, 1);
        assert_eq!(index.bind(&quiet), None);
        let busy: Vec<Bound> = (0..100).map(|n| bound(8, n)).collect();
        let forgotten: Vec<u128> = busy.iter().filter_map(|one| index.bind(one)).collect();
        assert!(index.answers.contains_key(&quiet.name));
        assert_eq!(index.answers.len(), 10);
        let oldest: Vec<u128> = busy.iter().take(91).map(|one| one.name).collect();
        assert_eq!(forgotten, oldest);
    }
}
