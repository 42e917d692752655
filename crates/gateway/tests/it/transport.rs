//! The upstream side over HTTP/1.1: what is reused, given back, closed.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{
    BodyEnd, BodyError, Phase, Scheme, SendError, Upstream, UpstreamConfig, connect_options,
};
use http_body_util::BodyExt as _;
use tokio::net::TcpStream;

use crate::kit::authority::Authority;
use crate::kit::{
    accept, answer, ask, assert_options, config, local, origin, post, read_request, reset, send,
    socket, soon, text, until_closed, upstream, write,
};

#[tokio::test]
async fn a_connection_is_used_again_and_a_request_carries_host_and_length() {
    let (listener, address) = socket().await;
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        let first = read_request(&mut stream).await;
        answer(&mut stream, "one").await;
        let second = read_request(&mut stream).await;
        answer(&mut stream, "two").await;
        (first, second)
    });
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    assert_eq!(ask(&upstream, &origin, "/a?b=c").await, "one");
    assert_eq!(upstream.idle(&origin), 1);
    assert_eq!(ask(&upstream, &origin, "http://elsewhere/d").await, "two");
    let (first, second) = server.await.unwrap();
    assert!(first.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{first}");
    assert!(
        first.contains(&format!("host: 127.0.0.1:{}\r\n", address.port())),
        "{first}"
    );
    assert!(first.contains("content-length: 8\r\n"), "{first}");
    assert!(second.starts_with("POST /d HTTP/1.1\r\n"), "{second}");
}

#[tokio::test]
async fn the_youngest_connection_is_taken_first() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let (first, second) = tokio::join!(send(&upstream, &origin, post("/", "")), async {
        let mut a = accept(&listener).await;
        read_request(&mut a).await;
        answer(&mut a, "a").await;
        a
    });
    let (first, mut a) = (first.unwrap(), second);
    let (second, mut b) = tokio::join!(send(&upstream, &origin, post("/", "")), async {
        let mut b = accept(&listener).await;
        read_request(&mut b).await;
        answer(&mut b, "b").await;
        b
    });
    assert_eq!(text(first).await, "a");
    assert_eq!(text(second.unwrap()).await, "b");
    assert_eq!(upstream.idle(&origin), 2);
    let (third, ()) = tokio::join!(ask(&upstream, &origin, "/"), async {
        tokio::select! {
            _ = read_request(&mut a) => answer(&mut a, "the older").await,
            _ = read_request(&mut b) => answer(&mut b, "the younger").await,
        }
    });
    assert_eq!(third, "the younger");
}

/// The runtime has not looked at its sockets since the server closed: nothing but another look at them
/// tells that the connection is dead.
#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced_without_a_word() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, was_closed) = std::sync::mpsc::channel();
    let (close, may_close) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let serve = |text: &str| {
            let mut stream = listener.accept().unwrap().0;
            let mut read = [0; 4096];
            assert!(stream.read(&mut read).unwrap() > 0);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        };
        let first = serve("first");
        may_close.recv().unwrap();
        drop(first);
        closed.send(()).unwrap();
        drop(serve("second"));
    });
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    assert_eq!(ask(&upstream, &origin, "/").await, "first");
    assert_eq!(upstream.idle(&origin), 1);
    close.send(()).unwrap();
    was_closed.recv().unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(ask(&upstream, &origin, "/").await, "second");
    server.join().unwrap();
}

#[tokio::test]
async fn connections_that_have_waited_for_too_long_are_closed() {
    let (listener, address) = socket().await;
    let config = UpstreamConfig {
        idle_timeout: Duration::from_millis(50),
        ..config()
    };
    let (upstream, origin) = (
        Upstream::new(config, Tasks::new()),
        local(Scheme::Http, address),
    );
    let (answered, mut stream) = tokio::join!(ask(&upstream, &origin, "/"), async {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        answer(&mut stream, "kept").await;
        stream
    });
    assert_eq!(answered, "kept");
    until_closed(&mut stream).await;
    assert_eq!(upstream.idle(&origin), 0);
}

