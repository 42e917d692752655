//! What passes through to a provider's own paths: as it is, to listed places only, metered.

use std::collections::BTreeSet;
use std::sync::Arc;

use dialect::Dialect;
use gateway::upstream::catalog;
use policy::accounts::LimitSet;
use policy::limit::Resource;
use policy::money::Nanos;
use policy::provider::Provider;
use policy::snapshot::Snapshot;
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{
    KEY, Road, add_key, credential, faulty, key, provider, sim, snapshot, target, until,
};
use crate::money;
use crate::puppet::Puppet;
use crate::speaking;

const CHAT: Dialect = Dialect::OpenaiChat;

/// A provider with the paths of its own that OpenAI's row lists.
pub(crate) fn listed(dialect: Dialect, address: std::net::SocketAddr) -> Provider {
    let mut provider = provider("p", dialect, address);
    provider.paths.passed = catalog::find("openai").unwrap().passed;
    provider
}

/// A house whose usual key may pass through to that provider.
pub(crate) fn house(provider: Provider) -> Snapshot {
    let mut house = snapshot(Vec::new());
    let name = provider.name.clone();
    house.providers.insert(name.clone(), Arc::new(provider));
    let mut key = key("default", KEY);
    key.passthrough = BTreeSet::from([name]);
    add_key(&mut house, key);
    house
}

pub(crate) fn road(dialect: Dialect, sim: &Sim) -> Road {
    Road::start(house(listed(dialect, sim.addr())))
}

pub(crate) fn get(path: &str) -> Ask {
    Ask::new(CHAT, "").by("GET").at(path).raw("")
}

async fn enough(road: &Road) -> store::record::Exchange {
    road.settled_record().await
}

