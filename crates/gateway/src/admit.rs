//! Requests and concurrency: whether the caller may ask at all.

use dialect::Dialect;
use dialect::head::Head;
use http::HeaderMap;
use policy::failure::Failure;
use policy::money::Nanos;
use policy::reservation::Reservation;

use crate::identify::Caller;
use crate::options::Options;

/// What came with the request beside its body.
pub(crate) struct Call {
    /// The dialect that the client speaks.
    pub dialect: Dialect,
    /// What it asks of the gateway itself.
    pub options: Options,
    /// Its headers.
    pub headers: HeaderMap,
}

/// What all later spending of the request draws on.
pub(crate) struct Grant(());

impl Grant {
    /// Holds an amount; there is no other way to a reservation on the road.
    pub(crate) fn hold(&self, amount: Nanos) -> Reservation {
        Reservation::new(amount)
    }
}

/// A request that may be worked on.
pub(crate) struct Admitted {
    /// Who asks.
    pub caller: Caller,
    /// How.
    pub call: Call,
    /// For what.
    pub head: Head,
    /// On whose account.
    pub grant: Grant,
}

/// Lets the request in.
///
/// # Errors
/// None yet: limits of requests and concurrency refuse here.
pub(crate) fn admit(caller: Caller, call: Call, head: Head) -> Result<Admitted, Failure> {
    Ok(Admitted {
        caller,
        call,
        head,
        grant: Grant(()),
    })
}
