//! What a batch of records comes to, before anything is written.
//!
//! Pure: it reads the batch and what was open before it, and changes neither, so
//! that a batch which could not be written is simply tried again.

use std::collections::{HashMap, HashSet};
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

pub(super) type OpenMap = HashMap<Ulid, Open>;

/// What a batch comes to.
#[derive(Debug, Default)]
pub(super) struct Effects<'a> {
    /// Exchanges that are over, in order.
    pub(super) closed: Vec<&'a Exchange>,
    /// Requests whose process died before they were over.
    pub(super) presumed: Vec<Open>,
    /// Requests that are open after it and were not before, or hold more.
    pub(super) opened: Vec<Open>,
    /// Requests that were open before it and are not any more.
    pub(super) gone: Vec<Ulid>,
    /// Requests dispatched in this batch or open before it.
    pub(super) dispatched: HashSet<Ulid>,
}

impl<'a> Effects<'a> {
    /// What these records come to.
    pub(super) fn of(open: &OpenMap, batch: &'a Batch) -> Self {
        let mut walk = Walk {
            open,
            fresh: HashMap::new(),
            more: HashMap::new(),
            over: HashSet::new(),
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
    fresh: HashMap<Ulid, (u32, &'a Dispatched)>,
    more: HashMap<Ulid, Vec<&'a Extended>>,
    over: HashSet<Ulid>,
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
        let changed: HashSet<Ulid> = changed
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
