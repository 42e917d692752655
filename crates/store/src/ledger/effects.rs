//! What a batch of records comes to, before anything is written.
//!
//! Pure: it reads the batch and what was open before it, and changes neither, so
//! that a batch which could not be written is simply tried again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ulid::Ulid;

use crate::journal::Batch;
use crate::record::{Dispatched, Exchange, Extended, Flags, Record, State};

/// A request that was dispatched and is not over; its holds include all extensions.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// The journal's writer that has its records.
    pub(super) writer: u32,
    pub(super) dispatched: Dispatched,
}

pub(super) type OpenMap = IdMap<Open>;

type IdMap<T> = HashMap<Ulid, T, BuildHasherDefault<IdHasher>>;
type IdSet = HashSet<Ulid, BuildHasherDefault<IdHasher>>;

/// Hashes ids, which this gateway has drawn itself: nobody chooses them to collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // An odd number with its bits well spread: the golden ratio of 64 bits.
        let mixed = (self.0.rotate_left(29) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn write_u128(&mut self, value: u128) {
        let bytes = value.to_le_bytes();
        for half in bytes.as_chunks::<8>().0 {
            self.write_u64(u64::from_le_bytes(*half));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub(super) struct Effects<'a> {
    /// Exchanges that are over, by id: neighbours in the files' trees come one after the other.
    pub(super) closed: Vec<&'a Exchange>,
    /// Requests whose process died before they were over.
    pub(super) presumed: Vec<Open>,
    /// Requests that are open after it and were not before, or hold more.
    pub(super) opened: Vec<Open>,
    /// Requests that were open before it and are not any more.
    pub(super) gone: Vec<Ulid>,
    /// Requests dispatched in this batch or open before it.
    pub(super) dispatched: IdSet,
}

impl<'a> Effects<'a> {
    /// What these records come to.
    pub(super) fn of(open: &OpenMap, batch: &'a Batch) -> Self {
        let mut walk = Walk {
            open,
            fresh: IdMap::default(),
            more: IdMap::default(),
            over: IdSet::default(),
            effects: Effects::default(),
        };
        for (position, record) in &batch.records {
            match record {
                Record::Opened(_) => walk.process_died(position.writer),
                Record::Dispatched(record) => {
                    walk.fresh.insert(record.id, (position.writer, record));
                }
                Record::Extended(record) => {
                    walk.more.entry(record.id).or_default().push(record);
                }
                Record::Closed(exchange) => {
                    walk.over.insert(exchange.id);
                    walk.effects.closed.push(exchange);
                }
            }
        }
        let refused = batch.refused.iter().map(|exchange| &**exchange);
        walk.effects.closed.extend(refused);
        walk.effects.closed.sort_by_key(|exchange| exchange.id);
        walk.end()
    }

    /// All that is open is presumed: its processes are dead.
    pub(super) fn all_died(open: &OpenMap) -> Self {
        let mut presumed: Vec<Open> = open.values().cloned().collect();
        presumed.sort_unstable_by_key(|open| open.dispatched.id);
        Effects {
            gone: presumed.iter().map(|open| open.dispatched.id).collect(),
            presumed,
            ..Effects::default()
        }
    }
}

struct Walk<'a, 'o> {
    open: &'o OpenMap,
    fresh: IdMap<(u32, &'a Dispatched)>,
    more: IdMap<Vec<&'a Extended>>,
    over: IdSet,
    effects: Effects<'a>,
}

impl<'a> Walk<'a, '_> {
    fn process_died(&mut self, writer: u32) {
        let fresh = self.fresh.iter().map(|(id, (of, _))| (*id, *of));
        let open = self.open.iter().map(|(id, open)| (*id, open.writer));
        let mut died: Vec<Ulid> = fresh
            .chain(open)
            .filter(|(id, of)| *of == writer && !self.over.contains(id))
            .map(|(id, _)| id)
            .collect();
        died.sort_unstable();
        died.dedup();
        for id in died {
            self.over.insert(id);
            self.effects.presumed.extend(self.whole(id));
        }
    }

    /// A request with everything that is held for it.
    fn whole(&self, id: Ulid) -> Option<Open> {
        let mut open = match (self.fresh.get(&id), self.open.get(&id)) {
            (Some((writer, dispatched)), _) => Open {
                writer: *writer,
                dispatched: (*dispatched).clone(),
            },
            (None, Some(open)) => open.clone(),
            (None, None) => return None,
        };
        for more in self.more.get(&id).into_iter().flatten() {
            extend(&mut open.dispatched, more);
        }
        Some(open)
    }

    fn end(mut self) -> Effects<'a> {
        let changed = self.fresh.keys().chain(self.more.keys());
        let changed: IdSet = changed
            .filter(|id| !self.over.contains(id))
            .copied()
            .collect();
        let mut opened: Vec<Open> = changed.iter().filter_map(|id| self.whole(*id)).collect();
        opened.sort_unstable_by_key(|open| open.dispatched.id);
        self.effects.opened = opened;
        for id in self.over {
            let was_open = self.open.contains_key(&id);
            if was_open {
                self.effects.gone.push(id);
            }
            if was_open || self.fresh.contains_key(&id) {
                self.effects.dispatched.insert(id);
            }
        }
        for presumed in &self.effects.presumed {
            self.effects.dispatched.remove(&presumed.dispatched.id);
        }
        self.effects.gone.sort_unstable();
        self.effects
    }
}

fn extend(dispatched: &mut Dispatched, more: &Extended) {
    dispatched.held = dispatched.held.plus(more.more);
    for hold in &more.holds {
        let same = dispatched.holds.iter_mut().find(|held| {
            held.limit == hold.limit
                && held.bucket == hold.bucket
                && held.resource == hold.resource
                && held.window_ms == hold.window_ms
        });
        match same {
            Some(held) => held.amount = held.amount.saturating_add(hold.amount),
            None => dispatched.holds.push(hold.clone()),
        }
    }
}

/// The exchange of a request whose process died: it is charged with what was held.
pub(super) fn presumed_exchange(dispatched: &Dispatched) -> Exchange {
    Exchange {
        id: dispatched.id,
        at_ms: dispatched.at_ms,
        state: State::Presumed,
        who: dispatched.who.clone(),
        model: Arc::clone(&dispatched.model),
        target: Arc::clone(&dispatched.target),
        outcome: "presumed".into(),
        cost: dispatched.held,
        flags: Flags {
            estimated: true,
            ..Flags::default()
        },
        charges: dispatched.holds.clone(),
        config_revision: Arc::clone(&dispatched.config_revision),
        ..Exchange::default()
    }
}
