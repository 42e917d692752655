//! Vectors across dialects: the same texts give the same vectors, whoever is asked in whose words.

use dialect::Dialect;
use serde_json::{Value, json};

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{Road, provider, scripted, sim, target};
use crate::money::{budget, house};
use crate::road_tasks::CHAT;

/// Who has vectors, and the clients among them.
const CLIENTS: [Dialect; 3] = [CHAT, Dialect::Gemini, Dialect::Cohere];

const TEXTS: [&str; 3] = ["apricot", "harvest \u{1f351} \"quoted\"", "apricot"];

/// A request for these texts, and some settings that all know.
fn ask(client: Dialect, texts: &[&str]) -> Ask {
    let (path, body) = match client {
        Dialect::Gemini => {
            let each = texts.iter().map(|text| {
                json!({ "model": "models/m", "content": { "parts": [{ "text": text }] },
                    "outputDimensionality": 256 })
            });
            let each: Vec<Value> = each.collect();
            (
                "/v1beta/models/m:batchEmbedContents",
                json!({ "requests": each }),
            )
        }
        Dialect::Cohere => (
            "/v2/embed",
            json!({ "model": "m", "texts": texts, "input_type": "search_document",
                "embedding_types": ["float"], "output_dimension": 256 }),
        ),
        Dialect::OpenaiChat
        | Dialect::OpenaiResponses
        | Dialect::AnthropicMessages
        | Dialect::BedrockConverse => (
            "/v1/embeddings",
            json!({ "model": "m", "input": texts, "dimensions": 256 }),
        ),
    };
    Ask::new(client, "").at(path).raw(body.to_string())
}

/// The vectors of an answer: numbers of 32 bits, however many digits they are written with.
fn vectors(client: Dialect, got: &Got) -> Vec<Vec<f32>> {
    let body = got.json();
    let list: Vec<Value> = match client {
        Dialect::Gemini => {
            let each = body["embeddings"].as_array().unwrap().iter();
            each.map(|one| one["values"].clone()).collect()
        }
        Dialect::Cohere => body["embeddings"]["float"].as_array().unwrap().clone(),
        Dialect::OpenaiChat
        | Dialect::OpenaiResponses
        | Dialect::AnthropicMessages
        | Dialect::BedrockConverse => {
            let each = body["data"].as_array().unwrap().iter().enumerate();
            each.map(|(at, one)| {
                assert_eq!(one["index"], at);
                one["embedding"].clone()
            })
            .collect()
        }
    };
    list.iter()
        .map(|one| serde_json::from_value(one.clone()).unwrap())
        .collect()
}

#[tokio::test]
async fn every_client_gets_the_same_vectors_in_order_from_every_provider() {
    let mut all: Vec<Vec<Vec<f32>>> = Vec::new();
    for client in CLIENTS {
        for served in CLIENTS {
            let sim = sim().await;
            let target = target(provider("p", served, sim.addr()), "echo");
            let road = Road::start(house(
                vec![crate::harness::model(vec![target])],
                vec![budget("all", 1_000_000_000)],
            ));
            let got = ask(client, &TEXTS).send(&road).await;
            assert_eq!(got.status, 200, "{client:?} {served:?}: {}", got.text());
            all.push(vectors(client, &got));
            let record = road.settled_record().await;
            assert_eq!(record.operation, "embed");
            let call = sim.bill().calls.remove(0);
            assert_eq!(record.usage.input, call.input_tokens);
            assert_eq!(
                record.cost.0 as u64, call.cost_nanos,
                "{client:?} {served:?}"
            );
            assert!(!record.flags.estimated);
        }
    }
    assert_eq!((all[0].len(), all[0][0].len()), (3, 256));
    assert_eq!(all[0][0], all[0][2]);
    assert_ne!(all[0][0], all[0][1]);
    assert!(all.iter().all(|one| *one == all[0]));
}

