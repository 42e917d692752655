//! The listener: sockets, timeouts, limits, clients that leave, the drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::listener::{DoorOptions, accept_options, bind};
use gateway::upstream::Scheme;
use http::Response;
use http_body_util::BodyExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::kit::{
    Served, ask, assert_options, post, read_to_close, says, send, serve, soon, text, until_closed,
    upstream, write,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn quick() -> DoorOptions {
    DoorOptions {
        head_timeout: Duration::from_millis(60),
        idle_timeout: Duration::from_millis(60),
        ..DoorOptions::default()
    }
}

fn hello() -> Served {
    serve(DoorOptions::default(), |_, _| async { says("hello") })
}

/// A service that says when it is called and when it is dropped, and answers when it is told to.
struct Held {
    served: Served,
    events: mpsc::UnboundedReceiver<&'static str>,
    release: watch::Sender<bool>,
}

struct Leaving(mpsc::UnboundedSender<&'static str>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.0.send("left");
    }
}

fn held(options: DoorOptions) -> Held {
    let (happened, events) = mpsc::unbounded_channel();
    let (release, released) = watch::channel(false);
    let served = serve(options, move |_, _| {
        let (happened, mut released) = (happened.clone(), released.clone());
        async move {
            let _leaving = Leaving(happened.clone());
            happened.send("called").unwrap();
            released.wait_for(|released| *released).await.unwrap();
            says("released")
        }
    });
    Held {
        served,
        events,
        release,
    }
}

impl Held {
    async fn expect(&mut self, event: &str) {
        assert_eq!(soon(self.events.recv()).await, Some(event));
    }
}

#[tokio::test]
async fn an_address_is_shared_by_the_cores_and_by_nobody_else() {
    for cores in [1, 3] {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), cores).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert_eq!(sockets.len(), cores);
        assert!(
            sockets
                .iter()
                .all(|socket| socket.local_addr().unwrap() == address)
        );
        for other in [1, 2] {
            let error = bind(address, other).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        }
        drop(sockets);
        assert_eq!(bind(address, cores).unwrap().len(), cores);
    }
}

#[tokio::test]
async fn every_core_gets_connections() {
    let sockets = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let address = sockets[0].local_addr().unwrap();
    let mut waiting: Vec<_> = sockets
        .into_iter()
        .map(|socket| TcpListener::from_std(socket).unwrap())
        .collect();
    let mut open = Vec::new();
    while let Some(listener) = waiting.pop() {
        // The kernel shares them out by a hash of the ports.
        let accepted = async {
            loop {
                open.push(TcpStream::connect(address).await.unwrap());
                let soon = Duration::from_millis(20);
                if tokio::time::timeout(soon, listener.accept()).await.is_ok() {
                    return;
                }
            }
        };
        soon(accepted).await;
    }
}

#[tokio::test]
async fn accepted_connections_do_not_delay_small_writes_and_notice_a_vanished_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    accept_options(&stream).unwrap();
    assert_options(&stream);
}

