//! Answers that a provider keeps, through the real program: over a restart, and by the official
//! client library.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Got, get, post, request, soon};
use crate::program::{KEY, PATIENCE, Program, SimThread, part};
use crate::sdk::suite;

fn configuration(sim: &SimThread) -> String {
    let url = sim.sim.url();
    format!(
        "providers:\n  responses: {{ base_url: \"{url}\", dialect: openai-responses, keys: [sk-upstream-0123456789, sk-another-0123456789] }}\n\
         models:\n  via-responses: {{ targets: [responses/echo] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n  other: {{ secret: {KEY}-other }}\n"
    )
}

fn asking(text: &str, previous: Option<&str>) -> String {
    let mut body = json!({ "model": "via-responses", "input": text });
    if let Some(previous) = previous {
        body["previous_response_id"] = json!(previous);
    }
    body.to_string()
}

fn id(got: &Got) -> String {
    assert_eq!(got.status, 200, "{got:?}");
    got.json()["id"].as_str().unwrap().to_owned()
}

async fn made(gateway: &Program, count: usize) -> Vec<String> {
    let mut client = Client::to(gateway).await;
    let mut ids = Vec::new();
    for n in 0..count {
        let got = client.ask(post("/v1/responses", asking(&format!("number {n}"), None)));
        ids.push(id(&got.await));
    }
    ids
}

/// What the file of kept answers holds.
fn rows(data: &std::path::Path) -> i64 {
    let file = rusqlite::Connection::open(data.join("responses.db")).unwrap();
    let count = "SELECT count(*) FROM responses";
    file.query_row(count, [], |row| row.get(0)).unwrap_or(0)
}

async fn assert_bound(gateway: &Program, ids: &[String]) {
    let mut client = Client::to(gateway).await;
    for id in ids {
        let path = format!("/v1/responses/{id}");
        let got = client.ask(get(&path)).await;
        assert_eq!(got.json()["id"], Value::from(id.as_str()), "{got:?}");
        let other = request("GET", &path, &format!("{KEY}-other"), "");
        assert_eq!(client.ask(other).await.status, 404);
        let on = post("/v1/responses", asking("and on", Some(id)));
        assert_eq!(client.ask(on).await.status, 200);
    }
}

#[tokio::test]
async fn answers_are_bound_over_a_stop_and_a_kill() {
    let (sim, data) = (SimThread::start("{}"), TempDir::new().unwrap());
    let configuration = configuration(&sim);
    let gateway = Program::start_on(data.path(), &configuration);
    let mut ids = made(&gateway, 8).await;
    gateway.stopped();
    let gateway = Program::start_on(data.path(), &configuration);
    assert_bound(&gateway, &ids).await;
    let before = rows(data.path());
    ids.extend(made(&gateway, 8).await);
    // Written by a thread of its own: what the file has survives a kill.
    let written = async {
        while rows(data.path()) < before + 8 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, written).await.is_ok());
    gateway.killed();
    let gateway = Program::start_on(data.path(), &configuration);
    assert_bound(&gateway, &ids).await;
    let mut client = Client::to(&gateway).await;
    let path = format!("/v1/responses/{}", ids[0]);
    let deleted = soon(client.ask(request("DELETE", &path, KEY, ""))).await;
    assert_eq!(deleted.json()["deleted"], true);
    gateway.stopped();
    let gateway = Program::start_on(data.path(), &configuration);
    let mut client = Client::to(&gateway).await;
    assert_eq!(client.ask(get(&path)).await.status, 404);
    assert_bound(&gateway, &ids[1..]).await;
}

#[test]
fn openais_library_goes_on_reads_deletes_and_cancels() {
    let Some(python) = part(".parts/venv-sdk/bin/python") else {
        return;
    };
    let sim = SimThread::start("{}");
    let gateway = Program::start(&configuration(&sim));
    let mut command = Command::new(python);
    command.arg("tests/sdk/python/stored.py");
    suite(command, &gateway);
}
