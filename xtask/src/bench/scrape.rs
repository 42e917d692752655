//! Reading a gateway's metrics once a second, as a monitoring system does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(1);

/// Reads until it is dropped.
#[derive(Debug)]
pub struct Scraper(JoinHandle<()>);

impl Scraper {
    /// Begins to read from the operators' listener at this address.
    pub fn start(admin: SocketAddr) -> Self {
        Self(tokio::spawn(async move {
            let mut each = tokio::time::interval(EVERY);
            loop {
                each.tick().await;
                if let Err(error) = read(admin).await {
                    eprintln!("metrics: {error:#}");
                }
            }
        }))
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(admin: SocketAddr) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(admin).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(answer.get(..64).unwrap_or(&answer))
    );
    Ok(())
}
