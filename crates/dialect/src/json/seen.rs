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
    /// One bit of 64 for the length and the ends of each name: most names are new by it alone.
    marks: u64,
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
        let mark = mark(name);
        let known = self.few.iter().take(self.count);
        if self.marks & mark != 0 && known.into_iter().any(|known| known == name) {
            return false;
        }
        self.marks |= mark;
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

#[inline]
fn mark(name: &str) -> u64 {
    let (first, last) = match name.as_bytes() {
        [] => (0, 0),
        [one] => (*one, *one),
        [first, .., last] => (*first, *last),
    };
    1 << ((name.len() ^ usize::from(first) ^ (usize::from(last) << 2)) & 63)
}
