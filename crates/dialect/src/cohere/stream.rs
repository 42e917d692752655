//! Streams: a reader and a writer, with a page each below.
//!
//! Source: <https://docs.cohere.com/reference/chat-stream>. A stream is whole only if
//! `message-end` came with a reason that is no failure; nothing else may end it well.

mod decoder;
mod encoder;
mod event;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
