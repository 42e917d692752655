//! Tokens of a request that is not answered: asked of the target's own counter, or estimated and said so.

use dialect::Dialect;
use policy::accounts::LimitSet;
use policy::limit::Resource;
use serde_json::{Value, json};

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{Road, echo, faulty, model, provider, sim, snapshot, target};
use crate::money;
use crate::puppet::Puppet;
use crate::speaking;

const TEXT: &str = "a text that is counted: grüße and on and on";

/// The dialects that have a word for it.
const COUNTING: [Dialect; 4] = [
    Dialect::AnthropicMessages,
    Dialect::OpenaiResponses,
    Dialect::Gemini,
    Dialect::BedrockConverse,
];

fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::AnthropicMessages => "/v1/messages/count_tokens",
        Dialect::OpenaiResponses => "/v1/responses/input_tokens",
        Dialect::Gemini => "/v1beta/models/m:countTokens",
        Dialect::BedrockConverse => "/model/m/count-tokens",
        Dialect::OpenaiChat | Dialect::Cohere => "/nowhere",
    }
}

fn count(dialect: Dialect, mut body: Value) -> Ask {
    match dialect {
        Dialect::AnthropicMessages => {
            body.as_object_mut().unwrap().remove("max_tokens");
        }
        Dialect::BedrockConverse => body = json!({ "input": { "converse": body } }),
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::OpenaiChat | Dialect::Cohere => {}
    }
    let ask = Ask::new(dialect, "").at(path(dialect));
    ask.raw(body.to_string())
}

fn usual(dialect: Dialect) -> Ask {
    let mut body = speaking::body(dialect, TEXT);
    speaking::tool(dialect, &mut body);
    count(dialect, body)
}

fn told(got: &Got) -> u64 {
    let body = got.json();
    let places = [
        &body["input_tokens"],
        &body["totalTokens"],
        &body["inputTokens"],
    ];
    let told = places.into_iter().find_map(Value::as_u64);
    told.unwrap_or_else(|| panic!("no count in {body}"))
}

fn is_estimate(got: &Got) -> bool {
    let (header, body) = (got.header("x-bondgate-estimate"), got.json());
    assert_eq!(
        header == "1",
        body["bondgate"]["estimate"] == true,
        "{body}"
    );
    header == "1"
}

