//! The same provider over cleartext HTTP/2, by prior knowledge.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sim::Sim;
use tokio::net::TcpStream;

use crate::answers::{ask, with};
use crate::client::DEADLINE;
use crate::scripted;

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn connected(sim: &Sim) -> Sender {
    let tcp = TcpStream::connect(sim.addr()).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

/// The body, and whether it ended well; nothing if there was no answer.
async fn chat(sender: &mut Sender, body: &Value) -> Option<(Vec<u8>, bool)> {
    let request = http::Request::post("http://sim/v1/chat/completions")
        .header("authorization", "Bearer k")
        .body(Full::from(body.to_string()))
        .unwrap();
    tokio::time::timeout(DEADLINE, async {
        let mut body = sender.send_request(request).await.ok()?.into_body();
        let mut out = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Some((out, false));
            };
            out.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        Some((out, true))
    })
    .await
    .unwrap()
}

fn stream() -> Value {
    with(ask("one two three"), &json!({"stream": true}))
}

#[tokio::test]
async fn streams_share_a_connection() {
    let sim = scripted(&json!({})).await;
    let mut sender = connected(&sim).await;
    for _ in 0..2 {
        let (body, whole) = chat(&mut sender, &stream()).await.unwrap();
        assert!(whole && body.ends_with(b"data: [DONE]\n\n"));
    }
    let seen = sim.seen();
    assert_eq!((seen[0].connection, seen[1].connection), (1, 1));
    assert_eq!(seen[0].version, http::Version::HTTP_2);
}

#[tokio::test]
async fn a_cut_resets_the_stream_or_closes_the_connection() {
    for (by, lives) in [("rst", true), ("fin", false)] {
        let cut = json!({"cut": {"after_bytes": 300, "by": by}});
        let sim = scripted(&json!({"rules": [{"do": cut, "times": 1}]})).await;
        let mut sender = connected(&sim).await;
        let (body, whole) = chat(&mut sender, &stream()).await.unwrap();
        assert_eq!((body.len(), whole), (300, false), "{by}");
        let next = chat(&mut sender, &stream()).await;
        assert_eq!(next.is_some(), lives, "{by}");
    }
}

#[tokio::test]
async fn hang_up_answers_nothing() {
    for (by, lives) in [("rst", true), ("fin", false)] {
        let rule = json!({"do": {"hang_up": {"by": by}}, "times": 1});
        let sim = scripted(&json!({"rules": [rule]})).await;
        let mut sender = connected(&sim).await;
        assert_eq!(chat(&mut sender, &stream()).await, None);
        assert_eq!(chat(&mut sender, &stream()).await.is_some(), lives, "{by}");
    }
}
