//! Connections: kept alive, handed over, ended.

use serde_json::json;
use sim::{Outcome, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answers::{ask, with};
use crate::client::{BEARER, DEADLINE, chat, parse, post};
use crate::{scripted, started};

#[tokio::test]
async fn a_connection_accepted_elsewhere_is_served() {
    let sim = started(Script::default()).await;
    let (mut here, there) = tokio::io::duplex(1 << 16);
    let request = post(
        "/v1/chat/completions",
        BEARER,
        &ask("over a pipe").to_string(),
    );
    let mut raw = Vec::new();
    let talk = async {
        here.write_all(request.as_bytes()).await.unwrap();
        here.read_to_end(&mut raw).await.unwrap();
    };
    let both = async { tokio::join!(sim.serve_connection(there), talk) };
    tokio::time::timeout(DEADLINE, both).await.unwrap();
    let got = parse(&raw, false);
    assert_eq!(
        got.json()["choices"][0]["message"]["content"],
        "over a pipe"
    );
}

#[tokio::test]
async fn dropping_the_provider_ends_its_connections() {
    let sim = started(Script::default()).await;
    let addr = sim.addr();
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let body = with(ask("[[chunks=3&gap_ms=600000]]"), &json!({"stream": true}));
    tcp.write_all(post("/v1/chat/completions", BEARER, &body.to_string()).as_bytes())
        .await
        .unwrap();
    tokio::time::timeout(DEADLINE, sim.sent(1, 2))
        .await
        .unwrap();
    drop(sim);
    let mut raw = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut raw))
        .await
        .unwrap();
    assert!(!parse(&raw, false).whole);
}

#[tokio::test]
async fn endless_informational_answers_end_with_the_client() {
    let sim = scripted(&json!({"rules": [{"do": "informational"}]})).await;
    let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
    tcp.write_all(post("/v1/chat/completions", BEARER, &ask("a").to_string()).as_bytes())
        .await
        .unwrap();
    let mut some = vec![0; 4096];
    tokio::time::timeout(DEADLINE, tcp.read_exact(&mut some))
        .await
        .unwrap()
        .unwrap();
    assert!(some.starts_with(b"HTTP/1.1 103 "));
    drop(tcp);
    assert_eq!(
        tokio::time::timeout(DEADLINE, sim.ended(1)).await.unwrap(),
        Outcome::ClosedByPeer
    );
}

#[tokio::test]
async fn a_reset_far_into_a_body_loses_nothing() {
    let n = 1 << 20;
    let cut = json!({"cut": {"after_bytes": n, "by": "rst"}});
    let sim = scripted(&json!({"rules": [{"do": cut}]})).await;
    let body = with(
        ask("[[chunks=100000&bytes=64]]"),
        &json!({"stream": true, "max_tokens": 10_000_000}),
    );
    let got = chat(&sim, &body).await;
    assert_eq!((got.body.len(), got.reset), (n, true));
}
