//! The client goes away: whatever the phase, the upstream is closed, the request is settled and
//! nothing further is tried.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dialect::Dialect;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sim::{Outcome, Sim};

use crate::asking::{Ask, Line};
use crate::harness::{
    PAIRS, Road, WRITTEN, echo, faulty, model, provider, scripted, sim, soon, target, until,
};
use crate::road_time::Deaf;

#[derive(Clone, Copy, Debug)]
enum Leave {
    Close,
    Reset,
}

const WAYS: [Leave; 2] = [Leave::Close, Leave::Reset];

fn leave(line: Line, way: Leave) {
    match way {
        Leave::Close => drop(line),
        Leave::Reset => line.reset(),
    }
}

async fn assert_gone(road: &Road, upstream: &Sim) {
    assert_eq!(soon(upstream.ended(1)).await, Outcome::ClosedByPeer);
    assert_eq!(road.outcome().await, "client_gone");
    road.at_rest().await;
}

#[tokio::test]
async fn while_it_sends_its_body() {
    for (client, served) in PAIRS {
        for way in WAYS {
            let good = sim().await;
            let road = Road::to(vec![echo("a", served, &good)]);
            let ask = Ask::new(client, &"words ".repeat(40_000));
            let line = ask.begin(&road, 100_000).await;
            let some = || road.shared.memory.held() > 0;
            until("some of the body is held", some).await;
            leave(line, way);
            road.at_rest().await;
            assert!(good.seen().is_empty());
            assert!(road.ledger.dispatched().is_empty());
            assert!(road.ledger.settled().is_empty());
        }
    }
}

#[tokio::test]
async fn while_the_gateway_connects() {
    for (client, served) in PAIRS {
        for stream in [false, true] {
            let (deaf, good) = (Deaf::new(), sim().await);
            let away = target(provider("a", served, deaf.address), "echo");
            let mut own = model(vec![away, echo("b", served, &good)]);
            own.timeouts.connect = Duration::from_secs(60);
            let road = Road::with(own);
            let line = Ask::either(client, stream, "hi").open(&road).await;
            until("it is dispatched", || !road.ledger.dispatched().is_empty()).await;
            drop(line);
            assert_eq!(road.outcome().await, "client_gone");
            road.at_rest().await;
            assert!(good.seen().is_empty());
        }
    }
}

/// The first target stands still in that way; the client goes once it has come so far.
async fn while_it_stands_still(fault: Value, stream: bool) {
    for (client, served) in PAIRS {
        for way in WAYS {
            let (still, good) = (faulty(fault.clone()).await, sim().await);
            let talker = target(provider("a", served, still.addr()), "talker");
            let road = Road::to(vec![talker, echo("b", served, &good)]);
            let ask = Ask::either(client, stream, "[[chunks=40&bytes=6]]");
            let line = ask.open(&road).await;
            soon(still.arrived(1)).await;
            leave(line, way);
            assert_gone(&road, &still).await;
            assert!(good.seen().is_empty());
        }
    }
}

#[tokio::test]
async fn while_the_upstream_is_silent() {
    for stream in [false, true] {
        while_it_stands_still(json!("stall_before"), stream).await;
    }
}

#[tokio::test]
async fn before_the_first_event() {
    let fault = json!({ "stall_inside": { "after_events": 1 } });
    while_it_stands_still(fault, true).await;
}

#[tokio::test]
async fn while_a_whole_answer_comes() {
    let fault = json!({ "drip": { "bytes": 1, "ms": 50 } });
    while_it_stands_still(fault, false).await;
}

#[tokio::test]
async fn in_mid_stream() {
    for (client, served) in PAIRS {
        for way in WAYS {
            let fault = json!({ "stall_inside": { "after_events": 10 } });
            let still = faulty(fault).await;
            let talker = target(provider("a", served, still.addr()), "talker");
            let road = Road::to(vec![talker]);
            let ask = Ask::stream(client, "[[chunks=40&bytes=6]]");
            let mut line = ask.open(&road).await;
            line.until(|got| got.body.len() > 100).await;
            leave(line, way);
            assert_gone(&road, &still).await;
        }
    }
}

#[tokio::test]
async fn while_it_does_not_read() {
    for (client, served) in PAIRS {
        for way in WAYS {
            let fast = scripted(json!({ "split": { "bytes": 16384 } })).await;
            let talker = target(provider("a", served, fast.addr()), "talker");
            let road = Road::to(vec![talker]);
            let ask = Ask::stream(client, "[[chunks=60000&bytes=500]]").unlimited();
            let line = ask.open(&road).await;
            until("it is stuck", || stuck(&fast)).await;
            leave(line, way);
            assert_gone(&road, &fast).await;
        }
    }
}

/// Whether a good part was sent; all of it never fits into the buffers between.
fn stuck(sim: &Sim) -> bool {
    sim.seen()
        .first()
        .is_some_and(|seen| seen.bytes_sent > 1 << 20)
}

