//! The running program: its start without a file, signals, reloading, one process a data
//! directory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::program::{KEY, PATIENCE, Program, SimThread};

fn configuration(sim: &SimThread, models: &[&str]) -> String {
    let mut text = sim.providers();
    text.push_str("models:\n");
    for name in models {
        text.push_str(&format!("  {name}: {{ targets: [chat/words] }}\n"));
    }
    text + &format!("keys:\n  test: {{ secret: {KEY} }}\n")
}

/// Sends a request; the connection closes after its answer.
fn ask(gateway: &Program, method: &str, path: &str, body: &str) -> BufReader<TcpStream> {
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    BufReader::new(stream)
}

/// The status of `GET /v1/models/{name}`.
fn status_of(gateway: &Program, name: &str) -> String {
    let mut line = String::new();
    let mut answer = ask(gateway, "GET", &format!("/v1/models/{name}"), "");
    answer.read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn without_a_file_the_printed_line_works_when_pasted() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl here");
        return;
    }
    let folder = TempDir::new().unwrap();
    let program = Program::start_in(
        folder,
        &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
    );
    let line = program.printed("curl ");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{line}\n{said}");
    let answer: serde_json::Value = serde_json::from_str(&said).expect(&said);
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
}

#[test]
fn an_answer_under_way_ends_before_the_program_does() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&configuration(&sim, &["m"]));
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"[[chunks=20&gap_ms=20]]"}]}"#;
    let mut answer = ask(&gateway, "POST", "/v1/chat/completions", body);
    let mut begun = String::new();
    while !begun.contains("data:") {
        assert!(answer.read_line(&mut begun).unwrap() > 0, "{begun}");
    }
    gateway.signal("TERM");
    gateway.said("stopping");
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("cut off"), "{said}");
}

#[test]
fn a_hang_up_reloads_and_what_is_wrong_is_refused_whole() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&configuration(&sim, &["first"]));
    assert_eq!(status_of(&gateway, "second"), "404");
    gateway.rewrite(&configuration(&sim, &["first", "second"]));
    gateway.signal("HUP");
    let by = Instant::now() + PATIENCE;
    while status_of(&gateway, "second") != "200" {
        assert!(Instant::now() < by, "the new configuration is not in force");
    }
    gateway.rewrite("models: 7\n");
    gateway.signal("HUP");
    gateway.said("bondgate.yaml:4");
    assert_eq!(status_of(&gateway, "second"), "200");
}

#[test]
fn a_program_whose_words_nobody_reads_serves_and_reloads() {
    let sim = SimThread::start("{}");
    let gateway = Program::start_unheard(&configuration(&sim, &["first"]));
    for name in ["second", "third"] {
        gateway.rewrite(&configuration(&sim, &["first", name]));
        gateway.signal("HUP");
        let by = Instant::now() + PATIENCE;
        while status_of(&gateway, name) != "200" {
            assert!(Instant::now() < by, "the new configuration is not in force");
        }
    }
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
}

#[test]
fn a_second_program_does_not_start_in_the_same_data_directory() {
    let sim = SimThread::start("{}");
    let gateway = Program::start(&configuration(&sim, &["m"]));
    let second = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .current_dir(gateway.folder.path())
        .env_remove("BONDGATE_CONFIG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&gateway.pid().to_string()), "{said}");
    assert_eq!(status_of(&gateway, "m"), "200");
}