#[tokio::test]
async fn the_oldest_connection_goes_when_too_many_wait() {
    let (listener, address) = socket().await;
    let config = UpstreamConfig {
        idle_max: 1,
        ..config()
    };
    let (upstream, origin) = (
        Upstream::new(config, Tasks::new()),
        local(Scheme::Http, address),
    );
    let mut streams = Vec::new();
    let mut responses = Vec::new();
    for _ in 0..2 {
        let (response, stream) = tokio::join!(send(&upstream, &origin, post("/", "")), async {
            let mut stream = accept(&listener).await;
            read_request(&mut stream).await;
            answer(&mut stream, "body").await;
            stream
        });
        responses.push(response.unwrap());
        streams.push(stream);
    }
    for response in responses {
        assert_eq!(text(response).await, "body");
    }
    assert_eq!(upstream.idle(&origin), 1);
    until_closed(&mut streams[0]).await;
}

#[tokio::test]
async fn a_refused_connection_gives_the_request_back() {
    let (listener, address) = socket().await;
    drop(listener);
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let mut request = post("/path", "body");
    request
        .headers_mut()
        .insert("x-mark", "kept".parse().unwrap());
    let Err(SendError::NotSent {
        request,
        phase,
        timed_out,
        why,
    }) = send(&upstream, &origin, request).await
    else {
        panic!("not given back");
    };
    assert_eq!((phase, timed_out), (Phase::Connect, false), "{why}");
    assert_eq!(request.uri().path(), "/path");
    assert_eq!(request.headers().len(), 1);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "body");
}

#[tokio::test]
async fn a_name_that_is_nobodys_gives_the_request_back() {
    let origin = origin(Scheme::Http, "nobody.invalid", 80);
    let sent = upstream()
        .send(&origin, post("/", ""), Duration::from_secs(10))
        .await;
    let Err(SendError::NotSent {
        phase: Phase::Dns,
        why,
        ..
    }) = sent
    else {
        panic!("{sent:?}");
    };
    assert!(why.contains("nobody.invalid"), "{why}");
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_runs_into_the_connect_timeout() {
    let (listener, address) = socket().await;
    let origin = local(Scheme::Https, address);
    let sent = upstream()
        .send(&origin, post("/", ""), Duration::from_millis(100))
        .await;
    let Err(SendError::NotSent {
        phase, timed_out, ..
    }) = sent
    else {
        panic!("{sent:?}");
    };
    assert_eq!((phase, timed_out), (Phase::Tls, true));
    drop(listener);
}

#[tokio::test]
async fn a_request_whose_answer_never_begins_is_ambiguous_and_not_sent_again() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        answer(&mut stream, "first").await;
        assert!(read_request(&mut stream).await.contains("/second"));
        reset(stream);
        let mut stream = accept(&listener).await;
        assert!(read_request(&mut stream).await.contains("/third"));
        drop(stream);
    });
    assert_eq!(ask(&upstream, &origin, "/first").await, "first");
    // Once on a connection that was used before, once on a fresh one.
    for path in ["/second", "/third"] {
        let sent = send(&upstream, &origin, post(path, "")).await;
        assert!(
            matches!(
                sent,
                Err(SendError::Ambiguous {
                    malformed: false,
                    ..
                })
            ),
            "{sent:?}"
        );
    }
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_http_or_has_no_bounds_is_ambiguous_and_malformed() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let lengths = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned();
    for head in ["garbage\r\n\r\n".to_owned(), huge, endless, many, lengths] {
        let (listener, address) = socket().await;
        let (upstream, origin) = (upstream(), local(Scheme::Http, address));
        let server = tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            read_request(&mut stream).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
            until_closed(&mut stream).await;
        });
        let sent = send(&upstream, &origin, post("/", "")).await;
        assert!(
            matches!(
                sent,
                Err(SendError::Ambiguous {
                    malformed: true,
                    ..
                })
            ),
            "{sent:?}"
        );
        server.await.unwrap();
    }
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let (response, mut stream) = tokio::join!(send(&upstream, &origin, post("/", "")), async {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789",
        )
        .await;
        stream
    });
    let mut body = response.unwrap().into_body();
    let frame = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "0123456789");
    drop(body);
    until_closed(&mut stream).await;
    assert_eq!(upstream.idle(&origin), 0);
}

#[tokio::test]
async fn dropping_the_wait_for_an_answer_closes_the_connection() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let mut stream = tokio::select! {
        sent = send(&upstream, &origin, post("/", "")) => panic!("{sent:?}"),
        stream = async {
            let mut stream = accept(&listener).await;
            read_request(&mut stream).await;
            stream
        } => stream,
    };
    until_closed(&mut stream).await;
}

