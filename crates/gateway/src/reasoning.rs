//! Reasoning that is kept for clients that cannot carry it from one turn to the next.
//!
//! What a provider signed or sealed before it called a tool must come back to it with the tool's
//! result. It is kept by tenant and by the call's id, in memory only: bounded in bytes, for each
//! tenant and in all, and for [`LASTS_MS`]. What is gone is a loss that the request's encoder names,
//! never a failure.
//!
//! A tenant is a key by its name, within its team or organisation: the smallest scope that all turns
//! of one application share, and one that a rotation keeps. Nothing is read but through [`Kept`],
//! which holds the tenant, so no tenant can ask for another's.

use std::collections::{BTreeMap, HashMap};
use std::hash::RandomState;
use std::sync::Arc;

use dialect::Dialect;
use dialect::chat::{Request, Response, StreamEvent};
use dialect::reasoning::{Collector, Known, Signed, put_back, told};
use parking_lot::Mutex;
use policy::caller::VirtualKey;
use policy::model::Target;
use policy::origin::Origin;

use crate::Shared;
use crate::memory::{Memory, Permit};

/// How long reasoning is kept, in milliseconds: a day.
pub const LASTS_MS: i64 = 24 * 60 * 60 * 1000;
/// The most that one answer's reasoning may weigh, in bytes.
pub const ANSWER_MAX: usize = 1024 * 1024;
/// The most that is kept for one tenant, in bytes.
pub const TENANT_MAX: usize = 16 * 1024 * 1024;
/// The most that is kept for all, in bytes; where memory is scarce, an eighth of it.
pub const ALL_MAX: usize = 64 * 1024 * 1024;

/// All that is kept.
#[derive(Default)]
pub struct Store {
    hash: RandomState,
    held: Mutex<Held>,
}

/// Whose it is. Its fields stand apart, so that no name can imitate another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tenant {
    organisation: Option<Arc<str>>,
    team: Option<Arc<str>>,
    key: Arc<str>,
}

impl Tenant {
    /// The tenant that a key belongs to.
    #[must_use]
    pub(crate) fn of(key: &VirtualKey) -> Self {
        Self {
            organisation: key.organisation().map(|group| Arc::clone(&group.name)),
            team: key.team.as_ref().map(|group| Arc::clone(&group.name)),
            key: Arc::clone(&key.name),
        }
    }

    /// Its name in one text, which no other tenant has: each part stands behind its length.
    #[must_use]
    pub(crate) fn spelled(&self) -> String {
        let part = |part: Option<&Arc<str>>| match part {
            Some(name) => format!("{}:{name}", name.len()),
            None => "-".to_owned(),
        };
        let parts = [
            self.organisation.as_ref(),
            self.team.as_ref(),
            Some(&self.key),
        ];
        parts.map(part).join(" ")
    }
}

/// Who made it, and alone gets it back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Maker {
    origin: Origin,
    dialect: Dialect,
    model: String,
}

impl Maker {
    fn of(target: &Target) -> Self {
        Self {
            origin: target.provider.origin.clone(),
            dialect: target.provider.dialect,
            model: target.model.clone(),
        }
    }

    fn is(&self, target: &Target) -> bool {
        let provider = &target.provider;
        (&self.origin, self.dialect, self.model.as_str())
            == (&provider.origin, provider.dialect, target.model.as_str())
    }
}

/// One call of one conversation of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    tenant: Tenant,
    call: String,
    told: u64,
}

struct Entry {
    maker: Maker,
    signed: Arc<Signed>,
    at_ms: i64,
    number: u64,
    room: Permit,
}

#[derive(Default)]
struct Held {
    entries: HashMap<Arc<Name>, Entry>,
    /// The same in the order in which they came.
    order: BTreeMap<u64, Arc<Name>>,
    tenants: HashMap<Tenant, Share>,
    bytes: usize,
    next: u64,
}

/// What of it is one tenant's.
#[derive(Default)]
struct Share {
    bytes: usize,
    order: BTreeMap<u64, Arc<Name>>,
}

impl Held {
    fn remove(&mut self, name: &Name) {
        let Some(entry) = self.entries.remove(name) else {
            return;
        };
        let bytes = entry.room.held();
        self.bytes = self.bytes.saturating_sub(bytes);
        self.order.remove(&entry.number);
        if let Some(share) = self.tenants.get_mut(&name.tenant) {
            share.bytes = share.bytes.saturating_sub(bytes);
            share.order.remove(&entry.number);
            if share.order.is_empty() {
                self.tenants.remove(&name.tenant);
            }
        }
    }

    fn insert(&mut self, name: Name, mut entry: Entry) {
        self.remove(&name);
        let name = Arc::new(name);
        entry.number = self.next;
        self.next += 1;
        let bytes = entry.room.held();
        self.bytes += bytes;
        self.order.insert(entry.number, Arc::clone(&name));
        let share = self.tenants.entry(name.tenant.clone()).or_default();
        share.bytes += bytes;
        share.order.insert(entry.number, Arc::clone(&name));
        self.entries.insert(name, entry);
    }

