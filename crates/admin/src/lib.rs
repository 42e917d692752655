//! Floor 3: the operators' listener. Knows the store and the rules; knows nothing of the road.
//!
//! [`App`] is what every function works on. [`routes`] lists the API as one table, from which
//! both the router and the OpenAPI document are made. Each function takes a
//! [`Viewer`](policy::viewer::Viewer): what it shows and changes is what that viewer may.
//!
//! Functions run on threads of their own, never on the road's, and may wait for the database.

pub mod api;
mod auth;
pub mod error;
pub mod guard;
mod home;
pub mod openapi;
pub mod page;
pub mod reading;
pub mod route;
pub mod server;
mod serving;

use std::sync::Arc;

use policy::control::Control;
use policy::secret::Secret;
use store::ledger::Ledger;
use store::objects::Objects;

use crate::route::Routes;

/// What the functions of the API work on.
pub struct App {
    /// The running gateway.
    pub control: Arc<dyn Control>,
    /// Objects made at run time.
    pub objects: Arc<Objects>,
    /// The book of what was spent.
    pub ledger: Arc<Ledger>,
    /// What callers show.
    pub token: Secret,
    /// Whether metrics are shown to everybody.
    pub metrics_open: bool,
}

/// Every function of the API.
#[must_use]
pub fn routes() -> Routes {
    api::all(Routes::described())
}
