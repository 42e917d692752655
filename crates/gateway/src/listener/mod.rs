//! How requests reach a core: sockets, TLS, HTTP/1.1 and HTTP/2, limits and timeouts, and the drain.
//!
//! ```text
//! let sockets = listener::bind(address, cores)?;                  // one for each core
//! let door = Door::new(options);                                  // shared by the cores
//! let drain = Drain::new();                                       // shared by the cores
//! // on each core:
//! listener::serve(socket, door, service, tasks, drain).await?;    // returns when the drain begins
//! // on a signal:
//! drain.finish(deadline).await;                                   // true: every connection ended by itself
//! ```
//!
//! The service is called with each request and what is known of its connection. Its future is dropped
//! when the client goes away or resets the stream, and when the drain's deadline has passed. A panic in
//! it ends its connection and nothing else. It must refuse what [`refuse_ambiguous`] names.

mod accept;
mod connection;
mod drain;
mod guard;
mod smuggling;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;

pub use accept::serve;
pub use drain::Drain;
pub use smuggling::refuse_ambiguous;
pub use socket::{accept_options, bind};

use crate::tls::ServerTls;

/// The limits of a listener, for all its cores together.
#[derive(Clone, Debug)]
pub struct DoorOptions {
    /// TLS, where the listener speaks it.
    pub tls: Option<Arc<ServerTls>>,
    /// From the first byte of a request to the end of its head, and from a connection to its first byte.
    pub head_timeout: Duration,
    /// From the end of a response to the head of the next request.
    pub idle_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How many connections are served at a time; further ones wait to be accepted.
    pub connections_max: usize,
}

impl Default for DoorOptions {
    /// Cleartext, 30 s, 75 s, 10 s, 65,536 connections.
    fn default() -> Self {
        Self {
            tls: None,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            connections_max: 65_536,
        }
    }
}

/// The options of a listener and the count of its connections. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct Door {
    options: Arc<DoorOptions>,
    room: Arc<Semaphore>,
}

impl Door {
    /// A door through which nobody has come.
    #[must_use]
    pub fn new(options: DoorOptions) -> Self {
        let room = options.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(room)),
            options: Arc::new(options),
        }
    }
}

/// What is known of a request's connection.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
    /// The client's certificate, which the configured authority has signed.
    pub client_certificate: Option<CertificateDer<'static>>,
}
