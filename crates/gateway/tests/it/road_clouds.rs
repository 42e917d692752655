//! Claude under the paths of clouds: Bedrock's `invoke`, Vertex's `rawPredict`, on both sides of the road.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialect::{Dialect, Dress};
use policy::model::Target;
use policy::provider::{Auth, Paths};
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, Got, assert_error, assert_failure_event};
use crate::harness::{Road, echo, faulty, provider, scripted, sim, target};
use crate::speaking;

const TEXT: &str = "a text that goes round: grüße \"quoted\" \\ and on";
const CLAUDE: Dialect = Dialect::AnthropicMessages;
const CLOUDS: [Dress; 2] = [Dress::Bedrock, Dress::Vertex];
const VERTEX: &str = "/v1/projects/p/locations/us-east5";

/// The model `echo` of a cloud.
fn cloud(name: &str, dress: Dress, sim: &Sim) -> Arc<Target> {
    let mut provider = provider(name, CLAUDE, sim.addr());
    provider.auth = Auth::Bearer;
    provider.base_path = match dress {
        Dress::Plain => "/v1",
        Dress::Bedrock => "",
        Dress::Vertex => VERTEX,
    }
    .to_owned();
    provider.paths = Paths {
        dress,
        ..Paths::default()
    };
    target(provider, "echo")
}

/// What a client of a cloud asks; [`Dress::Plain`] is the vendor's own.
fn ask(dress: Dress, stream: bool, text: &str) -> Ask {
    let (path, version) = match (dress, stream) {
        (Dress::Plain, _) => return Ask::either(CLAUDE, stream, text),
        (Dress::Bedrock, false) => ("/model/m/invoke".to_owned(), "bedrock-2023-05-31"),
        (Dress::Bedrock, true) => (
            "/model/m/invoke-with-response-stream".to_owned(),
            "bedrock-2023-05-31",
        ),
        (Dress::Vertex, false) => (
            format!("{VERTEX}/publishers/anthropic/models/m:rawPredict"),
            "vertex-2023-10-16",
        ),
        (Dress::Vertex, true) => (
            format!("{VERTEX}/publishers/anthropic/models/m:streamRawPredict"),
            "vertex-2023-10-16",
        ),
    };
    let mut body = speaking::body(CLAUDE, text);
    body.as_object_mut().unwrap().remove("model");
    body["anthropic_version"] = json!(version);
    if dress == Dress::Vertex && stream {
        body["stream"] = json!(true);
    }
    let ask = Ask::new(CLAUDE, text).without("anthropic-version");
    ask.at(&path).raw(body.to_string())
}

/// The events of a stream, out of the chunks that Bedrock puts them in.
fn events(got: &Got) -> Vec<Value> {
    let inner = |event: Value| match event["chunk"]["bytes"].as_str() {
        Some(bytes) => serde_json::from_slice(&STANDARD.decode(bytes).unwrap()).unwrap(),
        None => event,
    };
    got.events().into_iter().map(inner).collect()
}

fn said(got: &Got, stream: bool) -> String {
    if stream {
        events(got).iter().map(speaking::text).collect()
    } else {
        speaking::text(&got.json())
    }
}

fn ends_well(got: &Got) -> bool {
    events(got)
        .iter()
        .any(|event| event["type"] == "message_stop")
}

/// What the provider was asked.
fn body_seen(sim: &Sim) -> Value {
    serde_json::from_slice(&sim.seen().last().unwrap().body).unwrap()
}

