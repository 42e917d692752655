//! HTTP/2 on both sides, by prior knowledge; the servers of these tests are h2 itself.

use std::time::Duration;

use bytes::Bytes;
use gateway::listener::DoorOptions;
use gateway::tasks::Tasks;
use gateway::upstream::{BodyEnd, BodyError, Phase, Scheme, SendError, Upstream, UpstreamConfig};
use h2::Reason;
use h2::server::{Connection, SendResponse};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{
    accept, ask, config, local, post, says, send, serve, socket, soon, text, upstream,
};

type Server = Connection<TcpStream, Bytes>;

async fn h2_accept(listener: &TcpListener) -> Server {
    let stream = accept(listener).await;
    soon(h2::server::handshake(stream)).await.unwrap()
}

async fn next(server: &mut Server) -> SendResponse<Bytes> {
    soon(server.accept()).await.unwrap().unwrap().1
}

fn answer(respond: &mut SendResponse<Bytes>, text: &'static str) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(text.as_bytes()), true)
        .unwrap();
}

/// Drives the connection until the client is done with it.
async fn drive(mut server: Server) {
    while soon(server.accept()).await.is_some() {}
}

#[tokio::test]
async fn requests_share_a_connection_and_both_sides_speak_http2_by_prior_knowledge() {
    let served = serve(DoorOptions::default(), |request, info| async move {
        says(format!(
            "{:?} {} {}",
            request.version(),
            request.uri(),
            info.peer.port()
        ))
    });
    let (upstream, origin) = (upstream(), served.origin(Scheme::H2c));
    let one = ask(&upstream, &origin, "/one?x=y").await;
    let (two, three) = tokio::join!(
        ask(&upstream, &origin, "/two"),
        ask(&upstream, &origin, "/two")
    );
    let authority = served.address;
    assert!(
        one.starts_with(&format!("HTTP/2.0 http://{authority}/one?x=y ")),
        "{one}"
    );
    let port = |text: &str| text.rsplit(' ').next().unwrap().to_owned();
    assert_eq!((port(&one), port(&one)), (port(&two), port(&three)));
    assert_eq!(upstream.idle(&origin), 1);
}

#[tokio::test]
async fn the_first_requests_of_a_crowd_wait_for_one_connection() {
    let served = serve(DoorOptions::default(), |_, info| async move {
        says(info.peer.port().to_string())
    });
    let (upstream, origin) = (upstream(), served.origin(Scheme::H2c));
    let crowd = tokio::join!(
        ask(&upstream, &origin, "/"),
        ask(&upstream, &origin, "/"),
        ask(&upstream, &origin, "/")
    );
    assert_eq!((&crowd.0, &crowd.0), (&crowd.1, &crowd.2));
}

#[tokio::test]
async fn a_connection_with_no_stream_left_is_joined_by_another() {
    let (listener, address) = socket().await;
    let config = UpstreamConfig {
        streams_max: 1,
        ..config()
    };
    let (upstream, origin) = (
        Upstream::new(config, Tasks::new()),
        local(Scheme::H2c, address),
    );
    let server = tokio::spawn(async move {
        let mut first = h2_accept(&listener).await;
        let mut respond = next(&mut first).await;
        let _body = respond.send_response(Response::new(()), false).unwrap();
        let driven = tokio::spawn(drive(first));
        let mut second = h2_accept(&listener).await;
        answer(&mut next(&mut second).await, "from another");
        tokio::join!(drive(second), async { driven.await.unwrap() });
    });
    let open = send(&upstream, &origin, post("/", "")).await.unwrap();
    assert_eq!(ask(&upstream, &origin, "/").await, "from another");
    assert_eq!(upstream.idle(&origin), 2);
    drop((open, upstream));
    server.await.unwrap();
}

#[tokio::test]
async fn a_stream_refused_on_a_used_connection_is_sent_again_and_on_a_fresh_one_given_back() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::H2c, address));
    let server = tokio::spawn(async move {
        let mut first = h2_accept(&listener).await;
        answer(&mut next(&mut first).await, "one");
        next(&mut first).await.send_reset(Reason::REFUSED_STREAM);
        let driven = tokio::spawn(drive(first));
        let mut second = h2_accept(&listener).await;
        answer(&mut next(&mut second).await, "two");
        next(&mut second).await.send_reset(Reason::REFUSED_STREAM);
        let driven_too = tokio::spawn(drive(second));
        let mut third = h2_accept(&listener).await;
        next(&mut third).await.send_reset(Reason::REFUSED_STREAM);
        drive(third).await;
        driven.await.unwrap();
        driven_too.await.unwrap();
    });
    assert_eq!(ask(&upstream, &origin, "/").await, "one");
    assert_eq!(ask(&upstream, &origin, "/").await, "two");
    let sent = send(&upstream, &origin, post("/path", "body")).await;
    let Err(SendError::NotSent {
        request,
        phase: Phase::Http,
        ..
    }) = sent
    else {
        panic!("{sent:?}");
    };
    assert_eq!(request.uri().path(), "/path");
    assert_eq!(
        request.into_body().collect().await.unwrap().to_bytes(),
        "body"
    );
    drop(upstream);
    server.await.unwrap();
}

