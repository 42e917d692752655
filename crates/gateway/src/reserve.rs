//! What the request may cost is held before anything is sent.

use policy::failure::Failure;
use policy::money::Nanos;
use policy::reservation::Reservation;

use crate::exchange::Exchange;
use crate::plan::Planned;

/// A request that may be sent: what it can cost is held on its exchange.
pub struct Reserved {
    /// The request.
    pub planned: Planned,
}

/// Holds what the request may cost.
///
/// # Errors
/// None yet: budgets and limits of tokens refuse here.
pub fn reserve(planned: Box<Planned>, exchange: &mut Exchange) -> Result<Reserved, Failure> {
    exchange.reservation = Some(Reservation::new(Nanos::ZERO));
    Ok(Reserved { planned: *planned })
}
