//! Streams that break off, read through the official client libraries: each raises, none
//! takes a broken answer for a whole one. Whole ones stay whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{KEY, Program, SimThread, part, root};
use crate::recorded::{Answer, How, Recording, Server, recordings};

/// The client libraries that a reader has.
const CLIENTS: [&str; 2] = ["openai", "anthropic"];

/// Fixes the simulated provider's words, so that a place found once is the same again.
const SEED: u64 = 7;

#[test]
fn python_libraries_raise_where_the_provider_cuts_a_stream() {
    if let Some(reader) = python() {
        scripted(&reader);
    }
}

#[test]
fn node_libraries_raise_where_the_provider_cuts_a_stream() {
    if let Some(reader) = node() {
        scripted(&reader);
    }
}

#[test]
fn python_libraries_raise_where_a_recorded_stream_is_cut() {
    if let (Some(reader), Some(recordings)) = (python(), recordings()) {
        recorded(&reader, &recordings);
    }
}

#[test]
fn node_libraries_raise_where_a_recorded_stream_is_cut() {
    if let (Some(reader), Some(recordings)) = (node(), recordings()) {
        recorded(&reader, &recordings);
    }
}

/// Streams of the simulated provider, cut by its script.
fn scripted(reader: &Reader) {
    let sim = SimThread::start(&json!({ "seed": SEED }).to_string());
    let providers = ["chat", "anthropic"];
    let names: Vec<String> = (0..PLACES).map(|at| format!("cut{at:02}")).collect();
    let names = || names.iter().map(String::as_str).chain(["whole"]);
    let mut models = String::new();
    for provider in providers {
        for name in names() {
            writeln!(
                models,
                "  {provider}-{name}: {{ targets: [{provider}/{name}] }}"
            )
            .unwrap();
        }
    }
    let gateway = gateway(&sim.providers(), &models);
    let whole: Vec<Value> = providers
        .iter()
        .flat_map(|p| asks(&format!("{p}-whole"), "whole"))
        .collect();
    reader.read(&gateway, &whole);

    let mut rules = Vec::new();
    for (dialect, path) in [
        ("openai-chat", "chat/completions"),
        ("anthropic-messages", "/messages"),
    ] {
        let seen = sim.sim.seen();
        let seen = seen
            .iter()
            .find(|seen| seen.path.contains(path))
            .expect("it was asked");
        for (at, cut) in places(seen.events_sent, seen.bytes_sent)
            .into_iter()
            .enumerate()
        {
            let when = json!({ "dialect": dialect, "model": format!("cut{at:02}") });
            rules.push(json!({ "when": when, "do": { "cut": cut } }));
        }
    }
    let script = json!({ "seed": SEED, "rules": rules }).to_string();
    sim.sim.set_script(sim::Script::from_json(&script).unwrap());
    let cut: Vec<Value> = providers
        .iter()
        .flat_map(|p| {
            names()
                .filter(|name| *name != "whole")
                .map(move |name| format!("{p}-{name}"))
        })
        .flat_map(|model| asks(&model, "raised"))
        .collect();
    reader.read(&gateway, &cut);
    let fired = sim.sim.fired();
    assert_eq!(fired.len(), 2 * PLACES);
    assert!(
        fired.iter().all(|times| *times >= 2),
        "a cut did not happen: {fired:?}"
    );
}

const PLACES: usize = 12;

/// Where a stream of so many events and bytes is cut, each place before the proof: the last
/// three events of a chat are the finish, the usage and `[DONE]`, and a proper end of the
/// body stands for the latter.
fn places(events: u64, bytes: u64) -> [Value; PLACES] {
    assert!(
        events > 10 && bytes > 1000,
        "{events} events, {bytes} bytes"
    );
    [
        json!({ "after_events": 0, "by": "fin" }),
        json!({ "after_events": 0, "clean": true }),
        json!({ "after_events": 1, "by": "rst" }),
        json!({ "after_events": 3, "by": "fin" }),
        json!({ "after_events": events / 2, "clean": true }),
        json!({ "after_events": events - 3, "clean": true }),
        json!({ "after_events": events - 2, "by": "rst" }),
        json!({ "after_events": events - 1, "by": "fin" }),
        json!({ "after_bytes": 1, "by": "rst" }),
        json!({ "after_bytes": bytes / 5, "clean": true }),
        json!({ "after_bytes": bytes / 3, "by": "fin" }),
        json!({ "after_bytes": bytes / 2, "by": "rst" }),
    ]
}

