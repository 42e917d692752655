//! Answers that a provider keeps: gone on from, read, deleted and cancelled by their tenant alone, at
//! the target that made them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dialect::Dialect;
use gateway::{Timings, WallClock};
use policy::model::Target;
use policy::secret::{ProviderKey, Secret};
use serde_json::{Value, json};
use sim::Sim;
use store::responses::LASTS_MS;

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{Road, add_key, echo, key, model, provider, scripted, sim, snapshot, target};
use crate::money;
use crate::puppet::Puppet;

const RESPONSES: Dialect = Dialect::OpenaiResponses;
const OTHER: &str = "bg-the-key-of-somebody-else-who-saw-an-id-go-by";

fn keeping(name: &str, sim: &Sim) -> Arc<Target> {
    echo(name, RESPONSES, sim)
}

/// The id of an answer, whole or streamed.
fn id(got: &Got, stream: bool) -> String {
    assert_eq!(got.status, 200, "{}", got.text());
    let told = match stream {
        true => got.events().remove(0)["response"]["id"].clone(),
        false => got.json()["id"].clone(),
    };
    told.as_str().unwrap().to_owned()
}

async fn stored(road: &Road, text: &str) -> String {
    id(&Ask::new(RESPONSES, text).send(road).await, false)
}

fn on(previous: &str) -> Ask {
    Ask::new(RESPONSES, "and on").with("previous_response_id", json!(previous))
}

/// A call about an answer that is kept, without a body.
fn about(method: &str, path: &str) -> Ask {
    Ask::new(RESPONSES, "").raw("").by(method).at(path)
}

fn of_other(ask: Ask) -> Ask {
    let ask = ask.without("authorization");
    ask.header("authorization", &format!("Bearer {OTHER}"))
}

/// Two keys, and the model `m` with these targets.
fn two(targets: Vec<Arc<Target>>) -> Road {
    let mut rules = snapshot(vec![model(targets)]);
    add_key(&mut rules, key("other", OTHER));
    Road::start(rules)
}

/// The last body that a provider got.
fn last(sim: &Sim) -> Value {
    serde_json::from_slice(&sim.seen().last().unwrap().body).unwrap()
}

#[tokio::test]
async fn a_request_goes_on_where_the_answer_is_whole_or_streamed() {
    for stream in [false, true] {
        let (first, second) = (sim().await, sim().await);
        let road = Road::to(vec![keeping("a", &first), keeping("b", &second)]);
        let got = Ask::either(RESPONSES, stream, "hi").send(&road).await;
        let previous = id(&got, stream);
        // The first target is down from now on, and yet nobody else is asked.
        let got = on(&previous).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("x-bondgate-target"), "a/echo");
        assert_eq!(last(&first)["previous_response_id"], previous.as_str());
        assert!(second.seen().is_empty());
    }
}

