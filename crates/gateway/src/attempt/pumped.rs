//! A stream on its way: read until it has said something, so that a failure before that is still unseen.

use dialect::codec::EventDecoder;
use dialect::frame::Framing;

use super::One;
use crate::answer::{Content, Failed, without_room};
use crate::exchange::Exchange;
use crate::holdback::HoldBack;
use crate::meter::Meter;
use crate::pump::{Gear, Pump, PumpOptions};
use crate::upstream::UpstreamBody;

impl One<'_> {
    /// A stream that has begun to say something.
    pub(super) async fn pumped(
        &self,
        body: UpstreamBody,
        decoder: Box<dyn EventDecoder>,
        (framing, gear): (Framing, Gear),
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let admitted = &self.outgoing.planned().screened.admitted;
        let speech = admitted.call.speech;
        let options = PumpOptions {
            framing,
            gear,
            hold: HoldBack::new(self.model.tool_calls),
            meter: Meter::of(exchange, self.target),
            // They are spliced into an event's text.
            details: admitted.call.options.details && speech.is_text(),
            candidates: admitted.head.candidates.max(1),
        };
        let room = self.gateway.shared.memory.try_reserve(0);
        let room = room.ok_or_else(without_room)?;
        let mut pump = Box::new(Pump::new(body, decoder, options, room));
        let begun = pump.until_semantic(exchange).await;
        begun.map_err(|broken| Failed::broken(broken, self.target))?;
        Ok(Content::Stream(pump))
    }
}
