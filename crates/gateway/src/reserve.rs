//! What the request may cost is held before anything is sent.

use policy::failure::Failure;
use policy::money::Nanos;

use crate::exchange::Exchange;
use crate::plan::Planned;

/// A request that may be sent: what it can cost is held on its exchange.
pub(crate) struct Reserved {
    /// The request.
    pub planned: Box<Planned>,
}

/// Holds what the request may cost.
///
/// # Errors
/// None yet: budgets and limits of tokens refuse here.
pub(crate) fn reserve(planned: Box<Planned>, exchange: &mut Exchange) -> Result<Reserved, Failure> {
    let grant = &planned.screened.admitted.grant;
    exchange.reservation = Some(grant.hold(Nanos::ZERO));
    Ok(Reserved { planned })
}
