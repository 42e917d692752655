//! The laws that hold for every dialect, in one test binary.
//!
//! Everything goes through the crate's public surface. The oracles (a naive
//! stream decoder, `serde_json`) share no code with what they judge.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a law looks at a few kinds of parts"
)]

mod anthropic;
mod bedrock_converse;
mod canon;
mod cohere;
mod corpus;
mod dressed;
mod event_stream;
mod fidelity;
mod forms;
mod gemini;
mod goldens;
mod json;
mod laws;
mod openai_chat;
mod openai_responses;
mod patch;
mod reasoning;
mod recordings;
mod schemas;
mod sse;
