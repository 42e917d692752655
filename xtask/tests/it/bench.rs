//! That the benchmark's own parts are honest: requests of the stated size, an
//! upstream that answers as told, a client that takes no broken answer for a
//! whole one.
//!
//! Servers on port 0, deadlines of half a minute, no measured times.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use xtask::bench::client::Connection;
use xtask::bench::load::{self, Closed, Job};
use xtask::bench::setting;
use xtask::bench::upstream::{Note, Upstream};
use xtask::bench::wire::{Ask, Shape, Wire};

const DEADLINE: Duration = Duration::from_secs(30);

fn ask(wire: Wire, shape: Shape) -> Ask {
    Ask {
        wire,
        model: "bench",
        size: 1024,
        turns: 0,
        shape,
        delay_ms: 0,
        id: 0,
    }
}

#[test]
fn every_request_has_its_stated_size_and_is_json() {
    for setting in setting::all().into_iter().chain(setting::pairs()) {
        let Ask {
            wire, model, size, ..
        } = setting.ask;
        let request = setting.ask.http("");
        let text = std::str::from_utf8(&request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), size, "{}", setting.name);
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        match wire {
            Wire::Gemini => assert!(head.contains(&format!("/models/{model}:")), "{head}"),
            Wire::Converse => assert!(head.contains(&format!("/model/{model}/")), "{head}"),
            Wire::Chat | Wire::Messages | Wire::Responses | Wire::Cohere => {
                assert_eq!(value.get("model").unwrap(), model);
            }
        }
    }
}

#[test]
fn every_pair_is_measured_whole_and_as_a_stream() {
    let names: Vec<String> = setting::pairs().into_iter().map(|one| one.name).collect();
    for kind in ["-1k", "-stream"] {
        let of_kind = names.iter().filter(|name| name.ends_with(kind));
        assert_eq!(of_kind.count(), 36, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_is_read_whole_in_every_dialect() {
    let upstream = Upstream::start().unwrap();
    for (wire, around) in [
        (Wire::Chat, 3),
        (Wire::Messages, 5),
        (Wire::Responses, 8),
        (Wire::Gemini, 1),
        (Wire::Converse, 4),
        (Wire::Cohere, 4),
    ] {
        let mut connection = Connection::open(upstream.address, wire).await.unwrap();
        for shape in [
            Shape::Whole,
            Shape::Stream {
                chunks: 100,
                gap_ms: 0,
            },
            Shape::Stream {
                chunks: 3,
                gap_ms: 1,
            },
        ] {
            connection.send(&ask(wire, shape).http("")).await.unwrap();
            let answer = timeout(DEADLINE, connection.answer(|_| {}))
                .await
                .unwrap()
                .unwrap();
            let expected = match shape {
                Shape::Whole => 0,
                Shape::Stream { chunks, .. } => chunks as u64 + around,
            };
            assert_eq!(answer.events, expected, "{wire:?} {shape:?}");
        }
    }
}

/// Serves these bytes to one request, then closes.
async fn serving(answer: &'static [u8]) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket.write_all(answer).await.unwrap();
    });
    let mut connection = Connection::open(address, Wire::Chat).await.unwrap();
    connection
        .send(&ask(Wire::Chat, Shape::Whole).http(""))
        .await
        .unwrap();
    connection
}

#[tokio::test]
async fn a_broken_answer_is_never_taken_for_a_whole_one() {
    let broken: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"short\":1}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"a\"",
        b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\ne\r\ndata: [DONE]\n\n\r\n",
    ];
    for answer in broken {
        let mut connection = serving(answer).await;
        let read = timeout(DEADLINE, connection.answer(|_| {})).await.unwrap();
        assert!(read.is_err(), "{}", String::from_utf8_lossy(answer));
    }
    let mut connection = serving(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n6\r\n\ndata:\r\n9\r\n [DONE]\n\n\r\n0\r\n\r\n").await;
    let read = timeout(DEADLINE, connection.answer(|_| {}))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.events, 2, "an event's end may be split");
}

#[tokio::test]
async fn the_upstream_tells_of_a_client_that_went_away() {
    let mut upstream = Upstream::start().unwrap();
    for (id, phase) in (1..).zip(setting::PHASES) {
        let ask = Ask {
            shape: phase.shape,
            delay_ms: phase.delay_ms,
            id,
            ..ask(Wire::Chat, Shape::Whole)
        };
        let mut connection = Connection::open(upstream.address, Wire::Chat)
            .await
            .unwrap();
        connection.send(&ask.http("")).await.unwrap();
        let note = timeout(DEADLINE, upstream.notes.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(
            matches!(note, Note::Arrived(arrived) if arrived == id),
            "{note:?}"
        );
        if phase.events > 0 {
            timeout(DEADLINE, connection.events(phase.events))
                .await
                .unwrap()
                .unwrap();
        }
        drop(connection);
        let note = timeout(DEADLINE, upstream.notes.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(
            matches!(note, Note::Gone(gone, _) if gone == id),
            "{}: {note:?}",
            phase.name
        );
    }
}

#[tokio::test]
async fn both_loops_count_whole_answers_and_errors_apart() {
    let upstream = Upstream::start().unwrap();
    let request = ask(
        Wire::Chat,
        Shape::Stream {
            chunks: 5,
            gap_ms: 0,
        },
    )
    .http("");
    let good = Job {
        address: upstream.address,
        wire: Wire::Chat,
        request,
        events: 8,
    };
    let seen = timeout(DEADLINE, load::open(&good, 100, Duration::from_millis(200)))
        .await
        .unwrap();
    assert_eq!(
        (seen.whole.len(), seen.first.len(), seen.errors),
        (20, 20, 0),
        "{:?}",
        seen.first_error
    );
    let closed = Closed::start(&good, 2, Duration::ZERO);
    let counts = timeout(DEADLINE, closed.stop()).await.unwrap();
    assert_eq!(counts.first_error(), None);
    let short = Job { events: 9, ..good };
    let seen = timeout(DEADLINE, load::open(&short, 100, Duration::from_millis(50)))
        .await
        .unwrap();
    assert_eq!((seen.whole.len(), seen.errors), (0, 5));
    assert!(seen.first_error.unwrap().contains("8 events of 9"));
}
