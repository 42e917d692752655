//! A queue between threads that never makes anybody wait to put something in.
//!
//! It holds so many items; one more drops the oldest, which is handed back to be counted.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded queue with one reader.
pub(super) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    items_max: usize,
    filled: Notify,
}

impl<T> Queue<T> {
    /// An empty one that holds at most so many items.
    pub(super) fn new(items_max: usize) -> Self {
        Self {
            items: Mutex::default(),
            items_max,
            filled: Notify::new(),
        }
    }

    /// Puts one in; gives back the oldest where there was no room.
    #[must_use]
    pub(super) fn push(&self, item: T) -> Option<T> {
        let mut items = self.items.lock();
        let dropped = (items.len() >= self.items_max)
            .then(|| items.pop_front())
            .flatten();
        items.push_back(item);
        drop(items);
        self.filled.notify_one();
        dropped
    }

    /// The oldest, if there is one.
    pub(super) fn try_pop(&self) -> Option<T> {
        self.items.lock().pop_front()
    }

    /// Waits for the oldest. Nothing is lost where this is dropped while it waits.
    pub(super) async fn pop(&self) -> T {
        loop {
            if let Some(item) = self.try_pop() {
                return item;
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_is_dropped_first() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1), None);
        assert_eq!(queue.push(2), None);
        assert_eq!(queue.push(3), Some(1));
        assert_eq!(
            (queue.try_pop(), queue.try_pop(), queue.try_pop()),
            (Some(2), Some(3), None)
        );
    }
}
