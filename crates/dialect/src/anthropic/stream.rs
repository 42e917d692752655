//! Streams: `decoder` reads a provider's, `encoder` writes a client's.
//!
//! Both hold the API's grammar: `message_start`, blocks one after the other,
//! `message_delta` with the reason to stop, `message_stop`. Neither may ever
//! make an end out of anything but the provider's own.

mod assembly;
mod decoder;
mod dressed;
mod encoder;
mod event;
mod piece;

pub(super) use decoder::Decoder;
pub(crate) use dressed::reframe;
pub(super) use dressed::{Packer, Unpacker};
pub(super) use encoder::Encoder;
