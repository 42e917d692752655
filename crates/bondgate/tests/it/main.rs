//! The program from outside: configurations through the library's public surface, commands
//! and the running gateway through the real binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod accepted;
mod accounts;
mod agents;
mod alerts;
mod authority;
mod broken;
mod broken_accounts;
mod cli;
mod cli_operate;
mod client;
mod compatibility;
mod crash;
mod cuts;
mod data_dir;
mod demo;
mod docs;
mod doctor;
mod import;
mod interpolation;
mod kit;
mod money;
mod places;
mod process;
mod program;
mod proof;
mod published;
mod recorded;
mod reload;
mod reload_live;
mod run;
mod scan;
mod sdk;
mod sdk_clouds;
mod sdk_engine;
mod sdk_tasks;
mod sdk_through;
mod secrets;
mod serving;
mod storage;
mod stored;
mod tls;
mod upstreams;
mod zero_config;
