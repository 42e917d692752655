//! The commands that read or change a gateway, through the real binary: against one that
//! runs, and against its data folder when it does not.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json as value};
use tempfile::TempDir;

use crate::client::{CHAT, Client, chat, request};
use crate::program::{KEY, PATIENCE, Program, SimThread};

/// A gateway with one model `m`, one key `test` and a price.
fn gateway(sim: &SimThread) -> Program {
    let providers = sim.providers();
    Program::start(&format!(
        "{providers}models:\n  m: {{ targets: [chat/echo] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n\
         budgets:\n  house: {{ limit: 5 USD, per: day }}\n\
         prices:\n  - {{ target: chat/echo, input: 1 USD, output: 2 USD }}\n"
    ))
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn read(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Runs a command that must succeed; gives what it printed.
fn good(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = read(&mut command(folder, arguments));
    assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
    out
}

/// Runs a command that must fail; gives what it said.
fn bad(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = read(&mut command(folder, arguments));
    assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}: {err}");
    err
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    serde_json::from_str(&good(folder, &all)).unwrap()
}

/// Stops the gateway; its folder stays.
fn stopped(program: Program) -> TempDir {
    program.signal("TERM");
    program.at_rest()
}

/// Asks for so many answers and waits until the ledger has them.
async fn used(program: &Program, key: &str, times: usize) {
    let mut client = Client::to(program).await;
    for _ in 0..times {
        let got = client
            .ask(request("POST", CHAT, key, chat("m", "hello", false)))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let report = json(program.folder.path(), &["spend"]);
        if report["total"]["requests"].as_u64() >= Some(times as u64) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{report}");
    }
}

#[tokio::test]
async fn a_key_is_made_used_rotated_and_revoked_at_once() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let folder = program.folder.path();
    let made = good(
        folder,
        &[
            "keys",
            "create",
            "--name",
            "bot",
            "--owner",
            "ops",
            "--models",
            "m",
            "--expires",
            "90d",
            "--tag",
            "app=x",
        ],
    );
    let secret = made.lines().last().unwrap().to_owned();
    assert!(secret.starts_with("bg-") && secret.len() == 46, "{made}");
    assert_eq!(made.matches(&secret).count(), 1);
    let status = async |secret: &str| {
        let mut client = Client::to(&program).await;
        let asked = request("POST", CHAT, secret, chat("m", "hello", false));
        client.ask(asked).await.status.as_u16()
    };
    assert_eq!(status(&secret).await, 200);
    let shown = json(folder, &["keys", "show", "bot"]);
    assert_eq!(
        (&shown["owner"], &shown["tags"]["app"]),
        (&"ops".into(), &"x".into())
    );
    assert!(
        shown["expires_at"].is_string() && shown.get("secret").is_none(),
        "{shown}"
    );
    let rotated = json(folder, &["keys", "rotate", "bot", "--grace", "1h"]);
    let second = rotated["secret"].as_str().unwrap();
    assert_eq!((status(&secret).await, status(second).await), (200, 200));
    let third = json(folder, &["keys", "rotate", "bot"]);
    let third = third["secret"].as_str().unwrap();
    assert_eq!(
        (
            status(&secret).await,
            status(second).await,
            status(third).await
        ),
        (401, 401, 200)
    );
    assert!(good(folder, &["keys", "revoke", "bot"]).contains("revoked_at"));
    assert_eq!(status(third).await, 401);
    let names: Vec<Value> = json(folder, &["keys", "list"]).as_array().unwrap().clone();
    let names: Vec<&str> = names
        .iter()
        .map(|key| key["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bot", "test"]);
    let all = program.wrote();
    for secret in [&secret, second, third] {
        assert!(!all.contains(secret), "a secret was logged");
    }
}

#[tokio::test]
async fn spend_logs_and_one_exchange_say_what_was_asked_and_what_it_cost() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let folder = program.folder.path();
    used(&program, KEY, 3).await;
    let report = json(folder, &["spend", "--by", "key", "--by", "model"]);
    assert_eq!(report["items"][0]["by"]["key"], "test");
    assert_eq!(report["total"]["requests"], 3);
    let table = good(folder, &["spend", "--by", "key"]);
    assert!(
        table.starts_with(" KEY") && table.contains("\n total"),
        "{table}"
    );
    let csv = good(folder, &["spend", "--by", "day", "--format", "csv"]);
    assert!(
        csv.starts_with("day,requests,failures,usage_input,"),
        "{csv}"
    );
    assert_eq!(csv.matches("\r\n").count(), 2, "{csv}");
    let logs = json(folder, &["logs", "--filter", "key=test", "--limit", "2"]);
    assert_eq!(logs.as_array().unwrap().len(), 2);
    assert!(
        logs[0]["id"].as_str() < logs[1]["id"].as_str(),
        "newest last: {logs}"
    );
    assert!(logs[0]["usage"]["input"].is_i64() && logs[0]["cost_usd"].is_string());
    let id = logs[0]["id"].as_str().unwrap();
    let page = good(folder, &["show", id]);
    assert!(
        page.contains("chat/echo") && page.contains("CONNECT MS"),
        "{page}"
    );
    let rows = json(
        folder,
        &[
            "query",
            "SELECT key, count(*) AS n FROM ledger GROUP BY key",
        ],
    );
    assert_eq!(rows, serde_json::json!([{ "key": "test", "n": 3 }]));
    let paths = json(folder, &["paths"]);
    assert_eq!(
        (&paths[0]["key"], &paths[0]["target"]),
        (&"test".into(), &"chat/echo".into())
    );
    let status = json(folder, &["status"]);
    assert_eq!(
        (&status["well"], &status["balances"][0]["name"]),
        (&true.into(), &"house".into())
    );
    let drawn = good(folder, &["status"]);
    assert!(
        drawn.contains("journal") && drawn.contains("house"),
        "{drawn}"
    );
}

