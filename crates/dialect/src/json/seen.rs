//! Which member names stood in an object already.
//!
//! An object of a million members must not cost a million comparisons each.

use std::borrow::Cow;
use std::collections::HashSet;

/// Names that are compared one by one.
const FEW: usize = 16;

/// The names of one object's members: a list while they are few, so that the
/// usual object costs no memory and no hashing, and a set beyond that.
#[derive(Default)]
pub(super) struct Seen<'a> {
    few: [&'a str; FEW],
    count: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Seen<'a> {
    /// Adds a name; says whether it is new.
    #[inline]
    #[expect(
        clippy::ptr_arg,
        reason = "a name that is borrowed is kept without a copy"
    )]
    pub(super) fn insert(&mut self, name: &Cow<'a, str>) -> bool {
        if self.few.iter().take(self.count).any(|known| known == name) {
            return false;
        }
        match (name, self.few.get_mut(self.count)) {
            (Cow::Borrowed(name), Some(free)) if self.many.is_none() => {
                *free = name;
                self.count += 1;
                true
            }
            _ => self.many.get_or_insert_default().insert(name.clone()),
        }
    }
}