#[tokio::test]
async fn while_it_waits_to_try_again() {
    for (client, served) in PAIRS {
        for stream in [false, true] {
            let busy = faulty(json!({ "status": { "status": 503 } })).await;
            let mut own = model(vec![echo("a", served, &busy)]);
            own.retry.backoff_initial = Duration::from_secs(1_000_000);
            own.retry.backoff_max = Duration::from_secs(1_000_000);
            own.timeouts.total = Duration::from_secs(2_000_000);
            let road = Road::with(own);
            let line = Ask::either(client, stream, "hi").open(&road).await;
            soon(busy.ended(1)).await;
            drop(line);
            assert_eq!(road.outcome().await, "client_gone");
            assert_eq!(busy.seen().len(), 1);
        }
    }
}

#[tokio::test]
async fn after_its_head_came_early() {
    for (client, served) in PAIRS {
        let silent = faulty(json!("stall_before")).await;
        let timings = gateway::Timings {
            head_waits: Duration::from_millis(10),
            keep_alive: Duration::from_millis(10),
        };
        let own = model(vec![echo("a", served, &silent)]);
        let road = Road::tuned(crate::harness::snapshot(vec![own]), 512 << 20, timings);
        let mut line = Ask::stream(client, "hi").open(&road).await;
        line.until(|got| !got.body.is_empty()).await;
        drop(line);
        assert_gone(&road, &silent).await;
    }
}

#[tokio::test]
async fn by_resetting_its_stream_of_http2() {
    for (client, served) in PAIRS {
        for (stream, fault) in [
            (false, json!("stall_before")),
            (true, json!("stall_before")),
            (true, json!({ "stall_inside": { "after_events": 10 } })),
        ] {
            let only_first = json!({ "rules": [{ "do": fault, "times": 1 }] });
            let still = scripted(only_first).await;
            let talker = target(provider("a", served, still.addr()), "talker");
            let road = Road::to(vec![talker]);
            let mut sender = http2(&road).await;
            let ask = Ask::either(client, stream, "[[chunks=40&bytes=6]]");
            let asked = tokio::spawn(sender.send_request(request(&ask)));
            soon(still.arrived(1)).await;
            if fault.is_object() {
                let mut response = soon(asked).await.unwrap().unwrap();
                soon(response.frame()).await.unwrap().unwrap();
                drop(response);
            } else {
                asked.abort();
            }
            assert_gone(&road, &still).await;
            // The connection itself goes on.
            let response = soon(sender.send_request(request(&ask))).await.unwrap();
            assert_eq!(response.status(), 200);
            soon(response.collect()).await.unwrap();
            assert_eq!(road.settled(2).await[1].outcome, "answered");
        }
    }
}

#[tokio::test]
async fn by_resetting_a_stream_of_http2_that_it_does_not_read() {
    for (client, served) in PAIRS {
        let fast = scripted(json!({ "split": { "bytes": 16384 } })).await;
        let talker = target(provider("a", served, fast.addr()), "talker");
        let road = Road::to(vec![talker]);
        let mut sender = http2(&road).await;
        let ask = Ask::stream(client, "[[chunks=60000&bytes=500]]").unlimited();
        let asked = sender.send_request(request(&ask));
        let response = soon(asked).await.unwrap();
        assert_eq!(response.status(), 200);
        until("it is stuck", || {
            let seen = fast.seen();
            seen[0].bytes_sent > 128 << 10
        })
        .await;
        drop(response);
        assert_gone(&road, &fast).await;
    }
}

#[tokio::test]
async fn by_resetting_its_stream_of_http2_within_its_body() {
    for (client, served) in PAIRS {
        let good = sim().await;
        let road = Road::to(vec![echo("a", served, &good)]);
        let mut sender = http2_of::<Never>(&road).await;
        let ask = Ask::new(client, "hi");
        let (parts, _) = request(&ask).into_parts();
        let body = Never(Some(ask.body.clone().into()));
        let asked = tokio::spawn(sender.send_request(http::Request::from_parts(parts, body)));
        let some = || road.shared.memory.held() > 0;
        until("some of the body is held", some).await;
        asked.abort();
        road.at_rest().await;
        assert!(good.seen().is_empty());
        assert!(road.ledger.dispatched().is_empty());
    }
}

/// A body that begins and never ends.
struct Never(Option<bytes::Bytes>);

impl http_body::Body for Never {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// A client that speaks HTTP/2 by prior knowledge.
pub(crate) async fn http2(road: &Road) -> SendRequest<Full<bytes::Bytes>> {
    http2_of(road).await
}

async fn http2_of<B>(road: &Road) -> SendRequest<B>
where
    B: http_body::Body<Data = bytes::Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = soon(tokio::net::TcpStream::connect(road.address)).await;
    let io = TokioIo::new(stream.unwrap());
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = soon(made).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The request, as that client sends it.
pub(crate) fn request(ask: &Ask) -> http::Request<Full<bytes::Bytes>> {
    let uri = format!("http://gateway{}", ask.path);
    let mut request = http::Request::post(uri);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    request.body(Full::new(ask.body.clone().into())).unwrap()
}

#[tokio::test]
async fn a_client_that_has_read_all_is_not_gone() {
    for client in WRITTEN {
        let good = sim().await;
        let road = Road::to(vec![echo("a", Dialect::OpenaiChat, &good)]);
        let mut line = Ask::stream(client, "hi").open(&road).await;
        line.until(|got| crate::asking::has_terminator(&got.body))
            .await;
        drop(line);
        assert_eq!(road.outcome().await, "answered");
    }
}
