//! The running program: what it starts with, how it stops, what it writes, and what it takes.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use http::Request;
use http_body_util::{BodyExt as _, Full};
use tempfile::TempDir;

use crate::client::{CHAT, Client, Got, address, chat, get, post, read, request, soon};
use crate::program::{KEY, PATIENCE, Program, SimThread};

fn bondgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
    command.args(arguments).env_clear();
    command
}

/// The model `m`, which the simulated provider's `echo` serves.
fn echo(sim: &SimThread) -> String {
    let providers = sim.providers();
    format!(
        "{providers}models:\n  m: {{ targets: [chat/echo] }}\nkeys:\n  test: {{ secret: {KEY} }}\n"
    )
}

fn without_a_file(variables: &[(&str, &str)]) -> Program {
    let mut command = bondgate(&["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.envs(variables.iter().copied());
    Program::start_by(command, TempDir::new().unwrap())
}

fn key_of(program: &Program) -> String {
    let line = program.printed("The key `default`");
    line.rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_file_each_data_folder_has_a_key_of_its_own() {
    let (one, two) = (without_a_file(&[]), without_a_file(&[]));
    let (first, second) = (key_of(&one), key_of(&two));
    assert_ne!(first, second);
    let body = chat("sim/echo", "Grüße", false);
    let mut client = Client::to(&one).await;
    let good = client
        .ask(request("POST", CHAT, &first, body.clone()))
        .await;
    assert_eq!(good.said(), "Grüße");
    let other = client.ask(request("POST", CHAT, &second, body)).await;
    assert_eq!(other.status, 401);
}

#[tokio::test]
async fn a_provider_is_on_where_its_usual_variable_is_set() {
    let program = without_a_file(&[("OPENAI_API_KEY", "sk-not-a-real-one")]);
    let said = program.printed("There is no configuration file");
    assert!(
        said.ends_with("these providers are on: openai, sim."),
        "{said}"
    );
    let key = key_of(&program);
    let mut client = Client::to(&program).await;
    for (model, status) in [("openai/gpt-5", 200), ("sim/echo", 200), ("groq/x", 404)] {
        let path = format!("/v1/models/{model}");
        let got = client.ask(request("GET", &path, &key, "")).await;
        assert_eq!(got.status, status, "{model} {got:?}");
    }
}

#[test]
fn the_line_that_sim_prints_works_when_pasted() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl here");
        return;
    }
    let mut sim = bondgate(&["sim", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = std::io::BufReader::new(sim.stdout.take().unwrap());
    let line = std::io::BufRead::lines(printed)
        .find_map(|line| line.unwrap().strip_prefix("try: ").map(str::to_owned));
    let output = Command::new("sh").args(["-c", &line.unwrap()]).output();
    sim.kill().unwrap();
    sim.wait().unwrap();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&said).expect(&said);
    assert_eq!(answer["choices"][0]["message"]["content"], "hello");
}

/// A stream that has begun, and what is left of it.
async fn begun(gateway: &Program, text: &str) -> http::Response<hyper::body::Incoming> {
    let mut client = Client::to(gateway).await;
    let mut response = client
        .send(post(CHAT, chat("m", text, true)))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    response
}

async fn until_refused(gateway: &Program) {
    let by = Instant::now() + PATIENCE;
    while TcpStream::connect(address(gateway)).is_ok() {
        assert!(Instant::now() < by, "new connections are still taken");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn streams_under_way_end_whole_before_the_program_does_and_nobody_else_comes_in() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&echo(&sim));
    let mut idle = Client::to(&gateway).await;
    assert_eq!(idle.ask(get("/livez")).await.status, 200);
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(begun(&gateway, "[[chunks=40&gap_ms=50]]").await);
    }
    gateway.signal("TERM");
    gateway.said("stopping");
    until_refused(&gateway).await;
    for stream in streams {
        let got = read(stream).await;
        assert!(got.is_whole_stream(), "{got:?}");
    }
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("cut off"), "{said}");
    let calls = sim.sim.bill().calls;
    assert!(calls.len() == 50, "{}", calls.len());
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&echo(&sim));
    let stream = begun(&gateway, "[[chunks=1000&gap_ms=1000]]").await;
    gateway.signal("TERM");
    gateway.said("stopping");
    until_refused(&gateway).await;
    gateway.signal("TERM");
    // The patience with answers under way is 30 s.
    let before = Instant::now();
    let (code, said) = gateway.ended();
    assert!(before.elapsed().as_secs() < 20, "it waited: {said}");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cut off"), "{said}");
    let got = read(stream).await;
    assert!(!got.body.contains("[DONE]"), "{got:?}");
}

#[test]
fn a_second_program_does_not_start_on_the_same_port() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&echo(&sim));
    let taken = address(&gateway).to_string();
    let folder = TempDir::new().unwrap();
    let second = bondgate(&["--listen", &taken, "--admin-listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("cannot listen on {taken}")),
        "{said}"
    );
    assert!(
        said.contains("in use") && said.contains("--listen"),
        "{said}"
    );
}