#[tokio::test]
async fn a_data_folder_at_rest_answers_as_the_gateway_did() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    used(&program, KEY, 2).await;
    let asked: [&[&str]; 6] = [
        &[
            "spend",
            "--by",
            "key",
            "--since",
            "2026-01-01",
            "--until",
            "2100-01-01",
        ],
        &["logs"],
        &["paths"],
        &["keys", "list"],
        &["query", "SELECT * FROM ledger ORDER BY number"],
        &["prices", "list", "chat/echo"],
    ];
    let ran: Vec<Value> = asked
        .iter()
        .map(|one| json(program.folder.path(), one))
        .collect();
    let folder = stopped(program);
    let rests: Vec<Value> = asked.iter().map(|one| json(folder.path(), one)).collect();
    assert_eq!(ran, rests);
    let made = json(folder.path(), &["keys", "create", "--name", "later"]);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let (code, out, _) = read(&mut command(folder.path(), &["status"]));
    assert!(code == Some(1) && out.contains("does not run"), "{out}");
    let said = bad(folder.path(), &["logs", "--follow"]);
    assert!(said.contains("nothing to follow"), "{said}");
    let again = Program::start_in(folder, &[]);
    let mut client = Client::to(&again).await;
    let got = client
        .ask(request("POST", CHAT, &secret, chat("m", "hello", false)))
        .await;
    assert_eq!(got.status, 200, "a key made at rest is good: {got:?}");
}

#[tokio::test]
async fn what_a_killed_gateway_left_is_in_the_sums_at_rest() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let mut client = Client::to(&program).await;
    for _ in 0..5 {
        let asked = request("POST", CHAT, KEY, chat("m", "hello", false));
        assert_eq!(client.ask(asked).await.status, 200);
    }
    program.signal("KILL");
    let folder = program.at_rest();
    let report = json(folder.path(), &["spend"]);
    assert_eq!(report["total"]["requests"], 5, "{report}");
}

#[tokio::test]
async fn a_log_is_followed() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    used(&program, KEY, 1).await;
    let arguments = ["logs", "--follow", "--format", "json"];
    let mut child = command(program.folder.path(), &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        move || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    let mut client = Client::to(&program).await;
    for _ in 0..2 {
        let asked = request("POST", CHAT, KEY, chat("m", "hello", false));
        client.ask(asked).await;
    }
    let (second, third) = (next(), next());
    child.kill().unwrap();
    child.wait().unwrap();
    let mut ids = [&first, &second, &third].map(|row| row["id"].as_str().unwrap());
    ids.sort_unstable();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "each once: {ids:?}");
}

#[test]
fn prices_are_imported_whole_or_not_at_all() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let folder = program.folder.path();
    let file = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    file(
        "bad.yaml",
        "- { target: a/b, input: 1 USD }\n- { target: nothing, input: 1 USD }\n- { target: a/c, inptu: 1 USD }\n",
    );
    let said = bad(folder, &["prices", "import", "bad.yaml"]);
    assert!(
        said.contains("bad.yaml: row 2: `target`") && said.contains("row 3: `inptu`"),
        "{said}"
    );
    file(
        "good.yaml",
        "prices:\n  - { target: a/b, input: 0.15 USD, output: 1 USD, above_tokens: [{ n: 1000, input: 2 USD }] }\n",
    );
    file(
        "good.json",
        r#"[{ "target": "a/c", "input": "3 USD", "output": "4 USD" }]"#,
    );
    file(
        "taken.json",
        r#"[{ "target": "a/new", "input": "1 USD" }, { "name": "dear", "target": "a/d", "input": "1 USD" }, { "name": "dear", "target": "a/d", "input": "2 USD" }]"#,
    );
    let said = bad(folder, &["prices", "import", "taken.json"]);
    assert!(
        said.contains("nothing of taken.json was added") && said.contains("`dear`"),
        "{said}"
    );
    good(folder, &["prices", "import", "good.yaml"]);
    good(folder, &["prices", "import", "good.json"]);
    assert_eq!(json(folder, &["prices", "list", "a/new"]), value!([]));
    assert_eq!(json(folder, &["prices", "list", "a/d"]), value!([]));
    let of_file = &json(folder, &["prices", "list", "chat/echo"])[0];
    assert_eq!(of_file["source"], "file");
    assert_eq!(of_file["output"], "2.000000000");
    let rows = json(folder, &["prices", "list", "a/b"]);
    assert_eq!(rows[0]["input"], "0.150000000");
    assert_eq!(rows[0]["above_tokens"][0]["n"], 1000);
    assert_eq!(json(folder, &["prices", "list", "c"])[0]["source"], "store");
    let known = json(folder, &["prices", "list", "openai/gpt-4o"]);
    assert_eq!(known[0]["source"], "built-in");
}

