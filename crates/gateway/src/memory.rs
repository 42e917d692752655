//! The bound of all buffers together.
//!
//! One [`Memory`] a process. Whoever keeps bytes that a peer chose the number of holds a [`Permit`]
//! for them; what does not fit is answered 503 `overloaded`. Atomics only, so that every core may
//! ask on the road. It counts what is declared to it and never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The account of buffered bytes. Cheap to clone; clones share the account.
#[derive(Clone, Debug)]
pub struct Memory {
    account: Arc<Account>,
}

#[derive(Debug)]
struct Account {
    limit: usize,
    held: AtomicUsize,
}

impl Memory {
    /// An account that lends at most `limit` bytes at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let held = AtomicUsize::new(0);
        Self {
            account: Arc::new(Account { limit, held }),
        }
    }

    /// Lends `bytes`, or nothing where they would pass the limit.
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<Permit> {
        let mut permit = Permit {
            account: Arc::clone(&self.account),
            held: 0,
        };
        permit.grow(bytes).then_some(permit)
    }

    /// The bytes lent at this moment.
    #[must_use]
    pub fn held(&self) -> usize {
        self.account.held.load(Ordering::Relaxed)
    }

    /// The most that is lent at a time, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.account.limit
    }
}

/// A number of bytes lent by a [`Memory`], given back on drop.
#[derive(Debug)]
pub struct Permit {
    account: Arc<Account>,
    held: usize,
}

impl Permit {
    /// Takes `more` bytes on top. False, and nothing is taken, where they would pass the limit.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        // The account is shared by all cores: it is left alone where nothing changes.
        if more == 0 {
            return true;
        }
        let limit = self.account.limit;
        let taken = self
            .account
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(more).filter(|sum| *sum <= limit)
            });
        if taken.is_ok() {
            self.held += more;
        }
        taken.is_ok()
    }

    /// Gives back `less` of the bytes held, at most all of them.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.held);
        if less == 0 {
            return;
        }
        self.held -= less;
        self.account.held.fetch_sub(less, Ordering::Relaxed);
    }

    /// The bytes, for which this permit is held until the last of their copies is gone: they may
    /// wait in a connection for a reader that is slow.
    #[must_use]
    pub fn keep_for(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept {
            bytes,
            _permit: self,
        })
    }

    /// The bytes that this permit holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}

struct Kept {
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Memory;

    #[test]
    fn lends_up_to_the_limit_and_takes_back_on_drop() {
        let memory = Memory::new(10);
        let first = memory.try_reserve(6).unwrap();
        assert!(memory.try_reserve(5).is_none());
        assert_eq!(memory.held(), 6);
        drop(first);
        assert_eq!(memory.held(), 0);
        assert!(memory.try_reserve(10).is_some());
    }

    #[test]
    fn a_permit_grows_within_the_limit_and_shrinks_to_nothing() {
        let memory = Memory::new(10);
        let mut permit = memory.try_reserve(0).unwrap();
        assert!(permit.grow(10));
        assert!(!permit.grow(1));
        assert!(!permit.grow(usize::MAX));
        permit.shrink(4);
        assert_eq!((permit.held(), memory.held()), (6, 6));
        permit.shrink(100);
        assert_eq!((permit.held(), memory.held()), (0, 0));
    }

    #[test]
    fn bytes_keep_their_permit_until_the_last_copy_is_gone() {
        let memory = Memory::new(10);
        let permit = memory.try_reserve(5).unwrap();
        let bytes = permit.keep_for(Bytes::from_static(b"bytes"));
        let end = bytes.slice(3..);
        drop(bytes);
        assert_eq!((end.as_ref(), memory.held()), (b"es".as_slice(), 5));
        drop(end);
        assert_eq!(memory.held(), 0);
    }
}
