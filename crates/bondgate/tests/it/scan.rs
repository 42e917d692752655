//! `bondgate scan`, through the real binary.
//!
//! Keys are put together here, so that this file holds none.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a key of that shape could look like; of no use anywhere.
fn key(start: &str, length: usize) -> String {
    let body = "a1B2c3D4e5F6g7H8i9J0".chars().cycle();
    start.chars().chain(body).take(length).collect()
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The exit code, all that was written, and the rows as `file:line kind what provider`.
fn scan(folder: &Path, more: &[&str]) -> (i32, String, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(["scan", ".", "--format", "json"])
        .args(more)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let rows: serde_json::Value = serde_json::from_str(&out).expect(&err);
    let rows = rows.as_array().unwrap().iter().map(|row| {
        let cell = |name: &str| row[name].as_str().unwrap().to_owned();
        let place = cell("place");
        let place = place.trim_start_matches("./");
        format!(
            "{place} | {} | {} | {}",
            cell("kind"),
            cell("what"),
            cell("provider")
        )
    });
    let rows = rows.collect();
    (output.status.code().unwrap(), out + &err, rows)
}

#[test]
fn keys_are_found_by_shape_and_never_shown() {
    let folder = TempDir::new().unwrap();
    let keys = [
        ("sk-ant-api03-", 60, "anthropic"),
        ("sk-or-v1-", 70, "openrouter"),
        ("sk-proj-", 60, "openai"),
        ("AIza", 39, "gemini"),
        ("gsk_", 56, "groq"),
        ("xai-", 84, "xai"),
        ("pplx-", 53, "perplexity"),
        ("nvapi-", 70, "nvidia"),
        ("hf_", 37, "huggingface"),
    ];
    let made: Vec<String> = keys
        .iter()
        .map(|(start, length, _)| key(start, *length))
        .collect();
    let text: String = made.iter().map(|key| format!("x = \"{key}\"\n")).collect();
    write(&folder, "notes.md", &text);
    let (code, all, rows) = scan(folder.path(), &[]);
    assert_eq!(code, 1, "{all}");
    let expected: Vec<String> = (1..)
        .zip(keys)
        .map(|(line, (start, length, provider))| {
            let first: String = start.chars().chain("a1B2".chars()).take(4).collect();
            format!(
                "notes.md:{line} | key | key in clear: {first}…, {length} characters | {provider}"
            )
        })
        .collect();
    assert_eq!(rows, expected);
    for key in made {
        assert!(!all.contains(&key[..12]), "{all}");
    }
}

#[test]
fn variables_with_a_value_in_clear_are_keys_and_references_are_not() {
    let folder = TempDir::new().unwrap();
    let value = key("", 32);
    let env = format!(
        "MISTRAL_API_KEY={value}\nexport OPENAI_API_KEY=\"$SECRET\"\nGROQ_API_KEY=\nDEEPSEEK_API_KEY=your-key-goes-here-1234\n"
    );
    write(&folder, ".env", &env);
    let manifest = format!(
        "env:\n- name: COHERE_API_KEY\n  value: \"{value}\"\n- name: OPENAI_API_KEY\n  valueFrom:\n    secretKeyRef: {{ name: a, key: b }}\n"
    );
    write(&folder, "deploy/app.yaml", &manifest);
    write(
        &folder,
        "Dockerfile",
        &format!("FROM x\nENV ANTHROPIC_API_KEY {value}\n"),
    );
    write(
        &folder,
        "app.py",
        &format!("MISTRAL_API_KEY = '{value}'\nk = os.environ['OPENAI_API_KEY']\n"),
    );
    write(&folder, "README.md", "Set OPENAI_API_KEY=... and go\n");
    let (code, all, rows) = scan(folder.path(), &[]);
    assert_eq!(code, 1, "{all}");
    let clear = "key in clear: a1B2…, 32 characters";
    assert_eq!(
        rows,
        [
            format!(".env:1 | key | MISTRAL_API_KEY: {clear} | mistral"),
            ".env:2 | variable | OPENAI_API_KEY | openai".to_owned(),
            ".env:3 | variable | GROQ_API_KEY | groq".to_owned(),
            ".env:4 | variable | DEEPSEEK_API_KEY | deepseek".to_owned(),
            format!("Dockerfile:2 | key | ANTHROPIC_API_KEY: {clear} | anthropic"),
            format!("app.py:1 | key | MISTRAL_API_KEY: {clear} | mistral"),
            format!("deploy/app.yaml:2 | key | COHERE_API_KEY: {clear} | cohere"),
            "deploy/app.yaml:4 | variable | OPENAI_API_KEY | openai".to_owned(),
        ]
    );
    assert!(!all.contains(&value[..8]), "{all}");
}

#[test]
fn clients_and_base_urls_are_found_in_programs() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "a.py",
        "from openai import OpenAI\nc = OpenAI(\n  base_url=\"https://api.groq.com/openai/v1\",\n)\nd = AsyncAnthropic()\ne = OpenAI(base_url='http://models.internal:9000/v1')\n",
    );
    write(
        &folder,
        "b.ts",
        "import Anthropic from '@anthropic-ai/sdk'\nconst a = new Anthropic({ baseURL: 'http://127.0.0.1:4000' })\n",
    );
    write(&folder, "c.go", "client := openai.NewClient(key)\n");
    write(&folder, "C.java", "var c = OpenAIOkHttpClient.fromEnv();\n");
    write(
        &folder,
        "conf.toml",
        "url = \"https://eu-1.openai.azure.com/\"\nlocal = \"http://localhost:11434/v1\"\n",
    );
    write(
        &folder,
        "other.py",
        "session = Session(base_url=\"https://example.com\")\n",
    );
    let (code, all, rows) = scan(folder.path(), &[]);
    assert_eq!(code, 0, "{all}");
    assert_eq!(
        rows,
        [
            "C.java:1 | client | OpenAIOkHttpClient | openai",
            "a.py:2 | client | OpenAI | openai",
            "a.py:3 | base URL | https://api.groq.com | groq",
            "a.py:5 | client | AsyncAnthropic | anthropic",
            "a.py:6 | client | OpenAI | openai",
            "a.py:6 | base URL | http://models.internal:9000 | ",
            "b.ts:2 | client | new Anthropic | anthropic",
            "c.go:1 | client | openai.NewClient | openai",
            "conf.toml:1 | base URL | https://eu-1.openai.azure.com | azure",
            "conf.toml:2 | base URL | http://localhost:11434/v1 | ollama",
        ]
    );
}

