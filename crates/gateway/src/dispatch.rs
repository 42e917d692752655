//! The step before the first byte of an attempt leaves: what it may cost is held and on record.
//!
//! Nothing is sent that is not, and nothing is taken back here: settling is the exchange's.

use policy::failure::{Code, Failure};
use policy::money::Nanos;

use crate::Gateway;
use crate::exchange::Exchange;
use crate::refuse;

/// Whether an attempt may be made.
pub(crate) enum Go {
    /// It may.
    Send,
    /// What it may cost cannot be held beside what those before it may have cost.
    Stop(Failure),
}

/// From here on the request may be billed: written before the first byte leaves. An attempt that
/// follows one that may be billed too holds as much again.
///
/// # Errors
/// `storage_unavailable` where that cannot be on record.
pub(crate) async fn dispatch(gateway: &Gateway, exchange: &mut Exchange) -> Result<Go, Failure> {
    if !exchange.spend.is_reserved() {
        let why = "nothing is held for this request";
        return Err(Failure::new(Code::StorageUnavailable, why));
    }
    let receipt = if exchange.spend.is_dispatched() {
        let before = exchange.attempts.last();
        let billed = before.is_some_and(|attempt| attempt.may_be_billed(&attempt.used));
        if !billed || exchange.spend.bound == Nanos::ZERO {
            return Ok(Go::Send);
        }
        match exchange.hold_more(exchange.spend.bound) {
            Err(failure) if failure.code != Code::StorageUnavailable => {
                return Ok(Go::Stop(failure));
            }
            held => held?,
        }
    } else {
        let receipt = gateway.journal.dispatched(&exchange.dispatched());
        let receipt = receipt.map_err(|error| refuse::unrecorded(&error))?;
        exchange.spend.dispatch();
        receipt
    };
    if !receipt.is_durable() {
        let durable = receipt.durable().await;
        durable.map_err(|error| refuse::unrecorded(&error))?;
    }
    Ok(Go::Send)
}
