//! Requests hidden in requests: raw bytes, and what is executed because of them.

use std::sync::{Arc, Mutex};

use gateway::listener::{DoorOptions, refuse_ambiguous};
use http_body_util::BodyExt as _;

use crate::kit::{Served, says, serve};

/// A service that does as the road does: what is ambiguous is refused, all else is executed.
fn gateway() -> (Served, Arc<Mutex<Vec<String>>>) {
    let executed = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&executed);
    let served = serve(DoorOptions::default(), move |request, _| {
        let list = Arc::clone(&list);
        async move {
            let (parts, body) = request.into_parts();
            if let Some(why) = refuse_ambiguous(&parts) {
                let mut response = says(why);
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
                return response;
            }
            if body.collect().await.is_ok() {
                list.lock().unwrap().push(parts.uri.path().to_owned());
            }
            says("executed")
        }
    });
    (served, executed)
}

const HIDDEN: &str = "POST /hidden HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn nothing_of_an_ambiguous_request_is_executed_and_the_connection_ends() {
    let length = HIDDEN.len();
    let heads = [
        // A length beside chunks, in both orders.
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n\r\n0\r\n\r\n"),
        // Two lengths, equal or not; lists; signs; other bases.
        "content-length: 0\r\ncontent-length: 0\r\n\r\n".to_owned(),
        format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n"),
        "content-length: 0, 0\r\n\r\n".to_owned(),
        "content-length: +0\r\n\r\n".to_owned(),
        "content-length: 0x0\r\n\r\n".to_owned(),
        "content-length:\r\n\r\n".to_owned(),
        "content-length: 18446744073709551616\r\n\r\n".to_owned(),
        // Encodings that are not exactly `chunked`.
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: identity\r\n\r\n".to_owned(),
        "transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n".to_owned(),
        // Names and lines that parsers cut differently.
        "content-length : 0\r\n\r\n".to_owned(),
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        " content-length: 0\r\n\r\n".to_owned(),
        "x: a\r\n transfer-encoding: chunked\r\n\r\n".to_owned(),
        "x: a\r\n\tb\r\n\r\n".to_owned(),
        "x: a\ncontent-length: 0\r\n\r\n".to_owned(),
        "x: a\rcontent-length: 0\r\n\r\n".to_owned(),
        "x: a\0\r\n\r\n".to_owned(),
        "x: a\r\n\n".to_owned(),
        "no colon\r\n\r\n".to_owned(),
        // Chunks that parsers end differently.
        "transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n0\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n-0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n".to_owned(),
        // A second host, a tunnel.
        "host: b\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ];
    for head in heads {
        let (served, executed) = gateway();
        let sent = format!("POST /first HTTP/1.1\r\nhost: a\r\n{head}{HIDDEN}");
        let answer = served.raw(&sent).await;
        let refused = answer.starts_with("HTTP/1.1 400");
        let executed = executed.lock().unwrap();
        assert!(
            !executed.iter().any(|path| path == "/hidden"),
            "{sent:?} executed {executed:?}"
        );
        assert!(
            refused && executed.is_empty(),
            "{sent:?} executed {executed:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn other_protocols_and_unbounded_bodies_are_refused() {
    for request in [
        format!("POST /first HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n{HIDDEN}"),
        format!(
            "POST /first HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
        ),
        format!("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n{HIDDEN}"),
        format!("POST /first HTTP/1.2\r\nhost: a\r\n\r\n{HIDDEN}"),
        format!("POST  /first HTTP/1.1\r\nhost: a\r\n\r\n{HIDDEN}"),
        format!("POST /fi rst HTTP/1.1\r\nhost: a\r\n\r\n{HIDDEN}"),
        format!("POST /first\r\n\r\n{HIDDEN}"),
    ] {
        let (served, executed) = gateway();
        let answer = served.raw(&request).await;
        let executed = executed.lock().unwrap();
        assert!(
            executed.is_empty(),
            "{request:?} executed {executed:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn ordinary_requests_one_after_the_other_are_all_executed() {
    let (served, executed) = gateway();
    let sent = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n{}\n\
                POST /b HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\n\n\n\r\n0\r\nt: 1\r\n\r\n\
                GET /c HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n\
                GET /d HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = served.raw(sent).await;
    assert_eq!(
        *executed.lock().unwrap(),
        ["/a", "/b", "/c", "/d"],
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    let executed = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&executed);
    let served = serve(DoorOptions::default(), move |request, _| {
        list.lock().unwrap().push(request.uri().path().to_owned());
        async { says("unread") }
    });
    let sent = format!(
        "POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    served
        .raw(&format!(
            "{sent}GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        !executed
            .lock()
            .unwrap()
            .iter()
            .any(|path| path == "/hidden")
    );
}
