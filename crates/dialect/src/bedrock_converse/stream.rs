//! Streams: `decoder` reads a provider's, `encoder` writes a client's.
//!
//! Both hold the API's grammar: `messageStart`, blocks, `messageStop` with the
//! reason to stop, `metadata` with the usage, and the end of the body. Neither may
//! ever make an end out of anything but the provider's own.

mod block;
mod decoder;
mod encoder;
mod sequence;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
