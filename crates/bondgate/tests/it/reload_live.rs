//! Reloading the running program under load: nothing that is asked for or under way notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{CHAT, Client, chat, get, post, read, request, soon};
use crate::program::{KEY, PATIENCE, Program, SimThread};

const OTHER: &str = "other-key-0123456789abcdef";

/// The model `m`, and one whose name tells one configuration from another.
fn configuration(sim: &SimThread, edition: &str, keys: &str) -> String {
    let providers = sim.providers();
    format!(
        "{providers}models:\n  m: {{ targets: [chat/echo, anthropic/echo] }}\n  \
         {edition}: {{ alias: m }}\nkeys:\n{keys}"
    )
}

fn with_key(sim: &SimThread, edition: &str) -> String {
    configuration(sim, edition, &format!("  test: {{ secret: {KEY} }}\n"))
}

/// Asks again and again until the status of `GET path` with that key is this one.
async fn until_status(gateway: &Program, key: &str, path: &str, status: u16) {
    let by = Instant::now() + PATIENCE;
    let mut client = Client::to(gateway).await;
    loop {
        let got = client.ask(request("GET", path, key, "")).await;
        if got.status == status {
            return;
        }
        assert!(Instant::now() < by, "{path} still gives {}", got.status);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_in_force(gateway: &Program, edition: &str) {
    until_status(gateway, KEY, &format!("/v1/models/{edition}"), 200).await;
}

/// Asks without a pause until it is told to stop; counts what was answered, and fails with what was not.
async fn traffic(mut client: Client, stream: bool, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    let text = if stream {
        "[[chunks=5&gap_ms=2]]"
    } else {
        "hi"
    };
    while !stop.load(Ordering::Relaxed) {
        let got = client.ask(post(CHAT, chat("m", text, stream))).await;
        let good = got.status == 200 && got.whole && (!stream || got.is_whole_stream());
        assert!(good, "{got:?}");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn twenty_reloads_under_load_fail_not_one_request() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&with_key(&sim, "edition-0"));
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let mut load = JoinSet::new();
    for n in 0..8 {
        let client = Client::to(&gateway).await;
        load.spawn(traffic(
            client,
            n % 2 == 0,
            Arc::clone(&stop),
            Arc::clone(&count),
        ));
    }
    // This one is under way all the while.
    let mut long = Client::to(&gateway).await;
    let asked = post(CHAT, chat("m", "[[chunks=500&gap_ms=12]]", true));
    let mut long = long.send(asked).await.unwrap();
    soon(long.body_mut().frame()).await.unwrap().unwrap();
    for n in 1..=20 {
        let edition = format!("edition-{n}");
        gateway.rewrite(&with_key(&sim, &edition));
        // Some are noticed, the others asked for.
        if n % 5 != 0 {
            gateway.signal("HUP");
        }
        until_in_force(&gateway, &edition).await;
    }
    let during = count.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = soon(load.join_next()).await {
        ended.unwrap();
    }
    assert!(during > 20, "there was no load: {during}");
    assert!(read(long).await.is_whole_stream());
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_place_and_the_last_good_one_serves() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&with_key(&sim, "edition-0"));
    gateway.rewrite(&with_key(&sim, "edition-1").replace("anthropic/echo", "nobody/echo"));
    let said = gateway.said_up_to("nobody");
    assert!(said.contains("the last good one keeps serving"), "{said}");
    assert!(said.contains("bondgate.yaml:8:"), "{said}");
    let mut client = Client::to(&gateway).await;
    let got = client.ask(post(CHAT, chat("m", "hi", false))).await;
    assert_eq!(got.said(), "hi");
    assert_eq!(client.ask(get("/v1/models/edition-1")).await.status, 404);
    gateway.rewrite(&with_key(&sim, "edition-2"));
    until_in_force(&gateway, "edition-2").await;
}

#[tokio::test]
async fn a_key_that_is_taken_out_stops_working_and_one_that_is_put_in_works() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&with_key(&sim, "edition-0"));
    let mut stream = Client::to(&gateway).await;
    let asked = post(CHAT, chat("m", "[[chunks=100&gap_ms=20]]", true));
    let mut stream = stream.send(asked).await.unwrap();
    soon(stream.body_mut().frame()).await.unwrap().unwrap();
    let mut kept = Client::to(&gateway).await;
    assert_eq!(kept.ask(get("/v1/models/m")).await.status, 200);
    let keys = format!("  other: {{ secret: {OTHER} }}\n");
    gateway.rewrite(&configuration(&sim, "edition-1", &keys));
    gateway.signal("HUP");
    until_status(&gateway, OTHER, "/v1/models/edition-1", 200).await;
    // On the connection that it was good on before, too.
    assert_eq!(kept.ask(get("/v1/models/m")).await.status, 401);
    let asked = request("POST", CHAT, OTHER, chat("m", "hi", false));
    assert_eq!(kept.ask(asked).await.said(), "hi");
    assert!(read(stream).await.is_whole_stream(), "it had begun before");
}

#[tokio::test]
async fn a_changed_file_that_holds_a_secret_is_read_again() {
    let sim = SimThread::start("{}");
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{KEY}\n")).unwrap();
    let keys = "  test: { secret: \"${file:secret}\" }\n";
    let text = format!(
        "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\n{}",
        configuration(&sim, "edition-0", keys)
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let gateway = Program::start_in(folder, &[]);
    until_status(&gateway, KEY, "/v1/models/m", 200).await;
    until_status(&gateway, OTHER, "/v1/models/m", 401).await;
    std::fs::write(&secret, format!("{OTHER}\n")).unwrap();
    until_status(&gateway, OTHER, "/v1/models/m", 200).await;
    until_status(&gateway, KEY, "/v1/models/m", 401).await;
}

#[tokio::test]
async fn a_providers_key_that_changes_in_its_file_is_shown_without_a_restart() {
    let sim = SimThread::start(r#"{"keys": ["sk-second-0123456789"]}"#);
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("provider-key");
    std::fs::write(&secret, "sk-first-0123456789\n").unwrap();
    let url = sim.sim.url();
    let text = format!(
        "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\nproviders:\n  chat: {{ base_url: \"{url}\", \
         dialect: openai-chat, key: \"${{file:provider-key}}\" }}\n\
         models: {{ m: {{ targets: [chat/echo] }} }}\nkeys: {{ test: {{ secret: {KEY} }} }}\n"
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let gateway = Program::start_in(folder, &[]);
    let mut client = Client::to(&gateway).await;
    let refused = client.ask(post(CHAT, chat("m", "hi", false))).await;
    assert_eq!(refused.status, 502, "the provider knows another key");
    std::fs::write(&secret, "sk-second-0123456789\n").unwrap();
    let by = Instant::now() + PATIENCE;
    loop {
        let got = client.ask(post(CHAT, chat("m", "hi", false))).await;
        if got.status == 200 {
            return;
        }
        assert!(Instant::now() < by, "it still gives {}", got.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
