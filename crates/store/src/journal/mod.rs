//! What the road writes about money: before a request may be billed, and once it is known what it cost.

mod seam;

pub use seam::{Dispatched, Journal, MemoryJournal, Settled, StorageError};
