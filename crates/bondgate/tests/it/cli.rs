//! The command line, through the real binary.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::kit::{GOOD, Written};

fn bondgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondgate"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    read(&bondgate(arguments).output().unwrap())
}

fn read(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn path(written: &Written) -> String {
    written.path().display().to_string()
}

#[test]
fn a_good_configuration_checks_good() {
    let written = Written::new(GOOD);
    let (code, out, err) = run(&["check", "--config", &path(&written)]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("good: 1 provider, 1 model, 1 key\n"), "{out}");
}

#[test]
fn a_bad_one_says_file_line_and_column_and_fails() {
    let written = Written::new("memroy: 1\nguardrails: {}\n");
    let (code, out, err) = run(&["check", "--config", &path(&written)]);
    assert_eq!((code, out.as_str()), (1, ""));
    let expected = format!(
        "{0}:1:1: unknown key `memroy` · did you mean `memory`?\n\
         {0}:2:1: `guardrails` is not available yet · leave it out: it would do nothing\n2 problems\n",
        path(&written)
    );
    assert_eq!(err, expected);
}

#[test]
fn the_file_is_found_by_variable_and_in_the_folder() {
    let written = Written::new(GOOD);
    let by_variable = bondgate(&["check"])
        .env("BONDGATE_CONFIG", written.path())
        .output()
        .unwrap();
    assert_eq!(read(&by_variable).0, 0);
    let folder = written.path().parent().unwrap().to_owned();
    let in_folder = bondgate(&["check"]).current_dir(folder).output().unwrap();
    assert_eq!(read(&in_folder).0, 0);
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let (code, _, err) = run(&["check", "--config", "/nowhere/b.yaml"]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with("/nowhere/b.yaml: the configuration cannot be read: No such file"),
        "{err}"
    );
    let empty = tempfile::tempdir().unwrap();
    let (code, _, err) = read(
        &bondgate(&["check"])
            .current_dir(empty.path())
            .output()
            .unwrap(),
    );
    assert_eq!(code, 1);
    assert!(err.contains("there is no configuration file here"), "{err}");
}

#[test]
fn no_secret_shows_in_any_output() {
    let text = r#"
secrets: { master_key: "${M}" }
providers:
  openai: { key: "${A} ", base_url: "https://u:${B}@h o s t" }
  b: { base_url: "${B}", dialect: "${B}", keys: ["${A}", "hunter2 in clear"] }
  c: "${C}"
  d: { provider: "${C}", headers: { x-a: "${A}\n", authorization: "Bearer hunter2" } }
models:
  m: { targets: ["${C}", { target: "${C}/x", weight: "${C}" }], balance: "${C}", alias: "${C}" }
keys:
  k: { secret: "hunter2" }
  l: { secret: "${C}", models: ["${C}"], expires: "${C}", direct: "${C}" }
admin: { token: hunter2, listen: "${C}" }
upstream: { proxy: "ftp://x:${A}@y" }
memory: "${C}"
prices: [{ target: "${C}", input: "${C}", from: "${C}" }]
teams: { t: { organisation: "${C}", models: ["${C}"], tags: { a: "${C},," }, limits: { requests: "${C}" } } }
budgets: { b: { on: "${C}", each: "${C}", limit: "${C}", per: "${C}", time_zone: "${C}", alert_at: ["${C}"] } }
alerts: { webhook: "hunter2", secret: "hunter2", slack: "${C}" }
require_tags: ["${C} x"]
"#;
    let written = Written::new(text);
    let mut command = bondgate(&["check", "--config", &path(&written)]);
    for name in ["M", "A", "B", "C"] {
        command.env(name, format!("hunter2-{name}"));
    }
    let (code, out, err) = read(&command.output().unwrap());
    assert_eq!(code, 1);
    assert!(err.lines().count() > 15, "{err}");
    assert!(
        !err.contains("hunter2") && !out.contains("hunter2"),
        "{err}"
    );
}

#[test]
fn checking_writes_nothing() {
    let written = Written::new(GOOD);
    let folder = written.path().parent().unwrap().to_owned();
    assert_eq!(
        read(&bondgate(&["check"]).current_dir(&folder).output().unwrap()).0,
        0
    );
    assert_eq!(
        read(
            &bondgate(&["explain", "fast"])
                .current_dir(&folder)
                .output()
                .unwrap()
        )
        .0,
        0
    );
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["bondgate.yaml"]);
}