#[tokio::test]
async fn both_protocols_are_told_apart_by_their_first_bytes_however_they_come() {
    let served = serve(DoorOptions::default(), |request, _| async move {
        says(format!("{:?}", request.version()))
    });
    let upstream = upstream();
    assert_eq!(
        ask(&upstream, &served.origin(Scheme::Http), "/").await,
        "HTTP/1.1"
    );
    assert_eq!(
        ask(&upstream, &served.origin(Scheme::H2c), "/").await,
        "HTTP/2.0"
    );
    for request in [
        "PRI",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let mut stream = served.connect().await;
        for byte in request.as_bytes().chunks(1) {
            write(&mut stream, std::str::from_utf8(byte).unwrap()).await;
            tokio::task::yield_now().await;
        }
        if request == "PRI" {
            write(
                &mut stream,
                "NT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            )
            .await;
        }
        let answer = read_to_close(&mut stream).await;
        assert!(
            answer.ends_with("HTTP/1.1") && answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
    }
    let mut stream = served.connect().await;
    for piece in ["PRI * HTTP/2.0\r\n", "\r\nSM\r\n\r", "\n"] {
        write(&mut stream, piece).await;
        tokio::task::yield_now().await;
    }
    let mut frame = [0; 9];
    soon(tokio::io::AsyncReadExt::read_exact(&mut stream, &mut frame))
        .await
        .unwrap();
    assert_eq!(frame[3], 4, "not a SETTINGS frame: {frame:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work_for_it() {
    let mut held = held(DoorOptions::default());
    let mut stream = held.served.connect().await;
    write(&mut stream, GET).await;
    held.expect("called").await;
    drop(stream);
    held.expect("left").await;

    let upstream = upstream();
    let origin = held.served.origin(Scheme::H2c);
    tokio::select! {
        sent = send(&upstream, &origin, post("/", "")) => panic!("{sent:?}"),
        () = held.expect("called") => {}
    }
    held.expect("left").await;
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let mut held = held(quick());
    let mut silent = held.served.connect().await;
    until_closed(&mut silent).await;
    let mut stopped = held.served.connect().await;
    write(&mut stopped, "GET / HTTP/1.1\r\nhost").await;
    until_closed(&mut stopped).await;
    let mut dripping = held.served.connect().await;
    let drip = async {
        write(&mut dripping, "GET / HTTP/1.1\r\n").await;
        while tokio::io::AsyncWriteExt::write_all(&mut dripping, b"a: b\r\n")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(drip).await;
    let mut idle = held.served.connect().await;
    write(&mut idle, GET).await;
    held.expect("called").await;
    // A request that is being worked on is not idle.
    tokio::time::sleep(Duration::from_millis(200)).await;
    held.release.send(true).unwrap();
    assert!(read_to_close(&mut idle).await.ends_with("released"));
}

#[tokio::test]
async fn heads_without_bounds_are_refused_and_others_served_on() {
    let served = hello();
    let huge = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(70_000)
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(66_000));
    for (request, status) in [(huge, "431"), (many, "431"), (long, "431")] {
        let mut stream = served.connect().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await;
        let answer = read_to_close(&mut stream).await;
        let refused =
            answer.starts_with(&format!("HTTP/1.1 {status}")) || answer.starts_with("HTTP/1.1 414");
        assert!(refused || answer.is_empty(), "{answer}");
    }
    assert_eq!(
        ask(&upstream(), &served.origin(Scheme::Http), "/").await,
        "hello"
    );
}

#[tokio::test]
async fn a_connection_beyond_the_bound_waits_until_another_has_gone() {
    let options = DoorOptions {
        connections_max: 1,
        ..DoorOptions::default()
    };
    let mut held = held(options);
    let mut first = held.served.connect().await;
    write(&mut first, GET).await;
    held.expect("called").await;
    let mut second = held.served.connect().await;
    write(&mut second, GET).await;
    let none = tokio::time::timeout(Duration::from_millis(50), held.events.recv()).await;
    assert!(none.is_err(), "{none:?}");
    drop(first);
    held.expect("left").await;
    held.expect("called").await;
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_nothing_else() {
    let calls = Arc::new(AtomicUsize::new(0));
    let served = serve(DoorOptions::default(), move |_, _| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            assert!(!first, "on purpose");
            says("served on")
        }
    });
    assert_eq!(served.raw(GET).await, "");
    assert_eq!(
        ask(&upstream(), &served.origin(Scheme::Http), "/").await,
        "served on"
    );
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_begins_nothing() {
    let mut held = held(DoorOptions::default());
    let upstream = upstream();
    let mut busy = held.served.connect().await;
    write(&mut busy, GET).await;
    held.expect("called").await;
    let origin = held.served.origin(Scheme::H2c);
    let stream = tokio::spawn({
        let upstream = upstream.clone();
        async move { text(send(&upstream, &origin, post("/", "")).await.unwrap()).await }
    });
    held.expect("called").await;
    let mut idle = held.served.connect().await;
    write(&mut idle, "G").await;

    held.served.drain.begin();
    assert!(held.served.drain.has_begun());
    until_closed(&mut idle).await;
    let drain = held.served.drain.clone();
    let finished = tokio::spawn(async move { drain.finish(Duration::from_secs(20)).await });
    // The socket is closed once the accept loop has ended.
    let refused = async { while TcpStream::connect(held.served.address).await.is_ok() {} };
    soon(refused).await;
    assert!(!finished.is_finished());
    held.release.send(true).unwrap();
    let answer = read_to_close(&mut busy).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("released"),
        "{answer}"
    );
    assert_eq!(soon(stream).await.unwrap(), "released");
    assert!(soon(finished).await.unwrap());
    assert_eq!(held.served.drain.open(), 0);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let mut held = held(DoorOptions::default());
    let mut busy = held.served.connect().await;
    write(&mut busy, GET).await;
    held.expect("called").await;
    assert!(!soon(held.served.drain.finish(Duration::from_millis(20))).await);
    held.expect("left").await;
    assert_eq!(read_to_close(&mut busy).await, "");
}

#[tokio::test]
async fn a_response_in_pieces_reaches_the_client_piece_by_piece() {
    let (pieces, received) = mpsc::channel::<bytes::Bytes>(1);
    let received = Arc::new(tokio::sync::Mutex::new(Some(received)));
    let socket = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    let service = move |_, _| {
        let received = Arc::clone(&received);
        async move {
            let received = received.lock().await.take().unwrap();
            Response::new(Pieces(received))
        }
    };
    tokio::spawn(gateway::listener::serve(
        socket,
        gateway::listener::Door::new(DoorOptions::default()),
        service,
        gateway::tasks::Tasks::new(),
        gateway::listener::Drain::new(),
    ));
    let upstream = upstream();
    let origin = crate::kit::local(Scheme::Http, address);
    let mut body = send(&upstream, &origin, post("/", ""))
        .await
        .unwrap()
        .into_body();
    for piece in ["one", "two", "three"] {
        pieces
            .send(bytes::Bytes::from_static(piece.as_bytes()))
            .await
            .unwrap();
        let frame = soon(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(pieces);
    assert!(soon(body.frame()).await.is_none());
}

struct Pieces(mpsc::Receiver<bytes::Bytes>);

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }
}
