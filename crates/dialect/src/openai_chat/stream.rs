//! Streams of chat completions: a reader and a writer, with a page each below.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming>. A
//! stream is whole only if every choice had its `finish_reason` and then
//! `[DONE]` or a clean end of the body came; nothing else may end it well.

mod choice;
mod chunk;
mod decoder;
mod encoder;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
