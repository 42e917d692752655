//! Floor 2: what lasts. Knows disk and network; knows nothing of HTTP.
//!
//! [`journal`] is where the road writes what it may owe before it sends and what
//! it owes after; [`keys`] turns secrets into the hashes that are kept, [`seal`] into what
//! only the master key opens; [`objects`] is what operators make at run time.

pub mod journal;
pub mod keys;
pub mod ledger;
pub mod objects;
pub mod record;
pub mod responses;
pub mod seal;
pub mod sqlite;
