//! Answers that break: hidden where the client has nothing yet, and never sold as whole ones.

use dialect::Dialect;
use http_body_util::BodyExt as _;
use policy::model::Recovery;
use serde_json::{Value, json};

use crate::asking::{Ask, assert_error, assert_failure_event, has_terminator};
use crate::harness::{PAIRS, Road, WRITTEN, faulty, model, provider, scripted, sim, soon, target};
use crate::puppet::Puppet;
use crate::road_gone::{http2, request};

/// A model that says forty pieces when asked to.
fn talker(name: &str, dialect: Dialect, sim: &sim::Sim) -> std::sync::Arc<policy::model::Target> {
    target(provider(name, dialect, sim.addr()), "talker")
}

const TALK: &str = "[[chunks=40&bytes=6]] talk";

/// Ways in which a whole answer breaks.
fn whole_breaks() -> Vec<Value> {
    vec![
        json!({ "cut": { "at_fraction": 0.5, "by": "fin" } }),
        json!({ "cut": { "at_fraction": 0.5, "by": "rst" } }),
        json!({ "cut": { "after_bytes": 0, "by": "fin" } }),
        json!({ "cut": { "at_fraction": 0.7, "clean": true } }),
        json!({ "bad_json": { "at_event": 0 } }),
        json!("empty"),
        json!({ "html": { "status": 200 } }),
        json!({ "garbage": { "at_event": 0 } }),
    ]
}

#[tokio::test]
async fn a_whole_answer_that_breaks_is_made_again_unseen() {
    for fault in whole_breaks() {
        for (client, served) in PAIRS {
            let (bad, good) = (faulty(fault.clone()).await, sim().await);
            let road = Road::to(vec![talker("a", served, &bad), talker("b", served, &good)]);
            let got = Ask::new(client, TALK).send(&road).await;
            let case = format!("{fault} {client:?} {served:?} {}", got.text());
            assert_eq!(got.status, 200, "{case}");
            assert!(got.said().len() >= 200, "{case}");
            assert_eq!(got.header("x-bondgate-attempts"), "2", "{case}");
            assert_eq!(road.outcome().await, "answered");
            road.at_rest().await;
        }
    }
}

#[tokio::test]
async fn a_whole_answer_is_made_again_on_the_same_target_where_there_is_no_other() {
    for (client, served) in PAIRS {
        let cut = json!({ "cut": { "at_fraction": 0.5 } });
        let sim = scripted(json!({ "rules": [{ "do": cut, "times": 1 }] })).await;
        let road = Road::to(vec![talker("a", served, &sim)]);
        let got = Ask::new(client, TALK).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(sim.seen().len(), 2);
    }
}

#[tokio::test]
async fn without_recovery_a_broken_whole_answer_is_an_error() {
    for fault in whole_breaks() {
        for (client, served) in PAIRS {
            let (bad, good) = (faulty(fault.clone()).await, sim().await);
            let mut own = model(vec![talker("a", served, &bad), talker("b", served, &good)]);
            own.recovery = Recovery::Off;
            let road = Road::with(own);
            let got = Ask::new(client, TALK).send(&road).await;
            assert_error(client, &got, 502, "provider_failed");
            assert_eq!(got.facts()["failures"][0]["kind"], "mid_stream", "{fault}");
            assert!(good.seen().is_empty());
            assert_eq!(road.outcome().await, "provider_failed");
        }
    }
}

/// Ways in which a stream breaks at an event: before it, or in its place.
fn stream_breaks(at: u64) -> Vec<Value> {
    vec![
        json!({ "cut": { "after_events": at, "by": "fin" } }),
        json!({ "cut": { "after_events": at, "by": "rst" } }),
        json!({ "cut": { "after_events": at, "clean": true } }),
        json!({ "error_event": { "after_events": at } }),
        json!({ "bad_json": { "at_event": at } }),
        json!({ "garbage": { "at_event": at } }),
    ]
}