#[tokio::test]
async fn a_stream_reset_for_any_other_reason_is_ambiguous() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::H2c, address));
    let server = tokio::spawn(async move {
        let mut server = h2_accept(&listener).await;
        next(&mut server).await.send_reset(Reason::INTERNAL_ERROR);
        drive(server).await;
    });
    let sent = send(&upstream, &origin, post("/", "body")).await;
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
    drop(upstream);
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_says_goodbye_is_left_while_its_answers_are_finished() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::H2c, address));
    let server = tokio::spawn(async move {
        let mut first = h2_accept(&listener).await;
        let mut respond = next(&mut first).await;
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        first.graceful_shutdown();
        let driven = tokio::spawn(drive(first));
        let mut second = h2_accept(&listener).await;
        answer(&mut next(&mut second).await, "new");
        body.send_data(Bytes::from_static(b"old"), true).unwrap();
        drive(second).await;
        driven.await.unwrap();
    });
    let old = send(&upstream, &origin, post("/", "")).await.unwrap();
    assert_eq!(ask(&upstream, &origin, "/").await, "new");
    assert_eq!(text(old).await, "old");
    drop(upstream);
    server.await.unwrap();
}

#[tokio::test]
async fn dropping_the_body_or_the_wait_resets_the_stream_and_keeps_the_connection() {
    let (listener, address) = socket().await;
    let (upstream, origin) = (upstream(), local(Scheme::H2c, address));
    let (waiting, reached) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let mut server = h2_accept(&listener).await;
        let mut respond = next(&mut server).await;
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"first"), false).unwrap();
        let reset = tokio::spawn(async move {
            std::future::poll_fn(|context| body.poll_reset(context))
                .await
                .unwrap()
        });
        let mut silent = next(&mut server).await;
        let reset_too = tokio::spawn(async move {
            waiting.send(()).unwrap();
            std::future::poll_fn(|context| silent.poll_reset(context))
                .await
                .unwrap()
        });
        answer(&mut next(&mut server).await, "third");
        drive(server).await;
        (reset.await.unwrap(), reset_too.await.unwrap())
    });
    let mut body = send(&upstream, &origin, post("/", ""))
        .await
        .unwrap()
        .into_body();
    soon(body.frame()).await.unwrap().unwrap();
    drop(body);
    tokio::select! {
        sent = send(&upstream, &origin, post("/", "")) => panic!("{sent:?}"),
        reached = soon(reached) => reached.unwrap(),
    }
    assert_eq!(ask(&upstream, &origin, "/").await, "third");
    drop(upstream);
    assert_eq!(
        soon(server).await.unwrap(),
        (Reason::CANCEL, Reason::CANCEL)
    );
}

#[tokio::test]
async fn a_body_is_whole_only_with_the_end_of_its_stream() {
    for (reason, clean) in [
        (None, true),
        (Some(Reason::NO_ERROR), false),
        (Some(Reason::CANCEL), false),
    ] {
        let (listener, address) = socket().await;
        let (upstream, origin) = (upstream(), local(Scheme::H2c, address));
        let server = tokio::spawn(async move {
            let mut server = h2_accept(&listener).await;
            let mut respond = next(&mut server).await;
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"text"), reason.is_none())
                .unwrap();
            if let Some(reason) = reason {
                let sent = tokio::time::timeout(Duration::from_millis(20), server.accept());
                assert!(sent.await.is_err());
                body.send_reset(reason);
            }
            drive(server).await;
        });
        let mut body = send(&upstream, &origin, post("/", ""))
            .await
            .unwrap()
            .into_body();
        let mut failure = None;
        while let Some(frame) = soon(body.frame()).await {
            failure = frame.err();
        }
        let expected = if clean { BodyEnd::Clean } else { BodyEnd::Open };
        assert_eq!(
            (failure.is_none(), body.end()),
            (clean, expected),
            "{failure:?}"
        );
        if reason == Some(Reason::NO_ERROR) {
            assert!(matches!(failure, Some(BodyError::Reset)), "{failure:?}");
        }
        drop((body, upstream));
        soon(server).await.unwrap();
    }
}
