//! Who may call what: keys wherever an SDK puts them, and the models they may call.

use std::sync::Arc;

use dialect::Dialect;
use policy::caller::Group;

use crate::asking::{Ask, assert_error};
use crate::harness::{KEY, PAIRS, Road, WRITTEN, add_key, echo, key, model, sim, snapshot};

const OTHER: &str = "bg-another-key-that-is-just-as-good-as-that";

fn keyless(dialect: Dialect) -> Ask {
    Ask::new(dialect, "hi")
        .without("authorization")
        .without("x-api-key")
}

async fn road() -> (sim::Sim, Road) {
    let sim = sim().await;
    let mut all = snapshot(vec![model(vec![echo("p", Dialect::OpenaiChat, &sim)])]);
    add_key(&mut all, key("other", OTHER));
    let road = Road::start(all);
    (sim, road)
}

fn signature(id: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
    )
}

#[tokio::test]
async fn a_key_is_found_wherever_an_sdk_puts_it() {
    let (_sim, road) = road().await;
    let bearer = format!("Bearer {KEY}");
    for client in WRITTEN {
        for (name, value) in [
            ("authorization", bearer.clone()),
            ("Authorization", format!("bearer {KEY}")),
            ("authorization", signature(KEY)),
            ("x-api-key", KEY.to_owned()),
            ("x-goog-api-key", KEY.to_owned()),
            ("api-key", KEY.to_owned()),
        ] {
            let got = keyless(client).header(name, &value).send(&road).await;
            assert_eq!(got.status, 200, "{name} {}", got.text());
        }
        let ask = keyless(client);
        let path = format!("{}?alt=sse&key={KEY}", ask.path);
        let got = ask.at(&path).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
}

#[tokio::test]
async fn two_different_keys_are_refused_and_the_same_one_twice_is_not() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let one = keyless(client).header("authorization", &format!("Bearer {KEY}"));
        let places = ["x-api-key", "x-goog-api-key", "api-key"];
        for place in places {
            let got = one.clone().header(place, KEY).send(&road).await;
            assert_eq!(got.status, 200, "{place}");
            let got = one.clone().header(place, OTHER).send(&road).await;
            assert_error(client, &got, 401, "invalid_key");
        }
        let path = format!("{}?key={OTHER}", one.path);
        let got = one.clone().at(&path).send(&road).await;
        assert_error(client, &got, 401, "invalid_key");
        let got = one
            .header("authorization", &format!("Bearer {OTHER}"))
            .send(&road)
            .await;
        assert_error(client, &got, 401, "invalid_key");
    }
    assert_eq!(sim.seen().len(), 6);
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused() {
    let sim = sim().await;
    let mut all = snapshot(vec![model(vec![echo("p", Dialect::OpenaiChat, &sim)])]);
    let mut expired = key("expired", OTHER);
    expired.expires_ms = Some(1_000);
    add_key(&mut all, expired);
    let road = Road::start(all);
    for client in WRITTEN {
        let with = |value: &str| keyless(client).header("x-api-key", value);
        for ask in [
            keyless(client),
            with("bg-nobody-has-ever-heard-of-this-key-at-all"),
            with(OTHER),
            with(""),
            with(&KEY[1..]),
            keyless(client).header("authorization", "Basic dTpw"),
            keyless(client).header("authorization", "Bearer"),
        ] {
            let got = ask.send(&road).await;
            assert_error(client, &got, 401, "invalid_key");
            assert_eq!(got.header("x-should-retry"), "false");
            assert!(!got.text().contains("bg-"), "{}", got.text());
        }
    }
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn the_keys_of_a_team_that_has_expired_are_refused_and_it_is_named() {
    let sim = sim().await;
    let mut all = snapshot(vec![model(vec![echo("p", Dialect::OpenaiChat, &sim)])]);
    let team = Group {
        name: "summer-school".into(),
        expires_ms: Some(1_000),
        ..Group::default()
    };
    let mut member = key("member", OTHER);
    member.team = Some(Arc::new(team));
    add_key(&mut all, member);
    let road = Road::start(all);
    for client in WRITTEN {
        let got = keyless(client).header("x-api-key", OTHER).send(&road).await;
        assert_error(client, &got, 401, "invalid_key");
        assert_eq!(got.header("x-should-retry"), "false");
        let why = "the team `summer-school` of this key has expired";
        assert!(got.text().contains(why), "{}", got.text());
    }
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn a_key_is_asked_for_before_anything_is_said_of_the_body() {
    let (_sim, road) = road().await;
    for client in WRITTEN {
        let got = keyless(client).raw("no json").send(&road).await;
        assert_error(client, &got, 401, "invalid_key");
    }
}

#[tokio::test]
async fn a_key_may_call_only_the_models_it_was_given() {
    let sim = sim().await;
    let serving = |name: &str| {
        let mut own = model(vec![echo("p", Dialect::OpenaiChat, &sim)]);
        own.name = (*name).into();
        own
    };
    let models = ["m", "fast-summary", "smart"].map(serving);
    let mut all = snapshot(models.to_vec());
    let mut narrow = key("narrow", OTHER);
    narrow.models = Some(vec!["fast-summary".to_owned()]);
    add_key(&mut all, narrow);
    let road = Road::start(all);
    for client in WRITTEN {
        let ask = keyless(client).header("x-api-key", OTHER);
        let got = ask.clone().with("model", "fast-summary".into());
        assert_eq!(got.send(&road).await.said(), "hi");
        let got = ask.clone().with("model", "smart".into());
        assert_error(client, &got.send(&road).await, 403, "model_not_allowed");
        let list = ask.clone().by("GET").raw("").at("/v1/models");
        let list = list.send(&road).await.json();
        let ids: Vec<_> = list["data"].as_array().unwrap().iter().collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(ids[0]["id"], "fast-summary");
        let one = |id: &str| {
            ask.clone()
                .by("GET")
                .raw("")
                .at(&format!("/v1/models/{id}"))
        };
        let got = one("fast-summary").send(&road).await;
        assert_eq!(&got.json(), ids[0]);
        for id in ["smart", "m"] {
            assert_error(client, &one(id).send(&road).await, 404, "model_not_found");
        }
        // What is near and not its own is not told.
        let got = ask.with("model", "smarty".into()).send(&road).await;
        assert_error(client, &got, 404, "model_not_found");
        assert!(!got.message().contains("near"), "{}", got.text());
    }
}

#[tokio::test]
async fn a_model_asked_for_by_name_may_be_a_target_or_have_a_slash() {
    let sim = sim().await;
    let mut own = model(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    own.name = "team/fast".into();
    own.description = Some("For summaries".to_owned());
    let mut all = snapshot(vec![own]);
    let provider = all.models["team/fast"].targets[0].provider.clone();
    all.providers.insert(provider.name.clone(), provider);
    let mut direct = key("direct", OTHER);
    direct.direct = true;
    add_key(&mut all, direct);
    let road = Road::start(all);
    for client in WRITTEN {
        let ask = keyless(client).by("GET").raw("");
        let with = |key: &str, path: &str| ask.clone().header("x-api-key", key).at(path);
        for path in ["/v1/models/team/fast", "/v1/models/team%2Ffast"] {
            let got = with(KEY, path).send(&road).await;
            assert_eq!(got.json()["id"], "team/fast", "{}", got.text());
        }
        let got = with(OTHER, "/v1/models/p/any%3Athing").send(&road).await;
        assert_eq!(got.json()["id"], "p/any:thing", "{}", got.text());
        let got = with(KEY, "/v1/models/p/any").send(&road).await;
        assert_error(client, &got, 404, "model_not_found");
    }
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn an_unknown_model_is_told_with_those_near_it() {
    let sim = sim().await;
    let mut own = model(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    own.name = "fast-summary".into();
    let road = Road::start(snapshot(vec![own]));
    for client in WRITTEN {
        let ask = Ask::new(client, "hi").with("model", "fast-sumary".into());
        let got = ask.send(&road).await;
        assert_error(client, &got, 404, "model_not_found");
        assert!(got.message().contains("fast-summary"), "{}", got.text());
        assert_eq!(got.facts()["near"][0], "fast-summary");
        let ask = Ask::new(client, "").by("GET").raw("");
        let got = ask.at("/v1/models/fast-sumary").send(&road).await;
        assert_error(client, &got, 404, "model_not_found");
        assert_eq!(got.facts()["near"][0], "fast-summary");
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_name_is_compared_however_long_it_is() {
    let sim = sim().await;
    let mut own = model(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    own.name = "fast-summary".into();
    let road = Road::start(snapshot(vec![own]));
    for first in ["", "x"] {
        let name = format!("{first}{}fast-summary", "é".repeat(100_000));
        for client in WRITTEN {
            let ask = Ask::new(client, "hi").with("model", name.as_str().into());
            let got = ask.send(&road).await;
            assert_error(client, &got, 404, "model_not_found");
            assert!(!got.message().contains("near"), "{}", got.text());
            assert!(got.text().len() < 2000, "{} bytes", got.text().len());
        }
    }
}

#[tokio::test]
async fn a_providers_own_model_is_for_keys_that_may_go_there_directly() {
    let sim = sim().await;
    let mut all = snapshot(vec![model(vec![echo("p", Dialect::OpenaiChat, &sim)])]);
    let mut direct = key("direct", OTHER);
    direct.direct = true;
    add_key(&mut all, direct);
    let road = Road::start(all);
    for client in WRITTEN {
        let ask = |secret: &str, name: &str| {
            let ask = keyless(client).header("x-api-key", secret);
            ask.with("model", name.into())
        };
        let got = ask(OTHER, "p/echo").send(&road).await;
        assert_eq!(got.said(), "hi", "{}", got.text());
        assert_eq!(got.header("x-bondgate-target"), "p/echo");
        let got = ask(OTHER, "p/meta-llama/Llama-3").send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "p/meta-llama/Llama-3");
        let got = ask(KEY, "p/echo").send(&road).await;
        assert_error(client, &got, 403, "model_not_allowed");
        for unknown in ["q/echo", "p/", "/echo"] {
            let got = ask(OTHER, unknown).send(&road).await;
            assert_error(client, &got, 404, "model_not_found");
        }
    }
}

#[tokio::test]
async fn a_refused_request_reaches_no_provider_and_no_ledger() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let got = keyless(client).send(&road).await;
        assert_eq!(got.status, 401);
        let got = Ask::new(client, "hi").with("model", "n".into());
        assert_eq!(got.send(&road).await.status, 404);
        assert!(sim.seen().is_empty());
        assert!(road.ledger.dispatched().is_empty());
        assert!(road.ledger.settled().is_empty());
    }
}