/// A server that reads nothing takes no farewell either: nothing may wait for that.
#[tokio::test]
async fn dropping_a_request_that_is_still_being_written_ends_its_connection() {
    let authority = Authority::new();
    let (listener, address) = socket().await;
    let tls = client_config(std::slice::from_ref(&authority.ca)).unwrap();
    for scheme in [Scheme::Http, Scheme::Https] {
        let tasks = Tasks::new();
        let config = UpstreamConfig {
            tls: tls.clone(),
            ..config()
        };
        let upstream = Upstream::new(config, tasks.clone());
        let origin = origin(scheme, "localhost", address.port());
        let body = "x".repeat(32 * 1024 * 1024);
        let server = async {
            let stream = accept(&listener).await;
            if scheme == Scheme::Https {
                let stream = authority.accept(&["localhost"], stream).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                return stream.into_inner().0;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream
        };
        let stream = tokio::select! {
            sent = send(&upstream, &origin, post("/", &body)) => panic!("{sent:?}"),
            stream = server => stream,
        };
        drop(upstream);
        tasks.close();
        soon(tasks.wait()).await;
        drop(stream);
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_stops_the_provider_and_one_that_leaves_ends_it() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut sent = 0_usize;
        while tokio::io::AsyncWriteExt::write_all(&mut stream, chunk.as_bytes())
            .await
            .is_ok()
        {
            sent += 0x10000;
            assert!(sent < 1 << 30, "nobody reads, and yet it is all taken");
        }
    });
    let mut body = send(&upstream, &origin, post("/", ""))
        .await
        .unwrap()
        .into_body();
    soon(body.frame()).await.unwrap().unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), async {
            while !server.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_err()
    );
    drop(body);
    soon(server).await.unwrap();
}

#[tokio::test]
async fn endless_interim_answers_end_with_the_callers_patience() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::Http, address));
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".as_slice();
        while tokio::io::AsyncWriteExt::write_all(&mut stream, interim)
            .await
            .is_ok()
        {}
    });
    let patience = Duration::from_millis(50);
    let waited = tokio::time::timeout(patience, upstream.send(&origin, post("/", ""), patience));
    assert!(waited.await.is_err());
    soon(server).await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_body_is_proven_by_its_framing_or_not_at_all() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
            Some(BodyEnd::Clean),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Some(BodyEnd::Clean),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", Some(BodyEnd::Clean)),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            Some(BodyEnd::Clean),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nbody", Some(BodyEnd::Unproven)),
        ("HTTP/1.0 200 OK\r\n\r\nbody", Some(BodyEnd::Unproven)),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nbody",
            Some(BodyEnd::Unproven),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody", None),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nbody\r\n0\r\n\r\n",
            None,
        ),
    ];
    for (sent, expected) in cases {
        let (listener, address) = socket().await;
        let (upstream, origin) = (upstream(), local(Scheme::Http, address));
        let server = async {
            let mut stream = accept(&listener).await;
            read_request(&mut stream).await;
            write(&mut stream, sent).await;
        };
        let (response, ()) = tokio::join!(send(&upstream, &origin, post("/", "")), server);
        let mut body = response.unwrap().into_body();
        let mut broke = false;
        while let Some(frame) = soon(body.frame()).await {
            broke |= matches!(frame, Err(BodyError::Broken(_)));
        }
        assert_eq!(
            (broke, body.end()),
            (expected.is_none(), expected.unwrap_or(BodyEnd::Open)),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn the_tasks_of_a_pool_end_with_it() {
    let (listener, address) = socket().await;
    let tasks = Tasks::new();
    let (upstream, origin) = (
        Upstream::new(config(), tasks.clone()),
        local(Scheme::Http, address),
    );
    let (_, stream) = tokio::join!(ask(&upstream, &origin, "/"), async {
        let mut stream = accept(&listener).await;
        read_request(&mut stream).await;
        answer(&mut stream, "kept").await;
        stream
    });
    assert!(!tasks.is_empty());
    drop(upstream);
    tasks.close();
    soon(tasks.wait()).await;
    drop(stream);
}

#[tokio::test]
async fn connections_to_providers_do_not_delay_small_writes_and_notice_a_vanished_peer() {
    let (_listener, address) = socket().await;
    let stream = TcpStream::connect(address).await.unwrap();
    connect_options(&stream).unwrap();
    assert_options(&stream);
}
