//! Streams: events in, events out.
//!
//! The reader and the writer of one stream have a page each below, and so have
//! an event as it was read, the steps by which items come, and the items that are open
//! on either side. It must
//! never end what the provider did not.

mod decoder;
mod encoder;
mod event;
mod open;
mod piece;
mod place;
mod steps;
mod told;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