#[test]
fn the_schema_is_json_that_describes_the_keys() {
    let (code, out, _) = run(&["check", "--schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["title"], "Bondgate");
    assert!(schema["properties"]["models"].is_object());
}

const EXPLAINED: &str = "\
providers:
  p: { base_url: http://h, dialect: openai-chat }
models:
  m:
    balance: weighted
    targets: [{ target: p/b, priority: 2 }, { target: p/a, weight: 3 }, { target: p/c, weight: 1 }]
    fallback: { failure: [p/d, p/e], context_window: [p/long], content_policy: [p/free] }
keys:
  app: { secret: 0123456789abcdef, models: [m] }
";

#[test]
fn explain_says_the_order_and_why_each_other_target_is_not_used() {
    let written = Written::new(EXPLAINED);
    let (code, out, err) = run(&[
        "explain",
        "m",
        "--config",
        &path(&written),
        "--format",
        "csv",
    ]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines,
        [
            "order,target,role,why",
            "1,p/a,target,\"priority 1, drawn first for 75 % of requests\"",
            "2,p/c,target,\"priority 1, drawn first for 25 % of requests\"",
            "3,p/b,target,\"priority 2, alone\"",
            "4,p/d,fallback,when the targets before it fail",
            "-,p/e,not used,beyond `retry.max_attempts: 4`",
            "-,p/long,not used,only where the request is too long for a target",
            "-,p/free,not used,only where a provider refuses by its content policy",
        ]
    );
}

#[test]
fn explain_speaks_json_and_tables_too() {
    let written = Written::new(EXPLAINED);
    let (_, out, _) = run(&[
        "explain",
        "m",
        "--config",
        &path(&written),
        "--format",
        "json",
    ]);
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows[0]["target"], "p/a");
    assert_eq!(rows[0]["order"], "1");
    let (_, table, _) = run(&["explain", "p/anything", "--config", &path(&written)]);
    assert!(
        table.contains("p/anything") && table.contains("priority 1, alone"),
        "{table}"
    );
}

#[test]
fn explain_says_what_a_key_may_not_and_what_is_not_there() {
    let written = Written::new(EXPLAINED);
    let config = path(&written);
    let cases = [
        (
            vec!["explain", "p/x", "--key", "app"],
            "key `app` may not call `p/x`",
        ),
        (
            vec!["explain", "mm"],
            "there is no model `mm` · did you mean `m`?",
        ),
        (
            vec!["explain", "m", "--key", "apq"],
            "there is no key `apq` · did you mean `app`?",
        ),
    ];
    for (mut arguments, said) in cases {
        arguments.extend(["--config", &config]);
        let (code, out, err) = run(&arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.starts_with(said), "{err}");
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let cases: [&[&str]; 6] = [
        &["keys", "create"],
        &["serve", "--nonsense"],
        &["explain"],
        &["explain", "m", "--data-class", "public"],
        &["explain", "m", "--needs", "wings"],
        &["serve", "--listen", "everywhere"],
    ];
    for arguments in cases {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.starts_with("error: "), "{err}");
    }
}

#[test]
fn help_teaches_by_examples_and_lists_what_is_built() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for command in [
        "serve",
        "check",
        "explain",
        "keys",
        "spend",
        "logs",
        "show",
        "paths",
        "query",
        "prices",
        "status",
        "sim",
        "completions",
        "version",
    ] {
        assert!(out.contains(&format!("\n  {command}")), "{command}: {out}");
        let (code, help, _) = run(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(command == "version" || help.contains("Example"), "{help}");
    }
    assert!(
        !out.contains("drill") && !out.contains("reconcile"),
        "{out}"
    );
}

#[test]
fn version_says_version_commit_and_features() {
    let (code, out, _) = run(&["version"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with(concat!("bondgate ", env!("CARGO_PKG_VERSION"), "\ncommit ")),
        "{out}"
    );
    assert!(
        out.contains("openai-chat") && out.contains("anthropic-messages"),
        "{out}"
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(
            out.contains("explain") && out.contains("bondgate"),
            "{shell}"
        );
    }
}

#[test]
fn sim_says_where_it_is_and_refuses_a_bad_script() {
    let mut child = bondgate(&["sim", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("simulated provider on http://127.0.0.1:"),
        "{line}"
    );
    assert!(!line.contains("127.0.0.1:0,"), "{line}");
    let written = Written::new("");
    written.write("script.json", "{ \"rulez\": [] }");
    let script = written
        .path()
        .with_file_name("script.json")
        .display()
        .to_string();
    let (code, _, err) = run(&["sim", "--listen", "127.0.0.1:0", "--script", &script]);
    assert_eq!(code, 1);
    assert!(
        err.contains("script.json") && err.contains("rulez"),
        "{err}"
    );
}