#[test]
fn what_others_wrote_is_passed_over_and_links_are_not_followed() {
    let folder = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let text = format!("k = \"{}\"\n", key("sk-ant-", 60));
    write(&outside, "far.py", &text);
    for name in [
        ".git/a",
        "node_modules/p/a.js",
        "target/a.rs",
        ".venv/a.py",
        "env/a.py",
    ] {
        write(&folder, name, &text);
    }
    write(&folder, "env/pyvenv.cfg", "");
    write(&folder, "binary", &format!("\0{text}"));
    write(&folder, "large.py", &(text.clone() + &" ".repeat(1 << 20)));
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("far.py"), folder.path().join("link.py"))
        .unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    let (code, all, rows) = scan(folder.path(), &[]);
    assert_eq!((code, rows.as_slice()), (0, &[][..]), "{all}");
    let (code, ..) = scan(folder.path(), &[outside.path().to_str().unwrap()]);
    assert_eq!(code, 1);
}

#[test]
fn suggestions_name_the_gateway_and_a_key_of_the_folder() {
    let folder = TempDir::new().unwrap();
    write(&folder, "Help Desk/a.py", "import openai\nc = OpenAI()\n");
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args([
            "scan",
            "Help Desk",
            "--gateway",
            "https://gw.example.com/v1",
            "--format",
            "csv",
        ])
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let row = out.lines().nth(1).unwrap();
    assert!(
        row.contains("set OPENAI_BASE_URL to https://gw.example.com/v1"),
        "{out}"
    );
    assert!(
        row.contains("bondgate keys create --name help-desk"),
        "{out}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(["scan", "nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("nowhere is not there"), "{said}");
}
