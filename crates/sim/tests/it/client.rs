//! A client on bare TCP, so that tests see exactly what went over the wire.

use std::time::Duration;

use sim::Sim;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What came back on one connection until it ended.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The body, out of its chunks.
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as HTTP says it must.
    pub(crate) whole: bool,
    /// Whether the connection was reset.
    pub(crate) reset: bool,
    /// Sizes of the chunks of a chunked body.
    pub(crate) chunks: Vec<usize>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON of each `data:` line but `[DONE]`.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let data = text.lines().filter_map(|l| l.strip_prefix("data: "));
        data.filter(|d| *d != "[DONE]")
            .map(|d| serde_json::from_str(d).unwrap())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| {
            let (n, v) = l.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(v)
        })
    }
}

/// A POST that asks the connection to be closed behind it.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n{headers}\r\n{body}"
    )
}

pub(crate) const BEARER: &str = "authorization: Bearer k\r\n";
pub(crate) const ANTHROPIC: &str = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n";

pub(crate) async fn chat(sim: &Sim, body: &serde_json::Value) -> Got {
    send(
        sim,
        &post("/v1/chat/completions", BEARER, &body.to_string()),
    )
    .await
}

pub(crate) async fn messages(sim: &Sim, body: &serde_json::Value) -> Got {
    send(sim, &post("/v1/messages", ANTHROPIC, &body.to_string())).await
}

pub(crate) async fn responses(sim: &Sim, body: &serde_json::Value) -> Got {
    ask_at(sim, "/v1/responses", body).await
}

/// A POST with a bearer's key.
pub(crate) async fn ask_at(sim: &Sim, path: &str, body: &serde_json::Value) -> Got {
    send(sim, &post(path, BEARER, &body.to_string())).await
}

pub(crate) async fn get(sim: &Sim, path: &str) -> Got {
    let head = format!("GET {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n{BEARER}\r\n");
    send(sim, &head).await
}

pub(crate) async fn send(sim: &Sim, request: &str) -> Got {
    tokio::time::timeout(DEADLINE, async {
        let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read(&mut stream).await
    })
    .await
    .expect("the provider answers in time")
}

/// Reads until the connection ends.
pub(crate) async fn read(stream: &mut TcpStream) -> Got {
    let mut raw = Vec::new();
    let mut reset = false;
    let mut buf = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buf).await {
            Ok(0) => break,
            Ok(n) => raw.extend_from_slice(&buf[..n]),
            Err(_) => {
                reset = true;
                break;
            }
        }
    }
    parse(&raw, reset)
}

pub(crate) fn parse(raw: &[u8], reset: bool) -> Got {
    let mut rest = raw;
    let mut head = String::new();
    while let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
        head = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 4..];
        if !head.starts_with("HTTP/1.1 1") {
            break;
        }
    }
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let mut got = Got {
        status,
        head,
        body: Vec::new(),
        whole: false,
        reset,
        chunks: Vec::new(),
    };
    if got.header("transfer-encoding") == Some("chunked") {
        unchunk(rest, &mut got);
    } else {
        let len = got.header("content-length").and_then(|v| v.parse().ok());
        got.whole = len == Some(rest.len());
        got.body = rest.to_vec();
    }
    got
}

fn unchunk(mut rest: &[u8], got: &mut Got) {
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            got.whole = rest == b"\r\n";
            return;
        }
        let have = size.min(rest.len());
        got.body.extend_from_slice(&rest[..have]);
        got.chunks.push(have);
        if have < size || rest.len() < size + 2 {
            return;
        }
        rest = &rest[size + 2..];
    }
}
