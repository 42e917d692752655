//! The simulated provider, driven over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod aws;
mod bedrock;
mod books;
mod client;
mod cohere;
mod connections;
mod content;
mod everywhere;
mod faults;
mod gemini;
mod http2;
mod operations;
mod recordings;
mod responses;
mod schemas;

use sim::{Script, Sim};

pub(crate) async fn started(script: Script) -> Sim {
    Sim::start("127.0.0.1:0", script).await.unwrap()
}

pub(crate) async fn scripted(script: &serde_json::Value) -> Sim {
    started(Script::from_json(&script.to_string()).unwrap()).await
}
