//! Lists of models: what the key may call, in the form that each dialect's libraries read.

use std::sync::Arc;

use dialect::Dialect;
use serde_json::Value;

use crate::asking::{Ask, Got};
use crate::harness::{KEY, Road, add_key, echo, key, model, provider, sim, snapshot, target};
use crate::money;

async fn get(road: &Road, dialect: Dialect, path: &str) -> Got {
    let ask = Ask::new(dialect, "").by("GET").at(path).raw("");
    let name = if dialect == Dialect::Cohere {
        "cohere"
    } else {
        ""
    };
    let ask = ask.header("x-fern-sdk-name", name);
    let got = ask.send(road).await;
    assert_eq!(got.status, 200, "{path}: {}", got.text());
    got
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let each = list.as_array().unwrap().iter();
    each.map(|one| one[name].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn each_dialect_lists_in_its_own_form() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    for (dialect, path, list, name, told) in [
        (Dialect::OpenaiChat, "/v1/models", "data", "id", "m"),
        (Dialect::AnthropicMessages, "/v1/models", "data", "id", "m"),
        (
            Dialect::Gemini,
            "/v1beta/models",
            "models",
            "name",
            "models/m",
        ),
        (Dialect::Gemini, "/v1/models", "models", "name", "models/m"),
        (Dialect::Cohere, "/v1/models", "models", "name", "m"),
        (
            Dialect::BedrockConverse,
            "/inference-profiles",
            "inferenceProfileSummaries",
            "inferenceProfileId",
            "m",
        ),
    ] {
        let whole = get(&road, dialect, path).await.json();
        assert_eq!(names(&whole[list], name), [told], "{whole}");
        let one = get(&road, dialect, &format!("{path}/m")).await.json();
        assert_eq!(one[name], told, "{one}");
    }
}

#[tokio::test]
async fn a_key_that_may_call_directly_sees_what_is_priced_at_providers_that_are_on() {
    let sim = sim().await;
    let targets =
        ["echo", "words"].map(|name| target(provider("p", Dialect::OpenaiChat, sim.addr()), name));
    let elsewhere = target(provider("off", Dialect::OpenaiChat, sim.addr()), "echo");
    let rows = targets.iter().chain([&elsewhere]);
    let rows = rows.map(|target| money::price(target)).collect();
    let mut house = snapshot(vec![model(vec![Arc::clone(&targets[0])])]);
    let mut direct = key("direct", "bg-a-key-that-may-call-directly");
    direct.direct = true;
    add_key(&mut house, direct);
    let road = Road::start(money::priced(house, rows, Vec::new()));
    let plain = get(&road, Dialect::OpenaiChat, "/v1/models").await.json();
    assert_eq!(names(&plain["data"], "id"), ["m"]);
    let ask = Ask::new(Dialect::OpenaiChat, "")
        .by("GET")
        .at("/v1/models")
        .raw("");
    let ask = ask.without("authorization");
    let ask = ask.header("authorization", "Bearer bg-a-key-that-may-call-directly");
    let listed = ask.send(&road).await.json();
    assert_eq!(names(&listed["data"], "id"), ["m", "p/echo", "p/words"]);
    assert_eq!(listed["data"][1]["owned_by"], "p");
    assert!(!listed.to_string().contains(KEY));
}