#[tokio::test]
async fn packed_vectors_are_the_same_numbers_from_whoever_they_are() {
    let mut all = Vec::new();
    for served in CLIENTS {
        let sim = sim().await;
        let road = Road::to(vec![target(provider("p", served, sim.addr()), "echo")]);
        let packed = ask(CHAT, &TEXTS).with("encoding_format", json!("base64"));
        let got = packed.send(&road).await.json();
        all.push(
            got["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["embedding"].as_str().unwrap().to_owned())
                .collect::<Vec<String>>(),
        );
    }
    assert_eq!(all[0][0].len(), (256_usize * 4).div_ceil(3) * 4);
    assert!(all.iter().all(|one| *one == all[0]));
}

#[tokio::test]
async fn titan_takes_one_text_and_says_so_of_several() {
    let sim = sim().await;
    let bedrock = provider("b", Dialect::BedrockConverse, sim.addr());
    let road = Road::to(vec![target(bedrock, "amazon.titan-embed-text-v2:0")]);
    let one = ask(CHAT, &TEXTS[..1]).send(&road).await;
    assert_eq!(one.status, 200, "{}", one.text());
    assert_eq!(vectors(CHAT, &one)[0].len(), 256);
    assert_eq!(
        sim.seen()[0].path,
        "/model/amazon.titan-embed-text-v2%3A0/invoke"
    );
    let several = ask(CHAT, &TEXTS).send(&road).await;
    assert_error(CHAT, &several, 503, "no_target");
    assert!(
        several.message().contains("one text"),
        "{}",
        several.message()
    );
}

#[tokio::test]
async fn what_cannot_cross_is_named_and_what_changes_the_answer_is_refused() {
    let sim = sim().await;
    let to = |served| Road::to(vec![target(provider("p", served, sim.addr()), "echo")]);
    let road = to(Dialect::Gemini);
    let got = ask(CHAT, &TEXTS)
        .with("user", json!("u1"))
        .send(&road)
        .await;
    assert!(got.header("x-bondgate-loss").contains("user dropped"));
    let numbers = ask(CHAT, &TEXTS).with("input", json!([[1, 2], [3]]));
    let got = numbers.send(&road).await;
    assert_error(CHAT, &got, 400, "cannot_translate");
    assert!(
        got.message().contains("input[0]: token numbers"),
        "{}",
        got.message()
    );

    let road = to(CHAT);
    let got = ask(Dialect::Cohere, &TEXTS).send(&road).await;
    let losses = got.header("x-bondgate-loss");
    assert!(
        losses.contains("input_type dropped") && losses.contains("truncate dropped"),
        "{losses}"
    );
    let small = ask(Dialect::Cohere, &TEXTS).with("embedding_types", json!(["float", "int8"]));
    let got = small.clone().send(&road).await;
    assert_error(Dialect::Cohere, &got, 400, "cannot_translate");
    assert!(got.text().contains("int8"), "{}", got.text());
    let permitted = small
        .header("x-bondgate-fidelity", "permit")
        .send(&road)
        .await;
    assert_eq!(permitted.status, 200);
}

#[tokio::test]
async fn a_purpose_that_nobody_said_is_named_where_it_must_be_said() {
    let sim = sim().await;
    let road = Road::to(vec![target(
        provider("p", Dialect::Cohere, sim.addr()),
        "echo",
    )]);
    for (client, named) in [
        (CHAT, "input_type approximated"),
        (Dialect::Gemini, "taskType approximated"),
    ] {
        let got = ask(client, &TEXTS).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let losses = got.header("x-bondgate-loss");
        assert!(losses.contains(named), "{losses}");
        let strict = ask(client, &TEXTS).header("x-bondgate-fidelity", "strict");
        let got = strict.send(&road).await;
        assert_error(client, &got, 400, "cannot_translate");
    }
}

/// What a client of a dialect is told where a provider of another gives this for three texts.
async fn told(client: Dialect, served: Dialect, answer: &Value) -> Got {
    let rule =
        json!({ "rules": [{ "do": { "status": { "status": 200, "body": answer.to_string() } } }] });
    let sim = scripted(rule).await;
    let road = Road::to(vec![target(provider("p", served, sim.addr()), "echo")]);
    ask(client, &TEXTS).send(&road).await
}

#[tokio::test]
async fn vectors_that_are_not_whole_are_no_answer() {
    let openai = |data: Value| json!({ "object": "list", "data": data });
    let vector = json!([1.0, 2.0]);
    let one = |index: u64, vector: &Value| json!({ "index": index, "embedding": vector });
    let two = [one(0, &vector), one(1, &vector)];
    let bad = [
        json!({ "index": 2 }),
        one(2, &json!([])),
        one(2, &json!([1.0])),
        one(1, &vector),
        one(3, &vector),
    ];
    for third in bad {
        let answer = openai(json!([two[0], two[1], third]));
        let got = told(Dialect::Gemini, CHAT, &answer).await;
        assert_error(Dialect::Gemini, &got, 502, "provider_failed");
    }
    for empty in [
        json!({ "index": 2 }),
        one(2, &json!([])),
        one(2, &json!("")),
    ] {
        let got = told(CHAT, CHAT, &openai(json!([two[0], two[1], empty]))).await;
        assert_error(CHAT, &got, 502, "provider_failed");
    }
    let values = json!({ "values": vector });
    for third in [
        json!({}),
        json!({ "values": [] }),
        json!({ "values": [1.0] }),
    ] {
        let answer = json!({ "embeddings": [values, values, third] });
        let got = told(CHAT, Dialect::Gemini, &answer).await;
        assert_error(CHAT, &got, 502, "provider_failed");
    }
    for third in [json!([]), json!([1.0])] {
        let answer = json!({ "embeddings": { "float": [vector, vector, third] } });
        let got = told(CHAT, Dialect::Cohere, &answer).await;
        assert_error(CHAT, &got, 502, "provider_failed");
    }
    let whole = openai(json!([two[1], one(2, &vector), two[0]]));
    let got = told(Dialect::Gemini, CHAT, &whole).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn ranks_stay_in_their_dialect() {
    let sim = sim().await;
    let road = Road::to(vec![target(
        provider("p", Dialect::Gemini, sim.addr()),
        "echo",
    )]);
    let body = json!({ "model": "m", "query": "x", "documents": ["y"] });
    let rerank = Ask::new(Dialect::Cohere, "")
        .at("/v2/rerank")
        .raw(body.to_string());
    let got = rerank.send(&road).await;
    assert_error(Dialect::Cohere, &got, 503, "no_target");
}