#[tokio::test]
async fn a_stream_that_breaks_before_it_says_anything_is_made_again_unseen() {
    let never_begun = [
        json!("empty"),
        json!({ "html": { "status": 200 } }),
        json!("wrong_content_type"),
        json!({ "no_newline": { "mib": 17 } }),
    ];
    for fault in stream_breaks(1).into_iter().chain(never_begun) {
        for (client, served) in PAIRS {
            let (bad, good) = (faulty(fault.clone()).await, sim().await);
            let road = Road::to(vec![talker("a", served, &bad), talker("b", served, &good)]);
            let got = Ask::stream(client, TALK).send(&road).await;
            let case = format!("{fault} {client:?} {served:?} {}", got.text());
            assert_eq!(got.status, 200, "{case}");
            assert!(got.said().len() >= 200, "{case}");
            assert!(has_terminator(&got.body) && got.whole, "{case}");
            assert_eq!(got.header("x-bondgate-attempts"), "2", "{case}");
            assert!(got.text().matches("message_start").count() <= 2, "{case}");
            assert_eq!(road.outcome().await, "answered");
            road.at_rest().await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_it_said_something_ends_in_a_failure_event() {
    for fault in stream_breaks(12) {
        for (client, served) in PAIRS {
            let (bad, good) = (faulty(later(&fault)).await, sim().await);
            let road = Road::to(vec![talker("a", served, &bad), talker("b", served, &good)]);
            let got = Ask::stream(client, TALK).send(&road).await;
            let case = format!("{fault} {client:?} {served:?} {}", got.text());
            assert_eq!(got.status, 200, "{case}");
            assert!(!got.said().is_empty(), "{case}");
            assert_failure_event(client, &got);
            assert_eq!(got.code(), "provider_failed", "{case}");
            assert!(good.seen().is_empty(), "{case}");
            assert_eq!(road.outcome().await, "broken");
            road.at_rest().await;
        }
    }
}

#[tokio::test]
async fn a_failure_event_comes_before_its_stream_of_http2_is_reset() {
    let (bad, client) = (
        faulty(later(&json!({ "cut": { "after_events": 12 } }))).await,
        Dialect::Cohere,
    );
    let road = Road::to(vec![talker("a", client, &bad)]);
    let ask = Ask::stream(client, TALK);
    let mut sender = http2(&road).await;
    let response = soon(sender.send_request(request(&ask))).await.unwrap();
    let (mut body, mut told) = (response.into_body(), Vec::new());
    let end = loop {
        match soon(body.frame()).await {
            Some(Ok(frame)) => told.extend_from_slice(&frame.into_data().unwrap()),
            end => break end,
        }
    };
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("\"finish_reason\":\"ERROR\""), "{told}");
    assert!(matches!(end, Some(Err(_))), "{end:?} behind {told}");
    assert_eq!(road.outcome().await, "broken");
}

/// The fault, some time after the stream has said something.
fn later(fault: &Value) -> Value {
    json!([fault, { "stall_inside": { "after_events": 8, "ms": 200 } }])
}

#[tokio::test]
async fn a_providers_own_error_in_a_stream_is_told_in_its_words() {
    for (client, served) in PAIRS {
        let fault = json!({ "error_event": { "after_events": 12 } });
        let bad = faulty(later(&fault)).await;
        let road = Road::to(vec![talker("a", served, &bad)]);
        let got = Ask::stream(client, TALK).send(&road).await;
        assert_failure_event(client, &got);
        assert!(
            got.message().contains("the provider failed"),
            "{}",
            got.text()
        );
    }
}

#[tokio::test]
async fn no_cut_of_a_stream_looks_like_its_end() {
    for (client, served) in PAIRS {
        for by in ["fin", "rst", "clean"] {
            for tenth in 0..9 {
                let at = f64::from(tenth) / 10.0 + 0.013;
                let cut = if by == "clean" {
                    json!({ "at_fraction": at, "clean": true })
                } else {
                    json!({ "at_fraction": at, "by": by })
                };
                let bad = faulty(json!({ "cut": cut })).await;
                let mut own = model(vec![talker("a", served, &bad)]);
                own.recovery = Recovery::Off;
                let road = Road::with(own);
                let got = Ask::stream(client, TALK).send(&road).await;
                let case = format!("{client:?} {served:?} {by} {at} {}", got.text());
                assert!(!has_terminator(&got.body), "{case}");
                if got.status == 200 {
                    assert_failure_event(client, &got);
                } else {
                    assert_error(client, &got, 502, "provider_failed");
                }
                assert_ne!(road.outcome().await, "answered", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_a_body_that_only_closing_ends_is_never_whole_without_its_proof() {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let said = chunk("{\"role\":\"assistant\",\"content\":\"words\"}", "null");
    let finished = chunk("{}", "\"stop\"");
    for (tail, whole) in [
        (String::new(), false),
        ("data: [DONE]\n\n".to_owned(), true),
    ] {
        let bytes = format!("{head}{said}{finished}{tail}");
        let puppet = Puppet::saying(bytes.into_bytes()).await;
        for client in WRITTEN {
            let mut own = model(vec![target(
                provider("p", Dialect::OpenaiChat, puppet.address),
                "x",
            )]);
            own.recovery = Recovery::Off;
            let got = Ask::stream(client, "hi").send(&Road::with(own)).await;
            assert_eq!(has_terminator(&got.body), whole, "{}", got.text());
            if !whole {
                assert_failure_event(client, &got);
            }
        }
    }
}

#[tokio::test]
async fn an_error_in_an_answer_of_status_200_is_an_error() {
    let chat = r#"{"error":{"message":"no capacity","type":"server_error","code":null}}"#;
    let messages =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"no capacity"}}"#;
    for (client, served) in PAIRS {
        let body = match served {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => chat,
            Dialect::AnthropicMessages => messages,
        };
        for stream in [false, true] {
            let puppet = Puppet::answering(200, "application/json", body.as_bytes()).await;
            let good = sim().await;
            let bad = target(provider("a", served, puppet.address), "x");
            let road = Road::to(vec![bad.clone(), talker("b", served, &good)]);
            let got = Ask::either(client, stream, TALK).send(&road).await;
            assert_eq!(
                got.header("x-bondgate-target"),
                "b/talker",
                "{}",
                got.text()
            );
            let got = Ask::either(client, stream, TALK)
                .send(&Road::to(vec![bad]))
                .await;
            assert_error(client, &got, 502, "provider_failed");
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_compressed_unasked_is_not_passed_on() {
    for (client, served) in PAIRS {
        for (stream, kind) in [(false, "application/json"), (true, "text/event-stream")] {
            let more = "content-encoding: gzip\r\n";
            let puppet = Puppet::framed(200, kind, more, 9, b"\x1f\x8b\x08xxxxxx").await;
            let good = sim().await;
            let bad = target(provider("a", served, puppet.address), "x");
            let road = Road::to(vec![bad, talker("b", served, &good)]);
            let got = Ask::either(client, stream, TALK).send(&road).await;
            assert_eq!(got.header("x-bondgate-target"), "b/talker");
            let asked = puppet.requests().remove(0);
            assert!(asked.contains("accept-encoding: identity"), "{asked}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for (client, served) in PAIRS {
        let elsewhere = sim().await;
        let to = format!("{}/v1/chat/completions", elsewhere.url());
        let bad = faulty(json!({ "redirect": { "to": to } })).await;
        let road = Road::to(vec![talker("a", served, &bad)]);
        let got = Ask::new(client, TALK).send(&road).await;
        assert_error(client, &got, 400, "provider_rejected");
        assert!(elsewhere.seen().is_empty());
    }
}

#[tokio::test]
async fn many_choices_are_whole_only_when_each_has_ended() {
    let chat = Dialect::OpenaiChat;
    let good = sim().await;
    let road = Road::to(vec![talker("a", chat, &good)]);
    let ask = Ask::stream(chat, TALK).with("n", json!(3));
    let got = ask.send(&road).await;
    assert!(has_terminator(&got.body), "{}", got.text());
    let cut = faulty(json!({ "cut": { "at_fraction": 0.6 } })).await;
    let mut own = model(vec![talker("a", chat, &cut)]);
    own.recovery = Recovery::Off;
    let got = ask.send(&Road::with(own)).await;
    assert!(!has_terminator(&got.body), "{}", got.text());
}

#[tokio::test]
async fn the_rest_of_a_cut_event_is_not_passed_on() {
    let chat = Dialect::OpenaiChat;
    let said = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"words\"},\"finish_reason\":null}]}\n\n";
    for rest in [
        "d",
        "data",
        "data:",
        "data: ",
        "data: {",
        ": note",
        "\n",
        "event: x\n",
    ] {
        let body = format!("{said}{rest}");
        let puppet = Puppet::answering(200, "text/event-stream", body.as_bytes()).await;
        let mut own = model(vec![target(provider("p", chat, puppet.address), "x")]);
        own.recovery = Recovery::Off;
        own.retry.same_target = 0;
        for client in WRITTEN {
            let road = Road::with(own.clone());
            let got = Ask::stream(client, "hi").send(&road).await;
            if got.status != 200 {
                // Both came in one piece, so nothing had been said to the client.
                assert_error(client, &got, 502, "provider_failed");
                continue;
            }
            assert_failure_event(client, &got);
            if client == chat {
                let told = got.text();
                let told = told.strip_prefix(said).unwrap().trim_start();
                assert!(told.starts_with("data: {\"error\""), "{rest:?}: {told}");
            }
        }
    }
}