    /// Lets the oldest go until `bytes` more fit, of this tenant and in all, and with them what
    /// has lasted long enough.
    fn make_room(&mut self, (tenant, bytes): (&Tenant, usize), all_max: usize, now_ms: i64) {
        while let Some(share) = self.tenants.get(tenant)
            && share.bytes + bytes > TENANT_MAX
            && let Some(oldest) = share.order.values().next().cloned()
        {
            self.remove(&oldest);
        }
        while let Some(oldest) = self.order.values().next().cloned() {
            let ended = self.entries.get(&*oldest).is_none_or(|e| e.ended(now_ms));
            if !ended && self.bytes + bytes <= all_max {
                break;
            }
            self.remove(&oldest);
        }
    }
}

impl Entry {
    fn ended(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.at_ms) >= LASTS_MS
    }
}

impl Store {
    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held.lock().bytes
    }

    fn keep(&self, (name, mut entry): (Name, Entry), memory: &Memory) {
        let bytes = entry.signed.bytes();
        let all_max = ALL_MAX.min(memory.limit() / 8);
        if bytes > ANSWER_MAX.min(all_max) {
            return;
        }
        let mut held = self.held.lock();
        held.make_room((&name.tenant, bytes), all_max, entry.at_ms);
        // Without memory for it the reasoning is not kept: requests come first.
        if entry.room.grow(bytes) {
            held.insert(name, entry);
        }
    }

    fn find(&self, name: &Name, target: &Target, now_ms: i64) -> Known {
        let held = self.held.lock();
        match held.entries.get(name).filter(|entry| !entry.ended(now_ms)) {
            None => Known::Nothing,
            Some(entry) if entry.maker.is(target) => Known::Here(Arc::clone(&entry.signed)),
            Some(_) => Known::Elsewhere,
        }
    }
}

/// What is kept for one tenant.
#[derive(Clone)]
pub(crate) struct Kept {
    tenant: Tenant,
}

impl Kept {
    /// What is kept for the tenant of that key.
    #[must_use]
    pub(crate) fn of(key: &VirtualKey) -> Self {
        Self {
            tenant: Tenant::of(key),
        }
    }

    /// The request as `target` must get it; `None` where nothing of it is kept.
    #[must_use]
    pub(crate) fn put_back(
        &self,
        request: &Request,
        target: &Target,
        shared: &Shared,
    ) -> Option<Request> {
        let store = &shared.reasoning;
        if !store.held.lock().tenants.contains_key(&self.tenant) {
            return None;
        }
        let now_ms = shared.now_ms();
        put_back(request, &store.hash, &mut |call, told| {
            let name = Name {
                tenant: self.tenant.clone(),
                call: call.to_owned(),
                told,
            };
            store.find(&name, target, now_ms)
        })
    }

    /// Begins to keep what `target` answers to the request; `None` where it can call no tools.
    #[must_use]
    pub(crate) fn keeper(
        &self,
        request: &Request,
        target: &Target,
        shared: &Arc<Shared>,
    ) -> Option<Keeper> {
        if request.tools.is_empty() {
            return None;
        }
        let provider = &target.provider;
        Some(Keeper {
            collector: Collector::new(ANSWER_MAX),
            tenant: self.tenant.clone(),
            told: told(&request.messages, &shared.reasoning.hash),
            maker: Maker::of(target),
            plain: provider.quirks.plain_reasoning
                || provider.dialect.client().takes_plain_reasoning(),
            shared: Arc::clone(shared),
        })
    }
}

/// Keeps the reasoning of one answer.
pub(crate) struct Keeper {
    collector: Collector,
    tenant: Tenant,
    told: u64,
    maker: Maker,
    /// Whether the maker wants back what it did not sign.
    plain: bool,
    shared: Arc<Shared>,
}

impl Keeper {
    /// What waits here until the answer is whole, in bytes.
    #[must_use]
    pub(crate) fn waits(&self) -> usize {
        self.collector.bytes()
    }

    /// Takes in an event; the answer's end keeps what it told, before the client hears of the end.
    pub(crate) fn push(&mut self, event: &StreamEvent) {
        self.collector.push(event);
        if matches!(event, StreamEvent::End) {
            self.keep();
        }
    }

    /// Keeps what a whole answer tells.
    pub(crate) fn whole(mut self, response: &Response) {
        self.collector.take(response);
        self.keep();
    }

    fn keep(&mut self) {
        let collector = std::mem::replace(&mut self.collector, Collector::new(0));
        let at_ms = self.shared.now_ms();
        for signed in collector.into_signed(self.plain) {
            let Some(room) = self.shared.memory.try_reserve(0) else {
                return;
            };
            let name = Name {
                tenant: self.tenant.clone(),
                call: signed.call.clone(),
                told: self.told,
            };
            let entry = Entry {
                maker: self.maker.clone(),
                signed: Arc::new(signed),
                at_ms,
                number: 0,
                room,
            };
            let store = &self.shared.reasoning;
            store.keep((name, entry), &self.shared.memory);
        }
    }
}
