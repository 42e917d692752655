//! The running provider: listener, connections, and the handle that tests hold.
//!
//! A connection speaks HTTP/1.1 or, told by its preface, HTTP/2. Dropping the
//! handle ends every connection at once.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::sync::{broadcast, watch};

use crate::books::{Bill, Books, Event, Outcome, Seen, now_ms};
use crate::script::Script;
use crate::serve::serve;
use crate::shelf::Shelf;
use crate::wire::{By, Line, Opaque, Transport, Wire};

/// A running provider. Dropped, it stops.
#[derive(Debug)]
pub struct Sim {
    core: Arc<Core>,
    addr: SocketAddr,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) books: Arc<Books>,
    /// Ids are made from this where a script fixes no seed.
    pub(crate) boot: u64,
    /// What is kept for callers.
    pub(crate) shelf: Shelf,
    script: Mutex<Arc<Script>>,
    connections: AtomicU64,
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Phase {
    stopped: bool,
    /// Raised when connections that are open should end once idle.
    generation: u64,
}

const BACKLOG: u32 = 4_096;
const WINDOW: u32 = 1 << 20;

impl Sim {
    /// Listens on `addr` (port 0 for any) and answers by `script`.
    ///
    /// # Errors
    /// The address is none, or cannot be bound.
    pub async fn start(addr: impl ToSocketAddrs, script: Script) -> io::Result<Sim> {
        let none = || io::Error::new(io::ErrorKind::AddrNotAvailable, "no such address");
        let addr = lookup_host(addr).await?.next().ok_or_else(none)?;
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Sim::on(socket.listen(BACKLOG)?, script)
    }

    /// Answers on a listener that is already bound, in the current runtime.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn on(listener: TcpListener, script: Script) -> io::Result<Sim> {
        let addr = listener.local_addr()?;
        let (phase, watcher) = watch::channel(Phase::default());
        let core = Arc::new(Core {
            books: Books::new(),
            boot: now_ms() ^ u64::from(addr.port()).rotate_left(40),
            shelf: Shelf::default(),
            script: Mutex::new(Arc::new(script)),
            connections: AtomicU64::new(0),
            phase,
        });
        tokio::spawn(accept(Arc::clone(&core), listener, watcher));
        Ok(Sim { core, addr })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its books, as they stand.
    pub fn bill(&self) -> Bill {
        self.core.books.bill()
    }

    /// The latest requests, oldest first; together at most 64 MiB.
    pub fn seen(&self) -> Vec<Seen> {
        self.core.books.seen()
    }

    /// Answers by another script from the next request on. If it refuses
    /// connections, those that are open end once idle.
    pub fn set_script(&self, script: Script) {
        self.core.set_script(script);
    }

    /// How often each rule of the present script has fired.
    pub fn fired(&self) -> Vec<u64> {
        self.core.script().fired()
    }

    /// Clears the books and starts counting rules anew.
    pub fn reset(&self) {
        self.core.reset();
    }

    /// Everything that happens from now on; a slow listener loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.core.books.subscribe()
    }

    /// Waits until exchange `n`, counted from 1, has arrived.
    pub async fn arrived(&self, n: u64) {
        self.until(|books| (books.last() >= n).then_some(())).await;
    }

    /// Waits until so many events of exchange `n` were given to the transport.
    pub async fn sent(&self, n: u64, events: u64) {
        self.until(|books| {
            books
                .find(n)
                .filter(|s| s.events_sent >= events)
                .map(|_| ())
        })
        .await;
    }

    /// Waits until exchange `n` has ended.
    pub async fn ended(&self, n: u64) -> Outcome {
        self.until(|books| books.find(n).and_then(|s| s.outcome))
            .await
    }

    /// Serves one connection that was accepted elsewhere, such as over TLS.
    /// There a scripted RST is a plain drop.
    pub async fn serve_connection<T>(&self, io: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let phase = self.core.phase.subscribe();
        drive(Arc::clone(&self.core), Opaque(io), phase).await;
    }

    /// Waits for ever, with the provider running.
    pub async fn serve_forever(self) -> Infallible {
        std::future::pending().await
    }

    async fn until<R>(&self, mut check: impl FnMut(&Books) -> Option<R>) -> R {
        let books = &self.core.books;
        loop {
            let changed = books.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = check(books) {
                return found;
            }
            changed.await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.core.phase.send_modify(|p| p.stopped = true);
    }
}

impl Core {
    pub(crate) fn script(&self) -> Arc<Script> {
        Arc::clone(&self.script.lock())
    }

    pub(crate) fn set_script(&self, script: Script) {
        let refuses = script.refuses();
        *self.script.lock() = Arc::new(script);
        if refuses {
            self.phase.send_modify(|p| p.generation += 1);
        }
    }

    pub(crate) fn reset(&self) {
        self.books.reset();
        self.script().recount();
    }
}

async fn accept(core: Arc<Core>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|p| p.stopped) => return,
        };
        match accepted {
            Ok((stream, _)) => admit(&core, stream),
            // Out of descriptors, most likely: give connections time to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn admit(core: &Arc<Core>, stream: TcpStream) {
    match core.script().refusal() {
        Some(By::Rst) => {
            stream.arm_reset();
            return;
        }
        Some(By::Fin) => return,
        None => {}
    }
    // Without it answers are late, not wrong.
    let _ = stream.set_nodelay(true);
    tokio::spawn(drive(Arc::clone(core), stream, core.phase.subscribe()));
}

/// Serves one connection until it ends or the provider stops.
async fn drive<T>(core: Arc<Core>, io: T, mut phase: watch::Receiver<Phase>)
where
    T: Transport + Send + 'static,
{
    let id = core.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let line = Line::new(id);
    let begun = phase.borrow_and_update().generation;
    let wire = tokio::select! {
        wire = Wire::open(io, Arc::clone(&line)) => wire,
        _ = phase.wait_for(|p| p.stopped || p.generation != begun) => return,
    };
    let Ok(wire) = wire else { return };
    let h2 = line.is_h2();
    let service = service_fn(move |request| serve(Arc::clone(&core), Arc::clone(&line), request));
    // How a connection ended is in the books, exchange by exchange.
    if h2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .max_concurrent_streams(100_000)
            .initial_stream_window_size(WINDOW);
        builder.initial_connection_window_size(WINDOW * 4);
        let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(wire), service));
        tokio::select! {
            _ = &mut served => return,
            gone = phase.wait_for(|p| p.stopped || p.generation != begun) => {
                if gone.is_ok_and(|p| p.stopped) { return; }
            }
        }
        served.as_mut().graceful_shutdown();
        tokio::select! {
            _ = served => {}
            _ = phase.wait_for(|p| p.stopped) => {}
        }
    } else {
        let mut builder = http1::Builder::new();
        builder.header_read_timeout(None);
        let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(wire), service));
        tokio::select! {
            _ = &mut served => return,
            gone = phase.wait_for(|p| p.stopped || p.generation != begun) => {
                if gone.is_ok_and(|p| p.stopped) { return; }
            }
        }
        served.as_mut().graceful_shutdown();
        tokio::select! {
            _ = served => {}
            _ = phase.wait_for(|p| p.stopped) => {}
        }
    }
}
