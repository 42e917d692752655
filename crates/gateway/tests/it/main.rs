//! The gateway against real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod http2;
mod kit;
mod proxy;
mod tls;
mod transport;
