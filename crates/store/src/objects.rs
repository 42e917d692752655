//! What an operator makes at run time: keys, teams, users, organisations, budgets, providers
//! and prices, beside those of the configuration's file.
//!
//! [`Objects`] keeps them in the database with who changed what and when; [`All`] is everything
//! that holds, for the binary to build its snapshot from, so that the road never asks a
//! database. Objects of the file are shown here and never changed. No secret can be read back:
//! of a virtual key only its keyed hash is kept, of a provider's only what is sealed.
//!
//! Every kind has a `…Spec`: what may be said of it, the same in a request, in the file and in
//! the store. [`Object`] adds what the store knows of it.

mod audit;
mod budget;
mod caller;
mod check;
mod effective;
mod error;
mod file;
mod input;
mod object;
mod open;
mod price;
mod provider;
mod read;
mod rows;
mod schema;
mod secrets;
mod values;
mod write;

pub use audit::{AuditEntry, Deed, NewRevision, Revision};
pub use budget::BudgetSpec;
pub use caller::{KeySpec, OrganisationSpec, Rates, TeamSpec, UserSpec};
pub use effective::{apply, limits, prices, virtual_keys};
pub use error::{Error, Invalid};
pub use file::FileObjects;
pub use input::{Change, New};
pub use object::{KeyState, Kind, NoState, Object, Plain, ProviderState, Source, Spec, TeamSees};
pub use open::{All, Objects, StoredKey, StoredProvider};
pub use price::{PriceSpec, RatesSpec, StepRates, TierRates};
pub use provider::{AwsSpec, EntraSpec, GoogleSpec, ProviderSpec};
pub use read::{Page, Query};
pub use rows::Facts;
pub use schema::{change_schema, new_schema, object_schema};
pub use secrets::Created;
pub use values::{Moment, Percent, Rate, Usd};

/// A virtual key.
pub type Key = Object<KeySpec>;
/// A team.
pub type Team = Object<TeamSpec>;
/// A user.
pub type User = Object<UserSpec>;
/// An organisation.
pub type Organisation = Object<OrganisationSpec>;
/// A budget.
pub type Budget = Object<BudgetSpec>;
/// A provider.
pub type Provider = Object<ProviderSpec>;
/// A row of prices that goes before those of the price book.
pub type Price = Object<PriceSpec>;