#[tokio::test]
async fn a_request_goes_on_as_it_is_with_the_providers_credential_alone() {
    let sim = sim().await;
    let road = road(CHAT, &sim);
    let body = [
        &b"--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n"[..],
        &[0, 255, 13, 10, 200],
        b"\r\n--x--\r\n",
    ]
    .concat();
    let ask = Ask::new(CHAT, "").without("content-type");
    let ask = ask
        .at("/provider/p/v1/files?purpose=batch&key=bg-the-key-that-every-client-shows-its-gateway&%6Bey=x&after=a%20b")
        .header("content-type", "multipart/form-data; boundary=x")
        .header("x-api-key", KEY)
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-bondgate-run", "r1")
        .header("idempotency-key", "once")
        .header("openai-organization", "org-of-the-caller")
        .header("te", "trailers")
        .raw(body.clone());
    let got = ask.send(&road).await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    assert_eq!(got.json()["bytes"], body.len());
    let seen = sim.seen().remove(0);
    assert_eq!(seen.body, body);
    let text = format!("{seen:?}");
    assert!(!text.contains(KEY), "{text}");
    for header in [
        "cookie",
        "x-forwarded-for",
        "x-api-key",
        "x-bondgate-run",
        "openai-organization",
        "te",
    ] {
        assert!(!seen.headers.contains_key(header), "{header}: {text}");
    }
    let value = |header: &str| {
        let value = seen
            .headers
            .get(header)
            .map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    assert_eq!(
        value("authorization"),
        format!("Bearer {}", credential("p"))
    );
    assert_eq!(value("content-type"), "multipart/form-data; boundary=x");
    assert!(!value("idempotency-key").is_empty() && value("idempotency-key") != "once");
    assert!(text.contains("purpose=batch&after=a%20b"), "{text}");
    let kept = enough(&road).await;
    assert_eq!(
        (&*kept.operation, &*kept.outcome),
        ("passthrough", "answered")
    );
    assert_eq!(&*kept.target, "p/files");
    assert_eq!(kept.who.run.as_deref(), Some("r1"));
    assert_eq!(road.ledger.dispatched().len(), 1);
    road.at_rest().await;
}

#[tokio::test]
async fn host_version_and_root_stand_for_one_place_and_answers_are_told_as_they_are() {
    for path in ["/provider/p/files", "/provider/p/v1/files?limit=1"] {
        let sim = sim().await;
        let road = road(CHAT, &sim);
        let got = get(path).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(got.whole);
        assert_eq!(got.json()["data"][0]["id"], "file-sim");
        assert_eq!(got.header("x-bondgate-target"), "p/files");
        assert_eq!(got.header("cache-control"), "no-store");
        let request = got.header("x-bondgate-request-id");
        assert_eq!(request.len(), 26);
        assert_ne!(got.header("x-request-id"), request, "it is the provider's");
    }
}

#[tokio::test]
async fn hostile_paths_are_refused_before_anything_is_sent() {
    let sim = sim().await;
    let road = road(CHAT, &sim);
    let paths = [
        "/provider/p/../admin",
        "/provider/p/v1/../files",
        "/provider/p/v1/files/..",
        "/provider/p/v1/files/../../sim/bill",
        "/provider/p/v1/files/%2e%2e",
        "/provider/p/v1/files/%2E%2E/x",
        "/provider/p/v1/files/.%2e/x",
        "/provider/p/v1/files/..%2fx",
        "/provider/p/v1/files%2f..%2fx",
        "/provider/p/v1/files%2F1",
        "/provider/p/v1/files%5c1",
        "/provider/p/v1/files\\1",
        "/provider/p/v1/files\\..\\x",
        "/provider/p/v1//files",
        "/provider/p//v1/files",
        "/provider/p///evil.example/files",
        "/provider/p/%2f/evil.example/files",
        "/provider/p/v1/files/%252e%252e/x",
        "/provider/p/v1/files/%00",
        "/provider/p/v1/files/%0d%0aHost:%20evil",
        "/provider/p/v1/files/a;b",
        "/provider/p/v1/files/..;/x",
        "/provider/p/v1/./files",
        "/provider/p/v1/files/%",
        "/provider/p/v1/files/",
        "/provider/p/",
        "/provider/p/@evil.example/files",
        "/provider/p/http://evil.example/files",
        "/provider/p/v1/organization/admin_api_keys",
        "/provider/p/v1/files/a/b/c",
        "/provider/%70%2f..%2fq/v1/files",
        "/provider/../provider/p/v1/files",
        "/provider/q/v1/files",
        "/provider/P/v1/files",
        "/provider/p",
        "/provider/",
    ];
    for path in paths {
        for method in ["GET", "POST", "DELETE"] {
            let got = get(path).by(method).send(&road).await;
            assert!((400..405).contains(&got.status), "{method} {path}: {got:?}");
        }
    }
    assert!(sim.seen().is_empty(), "{:?}", sim.seen());
    assert!(road.ledger.dispatched().is_empty());
}

#[tokio::test]
async fn what_is_not_listed_and_who_may_not_is_told_so() {
    let sim = sim().await;
    let mut house = house(listed(CHAT, sim.addr()));
    add_key(&mut house, key("other", "bg-another-key-that-may-not-pass"));
    let mut gone = key("gone", "bg-a-key-whose-provider-is-gone");
    gone.passthrough = BTreeSet::from(["nobody".to_owned()]);
    add_key(&mut house, gone);
    let road = Road::start(house);
    let got = get("/provider/p/v1/organization/costs").send(&road).await;
    assert_error(CHAT, &got, 403, "policy_refused");
    assert!(
        got.message().contains("organization/costs"),
        "{}",
        got.text()
    );
    let read_only = get("/provider/p/v1/fine_tuning/jobs").by("POST");
    let got = read_only.send(&road).await;
    assert_error(CHAT, &got, 403, "policy_refused");
    let with = |secret: &str| {
        let ask = get("/provider/p/v1/files").without("authorization");
        ask.header("authorization", &format!("Bearer {secret}"))
    };
    let got = with("bg-another-key-that-may-not-pass").send(&road).await;
    assert_error(CHAT, &got, 403, "policy_refused");
    let got = with("bg-a-key-whose-provider-is-gone").at("/provider/nobody/v1/files");
    let got = got.send(&road).await;
    assert_error(CHAT, &got, 404, "not_found");
    let got = with("bg-nobodys").send(&road).await;
    assert_error(CHAT, &got, 401, "invalid_key");
    assert!(sim.seen().is_empty());
    let refused = road.ledger.refused();
    assert!(refused.iter().all(|one| one.operation == "passthrough"));
}

/// The path and body of a chat request at a provider's own root.
fn chat(dialect: Dialect, stream: bool) -> Ask {
    let mut body = speaking::body(dialect, "hello there");
    let mut path = speaking::path(dialect, stream)
        .replace("/m:", "/echo:")
        .replace("/m/", "/echo/");
    if body.get("model").is_some() {
        body["model"] = json!("echo");
    }
    if stream && speaking::says_stream(dialect) {
        body["stream"] = json!(true);
        if dialect == CHAT {
            body["stream_options"] = json!({ "include_usage": true });
        }
    }
    path.insert_str(0, "/provider/p");
    Ask::new(dialect, "").at(&path).raw(body.to_string())
}

/// The dialects whose chats pass through.
fn passed() -> impl Iterator<Item = Dialect> {
    let passes = |dialect: &Dialect| *dialect != Dialect::OpenaiResponses;
    Dialect::ALL.into_iter().filter(passes)
}

#[tokio::test]
async fn an_answer_that_tells_its_usage_is_priced_in_every_dialect() {
    for dialect in passed() {
        for stream in [false, true] {
            let sim = sim().await;
            let provider = provider("p", dialect, sim.addr());
            let price = money::price(&target(
                crate::harness::provider("p", dialect, sim.addr()),
                "echo",
            ));
            let road = Road::start(money::priced(house(provider), vec![price], Vec::new()));
            let got = chat(dialect, stream).send(&road).await;
            let case = format!("{dialect:?}, stream {stream}: {got:?}");
            assert_eq!(got.status, 200, "{case}");
            assert_eq!(got.said(), "hello there", "{case}");
            assert!(got.whole, "{case}");
            let kept = enough(&road).await;
            let billed = sim.bill().calls.remove(0);
            assert_eq!(kept.usage.total_input(), billed.input_tokens, "{case}");
            assert_eq!(kept.usage.total_output(), billed.output_tokens, "{case}");
            assert_eq!(
                kept.cost.0,
                i64::try_from(billed.cost_nanos).unwrap(),
                "{case}"
            );
            assert!(!kept.flags.unpriced && !kept.flags.estimated, "{case}");
            assert_eq!(&*kept.model, "p/echo");
        }
    }
}

#[tokio::test]
async fn a_hard_budget_wants_a_ceiling_and_charges_it_where_nothing_is_told() {
    let sim = sim().await;
    let mut bare = house(listed(CHAT, sim.addr()));
    bare.limits = LimitSet::new(vec![money::budget("day", 1_000)]);
    let road = Road::start(bare);
    let got = get("/provider/p/v1/files").send(&road).await;
    assert_error(CHAT, &got, 403, "unbounded_request");
    assert!(sim.seen().is_empty());

    let mut house = house(listed(CHAT, sim.addr()));
    house.limits = LimitSet::new(vec![money::budget("day", 1_000)]);
    house.ceilings.providers.insert("p".to_owned(), Nanos(400));
    let road = Road::start(house);
    for _ in 0..2 {
        let got = get("/provider/p/v1/files").send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    road.settled(2).await;
    assert_eq!(money::spent(&road, "day"), 800);
    let got = get("/provider/p/v1/files").send(&road).await;
    money::assert_budget_refusal(&got, "day");
    assert_eq!(sim.seen().len(), 2);
    let kept = road.ledger.closed().remove(0);
    assert_eq!((kept.cost.0, kept.flags.unpriced), (400, true));
    money::at_rest(&road).await;
}

#[tokio::test]
async fn limits_of_requests_count_it() {
    let sim = sim().await;
    let mut house = house(listed(CHAT, sim.addr()));
    house.limits = LimitSet::new(vec![money::limit("few", Resource::Requests, 1)]);
    let road = Road::start(house);
    assert_eq!(get("/provider/p/v1/files").send(&road).await.status, 200);
    let got = get("/provider/p/v1/files").send(&road).await;
    assert_error(CHAT, &got, 429, "rate_limited");
    assert_eq!(sim.seen().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed_and_no_location_is_told() {
    let elsewhere = sim().await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("location: {}/v1/files\r\n", elsewhere.url());
        let puppet = Puppet::framed(status, "text/plain", &to, 0, b"").await;
        let road = Road::start(house(listed(CHAT, puppet.address)));
        let got = get("/provider/p/v1/files").send(&road).await;
        assert_error(CHAT, &got, 502, "provider_failed");
        assert_eq!(got.header("location"), "");
        assert!(!got.text().contains(&elsewhere.url()));
        assert_eq!(puppet.requests().len(), 1);
    }
    assert!(elsewhere.seen().is_empty());
    let more =
        "location: http://evil.example/\r\nset-cookie: a=b\r\nx-secret: 1\r\netag: \"e\"\r\n";
    let puppet = Puppet::framed(201, "application/json", more, 2, b"{}").await;
    let road = Road::start(house(listed(CHAT, puppet.address)));
    let got = get("/provider/p/v1/files").send(&road).await;
    assert_eq!((got.status, got.text().as_str()), (201, "{}"));
    assert_eq!(got.header("etag"), "\"e\"");
    for header in ["location", "set-cookie", "x-secret"] {
        assert_eq!(got.header(header), "", "{header}");
    }
}

#[tokio::test]
async fn an_error_goes_on_once_and_never_tells_the_credential() {
    for status in [400, 403, 404, 409, 422, 429, 500, 503] {
        let told = format!("no: {} is wrong", credential("p"));
        let fault = json!({ "status": { "status": status, "message": told } });
        let sim = faulty(fault).await;
        let road = road(CHAT, &sim);
        let got = chat(CHAT, false).send(&road).await;
        assert_eq!(got.status, status, "{}", got.text());
        assert!(got.text().contains("is wrong"), "{}", got.text());
        assert!(!got.text().contains(&credential("p")), "{}", got.text());
        assert_eq!(sim.seen().len(), 1, "asked once");
        let kept = enough(&road).await;
        assert_eq!((kept.status, kept.cost.0), (status, 0));
        assert_ne!(&*kept.outcome, "answered");
        assert!(!format!("{kept:?}").contains(&credential("p")));
    }
    let told = format!("bad key {}", credential("p"));
    let sim = faulty(json!({ "status": { "status": 401, "message": told } })).await;
    let road = road(CHAT, &sim);
    let got = chat(CHAT, false).send(&road).await;
    assert_error(CHAT, &got, 502, "provider_failed");
    assert!(!got.text().contains("sk-only"), "{}", got.text());
}

#[tokio::test]
async fn an_answer_that_breaks_never_looks_whole() {
    for fault in [
        json!({ "cut": { "at_fraction": 0.5 } }),
        json!({ "cut": { "at_fraction": 0.5, "by": "rst" } }),
    ] {
        for stream in [false, true] {
            let sim = faulty(fault.clone()).await;
            let road = road(CHAT, &sim);
            let got = chat(CHAT, stream).send(&road).await;
            assert!(!got.whole, "{fault} {stream}: {got:?}");
            let kept = enough(&road).await;
            assert_eq!(&*kept.outcome, "broken", "{fault} {stream}");
        }
    }
}

#[tokio::test]
async fn a_long_answer_is_passed_on_in_little_memory() {
    const LENGTH: usize = 24 << 20;
    let body = vec![b'x'; LENGTH];
    let puppet = Puppet::answering(200, "application/octet-stream", &body).await;
    let house = house(listed(CHAT, puppet.address));
    let road = Road::tuned(house, 2 << 20, gateway::Timings::default());
    let got = get("/provider/p/v1/files/file-1/content").send(&road).await;
    assert_eq!((got.status, got.body.len(), got.whole), (200, LENGTH, true));
    let kept = enough(&road).await;
    assert_eq!(&*kept.outcome, "answered");
    assert_eq!(&*kept.target, "p/files/*/content");
    road.at_rest().await;
}

#[tokio::test]
async fn a_client_that_goes_closes_the_provider_and_settles() {
    let sim = sim().await;
    let road = road(CHAT, &sim);
    let body = json!({ "model": "echo", "stream": true, "messages": [{ "role": "user", "content": "[[chunks=1000&gap_ms=20]]a long one" }] });
    let ask = chat(CHAT, true).raw(body.to_string());
    let line = ask.open(&road).await.until_body().await;
    drop(line);
    let kept = enough(&road).await;
    assert_eq!(&*kept.outcome, "client_gone");
    until("the call is over", || sim.bill().calls.len() == 1).await;
    road.at_rest().await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_failure_in_what_it_speaks() {
    for dialect in passed() {
        let nobody = crate::harness::nobody().await;
        let road = Road::start(house(provider("p", dialect, nobody)));
        let got = chat(dialect, false).send(&road).await;
        assert_error(dialect, &got, 502, "provider_failed");
        let kept = enough(&road).await;
        assert_eq!(kept.cost.0, 0);
    }
}

fn upgrade(ask: Ask) -> Ask {
    ask.header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("openai-beta", "responses_websockets=2026-02-06")
}

#[tokio::test]
async fn a_websocket_is_refused_at_once_so_that_its_client_goes_on_by_post() {
    let sim = sim().await;
    let road = road(CHAT, &sim);
    let asks: [Ask; 5] = [
        get("/v1/responses"),
        get("/v1/responses?model=m"),
        get("/responses").without("authorization"),
        get("/v1/responses").raw("a body that nobody reads"),
        get("/v1/realtime"),
    ];
    for ask in asks {
        let got: Got = upgrade(ask).send(&road).await;
        assert_error(CHAT, &got, 426, "upgrade_refused");
        assert_eq!(got.header("x-should-retry"), "false");
    }
    let plain: Value = get("/v1/responses").send(&road).await.json();
    assert!(plain["error"].is_object(), "{plain}");
    assert!(sim.seen().is_empty());
}
