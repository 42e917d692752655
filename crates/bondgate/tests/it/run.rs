//! `bondgate run`, through the real binary, against the real gateway.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::program::{KEY, Program};

fn gateway() -> Program {
    Program::start(&format!(
        "providers:\n  p: {{ base_url: \"http://127.0.0.1:9\", dialect: openai-chat, key: none }}\n\
         models:\n  m: {{ targets: [p/m] }}\nkeys:\n  test: {{ secret: {KEY} }}\n"
    ))
}

fn bondgate(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
    command
        .args(["run", "--gateway", url])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BONDGATE_KEY", KEY)
        .stdin(Stdio::null());
    command
}

fn shell(url: &str, script: &str) -> Command {
    let mut command = bondgate(url);
    command.args(["--", "sh", "-c", script]);
    command
}

fn read(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn start(command: &mut Command) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

#[test]
fn the_program_is_told_where_the_gateway_is() {
    let gateway = gateway();
    let url = &gateway.url;
    let script =
        "env | grep -E '^(OPENAI|ANTHROPIC|BONDGATE_U|BONDGATE_R|x-b|CLAUDE|GOOGLE_GENAI)' | sort";
    let mut command = bondgate(&format!("{url}/v1/"));
    command
        .args(["--run", "nightly 42", "--", "sh", "-c", script])
        .env("ANTHROPIC_CUSTOM_HEADERS", "x-own: 1\nX-Bondgate-Run: old")
        .env("CLAUDE_CODE_USE_BEDROCK", "1")
        .env("CLAUDE_CODE_USE_VERTEX", "1")
        .env("CLAUDE_CODE_USE_FOUNDRY", "1")
        .env("GOOGLE_GENAI_USE_VERTEXAI", "true")
        .env("GOOGLE_GENAI_USE_GCA", "true")
        .env("OPENAI_API_KEY", "sk-of-before");
    let (code, out, err) = read(&command.output().unwrap());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let mut expected = [
        format!("ANTHROPIC_API_KEY={KEY}"),
        format!("ANTHROPIC_AUTH_TOKEN={KEY}"),
        format!("ANTHROPIC_BASE_URL={url}"),
        "ANTHROPIC_CUSTOM_HEADERS=x-own: 1".to_owned(),
        "BONDGATE_RUN=nightly 42".to_owned(),
        format!("BONDGATE_URL={url}"),
        format!("OPENAI_API_BASE={url}/v1"),
        format!("OPENAI_API_KEY={KEY}"),
        format!("OPENAI_BASE_URL={url}/v1"),
        "x-bondgate-run: nightly 42".to_owned(),
    ];
    expected.sort();
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn a_run_without_a_name_is_named_by_a_new_ulid() {
    let gateway = gateway();
    let name = || {
        let output = shell(&gateway.url, "echo $BONDGATE_RUN").output().unwrap();
        read(&output).1.trim().to_owned()
    };
    let (one, other) = (name(), name());
    assert_eq!((one.len(), other.len()), (26, 26));
    assert_ne!(one, other);
}

/// What a program of that name sees: its arguments a line each, then these variables.
fn seen(gateway: &Program, name: &str, variables: &str, options: &[&str]) -> Vec<String> {
    let program = gateway.folder.path().join(name);
    let script = format!(
        r#"#!/bin/sh
for each; do echo "$each"; done
for each in {variables}; do echo "$each=$(printenv "$each" || echo unset)"; done
"#
    );
    std::fs::write(&program, script).unwrap();
    let made = Command::new("chmod").arg("+x").arg(&program).status();
    assert!(made.unwrap().success());
    let mut command = bondgate(&gateway.url);
    command.args(["--run", "r1"]).args(options).arg("--");
    command.arg(&program).arg("hi");
    let (code, out, err) = read(
        &command
            .env("HOME", gateway.folder.path())
            .env("ANTHROPIC_API_KEY", "of-before")
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(0), "{err}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn claude_code_is_given_the_token_alone_and_one_model_for_all() {
    let names =
        "ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_MODEL ANTHROPIC_DEFAULT_HAIKU_MODEL";
    let plain = seen(&gateway(), "claude", names, &[]);
    let token = format!("ANTHROPIC_AUTH_TOKEN={KEY}");
    let key = "ANTHROPIC_API_KEY=unset";
    assert_eq!(plain.get(..3).unwrap(), ["hi", key, &token]);
    assert!(
        plain
            .get(3..)
            .unwrap()
            .iter()
            .all(|line| line.ends_with("unset"))
    );
    let told = seen(&gateway(), "claude", names, &["--model", "m"]);
    let models = ["ANTHROPIC_MODEL=m", "ANTHROPIC_DEFAULT_HAIKU_MODEL=m"];
    assert_eq!(told, ["hi", key, &token, models[0], models[1]]);
}

#[test]
fn codex_is_given_a_provider_before_its_own_arguments() {
    let gateway = gateway();
    let provider = format!(
        "model_providers.bondgate={{name=\"Bondgate\",base_url=\"{}/v1\",env_key=\"OPENAI_API_KEY\",\
         wire_api=\"responses\",http_headers={{\"x-bondgate-run\"=\"r1\"}}}}",
        gateway.url
    );
    let settings = [
        "model_provider=bondgate",
        &provider,
        "web_search=\"disabled\"",
        "features.multi_agent=false",
        "model=\"m\"",
    ];
    let mut expected: Vec<&str> = settings.iter().flat_map(|one| ["-c", one]).collect();
    expected.push("hi");
    let key = format!("OPENAI_API_KEY={KEY}");
    expected.push(&key);
    let told = seen(&gateway, "codex", "OPENAI_API_KEY", &["--model", "m"]);
    assert_eq!(told, expected);
}

#[test]
fn gemini_cli_is_told_to_sign_in_by_the_key() {
    let gateway = gateway();
    let names = "GOOGLE_API_KEY GEMINI_API_KEY GOOGLE_GEMINI_BASE_URL GEMINI_CLI_CUSTOM_HEADERS GEMINI_MODEL \
                 GEMINI_CLI_SYSTEM_SETTINGS_PATH";
    let told = seen(&gateway, "gemini", names, &["--model", "m"]);
    let file = gateway
        .folder
        .path()
        .join(".local/state/bondgate/gemini-cli.json");
    let expected = [
        "hi".to_owned(),
        "GOOGLE_API_KEY=unset".to_owned(),
        format!("GEMINI_API_KEY={KEY}"),
        format!("GOOGLE_GEMINI_BASE_URL={}", gateway.url),
        "GEMINI_CLI_CUSTOM_HEADERS=x-bondgate-run: r1".to_owned(),
        "GEMINI_MODEL=m".to_owned(),
        format!("GEMINI_CLI_SYSTEM_SETTINGS_PATH={}", file.display()),
    ];
    assert_eq!(told, expected);
    let settings = std::fs::read_to_string(file).unwrap();
    assert!(
        settings.contains(r#""selectedType":"gemini-api-key""#),
        "{settings}"
    );
}

/// Runs a program by the name of Gemini CLI, with these settings of the system's.
fn gemini_with(gateway: &Program, settings: &str) -> (Option<i32>, String, String) {
    let folder = gateway.folder.path();
    let (program, system) = (folder.join("gemini"), folder.join("system.json"));
    std::fs::write(&system, settings).unwrap();
    std::fs::write(
        &program,
        "#!/bin/sh\ncat \"$GEMINI_CLI_SYSTEM_SETTINGS_PATH\"\n",
    )
    .unwrap();
    let made = Command::new("chmod").arg("+x").arg(&program).status();
    assert!(made.unwrap().success());
    let mut command = bondgate(&gateway.url);
    command.arg("--").arg(&program);
    command.env("GEMINI_CLI_SYSTEM_SETTINGS_PATH", &system);
    read(&command.env("HOME", folder).output().unwrap())
}

#[test]
fn gemini_cli_keeps_the_settings_of_the_system_but_for_how_to_sign_in() {
    let gateway = gateway();
    let own = r#"{"tools":{"sandbox":true},"security":{"auth":{"selectedType":"oauth-personal"}}}"#;
    let (code, out, err) = gemini_with(&gateway, own);
    assert_eq!(code, Some(0), "{err}");
    let given: Value = serde_json::from_str(&out).unwrap();
    let auth = json!({ "auth": { "selectedType": "gemini-api-key" } });
    assert_eq!(
        given,
        json!({ "tools": { "sandbox": true }, "security": auth })
    );
    for unread in ["{ // no", "[]", r#"{"security":1}"#] {
        let (code, out, err) = gemini_with(&gateway, unread);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("make it JSON without comments"), "{err}");
    }
}

#[test]
fn opencode_is_given_a_configuration_with_the_models_of_the_key() {
    let gateway = gateway();
    for (options, models, model) in [
        (&[][..], json!({ "m": {} }), Value::Null),
        (
            &["--model", "x"][..],
            json!({ "x": {} }),
            json!("bondgate/x"),
        ),
    ] {
        let told = seen(&gateway, "opencode", "OPENCODE_CONFIG_CONTENT", options);
        let (_, text) = told[1].split_once('=').unwrap();
        let configuration: Value = serde_json::from_str(text).unwrap();
        let provider = &configuration["provider"]["bondgate"];
        assert_eq!(
            provider["options"]["baseURL"],
            format!("{}/v1", gateway.url)
        );
        assert_eq!(provider["options"]["headers"]["x-bondgate-run"], "r1");
        assert_eq!(
            (&provider["models"], &configuration["model"]),
            (&models, &model)
        );
        assert!(!text.contains(KEY), "the key is in its variable only");
    }
}

#[test]
fn aider_is_given_a_model_with_its_prefix() {
    let gateway = gateway();
    let names = "AIDER_MODEL AIDER_WEAK_MODEL OPENAI_API_BASE";
    let told = seen(&gateway, "aider", names, &["--model", "m"]);
    let base = format!("OPENAI_API_BASE={}/v1", gateway.url);
    assert_eq!(
        told,
        [
            "hi",
            "AIDER_MODEL=openai/m",
            "AIDER_WEAK_MODEL=openai/m",
            &base
        ]
    );
}

#[test]
fn exit_codes_are_the_programs_own() {
    let gateway = gateway();
    for (script, expected) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
        let (code, _, err) = read(&shell(&gateway.url, script).output().unwrap());
        assert_eq!(code, Some(expected), "{script}: {err}");
    }
    let (code, _, err) = read(
        &bondgate(&gateway.url)
            .args(["--", "no-such-program"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(127));
    assert!(
        err.contains("there is no program `no-such-program`"),
        "{err}"
    );
    let file = gateway.folder.path().join("bondgate.yaml");
    let (code, _, err) = read(&bondgate(&gateway.url).arg("--").arg(file).output().unwrap());
    assert_eq!(code, Some(126));
    assert!(err.contains("cannot be started"), "{err}");
}

#[test]
fn input_and_output_are_the_programs_own() {
    let gateway = gateway();
    let mut command = shell(&gateway.url, "cat; echo aside >&2");
    let (mut child, mut out) = start(command.stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "aside\n");
}

#[test]
fn signals_reach_the_program_and_its_end_is_awaited() {
    let gateway = gateway();
    for (signal, code) in [("TERM", 31), ("INT", 32), ("HUP", 33)] {
        let script =
            format!("trap 'exit {code}' {signal}; echo ready; while :; do sleep 0.01; done");
        let (mut child, mut out) = start(&mut shell(&gateway.url, &script));
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let pid = child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
}

#[test]
fn nothing_is_started_without_a_gateway_or_a_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (code, out, err) = read(&shell(&url, "echo started").output().unwrap());
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.starts_with(&format!(
            "no gateway answers at {url} · start one with `bondgate serve`"
        )),
        "{err}"
    );
    let gateway = gateway();
    let mut keyless = shell(&gateway.url, "echo started");
    let (code, out, err) = read(&keyless.env_remove("BONDGATE_KEY").output().unwrap());
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("BONDGATE_KEY"), "{err}");
    let mut odd = shell(&gateway.url, "echo started");
    let (code, out, err) = read(&odd.env("BONDGATE_KEY", "hunter2 hunter2").output().unwrap());
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn somebody_else_who_answers_is_no_gateway() {
    let sim = crate::program::SimThread::start("{}");
    let (code, out, err) = read(&shell(&sim.sim.url(), "echo started").output().unwrap());
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("/livez: it is no gateway"), "{err}");
}

#[test]
fn wrong_usage_of_run_ends_with_two_and_shows_no_key() {
    for arguments in [
        &["run"][..],
        &["run", "--gateway", "ftp://x", "--", "true"],
        &["run", "--run", "", "--", "true"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(["run", "--help"])
        .env("BONDGATE_KEY", KEY)
        .output()
        .unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains(KEY));
}