#[tokio::test]
async fn a_client_of_a_cloud_reaches_every_dialect() {
    for (dress, served) in CLOUDS
        .into_iter()
        .flat_map(|c| Dialect::ALL.map(|p| (c, p)))
    {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        for stream in [false, true] {
            let got = ask(dress, stream, TEXT).send(&road).await;
            let case = format!("{dress:?} to {served:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(said(&got, stream), TEXT, "{case}");
            assert!(got.whole && (!stream || ends_well(&got)), "{case}");
        }
        let settled = road.settled(2).await;
        assert!(settled.iter().all(|one| one.complete), "{settled:?}");
    }
}

#[tokio::test]
async fn every_dialect_reaches_claude_on_a_cloud() {
    for (client, dress) in Dialect::ALL
        .into_iter()
        .flat_map(|c| CLOUDS.map(|d| (c, d)))
    {
        let sim = sim().await;
        let road = Road::to(vec![cloud("p", dress, &sim)]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, TEXT).send(&road).await;
            let case = format!("{client:?} to {dress:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(got.said(), TEXT, "{case}");
            assert_eq!(got.ends_well(client), stream, "{case}");
        }
        let settled = road.settled(2).await;
        assert!(settled.iter().all(|one| one.complete), "{settled:?}");
        let bill = sim.bill();
        for (told, billed) in settled.iter().zip(&bill.calls) {
            assert_eq!(
                told.output_tokens, billed.output_tokens,
                "{client:?} to {dress:?}"
            );
        }
    }
}

#[tokio::test]
async fn between_two_dresses_only_the_dress_changes() {
    let all = [Dress::Plain, Dress::Bedrock, Dress::Vertex];
    for (client, served) in all.into_iter().flat_map(|c| all.map(|p| (c, p))) {
        let sim = sim().await;
        let road = Road::to(vec![cloud("p", served, &sim)]);
        for stream in [false, true] {
            // Written as no encoder would, so that what is made anew shows.
            let asked = ask(client, stream, TEXT);
            let text = String::from_utf8(asked.body.clone()).unwrap();
            let odd = text.replacen('{', "{ \"x_unknown\" :  [1.0,\t{}],", 1);
            let got = asked.raw(odd).send(&road).await;
            let case = format!("{client:?} to {served:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(said(&got, stream), TEXT, "{case}");
            assert_eq!(got.header("x-bondgate-loss"), "", "{case}");
            let seen = sim.seen().pop().unwrap();
            let sent = String::from_utf8(seen.body.to_vec()).unwrap();
            assert!(
                sent.contains("\"x_unknown\" :  [1.0,\t{}]"),
                "{case}: {sent}"
            );
            let sent = body_seen(&sim);
            let version = match served {
                Dress::Plain => Value::Null,
                Dress::Bedrock => json!("bedrock-2023-05-31"),
                Dress::Vertex => json!("vertex-2023-10-16"),
            };
            assert_eq!(sent["anthropic_version"], version, "{case}");
            assert_eq!(sent["model"].is_string(), served == Dress::Plain, "{case}");
        }
    }
}

#[tokio::test]
async fn a_stream_in_another_framing_keeps_its_events() {
    for (client, served) in [
        (Dress::Plain, Dress::Bedrock),
        (Dress::Bedrock, Dress::Vertex),
    ] {
        let sim = sim().await;
        let same = Road::to(vec![cloud("p", served, &sim)]);
        let own = events(&ask(served, true, TEXT).send(&same).await);
        let got = events(&ask(client, true, TEXT).send(&same).await);
        let kinds = |events: &[Value]| -> Vec<String> {
            let kinds = events.iter().map(|event| event["type"].to_string());
            kinds.filter(|kind| kind != "\"ping\"").collect()
        };
        assert_eq!(kinds(&got), kinds(&own), "{client:?} from {served:?}");
        let last = |events: &[Value]| events.last().unwrap().as_object().unwrap().len();
        // What Bedrock measured stands in its last event.
        assert_eq!(last(&got), last(&own), "{client:?} from {served:?}");
    }
}

#[tokio::test]
async fn betas_go_where_the_target_reads_them() {
    let sim = sim().await;
    let bedrock = Road::to(vec![cloud("p", Dress::Bedrock, &sim)]);
    let header = ask(Dress::Plain, false, TEXT).header("anthropic-beta", "one, two");
    assert_eq!(header.send(&bedrock).await.status, 200);
    assert_eq!(body_seen(&sim)["anthropic_beta"], json!(["one", "two"]));
    assert!(!sim.seen()[0].headers.contains_key("anthropic-beta"));

    let plain = Road::to(vec![cloud("p", Dress::Plain, &sim)]);
    let body = ask(Dress::Bedrock, false, TEXT).with("anthropic_beta", json!(["one", "two"]));
    assert_eq!(body.send(&plain).await.status, 200);
    assert!(body_seen(&sim)["anthropic_beta"].is_null());
    let seen = sim.seen().pop().unwrap();
    assert_eq!(seen.headers["anthropic-beta"], "one,two");
}

#[tokio::test]
async fn a_dated_version_goes_where_the_target_reads_it() {
    let sim = sim().await;
    let date = "2026-10-21";
    let plain = Road::to(vec![cloud("p", Dress::Plain, &sim)]);
    let vertex = Road::to(vec![cloud("p", Dress::Vertex, &sim)]);
    let dated = ask(Dress::Bedrock, false, TEXT).with("anthropic_version", json!(date));
    assert_eq!(dated.clone().send(&plain).await.status, 200);
    let seen = sim.seen().pop().unwrap();
    assert_eq!(seen.headers["anthropic-version"], date);
    assert_eq!(dated.send(&vertex).await.status, 200);
    assert_eq!(body_seen(&sim)["anthropic_version"], date);
    let header = ask(Dress::Plain, false, TEXT).without("anthropic-version");
    let header = header.header("anthropic-version", date);
    assert_eq!(header.send(&vertex).await.status, 200);
    assert_eq!(body_seen(&sim)["anthropic_version"], date);
}

#[tokio::test]
async fn a_stream_that_is_cut_anywhere_never_ends_well() {
    for (client, served) in CLOUDS.into_iter().flat_map(|c| CLOUDS.map(|p| (c, p))) {
        for percent in (5..100).step_by(5) {
            let fraction = f64::from(percent) / 100.0;
            let sim = faulty(json!({ "cut": { "at_fraction": fraction } })).await;
            let road = Road::to(vec![cloud("p", served, &sim)]);
            let got = ask(client, true, "[[chunks=5]]one two three four five")
                .send(&road)
                .await;
            let case = format!("{client:?} from {served:?} at {percent}: {got:?}");
            if got.status == 200 {
                assert!(!ends_well(&got), "{case}");
                let last = got.events().pop().unwrap();
                let failed = match client {
                    Dress::Bedrock => last.get("internalServerException").is_some(),
                    Dress::Plain | Dress::Vertex => last["type"] == "error",
                };
                assert!(failed, "{case}");
            } else {
                assert_eq!(got.status, 502, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_cut_stream_of_a_cloud_is_a_failure_in_every_dialect() {
    for (client, dress) in Dialect::ALL
        .into_iter()
        .flat_map(|c| CLOUDS.map(|d| (c, d)))
    {
        let sim = faulty(json!({ "cut": { "at_fraction": 0.8 } })).await;
        let road = Road::to(vec![cloud("p", dress, &sim)]);
        let text = format!("[[chunks=20]]{TEXT}");
        let got = Ask::stream(client, &text).send(&road).await;
        assert_failure_event(client, &got);
        assert_eq!(road.outcome().await, "broken");
    }
}

#[tokio::test]
async fn failures_have_the_form_that_the_clouds_libraries_read() {
    for served in CLOUDS {
        for (status, name) in [(400, "ValidationException"), (429, "ThrottlingException")] {
            let fault =
                json!({ "status": { "status": status, "message": "the provider says no" } });
            let sim = scripted(json!({ "rules": [{ "do": fault }] })).await;
            let road = Road::to(vec![cloud("p", served, &sim)]);
            let got = ask(Dress::Bedrock, false, TEXT).send(&road).await;
            let case = format!("{served:?}: {got:?}");
            assert!(got.message().contains("the provider says no"), "{case}");
            let exception = got.header("x-amzn-errortype");
            if status == 400 {
                assert_eq!((got.status, exception), (400, name), "{case}");
            }
            assert!(got.json()["message"].is_string(), "{case}");
            // Whoever was limited is left alone for a while.
            let road = Road::to(vec![cloud("p", served, &sim)]);
            let got = ask(Dress::Vertex, false, TEXT).send(&road).await;
            assert_eq!(got.json()["type"], "error", "{case}");
            assert!(got.message().contains("the provider says no"), "{case}");
        }
    }
    let sim = sim().await;
    let road = Road::to(vec![cloud("p", Dress::Bedrock, &sim)]);
    let bad = ask(Dress::Vertex, false, TEXT).raw("{\"messages\": [");
    assert_error(CLAUDE, &bad.send(&road).await, 400, "invalid_request");
    let nobody = ask(Dress::Bedrock, false, TEXT).without("x-api-key");
    let got = nobody.send(&road).await;
    assert_eq!(got.header("x-amzn-errortype"), "AccessDeniedException");
    assert_eq!(got.status, 401);
    assert!(sim.bill().calls.is_empty());
}
