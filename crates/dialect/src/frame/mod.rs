//! Transport framing: bytes in any split, frames out.
//!
//! Frames are cut on bytes and become text only when they are whole, so that a
//! character split between two reads is never harmed.

pub mod json_array;
pub mod sse;

use std::borrow::Cow;

/// One unit of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Name of the event; empty where it has none.
    pub event: Cow<'a, str>,
    /// Its data.
    pub data: Cow<'a, str>,
}
