//! What a batch charges to each balance, added up before anything is written.

use std::collections::HashMap;
use std::sync::Arc;

use policy::limit::Resource;

use crate::record::Held;

/// A limit's name, bucket, resource and window.
pub(super) type BalanceKey = (Arc<str>, Arc<str>, Resource, i64);

/// What is charged to each balance.
#[derive(Debug, Default)]
pub(super) struct Balances {
    sums: Vec<(BalanceKey, i64)>,
    places: HashMap<BalanceKey, usize>,
    /// Which of `sums` the charges of the last exchange went to: those of the next often do too.
    last: Vec<usize>,
}

impl Balances {
    /// All that were added to.
    pub(super) fn sums(&self) -> impl Iterator<Item = &(BalanceKey, i64)> {
        self.sums.iter()
    }

    /// Adds an amount to the balance of a charge, which is that many'th of its exchange.
    pub(super) fn add(&mut self, nth: usize, held: &Held, amount: i64) {
        let is_same = |(key, _): &&mut (BalanceKey, i64)| {
            let (limit, bucket, resource, window_ms) = key;
            *limit == held.limit
                && *bucket == held.bucket
                && *resource == held.resource
                && *window_ms == held.window_ms
        };
        let last = self.last.get(nth).and_then(|at| self.sums.get_mut(*at));
        if let Some((_, sum)) = last.filter(is_same) {
            *sum = sum.saturating_add(amount);
            return;
        }
        let at = self.place(held);
        if let Some((_, sum)) = self.sums.get_mut(at) {
            *sum = sum.saturating_add(amount);
        }
        match self.last.get_mut(nth) {
            Some(last) => *last = at,
            None => self.last.resize(nth + 1, at),
        }
    }

    fn place(&mut self, held: &Held) -> usize {
        let key = (
            Arc::clone(&held.limit),
            Arc::clone(&held.bucket),
            held.resource,
            held.window_ms,
        );
        let next = self.sums.len();
        let at = *self.places.entry(key.clone()).or_insert(next);
        if at == next {
            self.sums.push((key, 0));
        }
        at
    }
}
