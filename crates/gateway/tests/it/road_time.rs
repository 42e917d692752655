//! Time: each phase has its bound, its error names it, and a client that waits gets signs of life.

use std::sync::Arc;
use std::time::Duration;

use dialect::Dialect;
use gateway::Timings;
use policy::model::{Model, Target};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::asking::{Ask, Line, assert_error, assert_failure_event, has_terminator};
use crate::harness::{PAIRS, Road, WRITTEN, echo, faulty, model, provider, sim, snapshot, target};
use crate::puppet::{STREAM_HEAD, Stage, chunk};

const SHORT: Duration = Duration::from_millis(150);

/// A socket that takes no further connection: its queue is full.
pub(crate) struct Deaf {
    _held: Vec<socket2::Socket>,
    pub(crate) address: std::net::SocketAddr,
}

impl Deaf {
    pub(crate) fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut held = vec![socket];
        for _ in 0..4 {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&address.into());
            held.push(filler);
        }
        Self {
            _held: held,
            address,
        }
    }
}

fn timed(targets: Vec<Arc<Target>>, set: impl Fn(&mut Model)) -> Road {
    let mut own = model(targets);
    set(&mut own);
    Road::with(own)
}

#[tokio::test]
async fn a_connection_that_does_not_come_is_given_up_and_named() {
    for (client, served) in PAIRS {
        let deaf = Deaf::new();
        let away = target(provider("a", served, deaf.address), "echo");
        let good = sim().await;
        let alone = timed(vec![away.clone()], |own| {
            own.timeouts.connect = SHORT;
            own.retry.same_target = 0;
        });
        let got = Ask::new(client, "hi").send(&alone).await;
        assert_error(client, &got, 504, "timeout");
        assert!(got.message().contains("`connect`"), "{}", got.text());
        let road = timed(vec![away, echo("b", served, &good)], |own| {
            own.timeouts.connect = SHORT;
        });
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole_in_time_is_refused_and_its_connection_closed() {
    let sim = sim().await;
    for dialect in WRITTEN {
        let mut all = snapshot(vec![model(vec![echo("p", dialect, &sim)])]);
        all.defaults.timeouts.total = SHORT;
        let road = Road::start(all);
        let patient = Ask::new(dialect, "hi");
        for (ask, secs) in [
            (patient.clone(), "0.15"),
            (patient.header("x-bondgate-timeout-ms", "50"), "0.05"),
        ] {
            let fields = ask.headers.iter();
            let fields: String = fields
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let head = format!(
                "POST {} HTTP/1.1\r\nhost: gateway\r\n{fields}content-length: {}\r\n\r\n",
                ask.path,
                ask.body.len()
            );
            let mut line = Line::open(&road).await;
            line.write(head.as_bytes()).await;
            line.write(&ask.body[..ask.body.len() - 1]).await;
            // The client would keep the connection.
            let got = line.rest().await;
            assert_error(dialect, &got, 408, "slow_request");
            let why = format!("the body was not whole within {secs} s");
            assert!(got.message().contains(&why), "{}", got.text());
        }
        road.at_rest().await;
    }
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_given_up_and_named() {
    for fault in [
        json!("stall_before"),
        json!({ "stall_inside": { "after_events": 1 } }),
    ] {
        for (client, served) in PAIRS {
            let (silent, good) = (faulty(fault.clone()).await, sim().await);
            let mut own = model(vec![echo("a", served, &silent)]);
            own.timeouts.first_token = SHORT;
            let got = Ask::stream(client, "hi")
                .send(&Road::with(own.clone()))
                .await;
            assert_error(client, &got, 504, "timeout");
            assert!(got.message().contains("`first_token`"), "{}", got.text());
            assert_eq!(got.facts()["attempts"], 2);
            own.targets.push(echo("b", served, &good));
            let got = Ask::stream(client, "hi").send(&Road::with(own)).await;
            assert_eq!(got.said(), "hi");
        }
    }
}

#[tokio::test]
async fn a_whole_answer_knows_no_first_token() {
    for (client, served) in PAIRS {
        let slow = faulty(json!({ "slow": { "delay_ms": 400 } })).await;
        let road = timed(vec![echo("a", served, &slow)], |own| {
            own.timeouts.first_token = Duration::from_millis(20);
            own.timeouts.idle = Duration::from_millis(20);
        });
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        assert_eq!(got.header("x-bondgate-attempts"), "1");
    }
}

#[tokio::test]
async fn a_stream_that_stands_still_ends_in_a_failure_event_that_names_it() {
    for (client, served) in PAIRS {
        let still = faulty(json!({ "stall_inside": { "after_events": 10 } })).await;
        let talker = target(provider("a", served, still.addr()), "talker");
        let road = timed(vec![talker], |own| own.timeouts.idle = SHORT);
        let ask = Ask::stream(client, "[[chunks=40&bytes=6]]");
        let got = ask.send(&road).await;
        assert_failure_event(client, &got);
        assert_eq!(got.code(), "timeout");
        assert!(got.message().contains("`idle`"), "{}", got.text());
        assert_eq!(road.outcome().await, "broken");
        assert_eq!(still.ended(1).await, sim::Outcome::ClosedByPeer);
    }
}

#[tokio::test]
async fn pings_are_no_answer() {
    let messages = Dialect::AnthropicMessages;
    let stage = Stage::open().await;
    let road = timed(
        vec![target(provider("a", messages, stage.address), "x")],
        |own| {
            own.timeouts.idle = SHORT;
            own.retry.same_target = 0;
        },
    );
    let line = Ask::stream(messages, "hi").open(&road).await;
    let mut stream = stage.request().await;
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
    let block = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let opening = format!("{STREAM_HEAD}{}", chunk(&format!("{start}{block}")));
    stream.write_all(opening.as_bytes()).await.unwrap();
    let pinging = tokio::spawn(ping(stream));
    let got = line.rest().await;
    assert_failure_event(messages, &got);
    assert!(got.message().contains("`idle`"), "{}", got.text());
    pinging.await.unwrap();
}

/// Sends pings until the other side has gone.
async fn ping(mut stream: TcpStream) {
    let ping = chunk("event: ping\ndata: {\"type\": \"ping\"}\n\n");
    while stream.write_all(ping.as_bytes()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn all_attempts_together_have_a_bound() {
    for (client, served) in PAIRS {
        let silent = faulty(json!("stall_before")).await;
        let good = sim().await;
        let road = timed(
            vec![echo("a", served, &silent), echo("b", served, &good)],
            |own| own.timeouts.total = SHORT,
        );
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_error(client, &got, 504, "timeout");
            assert!(got.message().contains("`total`"), "{}", got.text());
        }
        assert!(good.seen().is_empty());
        assert_eq!(silent.ended(1).await, sim::Outcome::ClosedByPeer);
    }
}

#[tokio::test]
async fn a_stream_that_never_ends_is_ended_by_the_bound_of_all() {
    for (client, served) in PAIRS {
        let endless = sim().await;
        let talker = target(provider("a", served, endless.addr()), "talker");
        let ask = Ask::stream(client, "[[chunks=90000&bytes=6&gap_ms=10]]");
        let road = timed(vec![talker.clone()], |own| {
            own.timeouts.total = Duration::from_secs(1);
        });
        let got = ask.send(&road).await;
        assert_failure_event(client, &got);
        assert!(got.message().contains("`total`"), "{}", got.text());
        let road = Road::to(vec![talker]);
        let got = ask
            .header("x-bondgate-timeout-ms", "1000")
            .send(&road)
            .await;
        assert_failure_event(client, &got);
        assert!(got.message().contains("`total`"), "{}", got.text());
    }
}

#[tokio::test]
async fn a_client_may_ask_for_less_time_and_not_for_more() {
    for (client, served) in PAIRS {
        let silent = faulty(json!("stall_before")).await;
        let road = Road::to(vec![echo("a", served, &silent)]);
        let ask = Ask::new(client, "hi").header("x-bondgate-timeout-ms", "100");
        let got = ask.send(&road).await;
        assert_error(client, &got, 504, "timeout");
        assert!(got.message().contains("`total`"), "{}", got.text());
        let road = timed(vec![echo("a", served, &silent)], |own| {
            own.timeouts.total = SHORT;
        });
        let ask = Ask::new(client, "hi").header("x-bondgate-timeout-ms", "86400000");
        assert_error(client, &ask.send(&road).await, 504, "timeout");
    }
}

#[tokio::test]
async fn heads_before_the_head_do_not_buy_time() {
    let chat = Dialect::OpenaiChat;
    let endless = faulty(json!("informational")).await;
    let road = timed(vec![echo("a", chat, &endless)], |own| {
        own.timeouts.total = Duration::from_millis(400);
    });
    let got = Ask::new(chat, "hi").send(&road).await;
    let shown = got.text();
    assert!(matches!(got.status, 502 | 504), "{shown}");
    assert!(matches!(got.code().as_str(), "timeout" | "provider_failed"));
    road.at_rest().await;
}

fn soon_alive(targets: Vec<Arc<Target>>) -> Road {
    let timings = Timings {
        head_waits: Duration::from_millis(30),
        keep_alive: Duration::from_millis(30),
    };
    Road::tuned(snapshot(vec![model(targets)]), 512 << 20, timings)
}

fn sign(client: Dialect) -> &'static str {
    match client {
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("{WRITTEN:?} are asked for")
        }
        Dialect::OpenaiChat => ":",
        Dialect::AnthropicMessages => "event: ping",
    }
}

#[tokio::test]
async fn a_stream_that_begins_late_gets_its_head_then_signs_of_life_then_itself() {
    for (client, served) in PAIRS {
        let silent = faulty(json!("stall_before")).await;
        let good = sim().await;
        let timings = Timings {
            head_waits: Duration::from_millis(30),
            keep_alive: Duration::from_millis(30),
        };
        let mut own = model(vec![echo("a", served, &silent), echo("b", served, &good)]);
        own.timeouts.first_token = Duration::from_millis(600);
        let road = Road::tuned(snapshot(vec![own]), 512 << 20, timings);
        let mut line = Ask::stream(client, "hi").open(&road).await;
        let early = line
            .until(|got| {
                String::from_utf8_lossy(&got.body)
                    .matches(sign(client))
                    .count()
                    > 1
            })
            .await;
        assert_eq!(early.status, 200);
        assert_eq!(early.header("x-bondgate-request-id").len(), 26);
        assert_eq!(early.header("x-bondgate-target"), "");
        assert_eq!(early.header("cache-control"), "no-store");
        let got = line.rest().await;
        assert_eq!(got.said(), "hi", "{}", got.text());
        assert!(has_terminator(&got.body) && got.whole);
        assert_eq!(road.outcome().await, "answered");
    }
}

#[tokio::test]
async fn a_stream_that_fails_late_ends_in_a_failure_event() {
    for (client, served) in PAIRS {
        let stage = Stage::open().await;
        let mut own = model(vec![target(provider("a", served, stage.address), "x")]);
        own.retry.same_target = 0;
        let road = soon_alive(own.targets);
        let mut line = Ask::stream(client, "hi").open(&road).await;
        let mut stream = stage.request().await;
        line.until(|got| String::from_utf8_lossy(&got.body).contains(sign(client)))
            .await;
        let refusal = "HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"error\":{\"message\":\"bad\"}}";
        stream.write_all(refusal.as_bytes()).await.unwrap();
        let got = line.rest().await;
        assert_failure_event(client, &got);
        assert_eq!(got.code(), "provider_rejected", "{}", got.text());
        assert_eq!(road.outcome().await, "broken");
    }
}

#[tokio::test]
async fn a_stream_that_pauses_gets_signs_of_life() {
    for (client, served) in PAIRS {
        let still = faulty(json!({ "stall_inside": { "after_events": 10 } })).await;
        let talker = target(provider("a", served, still.addr()), "talker");
        let road = soon_alive(vec![talker]);
        let ask = Ask::stream(client, "[[chunks=40&bytes=6]]");
        let mut line = ask.open(&road).await;
        let got = line
            .until(|got| {
                let text = String::from_utf8_lossy(&got.body).into_owned();
                let mut last = text.trim_end().rsplit("\n\n");
                text.len() > 200
                    && last
                        .by_ref()
                        .take(2)
                        .all(|event| event.starts_with(sign(client)))
            })
            .await;
        assert!(!has_terminator(&got.body));
    }
}

#[tokio::test]
async fn a_whole_answer_never_gets_an_early_head() {
    for (client, served) in PAIRS {
        let slow = faulty(json!([{ "slow": { "delay_ms": 300 } }])).await;
        let bad = faulty(json!({ "status": { "status": 503 } })).await;
        let road = soon_alive(vec![echo("a", served, &bad), echo("b", served, &slow)]);
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        assert_eq!(got.header("x-bondgate-attempts"), "2");
    }
}
