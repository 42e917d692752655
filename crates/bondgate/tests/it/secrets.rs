//! No secret and no prompt lies where it was not put: not in the data folder, not in figures, logs
//! or arguments, and never in a core file.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::client::{CHAT, Client, chat, request};
use crate::program::{Program, SimThread};
use crate::proof::operator;

const VIRTUAL: &str = "canary-virtual-0123456789";
const PROVIDER: &str = "canary-provider-0123456789";
const MASTER: &str = "canary-master-0123456789-0123456789";
const ADMIN: &str = "canary-admin-0123456789-0123456789";
const PROMPT: &str = "canary-prompt-my-doctor-says";
const ALL: [&str; 5] = [VIRTUAL, PROVIDER, MASTER, ADMIN, PROMPT];

/// Where one of them stands in these bytes.
fn found(bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    ALL.into_iter().find(|secret| text.contains(secret))
}

fn no_file_holds_one(dir: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += no_file_holds_one(&path);
            continue;
        }
        let bytes = match std::fs::read(&path) {
            // What a database needs for a moment only is gone by now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.unwrap(),
        };
        assert_eq!(found(&bytes), None, "in {}", path.display());
        files += 1;
    }
    files
}

fn configuration(sim: &SimThread) -> String {
    let url = sim.sim.url();
    format!(
        "admin: {{ listen: 127.0.0.1:0, token: {ADMIN} }}\nsecrets: {{ master_key: {MASTER} }}\n\
         providers:\n  p: {{ base_url: \"{url}\", dialect: openai-chat, key: {PROVIDER} }}\n  \
         gone: {{ base_url: \"http://127.0.0.1:9\", dialect: openai-chat, key: {PROVIDER} }}\n\
         keys:\n  test: {{ secret: {VIRTUAL}, direct: true }}\n"
    )
}

/// Good requests and bad ones, each with the prompt in it; no answer but an echo has a secret.
async fn asked(gateway: &Program) {
    for model in ["p/echo", "p/401", "p/cut", "p/html", "gone/x", "nobody"] {
        for (key, stream) in [(VIRTUAL, false), (VIRTUAL, true), ("canary", false)] {
            let body = chat(model, PROMPT, stream);
            let mut client = Client::to(gateway).await;
            let got = client.ask(request("POST", CHAT, key, body)).await;
            if got.status != 200 {
                assert_eq!(found(format!("{got:?}").as_bytes()), None, "{got:?}");
            }
        }
    }
    for body in [
        "{",
        &format!("{{\"model\": \"{PROMPT}"),
        &format!("[\"{PROMPT}\"]"),
    ] {
        let mut client = Client::to(gateway).await;
        let got = client
            .ask(request("POST", CHAT, VIRTUAL, body.to_owned()))
            .await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(found(format!("{got:?}").as_bytes()), None, "{got:?}");
    }
}

#[tokio::test]
async fn no_secret_and_no_prompt_is_in_files_figures_logs_or_arguments() {
    let repeats = format!("Incorrect API key provided: {PROVIDER}");
    let script = serde_json::json!({ "rules": [
        { "when": { "model": "401" }, "do": { "status": { "status": 401, "message": repeats } } },
        { "when": { "model": "cut" }, "do": { "cut": { "at_fraction": 0.5 } } },
        { "when": { "model": "html" }, "do": { "html": {} } },
    ] });
    let sim = SimThread::start(&script.to_string());
    let (folder, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let text = format!("listen: 127.0.0.1:0\n{}", configuration(&sim));
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
    command
        .env_remove("BONDGATE_CONFIG")
        .env("BONDGATE_LOG", "debug");
    command.arg("--data").arg(data.path());
    let gateway = Program::start_by(command, folder);
    asked(&gateway).await;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", gateway.pid())).unwrap();
    assert_eq!(found(&arguments), None);
    let admin = gateway.printed("Admin: ");
    assert_eq!(found(admin.as_bytes()), None);
    let address = admin.rsplit("//").next().unwrap().parse().unwrap();
    for token in [ADMIN, VIRTUAL] {
        let got = operator(address, "/metrics", token).await;
        assert_eq!(got.status == 200, token == ADMIN, "{got:?}");
        assert_eq!(found(got.body.as_bytes()), None, "{got:?}");
    }
    // While it runs and after it stopped: the journal, the ledger and their companions.
    assert!(no_file_holds_one(data.path()) > 3);
    let wrote = gateway.wrote();
    assert!(wrote.contains(" exchange: "), "nothing was logged: {wrote}");
    assert_eq!(found(wrote.as_bytes()), None, "{wrote}");
    assert!(no_file_holds_one(data.path()) > 3);
}

#[test]
fn a_crash_leaves_no_core_file() {
    let sim = SimThread::start("{}");
    let mut gateway = Program::start(&configuration(&sim));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let values: Vec<&str> = core.unwrap().split_whitespace().skip(4).collect();
    assert_eq!(values[..2], ["0", "0"], "{limits}");
    gateway.signal("ABRT");
    let status = gateway.crashed();
    assert!(
        status.signal().is_some() && !status.core_dumped(),
        "{status:?}"
    );
    let names = std::fs::read_dir(gateway.folder.path()).unwrap();
    let cores = names.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("core")
    });
    assert_eq!(cores.count(), 0);
}
