//! Attempts that fail before the client has anything: who is asked next, and what is told in the end.

use std::sync::Arc;
use std::time::Duration;

use dialect::Dialect;
use policy::model::{Fallback, Recovery, Retry};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::asking::{Ask, assert_error, has_terminator};
use crate::harness::{
    PAIRS, Road, WRITTEN, echo, faulty, model, nobody, provider, scripted, sim, target,
};
use crate::puppet::Stage;

fn other(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("{WRITTEN:?} are asked for")
        }
        Dialect::OpenaiChat => Dialect::AnthropicMessages,
        Dialect::AnthropicMessages => Dialect::OpenaiChat,
    }
}

fn status(status: u16) -> Value {
    json!({ "status": { "status": status } })
}

/// The first target fails in that way; the second, of the other dialect, answers and nobody notices.
async fn goes_to_the_next(fault: Value) {
    for (client, served) in PAIRS {
        for stream in [false, true] {
            let (bad, good) = (faulty(fault.clone()).await, sim().await);
            let road = Road::to(vec![
                echo("a", served, &bad),
                echo("b", other(served), &good),
            ]);
            let got = Ask::either(client, stream, "hi").send(&road).await;
            let case = format!("{fault} {client:?} {served:?} {stream} {}", got.text());
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(got.said(), "hi", "{case}");
            assert_eq!(has_terminator(&got.body), stream, "{case}");
            assert_eq!(got.header("x-bondgate-attempts"), "2", "{case}");
            assert_eq!(got.header("x-bondgate-target"), "b/echo", "{case}");
            assert_eq!((bad.seen().len(), good.seen().len()), (1, 1));
            assert_eq!(road.outcome().await, "answered");
        }
    }
}

#[tokio::test]
async fn a_server_error_goes_to_the_next_target() {
    for code in [500, 503, 529] {
        goes_to_the_next(status(code)).await;
    }
}

#[tokio::test]
async fn a_rate_limit_goes_to_the_next_target() {
    goes_to_the_next(json!({ "status": { "status": 429, "retry_after": "30" } })).await;
}

#[tokio::test]
async fn a_used_up_quota_goes_to_the_next_target() {
    let quota = json!({ "status": { "status": 429, "code": "insufficient_quota" } });
    goes_to_the_next(quota).await;
    goes_to_the_next(status(402)).await;
}

#[tokio::test]
async fn a_refused_credential_goes_to_the_next_target() {
    for code in [401, 403] {
        goes_to_the_next(status(code)).await;
    }
}