#[tokio::test]
async fn the_targets_own_counter_has_the_word_and_what_is_estimated_says_so() {
    for client in COUNTING {
        for served in Dialect::ALL {
            let case = format!("{client:?} to {served:?}");
            let sim = sim().await;
            let road = Road::to(vec![echo("p", served, &sim)]);
            let got = usual(client).send(&road).await;
            assert_eq!(got.status, 200, "{case}: {}", got.text());
            assert_eq!(is_estimate(&got), !COUNTING.contains(&served), "{case}");
            assert!(told(&got) > 10, "{case}");
            assert_eq!(got.header("x-bondgate-model"), "m", "{case}");
            if !is_estimate(&got) {
                // What the same provider counts when it answers the same.
                let answered = Ask::new(client, TEXT).tool().send(&road).await;
                assert_eq!(answered.status, 200, "{case}: {}", answered.text());
                let billed = sim.bill().calls[0].input_tokens;
                assert_eq!(told(&got), billed, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_counts_in_another_dialect_is_asked_in_that() {
    for counts in COUNTING {
        for client in COUNTING {
            let sim = sim().await;
            let mut provider = provider("p", Dialect::OpenaiChat, sim.addr());
            speaking::root(counts).clone_into(&mut provider.base_path);
            if counts == Dialect::AnthropicMessages {
                provider.auth = policy::provider::Auth::Header("x-api-key");
            }
            provider.paths.counts = Some(counts);
            let road = Road::to(vec![target(provider, "echo")]);
            let got = usual(client).send(&road).await;
            assert_eq!(got.status, 200, "{client:?} {counts:?}: {}", got.text());
            assert!(!is_estimate(&got), "{client:?} {counts:?}");
            assert_eq!(got.header("x-bondgate-target"), "p/echo");
        }
    }
}

#[tokio::test]
async fn in_one_dialect_only_the_models_name_changes() {
    for dialect in COUNTING {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", dialect, &sim)]);
        let mut body = speaking::body(dialect, TEXT);
        match dialect {
            Dialect::AnthropicMessages => body["context_management"] = json!({ "edits": [] }),
            Dialect::OpenaiResponses => body["truncation"] = json!("disabled"),
            Dialect::Gemini => body["cachedContent"] = json!("cachedContents/1"),
            Dialect::BedrockConverse => body["additionalModelRequestFields"]["own"] = json!([1]),
            Dialect::OpenaiChat | Dialect::Cohere => {}
        }
        let ask = count(dialect, body);
        let sent: Value = serde_json::from_slice(&ask.body).unwrap();
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{dialect:?}: {}", got.text());
        let seen = &sim.seen()[0];
        let mut came: Value = serde_json::from_slice(&seen.body).unwrap();
        if came.get("model").is_some() {
            assert_eq!(came["model"], "echo");
            came["model"] = json!("m");
        }
        if dialect == Dialect::Gemini {
            let whole = &mut came["generateContentRequest"];
            assert_eq!(whole["model"].take(), "models/echo");
            whole.as_object_mut().unwrap().remove("model");
            came = whole.take();
        }
        assert_eq!(came, sent, "{dialect:?}");
    }
}

#[tokio::test]
async fn claudes_count_on_vertex_is_asked_for_by_its_own_path() {
    let path =
        "/v1/projects/p/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict";
    let client = Dialect::AnthropicMessages;
    for served in [client, Dialect::Gemini, Dialect::Cohere] {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let mut body = speaking::body(client, TEXT);
        body.as_object_mut().unwrap().remove("max_tokens");
        let plain = count(client, body.clone()).send(&road).await;
        body["anthropic_version"] = json!("vertex-2023-10-16");
        let ask = Ask::new(client, "").at(path).raw(body.to_string());
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{served:?}: {}", got.text());
        assert_eq!(got.json(), plain.json(), "{served:?}");
        let none = Ask::new(client, "").at(path).raw(r#"{"messages":[]}"#);
        assert_error(client, &none.send(&road).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn googles_request_may_stand_under_a_name_of_its_own() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::Gemini, &sim)]);
    let text = json!([{ "role": "user", "parts": [{ "text": TEXT }] }]);
    let plain = json!({ "contents": text });
    let whole = json!({ "generateContentRequest": { "model": "models/m", "contents": text } });
    let plain = count(Dialect::Gemini, plain).send(&road).await;
    let whole = count(Dialect::Gemini, whole).send(&road).await;
    assert_eq!(told(&plain), told(&whole));
    for seen in sim.seen() {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(body, json!({ "contents": text }));
    }
}

#[tokio::test]
async fn a_body_in_the_models_own_words_is_counted_where_they_are_known_else_estimated() {
    let body = r#"{"input":{"invokeModel":{"body":"eyJtZXNzYWdlcyI6W3sicm9sZSI6InVzZXIiLCJjb250ZW50IjoiaGkifV0sIm1heF90b2tlbnMiOjEsImFudGhyb3BpY192ZXJzaW9uIjoiYmVkcm9jay0yMDIzLTA1LTMxIn0="}}}"#;
    for served in [Dialect::BedrockConverse, Dialect::OpenaiChat] {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let ask = usual(Dialect::BedrockConverse).raw(body);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(is_estimate(&got), served == Dialect::OpenaiChat);
        assert!(told(&got) > 0);
    }
}

#[tokio::test]
async fn a_count_costs_nothing_and_is_entered() {
    for served in [Dialect::AnthropicMessages, Dialect::OpenaiChat] {
        let sim = sim().await;
        let mut snapshot = snapshot(vec![model(vec![echo("p", served, &sim)])]);
        // Nothing has a price here, so that a request that costs is refused.
        snapshot.limits = LimitSet::new(vec![money::budget("day", 1)]);
        let road = Road::start(snapshot);
        let got = usual(Dialect::AnthropicMessages).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let kept = road.ledger.refused().remove(0);
        assert_eq!(kept.operation, "count_tokens");
        assert_eq!((&*kept.outcome, kept.status), ("answered", 200));
        assert_eq!(kept.cost.0, 0);
        assert_eq!(&*kept.model, "m");
        assert_eq!(
            kept.attempts.len(),
            usize::from(served != Dialect::OpenaiChat)
        );
        assert!(road.ledger.dispatched().is_empty());
        assert!(sim.bill().calls.is_empty());
        road.at_rest().await;
    }
}

#[tokio::test]
async fn counts_are_requests_of_their_key() {
    let sim = sim().await;
    let mut snapshot = snapshot(vec![model(vec![echo("p", Dialect::Gemini, &sim)])]);
    let few = money::limit("few", Resource::Requests, 1);
    snapshot.limits = LimitSet::new(vec![few]);
    let road = Road::start(snapshot);
    let first = usual(Dialect::Gemini).send(&road).await;
    assert_eq!(first.status, 200, "{}", first.text());
    for dialect in COUNTING {
        let got = usual(dialect).send(&road).await;
        assert_error(dialect, &got, 429, "rate_limited");
    }
    let keyless = usual(Dialect::Gemini).without("x-goog-api-key");
    let keyless = keyless.send(&road).await;
    assert_error(Dialect::Gemini, &keyless, 401, "invalid_key");
    assert_eq!(sim.seen().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_clients_dialect() {
    for dialect in COUNTING {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", dialect, &sim)]);
        let got = usual(dialect).raw("{\"a\":").send(&road).await;
        assert_error(dialect, &got, 400, "invalid_request");
        let got = usual(dialect).raw("{}").send(&road).await;
        assert_error(dialect, &got, 400, "invalid_request");
        assert!(sim.seen().is_empty());
        let sim = faulty(json!({ "status": { "status": 400, "message": "not so" } })).await;
        let road = Road::to(vec![echo("p", dialect, &sim)]);
        let got = usual(dialect).send(&road).await;
        assert_error(dialect, &got, 400, "provider_rejected");
        assert!(got.message().contains("not so"), "{}", got.text());
    }
}

#[tokio::test]
async fn a_provider_that_has_no_such_path_is_estimated_and_a_failing_one_is_not() {
    let (client, served) = (Dialect::AnthropicMessages, Dialect::OpenaiResponses);
    for status in [404, 405, 501] {
        let none = Puppet::answering(status, "application/json", b"{}").await;
        let road = Road::to(vec![target(provider("p", served, none.address), "x")]);
        let got = usual(client).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(is_estimate(&got));
    }
    let failing = faulty(json!({ "status": { "status": 503 } })).await;
    let road = Road::to(vec![echo("p", served, &failing)]);
    let got = usual(client).send(&road).await;
    assert_error(client, &got, 502, "provider_failed");
    let sim = sim().await;
    let road = Road::to(vec![echo("p", served, &failing), echo("q", served, &sim)]);
    let got = usual(client).send(&road).await;
    assert!(!is_estimate(&got));
    assert_eq!(got.header("x-bondgate-target"), "q/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "2");
}

#[tokio::test]
async fn an_answer_without_a_count_is_no_count() {
    let served = Dialect::Gemini;
    for body in ["{}", r#"{"totalTokens":"many"}"#, "<html>", ""] {
        let puppet = Puppet::answering(200, "application/json", body.as_bytes()).await;
        let road = Road::to(vec![target(provider("p", served, puppet.address), "x")]);
        let got = usual(Dialect::Gemini).send(&road).await;
        assert_error(Dialect::Gemini, &got, 502, "provider_failed");
    }
}
