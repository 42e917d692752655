//! The operators' listener: a thread and a runtime of its own, away from the road.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use admin::App;
use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;

use super::event_loop;
use crate::certificate::Certificate;
use crate::config::Admin;
use crate::say::say;

/// The operators' listener.
pub(super) struct Operators {
    /// Where it listens.
    pub(super) url: String,
    /// Its certificate, renewed from its files.
    pub(super) certificate: Option<Certificate>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Operators {
    /// Takes the address.
    pub(super) fn bind(address: SocketAddr) -> Result<TcpListener> {
        TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address} for operators · give another address with `--admin-listen`")
        })
    }

    /// Starts to serve.
    pub(super) fn start(socket: TcpListener, admin: &Admin, app: App) -> Result<Self> {
        let address: SocketAddr = socket.local_addr()?;
        let certificate = admin.tls.as_ref().map(Certificate::load).transpose()?;
        let tls = certificate.as_ref().map(|certificate| {
            let tls = certificate.tls();
            Arc::new(move || tls.http1()) as admin::server::Tls
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let stop = CancellationToken::new();
        let runtime = event_loop()?;
        let thread = thread::Builder::new().name("admin".to_owned());
        let thread = thread.spawn({
            let stop = stop.clone();
            move || {
                let served =
                    runtime.block_on(admin::server::serve(socket, tls, Arc::new(app), stop));
                if let Err(error) = served {
                    say(&format!("operators cannot be served: {error}"));
                }
            }
        });
        Ok(Self {
            url: format!("{scheme}://{address}"),
            certificate,
            stop,
            thread: Some(thread.context("the system gives no thread")?),
        })
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.end();
    }
}