#[tokio::test]
async fn one_line_a_request_is_logged_where_asked_for_and_nothing_else() {
    let sim = SimThread::start("{}");
    for (asked, lines) in [("", 0), ("exchange=debug", 2), ("info", 0)] {
        let folder = TempDir::new().unwrap();
        let text = format!(
            "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\n{}",
            echo(&sim)
        );
        std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
        let mut command = bondgate(&[]);
        command.env("BONDGATE_LOG", asked);
        let gateway = Program::start_by(command, folder);
        let mut client = Client::to(&gateway).await;
        let got = client.ask(post(CHAT, chat("m", "hi", false))).await;
        let id = got.headers["x-bondgate-request-id"].to_str().unwrap();
        client.ask(post(CHAT, chat("nobody", "hi", false))).await;
        drop(client);
        let wrote = gateway.wrote();
        let logged: Vec<&str> = wrote
            .lines()
            .filter(|l| l.contains(" exchange: "))
            .collect();
        assert_eq!(logged.len(), lines, "{asked}: {wrote}");
        if let [first, second] = logged.as_slice() {
            assert!(
                first.contains(id) && first.contains("\"answered\""),
                "{first}"
            );
            assert!(second.contains("model_not_found"), "{second}");
        }
    }
    let folder = TempDir::new().unwrap();
    let mut wrong = bondgate(&[]);
    wrong
        .env("BONDGATE_LOG", "exchange=loudly")
        .current_dir(folder.path());
    let output = wrong.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("BONDGATE_LOG"));
}

#[tokio::test]
async fn no_secret_shows_in_answers_or_output_whatever_fails() {
    const SECRETS: [&str; 5] = [
        "canary-virtual-0123456789",
        "canary-unknown-0123456789",
        "canary-upstream-0123456789",
        "canary-second-0123456789",
        "canary-master-0123456789",
    ];
    let [virtual_key, unknown, upstream, second, master] = SECRETS;
    let repeats = format!("Incorrect API key provided: {upstream} or {second}");
    let script = serde_json::json!({ "rules": [
        { "when": { "model": "401" }, "do": { "status": { "status": 401, "message": repeats } } },
        { "when": { "model": "400" }, "do": { "status": { "status": 400, "message": repeats } } },
        { "when": { "model": "cut" }, "do": { "cut": { "at_fraction": 0.5 } } },
        { "when": { "model": "html" }, "do": { "html": {} } },
    ] });
    let sim = SimThread::start(&script.to_string());
    let url = sim.sim.url();
    let text = format!(
        "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\nsecrets: {{ master_key: {master} }}\nproviders:\n  \
         p: {{ base_url: \"{url}\", dialect: openai-chat, keys: [{upstream}, {second}] }}\n  \
         gone: {{ base_url: \"http://127.0.0.1:9\", dialect: anthropic-messages, key: {upstream} }}\n\
         keys:\n  test: {{ secret: {virtual_key}, direct: true }}\n"
    );
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("bondgate.yaml"), &text).unwrap();
    let mut command = bondgate(&[]);
    command.env("BONDGATE_LOG", "trace").env("CANARY", master);
    let gateway = Program::start_by(command, folder);
    let mut answers = Vec::new();
    for model in [
        "p/echo", "p/401", "p/400", "p/cut", "p/html", "gone/x", "nobody",
    ] {
        for (key, stream) in [(virtual_key, false), (virtual_key, true), (unknown, false)] {
            let mut client = Client::to(&gateway).await;
            let asked = request("POST", CHAT, key, chat(model, "hi", stream));
            answers.push(client.ask(asked).await);
            let broken = request("POST", CHAT, key, "{");
            answers.push(Client::to(&gateway).await.ask(broken).await);
            let path = format!("{CHAT}?key={key}x");
            let two_keys = request("POST", &path, key, chat(model, "hi", stream));
            answers.push(Client::to(&gateway).await.ask(two_keys).await);
        }
    }
    assert!(answers.iter().filter(|got| got.status != 200).count() > 50);
    let bad = format!("{text}  b: {{ secret: \"{unknown} ü\", direct: \"${{CANARY}}\" }}\n");
    std::fs::write(gateway.folder.path().join("bondgate.yaml"), bad).unwrap();
    gateway.signal("HUP");
    let wrote = gateway.said_up_to("last good one keeps serving");
    let (sent, wrote) = (format!("{answers:?}"), wrote + &gateway.wrote());
    assert!(wrote.contains("bondgate.yaml:11"), "{wrote}");
    assert!(wrote.contains(" exchange: "), "nothing was logged: {wrote}");
    for secret in SECRETS {
        assert!(!wrote.contains(secret), "{secret} in {wrote}");
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
}

fn compressed(encoding: &str, data: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoded = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 1, 22);
            encoder.write_all(data).unwrap();
            drop(encoder);
            encoded
        }
        _ => ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

async fn send_compressed(gateway: &Program, encoding: &str, data: &[u8]) -> Got {
    let mut asked: Request<Full<_>> = post(CHAT, compressed(encoding, data));
    let value = encoding.parse().unwrap();
    asked.headers_mut().insert("content-encoding", value);
    Client::to(gateway).await.ask(asked).await
}

#[tokio::test]
async fn compressed_requests_are_taken_and_bombs_are_not() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&format!("max_body: 1MiB\n{}", echo(&sim)));
    let long = "a".repeat(2 << 20);
    for encoding in ["gzip", "br", "zstd"] {
        let body = chat("m", "Grüße", false);
        let got = send_compressed(&gateway, encoding, body.as_bytes()).await;
        assert_eq!(got.said(), "Grüße", "{encoding}");
        let got = send_compressed(&gateway, encoding, chat("m", &long, false).as_bytes()).await;
        assert_eq!(got.status, 413, "{encoding} {got:?}");
        assert_eq!(got.json()["error"]["bondgate"]["code"], "too_large");
    }
    let got = send_compressed(&gateway, "sdch", b"{}").await;
    assert_eq!(got.status, 415, "{got:?}");
    assert_eq!(sim.sim.seen().len(), 3);
}

#[test]
fn a_warning_at_the_start_says_in_which_file() {
    let folder = TempDir::new().unwrap();
    let text = "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\nproviders: { ollama: {} }\n";
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let gateway = Program::start_by(bondgate(&[]), folder);
    let said = gateway.said("there are no keys");
    assert!(said.starts_with("bondgate: bondgate.yaml:1:1: "), "{said}");
}
