//! What is held for a request before it is sent: taken once, and resolved once.

use crate::money::Nanos;

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Held; nothing was sent.
    Reserved,
    /// A request that may be billed was sent.
    Dispatched,
    /// The actual cost is known and charged.
    Settled,
    /// Nothing was charged.
    Released,
}

/// An amount held for one request.
///
/// `Reserved → Dispatched → Settled`, or `Reserved → Released`. Each step says
/// whether it was taken, so a second settlement cannot happen.
#[derive(Debug)]
pub struct Reservation {
    held: Nanos,
    state: State,
}

impl Reservation {
    /// Holds that amount.
    #[must_use]
    pub fn new(held: Nanos) -> Self {
        Self {
            held,
            state: State::Reserved,
        }
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> Nanos {
        self.held
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// From here on the request may be billed. True the first time.
    pub fn dispatch(&mut self) -> bool {
        self.step(State::Reserved, State::Dispatched)
    }

    /// Charges what was used. True the first time, and only after a dispatch.
    pub fn settle(&mut self) -> bool {
        self.step(State::Dispatched, State::Settled)
    }

    /// Gives back what is held. True the first time, and only before a dispatch.
    pub fn release(&mut self) -> bool {
        self.step(State::Reserved, State::Released)
    }

    fn step(&mut self, from: State, to: State) -> bool {
        let taken = self.state == from;
        if taken {
            self.state = to;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reservation_resolves_exactly_once(steps in proptest::collection::vec(0u8..3, 0..20)) {
            let mut reservation = Reservation::new(Nanos(5));
            let mut resolved = 0;
            for step in steps {
                match step {
                    0 => { reservation.dispatch(); }
                    1 => resolved += u32::from(reservation.settle()),
                    _ => resolved += u32::from(reservation.release()),
                }
            }
            prop_assert!(resolved <= 1);
            prop_assert_eq!(resolved == 1, matches!(reservation.state(), State::Settled | State::Released));
        }
    }
}
