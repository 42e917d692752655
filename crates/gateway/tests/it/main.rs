//! The gateway against real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod asking;
mod harness;
mod http2;
mod intake;
mod kit;
mod listener;
mod looping;
mod money;
mod proxy;
mod puppet;
mod road_answers;
mod road_bounds;
mod road_broken;
mod road_choice;
mod road_clouds;
mod road_counts;
mod road_credentials;
mod road_dialects;
mod road_failover;
mod road_fidelity;
mod road_gone;
mod road_input;
mod road_keys;
mod road_ledger;
mod road_lists;
mod road_losses;
mod road_money;
mod road_money_gone;
mod road_money_limits;
mod road_money_told;
mod road_needs;
mod road_paths;
mod road_reasoning;
mod road_secrets;
mod road_signed;
mod road_sockets;
mod road_stored;
mod road_tasks;
mod road_tasks_money;
mod road_through;
mod road_through_keys;
mod road_time;
mod road_translated;
mod road_vectors;
mod smuggling;
mod speaking;
mod tls;
mod transport;