#[tokio::test]
async fn a_model_that_is_gone_goes_to_the_next_target() {
    goes_to_the_next(status(404)).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_goes_to_the_next_target() {
    for by in ["fin", "rst"] {
        goes_to_the_next(json!({ "hang_up": { "by": by } })).await;
    }
    for code in [408, 502, 504] {
        goes_to_the_next(status(code)).await;
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_goes_to_the_next_target() {
    for (client, served) in PAIRS {
        let good = sim().await;
        let away = target(provider("a", served, nobody().await), "echo");
        let road = Road::to(vec![away, echo("b", other(served), &good)]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_eq!(got.said(), "hi");
            assert_eq!(got.header("x-bondgate-attempts"), "2");
        }
    }
}

#[tokio::test]
async fn an_error_whose_body_never_ends_goes_to_the_next_target() {
    let chat = Dialect::OpenaiChat;
    let (stage, good) = (Stage::open().await, sim().await);
    let road = Road::to(vec![
        target(provider("a", chat, stage.address), "x"),
        echo("b", chat, &good),
    ]);
    let line = Ask::new(chat, "hi").open(&road).await;
    let mut stream = stage.request().await;
    let head = "HTTP/1.1 503 X\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let got = line.rest().await;
    assert_eq!(got.said(), "hi", "{}", got.text());
    assert_eq!(got.header("x-bondgate-attempts"), "2");
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_asked_elsewhere() {
    for (client, served) in PAIRS {
        let said = "Invalid value for temperature";
        let fault = json!({ "status": { "status": 400, "message": said } });
        let (bad, good) = (faulty(fault).await, sim().await);
        let road = Road::to(vec![
            echo("a", served, &bad),
            echo("b", other(served), &good),
        ]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_error(client, &got, 400, "provider_rejected");
            assert!(got.message().contains(said), "{}", got.text());
            assert_eq!(got.header("x-should-retry"), "false");
            assert_eq!(got.facts()["fault"], "client");
        }
        assert!(good.seen().is_empty());
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_fails_over() {
    for (client, served) in PAIRS {
        let (bad, good) = (faulty(status(503)).await, sim().await);
        let away = target(provider("x", served, nobody().await), "any");
        let road = Road::to(vec![
            away,
            target(provider("a", other(served), bad.addr()), "any"),
            target(provider("b", served, good.addr()), "any"),
        ]);
        let ask = Ask::new(client, &"words ".repeat(1_700_000));
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("x-bondgate-attempts"), "3");
        assert!(good.seen().remove(0).body.len() > 10_000_000);
        road.at_rest().await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_goes_only_to_its_own_fallback() {
    diverts("context_length_exceeded", |fallback, to| {
        fallback.context_window = to;
    })
    .await;
}

#[tokio::test]
async fn refused_content_goes_only_to_its_own_fallback() {
    diverts("content_filter", |fallback, to| {
        fallback.content_policy = to;
    })
    .await;
}

type Targets = Vec<Arc<policy::model::Target>>;

async fn diverts(code: &str, set: impl Fn(&mut Fallback, Targets)) {
    let fault = json!({ "status": { "status": 400, "code": code } });
    let chat = Dialect::OpenaiChat;
    let (bad, plain, special) = (faulty(fault).await, sim().await, sim().await);
    let mut own = model(vec![echo("a", chat, &bad), echo("b", chat, &plain)]);
    own.fallback.failure = vec![echo("c", chat, &plain)];
    let without = Road::with(own.clone());
    set(
        &mut own.fallback,
        vec![echo("s", Dialect::AnthropicMessages, &special)],
    );
    let road = Road::with(own);
    for (client, _) in PAIRS {
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi", "{}", got.text());
        assert_eq!(got.header("x-bondgate-target"), "s/echo");
        let got = Ask::new(client, "hi").send(&without).await;
        assert_error(client, &got, 400, "provider_rejected");
    }
    assert!(plain.seen().is_empty());
}

#[tokio::test]
async fn a_fallback_for_failures_comes_last() {
    let chat = Dialect::OpenaiChat;
    let (bad, good) = (faulty(status(503)).await, sim().await);
    let mut own = model(vec![echo("a", chat, &bad), echo("b", chat, &bad)]);
    own.fallback.failure = vec![echo("c", Dialect::AnthropicMessages, &good)];
    let got = Ask::new(chat, "hi").send(&Road::with(own)).await;
    assert_eq!(got.header("x-bondgate-target"), "c/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "3");
}

#[tokio::test]
async fn the_same_target_is_tried_again_only_where_there_is_no_other() {
    let chat = Dialect::OpenaiChat;
    let once = json!({ "rules": [{ "do": status(503), "times": 1 }] });
    let alone = scripted(once.clone()).await;
    let got = Ask::new(chat, "hi")
        .send(&Road::to(vec![echo("a", chat, &alone)]))
        .await;
    assert_eq!(got.said(), "hi");
    assert_eq!(got.header("x-bondgate-attempts"), "2");

    let (first, second) = (scripted(once).await, sim().await);
    let road = Road::to(vec![echo("a", chat, &first), echo("b", chat, &second)]);
    let got = Ask::new(chat, "hi").send(&road).await;
    assert_eq!(got.header("x-bondgate-target"), "b/echo");
    assert_eq!(first.seen().len(), 1);
}

#[tokio::test]
async fn a_rate_limited_target_is_not_tried_again() {
    let chat = Dialect::OpenaiChat;
    let fault = json!({ "status": { "status": 429, "retry_after": "7" } });
    let alone = faulty(fault).await;
    let road = Road::to(vec![echo("a", chat, &alone)]);
    let got = Ask::new(chat, "hi").send(&road).await;
    assert_error(chat, &got, 502, "provider_failed");
    assert_eq!(got.header("retry-after"), "7");
    assert_eq!(got.facts()["retry_after_ms"], 7000);
    assert_eq!(alone.seen().len(), 1);
}

#[tokio::test]
async fn an_exhausted_plan_lists_the_failure_of_each_attempt() {
    for (client, served) in PAIRS {
        let (first, second) = (faulty(status(503)).await, faulty(status(401)).await);
        let away = target(provider("x", served, nobody().await), "echo");
        let road = Road::to(vec![
            away,
            echo("a", served, &first),
            echo("b", other(served), &second),
        ]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_error(client, &got, 502, "provider_failed");
            assert_eq!(got.header("x-bondgate-attempts"), "3");
            let facts = got.facts();
            assert_eq!(facts["fault"], "provider");
            assert_eq!(facts["attempts"], 3);
            let kinds: Vec<_> = facts["failures"]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| (f["target"].as_str().unwrap(), f["kind"].as_str().unwrap()))
                .collect();
            assert_eq!(
                kinds,
                [
                    ("x/echo", "not_sent"),
                    ("a/echo", "overloaded"),
                    ("b/echo", "credential")
                ]
            );
            assert_eq!(facts["failures"][1]["status"], 503);
            assert_eq!(got.header("x-should-retry"), "false");
        }
        let settled = road.settled(2).await;
        assert!(settled.iter().all(|s| s.outcome == "provider_failed"));
    }
}

#[tokio::test]
async fn no_more_attempts_are_made_than_allowed() {
    let chat = Dialect::OpenaiChat;
    let bad = faulty(status(503)).await;
    let targets = ["a", "b", "c"].map(|name| echo(name, chat, &bad));
    let mut own = model(targets.to_vec());
    own.retry.max_attempts = 2;
    let got = Ask::new(chat, "hi").send(&Road::with(own)).await;
    assert_error(chat, &got, 502, "provider_failed");
    assert_eq!(bad.seen().len(), 2);

    let mut own = model(vec![echo("a", chat, &bad)]);
    own.retry = Retry {
        same_target: 2,
        max_attempts: 9,
        backoff_initial: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
    };
    bad.reset();
    Ask::new(chat, "hi").send(&Road::with(own)).await;
    assert_eq!(bad.seen().len(), 3);
}

#[tokio::test]
async fn at_most_one_further_attempt_is_made_that_may_be_billed() {
    let faults = [
        json!({ "hang_up": {} }),
        json!({ "cut": { "at_fraction": 0.1 } }),
        json!("empty"),
    ];
    for fault in faults {
        for (client, served) in PAIRS {
            for stream in [false, true] {
                let bad = faulty(fault.clone()).await;
                let targets = ["a", "b", "c", "d"].map(|name| echo(name, served, &bad));
                let road = Road::to(targets.to_vec());
                let got = Ask::either(client, stream, "hi").send(&road).await;
                assert_error(client, &got, 502, "provider_failed");
                assert_eq!(bad.seen().len(), 2, "{fault} {}", got.text());
                assert!(bad.bill().call_count <= 2);
                assert_eq!(road.outcome().await, "provider_failed");
            }
        }
    }
}

#[tokio::test]
async fn a_lone_target_is_asked_once_more_after_a_break() {
    for (client, served) in PAIRS {
        let once = json!({ "rules": [{ "do": { "hang_up": {} }, "times": 1 }] });
        let sim = scripted(once).await;
        let road = Road::to(vec![echo("a", served, &sim)]);
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        assert_eq!(got.header("x-bondgate-attempts"), "2");
    }
}

#[tokio::test]
async fn without_recovery_nothing_is_sent_again_that_may_be_billed() {
    let chat = Dialect::OpenaiChat;
    let (bad, good) = (faulty(json!({ "hang_up": {} })).await, sim().await);
    let mut own = model(vec![echo("a", chat, &bad), echo("b", chat, &good)]);
    own.recovery = Recovery::Off;
    let got = Ask::new(chat, "hi").send(&Road::with(own.clone())).await;
    assert_error(chat, &got, 502, "provider_failed");
    assert!(good.seen().is_empty());

    own.targets = vec![
        target(provider("x", chat, nobody().await), "echo"),
        echo("b", chat, &good),
    ];
    let got = Ask::new(chat, "hi").send(&Road::with(own)).await;
    assert_eq!(got.said(), "hi");
}

#[tokio::test]
async fn what_broken_attempts_used_is_settled_too() {
    let messages = Dialect::AnthropicMessages;
    let cut = faulty(json!({ "cut": { "after_events": 1 } })).await;
    let good = sim().await;
    let road = Road::to(vec![echo("a", messages, &cut), echo("b", messages, &good)]);
    let got = Ask::stream(messages, "some words").send(&road).await;
    assert_eq!(got.said(), "some words");
    let settled = road.settled(1).await.remove(0);
    let billed = [cut.bill().calls, good.bill().calls].concat();
    assert_eq!(billed.len(), 2);
    let input: u64 = billed.iter().map(|call| call.input_tokens).sum();
    assert_eq!(settled.input_tokens, input);
    assert!(!settled.complete);
}

#[tokio::test]
async fn every_attempt_is_recorded_with_the_status_that_its_provider_gave() {
    for (client, served) in PAIRS {
        for stream in [false, true] {
            let (busy, cut) = (faulty(status(503)).await, nobody().await);
            let good = sim().await;
            let road = Road::to(vec![
                target(provider("a", served, cut), "echo"),
                echo("b", served, &busy),
                echo("c", served, &good),
            ]);
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_eq!(got.said(), "hi");
            let record = road.settled_record().await;
            let statuses = record.attempts.iter().map(|one| one.status);
            assert_eq!(statuses.collect::<Vec<_>>(), [0, 503, 200]);
        }
    }
}

#[tokio::test]
async fn where_a_provider_stands_is_told_to_operators_only() {
    let away = nobody().await;
    for (client, served) in PAIRS {
        let road = Road::to(vec![
            target(provider("a", served, away), "echo"),
            target(provider("b", served, away), "echo"),
        ]);
        let got = Ask::new(client, "hi").send(&road).await;
        assert_error(client, &got, 502, "provider_failed");
        let text = got.text();
        let port = away.port().to_string();
        assert!(
            !text.contains("127.0.0.1") && !text.contains(&port),
            "{text}"
        );
        assert!(text.contains("could not be sent"), "{text}");
        let record = road.settled_record().await;
        assert!(record.attempts.len() >= 2);
        for attempt in record.attempts {
            assert!(attempt.why.contains(&away.to_string()), "{}", attempt.why);
        }
    }
}
