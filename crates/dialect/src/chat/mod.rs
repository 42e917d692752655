//! The hub: what a chat request, its answer and its stream mean, in no vendor's shape.
//!
//! A union of what the dialects can say, so that translation goes through one
//! set of types instead of pairs. What the hub has no word for stays at its
//! node as [`Extra`] and returns when the dialect it came from is written.

mod event;
mod extra;
mod message;
mod request;
mod response;
mod usage;
mod words;

pub use event::{Delta, PartStart, Start, StreamEvent};
pub use extra::{Extra, given};
pub use message::{
    CacheMarker, Citation, Media, MediaSource, Message, Opaque, Part, PartKind, Reasoning, Role,
    ToolCall, ToolCallKind, ToolResult,
};
pub use request::{
    Effort, Logprobs, OutputFormat, ReasoningRequest, Request, Sampling, Tool, ToolChoice, ToolKind,
};
pub use response::{Candidate, Finish, FinishReason, Response};
pub use usage::{Apart, Usage};
pub use words::{Place, Words, places_in_blocks, places_in_messages};
