//! `bondgate doctor` and `bondgate egress`, as a person runs them.

use std::process::{Command, Output};

use policy::viewer::Viewer;
use serde_json::{Value, json};
use sim::{Script, Sim};
use store::keys::KeyHasher;
use store::objects::{New, Objects, ProviderSpec};
use store::seal::Sealer;
use store::sqlite::{OpenMode, open_main};
use tempfile::TempDir;

use crate::program::{Program, SimThread};

/// Runs a command over a configuration, whose listeners take any port.
async fn run(command: &'static str, text: &str) -> Output {
    let text = format!("listen: \"127.0.0.1:0\"\nadmin: {{ listen: \"127.0.0.1:0\" }}\n{text}");
    let run = move || {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
        Command::new(env!("CARGO_BIN_EXE_bondgate"))
            .args([command, "--format", "json"])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    let rows = serde_json::from_slice(&output.stdout);
    rows.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The row of that part.
fn found<'a>(rows: &'a [Value], part: &str) -> &'a Value {
    let mut rows_of = rows.iter().filter(|row| row["part"] == part);
    rows_of
        .next()
        .unwrap_or_else(|| panic!("no {part} in {rows:#?}"))
}

async fn sim(script: Value) -> Sim {
    let sim = Sim::start("127.0.0.1:0", Script::default()).await.unwrap();
    sim.set_script(Script::from_json(&script.to_string()).unwrap());
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_answers_is_good_and_a_model_that_it_lacks_is_told() {
    let sim = sim(json!({ "rules": [] })).await;
    let text = format!(
        "providers: {{ p: {{ base_url: \"{}\", dialect: openai-chat, key: any-key }} }}
models: {{ m: {{ targets: [p/nobodys-model] }} }}",
        sim.url()
    );
    let output = run("doctor", &text).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let rows = rows(&output);
    for part in ["configuration", "data folder", "listen", "admin.listen"] {
        assert_eq!(found(&rows, part)["state"], "good", "{rows:#?}");
    }
    let told = found(&rows, "provider p");
    assert_eq!(told["state"], "warning", "{told}");
    assert!(
        told["found"].as_str().unwrap().contains("nobodys-model"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_refused_is_bad_and_never_told() {
    let refusal = json!({ "status": { "status": 401 } });
    let sim = sim(json!({ "rules": [{ "do": refusal }] })).await;
    let text = format!(
        "providers: {{ p: {{ base_url: \"{}\", dialect: openai-chat, keys: [first-key, second-key] }} }}",
        sim.url()
    );
    let output = run("doctor", &text).await;
    assert_eq!(output.status.code(), Some(1));
    let rows = rows(&output);
    for part in ["provider p, p-1", "provider p, p-2"] {
        let told = found(&rows, part);
        assert_eq!(told["state"], "bad");
        assert!(
            told["found"]
                .as_str()
                .unwrap()
                .contains("refuses the credential"),
            "{told}"
        );
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !said.contains("first-key") && !said.contains("second-key"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_or_obtained_is_bad_with_its_reason() {
    let text = "providers:
  away: { base_url: \"http://127.0.0.1:9/v1\", dialect: openai-chat, key: k }
  lost: { base_url: \"http://no-such-name.invalid/v1\", dialect: openai-chat, key: k }
  entra:
    base_url: \"http://127.0.0.1:9/v1\"
    dialect: openai-chat
    entra: { tenant: t, client_id: c, client_secret: hidden, authority: \"http://127.0.0.1:9\" }
";
    let output = run("doctor", text).await;
    assert_eq!(output.status.code(), Some(1));
    let rows = rows(&output);
    for (part, why) in [
        ("provider away", "cannot be reached"),
        ("provider lost", "no-such-name.invalid does not resolve"),
        ("provider entra", "credential cannot be obtained"),
    ] {
        let told = found(&rows, part);
        assert_eq!(told["state"], "bad");
        assert!(told["found"].as_str().unwrap().contains(why), "{told}");
        assert_ne!(told["mend"], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_that_the_configuration_can_reach_is_listed_once() {
    let text = "upstream: { proxy: \"http://proxy.example:3128\", no_proxy: [near.example] }
providers:
  openai: { key: k }
  near: { base_url: \"https://near.example/v1\", dialect: openai-chat, key: k }
  bedrock: { region: eu-west-1, dialect: openai-chat }
  azure: { resource: mine, entra: { tenant: t, client_id: c, client_secret: s } }
alerts: { slack: \"https://hooks.slack.example/services/secret-path\" }
";
    let output = run("egress", text).await;
    let rows = rows(&output);
    let place = |row: &Value| {
        let cell = |name: &str| row[name].as_str().unwrap().to_owned();
        format!("{}:{} {}", cell("host"), cell("port"), cell("through"))
    };
    let places: Vec<String> = rows.iter().map(place).collect();
    let expected = [
        "169.254.169.254:80 direct",
        "169.254.170.2:80 direct",
        "api.openai.com:443 proxy",
        "bedrock-runtime.eu-west-1.amazonaws.com:443 proxy",
        "hooks.slack.example:443 proxy",
        "login.microsoftonline.com:443 proxy",
        "mine.openai.azure.com:443 proxy",
        "near.example:443 direct",
        "proxy.example:3128 direct",
    ];
    assert_eq!(places, expected);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("secret-path"), "{said}");
}

#[test]
fn a_provider_that_was_made_at_run_time_is_looked_at_too() {
    let sim = SimThread::start(r#"{ "rules": [] }"#);
    let gateway = Program::start("providers: {}\n");
    let data = gateway.folder.path().join("data");
    let key = std::fs::read_to_string(data.join("master.key")).unwrap();
    let secret = key.trim_end().as_bytes();
    let db = open_main(&data, OpenMode::Existing).unwrap();
    let sealer = Sealer::new(secret).unwrap();
    let objects = Objects::open(db, KeyHasher::new(secret), sealer).unwrap();
    let url = sim.sim.url();
    for spec in [
        json!({ "name": "made", "base_url": url, "dialect": "openai-chat", "key": "a-key" }),
        json!({ "name": "half", "provider": "azure-openai", "key": "a-key" }),
    ] {
        let new = New::<ProviderSpec>::from_json(spec.to_string().as_bytes(), 0).unwrap();
        objects.create(&Viewer::operator("ada"), new, 0).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(["doctor", "--format", "json"])
        .current_dir(gateway.folder.path())
        .env_clear()
        .output()
        .unwrap();
    let rows = rows(&output);
    assert_eq!(found(&rows, "provider made")["state"], "good", "{rows:#?}");
    let half = found(&rows, "provider half");
    assert!(
        half["found"].as_str().unwrap().contains("`resource`"),
        "{half}"
    );
}