/// Recorded streams, whole and cut at six places each: evenly over what comes before the
/// proof, the first and the last possible place among them.
fn recorded(reader: &Reader, recordings: &[Recording]) {
    let mut answers = BTreeMap::new();
    let (mut models, mut wanted) = (String::new(), Vec::new());
    for recording in recordings {
        let (id, dialect) = (recording.id, recording.dialect);
        let mut add = |name: String, body: &str, how, expect| {
            writeln!(models, "  {name}: {{ targets: [{dialect}/{name}] }}").unwrap();
            wanted.extend(asks(&name, expect));
            let body = body.to_owned();
            answers.insert(name, Answer { body, how });
        };
        add(format!("{id}-whole"), &recording.body, How::Clean, "whole");
        let ways = [
            How::Fin,
            How::Rst,
            How::Clean,
            How::Rst,
            How::Clean,
            How::Fin,
        ];
        for (at, how) in ways.into_iter().enumerate() {
            let until = floor(&recording.body, recording.unproven(how) * at / 5);
            let body = recording.body.get(..until).unwrap();
            add(format!("{id}-{until}-{how:?}"), body, how, "raised");
        }
    }
    let names: Vec<String> = answers.keys().cloned().collect();
    let server = Server::start(answers);
    let mut providers = "providers:\n".to_owned();
    for dialect in ["openai-chat", "anthropic-messages"] {
        let url = &server.url;
        writeln!(
            providers,
            "  {dialect}: {{ base_url: \"{url}\", dialect: {dialect}, key: none }}"
        )
        .unwrap();
    }
    reader.read(&gateway(&providers, &models), &wanted);
    assert!(
        server.asked().into_iter().eq(names),
        "every stream was asked for"
    );
}

/// The last place for a cut of a text that is not behind this one.
fn floor(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default()
}

fn asks(model: &str, expect: &str) -> [Value; 2] {
    CLIENTS.map(|client| json!({ "client": client, "model": model, "expect": expect }))
}

fn gateway(providers: &str, models: &str) -> Program {
    let quick = "retry: { backoff: { initial: 1ms, max: 1ms } }, recovery: restart";
    Program::start(&format!(
        "{providers}models:\n{models}defaults: {{ {quick} }}\nkeys:\n  test: {{ secret: {KEY} }}\n"
    ))
}

/// A program of `tests/sdk` that reads streams and says how each one ended.
struct Reader {
    runs: std::path::PathBuf,
    script: &'static str,
}

fn python() -> Option<Reader> {
    let runs = part(".parts/venv-sdk/bin/python")?;
    Some(Reader {
        runs,
        script: "tests/sdk/python/cuts.py",
    })
}

fn node() -> Option<Reader> {
    let (runs, _) = (part(".parts/bin/node")?, part("tests/sdk/node_modules")?);
    Some(Reader {
        runs,
        script: "tests/sdk/node/cuts.mjs",
    })
}

impl Reader {
    /// Reads these streams and fails with every one that ended otherwise than expected.
    fn read(&self, gateway: &Program, wanted: &[Value]) {
        let mut child = Command::new(&self.runs)
            .arg(self.script)
            .current_dir(root())
            .env("BONDGATE_BASE", &gateway.url)
            .env("BONDGATE_KEY", KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the reader starts");
        // Dropped at once: the reader waits for its end.
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin
            .write_all(json!(wanted).to_string().as_bytes())
            .expect("the reader reads");
        drop(stdin);
        let output = child.wait_with_output().expect("the reader ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let ended: Vec<Value> = stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let other: Vec<&Value> = ended.iter().filter(|line| line["ok"] != true).collect();
        assert!(
            other.is_empty(),
            "{} of {}:\n{other:#?}\n{stderr}",
            other.len(),
            ended.len()
        );
        assert_eq!(ended.len(), wanted.len(), "{stderr}");
        assert!(output.status.success(), "{stderr}");
    }
}