#[tokio::test]
async fn what_goes_on_from_an_answer_is_tried_once_and_nowhere_else() {
    let down = |fault: Value| json!({ "rules": [{ "when": { "nth": [2, 9] }, "do": fault }] });
    for fault in [
        json!({ "status": { "status": 500 } }),
        json!({ "status": { "status": 429 } }),
        json!("hang_up"),
        json!({ "cut": { "after_bytes": 100 } }),
    ] {
        let (first, second) = (scripted(down(fault.clone())).await, sim().await);
        let road = Road::to(vec![keeping("a", &first), keeping("b", &second)]);
        let previous = stored(&road, "hi").await;
        let got = on(&previous).send(&road).await;
        assert_eq!(got.status, 502, "{fault}: {}", got.text());
        assert_eq!((first.seen().len(), second.seen().len()), (2, 0), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_is_its_tenants_and_an_unknown_one_is_told_in_the_same_words() {
    let sim = sim().await;
    let road = two(vec![keeping("a", &sim)]);
    let previous = stored(&road, "hi").await;
    let asked = sim.seen().len();
    let words = |got: &Got, id: &str| got.message().replace(id, "ID");
    let unheard = "resp_that_never_was";
    let calls = |id: &str| {
        [
            on(id),
            about("GET", &format!("/v1/responses/{id}")),
            about("GET", &format!("/v1/responses/{id}/input_items")),
            about("DELETE", &format!("/v1/responses/{id}")),
            about("POST", &format!("/v1/responses/{id}/cancel")),
        ]
    };
    for (theirs, nobodys) in calls(&previous).into_iter().zip(calls(unheard)) {
        let theirs = of_other(theirs).send(&road).await;
        let nobodys = of_other(nobodys).send(&road).await;
        assert_error(RESPONSES, &theirs, 404, "not_found");
        assert_error(RESPONSES, &nobodys, 404, "not_found");
        assert_eq!(words(&theirs, &previous), words(&nobodys, unheard));
    }
    assert_eq!(sim.seen().len(), asked, "the provider heard of it");
    assert_eq!(on(&previous).send(&road).await.status, 200);
}

#[tokio::test]
async fn an_answer_is_read_and_deleted_where_it_is_and_not_billed_again() {
    let (first, second) = (sim().await, sim().await);
    let road = Road::to(vec![keeping("a", &first), keeping("b", &second)]);
    for root in ["/v1", "", "/openai/v1"] {
        let id = stored(&road, "kept words").await;
        let path = format!("{root}/responses/{id}");
        let got = about("GET", &format!("{path}?include=a&key=not-for-them"));
        let got = got
            .without("authorization")
            .header("authorization", &bearer());
        let got = got.at(&format!("{path}?include=a")).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.json()["id"], id.as_str());
        assert_eq!(got.said(), "kept words");
        assert_eq!(got.header("x-bondgate-target"), "a/echo");
        let seen = first.seen().pop().unwrap();
        assert_eq!(seen.path, format!("/v1/responses/{id}?include=a"));
        assert_eq!(
            seen.headers["authorization"],
            "Bearer sk-only-for-a-0123456789"
        );
        let items = about("GET", &format!("{path}/input_items"))
            .send(&road)
            .await;
        assert_eq!(items.json()["object"], "list", "{}", items.text());
        let cancelled = about("POST", &format!("{path}/cancel")).send(&road).await;
        assert_eq!(cancelled.status, 400, "{}", cancelled.text());
        assert!(
            cancelled.message().contains("Cannot cancel"),
            "{cancelled:?}"
        );
        let deleted = about("DELETE", &path).send(&road).await;
        assert_eq!(deleted.json()["deleted"], true);
        let gone = about("GET", &path).send(&road).await;
        assert_error(RESPONSES, &gone, 404, "not_found");
    }
    assert!(second.seen().is_empty());
    assert_eq!(first.bill().calls.len(), 3);
    let records = road.settled(3).await;
    assert!(records.iter().all(|one| one.complete), "{records:?}");
    let about = road.ledger.refused();
    let about: Vec<_> = about
        .iter()
        .filter(|one| one.operation == "responses")
        .collect();
    assert_eq!(about.len(), 15);
    assert!(
        about
            .iter()
            .all(|one| one.usage.total_input() == 0 && one.cost.0 == 0)
    );
    road.at_rest().await;
}

fn bearer() -> String {
    format!("Bearer {}", crate::harness::KEY)
}

#[tokio::test]
async fn our_own_key_in_a_query_goes_no_further() {
    let sim = sim().await;
    let road = Road::to(vec![keeping("a", &sim)]);
    let id = stored(&road, "hi").await;
    let path = format!("/v1/responses/{id}?key={}&include=a", crate::harness::KEY);
    let got = about("GET", &path)
        .without("authorization")
        .send(&road)
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    let seen = sim.seen().pop().unwrap();
    assert_eq!(seen.path, format!("/v1/responses/{id}?include=a"));
}

#[tokio::test]
async fn a_credential_that_made_an_answer_is_shown_for_it_again() {
    let sim = sim().await;
    let mut own = provider("p", RESPONSES, sim.addr());
    let origin = own.origin.clone();
    let named = |n: usize| {
        let secret = Secret::new(format!("sk-number-{n}-0123456789"));
        Arc::new(ProviderKey::new(format!("p/{n}"), secret, origin.clone()))
    };
    own.keys = (0..5).map(named).collect();
    let road = Road::to(vec![target(own, "echo")]);
    for _ in 0..8 {
        let previous = stored(&road, "hi").await;
        let got = on(&previous).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let got = about("GET", &format!("/v1/responses/{previous}"))
            .send(&road)
            .await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
}

#[tokio::test]
async fn what_is_not_stored_is_not_bound() {
    let (own, foreign) = (sim().await, sim().await);
    let road = Road::to(vec![keeping("a", &own)]);
    let got = Ask::new(RESPONSES, "hi")
        .with("store", json!(false))
        .send(&road)
        .await;
    let got = on(&id(&got, false)).send(&road).await;
    assert_error(RESPONSES, &got, 404, "not_found");
    // An id that the gateway made for an answer of another dialect.
    let road = Road::to(vec![echo("b", Dialect::OpenaiChat, &foreign)]);
    let got = Ask::new(RESPONSES, "hi").send(&road).await;
    let got = on(&id(&got, false)).send(&road).await;
    assert_error(RESPONSES, &got, 404, "not_found");
    assert!(got.message().contains("speaks this dialect"), "{got:?}");
}

#[tokio::test]
async fn a_model_that_the_target_does_not_serve_cannot_go_on_from_its_answer() {
    let (first, second) = (sim().await, sim().await);
    let mut other = model(vec![keeping("b", &second)]);
    other.name = "other".into();
    let road = Road::start(snapshot(vec![model(vec![keeping("a", &first)]), other]));
    let previous = stored(&road, "hi").await;
    let got = on(&previous)
        .with("model", json!("other"))
        .send(&road)
        .await;
    assert_error(RESPONSES, &got, 400, "invalid_request");
    assert!(got.message().contains("a/echo"), "{got:?}");
    assert!(second.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_a_fallback_made_is_gone_on_from_there() {
    let down = json!({ "rules": [{ "do": { "status": { "status": 500 } } }] });
    let (first, second) = (scripted(down).await, sim().await);
    let mut model = model(vec![keeping("a", &first)]);
    model.fallback.failure = vec![keeping("b", &second)];
    let road = Road::with(model);
    let previous = stored(&road, "hi").await;
    let asked = first.seen().len();
    let got = on(&previous).send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("x-bondgate-target"), "b/echo");
    assert_eq!(last(&second)["previous_response_id"], previous.as_str());
    assert_eq!(first.seen().len(), asked);
}

#[tokio::test]
async fn what_goes_on_from_an_answer_has_no_bound_however_it_is_spelled() {
    let sim = sim().await;
    let budget = money::budget("day", 1_000_000_000);
    let road = money::road(vec![keeping("a", &sim)], vec![budget]);
    let previous = stored(&road, "hi").await;
    let plain = on(&previous);
    let body = String::from_utf8(plain.body.clone()).unwrap();
    let escaped = body.replace("previous_response_id", "previous\\u005fresponse_id");
    assert_ne!(body, escaped);
    for ask in [plain.clone(), plain.raw(escaped)] {
        let got = ask.send(&road).await;
        assert_error(RESPONSES, &got, 403, "unbounded_request");
    }
    assert_eq!(sim.seen().len(), 1);
    money::at_rest(&road).await;
}

#[tokio::test]
async fn an_answer_is_bound_for_thirty_days() {
    let sim = sim().await;
    let now = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = Arc::clone(&now);
    let road = Road::clocked(
        snapshot(vec![model(vec![keeping("a", &sim)])]),
        (512 << 20, Timings::default()),
        WallClock::new(move || clock.load(Ordering::Relaxed)),
    );
    let previous = stored(&road, "hi").await;
    now.fetch_add(LASTS_MS - 1, Ordering::Relaxed);
    assert_eq!(on(&previous).send(&road).await.status, 200);
    now.fetch_add(1, Ordering::Relaxed);
    let got = on(&previous).send(&road).await;
    assert_error(RESPONSES, &got, 404, "not_found");
}

#[tokio::test]
async fn a_failure_of_the_provider_is_told_and_its_own_words_about_the_request_too() {
    let gone =
        json!({ "when": { "path": "*/responses/*" }, "do": { "status": { "status": 500 } } });
    let sim = scripted(json!({ "rules": [gone] })).await;
    let road = Road::to(vec![keeping("a", &sim)]);
    let id = stored(&road, "hi").await;
    let got = about("GET", &format!("/v1/responses/{id}"))
        .send(&road)
        .await;
    assert_error(RESPONSES, &got, 502, "provider_failed");
    assert_eq!(sim.seen().len(), 2, "it was asked again");
}

#[tokio::test]
async fn a_stream_of_a_kept_answer_goes_on_as_it_comes_and_is_not_ended_well_where_it_is_cut() {
    let sim = sim().await;
    let road = Road::to(vec![keeping("a", &sim)]);
    let stream = Ask::stream(RESPONSES, "hi").send(&road).await.body;
    for whole in [true, false] {
        let length = stream.len() + usize::from(!whole);
        let puppet = Puppet::framed(200, "text/event-stream", "", length, &stream).await;
        let puppet = target(provider("p", RESPONSES, puppet.address), "echo");
        let road = Road::to(vec![puppet]);
        let id = id(&Ask::stream(RESPONSES, "hi").send(&road).await, true);
        let path = format!("/v1/responses/{id}?stream=true");
        let got = about("GET", &path).send(&road).await;
        assert_eq!((got.status, got.whole), (200, whole));
        assert_eq!(got.body, stream);
        road.at_rest().await;
        let records = road.ledger.refused();
        let expected = if whole { "answered" } else { "broken" };
        assert_eq!(records[0].outcome, expected);
        assert_eq!(records[0].cost.0, 0);
    }
}
