//! Floor 2: what lasts. Knows disk and network; knows nothing of HTTP.
//!
//! [`journal`] is where the road writes what it may owe before it sends and what
//! it owes after; [`keys`] turns secrets into the hashes that are kept.

pub mod journal;
pub mod keys;
pub mod record;
pub mod sqlite;
