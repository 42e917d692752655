//! Floor 4: the program. Command line, configuration files, and the wiring of what lies below.
//!
//! A library so that tests can reach it; `main.rs` only calls [`commands::run`]. [`wire`]
//! alone starts threads that serve and opens listeners.

pub mod alerts;
pub mod announce;
pub mod certificate;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod log;
pub mod no_core;
pub mod say;
pub mod wire;