#[test]
fn errors_say_what_is_wrong_and_what_mends_it() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let folder = program.folder.path();
    let said = bad(folder, &["keys", "show", "nobody"]);
    assert!(said.contains("there is no key `nobody`"), "{said}");
    let said = bad(folder, &["keys", "revoke", "test"]);
    assert!(said.contains("configuration's file"), "{said}");
    let said = bad(folder, &["query", "DELETE FROM ledger"]);
    assert!(said.contains("cannot modify ledger"), "{said}");
    let said = bad(folder, &["logs", "--filter", "colour=red"]);
    assert!(said.contains("colour"), "{said}");
    let mut wrong = command(folder, &["keys", "list"]);
    let (code, _, said) = read(wrong.env("BONDGATE_ADMIN_TOKEN", "another-token-0123456789"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("BONDGATE_ADMIN_TOKEN") && !said.contains("another-token"),
        "{said}"
    );
    let said = bad(folder, &["keys", "list", "--admin", "http://127.0.0.1:1"]);
    assert!(
        said.contains("127.0.0.1:1") && said.contains("--admin"),
        "{said}"
    );
    let said = bad(folder, &["keys", "list", "--admin", &program.url]);
    assert!(said.contains("not as the admin API does"), "{said}");
    let nowhere = TempDir::new().unwrap();
    let said = bad(nowhere.path(), &["keys", "list", "--admin", &program.url]);
    assert!(said.contains("there is no admin token"), "{said}");
    std::fs::remove_file(folder.join("data/admin.address")).unwrap();
    let said = bad(folder, &["keys", "list"]);
    assert!(
        said.contains("in use by process") && said.contains("--admin"),
        "{said}"
    );
}

#[test]
fn wrong_usage_of_these_commands_ends_with_two() {
    let nowhere = TempDir::new().unwrap();
    let cases: [&[&str]; 12] = [
        &["keys"],
        &["keys", "create"],
        &["keys", "create", "--name", "x", "--expires", "soon"],
        &["keys", "create", "--name", "x", "--tag", "novalue"],
        &["keys", "rotate", "x", "--grace", "long"],
        &["spend", "--by", "colour"],
        &["spend", "--since", "yesterday"],
        &["logs", "--limit", "0"],
        &["logs", "--filter", "key"],
        &["show"],
        &["prices", "import"],
        &["status", "--admin", "ftp://x"],
    ];
    for arguments in cases {
        let (code, out, err) = read(&mut command(nowhere.path(), arguments));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.starts_with("error: ") || arguments.len() == 1, "{err}");
    }
}

#[test]
fn asking_where_nothing_is_makes_nothing() {
    let nowhere = TempDir::new().unwrap();
    let arguments = ["keys", "list", "--admin", "http://127.0.0.1:1"];
    bad(nowhere.path(), &arguments);
    let said = bad(
        nowhere.path(),
        &["keys", "create", "--name", "x", "--data", "."],
    );
    assert!(said.contains("is no data folder"), "{said}");
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0);
}

#[test]
fn a_program_is_run_with_a_key_that_ends_with_it() {
    let sim = SimThread::start("{}");
    let program = gateway(&sim);
    let folder = program.folder.path();
    let script = "echo $OPENAI_API_KEY ${BONDGATE_ADMIN_TOKEN:-none}";
    let run = [
        "run",
        "--gateway",
        &program.url,
        "--",
        "/bin/sh",
        "-c",
        script,
    ];
    let token = std::fs::read_to_string(folder.join("data/admin.token")).unwrap();
    let mut ran = command(folder, &run);
    let (code, out, err) = read(ran.env("BONDGATE_ADMIN_TOKEN", token.trim()));
    assert_eq!(code, Some(0), "{err}");
    let (key, admin) = out.trim().split_once(' ').unwrap();
    assert!(key.starts_with("bg-"), "{out}");
    assert_eq!(
        admin, "none",
        "the program is not given the operator's token"
    );
    assert!(err.contains("0 requests") && !err.contains(key), "{err}");
    let keys = json(folder, &["keys", "list"]);
    let made = keys.as_array().unwrap().iter();
    let made: Vec<&Value> = made
        .filter(|key| key["name"].as_str().unwrap().starts_with("run-"))
        .collect();
    assert_eq!(made.len(), 1);
    assert!(made[0]["revoked_at"].is_string() && made[0]["expires_at"].is_string());
    assert_eq!(made[0]["tags"], value!({ "app": "sh" }));
}
