//! A provider that says exactly the bytes it is given, where a simulated one would not.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::soon;

/// A provider that answers every request with the same bytes and closes.
pub(crate) struct Puppet {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Puppet {
    /// Answers with that body, its length declared.
    pub(crate) async fn answering(status: u16, kind: &str, body: &[u8]) -> Self {
        Self::framed(status, kind, "", body.len(), body).await
    }

    /// The same with further header lines and a declared length that may be wrong.
    pub(crate) async fn framed(
        status: u16,
        kind: &str,
        more: &str,
        length: usize,
        body: &[u8],
    ) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{more}content-length: {length}\r\n\r\n"
        );
        Self::saying([head.as_bytes(), body].concat()).await
    }

    /// Answers with those bytes.
    pub(crate) async fn saying(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let bytes = Arc::new(bytes);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, bytes) = (Arc::clone(&seen), Arc::clone(&bytes));
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    if request.is_empty() {
                        return;
                    }
                    seen.lock().push(request);
                    let _ = stream.write_all(&bytes).await;
                });
            }
        });
        Self { address, requests }
    }

    /// The requests that came, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// A provider that the test itself plays.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, listener }
    }

    /// The next connection, with its request read.
    pub(crate) async fn request(&self) -> TcpStream {
        let mut stream = soon(self.listener.accept()).await.unwrap().0;
        stream.set_nodelay(true).unwrap();
        assert!(!soon(read_request(&mut stream)).await.is_empty());
        stream
    }
}

/// The head of an answer whose body comes in chunks.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// One chunk.
pub(crate) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Reads one request with a `content-length`; empty where the other side closed instead.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while !is_whole(&read) {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return String::new(),
            Ok(length) => read.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8(read).unwrap()
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&read[..end]);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    read.len() - end - 4 >= length.unwrap_or_default()
}
