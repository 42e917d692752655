//! Streams: `decoder` reads a provider's, `encoder` writes a client's.
//!
//! Each chunk is an answer of its own form, and what it says is added to what was said.
//! Nothing marks the end: an answer is whole once each candidate has its reason and the
//! body ended cleanly. The other form, one JSON array, closes with its bracket, too.

mod candidate;
mod decoder;
mod encoder;
mod partial;
mod piece;
mod voice;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
