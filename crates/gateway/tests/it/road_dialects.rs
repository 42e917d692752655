//! Every client dialect against every provider dialect: each promise of the road holds for all pairs.

use dialect::Dialect;
use serde_json::json;

use crate::asking::{Ask, assert_error, assert_failure_event};
use crate::harness::{Road, echo, faulty, scripted, sim};
use crate::speaking;

const TEXT: &str = "a text that goes round: grüße \"quoted\" \\ and on";

/// Each client's dialect with each provider's.
fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    let of = |client| Dialect::ALL.map(move |provider| (client, provider));
    Dialect::ALL.into_iter().flat_map(of)
}

#[tokio::test]
async fn an_answer_says_the_same_in_every_pair() {
    for (client, provider) in pairs() {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, TEXT).send(&road).await;
            let case = format!("{client:?} to {provider:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(got.said(), TEXT, "{case}");
            assert!(got.whole, "{case}");
            assert_eq!(got.ends_well(client), stream, "{case}");
        }
        let settled = road.settled(2).await;
        assert!(settled.iter().all(|one| one.complete), "{settled:?}");
        let bill = sim.bill();
        for (told, billed) in settled.iter().zip(&bill.calls) {
            let case = format!("{client:?} to {provider:?}");
            assert_eq!(told.output_tokens, billed.output_tokens, "{case}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_is_never_ended_well_in_any_pair() {
    for (client, provider) in pairs() {
        let sim = faulty(json!({ "cut": { "at_fraction": 0.7 } })).await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        let text = format!("[[chunks=20]]{TEXT}");
        let got = Ask::stream(client, &text).send(&road).await;
        assert_eq!(got.status, 200, "{client:?} to {provider:?}: {got:?}");
        assert!(
            !got.said().is_empty(),
            "{client:?} to {provider:?}: {got:?}"
        );
        assert_failure_event(client, &got);
        assert_eq!(road.outcome().await, "broken");
    }
}

#[tokio::test]
async fn a_whole_answer_that_is_cut_is_an_error_in_every_pair() {
    for (client, provider) in pairs() {
        let sim = faulty(json!({ "cut": { "at_fraction": 0.5, "clean": true } })).await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        let got = Ask::new(client, TEXT).send(&road).await;
        assert_error(client, &got, 502, "provider_failed");
    }
}

#[tokio::test]
async fn a_call_of_a_tool_crosses_every_pair() {
    for (client, provider) in pairs() {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "USE_TOOL take")
                .tool()
                .send(&road)
                .await;
            let case = format!("{client:?} to {provider:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert!(
                String::from_utf8_lossy(&got.body).contains("take"),
                "{case}"
            );
            assert!(
                String::from_utf8_lossy(&got.body).contains("note"),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_in_the_clients_own_form() {
    for (client, provider) in pairs() {
        let status = json!({ "status": { "status": 400, "message": "the provider says no" } });
        let sim = scripted(json!({ "rules": [{ "do": status }] })).await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        let got = Ask::new(client, TEXT).send(&road).await;
        assert_eq!(got.status, 400, "{client:?} to {provider:?}: {got:?}");
        assert!(got.message().contains("the provider says no"), "{got:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_json_is_refused_in_the_clients_own_form() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    for client in Dialect::ALL {
        let got = Ask::new(client, TEXT)
            .raw("{\"messages\": [")
            .send(&road)
            .await;
        assert_error(client, &got, 400, "invalid_request");
    }
    assert!(sim.bill().calls.is_empty());
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_refused_in_the_clients_own_form() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    for client in Dialect::ALL {
        let ask = ["authorization", "x-api-key", "x-goog-api-key"]
            .into_iter()
            .fold(Ask::new(client, TEXT), Ask::without);
        let got = ask
            .header("authorization", "Bearer nobody")
            .send(&road)
            .await;
        assert_error(client, &got, 401, "invalid_key");
    }
    assert!(sim.bill().calls.is_empty());
}

#[tokio::test]
async fn the_array_form_of_gemini_is_one_json_text() {
    for provider in Dialect::ALL {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        let ask = Ask::stream(Dialect::Gemini, TEXT).at("/v1beta/models/m:streamGenerateContent");
        let got = ask.send(&road).await;
        let all = got.json();
        let said: String = all.as_array().unwrap().iter().map(speaking::text).collect();
        assert_eq!(said, TEXT, "{provider:?}: {all}");
    }
}

/// Of chat the event with the usage that the client did not ask for is withheld, which `road_answers`
/// has; the `[DONE]` that Cohere sends behind its proof is not waited for.
#[tokio::test]
async fn in_one_dialect_a_stream_gains_and_loses_nothing() {
    let all = Dialect::ALL.into_iter();
    let not_whole = [Dialect::OpenaiChat, Dialect::Cohere];
    for dialect in all.filter(|dialect| !not_whole.contains(dialect)) {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", dialect, &sim)]);
        let got = Ask::stream(dialect, TEXT).send(&road).await;
        assert!(got.ends_well(dialect), "{dialect:?}: {got:?}");
        let sent = sim.seen()[0].bytes_sent;
        assert_eq!(got.body.len() as u64, sent, "{dialect:?}: {got:?}");
    }
}

#[tokio::test]
async fn a_failure_within_the_array_form_of_gemini_leaves_one_json_text() {
    for provider in Dialect::ALL {
        let sim = faulty(json!({ "cut": { "at_fraction": 0.7 } })).await;
        let road = Road::to(vec![echo("p", provider, &sim)]);
        let ask = Ask::stream(Dialect::Gemini, &format!("[[chunks=20]]{TEXT}"));
        let ask = ask.at("/v1beta/models/m:streamGenerateContent");
        let all = ask.send(&road).await.json();
        let last = all.as_array().unwrap().last().unwrap();
        assert!(last["error"]["code"].is_number(), "{provider:?}: {all}");
    }
}

#[tokio::test]
async fn what_is_not_bound_to_who_asks_is_refused() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiResponses, &sim)]);
    for (name, value) in [
        ("conversation", json!("conv_of_somebody")),
        ("background", json!(true)),
        ("input", json!([{ "id": "msg_of_somebody" }])),
        ("input", json!([{ "type": null, "id": "msg_of_somebody" }])),
        (
            "input",
            json!([{ "type": "image_generation_call", "id": "ig_of_somebody" }]),
        ),
    ] {
        let ask = Ask::new(Dialect::OpenaiResponses, TEXT).with(name, value);
        let got = ask.send(&road).await;
        assert_error(Dialect::OpenaiResponses, &got, 400, "invalid_request");
        assert!(got.message().contains("not served yet"), "{got:?}");
    }
    assert!(sim.bill().calls.is_empty());
}
