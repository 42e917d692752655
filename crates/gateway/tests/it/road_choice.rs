//! What earlier requests found decides whom later ones ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dialect::Dialect;
use policy::health::BreakerRules;
use policy::model::{Balance, Model, Sticky, Target};
use policy::secret::{ProviderKey, Secret};
use serde_json::{Value, json};

use crate::asking::{Ask, assert_error};
use crate::harness::{
    Road, credential, echo, faulty, model, nobody, provider, scripted, sim, soon, target, until,
};

const CHAT: Dialect = Dialect::OpenaiChat;

fn status(status: u16) -> Value {
    json!({ "status": { "status": status } })
}

/// Opens after two failures, for a moment.
fn quick() -> BreakerRules {
    BreakerRules {
        failures: 2,
        open: Duration::from_secs(3),
        ..BreakerRules::default()
    }
}

/// What the exchange's record says of the choice.
fn decision(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_target_that_fails_is_left_alone_and_tried_again_by_one_request() {
    let once = json!({ "rules": [{ "do": status(503), "times": 2 }] });
    let (first, second) = (scripted(once).await, sim().await);
    let mut own = model(vec![echo("a", CHAT, &first), echo("b", CHAT, &second)]);
    own.breaker = quick();
    let road = Road::with(own);
    for attempts in ["2", "2", "1", "1"] {
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        assert_eq!(got.header("x-bondgate-attempts"), attempts);
        assert_eq!(got.header("x-bondgate-target"), "b/echo");
    }
    assert_eq!(first.seen().len(), 2);
    let record = road.ledger.closed().remove(2);
    let excluded = &decision(&record.decision)["excluded"][0];
    assert_eq!(
        (&excluded["target"], &excluded["by"]),
        (&json!("a/echo"), &json!("breaker_open"))
    );
    let back = async {
        loop {
            let got = Ask::new(CHAT, "hi").send(&road).await;
            if got.header("x-bondgate-target") == "a/echo" {
                break;
            }
        }
    };
    soon(back).await;
    assert_eq!(first.seen().len(), 3);
}

#[tokio::test]
async fn when_every_target_is_down_few_tries_are_made_and_clients_are_told_when_to_return() {
    let bad = faulty(status(503)).await;
    let targets = ["a", "b"].map(|name| echo(name, CHAT, &bad)).to_vec();
    let mut own = model(targets);
    own.targets
        .push(target(provider("c", CHAT, nobody().await), "x"));
    let road = Road::with(own);
    let (requests, mut last) = (100, None);
    for _ in 0..requests {
        let got = Ask::new(CHAT, "hi").send(&road).await;
        match got.status {
            502 => {}
            503 => last = Some(got),
            _ => panic!("{}", got.text()),
        }
    }
    let tries: usize = bad.seen().len();
    assert!(
        tries as f64 <= f64::from(requests) * 1.2,
        "{tries} of {requests}"
    );
    let last = last.unwrap();
    assert_error(CHAT, &last, 503, "no_target");
    let wait: u64 = last.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let excluded = &last.facts()["excluded"];
    assert_eq!(excluded.as_array().unwrap().len(), 3, "{excluded}");
    assert!(
        last.message().contains("a/echo (breaker_open)"),
        "{}",
        last.text()
    );
}

#[tokio::test]
async fn a_caller_without_patience_closes_no_target_to_others() {
    let slow = faulty(json!({ "slow": { "delay_ms": 400 } })).await;
    let mut own = model(vec![echo("a", CHAT, &slow)]);
    own.breaker = quick();
    let road = Road::with(own);
    for _ in 0..4 {
        let hasty = Ask::new(CHAT, "hi").header("x-bondgate-timeout-ms", "60");
        assert_error(CHAT, &hasty.send(&road).await, 504, "timeout");
    }
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
}

/// Opens where half of two tries failed.
fn strict() -> BreakerRules {
    BreakerRules {
        minimum: 2,
        ..BreakerRules::default()
    }
}

#[tokio::test]
async fn a_stream_that_its_own_caller_cuts_short_closes_no_target_to_others() {
    let stalls = json!({ "stall_inside": { "after_events": 3 } });
    let once = json!({ "rules": [{ "do": stalls, "times": 4 }] });
    let slow = scripted(once).await;
    let mut own = model(vec![echo("a", CHAT, &slow)]);
    own.breaker = strict();
    let road = Road::with(own);
    for _ in 0..4 {
        let hasty = Ask::either(CHAT, true, "one two three four");
        let hasty = hasty.header("x-bondgate-timeout-ms", "150");
        let got = hasty.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(got.text().contains("`total` timeout"), "{}", got.text());
    }
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
}

/// A request that names a file which its provider may keep.
fn with_file() -> Ask {
    let file = json!({ "type": "file", "file": { "file_id": "file-none" } });
    let said = json!([{ "role": "user", "content": [{ "type": "text", "text": "hi" }, file] }]);
    Ask::new(CHAT, "hi").with("messages", said)
}

#[tokio::test]
async fn a_file_that_one_caller_names_closes_neither_target_nor_credential_to_others() {
    for code in [403, 404] {
        let said = r#"{"error":{"message":"No such file: file-none","type":"x"}}"#;
        let refusal = json!({ "status": { "status": code, "body": said } });
        let refusing = json!({ "rules": [{ "do": refusal, "times": 4 }] });
        let strict_one = scripted(refusing).await;
        let mut own = model(vec![echo("a", CHAT, &strict_one)]);
        own.breaker = quick();
        let road = Road::with(own);
        for _ in 0..4 {
            let got = with_file().send(&road).await;
            assert_error(CHAT, &got, 502, "provider_failed");
        }
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_eq!(got.said(), "hi", "{code}: {}", got.text());
    }
}

#[tokio::test]
async fn a_credential_that_is_forbidden_what_anybody_may_ask_is_put_aside() {
    let strict_one = faulty(status(403)).await;
    let road = Road::to(vec![echo("a", CHAT, &strict_one)]);
    for _ in 0..3 {
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_error(CHAT, &got, 502, "provider_failed");
    }
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert_error(CHAT, &got, 503, "no_target");
}

#[tokio::test]
async fn an_absurd_retry_after_takes_no_target_out_for_ever() {
    for absurd in ["999999999999", "Wed, 01 Jan 9997 00:00:00 GMT", "1e300"] {
        let fault = json!({ "status": { "status": 429, "retry_after": absurd } });
        let alone = faulty(fault).await;
        let road = Road::to(vec![echo("a", CHAT, &alone)]);
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_error(CHAT, &got, 502, "provider_failed");
        let told: u64 = got.header("retry-after").parse().unwrap();
        assert!((1..=86_400).contains(&told), "{absurd}: {told}");
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_error(CHAT, &got, 503, "no_target");
        let told: u64 = got.header("retry-after").parse().unwrap();
        assert!((1..=3_600).contains(&told), "{absurd}: {told}");
        assert_eq!(alone.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_is_limited_for_a_moment_is_waited_for_where_nobody_else_serves() {
    let fault = json!({ "status": { "status": 429, "headers": { "retry-after-ms": "120" } } });
    let once = json!({ "rules": [{ "do": fault, "times": 1 }] });
    let alone = scripted(once.clone()).await;
    let road = Road::to(vec![echo("a", CHAT, &alone)]);
    let began = Instant::now();
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
    assert!(began.elapsed() >= Duration::from_millis(120));
    assert_eq!(got.header("x-bondgate-attempts"), "2");

    // Not where the client has no time for it.
    let alone = scripted(once).await;
    let road = Road::to(vec![echo("a", CHAT, &alone)]);
    let ask = Ask::new(CHAT, "hi").header("x-bondgate-timeout-ms", "100");
    let got = ask.send(&road).await;
    assert_error(CHAT, &got, 502, "provider_failed");
    assert_eq!(alone.seen().len(), 1);
}

#[tokio::test]
async fn a_limit_of_which_nothing_remains_is_not_tried_until_it_is_renewed() {
    let headers =
        json!({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s" });
    let body = json!({ "id": "x", "object": "chat.completion", "created": 1, "model": "echo", "choices": [
        { "index": 0, "message": { "role": "assistant", "content": "last" }, "finish_reason": "stop" }] });
    let last = json!({ "status": { "status": 200, "headers": headers, "body": body.to_string() } });
    let (first, second) = (faulty(last).await, sim().await);
    let road = Road::to(vec![echo("a", CHAT, &first), echo("b", CHAT, &second)]);
    assert_eq!(Ask::new(CHAT, "hi").send(&road).await.said(), "last");
    for _ in 0..3 {
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_eq!(
            (got.said(), got.header("x-bondgate-attempts")),
            ("hi".to_owned(), "1")
        );
    }
    assert_eq!(first.seen().len(), 1);
}

/// A target of a provider with two credentials.
fn with_two_keys(sim: &sim::Sim) -> Arc<Target> {
    let mut provider = provider("p", CHAT, sim.addr());
    let key = |n: u8| {
        let secret = Secret::new(format!("sk-number-{n}-0123456789"));
        Arc::new(ProviderKey::new(
            format!("p-{n}"),
            secret,
            provider.origin.clone(),
        ))
    };
    provider.keys = vec![key(1), key(2)];
    target(provider, "echo")
}

fn shown(sim: &sim::Sim) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    for seen in sim.seen() {
        let key = seen.headers["authorization"].to_str().unwrap().to_owned();
        *shown.entry(key).or_default() += 1;
    }
    shown
}

fn refusing_the_first(status: &Value) -> Value {
    let first = json!({ "authorization": "Bearer sk-number-1-0123456789" });
    json!({ "rules": [{ "when": { "header": first }, "do": { "status": status } }] })
}

#[tokio::test]
async fn a_used_up_credential_is_shown_once_and_the_other_serves() {
    for used_up in [
        json!({ "status": 429, "code": "insufficient_quota" }),
        json!({ "status": 402 }),
    ] {
        let sim = scripted(refusing_the_first(&used_up)).await;
        let road = Road::to(vec![with_two_keys(&sim)]);
        for _ in 0..40 {
            assert_eq!(Ask::new(CHAT, "hi").send(&road).await.said(), "hi");
        }
        assert_eq!(shown(&sim)["Bearer sk-number-1-0123456789"], 1);
    }
}

#[tokio::test]
async fn a_credential_that_is_refused_three_times_is_put_aside() {
    let sim = scripted(refusing_the_first(&json!({ "status": 401 }))).await;
    let road = Road::to(vec![with_two_keys(&sim)]);
    for _ in 0..60 {
        assert_eq!(Ask::new(CHAT, "hi").send(&road).await.said(), "hi");
    }
    assert_eq!(shown(&sim)["Bearer sk-number-1-0123456789"], 3);

    let all = faulty(status(401)).await;
    let road = Road::to(vec![echo("a", CHAT, &all)]);
    for _ in 0..3 {
        let got = Ask::new(CHAT, "hi").send(&road).await;
        assert_error(CHAT, &got, 502, "provider_failed");
    }
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert_error(CHAT, &got, 503, "no_target");
    assert!(
        got.message().contains("credential_quarantined"),
        "{}",
        got.text()
    );
    assert!(!got.text().contains(&credential("a")));
    assert_eq!(all.seen().len(), 3);
}

#[tokio::test]
async fn what_a_library_sends_again_is_not_tried_again_here_too() {
    for (count, tries) in [("0", 2), ("1", 1), ("7", 1)] {
        let bad = faulty(status(503)).await;
        let road = Road::to(vec![echo("a", CHAT, &bad)]);
        let ask = Ask::new(CHAT, "hi").header("x-stainless-retry-count", count);
        let got = ask.send(&road).await;
        assert_error(CHAT, &got, 502, "provider_failed");
        assert_eq!(bad.seen().len(), tries, "{count}");
    }
    let (bad, good) = (faulty(status(503)).await, sim().await);
    let road = Road::to(vec![echo("a", CHAT, &bad), echo("b", CHAT, &good)]);
    let ask = Ask::new(CHAT, "hi").header("x-stainless-retry-count", "1");
    assert_eq!(ask.send(&road).await.said(), "hi");
}

#[tokio::test]
async fn what_a_provider_does_beside_its_answer_is_not_asked_for_twice() {
    let responses = Dialect::OpenaiResponses;
    let (bad, good) = (faulty(json!({ "hang_up": {} })).await, sim().await);
    let road = Road::to(vec![
        echo("a", responses, &bad),
        echo("b", responses, &good),
    ]);
    let search = json!([{ "type": "web_search" }]);
    let got = Ask::new(responses, "hi")
        .with("tools", search)
        .send(&road)
        .await;
    assert_error(responses, &got, 502, "provider_failed");
    assert_eq!((bad.seen().len(), good.seen().len()), (1, 0));
}

#[tokio::test]
async fn what_a_provider_runs_or_keeps_is_asked_for_once_in_every_dialect() {
    let messages = Dialect::AnthropicMessages;
    let hosted = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    let servers = json!([{ "type": "url", "url": "https://x.example", "name": "x" }]);
    let asks = [
        (messages, Ask::new(messages, "hi").with("tools", hosted)),
        (
            messages,
            Ask::new(messages, "hi").with("mcp_servers", servers),
        ),
        (
            CHAT,
            Ask::new(CHAT, "hi").with("tools", json!([{ "type": "browser_search" }])),
        ),
        (
            CHAT,
            Ask::new(CHAT, "hi").with("web_search_options", json!({})),
        ),
        (CHAT, with_file()),
        (
            Dialect::OpenaiResponses,
            Ask::new(Dialect::OpenaiResponses, "hi").with("store", json!(true)),
        ),
    ];
    for (dialect, ask) in asks {
        let (bad, good) = (faulty(json!({ "hang_up": {} })).await, sim().await);
        let road = Road::to(vec![echo("a", dialect, &bad), echo("b", dialect, &good)]);
        let got = ask.send(&road).await;
        assert_error(dialect, &got, 502, "provider_failed");
        assert_eq!((bad.seen().len(), good.seen().len()), (1, 0));
    }
}

fn balanced(balance: Balance, targets: Vec<Arc<Target>>) -> Model {
    Model {
        balance,
        ..model(targets)
    }
}

#[tokio::test]
async fn a_slow_target_loses_its_traffic() {
    let slow = faulty(json!({ "slow": { "delay_ms": 800 } })).await;
    let quick = faulty(json!({ "slow": { "delay_ms": 8 } })).await;
    for balance in [Balance::LeastLatency, Balance::LeastBusy] {
        slow.reset();
        quick.reset();
        let targets = vec![echo("slow", CHAT, &slow), echo("quick", CHAT, &quick)];
        let road = Road::with(balanced(balance, targets));
        let road = &road;
        let clients = (0..8).map(|_| async {
            for _ in 0..25 {
                assert_eq!(Ask::new(CHAT, "hi").send(road).await.said(), "hi");
            }
        });
        futures_of(clients).await;
        let (slow, all) = (slow.seen().len(), 200);
        assert_eq!(slow + quick.seen().len(), all);
        // Whoever has few slots is asked less; whoever is measured hardly at all.
        let share = if balance == Balance::LeastLatency {
            20
        } else {
            4
        };
        assert!(slow * share <= all, "{slow} of {all} to the slow one");
    }
}

/// Waits for all of them at once.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_keeps_to_its_target_where_the_model_says_so() {
    let sims = [sim().await, sim().await, sim().await];
    let targets = ["a", "b", "c"].iter().zip(&sims);
    let targets = targets.map(|(name, sim)| echo(name, CHAT, sim)).collect();
    let mut own = balanced(Balance::Weighted, targets);
    own.sticky = Some(Sticky::Key);
    let road = Road::with(own);
    for _ in 0..30 {
        assert_eq!(Ask::new(CHAT, "hi").send(&road).await.said(), "hi");
    }
    let mut counts = sims.each_ref().map(|sim| sim.seen().len());
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 30]);
}

/// A conversation of so many turns.
fn turns(topic: usize, count: usize) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": "You help." })];
    for turn in 0..count {
        messages.push(json!({ "role": "user", "content": format!("topic {topic}, turn {turn}") }));
        if turn + 1 < count {
            messages.push(json!({ "role": "assistant", "content": "said" }));
        }
    }
    Value::Array(messages)
}

#[tokio::test]
async fn a_conversation_goes_back_to_the_target_that_answered_it() {
    let (a, b) = (sim().await, sim().await);
    let targets = vec![echo("a", CHAT, &a), echo("b", CHAT, &b)];
    let road = Road::with(balanced(Balance::Weighted, targets));
    for topic in 0..12 {
        let mut served = Vec::new();
        for count in 1..5 {
            let ask = Ask::new(CHAT, "").with("messages", turns(topic, count));
            let got = ask.send(&road).await;
            assert_eq!(got.status, 200, "{}", got.text());
            served.push(got.header("x-bondgate-target").to_owned());
        }
        assert!(served.iter().all(|one| *one == served[0]), "{served:?}");
    }
    until("all turns are counted", || {
        road.shared.choice.affinity.turns() == (36, 36)
    })
    .await;
    assert!(!a.seen().is_empty() && !b.seen().is_empty());

    // Unless that target is not well.
    let dead = faulty(status(503)).await;
    let targets = vec![echo("x", CHAT, &dead), echo("b", CHAT, &b)];
    let mut own = balanced(Balance::Weighted, targets);
    own.breaker = quick();
    let road = Road::with(own);
    for count in 1..9 {
        let ask = Ask::new(CHAT, "").with("messages", turns(99, count));
        assert_eq!(ask.send(&road).await.header("x-bondgate-target"), "b/echo");
    }
}

#[tokio::test]
async fn the_same_question_of_many_is_no_conversation() {
    let (a, b) = (sim().await, sim().await);
    let targets = vec![echo("a", CHAT, &a), echo("b", CHAT, &b)];
    let road = Road::with(balanced(Balance::Weighted, targets));
    for _ in 0..60 {
        assert_eq!(Ask::new(CHAT, "hi").send(&road).await.said(), "hi");
    }
    // By chance one is left out about once in 10^18 runs.
    assert!(!a.seen().is_empty() && !b.seen().is_empty());
}
