//! What shows a credential to a provider's own paths, and what those do not reach.

use std::collections::BTreeSet;
use std::sync::Arc;

use dialect::Dialect;
use policy::model::Target;
use policy::provider::Provider;
use policy::renewal::{Obtained, Recipe, Token};
use policy::secret::{ProviderKey, Secret};
use serde_json::json;

use crate::asking::{Ask, assert_error};
use crate::harness::{KEY, Road, add_key, faulty, key, model, sim, snapshot};
use crate::road_through::{get, house, listed, road};

const CHAT: Dialect = Dialect::OpenaiChat;

#[tokio::test]
async fn stored_answers_are_not_reached_round_those_who_made_them() {
    for dialect in [CHAT, Dialect::OpenaiResponses] {
        let sim = sim().await;
        let road = road(dialect, &sim);
        let body = json!({ "model": "echo", "input": [{ "id": "msg_of_somebody" }],
            "previous_response_id": "resp_of_somebody" });
        for (method, path) in [
            ("POST", "responses"),
            ("POST", "responses/input_tokens"),
            ("GET", "responses/resp_of_somebody"),
            ("DELETE", "responses/resp_of_somebody"),
        ] {
            let ask = get(&format!("/provider/p/v1/{path}")).by(method);
            let got = ask.raw(body.to_string()).send(&road).await;
            assert_error(dialect, &got, 403, "policy_refused");
        }
        assert!(sim.seen().is_empty());
    }
}

/// A provider with several credentials.
fn with_keys(address: std::net::SocketAddr, count: usize) -> Provider {
    let mut provider = listed(CHAT, address);
    let origin = provider.origin.clone();
    let named = |n: usize| {
        let secret = Secret::new(format!("sk-number-{n}-0123456789"));
        Arc::new(ProviderKey::new(format!("p/{n}"), secret, origin.clone()))
    };
    provider.keys = (0..count).map(named).collect();
    provider
}

#[tokio::test]
async fn what_passes_through_shows_the_first_credential_always() {
    let sim = sim().await;
    let road = Road::start(house(with_keys(sim.addr(), 5)));
    for _ in 0..12 {
        let got = get("/provider/p/v1/files").send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    for seen in sim.seen() {
        assert_eq!(
            seen.headers["authorization"],
            "Bearer sk-number-0-0123456789"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_refused_in_passing_is_renewed_before_its_time() {
    let sim = faulty(json!({ "status": { "status": 401 } })).await;
    let mut provider = listed(CHAT, sim.addr());
    let origin = provider.origin.clone();
    let key = ProviderKey::renewed("p".to_owned(), Recipe::GoogleMetadata, origin);
    let key = Arc::new(key);
    provider.keys = vec![Arc::clone(&key)];
    let renewal = key.renewal().unwrap();
    assert!(renewal.claim());
    let obtained = Obtained {
        token: Token::Bearer(Secret::new("fresh-token".to_owned())),
        at_ms: 0,
        expires_ms: None,
    };
    renewal.enter(Ok(obtained), 0);
    assert!(!renewal.is_due(5_000));
    let road = Road::start(house(provider));
    let got = get("/provider/p/v1/files").send(&road).await;
    assert_error(CHAT, &got, 502, "provider_failed");
    assert!(renewal.is_due(5_000));
}

#[tokio::test]
async fn nothing_passes_through_without_a_credential_where_one_is_due() {
    let spent = json!({ "status": { "status": 429, "code": "insufficient_quota" } });
    let sim = faulty(spent).await;
    let mut house = house(with_keys(sim.addr(), 1));
    let provider = Arc::clone(&house.providers["p"]);
    house = {
        let served = Arc::new(Target::new(provider, "echo".to_owned()));
        let mut rules = snapshot(vec![model(vec![served])]);
        rules.providers = house.providers;
        let mut key = key("default", KEY);
        key.passthrough = BTreeSet::from(["p".to_owned()]);
        add_key(&mut rules, key);
        rules
    };
    let road = Road::start(house);
    let got = Ask::new(CHAT, "hi").send(&road).await;
    assert!(got.status >= 400, "{}", got.text());
    let asked = sim.seen().len();
    let got = get("/provider/p/v1/chat/completions").by("POST");
    let got = got.raw(r#"{"model":"echo"}"#).send(&road).await;
    assert_error(CHAT, &got, 503, "no_target");
    assert!(!got.header("retry-after").is_empty(), "{got:?}");
    assert_eq!(sim.seen().len(), asked, "it was asked without a credential");
}
