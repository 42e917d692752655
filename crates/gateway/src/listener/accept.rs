//! The accept loop of one core.
//!
//! It ends when the drain begins and for no other reason: an error of `accept` belongs to one
//! connection, or passes when descriptors are free again.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};

use super::connection::Incomer;
use super::socket::accept_options;
use super::{ConnInfo, Door, Drain};
use crate::tasks::Tasks;

/// How long to wait after an error that the next `accept` would meet again.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Serves the connections that come to `listener`, each in a task of its own, until the drain begins.
///
/// Connections that are open then go on; [`Drain::finish`] waits for them.
///
/// # Errors
/// The socket cannot be used by this runtime.
pub async fn serve<S, F, B>(
    listener: std::net::TcpListener,
    door: Door,
    service: S,
    tasks: Tasks,
    drain: Drain,
) -> io::Result<()>
where
    S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let _open = drain.enter();
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.begun() => return Ok(()),
            accepted = next(&listener, &door) => accepted,
        };
        match accepted {
            Ok((room, stream, peer)) => {
                pause = PAUSE_MIN;
                // Without its options a connection works, only less well.
                let _ = accept_options(&stream);
                let incomer = Incomer {
                    options: Arc::clone(&door.options),
                    tasks: tasks.clone(),
                    drain: drain.clone(),
                    peer,
                };
                let open = drain.enter();
                let service = service.clone();
                tasks.spawn(async move {
                    incomer.serve(stream, service).await;
                    drop((room, open));
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

type Accepted = (
    tokio::sync::OwnedSemaphorePermit,
    TcpStream,
    std::net::SocketAddr,
);

async fn next(listener: &TcpListener, door: &Door) -> io::Result<Accepted> {
    let room = Arc::clone(&door.room).acquire_owned().await;
    let room = room.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    let (stream, peer) = listener.accept().await?;
    Ok((room, stream, peer))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
