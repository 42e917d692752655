//! Which member names stood in an object already.
//!
//! An object of a million members must not cost a million comparisons each.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names of one object's members: a list while they are few, so that the
/// usual object costs no hashing, and a set beyond that.
#[derive(Default)]
pub(super) struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Seen<'a> {
    /// Adds a name; says whether it is new.
    pub(super) fn insert(&mut self, name: Cow<'a, str>) -> bool {
        const FEW: usize = 32;
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return true;
        }
        self.many.get_or_insert_default().insert(name)
    }
}
